-- Risk that is forecast, on prices whose volatility is known: calm days, then days of three times their moves.
SET search_path = public, folio;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET extra_float_digits = 0;
CREATE TABLE moves AS
SELECT ticker, date '2021-01-04' + 7 * (day / 5) + day % 5 AS ts,
       100 * exp(sum(size * (CASE WHEN ticker = 'rising' AND day > 300 THEN 3 ELSE 1 END)
                     * sin(day * day * 1.7 + ascii(ticker))) OVER (PARTITION BY ticker ORDER BY day)) AS close
FROM (VALUES ('calm', 0.01), ('rising', 0.01)) AS t(ticker, size), generate_series(0, 399) AS day;
INSERT INTO moves SELECT 'flat', ts, 5 FROM moves WHERE ticker = 'calm';
INSERT INTO moves SELECT 'short', ts, close FROM moves WHERE ticker = 'calm' AND ts < '2021-01-15';
SET folio.prices = 'moves';

-- The root of the mean square of 0.01 sin is 0.71 % a day, 11.2 % a year; where moves have tripled so has the forecast.
SELECT ticker, step, ts, round(volatility::numeric, 2) AS volatility, round(mean_volatility::numeric, 2) AS mean_volatility,
       lower < mean_volatility AND mean_volatility < upper AS inside, status
FROM forecast_volatility('{calm,rising}', horizon => 3, models => '{ewma,garch}');
-- The volatility up to a step is the root of the mean variance.
SELECT bool_and(abs(mean_volatility ^ 2 - mean) < 1e-12) AS is_mean FROM (
    SELECT mean_volatility, avg(volatility ^ 2) OVER (ORDER BY step) AS mean FROM forecast_volatility('{calm}', horizon => 10)) AS _;
-- A wider level gives a wider interval; a year of fewer periods a smaller number.
SELECT bool_and(wide.upper > narrow.upper AND wide.lower < narrow.lower) AS wider
FROM forecast_volatility('{calm}', level => 0.95) AS wide JOIN forecast_volatility('{calm}', level => 0.5) AS narrow USING (step);
SELECT bool_and(abs(week.volatility / day.volatility - sqrt(52 / 252.0)) < 1e-12) AS annualised
FROM forecast_volatility('{calm}', periods_per_year => 52) AS week JOIN forecast_volatility('{calm}') AS day USING (step);
CREATE VIEW fridays AS SELECT * FROM moves WHERE extract(isodow FROM ts) = 5;
SELECT count(*) FROM forecast_volatility('{calm}', horizon => 2, models => '{ewma}', prices => 'fridays');
-- As of an earlier day the later prices do not exist.
SELECT round(volatility::numeric, 2) AS volatility FROM forecast_volatility('{rising}', horizon => 1, models => '{ewma}', as_of => '2022-01-01');

-- What cannot be forecast costs its own row only.
SELECT ticker, step, volatility IS NOT NULL AS has_forecast, status
FROM forecast_volatility('{calm,flat,short,nobody}', horizon => 1);
SELECT ticker, model, weight, status FROM volatility_members('{flat,nobody}', horizon => 1, models => '{ewma,har}');

-- Members: weights sum to one; parameters are in detail, a range model has no ranges.
SELECT round(sum(weight)::numeric, 9) AS weights, count(*) AS members, bool_and(fit_ms >= 0) AS timed FROM volatility_members('{rising}', horizon => 5);
SELECT model, weight > 0 AS weighs, validation_qlike IS NOT NULL AS validated, status FROM volatility_members('{rising}', horizon => 5);
SELECT model, round(weight::numeric, 6) AS weight, status FROM volatility_members('{calm}', horizon => 1, models => '{ewma,har_range}');
SELECT model, ARRAY(SELECT jsonb_object_keys(detail) ORDER BY 1) AS detail FROM volatility_members('{rising}', horizon => 1);

-- Evaluation: the yardsticks are always there and do not differ from themselves.
SELECT model, step, tickers, n, qlike IS NOT NULL AS qlike, mse > 0 AS mse, coverage IS NOT NULL AS coverage,
       dm_ewma IS NOT NULL AS against_ewma, dm_sample IS NOT NULL AS against_sample, status
FROM volatility_evaluate('{calm,rising}', horizon => 2, origins => 15, refit_every => 5, models => '{garch}');
-- A ticker whose moves tripled: what follows them loses less than the mean of the past.
SELECT model, dm_sample < -2 AS better, p_value_sample < 0.05 AS unlikely
FROM volatility_evaluate('{rising}', horizon => 1, origins => 60, refit_every => 60, models => '{ewma}') WHERE model = 'ewma';
SELECT model, step, tickers, n, status FROM volatility_evaluate('{calm,short}', horizon => 1, origins => 3, models => '{ewma,har_range}');
SELECT * FROM volatility_evaluate('{short,nobody}', horizon => 1, models => '{ewma}');

