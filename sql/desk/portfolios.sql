-- Portfolios: what a rebalance is made with.
SET LOCAL search_path = pg_catalog, pg_temp; -- sql/desk/schema.sql says why

-- Computes a portfolio's weights without its forecasts and throws them away: the engine is the one place that knows
-- what its arguments may be and whether the constraints can be met.
CREATE FUNCTION folio_internal.check_portfolio(p @extschema@.portfolio) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@.forecast_fingerprint(p.tickers, p.horizon, p.models, p.level, NULL, p.history, p.prices::regclass);
    PERFORM folio_internal.weights_and_views(p.owner, p.prices, 'UTC', p.tickers, p.views, p.market_caps, p.prior, p.risk_aversion, p.tau,
        p.risk_free_rate, p.covariance, p.objective, folio_internal.constraints_with(p.constraints, NULL), p.history);
END $$;

CREATE FUNCTION folio_internal.make_portfolio(
    name text,
    tickers text[],
    market_caps jsonb,
    views jsonb,
    objective text,
    constraints jsonb,
    covariance text,
    horizon bigint,
    models text[],
    level float8,
    history bigint,
    prior text,
    risk_aversion float8,
    tau float8,
    risk_free_rate float8,
    use_forecasts boolean,
    prices text)
RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    made @extschema@.portfolio;
    patience text := current_setting('lock_timeout');
BEGIN
    PERFORM folio_internal.require_primary();
    BEGIN
        -- A name that somebody else's open transaction has taken is waited for, but not for as long as he likes.
        PERFORM set_config('lock_timeout', CASE WHEN patience = '0' THEN '5s' ELSE patience END, true);
        INSERT INTO @extschema@.portfolio (name, tickers, market_caps, views, use_forecasts, objective, constraints, covariance,
            prior, risk_aversion, tau, risk_free_rate, horizon, models, level, history, prices)
        VALUES (name, tickers, market_caps, coalesce(views, '[]'), coalesce(use_forecasts, true), objective, constraints,
            covariance, prior, risk_aversion, tau, risk_free_rate, horizon, models, level, history, prices)
        ON CONFLICT ON CONSTRAINT portfolio_name_key DO NOTHING
        RETURNING * INTO made;
        PERFORM set_config('lock_timeout', patience, true);
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION 'portfolio "%" is being made by another session', name
            USING ERRCODE = 'lock_not_available', DETAIL = 'The name of a portfolio is unique in a database; its transaction has not ended.',
                  HINT = 'Take another name, or wait for the end of that transaction.';
    END;
    IF made.portfolio_id IS NULL THEN
        RAISE EXCEPTION 'portfolio "%" already exists', name
            USING ERRCODE = 'duplicate_object', DETAIL = 'The name of a portfolio is unique in a database, whoever sees it.',
                  HINT = 'UPDATE folio.portfolio changes one of yours; folio.drop_portfolio deletes it with its history.';
    END IF;
    PERFORM folio_internal.check_portfolio(made);
    RETURN made.portfolio_id;
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
    horizon bigint DEFAULT NULL,
    models text[] DEFAULT NULL,
    level float8 DEFAULT NULL,
    history bigint DEFAULT NULL,
    prior text DEFAULT NULL,
    risk_aversion float8 DEFAULT NULL,
    tau float8 DEFAULT NULL,
    risk_free_rate float8 DEFAULT NULL,
    use_forecasts boolean DEFAULT true,
    prices regclass DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM folio_internal.require_desk();
    RETURN folio_internal.make_portfolio(name, tickers, market_caps, views, objective, constraints, covariance, horizon, models, level, history, prior, risk_aversion, tau, risk_free_rate, use_forecasts,
        folio_internal.relation_name(prices));
END $$;

CREATE FUNCTION @extschema@.drop_portfolio(portfolio text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key integer;
BEGIN
    PERFORM folio_internal.require_desk();
    key := folio_internal.own_portfolio(portfolio);
    PERFORM folio_internal.lock_run(key, false);
    PERFORM folio_internal.delete_own_portfolio(key);
END $$;

-- Lets a role see a portfolio with its runs and their results, and ends that.
CREATE FUNCTION @extschema@.share_portfolio(portfolio text, role regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key integer;
BEGIN
    PERFORM folio_internal.require_desk();
    key := folio_internal.own_portfolio(portfolio);
    UPDATE @extschema@.portfolio SET shared_with = shared_with || role WHERE portfolio_id = key AND role <> ALL (shared_with);
END $$;

CREATE FUNCTION @extschema@.unshare_portfolio(portfolio text, role regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key integer;
BEGIN
    PERFORM folio_internal.require_desk();
    key := folio_internal.own_portfolio(portfolio);
    UPDATE @extschema@.portfolio SET shared_with = array_remove(shared_with, role) WHERE portfolio_id = key AND role = ANY (shared_with);
END $$;
SET LOCAL search_path = @extschema@, pg_temp;
