-- What the dashboard shows: two portfolios over the demo's prices, rebalanced every Wednesday of the last half year as
-- if it were that day. Run again it changes nothing, since a run of the same prices and settings is not repeated.
SET client_min_messages = warning; -- 'nothing to do'

SELECT create_portfolio(
    name        => style.name,
    tickers     => (SELECT array_agg(ticker ORDER BY ticker) FROM instrument),
    market_caps => (SELECT jsonb_object_agg(ticker, market_cap_bn) FROM instrument),
    objective   => style.objective,
    tau         => 0.5, -- the forecasts are to move the weights
    constraints => '{"max_weight": 0.2}',
    -- The quick ones: 26 weeks are filled in within a minute.
    models      => ARRAY['naive', 'drift', 'theta', 'arima', 'ets', 'ridge'])
FROM (VALUES ('balanced', 'max_quadratic_utility'), ('defensive', 'min_volatility')) AS style (name, objective)
WHERE NOT EXISTS (SELECT FROM portfolio WHERE portfolio.name = style.name);

SELECT share_portfolio(name, 'folio_reader') FROM portfolio WHERE name IN ('balanced', 'defensive');

SELECT format('CALL rebalance(%L, as_of => %L)', portfolio.name, day)
FROM portfolio
CROSS JOIN generate_series(timestamptz '2022-07-06', '2022-12-28', '7 days') AS day
WHERE portfolio.name IN ('balanced', 'defensive')
ORDER BY day, portfolio.name
\gexec
