-- Portfolios: what a rebalance is made with.

-- Computes a portfolio's weights without its forecasts and throws them away: the engine is the one place that knows
-- what its arguments may be and whether the constraints can be met.
CREATE FUNCTION @extschema@.check_portfolio(p @extschema@.portfolio) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    prices regclass := @extschema@.price_relation(p.prices);
BEGIN
    PERFORM @extschema@.forecast_fingerprint(p.tickers, p.horizon, p.models, p.level, NULL, p.history, prices);
    PERFORM @extschema@.black_litterman(p.tickers, p.views, p.market_caps, p.prior, p.risk_aversion, p.tau, p.risk_free_rate,
        p.covariance, p.objective, @extschema@.constraints_with(p.constraints, NULL), p.history, NULL, prices);
END $$;

-- No search_path of its own: folio.prices is looked up in the caller's. So no operator, and every name with its schema.
CREATE FUNCTION @extschema@.create_portfolio(
    name text,
    tickers text[] DEFAULT NULL,
    market_caps jsonb DEFAULT NULL,
    views jsonb DEFAULT '[]',
    objective text DEFAULT NULL,
    constraints jsonb DEFAULT NULL,
    covariance text DEFAULT NULL,
    horizon integer DEFAULT NULL,
    models text[] DEFAULT NULL,
    level float8 DEFAULT NULL,
    history integer DEFAULT NULL,
    prior text DEFAULT NULL,
    risk_aversion float8 DEFAULT NULL,
    tau float8 DEFAULT NULL,
    risk_free_rate float8 DEFAULT NULL,
    use_forecasts boolean DEFAULT true,
    prices regclass DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    made @extschema@.portfolio;
BEGIN
    PERFORM @extschema@.require_primary();
    INSERT INTO @extschema@.portfolio (name, tickers, market_caps, views, use_forecasts, objective, constraints, covariance,
        prior, risk_aversion, tau, risk_free_rate, horizon, models, level, history, prices)
    VALUES (name, tickers, market_caps, coalesce(views, '[]'), coalesce(use_forecasts, true), objective, constraints,
        covariance, prior, risk_aversion, tau, risk_free_rate, horizon, models, level, history,
        @extschema@.relation_name(coalesce(prices, @extschema@.default_prices())))
    ON CONFLICT ON CONSTRAINT portfolio_name_key DO NOTHING
    RETURNING * INTO made;
    IF made.portfolio_id IS NULL THEN
        RAISE EXCEPTION 'portfolio "%" already exists', name
            USING ERRCODE = 'duplicate_object', DETAIL = 'The name of a portfolio is unique.',
                  HINT = 'UPDATE folio.portfolio changes it; folio.drop_portfolio deletes it with its history.';
    END IF;
    PERFORM @extschema@.check_portfolio(made);
    RETURN made.portfolio_id;
END $$;

CREATE FUNCTION @extschema@.drop_portfolio(portfolio text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    p @extschema@.portfolio;
BEGIN
    PERFORM @extschema@.require_primary();
    p := @extschema@.portfolio_named(portfolio);
    PERFORM @extschema@.lock_run(p.portfolio_id, false);
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') AND has_schema_privilege('cron', 'USAGE') THEN
        PERFORM @extschema@.unschedule_rebalance(portfolio);
    END IF;
    DELETE FROM @extschema@.portfolio WHERE portfolio.portfolio_id = p.portfolio_id;
END $$;