-- What a portfolio may lose: of 100 days that lost 1 to 100 thousandths five are beyond 95 %.
CREATE TABLE falls AS
SELECT ticker, date '2021-01-04' + 7 * (day / 5) + day % 5 AS ts,
       CASE ticker WHEN 'CASH' THEN 7 ELSE exp(sum(CASE WHEN day > 0 THEN ln(1 - (day * 37 % 100 + 1) / 1000.0) ELSE 0 END) OVER (PARTITION BY ticker ORDER BY day)) END AS close
FROM unnest('{FALL,CASH}'::text[]) AS ticker, generate_series(0, 100) AS day;
SELECT method, round(value_at_risk::numeric, 9) AS value_at_risk, round(expected_shortfall::numeric, 9) AS expected_shortfall, n, status
FROM value_at_risk('{"FALL": 1}', method => 'historical', prices => 'falls');
SELECT method, round(value_at_risk::numeric, 9) AS value_at_risk, round(expected_shortfall::numeric, 9) AS expected_shortfall, n, status
FROM value_at_risk('{"FALL": 0.5, "CASH": 0.5}', level => 0.975, method => 'historical', prices => 'falls');
SELECT method, value_at_risk > 0.05 AS loses, expected_shortfall > value_at_risk AS beyond, n, status FROM value_at_risk('{"FALL": 1}', prices => 'falls');
SELECT method, n, status FROM value_at_risk('{"FALL": 1}', level => 0.99, horizon => 5, history => 50, prices => 'falls');
SELECT method, n, status FROM value_at_risk('{"CASH": 1}', prices => 'falls');
SELECT * FROM value_at_risk('{"FALL": 1}', level => 0.05, prices => 'falls');
SELECT * FROM value_at_risk('{"FALL": 1}', level => 95, prices => 'falls');
SELECT * FROM value_at_risk('{"FALL": 1}', method => 'gaussian', prices => 'falls');
SELECT * FROM value_at_risk('{}', prices => 'falls');
SELECT * FROM value_at_risk(NULL, prices => 'falls');
SELECT * FROM value_at_risk('{"FALL": "all"}', prices => 'falls');
SELECT * FROM value_at_risk('{"NOBODY": 1}', prices => 'falls');
SELECT * FROM value_at_risk('{"FALL": 1}', horizon => 0, prices => 'falls');
DROP TABLE falls;

-- How good that would have been: moves that tripled are passed too often by what was seen before, not by what follows them.
SELECT method, n, round(e, 6) AS expected, exceedances > 3 * expected AS too_many, p_value_kupiec < 0.001 AS kupiec, p_value_conditional_coverage < 0.001 AS both,
       acerbi_szekely < -1 AS too_little, p_value_acerbi_szekely < 0.001 AS acerbi_szekely, quantile_loss > 0 AS loses, status
FROM (SELECT *, expected::numeric AS e FROM var_evaluate('{"rising": 1}', origins => 80, as_of => '2022-05-25', history => 250)) AS _;
SELECT method, n, status FROM var_evaluate('{"calm": 1}', horizon => 5, origins => 10);
SELECT method, n, exceedances, kupiec IS NULL AS silent, status FROM var_evaluate('{"flat": 1}', method => 'student_t', origins => 10);
SELECT * FROM var_evaluate('{"calm": 1}', horizon => 5, stride => 4);
SELECT * FROM var_evaluate('{"calm": 1}', origins => 0);
SELECT * FROM var_evaluate('{"calm": 40}');
SELECT * FROM var_evaluate('{"short": 1}');
SELECT * FROM var_evaluate(NULL);

-- Which covariance: ledoit_wolf is always there and does not differ from itself; where moves have tripled what forgets is better.
SELECT covariance, n, qlike IS NOT NULL AS qlike, dm_qlike < -2 AS better, p_value_qlike < 0.05 AS unlikely, volatility > 0 AS volatility,
       turnover >= 0 AS turnover, coverage BETWEEN 0 AND 1 AS coverage, equal_risk_volatility > 0 AS equal_risk, condition_number >= 1 AS condition_number, status
FROM covariance_evaluate('{calm,rising}', '{exp_cov(30),dcc,dcc(2)}', horizon => 1, origins => 60, history => 250);
SELECT covariance, n, qlike, round(volatility::numeric, 6) AS volatility, round(equal_risk_volatility::numeric, 6) AS equal_risk_volatility, status
FROM covariance_evaluate('{calm,flat}', '{sample_cov,dcc}', horizon => 5, origins => 2, history => 50);
SELECT count(*) FROM covariance_evaluate('{calm,rising}', origins => 2);
SELECT * FROM covariance_evaluate('{calm}', '{oas,best_of_all}');
SELECT * FROM covariance_evaluate('{calm}', '{oas,NULL}');
SELECT * FROM covariance_evaluate('{calm}', '{dcc(0)}');
SELECT * FROM covariance_evaluate('{calm}', origins => 0);
SELECT * FROM covariance_evaluate('{calm}', level => 95);
SELECT * FROM covariance_evaluate('{short}');

