-- What people and BI tools look at: plain names and types, a row for what it says, newest runs only.

CREATE VIEW @extschema@.run_history AS
SELECT run.run_id, run.kind, portfolio.name AS portfolio, run.as_of, run.status, run.started_at, run.finished_at,
       extract(epoch FROM run.finished_at - run.started_at)::float8 AS seconds, run.turnover,
       CASE WHEN run.forecast_run_id = run.run_id THEN 'computed'
            WHEN run.forecast_run_id IS NOT NULL THEN 'reused' END AS forecasts,
       run.sqlstate, run.message, run.detail, run.hint
FROM @extschema@.run
LEFT JOIN @extschema@.portfolio USING (portfolio_id);

-- The run that counts for each portfolio and as_of: a later one of the same as_of supersedes it.
CREATE VIEW @extschema@.rebalance AS
SELECT DISTINCT ON (run.portfolio_id, run.as_of) run.run_id, run.portfolio_id, portfolio.name AS portfolio, run.as_of
FROM @extschema@.run
JOIN @extschema@.portfolio USING (portfolio_id)
WHERE run.status = 'succeeded'
ORDER BY run.portfolio_id, run.as_of, run.run_id DESC;

CREATE VIEW @extschema@.current_weight AS
SELECT newest.portfolio, newest.as_of, weight.ticker, weight.weight, trade.previous_weight, weight.market_weight,
       weight.prior_return, weight.view_return, weight.posterior_return, weight.posterior_volatility,
       weight.active_weight, weight.risk_contribution
FROM (SELECT DISTINCT ON (portfolio_id) * FROM @extschema@.rebalance ORDER BY portfolio_id, as_of DESC) AS newest
JOIN @extschema@.weight USING (run_id)
JOIN @extschema@.trade USING (run_id, ticker);

CREATE VIEW @extschema@.weight_history AS
SELECT rebalance.portfolio, rebalance.as_of, weight.ticker, weight.weight
FROM @extschema@.rebalance
JOIN @extschema@.weight USING (run_id);

CREATE VIEW @extschema@.trade_history AS
SELECT rebalance.portfolio, rebalance.as_of, trade.ticker, trade.previous_weight, trade.weight, trade.change
FROM @extschema@.rebalance
JOIN @extschema@.trade USING (run_id);

CREATE VIEW @extschema@.latest_forecast AS
SELECT forecast.ticker, newest.as_of, nullif(forecast.step, 0) AS step, forecast.ts, forecast.forecast, forecast.lower,
       forecast.upper, forecast.level, forecast.status, forecast.last_close
FROM (SELECT DISTINCT ON (forecast.ticker) forecast.ticker, forecast.run_id, run.as_of
      FROM @extschema@.forecast
      JOIN @extschema@.run USING (run_id)
      WHERE forecast.step <= 1
      ORDER BY forecast.ticker, run.as_of DESC, run.run_id DESC) AS newest
JOIN @extschema@.forecast USING (run_id, ticker);
