-- The desk as psql shows it: a portfolio from its creation to its end. Numbers are rounded; times of runs are left out.
SET search_path = public, folio;
SET datestyle = ISO;
SET timezone = 'UTC';
CREATE TABLE prices AS
SELECT ticker, day::date AS ts, 100 + length(ticker) * extract(doy FROM day) / 50 + sin(extract(epoch FROM day) / 86400 * length(ticker)) AS close
FROM unnest(ARRAY['A', 'BB', 'CCC']) AS ticker, generate_series(date '2022-01-03', date '2022-12-30', '1 day') AS day
WHERE extract(isodow FROM day) < 6;

SELECT create_portfolio('growth', views => '["A = 5%"]', constraints => '{"max_weight": 0.5}', horizon => 2, models => '{naive,drift}');
CALL rebalance('growth', as_of => '2022-12-01');
CALL rebalance('growth');
CALL rebalance('growth');
SELECT portfolio, as_of, ticker, round(weight::numeric, 3) AS weight, round(previous_weight::numeric, 3) AS previous_weight,
       round(market_weight::numeric, 3) AS market_weight
FROM current_weight ORDER BY ticker;
SELECT as_of, count(*), round(sum(weight)::numeric, 9) AS sum FROM weight_history GROUP BY as_of ORDER BY as_of;
SELECT as_of, ticker, round(change::numeric, 3) AS change FROM trade_history ORDER BY as_of, ticker;
SELECT ticker, as_of, step, ts, lower <= forecast AND forecast <= upper AS ordered, level, status, last_close = (
    SELECT close FROM prices AS p WHERE p.ticker = f.ticker ORDER BY ts DESC LIMIT 1) AS from_last_close
FROM latest_forecast AS f ORDER BY ticker, step;
SELECT ticker, as_of, step, ts, round(error::numeric, 3) AS error, inside FROM forecast_accuracy ORDER BY ticker, as_of, step;
SELECT portfolio, count(*), min(ts), max(ts), (array_agg(value ORDER BY ts))[1] AS first FROM portfolio_value GROUP BY portfolio;
SELECT run_id, kind, portfolio, as_of, status, round(turnover::numeric, 3) AS turnover, forecasts FROM run_history ORDER BY run_id;
SELECT run_id, position, source, view FROM folio.view ORDER BY run_id, position;

-- Forecasts without a portfolio; a ticker that cannot be forecast keeps its status.
INSERT INTO prices VALUES ('D', '2022-12-30', 1), ('E', '2022-12-30', -1);
CALL refresh_forecasts(horizon => 1, models => '{naive}', prices => 'prices');
CALL refresh_forecasts(horizon => 1, models => '{naive}', prices => 'prices');
SELECT ticker, step, ts, status FROM latest_forecast WHERE ticker > 'CCC' ORDER BY ticker;

-- Errors.
\set SHOW_CONTEXT never
SELECT create_portfolio('growth', tickers => '{A,BB}');
\echo :SQLSTATE
SELECT create_portfolio('x', tickers => '{A,ZZ}');
\echo :SQLSTATE
SELECT create_portfolio('x', tickers => '{A,BB}', constraints => '{"max_weight": 0.4}');
\echo :SQLSTATE
SELECT create_portfolio('x', tickers => '{A,BB}', horizon => 0);
\echo :SQLSTATE
SELECT create_portfolio('x', tickers => '{A,BB}', prices => 'elsewhere');
\echo :SQLSTATE
SET folio.prices = 'elsewhere';
SELECT create_portfolio('x', tickers => '{A,BB}');
\echo :SQLSTATE
RESET folio.prices;
CALL rebalance('value');
\echo :SQLSTATE
SELECT rebalance_now('value');
\echo :SQLSTATE
SELECT drop_portfolio('value');
\echo :SQLSTATE
CALL rebalance('growth', as_of => '2000-01-01');
\echo :SQLSTATE
CALL folio_internal.forecast_run(0, false);
\echo :SQLSTATE
SELECT schedule_rebalance('growth', '0 22 * * 1-5');
\echo :SQLSTATE
SELECT unschedule_rebalance('growth');
\echo :SQLSTATE
SELECT status, sqlstate, message, detail FROM run_history WHERE status <> 'succeeded' ORDER BY run_id;

SELECT drop_portfolio('growth');
SELECT (SELECT count(*) FROM current_weight) AS weights, (SELECT count(*) FROM run_history) AS runs, (SELECT count(*) FROM folio.forecast) AS forecasts;
DROP TABLE prices;
DELETE FROM folio.run;
