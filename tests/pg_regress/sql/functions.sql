-- What each function gives, on prices whose answers can be seen by eye: two waves and a line.
SET search_path = public, folio;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE TABLE waves AS
SELECT ticker, date '2024-01-01' + day AS ts,
       CASE ticker WHEN 'LINE' THEN 100 * exp(0.001 * day) WHEN 'SLOW' THEN 100 + 10 * sin(day / 10.0) ELSE 100 + 5 * sin(day) END AS close
FROM unnest(ARRAY['LINE', 'SLOW', 'FAST']) AS ticker, generate_series(0, 499) AS day;
SET folio.prices = 'waves';
CREATE VIEW early AS SELECT * FROM waves WHERE ts <= '2025-01-01';

-- The line grows by a tenth of a percent a day.
SELECT ticker, step, ts, round(forecast::numeric, 4) AS forecast, status
FROM forecast_ensemble('LINE', horizon => 3, models => '{drift}');
-- Forecasts fall where the next prices will: of a price every day on every day, the last one is of Wednesday, 2025-05-14.
SELECT DISTINCT step, ts, extract(isodow FROM ts) AS weekday FROM forecast_ensemble(horizon => 5, models => '{naive}') ORDER BY step;
-- Of working days on working days, of Fridays on Fridays, of month ends on month ends, of hours on hours.
CREATE VIEW working_days AS SELECT * FROM waves WHERE extract(isodow FROM ts) < 6;
CREATE VIEW fridays AS SELECT * FROM waves WHERE extract(isodow FROM ts) = 5;
CREATE VIEW month_ends AS SELECT * FROM waves WHERE extract(day FROM ts + 1) = 1;
CREATE VIEW hours AS SELECT ticker, ts + time '09:00' + hour * interval '1 hour' AS ts, close + hour AS close FROM working_days, generate_series(0, 6) AS hour;
SELECT prices, array_agg(to_char(ts, 'Dy DD Mon HH24:MI') ORDER BY step) AS steps
FROM unnest('{working_days,fridays,month_ends,hours}'::regclass[]) AS prices, forecast_ensemble('SLOW', horizon => 4, models => '{naive}', prices => prices)
GROUP BY prices ORDER BY prices::text;
-- Of no pattern nobody knows when.
CREATE VIEW irregular AS SELECT ticker, ts + (abs(hashint4(ts - date '2024-01-01')::bigint) % 86400) * interval '1 second' AS ts, close FROM waves WHERE hashint4(ts - date '2024-01-01') % 3 = 0;
SELECT step, ts, round(forecast::numeric, 4) AS forecast, status FROM forecast_ensemble('SLOW', horizon => 2, models => '{naive}', prices => 'irregular');
DROP VIEW irregular, hours, month_ends, fridays, working_days;
-- The naive forecast is the last price; every ticker has the same steps.
SELECT f.ticker, f.step, abs(f.forecast - w.close) < 1e-9 AS is_last_price, f.lower < f.forecast AND f.forecast < f.upper AS has_interval
FROM forecast_ensemble('{SLOW,FAST}'::text[], horizon => 2, models => '{naive}') AS f
JOIN waves AS w ON w.ticker = f.ticker AND w.ts = '2025-05-14' ORDER BY 1, 2;
-- A wider level gives a wider interval.
SELECT bool_and(wide.upper > narrow.upper AND wide.lower < narrow.lower) AS wider
FROM forecast_ensemble('FAST', horizon => 5, level => 0.95, models => '{naive}') AS wide
JOIN forecast_ensemble('FAST', horizon => 5, level => 0.5, models => '{naive}') AS narrow USING (step);
-- On a wave that turns every few days a model that sees it beats the last price, and weighs more.
SELECT model, weight > 0.5 AS weighs_more, relative_mae < 0.6 AS is_better, status FROM forecast_members('{FAST}', horizon => 3, models => '{naive,arima}');
SELECT round(sum(weight)::numeric, 12) AS weights, count(*) AS members FROM forecast_members('{FAST}', horizon => 3);
-- A forecast as a view: the line's growth in a year of 365 days, since it has a price every day, whatever the horizon.
SELECT jsonb_array_length(v) AS views, v -> 0 -> 'assets' AS assets, round((v -> 0 ->> 'return')::numeric, 6) AS annual_return, round((0.365 + (v -> 0 ->> 'variance')::float8 * 10 / 365 / 2)::numeric, 6) AS expected,
       (v -> 0 ->> 'variance')::float8 > 0 AS has_variance
FROM forecast_views('{LINE,NONE}', horizon => 10, models => '{drift}') AS v;
-- The rest is annualised as trading days are, and nothing is said of it.
SET folio.periods_per_year = 252;

