-- The desk goes on where it was.
\set ON_ERROR_STOP on
\connect market db_owner
CALL folio.rebalance('core', as_of => '2022-08-01');
SELECT 1 / (count(*) = 3)::integer FROM folio.run_history WHERE portfolio = 'core' AND status = 'succeeded';
SELECT 1 / (sum(abs(previous_weight)) > 0)::integer FROM folio.trade_history WHERE portfolio = 'core' AND as_of >= '2022-07-30';
\connect - colleague
CALL folio.rebalance('hers', as_of => '2022-08-01');
\connect - reader
SELECT 1 / (string_agg(name, ',') = 'core')::integer FROM folio.portfolio;
\connect - db_owner
ALTER EXTENSION pg_folio UPDATE;
