-- How a run goes. The functions have a search_path of their own; execute_run and what calls it cannot, since a
-- procedure with a SET clause may not COMMIT, and so name everything with its schema and use no operator.

CREATE FUNCTION @extschema@.require_primary() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'a standby does not write'
            USING ERRCODE = 'read_only_sql_transaction', DETAIL = 'Portfolios and the results of runs are tables.',
                  HINT = 'Call it on the primary; what it writes arrives here by replication.';
    END IF;
END $$;

-- The relation that folio.prices names, as the caller's search_path finds it.
CREATE FUNCTION @extschema@.default_prices() RETURNS regclass
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN @extschema@.price_relation(@extschema@.prices_setting());
END $$;

CREATE FUNCTION @extschema@.price_relation(name text) RETURNS regclass
LANGUAGE plpgsql STABLE AS $$
DECLARE
    relation regclass := pg_catalog.to_regclass(name);
BEGIN
    IF relation IS NULL THEN
        RAISE EXCEPTION 'price relation "%" does not exist', name
            USING ERRCODE = 'undefined_table', DETAIL = 'A price relation has the columns ticker, ts and close.',
                  HINT = 'Create it, or name another: prices => ''my_prices'', or the column prices of folio.portfolio.';
    END IF;
    RETURN relation;
END $$;

-- With an empty search_path the name of a relation is written with its schema.
CREATE FUNCTION @extschema@.relation_name(relation regclass) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    RETURN relation::text;
END $$;

-- One run of a portfolio at a time. The lock belongs to the session, since a run commits in between; a run inside of
-- somebody's transaction takes it for that transaction. Forecasts without a portfolio have the number 0.
CREATE FUNCTION @extschema@.lock_run(portfolio_id integer, for_session boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    key CONSTANT integer := coalesce(portfolio_id, 0);
    holder integer;
BEGIN
    IF @extschema@.try_lock_run(key, for_session) THEN
        RETURN;
    END IF;
    SELECT lock.pid INTO holder FROM @extschema@.run_lock AS lock WHERE lock.portfolio_id = key;
    RAISE EXCEPTION 'another run of % is under way',
            coalesce((SELECT format('portfolio "%s"', name) FROM @extschema@.portfolio AS p WHERE p.portfolio_id = key), 'forecasts')
        USING ERRCODE = 'lock_not_available', DETAIL = format('Process %s computes it.', coalesce(holder::text, 'of another session')),
              HINT = 'Wait for its end in folio.run_history, or end it with pg_cancel_backend(pid).';
END $$;

CREATE VIEW @extschema@.run_lock AS
SELECT lock.objid::bigint::integer AS portfolio_id, lock.pid
FROM pg_catalog.pg_locks AS lock
WHERE lock.locktype = 'advisory' AND lock.objsubid = 2 AND lock.granted
  AND lock.classid = @extschema@.run_lock_class()::oid
  AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database());

-- A run whose lock nobody holds was cut off. One that another transaction marks is not waited for.
CREATE FUNCTION @extschema@.fail_abandoned_runs() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    UPDATE @extschema@.run
    SET status = 'failed', finished_at = clock_timestamp(), sqlstate = '57000',
        message = 'the run was cut off',
        detail = format('Process %s does not compute it any more: it was killed or cancelled, or the server stopped.', pid),
        hint = 'Nothing of the run was kept; run it again.'
    WHERE run_id IN (
        SELECT r.run_id FROM @extschema@.run AS r
        WHERE r.status = 'running'
          AND NOT EXISTS (SELECT FROM @extschema@.run_lock AS lock
                          WHERE lock.portfolio_id = coalesce(r.portfolio_id, 0) AND lock.pid <> pg_backend_pid())
        FOR UPDATE SKIP LOCKED);
$$;

