-- The role that Superset connects as: it sees the results and the prices that they are measured with, and writes nothing.
DO $$
BEGIN
    IF to_regrole('bi') IS NULL THEN CREATE ROLE bi LOGIN IN ROLE folio_reader; END IF;
END $$;
GRANT SELECT ON prices TO bi;