-- On the line the last price errs by a tenth of a percent a day, and the drift by nothing.
SELECT model, step, n, round(mae::numeric, 9) AS mae, round(rmse::numeric, 9) AS rmse, round(mase::numeric, 6) AS mase, round(relative_mae::numeric, 6) AS relative_mae,
       direction, coverage_80, coverage_95, mean_width_95 > mean_width_80 AS wider, interval_score_80 = mean_width_80 AS no_miss, status
FROM forecast_evaluate('{LINE}', horizon => 2, origins => 5, models => '{drift}');
-- Where a wave turns, a model that sees it beats the last price, and the statistic says so. One fit serves five origins.
SELECT model, step, tickers, n, relative_mae < 0.7 AS better, dm_statistic < -3 AS significant, p_value < 0.01 AS unlikely, direction > 0.7 AS knows_the_way, status
FROM forecast_evaluate_summary('{FAST}', horizon => 2, origins => 20, refit_every => 5, models => '{arima}');
-- As of an earlier day the later prices do not exist.
SELECT bool_and(a = b) AS same FROM (SELECT array_agg(e ORDER BY model, step) AS a FROM forecast_evaluate('{FAST}', horizon => 2, origins => 3, models => '{theta}', as_of => '2025-01-01') AS e) AS _,
LATERAL (SELECT array_agg(e ORDER BY model, step) AS b FROM forecast_evaluate('{FAST}', horizon => 2, origins => 3, models => '{theta}', prices => 'early') AS e) AS __;
-- Several levels: within one another, and each the one that forecast_ensemble gives.
SELECT step, level, lower < forecast AND forecast < upper AS has_interval, upper > lag(upper, 1, 0) OVER (PARTITION BY step ORDER BY level) AS wider
FROM forecast_intervals('{FAST}', levels => '{0.95,0.5,0.8,0.5}', horizon => 2, models => '{naive,theta}');
SELECT count(*) AS same FROM forecast_intervals('{FAST}', horizon => 3, models => '{naive}') AS i
JOIN forecast_ensemble('FAST', horizon => 3, models => '{naive}') AS e ON (e.step, e.lower, e.upper, e.ts, i.level) = (i.step, i.lower, i.upper, i.ts, 0.8);
-- Bare numbers, as an array and as rows in any order, have the forecast of the table.
SELECT bool_and(v.forecast = f AND v.lower = l AND v.upper = u AND v = a) AS same, v.status FROM
(SELECT array_agg(forecast ORDER BY step) AS f, array_agg(lower ORDER BY step) AS l, array_agg(upper ORDER BY step) AS u FROM forecast_ensemble('FAST', horizon => 5)) AS e,
(SELECT (forecast_values(array_agg(close ORDER BY ts), 5, '{"ticker": "FAST"}')).*, forecast_agg(ts, close, 5, '{"ticker": "FAST"}' ORDER BY close) AS a FROM waves WHERE ticker = 'FAST') AS v (forecast, lower, upper, status, a),
LATERAL (SELECT ROW(v.forecast, v.lower, v.upper, v.status)::forecast_result AS v) AS _ GROUP BY v.status;
SELECT ticker, array_length((r).forecast, 1) AS steps, (r).status FROM (SELECT ticker, forecast_agg(ts, close, 3, '{"models": ["drift"]}') AS r FROM waves GROUP BY ticker) AS _ ORDER BY ticker;
SELECT forecast_agg(ts, close, 3) IS NULL AS nothing_of_no_rows FROM waves WHERE false;
SELECT proname, provolatile, proparallel FROM pg_proc WHERE proname IN ('forecast_values', 'forecast_agg') AND pronamespace = 'folio'::regnamespace;
-- What the features and the components are.
SELECT model, detail ?& ARRAY['level', 'alpha', 'sigma'] AS has_components FROM forecast_members('{SLOW}', models => '{theta,ets}', horizon => 2);
SELECT detail -> 'steps' -> 0 -> CASE model WHEN 'ridge' THEN 'coefficients' ELSE 'gain' END -> 0 ? 'feature' AS names_features FROM forecast_members('{FAST}', models => '{xgboost,ridge}', horizon => 2);

