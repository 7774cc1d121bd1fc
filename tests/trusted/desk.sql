-- The owner of this database, from CREATE EXTENSION to a scheduled portfolio, and whom he gives the desk to.
\set ON_ERROR_STOP on
\connect - db_owner
\ir expect.sql
CREATE EXTENSION pg_folio;
CREATE TABLE public.prices (ticker text, ts date, close float8, PRIMARY KEY (ticker, ts));
INSERT INTO public.prices
SELECT ticker, date '2020-01-01' + day, 100 + 10 * sin(day * (1 + length(ticker)) / 7.0) + day / 20.0
FROM unnest('{A,BB,CCC}'::text[]) AS ticker, generate_series(0, 400) AS day WHERE extract(isodow FROM date '2020-01-01' + day) < 6;
SELECT pg_temp.expect('his forecast', (SELECT count(*) FROM folio.forecast_ensemble('A', 3, models => '{naive,drift}')), 3::bigint);
SELECT pg_temp.expect('his portfolio', folio.create_portfolio('core', models => '{naive}', horizon => 3), 1);
CALL folio.rebalance('core');
SELECT pg_temp.expect('his run', (SELECT status FROM folio.run_history), 'succeeded');
SELECT pg_temp.expect('his weights', (SELECT round(sum(weight)::numeric, 6) FROM folio.current_weight), 1.0);
\if :is_scheduled
SELECT pg_temp.expect('his schedule', folio.schedule_rebalance('core', '0 22 * * 1-5') > 0, true);
SELECT pg_temp.expect('his job', (SELECT username || ' ' || schedule FROM folio.job), 'db_owner 0 22 * * 1-5');
\endif

-- Others have nothing until he gives it, and nothing of his afterwards.
GRANT SELECT ON public.prices TO colleague, stranger;
\connect - colleague
\ir expect.sql
SELECT pg_temp.refused('SELECT folio.create_portfolio(''hers'')');
\connect - db_owner
SELECT folio.grant_desk('colleague');
\connect - colleague
\ir expect.sql
SELECT pg_temp.expect('hers', folio.create_portfolio('hers', models => '{naive}', horizon => 3), 2);
CALL folio.rebalance('hers');
SELECT pg_temp.expect('what she sees', (SELECT string_agg(name, ',') FROM folio.portfolio), 'hers');
\if :is_scheduled
SELECT pg_temp.expect('her schedule', folio.schedule_rebalance('hers', '0 22 * * 1-5') > 0, true);
\endif
SELECT pg_temp.refused('SELECT folio.grant_desk(''stranger'')');
SELECT pg_temp.refused('SELECT folio.revoke_desk(''db_owner'')');
\connect - db_owner
\ir expect.sql
SELECT pg_temp.expect('what he sees', (SELECT string_agg(name, ',') FROM folio.portfolio), 'core');
SELECT folio.revoke_desk('colleague');
\connect - colleague
\ir expect.sql
SELECT pg_temp.refused('SELECT folio.create_portfolio(''hers too'')');