-- Takes the lock and writes the row of a run: what it will be made with, and that it runs.
CREATE FUNCTION @extschema@.start_run(kind text, portfolio_id integer, settings jsonb, as_of timestamptz, for_session boolean)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    run_id bigint;
BEGIN
    PERFORM @extschema@.require_primary();
    PERFORM @extschema@.lock_run(portfolio_id, for_session);
    PERFORM @extschema@.fail_abandoned_runs();
    INSERT INTO @extschema@.run AS run (kind, portfolio_id, settings, as_of)
    VALUES (start_run.kind, start_run.portfolio_id, start_run.settings, start_run.as_of)
    RETURNING run.run_id INTO run_id;
    RETURN run_id;
END $$;

CREATE FUNCTION @extschema@.start_rebalance(portfolio text, as_of timestamptz, for_session boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    p @extschema@.portfolio := @extschema@.portfolio_named(portfolio);
BEGIN
    RETURN @extschema@.start_run('rebalance', p.portfolio_id,
                                 to_jsonb(p) - ARRAY['portfolio_id', 'name', 'created_at'], as_of, for_session);
END $$;

CREATE FUNCTION @extschema@.start_forecasts(tickers text[], horizon integer, models text[], level float8,
    as_of timestamptz, history integer, prices text, for_session boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
BEGIN
    RETURN @extschema@.start_run('forecast', NULL, jsonb_build_object('tickers', tickers, 'horizon', horizon,
        'models', models, 'level', level, 'history', history, 'prices', prices), as_of, for_session);
END $$;

CREATE FUNCTION @extschema@.portfolio_named(portfolio text) RETURNS @extschema@.portfolio
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    named @extschema@.portfolio;
BEGIN
    SELECT * INTO named FROM @extschema@.portfolio AS p WHERE p.name = portfolio;
    IF named.portfolio_id IS NULL THEN
        RAISE EXCEPTION 'portfolio "%" does not exist', portfolio
            USING ERRCODE = 'undefined_object',
                  DETAIL = format('There are: %s.', coalesce((SELECT string_agg(name, ', ' ORDER BY name) FROM @extschema@.portfolio), 'none')),
                  HINT = 'SELECT folio.create_portfolio(name => ...) makes one.';
    END IF;
    RETURN named;
END $$;

-- The constraints of a run: what is held now belongs to them where they speak of trades. While nothing is held, no
-- turnover is too large.
CREATE FUNCTION @extschema@.constraints_with(constraints jsonb, held jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    SELECT CASE
        WHEN NOT constraints ?| ARRAY['max_turnover', 'transaction_cost'] THEN constraints
        WHEN held IS NOT NULL THEN constraints || jsonb_build_object('current_weights', held)
        WHEN constraints ? 'current_weights' THEN constraints
        ELSE constraints - 'max_turnover' || '{"current_weights": {}}'
    END;
$$;

-- The weights that a run's portfolio held before: those of the newest earlier as_of, as {ticker: weight}.
CREATE FUNCTION @extschema@.weights_before(portfolio_id integer, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    SELECT jsonb_object_agg(weight.ticker, weight.weight)
    FROM (SELECT run_id FROM @extschema@.rebalance AS r
          WHERE r.portfolio_id = weights_before.portfolio_id AND r.as_of < weights_before.as_of
          ORDER BY r.as_of DESC LIMIT 1) AS before
    JOIN @extschema@.weight USING (run_id);
$$;

-- The portfolio's own views, then those that the run's forecasts amount to.
CREATE FUNCTION @extschema@.views_of(run @extschema@.run) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    SELECT (run.settings -> 'views') || coalesce(jsonb_agg(view ORDER BY array_position(run.tickers, ticker)), '[]')
    FROM (SELECT DISTINCT ON (f.ticker) f.ticker,
                 @extschema@.forecast_view(f.ticker, f.last_close, f.forecast, f.upper, f.step, f.level) AS view
          FROM @extschema@.forecast AS f
          WHERE f.run_id = run.forecast_run_id AND f.step > 0
          ORDER BY f.ticker, f.step DESC) AS last_step
    WHERE view IS NOT NULL;
$$;

-- Weights, views and trades of a run whose forecasts are there.
CREATE FUNCTION @extschema@.write_portfolio(run @extschema@.run) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    p @extschema@.portfolio := jsonb_populate_record(NULL::@extschema@.portfolio, run.settings);
    views jsonb := @extschema@.views_of(run);
    held jsonb := @extschema@.weights_before(run.portfolio_id, run.as_of);
    constraints jsonb := @extschema@.constraints_with(p.constraints,
        (SELECT jsonb_object_agg(key, value) FROM jsonb_each(held) WHERE key = ANY (run.tickers)));
    prices regclass := @extschema@.price_relation(p.prices);
BEGIN
    INSERT INTO @extschema@.weight (run_id, ticker, market_weight, prior_return, view_return, posterior_return,
                                    posterior_volatility, weight, active_weight, risk_contribution)
    SELECT run.run_id, holding.*
    FROM @extschema@.black_litterman(run.tickers, views, p.market_caps, p.prior, p.risk_aversion, p.tau, p.risk_free_rate,
        p.covariance, p.objective, constraints, p.history, run.as_of, prices) AS holding;

    INSERT INTO @extschema@.view (run_id, position, source, view, view_return, prior_return, posterior_return, pull,
                                  variance, implied_confidence, contribution)
    SELECT run.run_id, report.position, CASE WHEN own.is_so THEN 'portfolio' ELSE 'forecast' END,
           CASE WHEN own.is_so THEN report.view
                ELSE format('%s = %s%%', (SELECT key FROM jsonb_each(views -> (report.position - 1)::integer -> 'assets')),
                            round(100 * report.view_return::numeric, 2)) END,
           report.view_return, report.prior_return, report.posterior_return, report.pull, report.variance,
           report.implied_confidence, report.contribution
    FROM @extschema@.view_report(run.tickers, views, p.market_caps, p.prior, p.risk_aversion, p.tau, p.risk_free_rate,
        p.covariance, p.objective, constraints, p.history, run.as_of, prices) WITH ORDINALITY AS report(view, view_return,
        prior_return, posterior_return, pull, variance, implied_confidence, contribution, position)
    CROSS JOIN LATERAL (SELECT report.position <= jsonb_array_length(p.views) AS is_so) AS own;

    INSERT INTO @extschema@.trade (run_id, ticker, previous_weight, weight, change)
    SELECT run.run_id, ticker, coalesce(before.weight, 0), coalesce(w.weight, 0), coalesce(w.weight, 0) - coalesce(before.weight, 0)
    FROM (SELECT weight.ticker, weight.weight FROM @extschema@.weight WHERE weight.run_id = run.run_id) AS w
    FULL JOIN (SELECT key AS ticker, value::float8 AS weight FROM jsonb_each(held)) AS before USING (ticker);
END $$;

-- The newest run that brought the same from the same: the row itself is then not needed.
CREATE FUNCTION @extschema@.equal_run(run @extschema@.run) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    SELECT CASE WHEN newest.settings = run.settings AND newest.fingerprint = run.fingerprint THEN newest.run_id END
    FROM @extschema@.run AS newest
    WHERE newest.status = 'succeeded' AND newest.kind = run.kind AND newest.as_of = run.as_of
      AND newest.portfolio_id IS NOT DISTINCT FROM run.portfolio_id
      AND (run.kind = 'rebalance' OR newest.settings = run.settings)
    ORDER BY newest.run_id DESC
    LIMIT 1;
$$;

-- Brings a run whose forecasts are there to its end, and gives the run that counts: this one, or an earlier one that
-- is the same. Without `force` such a run is not kept.
CREATE FUNCTION @extschema@.finish_run(run_id bigint, force boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    run @extschema@.run;
    same bigint;
BEGIN
    SELECT * INTO run FROM @extschema@.run AS r WHERE r.run_id = finish_run.run_id;
    IF run.status = 'failed' THEN
        RETURN run_id;
    END IF;
    same := @extschema@.equal_run(run);
    IF same IS NOT NULL AND NOT coalesce(force, false) THEN
        DELETE FROM @extschema@.run AS r WHERE r.run_id = finish_run.run_id;
        RAISE NOTICE 'nothing to do: run % has the same settings and prices as of %', same, run.as_of;
        RETURN same;
    END IF;
    IF run.kind = 'rebalance' THEN
        PERFORM @extschema@.write_portfolio(run);
    END IF;
    UPDATE @extschema@.run AS r
    SET status = 'succeeded', finished_at = clock_timestamp(),
        turnover = (SELECT sum(abs(change)) FROM @extschema@.trade AS t WHERE t.run_id = r.run_id)
    WHERE r.run_id = finish_run.run_id;
    RETURN run_id;
END $$;

CREATE FUNCTION @extschema@.fail_run(run_id bigint, state text, message text, detail text, hint text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    UPDATE @extschema@.run AS r
    SET status = 'failed', finished_at = clock_timestamp(), sqlstate = fail_run.state, message = fail_run.message,
        detail = nullif(fail_run.detail, ''), hint = nullif(fail_run.hint, '')
    WHERE r.run_id = fail_run.run_id;
$$;

-- Raises the failure of a run, if it has failed: who called, pg_cron for one, is to see that, and as what.
CREATE FUNCTION @extschema@.raise_failure(run_id bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    run @extschema@.run;
BEGIN
    SELECT * INTO run FROM @extschema@.run AS r WHERE r.run_id = raise_failure.run_id AND r.status = 'failed';
    IF run.run_id IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = run.sqlstate, MESSAGE = run.message,
            DETAIL = coalesce(run.detail, format('This was run %s.', run_id)),
            HINT = coalesce(run.hint, 'The last good results stay current; folio.run_history lists the runs.');
    END IF;
END $$;

-- Runs a run that was started. Its row is committed first, and its results all at once. forecast_run comes right after
-- the COMMIT and in no block with EXCEPTION: only there it can give its snapshot up, or VACUUM would have to spare what
-- that sees for as long as the models train. Forecasts stay when the weights fail.
CREATE PROCEDURE @extschema@.execute_run(run_id bigint, force boolean)
LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    COMMIT;
    CALL @extschema@.forecast_run(run_id, true);
    BEGIN
        PERFORM @extschema@.finish_run(run_id, force);
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        PERFORM @extschema@.fail_run(run_id, state, message, detail, hint);
    END;
    COMMIT;
    PERFORM @extschema@.unlock_run();
    PERFORM @extschema@.raise_failure(run_id);
END $$;

CREATE PROCEDURE @extschema@.rebalance(portfolio text, as_of timestamptz DEFAULT NULL, force boolean DEFAULT false)
LANGUAGE plpgsql AS $$
DECLARE
    run_id bigint := @extschema@.start_rebalance(portfolio, as_of, true);
BEGIN
    CALL @extschema@.execute_run(run_id, force);
END $$;

CREATE FUNCTION @extschema@.rebalance_now(portfolio text, as_of timestamptz DEFAULT NULL, force boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    run_id bigint := @extschema@.start_rebalance(portfolio, as_of, false);
BEGIN
    CALL @extschema@.forecast_run(run_id, false);
    RETURN @extschema@.finish_run(run_id, force);
END $$;

CREATE PROCEDURE @extschema@.refresh_forecasts(tickers text[] DEFAULT NULL, horizon integer DEFAULT NULL, models text[] DEFAULT NULL,
    level float8 DEFAULT NULL, as_of timestamptz DEFAULT NULL, history integer DEFAULT NULL, prices regclass DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    run_id bigint := @extschema@.start_forecasts(tickers, horizon, models, level, as_of, history,
        @extschema@.relation_name(coalesce(prices, @extschema@.default_prices())), true);
BEGIN
    CALL @extschema@.execute_run(run_id, false);
END $$;

CREATE FUNCTION @extschema@.refresh_forecasts_now(tickers text[] DEFAULT NULL, horizon integer DEFAULT NULL, models text[] DEFAULT NULL,
    level float8 DEFAULT NULL, as_of timestamptz DEFAULT NULL, history integer DEFAULT NULL, prices regclass DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    run_id bigint := @extschema@.start_forecasts(tickers, horizon, models, level, as_of, history,
        @extschema@.relation_name(coalesce(prices, @extschema@.default_prices())), false);
BEGIN
    CALL @extschema@.forecast_run(run_id, false);
    RETURN @extschema@.finish_run(run_id, false);
END $$;
