-- From 0.1.0 to 0.2.0, last part: the rows and the grants come home. The time zone of a fingerprint is part of it, so the
-- first run computes its forecasts anew.

-- Whose a portfolio of 0.1.0 is. It had no owner, and every runner could change every row, `prices` too; so nobody becomes
-- the owner of one whose prices another ordinary role could have its functions in. Where they belong to a superuser it is
-- the role that ran it last, else the role that owns them; where they are gone, the owner of the database.
CREATE FUNCTION folio_before.owner_of(portfolio folio_before.portfolio) RETURNS regrole
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    source regrole;
    runner regrole;
BEGIN
    BEGIN
        SELECT relowner INTO source FROM pg_class WHERE oid = to_regclass(portfolio.prices);
    EXCEPTION WHEN invalid_name OR syntax_error OR feature_not_supported THEN
        NULL; -- no name of a relation
    END;
    SELECT to_regrole(quote_ident(run_by)) INTO runner FROM folio_before.run
    WHERE run.portfolio_id = portfolio.portfolio_id ORDER BY run_id DESC LIMIT 1;
    IF source IS NULL THEN
        RETURN (SELECT datdba FROM pg_database WHERE datname = current_database());
    ELSIF runner IS NOT NULL AND (SELECT rolsuper FROM pg_roles WHERE oid = source) THEN
        RETURN runner;
    END IF;
    RETURN source;
END $$;

INSERT INTO @extschema@.portfolio (portfolio_id, name, owner, shared_with, tickers, market_caps, views, use_forecasts, objective,
    constraints, covariance, prior, risk_aversion, tau, risk_free_rate, horizon, models, level, history, prices, created_at)
OVERRIDING SYSTEM VALUE
SELECT portfolio_id,
       -- 0.1.0 had no limit of a name's length; the number keeps what is cut apart.
       CASE WHEN octet_length(name) <= 1024 THEN name ELSE format('%s... (portfolio %s)', left(name, 200), portfolio_id) END,
       folio_before.owner_of(portfolio),
       -- Who could see every portfolio goes on seeing those that were there.
       ARRAY(SELECT DISTINCT granted.grantee FROM folio_before.granted
             WHERE granted.kind = 'relation' AND granted.name = 'portfolio' AND granted.privilege = 'SELECT' AND granted.grantee <> 0
             ORDER BY granted.grantee),
       tickers, market_caps, views, use_forecasts, objective, constraints, covariance, prior, risk_aversion, tau, risk_free_rate,
       horizon, models, level, history, prices, created_at
FROM folio_before.portfolio;

-- A role that is gone leaves its runs to the owner of the desk.
INSERT INTO @extschema@.run (run_id, kind, portfolio_id, settings, status, as_of, tickers, time_zone, fingerprint, forecast_run_id,
    turnover, started_at, finished_at, run_by, pid, sqlstate)
OVERRIDING SYSTEM VALUE
SELECT run_id, kind, portfolio_id, settings, status, as_of, tickers, time_zone, fingerprint, forecast_run_id, turnover, started_at,
       finished_at, coalesce(pg_catalog.to_regrole(pg_catalog.quote_ident(run_by)), pg_catalog.to_regrole(pg_catalog.quote_ident(current_user))),
       pid, sqlstate
FROM folio_before.run;
INSERT INTO @extschema@.failure (run_id, message, detail, hint)
SELECT run_id, coalesce(message, ''), detail, hint FROM folio_before.run WHERE status = 'failed';

-- 0.1.0 annualised every series by 252.
INSERT INTO @extschema@.forecast (run_id, ticker, step, ts, forecast, lower, upper, level, last_close, periods_per_year, status)
SELECT run_id, ticker, step, ts, forecast, lower, upper, level, last_close, CASE WHEN step > 0 THEN 252 END, status
FROM folio_before.forecast;
INSERT INTO @extschema@.forecast_member (run_id, ticker, model, weight, status, validation_rmse, relative_mae, fit_ms, detail)
SELECT run_id, ticker, model, weight, status, validation_rmse, relative_mae, fit_ms, detail FROM folio_before.forecast_member;
INSERT INTO @extschema@.weight (run_id, ticker, weight, market_weight, prior_return, view_return, posterior_return,
    posterior_volatility, active_weight, risk_contribution)
