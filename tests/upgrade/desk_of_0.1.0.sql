-- A desk of version 0.1.0 as its users leave it: roles with what examples/grants.sql of that version gave them, portfolios of
-- several price relations, runs that succeeded, failed and were cut off, and a job.
\set ON_ERROR_STOP on
CREATE ROLE old_reader;
CREATE ROLE old_runner LOGIN;
CREATE ROLE data_owner;
CREATE ROLE attacker LOGIN;
CREATE ROLE nobody_else;
GRANT SELECT ON folio.portfolio, folio.run, folio.forecast, folio.forecast_member, folio.weight, folio.trade, folio.view,
    folio.current_weight, folio.forecast_accuracy, folio.run_history TO old_reader;
GRANT old_reader TO old_runner, attacker;
GRANT INSERT, UPDATE, DELETE ON folio.portfolio, folio.run TO old_runner, attacker;
GRANT INSERT ON folio.forecast, folio.forecast_member, folio.weight, folio.trade, folio.view TO old_runner, attacker;
REVOKE EXECUTE ON FUNCTION folio.forecast_ensemble(text[], integer, text[], float8, timestamptz, integer, regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION folio.forecast_ensemble(text[], integer, text[], float8, timestamptz, integer, regclass) TO old_runner;

CREATE TABLE public.prices (ticker text, ts date, close float8, PRIMARY KEY (ticker, ts));
INSERT INTO public.prices
SELECT ticker, date '2020-01-01' + day, 100 + 10 * sin(day * (1 + length(ticker)) / 7.0) + day / 20.0
FROM unnest('{A,BB,CCC}'::text[]) AS ticker, generate_series(0, 400) AS day WHERE extract(isodow FROM date '2020-01-01' + day) < 6;
GRANT SELECT ON public.prices TO old_runner, data_owner, attacker;
CREATE SCHEMA data AUTHORIZATION data_owner;
CREATE VIEW data.view AS SELECT * FROM public.prices;
ALTER VIEW data.view OWNER TO data_owner;
CREATE SCHEMA trap AUTHORIZATION attacker;
CREATE VIEW trap.view AS SELECT * FROM public.prices;
ALTER VIEW trap.view OWNER TO attacker;

INSERT INTO folio.portfolio (name, tickers, market_caps, views, use_forecasts, objective, constraints, covariance, prior,
    risk_aversion, tau, risk_free_rate, horizon, models, level, history, prices, created_at)
VALUES ('core', '{A,BB}', '{"A": 1, "BB": 2}', '["A = 5%"]', false, 'max_sharpe', '{"max_weight": 0.8}', 'sample_cov', 'market',
        2.5, 0.05, 0.01, 5, '{naive,drift}', 0.9, 200, 'public.prices', '2022-01-01 00:00+00'),
       ('data''s "own"', NULL, NULL, '[]', true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{naive}', NULL, NULL, 'data.view', '2022-01-02 00:00+00'),
       ('turned', NULL, NULL, '[]', true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{naive}', NULL, NULL, 'trap.view', '2022-01-03 00:00+00'),
       ('gone', NULL, NULL, '[]', true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{naive}', NULL, NULL, 'no.where', '2022-01-04 00:00+00'),
       ('deleted', NULL, NULL, '[]', true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{naive}', NULL, NULL, 'public.prices', '2022-01-04 00:00+00');
DELETE FROM folio.portfolio WHERE name = 'deleted';

INSERT INTO folio.run (kind, portfolio_id, settings, status, as_of, tickers, time_zone, fingerprint, forecast_run_id, turnover,
    started_at, finished_at, run_by, pid, sqlstate, message, detail, hint)
VALUES ('rebalance', 1, '{"horizon": 5}', 'succeeded', '2021-02-04', '{A,BB}', 'UTC', 'f1', 1, 1, '2022-02-01 07:00+00', '2022-02-01 07:01+00', 'old_runner', 17, NULL, NULL, NULL, NULL),
       ('rebalance', 1, '{}', 'failed', '2021-02-04', NULL, 'UTC', NULL, NULL, NULL, '2022-02-02 07:00+00', '2022-02-02 07:01+00', 'old_runner', 17, 'PF004', 'too little', 'two rows', 'more rows'),
       ('forecast', NULL, '{}', 'failed', NULL, NULL, 'America/New_York', NULL, NULL, NULL, '2022-02-03 07:00+00', '2022-02-03 07:01+00', 'role that is gone', 18, '57014', 'cancelled', NULL, NULL),
       ('rebalance', 3, '{}', 'running', NULL, NULL, 'UTC', NULL, NULL, NULL, '2022-02-04 07:00+00', NULL, 'postgres', 99, NULL, NULL, NULL, NULL);
INSERT INTO folio.forecast (run_id, ticker, step, ts, forecast, lower, upper, level, last_close, status)
SELECT 1, ticker, step, timestamptz '2021-02-04 00:00+00' + step * interval '1 day', 100 + step, 90, 110, 0.8, 100, 'ok'
FROM unnest('{A,BB}'::text[]) AS ticker, generate_series(1, 5) AS step;
INSERT INTO folio.forecast (run_id, ticker, step, level, status) VALUES (1, 'CCC', 0, 0.8, 'too few prices');
INSERT INTO folio.forecast_member VALUES (1, 'A', 'naive', 1, 'ok', 0.1, 1, 2, '{"a": 1}'), (1, 'BB', 'naive', NULL, 'failed', NULL, NULL, NULL, NULL);
INSERT INTO folio.weight VALUES (1, 'A', 0.25, 0.3, 0.05, NULL, 0.06, 0.2, -0.05, 0.3), (1, 'BB', 0.75, 0.7, 0.05, 0.07, 0.06, 0.2, 0.05, NULL);
INSERT INTO folio.trade VALUES (1, 'A', 0, 0.25, 0.25), (1, 'BB', 0, 0.75, 0.75);
INSERT INTO folio.view VALUES (1, 1, 'A = 5%', 'portfolio', 0.05, 0.04, 0.045, 0.5, 0.01, NULL, '{"A": 0.1}');
