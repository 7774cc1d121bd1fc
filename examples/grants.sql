-- Two roles for the desk. Roles are of the whole cluster, so this is not part of CREATE EXTENSION: run it in each database
-- that has the extension, as its owner or a superuser; a second run changes nothing.
--     psql -d DATABASE -f examples/grants.sql
--     GRANT folio_reader TO the_dashboard;  GRANT folio_runner TO the_scheduler;
DO $$
BEGIN
    IF to_regrole('folio_reader') IS NULL THEN CREATE ROLE folio_reader NOLOGIN; END IF;
    IF to_regrole('folio_runner') IS NULL THEN CREATE ROLE folio_runner NOLOGIN; END IF;
END $$;

-- A runner makes portfolios and runs them, on the prices that it may read: grants and row security hold.
SELECT folio.grant_desk('folio_runner');

-- A reader needs no grant: it sees the portfolios that are shared with it, SELECT folio.share_portfolio('core', 'folio_reader').
