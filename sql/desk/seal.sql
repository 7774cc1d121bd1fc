-- What is not for users is not for PUBLIC either, except what tells everybody what he lacks and shows him his jobs.
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA folio_internal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION folio_internal.require_desk(), folio_internal.refuse(text, text, text), folio_internal.jobs() TO PUBLIC;
