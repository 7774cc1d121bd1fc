-- What is not for users is not for PUBLIC either, except what tells everybody what he lacks and shows him his jobs.
SET LOCAL search_path = pg_catalog, pg_temp; -- sql/desk/schema.sql says why
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA folio_internal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION folio_internal.require_desk(), folio_internal.refuse(text, text, text), folio_internal.jobs() TO PUBLIC;

-- A database's owner who creates the extension has its desk, and gives it to others; the tables are a superuser's.
DO $$
DECLARE
    creator regrole := (SELECT extowner FROM pg_extension WHERE extname = 'pg_folio');
    privilege text;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE oid = creator) THEN
        FOR privilege IN SELECT * FROM folio_internal.desk_privileges() LOOP
            EXECUTE format('GRANT %s TO %s WITH GRANT OPTION', privilege, creator);
        END LOOP;
    END IF;
END $$;
SET LOCAL search_path = @extschema@, pg_temp;