-- What a scenario costs: prices between two closes; what moves with what is shocked.
SELECT s.ticker, weight, abs(contribution - weight * change) < 1e-12 AS is_product, lowest <= least(change, 0) AS lowest, origin, first_ts, last_ts,
       abs(change - (after.close / before.close - 1)) < 1e-9 AS is_past
FROM stress('{"calm": 0.7, "rising": -0.2}', '{"from": "2022-03-05", "to": "2022-04-01"}') AS s
LEFT JOIN moves AS before ON before.ticker = s.ticker AND before.ts = '2022-03-04'
LEFT JOIN moves AS after ON after.ticker = s.ticker AND after.ts = '2022-04-01';
SELECT ticker, weight, round(change::numeric, 6) AS change, round(contribution::numeric, 6) AS contribution, lowest, origin, first_ts
FROM stress('{"flat": 0.5}', '{"shocks": {"calm": "-10 %"}}', covariance => 'sample_cov');
SELECT round((implied.change / (-0.1 * c.covariance / v.covariance))::numeric, 9) AS is_conditional_mean
FROM stress('{"rising": 1}', '{"shocks": {"calm": -0.1}}', covariance => 'sample_cov') AS implied,
     covariance_matrix('{calm,rising}', covariance => 'sample_cov') AS c, covariance_matrix('{calm}', covariance => 'sample_cov') AS v
WHERE implied.ticker = 'rising' AND c.ticker = 'calm' AND c.other_ticker = 'rising';
SELECT * FROM stress('{"calm": 1}', '{"from": "2019-03-05", "to": "2022-04-01"}');
SELECT * FROM stress('{"calm": 1}', '{"from": "2030-03-05", "to": "2030-04-01"}');
SELECT * FROM stress('{"calm": 1}', '{"from": "2022-04-01", "to": "2022-04-01"}');
SELECT * FROM stress('{"calm": 1}', '{"from": "last spring", "to": "2022-04-01"}');
SELECT * FROM stress('{"calm": 1}', '{"from": "2022-03-05"}');
SELECT * FROM stress('{"calm": 1}', '{"shocks": {"calm": -20}}');
SELECT * FROM stress('{"calm": 1}', '{"shocks": {"calm": "-120 %"}}');
SELECT * FROM stress('{"calm": 1}', '{"shocks": {}}');
SELECT * FROM stress('{"calm": 1}', '{"shock": {"calm": -0.1}}');
SELECT * FROM stress('{"calm": 1}', '{"shocks": {"flat": -0.1}}', covariance => 'sample_cov');
SELECT * FROM stress('{"calm": 1}', '{"shocks": {"NOBODY": -0.1}}');
SELECT * FROM stress('{"calm": 1}', NULL);

-- Where the risk comes from: rising moves three times as much as calm.
SELECT kind, name, weight, round(volatility::numeric, 2) AS volatility, marginal IS NOT NULL AS marginal, contribution > 0 AS adds, share > 0.7 AS most
FROM risk_attribution('{"calm": 0.5, "rising": 0.5}', groups => '{"mood": {"calm": "quiet", "rising": null}}');
SELECT kind, abs(sum(contribution) - max(total)) < 1e-15 AS sums FROM (
    SELECT kind, contribution, first_value(contribution) OVER () AS total
    FROM risk_attribution('{"calm": 0.7, "rising": -0.2}', covariance => 'sample_cov', groups => '{"mood": {"calm": "quiet", "rising": "loud"}}')) AS _
GROUP BY kind ORDER BY kind;
SELECT kind, name, contribution, share FROM risk_attribution('{"flat": 1}', covariance => 'sample_cov');
SELECT * FROM risk_attribution('{"calm": 1}', groups => '{"mood": {"rising": "loud"}}');
SELECT * FROM risk_attribution('{"calm": 1}', groups => '{"ticker": {"calm": "quiet"}}');
SELECT * FROM risk_attribution('{"calm": 1}', groups => '["mood"]');
SELECT * FROM risk_attribution('{}');
SELECT * FROM risk_attribution(NULL);

-- Errors.
SELECT * FROM forecast_volatility(models => '{garhc}');
SELECT * FROM forecast_volatility(models => '{}');
SELECT * FROM forecast_volatility(horizon => 0);
SELECT * FROM forecast_volatility(level => 95);
SELECT * FROM forecast_volatility(periods_per_year => -1);
SELECT * FROM volatility_members(models => '{garch,NULL}');
SELECT * FROM volatility_evaluate(origins => 0);
SELECT * FROM volatility_evaluate(refit_every => 0);
SELECT * FROM volatility_evaluate(history => 1);
DROP VIEW fridays;
DROP TABLE moves;
