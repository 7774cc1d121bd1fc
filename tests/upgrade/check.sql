-- After the update: the rows, the grants, and a desk that goes on.
\set ON_ERROR_STOP on
\ir check_rows.sql
DO $$
BEGIN
    PERFORM pg_temp.expect('a closed function', (SELECT bool_and(has_function_privilege('nobody_else', oid, 'EXECUTE')) FROM pg_proc WHERE proname = 'forecast_ensemble'), false);
    PERFORM pg_temp.expect('its grant', (SELECT bool_and(has_function_privilege('old_runner', oid, 'EXECUTE')) FROM pg_proc WHERE proname = 'forecast_ensemble'), true);
END $$;
-- The next numbers go on after those that were ever given.
SET ROLE old_runner;
SELECT pg_temp.expect('a runner''s next portfolio', folio.create_portfolio('new', models => '{naive}', prices => 'public.prices'), 6);
SELECT pg_temp.expect('what a runner sees', (SELECT count(*) FROM folio.run), 3::bigint);
CALL folio.rebalance('core');
SELECT pg_temp.expect('the runner''s run', (SELECT status FROM folio.run_history WHERE portfolio = 'core' ORDER BY run_id DESC LIMIT 1), 'succeeded');
RESET ROLE;
SET ROLE old_reader;
SELECT pg_temp.expect('what a reader sees', (SELECT count(*) FROM folio.portfolio), 4::bigint);
RESET ROLE;
