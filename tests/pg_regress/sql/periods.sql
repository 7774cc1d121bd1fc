-- By how many periods a year numbers are annualised: the same closes a day, a week, a month, a quarter or an hour apart.
CREATE SCHEMA periods;
SET search_path = periods, folio;
SET timezone = 'UTC';
CREATE TABLE closes AS
SELECT ticker, number, 100 * exp(0.002 * number + 0.03 * sin(number * length(ticker) * 1.7)) AS close
FROM unnest('{A,BB}'::text[]) AS ticker, generate_series(0, 159) AS number;
CREATE VIEW days AS SELECT ticker, date '2024-01-01' + number / 5 * 7 + number % 5 AS ts, close FROM closes;
CREATE VIEW all_days AS SELECT ticker, date '2024-01-01' + number AS ts, close FROM closes;
CREATE VIEW weeks AS SELECT ticker, date '2020-01-03' + 7 * number AS ts, close FROM closes;
CREATE VIEW months AS SELECT ticker, (date '2000-01-01' + (number + 1) * interval '1 month')::date - 1 AS ts, close FROM closes;
CREATE VIEW quarters AS SELECT ticker, (date '1970-01-01' + (number + 1) * interval '3 months')::date - 1 AS ts, close FROM closes;
CREATE VIEW hours AS SELECT ticker, timestamptz '2024-01-01 00:00Z' + number * interval '1 hour' AS ts, close FROM closes;
CREATE VIEW irregular AS SELECT ticker, date '2000-01-01' + (number * number / 3.0) * interval '1 day' AS ts, close FROM closes WHERE number % 3 > 0 OR number > 100;

CREATE FUNCTION of(prices regclass) RETURNS TABLE (prices_of regclass, periods float8, years float8, variances float8, mean float8, price_of_risk float8, line float8)
LANGUAGE sql AS $$
    SELECT prices, p.periods_per_year,
           -- What a year is, by what each function makes of the same closes.
           252 * (SELECT sum(c.covariance) FROM covariance_matrix(prices => prices) AS c) / (SELECT sum(d.covariance) FROM covariance_matrix(prices => 'days') AS d),
           252 * (p.volatility / (SELECT volatility FROM portfolio_performance('{"A": 1}', prices => 'days'))) ^ 2,
           252 * ln(1 + p.expected_return) / (SELECT ln(1 + expected_return) FROM portfolio_performance('{"A": 1}', prior => 'historical', prices => 'days')),
           -- A mean and a variance of n periods: (n m - r) / (n v).
           market_implied_risk_aversion('A', prices => prices),
           252 * (forecast_views('{A}', horizon => 5, models => '{naive,drift}', prices => prices) -> 0 ->> 'return')::float8
               / (forecast_views('{A}', horizon => 5, models => '{naive,drift}', prices => 'days') -> 0 ->> 'return')::float8
    FROM portfolio_performance('{"A": 1}', prior => 'historical', prices => prices) AS p
$$;
SET client_min_messages = warning;
SELECT prices_of, periods, round(years::numeric, 6) AS covariance, round(variances::numeric, 6) AS performance, round(mean::numeric, 6) AS historical,
       round(line::numeric, 6) AS views, round(price_of_risk::numeric, 6) = (SELECT round(market_implied_risk_aversion('A', prices => 'days')::numeric, 6)) AS same_price_of_risk
FROM unnest('{days,all_days,weeks,months,quarters,hours}'::regclass[]) AS prices, of(prices);
RESET client_min_messages;

-- What is not 252 is said, in every function that annualises; what was told is not.
SELECT count(*) FROM optimize_portfolio(prices => 'days');
SELECT count(*) FROM optimize_portfolio(prices => 'months');
SELECT count(*) FROM black_litterman(prices => 'weeks');
SELECT count(*) FROM view_report(views => '["A = 5%"]', prices => 'all_days');
SELECT count(*) FROM covariance_matrix(prices => 'quarters');
SELECT count(*) FROM efficient_frontier(points => 3, prices => 'hours');
SELECT count(*) > 0 AS any FROM backtest(lookback => 20, rebalance => '50', prices => 'months');
SELECT length(frontier_chart(prices => 'months')) > 0 AS drawn;
SELECT jsonb_array_length(forecast_views(horizon => 2, models => '{naive}', prices => 'months'));
SELECT market_implied_risk_aversion('A', prices => 'months') > 0 AS positive;
-- A number of observations is not annual.
SELECT observations(prices => 'months');
SELECT periods_per_year FROM portfolio_performance('{"A": 1}', prices => 'months', periods_per_year => 252);
SET folio.periods_per_year = 4;
SELECT periods_per_year FROM portfolio_performance('{"A": 1}', prices => 'days');
SELECT periods_per_year FROM portfolio_performance('{"A": 1}', prices => 'days', periods_per_year => 0);
RESET folio.periods_per_year;
-- Of no pattern the prices of a year are counted, which is a warning.
SELECT round(periods_per_year) AS counted FROM portfolio_performance('{"A": 1}', prices => 'irregular');
SELECT jsonb_array_length(forecast_views(horizon => 2, models => '{naive}', prices => 'irregular'));
-- Money at the risk-free rate earns by the year: 5 % a year for ten years of months.
SET client_min_messages = warning;
SELECT count(*) - 1 AS months, round(max(risk_free_value)::numeric, 4) AS risk_free, round(1.05 ^ 10, 4) AS expected
FROM backtest(lookback => 39, rebalance => '12', risk_free_rate => 0.05, prices => 'months');
RESET client_min_messages;
-- Stored forecasts become the views that forecast_views gives.
SET client_min_messages = warning;
SELECT create_portfolio('funds', models => '{naive,drift}', horizon => 3, prices => 'months') > 0 AS created;
SELECT rebalance_now('funds') > 0 AS rebalanced;
SELECT v.position, f.periods_per_year, v.view_return = (views -> (v.position - 1) ->> 'return')::float8 AS same_return, v.variance = (views -> (v.position - 1) ->> 'variance')::float8 AS same_variance
FROM folio.view AS v JOIN folio.forecast AS f ON f.run_id = v.run_id AND f.step = 3 AND v.view LIKE f.ticker || ' %', forecast_views(models => '{naive,drift}', horizon => 3, prices => 'months') AS views
ORDER BY 1;
SELECT drop_portfolio('funds');
RESET client_min_messages;
-- Stocks beside what trades every day: the days that both have.
CREATE VIEW mixed AS SELECT 'STOCK' AS ticker, ts, close FROM days WHERE ticker = 'A' UNION ALL SELECT 'COIN', ts, close FROM all_days WHERE ticker = 'BB';
SELECT periods_per_year FROM portfolio_performance('{"STOCK": 1}', prices => 'mixed');
SELECT periods_per_year FROM portfolio_performance('{"COIN": 1}', tickers => '{COIN}', prices => 'mixed');
\set VERBOSITY default
SELECT count(*) FROM optimize_portfolio(prices => 'days', periods_per_year => -1);
SELECT count(*) FROM optimize_portfolio(prices => 'days', periods_per_year => 'NaN');
SET folio.periods_per_year = -1;
DROP SCHEMA periods CASCADE;