-- Equal market weights, no views: the market's own portfolio comes back from its own returns.
SELECT ticker, round(market_weight::numeric, 6) AS market_weight, view_return, round(weight::numeric, 6) AS weight, round(active_weight::numeric, 6) AS active_weight
FROM black_litterman('{SLOW,FAST}', market_caps => '{"SLOW": 3, "FAST": 1}');
-- A certain view holds exactly; one without confidence in it changes nothing.
SELECT ticker, round(posterior_return::numeric, 6) AS posterior_return FROM black_litterman('{SLOW,FAST}', views => '[{"view": "SLOW = 10%", "confidence": 1}]') WHERE ticker = 'SLOW';
SELECT bool_and(abs(posterior_return - prior_return) < 1e-15) AS unchanged FROM black_litterman('{SLOW,FAST}', views => '[{"view": "SLOW = 10%", "confidence": 0}]');
SELECT view, view_return, round(implied_confidence::numeric, 6) AS implied_confidence FROM view_report('{SLOW,FAST}', views => '["SLOW = 10%", {"view": "FAST - SLOW = 2%", "confidence": 0.3}]');
CREATE TABLE noisy AS SELECT 'LINE_WITH_NOISE' AS ticker, date '2024-01-01' + day AS ts, 100 * exp(0.001 * day + 0.01 * sin(day * day)) AS close FROM generate_series(0, 99) AS day;
-- The same views as arrays, their columns named; and an Omega for all of them, as a vector and as a matrix.
SELECT bool_and(a.posterior_return = b.posterior_return) AS same
FROM black_litterman('{SLOW,FAST}', views => '["SLOW = 10%", "FAST - SLOW = 2%"]') AS a
JOIN black_litterman('{SLOW,FAST}', views => '{"tickers": ["FAST", "SLOW"], "p": [[0, 1], [1, -1]], "q": [0.1, 0.02]}') AS b USING (ticker);
SELECT bool_and(a.posterior_return = b.posterior_return) AS same, bool_and(a.posterior_return = c.posterior_return) AS same_as_matrix
FROM black_litterman('{SLOW,FAST}', views => '[{"view": "SLOW = 10%", "variance": 0.01}, {"view": "FAST - SLOW = 2%", "variance": 0.02}]') AS a
JOIN black_litterman('{SLOW,FAST}', views => '{"views": ["SLOW = 10%", "FAST - SLOW = 2%"], "omega": [0.01, 0.02]}') AS b USING (ticker)
JOIN black_litterman('{SLOW,FAST}', views => '{"views": ["SLOW = 10%", "FAST - SLOW = 2%"], "omega": [[0.01, 0], [0, 0.02]]}') AS c USING (ticker);
-- Inputs from a relation, and from the prices.
CREATE TABLE company (ticker text, cap numeric, sector text);
INSERT INTO company VALUES ('SLOW', 3, 'calm'), ('FAST', 1, 'wild');
SELECT by_ticker('company', 'cap') AS caps, by_ticker('company', 'sector') AS sectors;
INSERT INTO company VALUES ('SLOW', 4, 'calm');
SELECT by_ticker('company', 'cap');
SELECT observations('{SLOW,FAST}') AS t, observations('{SLOW,FAST}', history => 11) AS short_t;
SELECT risk_aversion > 0 AS is_positive, abs(risk_aversion - (mean * 252 - 0.01) / (variance * 252)) < 1e-9 * risk_aversion AS is_its_definition
FROM market_implied_risk_aversion('LINE_WITH_NOISE', risk_free_rate => 0.01, prices => 'noisy') AS risk_aversion,
     (SELECT avg(r) AS mean, var_samp(r) AS variance FROM (SELECT close / lag(close) OVER (ORDER BY ts) - 1 AS r FROM noisy) AS returns) AS moments;
SELECT ticker, round(weight::numeric, 6) AS weight, round(risk_contribution::numeric, 6) AS risk_contribution FROM optimize_portfolio('{SLOW,FAST}', objective => 'risk_parity');
SELECT point, volatility > 0 AS has_risk, round((SELECT sum(value::float8) FROM jsonb_each_text(weights))::numeric, 9) AS sum_of_weights FROM efficient_frontier('{SLOW,FAST}', points => 3);
SELECT ticker, other_ticker, round(correlation::numeric, 3) AS correlation FROM covariance_matrix('{SLOW,FAST}', covariance => 'sample_cov');
SELECT round(volatility::numeric, 6) = (SELECT round(volatility::numeric, 6) FROM optimize_portfolio('{SLOW,FAST}') WHERE ticker = 'SLOW') AS is_its_volatility
FROM portfolio_performance('{"SLOW": 1}', tickers => '{SLOW,FAST}');
SELECT ticker, shares, round(price::numeric, 2) AS price, round(amount::numeric, 2) AS amount FROM discrete_allocation('{"LINE": 0.5, "SLOW": 0.5}', 1000);
SELECT ticker, shares, round(amount::numeric, 2) AS amount, method FROM discrete_allocation('{"LINE": 0.5, "SLOW": 0.5}', 1000, method => 'exact');
-- What the weights leave stays in cash, and short positions add to it: the sum is the value.
SELECT ticker, shares, round(amount::numeric, 2) AS amount, round(weight::numeric, 3) AS weight, round(sum(amount) OVER ()::numeric, 2) AS value
FROM discrete_allocation('{"LINE": "25 %", "SLOW": 0.25, "FAST": -0.1}', 100000);
SELECT count(*) FILTER (WHERE weight > 1e-9) AS held
FROM optimize_portfolio(objective => 'min_volatility', constraints => '{"max_assets": 1}');
SELECT count(*) AS days, count(turnover) AS rebalanced, round(sum(cost)::numeric, 4) AS cost, round((min(drawdown) * 100)::numeric, 2) AS drawdown,
       bool_and(benchmark_value > 0) AS has_benchmark, max(ts)::date AS last_day
