-- How a run goes. The functions have a search_path of their own; execute_run and what calls it cannot, since a
-- procedure with a SET clause may not COMMIT, and so name everything with its schema and use no operator.

CREATE FUNCTION folio_internal.require_primary() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'a standby does not write'
            USING ERRCODE = 'read_only_sql_transaction', DETAIL = 'Portfolios and the results of runs are tables.',
                  HINT = 'Call it on the primary; what it writes arrives here by replication.';
    END IF;
END $$;

-- Who runs what now: the locks of runs, each an object lock of a portfolio, or of the role whose forecasts without a
-- portfolio are made.
CREATE VIEW @extschema@.run_lock AS
SELECT CASE lock.classid WHEN '@extschema@.portfolio'::regclass THEN lock.objid::bigint::integer ELSE 0 END AS portfolio_id, lock.pid,
       CASE lock.classid WHEN '@extschema@.run'::regclass THEN lock.objid::regrole END AS role
FROM pg_catalog.pg_locks AS lock
WHERE lock.locktype = 'object' AND lock.granted
  AND lock.classid IN ('@extschema@.portfolio'::regclass, '@extschema@.run'::regclass)
  AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database());
GRANT SELECT ON @extschema@.run_lock TO PUBLIC;

-- One run of a portfolio at a time, and of forecasts without one one of each role. The lock belongs to the session, since a
-- run commits in between; a run inside of somebody's transaction takes it for that transaction.
CREATE FUNCTION folio_internal.lock_run(portfolio_id integer, for_session boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    holder integer;
BEGIN
    IF folio_internal.try_lock_run(portfolio_id, for_session) THEN
        RETURN;
    END IF;
    SELECT lock.pid INTO holder FROM @extschema@.run_lock AS lock
    WHERE lock.portfolio_id = coalesce(lock_run.portfolio_id, 0)
      AND (lock_run.portfolio_id IS NOT NULL OR lock.role = to_regrole(quote_ident(current_user)));
    RAISE EXCEPTION 'another run of % is under way',
            coalesce((SELECT format('portfolio "%s"', name) FROM @extschema@.portfolio AS p WHERE p.portfolio_id = lock_run.portfolio_id), 'forecasts')
        USING ERRCODE = 'lock_not_available', DETAIL = format('Process %s computes it.', coalesce(holder::text, 'of another session')),
              HINT = 'Wait for its end in folio.run_history, or end it with pg_cancel_backend(pid).';
END $$;

-- A run whose lock nobody holds was cut off. One that another transaction marks is not waited for.
CREATE FUNCTION folio_internal.fail_abandoned_runs() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    WITH cut_off AS (
        UPDATE @extschema@.run
        SET status = 'failed', finished_at = clock_timestamp(), sqlstate = '57000'
        WHERE run_id IN (
            SELECT r.run_id FROM @extschema@.run AS r
            WHERE r.status = 'running'
              AND NOT EXISTS (SELECT FROM @extschema@.run_lock AS lock
                              WHERE lock.pid IS DISTINCT FROM pg_backend_pid()
                                AND CASE WHEN r.portfolio_id IS NULL THEN lock.role = r.run_by ELSE lock.portfolio_id = r.portfolio_id END)
            FOR UPDATE SKIP LOCKED)
        RETURNING run_id, pid)
    INSERT INTO @extschema@.failure (run_id, message, detail, hint)
    SELECT run_id, 'the run was cut off',
           format('Process %s does not compute it any more: it was killed or cancelled, or the server stopped.', pid),
           'Nothing of the run was kept; run it again.'
    FROM cut_off;
$$;

-- Takes the lock and writes the row of a run: what it will be made with, and that it runs.
CREATE FUNCTION folio_internal.start_run(kind text, portfolio_id integer, settings jsonb, as_of timestamptz, for_session boolean)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run_id bigint;
BEGIN
    PERFORM folio_internal.lock_run(portfolio_id, for_session);
    PERFORM folio_internal.fail_abandoned_runs();
    INSERT INTO @extschema@.run AS run (kind, portfolio_id, settings, as_of)
    VALUES (start_run.kind, start_run.portfolio_id, start_run.settings, start_run.as_of)
    RETURNING run.run_id INTO run_id;
    RETURN run_id;
END $$;

CREATE FUNCTION folio_internal.start_rebalance(portfolio_id bigint, as_of timestamptz, for_session boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p @extschema@.portfolio;
BEGIN
    SELECT * INTO p FROM @extschema@.portfolio WHERE portfolio.portfolio_id = start_rebalance.portfolio_id;
    PERFORM folio_internal.require_owner(p);
    RETURN folio_internal.start_run('rebalance', p.portfolio_id,
        to_jsonb(p) - ARRAY['portfolio_id', 'name', 'owner', 'shared_with', 'created_at'], as_of, for_session);
END $$;

CREATE FUNCTION folio_internal.start_forecasts(tickers text[], horizon bigint, models text[], level float8,
    as_of timestamptz, history bigint, prices text, for_session boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN folio_internal.start_run('forecast', NULL, jsonb_build_object('tickers', tickers, 'horizon', horizon,
        'models', models, 'level', level, 'history', history, 'prices', prices), as_of, for_session);
END $$;

-- A text as an error shows it: cut, with its length, where it is longer.
CREATE FUNCTION folio_internal.bounded(value text, longest integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN length(value) > longest THEN format('%s... (%s bytes in all)', left(value, longest), octet_length(value))
                ELSE value END
$$;

-- The portfolio of this name, if the caller sees it.
CREATE FUNCTION folio_internal.portfolio_named(portfolio text) RETURNS @extschema@.portfolio
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named @extschema@.portfolio;
BEGIN
    SELECT * INTO named FROM @extschema@.portfolio AS p WHERE p.name = portfolio;
    IF named.portfolio_id IS NULL THEN
        RAISE EXCEPTION 'portfolio "%" does not exist', folio_internal.bounded(portfolio, 80)
            USING ERRCODE = 'undefined_object',
                  DETAIL = format('There are: %s.', folio_internal.bounded(coalesce(
                      (SELECT string_agg(name, ', ' ORDER BY name) FROM @extschema@.portfolio), 'none'), 1000)),
                  HINT = 'SELECT folio.create_portfolio(name => ...) makes one.';
    END IF;
    RETURN named;
END $$;

-- The number of a portfolio that the caller may change and run.
CREATE FUNCTION folio_internal.own_portfolio(portfolio text) RETURNS integer
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p @extschema@.portfolio;
BEGIN
    PERFORM folio_internal.require_primary();
    p := folio_internal.portfolio_named(portfolio);
    PERFORM folio_internal.require_owner(p);
    RETURN p.portfolio_id;
END $$;

-- Whose rights a run reads prices with.
CREATE FUNCTION folio_internal.owner_of(run @extschema@.run) RETURNS regrole
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN run.portfolio_id IS NULL THEN run.run_by
                ELSE (SELECT p.owner FROM @extschema@.portfolio AS p WHERE p.portfolio_id = run.portfolio_id) END;
$$;

-- The constraints of a run: what is held now belongs to them where they speak of trades. While nothing is held, no
-- turnover is too large.
CREATE FUNCTION folio_internal.constraints_with(constraints jsonb, held jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN NOT constraints ?| ARRAY['max_turnover', 'transaction_cost'] THEN constraints
        WHEN held IS NOT NULL THEN constraints || jsonb_build_object('current_weights', held)
        WHEN constraints ? 'current_weights' THEN constraints
        ELSE constraints - 'max_turnover' || '{"current_weights": {}}'
    END;
$$;

-- The weights that a run's portfolio holds before it, as {ticker: weight}: those of the newest earlier as_of, moved by the
-- prices since then, from a ticker's first to its last. What they left of 1 is cash without interest, as in
-- growth_of_weights. A portfolio that has lost everything holds nothing.
CREATE FUNCTION folio_internal.weights_before(run @extschema@.run) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH before AS MATERIALIZED (
        SELECT r.run_id, r.as_of FROM @extschema@.rebalance AS r
        WHERE r.portfolio_id = run.portfolio_id AND r.as_of < run.as_of
        ORDER BY r.as_of DESC LIMIT 1),
    held AS MATERIALIZED (
        SELECT w.ticker, w.weight FROM before JOIN @extschema@.weight AS w USING (run_id)),
    price AS MATERIALIZED (
        SELECT q.ticker, q.ts, q.close
        FROM before, (SELECT array_agg(held.ticker) AS tickers FROM held WHERE held.weight <> 0 HAVING count(*) > 0) AS names,
             folio_internal.prices_between(folio_internal.owner_of(run), run.settings ->> 'prices', names.tickers,
                 before.as_of, run.as_of, run.time_zone) AS q
        WHERE q.close BETWEEN 1e-100 AND 1e100),
    ends AS (
        SELECT ticker, (array_agg(close ORDER BY ts DESC))[1] / (array_agg(close ORDER BY ts))[1] AS growth
        FROM price GROUP BY ticker),
    moved AS (
        SELECT held.ticker, held.weight, held.weight * coalesce(ends.growth, 1) AS amount FROM held LEFT JOIN ends USING (ticker)),
    worth AS (
        SELECT 1 + sum(amount - weight) AS value FROM moved)
    SELECT jsonb_object_agg(moved.ticker, moved.amount / worth.value) FROM moved, worth WHERE worth.value > 0;
$$;

-- The portfolio's own views, then those that the run's forecasts amount to.
CREATE FUNCTION folio_internal.views_of(run @extschema@.run) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (run.settings -> 'views') || coalesce(jsonb_agg(view ORDER BY array_position(run.tickers, ticker)), '[]')
    FROM (SELECT DISTINCT ON (f.ticker) f.ticker,
                 @extschema@.forecast_view(f.ticker, f.last_close, f.forecast, f.upper, f.step, f.level,
                     f.periods_per_year) AS view
          FROM @extschema@.forecast AS f
          WHERE f.run_id = run.forecast_run_id AND f.step > 0
          ORDER BY f.ticker, f.step DESC) AS last_step
    WHERE view IS NOT NULL;
$$;

-- Weights, views and trades of a run whose forecasts are there. Prices are read as the portfolio's owner.
CREATE FUNCTION folio_internal.write_portfolio(run @extschema@.run) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p @extschema@.portfolio := jsonb_populate_record(NULL::@extschema@.portfolio, run.settings);
    views jsonb := folio_internal.views_of(run);
    held jsonb := folio_internal.weights_before(run);
    constraints jsonb := folio_internal.constraints_with(p.constraints,
        (SELECT jsonb_object_agg(key, value) FROM jsonb_each(held) WHERE key = ANY (run.tickers)));
    computed record;
BEGIN
    SELECT * INTO computed
    FROM folio_internal.weights_and_views(folio_internal.owner_of(run), p.prices, run.time_zone, run.tickers, views, p.market_caps,
        p.prior, p.risk_aversion, p.tau, p.risk_free_rate, p.covariance, p.objective, constraints, p.history, run.as_of);

    INSERT INTO @extschema@.weight (run_id, ticker, market_weight, prior_return, view_return, posterior_return,
                                    posterior_volatility, weight, active_weight, risk_contribution)
    SELECT run.run_id, w.*
    FROM jsonb_to_recordset(computed.weights) AS w(ticker text, market_weight float8, prior_return float8, view_return float8,
        posterior_return float8, posterior_volatility float8, weight float8, active_weight float8, risk_contribution float8);

    INSERT INTO @extschema@.view (run_id, position, source, view, view_return, prior_return, posterior_return, pull,
                                  variance, implied_confidence, contribution)
    SELECT run.run_id, report.position, CASE WHEN own.is_so THEN 'portfolio' ELSE 'forecast' END,
           CASE WHEN own.is_so THEN report.view
                ELSE format('%s = %s%%', (SELECT key FROM jsonb_each(views -> (report.position - 1)::integer -> 'assets')),
                            round(100 * report.view_return::numeric, 2)) END,
           report.view_return, report.prior_return, report.posterior_return, report.pull, report.variance,
           report.implied_confidence, report.contribution
    FROM ROWS FROM (jsonb_to_recordset(computed.views) AS (view text, view_return float8, prior_return float8,
        posterior_return float8, pull float8, variance float8, implied_confidence float8, contribution jsonb))
        WITH ORDINALITY AS report(view, view_return, prior_return, posterior_return, pull, variance, implied_confidence,
                                  contribution, position)
    CROSS JOIN LATERAL (SELECT report.position <= jsonb_array_length(p.views) AS is_so) AS own;

    INSERT INTO @extschema@.trade (run_id, ticker, previous_weight, weight, change)
    SELECT run.run_id, ticker, coalesce(before.weight, 0), coalesce(w.weight, 0), coalesce(w.weight, 0) - coalesce(before.weight, 0)
    FROM (SELECT weight.ticker, weight.weight FROM @extschema@.weight WHERE weight.run_id = run.run_id) AS w
    FULL JOIN (SELECT key AS ticker, value::float8 AS weight FROM jsonb_each(held)) AS before USING (ticker);
END $$;

-- The newest run that brought the same from the same: nothing then has to be written again.
CREATE FUNCTION folio_internal.equal_run(run @extschema@.run) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN newest.settings = run.settings AND newest.fingerprint = run.fingerprint THEN newest.run_id END
    FROM @extschema@.run AS newest
    WHERE newest.status = 'succeeded' AND newest.kind = run.kind AND newest.as_of = run.as_of
      AND newest.portfolio_id IS NOT DISTINCT FROM run.portfolio_id
      AND (run.kind = 'rebalance' OR newest.settings = run.settings AND newest.run_by = run.run_by)
    ORDER BY newest.run_id DESC
    LIMIT 1;
$$;

-- Brings a run whose forecasts are there to its end, and gives the run that counts: this one, or an earlier one that
-- is the same. Without `force` this one then only says that it found nothing to do.
CREATE FUNCTION folio_internal.finish_run(run_id bigint, force boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run @extschema@.run;
    same bigint;
BEGIN
    SELECT * INTO run FROM @extschema@.run AS r WHERE r.run_id = finish_run.run_id;
    IF run.status = 'failed' THEN
        RETURN run_id;
    END IF;
    IF NOT coalesce(force, false) THEN
        same := folio_internal.equal_run(run);
    END IF;
    IF same IS NOT NULL THEN
        RAISE NOTICE 'nothing to do: run % has the same settings and prices as of %', same, run.as_of;
    ELSIF run.kind = 'rebalance' THEN
        PERFORM folio_internal.write_portfolio(run);
    END IF;
    UPDATE @extschema@.run AS r
    SET status = CASE WHEN same IS NULL THEN 'succeeded' ELSE 'unchanged' END, finished_at = clock_timestamp(),
        turnover = (SELECT sum(abs(change)) FROM @extschema@.trade AS t WHERE t.run_id = r.run_id)
    WHERE r.run_id = finish_run.run_id;
    PERFORM folio_internal.refresh_after(run);
    RETURN coalesce(same, run_id);
END $$;

CREATE FUNCTION folio_internal.fail_run(run_id bigint, state text, message text, detail text, hint text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    UPDATE @extschema@.run AS r SET status = 'failed', finished_at = clock_timestamp(), sqlstate = fail_run.state
    WHERE r.run_id = fail_run.run_id;
    INSERT INTO @extschema@.failure (run_id, message, detail, hint)
    VALUES (fail_run.run_id, fail_run.message, nullif(fail_run.detail, ''), nullif(fail_run.hint, ''));
$$;

-- Raises the failure of a run, if it has failed: who called, pg_cron for one, is to see that, and as what.
CREATE FUNCTION folio_internal.raise_failure(run_id bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run record;
BEGIN
    SELECT r.sqlstate, f.* INTO run FROM @extschema@.run AS r LEFT JOIN @extschema@.failure AS f USING (run_id)
    WHERE r.run_id = raise_failure.run_id AND r.status = 'failed';
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = run.sqlstate, MESSAGE = coalesce(run.message, 'the run has failed'),
            DETAIL = coalesce(run.detail, format('This was run %s.', run_id)),
            HINT = coalesce(run.hint, 'The last good results stay current; folio.run_history lists the runs.');
    END IF;
END $$;

-- Runs a run that was started. Its row is committed first, and its results all at once. forecast_run comes right after
-- the COMMIT and in no block with EXCEPTION: only there it can give its snapshot up, or VACUUM would have to spare what
-- that sees for as long as the models train. For the same reason it is READ COMMITTED, whatever the session's default: the
-- other levels keep their first snapshot. Forecasts stay when the weights fail.
CREATE PROCEDURE folio_internal.execute_run(run_id bigint, force boolean)
LANGUAGE plpgsql AS $$
DECLARE
    state pg_catalog.text;
    message pg_catalog.text;
    detail pg_catalog.text;
    hint pg_catalog.text;
BEGIN
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    CALL folio_internal.forecast_run(run_id, true);
    BEGIN
        PERFORM folio_internal.finish_run(run_id, force);
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        PERFORM folio_internal.fail_run(run_id, state, message, detail, hint);
    END;
    COMMIT;
    PERFORM folio_internal.unlock_run();
    PERFORM folio_internal.raise_failure(run_id);
END $$;

CREATE PROCEDURE @extschema@.rebalance(portfolio text, as_of timestamptz DEFAULT NULL, force boolean DEFAULT false)
LANGUAGE plpgsql AS $$
DECLARE
    run_id pg_catalog.int8;
BEGIN
    PERFORM folio_internal.require_desk();
    CALL folio_internal.require_nonatomic('rebalance');
    run_id := folio_internal.start_rebalance(folio_internal.own_portfolio(portfolio), as_of, true);
    CALL folio_internal.execute_run(run_id, force);
END $$;

-- What a job calls. A portfolio that is gone takes its job with it.
CREATE PROCEDURE @extschema@.rebalance_portfolio(portfolio_id bigint)
LANGUAGE plpgsql AS $$
DECLARE
    run_id pg_catalog.int8;
BEGIN
    PERFORM folio_internal.require_desk();
    CALL folio_internal.require_nonatomic('rebalance_portfolio');
    IF folio_internal.is_gone(portfolio_id) THEN
        PERFORM folio_internal.unschedule(portfolio_id);
    ELSE
        run_id := folio_internal.start_rebalance(portfolio_id, NULL, true);
        CALL folio_internal.execute_run(run_id, false);
    END IF;
END $$;

CREATE FUNCTION @extschema@.rebalance_now(portfolio text, as_of timestamptz DEFAULT NULL, force boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run_id bigint;
BEGIN
    PERFORM folio_internal.require_desk();
    run_id := folio_internal.start_rebalance(folio_internal.own_portfolio(portfolio), as_of, false);
    CALL folio_internal.forecast_run(run_id, false);
    RETURN folio_internal.finish_run(run_id, force);
END $$;

CREATE PROCEDURE @extschema@.refresh_forecasts(tickers text[] DEFAULT NULL, horizon bigint DEFAULT NULL, models text[] DEFAULT NULL,
    level float8 DEFAULT NULL, as_of timestamptz DEFAULT NULL, history bigint DEFAULT NULL, prices regclass DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    run_id pg_catalog.int8;
BEGIN
    PERFORM folio_internal.require_desk();
    CALL folio_internal.require_nonatomic('refresh_forecasts');
    PERFORM folio_internal.require_primary();
    run_id := folio_internal.start_forecasts(tickers, horizon, models, level, as_of, history, folio_internal.relation_name(prices), true);
    CALL folio_internal.execute_run(run_id, false);
END $$;

CREATE FUNCTION @extschema@.refresh_forecasts_now(tickers text[] DEFAULT NULL, horizon bigint DEFAULT NULL, models text[] DEFAULT NULL,
    level float8 DEFAULT NULL, as_of timestamptz DEFAULT NULL, history bigint DEFAULT NULL, prices regclass DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    run_id pg_catalog.int8;
BEGIN
    PERFORM folio_internal.require_desk();
    PERFORM folio_internal.require_primary();
    run_id := folio_internal.start_forecasts(tickers, horizon, models, level, as_of, history, folio_internal.relation_name(prices), false);
    CALL folio_internal.forecast_run(run_id, false);
    RETURN folio_internal.finish_run(run_id, false);
END $$;

-- Deletes the runs of a portfolio that started before a time, with all that they brought; without a portfolio those of the
-- caller's forecasts.
CREATE FUNCTION @extschema@.delete_runs(portfolio text, before timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key integer;
BEGIN
    PERFORM folio_internal.require_desk();
    PERFORM folio_internal.require_primary();
    IF before IS NULL THEN
        RAISE EXCEPTION 'before must not be NULL'
            USING ERRCODE = 'null_value_not_allowed', DETAIL = 'It says which runs are deleted: those that started before it.',
                  HINT = 'now() deletes all of them.';
    END IF;
    IF portfolio IS NOT NULL THEN
        key := folio_internal.own_portfolio(portfolio);
    END IF;
    PERFORM folio_internal.lock_run(key, false);
    RETURN folio_internal.delete_own_runs(key, before);
END $$;
