-- The role that Superset connects as: it sees the portfolios that are shared with folio_reader, and writes nothing.
DO $$
BEGIN
    IF to_regrole('bi') IS NULL THEN CREATE ROLE bi LOGIN IN ROLE folio_reader; END IF;
END $$;
