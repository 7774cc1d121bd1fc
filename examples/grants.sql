-- Two roles for the desk, and what they may do. Roles are of the whole cluster, so this is not part of CREATE EXTENSION:
-- run it in each database that has the extension, as its owner or a superuser; a second run changes nothing.
--     psql -d DATABASE -f examples/grants.sql
--     GRANT folio_reader TO the_dashboard;  GRANT folio_runner TO the_scheduler;
DO $$
BEGIN
    IF to_regrole('folio_reader') IS NULL THEN CREATE ROLE folio_reader NOLOGIN; END IF;
    IF to_regrole('folio_runner') IS NULL THEN CREATE ROLE folio_runner NOLOGIN; END IF;
END $$;

-- A reader sees the results of every portfolio. What is computed from prices when it is asked for, forecast_accuracy and
-- portfolio_value, needs the right to read the prices too: GRANT SELECT ON prices TO ...
GRANT SELECT ON
    folio.portfolio, folio.run, folio.forecast, folio.forecast_member, folio.weight, folio.trade, folio.view,
    folio.rebalance, folio.latest_forecast, folio.current_weight, folio.weight_history, folio.trade_history,
    folio.forecast_accuracy, folio.portfolio_value, folio.run_history, folio.run_lock
TO folio_reader;

-- A runner makes portfolios and runs them, on the prices that it may read: grants and row security hold.
GRANT folio_reader TO folio_runner;
GRANT INSERT, UPDATE, DELETE ON folio.portfolio, folio.run TO folio_runner;
GRANT INSERT ON folio.forecast, folio.forecast_member, folio.weight, folio.trade, folio.view TO folio_runner;

-- To schedule, a runner needs pg_cron's schema, where that is: GRANT USAGE ON SCHEMA cron TO folio_runner;
