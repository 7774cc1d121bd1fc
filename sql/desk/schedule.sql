-- Rebalances on a schedule, through pg_cron where it is installed. A job runs as the user who scheduled it.

CREATE FUNCTION @extschema@.job_name(portfolio text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    SELECT format('folio rebalance %s of %s', portfolio, current_database());
$$;

CREATE FUNCTION @extschema@.job_command(portfolio text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    SELECT format('CALL @extschema@.rebalance(%L)', portfolio);
$$;

-- Fails, with what to do, where this database has no pg_cron or the caller may not use it.
CREATE FUNCTION @extschema@.require_cron(portfolio text, schedule text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    home text := current_setting('cron.database_name', true);
    here text := current_database();
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        IF NOT has_schema_privilege('cron', 'USAGE') THEN
            RAISE EXCEPTION 'permission denied for pg_cron' USING ERRCODE = 'insufficient_privilege',
                DETAIL = format('Role %s may not use the schema cron.', current_user),
                HINT = format('As a superuser: GRANT USAGE ON SCHEMA cron TO %I.', current_user);
        END IF;
        RETURN;
    END IF;
    RAISE EXCEPTION 'pg_cron is not installed in database "%"', here USING ERRCODE = 'object_not_in_prerequisite_state',
        DETAIL = CASE WHEN home IS NULL THEN 'The server has not loaded pg_cron.'
                      ELSE format('The server has loaded pg_cron; its database is "%s".', home) END,
        HINT = CASE
            WHEN home IS NULL THEN format('Add pg_cron to shared_preload_libraries, set cron.database_name = ''%s'', restart the server, then CREATE EXTENSION pg_cron.', here)
            WHEN home = here THEN 'CREATE EXTENSION pg_cron.'
            ELSE format('In database "%s": SELECT cron.schedule_in_database(%L, %L, %L, %L).', home, @extschema@.job_name(portfolio),
                        schedule, @extschema@.job_command(portfolio), here) END;
END $$;

CREATE FUNCTION @extschema@.schedule_rebalance(portfolio text, schedule text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    p @extschema@.portfolio := @extschema@.portfolio_named(portfolio);
    job_id bigint;
BEGIN
    PERFORM @extschema@.require_primary();
    PERFORM @extschema@.require_cron(p.name, schedule);
    EXECUTE 'SELECT cron.schedule($1, $2, $3)' INTO job_id
    USING @extschema@.job_name(p.name), schedule, @extschema@.job_command(p.name);
    RETURN job_id;
END $$;

CREATE FUNCTION @extschema@.unschedule_rebalance(portfolio text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    jobs bigint;
BEGIN
    PERFORM @extschema@.require_primary();
    PERFORM @extschema@.require_cron(portfolio, NULL);
    EXECUTE 'SELECT count(cron.unschedule(jobid)) FROM cron.job WHERE jobname = $1 AND username = current_user' INTO jobs
    USING @extschema@.job_name(portfolio);
    RETURN jobs > 0;
END $$;
