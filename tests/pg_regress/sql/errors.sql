-- Every error that a call can meet: its SQLSTATE, message, DETAIL and HINT.
SET search_path = public, folio;

CREATE FUNCTION error_of(statement text) RETURNS TABLE (field text, value text) LANGUAGE plpgsql AS $$
DECLARE
    state text; message text; detail text; hint text;
BEGIN
    EXECUTE statement;
    RETURN QUERY VALUES ('no error', statement);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN QUERY VALUES ('state', state), ('message', message), ('detail', detail), ('hint', hint);
END $$;
\pset format unaligned
\pset tuples_only on

-- A relation to read from: missing, without a column, with a wrong type, without the right to read it.
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A')$$);
CREATE TABLE eod (symbol text, ts date, close float8);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', prices => 'eod')$$);
CREATE TABLE odd (ticker text, ts text, close float8);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', prices => 'odd')$$);
CREATE TABLE odd_close (ticker text, ts date, close money);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', prices => 'odd_close')$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', prices => 'no_such_table')$$);
CREATE ROLE stranger;
GRANT USAGE ON SCHEMA public TO stranger;
CREATE TABLE prices AS
SELECT ticker, date '2024-01-01' + day AS ts, 100 + day % 7 + length(ticker) * day / 10.0 AS close
FROM unnest(ARRAY['A', 'BB', 'CCC']) AS ticker, generate_series(0, 299) AS day;
SET ROLE stranger;
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A')$$);
RESET ROLE;

-- Arguments out of their range, unknown names, NULL.
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', horizon => 0)$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', horizon => 253)$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', level => 95)$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', level => 'NaN')$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', history => 1)$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', models => '{naive,profet}')$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', models => '{}')$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', models => '{naive,NULL}')$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble(NULL::text)$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('{A,NULL}'::text[])$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('a')$$);
SET folio.models = 'naive,profet';
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A')$$);
RESET folio.models;

-- Prices that no model may see. In a call over many tickers a bad one costs its own row only.
INSERT INTO prices VALUES ('ONE', '2024-01-01', 1);
INSERT INTO prices SELECT 'BAD', date '2024-01-01' + day, day - 2 FROM generate_series(0, 9) AS day;
INSERT INTO prices VALUES ('BAD', '2024-01-09', 7), ('BAD', '2024-02-01', NULL), ('BAD', '2024-02-02', 'Infinity');
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('ONE')$$);
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('BAD')$$);
SELECT ticker, step, ts, forecast IS NOT NULL AS has_forecast, status
FROM forecast_ensemble('{A,ONE,BAD,NONE}'::text[], horizon => 1, models => '{naive}');
SELECT ticker, model, status FROM forecast_members('{A,ONE,NONE}'::text[], horizon => 1, models => '{naive}');

-- Evaluation, several levels, and forecasts of bare numbers.
SELECT * FROM error_of($$SELECT * FROM forecast_evaluate(origins => 0)$$);
SELECT * FROM error_of($$SELECT * FROM forecast_evaluate(stride => 0)$$);
SELECT * FROM error_of($$SELECT * FROM forecast_evaluate(gap => -1)$$);
SELECT * FROM error_of($$SELECT * FROM forecast_evaluate(fit_window => 'sliding')$$);
SELECT * FROM error_of($$SELECT * FROM forecast_evaluate_summary(refit_every => 0)$$);
SELECT ticker, model, step, n, status FROM forecast_evaluate('{A,ONE,BAD,NONE}'::text[], horizon => 1, origins => 2, models => '{drift,ridge}');
SELECT model, step, tickers, n, status FROM forecast_evaluate_summary('{A,ONE,NONE}'::text[], horizon => 1, origins => 2, models => '{drift,ridge}');
SELECT model, step, tickers, n, status FROM forecast_evaluate_summary('{ONE}'::text[], horizon => 1, models => '{drift}');
SELECT * FROM error_of($$SELECT * FROM forecast_intervals('{A}', levels => '{0.8,80}')$$);
SELECT * FROM error_of($$SELECT * FROM forecast_intervals('{A}', levels => '{}')$$);
SELECT * FROM error_of($$SELECT * FROM forecast_intervals('{A}', levels => '{0.8,NULL}')$$);
SELECT ticker, step, level, status FROM forecast_intervals('{ONE}', levels => '{0.8}');
SELECT * FROM error_of($$SELECT forecast_values('{1,2,0}')$$);
SELECT * FROM error_of($$SELECT forecast_values('{1,2,NULL}')$$);
SELECT * FROM error_of($$SELECT forecast_values('{{1,2},{3,4}}')$$);
SELECT * FROM error_of($$SELECT forecast_values('{1}')$$);
SELECT * FROM error_of($$SELECT forecast_values(NULL)$$);
SELECT * FROM error_of($$SELECT forecast_values('{1,2,3}', 0)$$);
SELECT * FROM error_of($$SELECT forecast_values('{1,2,3}', 5, '{"levels": 0.9}')$$);
SELECT * FROM error_of($$SELECT forecast_values('{1,2,3}', 5, '{"models": "naive"}')$$);
SELECT * FROM error_of($$SELECT forecast_agg(ts, close, 5) FROM prices WHERE ticker = 'BAD'$$);
SELECT * FROM error_of($$SELECT forecast_agg(ts, close, 5, '{"model": "naive"}') FROM prices WHERE ticker = 'A'$$);

