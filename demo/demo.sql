-- What `make demo` shows. Every statement can be typed as it stands into the psql that the demo leaves behind.
SET extra_float_digits = -9; -- six digits are enough for a screen
\timing on

\echo
\echo '--- The prices: 20 stocks, 1,000 trading days each'
SELECT count(DISTINCT ticker) AS tickers, count(*) AS prices, min(ts) AS first_day, max(ts) AS last_day FROM prices;

\echo '--- One ticker: the coming five trading days, with the bounds of the settings\' level'
SELECT * FROM forecast_ensemble('AAPL', horizon => 5);

\echo '--- Which models spoke, how much each was trusted, and what it cost'
SELECT ticker, model, weight, status, validation_rmse, relative_mae, fit_ms
FROM forecast_members(tickers => ARRAY['AAPL'], horizon => 5) ORDER BY weight DESC NULLS LAST;

\echo '--- Every ticker: the forecast five days ahead beside the last price'
SELECT f.ticker, p.close AS last_close, f.forecast, f.lower, f.upper, f.forecast / p.close - 1 AS expected_return, f.status
FROM forecast_ensemble(tickers => NULL, horizon => 5) AS f
JOIN prices AS p ON p.ticker = f.ticker AND p.ts = (SELECT max(ts) FROM prices)
WHERE f.step = 5 ORDER BY f.ticker;

\echo '--- Black-Litterman: the market\'s view, and two of our own, one with a confidence'
SELECT ticker, market_weight, prior_return, view_return, posterior_return, posterior_volatility, weight, active_weight
FROM black_litterman(
    tickers     => (SELECT array_agg(ticker ORDER BY ticker) FROM instrument),
    views       => '["AAPL = 10%", {"view": "MSFT - GE = 5%", "confidence": 0.6}]',
    market_caps => (SELECT jsonb_object_agg(ticker, market_cap_bn) FROM instrument))
ORDER BY weight DESC, ticker;

\echo '--- The desk: a portfolio, its first rebalance, and the schedule (weekdays at 22:00 GMT, where pg_cron is there)'
SELECT create_portfolio('growth',
    tickers     => (SELECT array_agg(ticker ORDER BY ticker) FROM instrument),
    market_caps => (SELECT jsonb_object_agg(ticker, market_cap_bn) FROM instrument),
    views       => '["MSFT - GE = 5%"]',
    constraints => jsonb_build_object('max_weight', 0.2, 'max_turnover', 0.5,
        'groups', jsonb_build_object('sector', (SELECT jsonb_object_agg(ticker, sector) FROM instrument))));
CALL rebalance('growth', as_of => '2022-11-28');
CALL rebalance('growth');
\echo '--- The same day with another constraint: the stored forecasts serve'
UPDATE folio.portfolio SET constraints = constraints || '{"max_weight": 0.15}' WHERE name = 'growth';
CALL rebalance('growth');
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') AS has_cron \gset
\if :has_cron
SELECT schedule_rebalance('growth', '0 22 * * 1-5');
\endif
SELECT ticker, weight, previous_weight, market_weight, view_return, posterior_return FROM current_weight
WHERE portfolio = 'growth' AND weight > 0.0001 ORDER BY weight DESC;
SELECT run_id, kind, portfolio, as_of, status, forecasts, seconds, turnover FROM run_history ORDER BY run_id;

\echo '--- What the forecasts of November were worth: the mean error beside that of the last price, and how often the interval held'
SELECT step, count(*) AS forecasts, avg(abs(error)) AS mean_error, avg(abs(naive_error)) AS of_the_last_price,
       avg(inside::int)::float8 AS inside, avg(level) AS level
FROM forecast_accuracy WHERE step IN (1, 5, 10, 15, 20) GROUP BY step ORDER BY step;