SELECT run_id, ticker, weight, market_weight, prior_return, view_return, posterior_return, posterior_volatility, active_weight,
       risk_contribution
FROM folio_before.weight;
INSERT INTO @extschema@.trade (run_id, ticker, previous_weight, weight, change)
SELECT run_id, ticker, previous_weight, weight, change FROM folio_before.trade;
INSERT INTO @extschema@.view (run_id, position, view, source, view_return, prior_return, posterior_return, pull, variance,
    implied_confidence, contribution)
SELECT run_id, position, view, source, view_return, prior_return, posterior_return, pull, variance, implied_confidence, contribution
FROM folio_before.view;

-- New numbers go on where the old ones ended, deleted rows included.
DO $$
DECLARE
    counted record;
    last bigint;
    called boolean;
BEGIN
    FOR counted IN SELECT * FROM (VALUES ('portfolio', 'portfolio_id'), ('run', 'run_id')) AS t(relation, key) LOOP
        EXECUTE format('SELECT last_value, is_called FROM %s',
            pg_catalog.pg_get_serial_sequence('folio_before.' || counted.relation, counted.key)) INTO last, called;
        PERFORM pg_catalog.setval(pg_catalog.pg_get_serial_sequence('@extschema@.' || counted.relation, counted.key), last, called);
    END LOOP;
END $$;

-- Grants. Who could add portfolios gets the desk: what a runner needs is other rights than in 0.1.0, column by column.
DO $$
DECLARE
    granted record;
    routine regprocedure;
BEGIN
    FOR granted IN SELECT DISTINCT grantee FROM folio_before.granted
                   WHERE kind = 'relation' AND name = 'portfolio' AND privilege = 'INSERT' AND grantee <> 0 LOOP
        PERFORM @extschema@.grant_desk(granted.grantee);
    END LOOP;
    FOR granted IN SELECT before.name, before.grantee FROM folio_before.granted AS before
                   WHERE before.kind = 'relation' AND before.privilege = 'SELECT' AND before.grantee <> 0
                     AND pg_catalog.to_regclass(format('@extschema@.%I', before.name)) IS NOT NULL LOOP
        EXECUTE format('GRANT SELECT ON @extschema@.%I TO %s', granted.name, granted.grantee);
    END LOOP;
    FOR routine IN SELECT proc.oid FROM pg_catalog.pg_proc AS proc JOIN folio_before.closed ON closed.name = proc.proname
                   WHERE proc.pronamespace = '@extschema@'::regnamespace LOOP
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', routine);
    END LOOP;
    FOR granted IN SELECT before.grantee, proc.oid::regprocedure AS routine
                   FROM folio_before.granted AS before JOIN pg_catalog.pg_proc AS proc ON proc.proname = before.name
                   WHERE before.kind = 'routine' AND before.grantee <> 0 AND proc.pronamespace = '@extschema@'::regnamespace LOOP
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', granted.routine, granted.grantee);
    END LOOP;
END $$;

-- The jobs that this database's pg_cron has go to the portfolios, one each; whom a job runs as says schedule_rebalance.
DO $$
DECLARE
    job record;
    made bigint;
BEGIN
    FOR job IN SELECT before.job_id, before.schedule, before.active, p.name
               FROM folio_before.job AS before JOIN @extschema@.portfolio AS p USING (portfolio_id) ORDER BY before.job_id LOOP
        EXECUTE 'SELECT cron.unschedule($1)' USING job.job_id;
        made := @extschema@.schedule_rebalance(job.name, job.schedule);
        EXECUTE 'SELECT cron.alter_job($1, active => $2)' USING made, job.active;
    END LOOP;
END $$;

DROP FUNCTION folio_before.owner_of(folio_before.portfolio);
DROP TABLE folio_before.granted, folio_before.closed, folio_before.job, folio_before.portfolio, folio_before.run,
    folio_before.forecast, folio_before.forecast_member, folio_before.weight, folio_before.trade, folio_before.view;
DROP SCHEMA folio_before;