-- Portfolios.
DELETE FROM prices WHERE ticker IN ('ONE', 'BAD');
SELECT * FROM error_of($$SELECT * FROM black_litterman(views => '["D = 10%"]')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(views => '["A is good"]')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(views => '[{"view": "A = 10%", "sureness": 1}]')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(views => '[{"view": "A = 10%", "confidence": 60}]')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(objective => 'best')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(covariance => 'best')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(prior => 'market')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(market_caps => '{"A": 1, "BB": 0, "CCC": 2}')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(market_caps => '{"A": 1, "BB": 1}')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(market_caps => '{"A": 1, "BB": 1, "CCC": 2, "D": 3}')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(tau => 0)$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(risk_aversion => -1)$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(constraints => '{"max_weigth": 0.2}')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(constraints => '{"max_weight": 0.2}')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(constraints => '{"group_max": {"sector:Energy": 0.2}}')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(prior => '{"A": 0.01, "BB": 0.01, "CCC": 0.01}', risk_free_rate => 0.02)$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman('{A,NONE}')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(as_of => '2024-01-02')$$);
SELECT * FROM error_of($$SELECT * FROM bl_posterior('{{1,2},{2,1}}', '{0,0}', '{{1,0}}', '{0.1}', '{0.1}', 0.05)$$);
SELECT * FROM error_of($$SELECT * FROM bl_posterior('{{1,0},{0,1}}', '{0,0}', '{{1},{0}}', '{0.1}', '{0.1}', 0.05)$$);
SELECT * FROM error_of($$SELECT * FROM bl_posterior('{{1,0},{0,1}}', '{0,NULL}', '{{1,0}}', '{0.1}', '{0.1}', 0.05)$$);
SELECT * FROM error_of($$SELECT * FROM discrete_allocation(NULL, 1000)$$);
SELECT * FROM error_of($$SELECT * FROM discrete_allocation('{"A": 1}', 1)$$);
SELECT * FROM error_of($$SELECT * FROM discrete_allocation('{"NONE": 1}', 1000)$$);
SELECT * FROM error_of($$SELECT * FROM discrete_allocation('{"A": 1}', 1000, method => 'best')$$);
SELECT * FROM error_of($$SELECT * FROM discrete_allocation('{"A": 60, "BB": 40}', 1000)$$);
SELECT * FROM error_of($$SELECT * FROM discrete_allocation('{"A": 1, "BB": 1}', 1000)$$);
-- A forgotten percent sign.
SELECT * FROM error_of($$SELECT * FROM black_litterman(views => '["A - BB = 5"]')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(views => '["A - BB = 1 2 %"]')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(views => '["EURUSD=X = 10%"]')$$);
SELECT * FROM error_of($$SELECT * FROM optimize_portfolio(prior => '{"A": 10, "BB": 4, "CCC": 3}')$$);
SELECT * FROM error_of($$SELECT * FROM optimize_portfolio(constraints => '{"max_weight": 40}')$$);
SELECT * FROM error_of($$SELECT * FROM optimize_portfolio(risk_free_rate => 2)$$);
SELECT * FROM error_of($$SELECT * FROM backtest(rebalance => 'monthly')$$);
SELECT * FROM error_of($$SELECT * FROM backtest(lookback => -1)$$);
SELECT * FROM error_of($$SELECT * FROM backtest(transaction_cost => 1)$$);
SELECT * FROM error_of($$SELECT * FROM backtest(benchmark => 'NONE')$$);
SELECT * FROM error_of($$SELECT * FROM backtest(constraints => '{"max_weight": 0.1}')$$);
SELECT * FROM error_of($$SELECT * FROM backtest(objective => 'efficient_return')$$);
SELECT * FROM error_of($$SELECT * FROM overfitting_report('{1,2,3}')$$);
SELECT * FROM error_of($$SELECT * FROM overfitting_report('{{1,2},{3,4}}')$$);
SELECT * FROM error_of($$SELECT * FROM overfitting_report(NULL)$$);
SELECT * FROM error_of($$SELECT * FROM overfitting_report('{{1,2},{3,4}}', blocks => 3)$$);
SELECT * FROM error_of($$SELECT * FROM backtest(on_failure => 'stop')$$);
SELECT * FROM error_of($$SELECT * FROM backtest(on_failure => 'hold', constraints => '{"max_weight": 0.1}')$$);
SELECT * FROM error_of($$SELECT * FROM backtest(benchmark => '{"A": 60')$$);
SELECT * FROM error_of($$SELECT * FROM backtest(transaction_cost => 0.01, constraints => '{"transaction_cost": 0.001}')$$);
SELECT * FROM error_of($$SELECT * FROM portfolio_performance('{"SLOW": 0.8, "FAST": 0.4}')$$);
SELECT * FROM error_of($$SELECT * FROM fix_nonpositive_semidefinite('{{1,2},{2,1}}', 'best')$$);
SELECT * FROM error_of($$SELECT * FROM fix_nonpositive_semidefinite('{{1,2},{3,1}}')$$);
SELECT * FROM error_of($$SELECT * FROM black_litterman(views => '[{"view": "A = 5%", "group_weights": "cap"}]')$$);
SELECT * FROM error_of($$SELECT * FROM optimize_portfolio(constraints => '{"max_gross": 0.5}')$$);
SELECT * FROM error_of($$SELECT * FROM optimize_portfolio(constraints => '{"max_assets": 0}')$$);
SELECT * FROM error_of($$SELECT * FROM efficient_frontier(points => 1)$$);
SELECT * FROM error_of($$SELECT * FROM portfolio_performance('{"NONE": 1}')$$);
SELECT * FROM error_of($$SELECT * FROM covariance_matrix(covariance => 'exp_cov(0)')$$);
SELECT * FROM error_of($$SELECT * FROM optimize_portfolio(objective => 'hrp', constraints => '{"max_turnover": 0.1}')$$);
SELECT * FROM error_of($$SELECT * FROM optimize_portfolio(objective => 'min_volatility', constraints => '{"current_weights": {}, "transaction_cost": 0.01}')$$);

-- A time at the end of what the server can hold is not wrapped into another.
CREATE TABLE late AS
SELECT 'A' AS ticker, timestamp '294276-12-01' + day * interval '1 day' AS ts, 100.0 + day % 3 AS close FROM generate_series(0, 29) AS day;
SELECT * FROM error_of($$SELECT * FROM forecast_ensemble('A', models => '{naive}', prices => 'late')$$);

-- Matrices that are given count too.
SET folio.memory_limit = '16MB';
SELECT * FROM error_of($$SELECT * FROM bl_posterior('{{1,0},{0,1}}', '{0,0}', '{{1,0}}', '{0.1}', '{0.1}', 0.05)$$);
RESET folio.memory_limit;

-- A setting that is none of ours.
SET folio.no_such_setting = 1;

-- An error ends nothing but its call: the next one is right.
SELECT count(*) FROM forecast_ensemble('A', models => '{naive}');
