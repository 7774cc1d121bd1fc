-- What people and BI tools look at: plain names and types, a row for what it says, newest runs only. Each is read with the
-- rights of whoever looks, so that he sees the rows that he may see; and each reads tables only, so that looking runs
-- nobody's code and never fails because of somebody else's prices.
SET LOCAL search_path = pg_catalog, pg_temp; -- sql/desk/schema.sql says why

CREATE VIEW @extschema@.run_history WITH (security_invoker = true) AS
SELECT run.run_id, run.kind, portfolio.name AS portfolio, run.as_of, run.status, run.started_at, run.finished_at,
       extract(epoch FROM run.finished_at - run.started_at)::float8 AS seconds, run.turnover,
       CASE WHEN run.forecast_run_id = run.run_id THEN 'computed'
            WHEN run.forecast_run_id IS NOT NULL THEN 'reused' END AS forecasts,
       run.sqlstate, failure.message, failure.detail, failure.hint
FROM @extschema@.run
LEFT JOIN @extschema@.portfolio USING (portfolio_id)
LEFT JOIN @extschema@.failure USING (run_id);

-- The run that counts for each portfolio and as_of: a later one of the same as_of supersedes it.
CREATE VIEW @extschema@.rebalance WITH (security_invoker = true) AS
SELECT DISTINCT ON (run.portfolio_id, run.as_of) run.run_id, run.portfolio_id, portfolio.name AS portfolio, run.as_of
FROM @extschema@.run
JOIN @extschema@.portfolio USING (portfolio_id)
WHERE run.status = 'succeeded'
ORDER BY run.portfolio_id, run.as_of, run.run_id DESC;

CREATE VIEW @extschema@.current_weight WITH (security_invoker = true) AS
SELECT newest.portfolio, newest.as_of, weight.ticker, weight.weight, trade.previous_weight, weight.market_weight,
       weight.prior_return, weight.view_return, weight.posterior_return, weight.posterior_volatility,
       weight.active_weight, weight.risk_contribution
FROM (SELECT DISTINCT ON (portfolio_id) * FROM @extschema@.rebalance ORDER BY portfolio_id, as_of DESC) AS newest
JOIN @extschema@.weight USING (run_id)
JOIN @extschema@.trade USING (run_id, ticker);

CREATE VIEW @extschema@.weight_history WITH (security_invoker = true) AS
SELECT rebalance.portfolio, rebalance.as_of, weight.ticker, weight.weight
FROM @extschema@.rebalance
JOIN @extschema@.weight USING (run_id);

CREATE VIEW @extschema@.trade_history WITH (security_invoker = true) AS
SELECT rebalance.portfolio, rebalance.as_of, trade.ticker, trade.previous_weight, trade.weight, trade.change
FROM @extschema@.rebalance
JOIN @extschema@.trade USING (run_id);

-- Runs as whoever looks sees them. What is his own comes before what others show him: nobody can put his forecasts in the
-- place of another's by sharing them.
CREATE VIEW folio_internal.seen_run WITH (security_invoker = true) AS
SELECT run.run_id, run.as_of, pg_has_role(CASE WHEN run.portfolio_id IS NULL THEN run.run_by ELSE portfolio.owner END, 'USAGE') AS own
FROM @extschema@.run
LEFT JOIN @extschema@.portfolio USING (portfolio_id);
GRANT SELECT ON folio_internal.seen_run TO PUBLIC;

CREATE VIEW @extschema@.latest_forecast WITH (security_invoker = true) AS
SELECT forecast.ticker, newest.as_of, nullif(forecast.step, 0) AS step, forecast.ts, forecast.forecast, forecast.lower,
       forecast.upper, forecast.level, forecast.status, forecast.last_close
FROM (SELECT DISTINCT ON (forecast.ticker) forecast.ticker, forecast.run_id, run.as_of
      FROM @extschema@.forecast
      JOIN folio_internal.seen_run AS run USING (run_id)
      WHERE forecast.step <= 1
      ORDER BY forecast.ticker, run.own DESC, run.as_of DESC, run.run_id DESC) AS newest
JOIN @extschema@.forecast USING (run_id, ticker);

-- Ratios only of numbers whose ratio is a number: a row of somebody else's must not make the view fail.
CREATE VIEW @extschema@.forecast_accuracy WITH (security_invoker = true) AS
SELECT DISTINCT ON (f.ticker, run.as_of, f.step)
       f.ticker, run.as_of, f.step, f.ts, f.forecast, f.lower, f.upper, f.level, outcome.actual,
       f.forecast - outcome.actual AS error,
       CASE WHEN abs(f.forecast) < 1e200 THEN (f.forecast - outcome.actual) / outcome.actual END AS relative_error,
       outcome.actual BETWEEN f.lower AND f.upper AS inside, f.last_close - outcome.actual AS naive_error,
       CASE WHEN abs(f.forecast) < 1e200 THEN abs(f.forecast - outcome.actual) / outcome.actual END AS absolute_percentage_error,
       CASE WHEN abs(f.last_close) < 1e200 THEN abs(f.last_close - outcome.actual) / outcome.actual END AS naive_absolute_percentage_error
FROM @extschema@.outcome
JOIN @extschema@.forecast AS f USING (run_id, ticker, step)
JOIN folio_internal.seen_run AS run USING (run_id)
WHERE outcome.actual IS NOT NULL
ORDER BY f.ticker, run.as_of, f.step, run.own DESC, run.run_id DESC;

CREATE VIEW @extschema@.portfolio_value WITH (security_invoker = true) AS
SELECT portfolio.name AS portfolio, value.ts, value.value
FROM @extschema@.value
JOIN @extschema@.portfolio USING (portfolio_id)
WHERE value.value IS NOT NULL;

GRANT SELECT ON @extschema@.run_history, @extschema@.rebalance, @extschema@.current_weight, @extschema@.weight_history,
    @extschema@.trade_history, @extschema@.latest_forecast, @extschema@.forecast_accuracy, @extschema@.portfolio_value TO PUBLIC;
SET LOCAL search_path = @extschema@, pg_temp;