FROM backtest(rebalance => '100', lookback => 100, objective => 'herc', transaction_cost => 0.001);
-- The line is followed, 0.1 % a day, and not held.
SELECT count(*) AS days, round(max(ln(benchmark_value))::numeric, 6) AS followed, round(max(turnover)::numeric, 4) AS first_purchase
FROM backtest('{SLOW,FAST}', lookback => 60, objective => 'min_volatility', benchmark => 'LINE');
-- A date on which nothing keeps to the limits; a benchmark of weights; views.
SELECT ts::date, ticker, round(held_weight::numeric, 4) AS held, round(weight::numeric, 4) AS weight, round(change::numeric, 4) AS change, remark
FROM backtest_weights('{SLOW,FAST}', rebalance => '120', lookback => 60, objective => 'min_volatility');
SELECT s.periods = b.days - 1 AS periods, abs(s.total_return - b.last_value + 1) < 1e-12 AS total, abs(s.cost - b.cost) < 1e-12 AS costs,
       s.max_drawdown = b.drawdown AS drawdown, s.rebalances = b.dates AS dates, s.failures, s.volatility > 0 AS volatile
FROM backtest_summary('{SLOW,FAST}', lookback => 60, transaction_cost => 0.001, benchmark => '{"SLOW": "50 %"}', views => '["FAST - SLOW = 5%"]') AS s,
     (SELECT count(*) AS days, (array_agg(value ORDER BY ts DESC))[1] AS last_value, sum(cost) AS cost, min(drawdown) AS drawdown, count(turnover) AS dates
      FROM backtest('{SLOW,FAST}', lookback => 60, transaction_cost => 0.001, benchmark => '{"SLOW": "50 %"}', views => '["FAST - SLOW = 5%"]')) AS b;
-- Why a weight is what it is.
SELECT ticker, round(weight::numeric, 3) AS weight, limits, weight_without > weight + 0.01 AS more_without, volatility_without > 0 AS volatile
FROM weight_report('{SLOW,FAST,LINE}', views => '["SLOW = 5%"]', objective => 'min_volatility', constraints => '{"max_weight": 0.4}');
-- Two waves without a trend, and one with it.
SELECT strategy, strategies, periods, sharpe_ratio > expected_maximum AS over_luck, deflated_sharpe_ratio > 0.95 AS deflated, backtest_overfitting, reality_check < 0.05 AS real
FROM overfitting_report((SELECT array_agg(ARRAY[sin(n), cos(n * n), sin(n * n) + 1] ORDER BY n) FROM generate_series(1, 200) AS n));
SELECT mean, covariance FROM bl_posterior('{{0.25,0},{0,0.25}}', '{0.125,0.25}', '{{1,0}}', '{0.375}', '{0.125}', 0.5);
-- A matrix of one's own with an eigenvalue of -1, made one that is accepted.
SELECT fixed_matrix, smallest_eigenvalue, largest_change FROM fix_nonpositive_semidefinite('{{1,2},{2,1}}', fix_method => 'diag');
SELECT round(fixed_matrix[1][2]::numeric, 9) AS covariance, round(smallest_eigenvalue::numeric, 9) AS smallest, round(largest_change::numeric, 9) AS change
FROM fix_nonpositive_semidefinite('{{1,2},{2,1}}');
SELECT array_length(mean, 1) AS tickers
FROM fix_nonpositive_semidefinite('{{1,2},{2,1}}'), bl_posterior(fixed_matrix, '{0.1,0.2}', '{{1,0}}', '{0.3}', '{0.1}', 0.05);

SELECT scope, max_threads > 0 AS has_threads, pid FROM pool_status;
SELECT count(*) AS running FROM progress;
SHOW folio.seed;
