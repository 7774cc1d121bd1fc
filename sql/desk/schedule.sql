-- Rebalances on a schedule, through pg_cron where it is installed. A job belongs to a portfolio by its number: it follows
-- a new name, and goes with it. It runs as the portfolio's owner where a superuser schedules it, else as who schedules it.
SET LOCAL search_path = pg_catalog, pg_temp; -- sql/desk/schema.sql says why

CREATE FUNCTION folio_internal.job_name(portfolio_id bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('folio portfolio %s of %s', portfolio_id, current_database());
$$;

-- A job that outlives the extension takes itself away where it can: pg_cron's table may be in another database.
CREATE FUNCTION folio_internal.job_command(portfolio_id bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(
        'DO $job$ BEGIN IF pg_catalog.to_regprocedure(''@extschema@.rebalance_portfolio(bigint)'') IS NOT NULL THEN '
        'CALL @extschema@.rebalance_portfolio(%s); '
        'ELSIF pg_catalog.to_regclass(''cron.job'') IS NOT NULL THEN PERFORM cron.unschedule(%L); END IF; END $job$',
        portfolio_id, folio_internal.job_name(portfolio_id));
$$;

CREATE FUNCTION folio_internal.has_cron() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron');
$$;

-- The jobs of this database's portfolios in pg_cron, as its table shows them to the caller.
CREATE FUNCTION folio_internal.visible_jobs() RETURNS TABLE (job_id bigint, name text, schedule text, username text, active boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF folio_internal.has_cron() AND has_schema_privilege('cron', 'USAGE') THEN
        RETURN QUERY EXECUTE 'SELECT jobid, jobname::text, schedule, username, active FROM cron.job WHERE database = current_database()';
    END IF;
END $$;

-- Ends a portfolio's jobs that the caller may end: his own; every one's, if he is a superuser.
CREATE FUNCTION folio_internal.unschedule(portfolio_id bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    job bigint;
    jobs bigint := 0;
BEGIN
    FOR job IN SELECT job_id FROM folio_internal.visible_jobs() WHERE name = folio_internal.job_name(portfolio_id) LOOP
        EXECUTE 'SELECT cron.unschedule($1)' USING job;
        jobs := jobs + 1;
    END LOOP;
    RETURN jobs;
END $$;

-- Fails, with what to do, where this database has no pg_cron or the caller may not use it. `remedy` is what would be done in
-- the database that has it.
CREATE FUNCTION folio_internal.require_cron(remedy text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here text := current_database();
    -- Not everybody may read the setting.
    may_ask boolean := pg_has_role('pg_read_all_settings', 'USAGE');
    home text := CASE WHEN may_ask THEN current_setting('cron.database_name', true) END;
BEGIN
    IF folio_internal.has_cron() THEN
        IF NOT has_schema_privilege('cron', 'USAGE') THEN
            PERFORM folio_internal.refuse('permission denied for pg_cron',
                format('Role %s may not use the schema cron.', quote_ident(current_user)),
                format('As a superuser: GRANT USAGE ON SCHEMA cron TO %I.', current_user));
        END IF;
        RETURN;
    END IF;
    RAISE EXCEPTION 'pg_cron is not installed in database "%"', here USING ERRCODE = 'object_not_in_prerequisite_state',
        DETAIL = CASE WHEN NOT may_ask THEN 'Where the server has it, if it has, a member of pg_read_all_settings can see: SHOW cron.database_name.'
                      WHEN home IS NULL THEN 'The server has not loaded pg_cron.'
                      ELSE format('The server has loaded pg_cron; its database is "%s".', home) END,
        HINT = CASE
            WHEN NOT may_ask THEN format('In pg_cron''s database: %s.', remedy)
            WHEN home IS NULL THEN format('Add pg_cron to shared_preload_libraries, set cron.database_name = ''%s'', restart the server, then CREATE EXTENSION pg_cron.', here)
            WHEN home = here THEN 'CREATE EXTENSION pg_cron.'
            ELSE format('In database "%s": %s.', home, remedy) END;
END $$;

CREATE FUNCTION @extschema@.schedule_rebalance(portfolio text, schedule text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p @extschema@.portfolio;
    job_id bigint;
BEGIN
    PERFORM folio_internal.require_desk();
    PERFORM folio_internal.require_primary();
    p := folio_internal.portfolio_named(portfolio);
    PERFORM folio_internal.require_owner(p);
    PERFORM folio_internal.require_cron(format('SELECT cron.schedule_in_database(%L, %L, %L, %L)',
        folio_internal.job_name(p.portfolio_id), schedule, folio_internal.job_command(p.portfolio_id), current_database()));
    -- One job of a portfolio, whoever of its owners makes it.
    PERFORM folio_internal.unschedule_own(p.portfolio_id);
    -- A role that may not log in cannot be who a job runs as; its prices are read with its rights all the same.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper)
       AND EXISTS (SELECT FROM pg_roles WHERE oid = p.owner AND rolcanlogin AND rolname <> current_user) THEN
        EXECUTE 'SELECT cron.schedule_in_database($1, $2, $3, $4, $5)' INTO job_id
        USING folio_internal.job_name(p.portfolio_id), schedule, folio_internal.job_command(p.portfolio_id), current_database()::text,
              (SELECT rolname::text FROM pg_roles WHERE oid = p.owner);
    ELSE
        EXECUTE 'SELECT cron.schedule($1, $2, $3)' INTO job_id
        USING folio_internal.job_name(p.portfolio_id), schedule, folio_internal.job_command(p.portfolio_id);
    END IF;
    RETURN job_id;
END $$;

CREATE FUNCTION @extschema@.unschedule_rebalance(portfolio text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key integer;
BEGIN
    PERFORM folio_internal.require_desk();
    key := folio_internal.own_portfolio(portfolio);
    IF NOT folio_internal.has_cron() THEN
        PERFORM folio_internal.require_cron(format('SELECT cron.unschedule(%L)', folio_internal.job_name(key)));
    END IF;
    RETURN folio_internal.unschedule_own(key) > 0;
END $$;

CREATE FUNCTION folio_internal.is_gone(portfolio_id bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (SELECT FROM @extschema@.portfolio AS p WHERE p.portfolio_id = is_gone.portfolio_id);
$$;

CREATE VIEW @extschema@.job WITH (security_invoker = true) AS
SELECT job.job_id, portfolio.portfolio_id, portfolio.name AS portfolio, job.schedule, job.username, job.active
FROM folio_internal.jobs() AS job
JOIN @extschema@.portfolio USING (portfolio_id);
GRANT SELECT ON @extschema@.job TO PUBLIC;

-- Jobs of an earlier installation in this database are not those of the portfolios that get their numbers.
DO $$
BEGIN
    IF folio_internal.has_cron() THEN
        EXECUTE 'SELECT count(cron.unschedule(jobid)) FROM cron.job
                 WHERE database = current_database() AND jobname ~ ''^folio portfolio [0-9]+ of ''';
    END IF;
END $$;
SET LOCAL search_path = @extschema@, pg_temp;
