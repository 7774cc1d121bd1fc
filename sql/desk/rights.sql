-- Who sees and changes which rows. A portfolio belongs to a role, with all that its runs brought: a member of that role,
-- or a superuser, does with it what the functions of the desk do; the roles that it is shared with see it. A run without
-- a portfolio belongs to the role that ran it. Everybody may look, since rows that are not his are not there for him.
-- Each condition is written in pg_catalog's words alone, for it is evaluated as whoever looks.
SET LOCAL search_path = pg_catalog, pg_temp; -- sql/desk/schema.sql says why

DO $$
DECLARE
    owns_portfolio CONSTANT text := $c$EXISTS (SELECT FROM @extschema@.portfolio AS p WHERE p.portfolio_id = %s.portfolio_id AND pg_has_role(p.owner, 'USAGE'))$c$;
    sees_portfolio CONSTANT text := $c$EXISTS (SELECT FROM @extschema@.portfolio AS p WHERE p.portfolio_id = %s.portfolio_id)$c$;
    by_run CONSTANT text := $c$CASE WHEN %1$s.portfolio_id IS NULL THEN pg_has_role(%1$s.run_by, 'USAGE') ELSE %2$s END$c$;
    owns_run CONSTANT text := format('EXISTS (SELECT FROM @extschema@.run AS r WHERE r.run_id = %%s.run_id AND %s)',
                                     format(by_run, 'r', format(owns_portfolio, 'r')));
    sees_run CONSTANT text := 'EXISTS (SELECT FROM @extschema@.run AS r WHERE r.run_id = %s.run_id)';
    protected record;
BEGIN
    FOR protected IN
        SELECT name, format(sees, name) AS sees, format(owns, name) AS owns
        FROM (VALUES
            ('portfolio', $c$pg_has_role(owner, 'USAGE') OR EXISTS (SELECT FROM unnest(shared_with) AS role WHERE pg_has_role(role, 'USAGE'))$c$,
                          $c$pg_has_role(owner, 'USAGE')$c$),
            ('run', format(by_run, 'run', format(sees_portfolio, 'run')), format(by_run, 'run', format(owns_portfolio, 'run'))),
            ('failure', owns_run, owns_run),
            ('forecast', sees_run, owns_run), ('forecast_member', sees_run, owns_run), ('weight', sees_run, owns_run),
            ('trade', sees_run, owns_run), ('view', sees_run, owns_run), ('outcome', sees_run, owns_run),
            ('value', sees_portfolio, owns_portfolio)) AS t(name, sees, owns)
    LOOP
        EXECUTE format('ALTER TABLE @extschema@.%I ENABLE ROW LEVEL SECURITY', protected.name);
        EXECUTE format('GRANT SELECT ON @extschema@.%I TO PUBLIC', protected.name);
        EXECUTE format('CREATE POLICY see ON @extschema@.%I FOR SELECT USING (%s)', protected.name, protected.sees);
        EXECUTE format('CREATE POLICY add ON @extschema@.%I FOR INSERT WITH CHECK (%s)', protected.name, protected.owns);
        EXECUTE format('CREATE POLICY change ON @extschema@.%I FOR UPDATE USING (%s)', protected.name, protected.owns);
        EXECUTE format('CREATE POLICY remove ON @extschema@.%I FOR DELETE USING (%s)', protected.name, protected.owns);
    END LOOP;
END $$;

-- Nobody runs in another's name.
CREATE POLICY own_name ON @extschema@.run AS RESTRICTIVE FOR INSERT
    WITH CHECK (run_by = to_regrole(quote_ident(current_user)));

-- What a runner needs beside the rows' own rights. Columns one by one: what says who ran what and when is never the
-- writer's, and whoever may UPDATE or DELETE a whole table may lock it against everybody too (LOCK TABLE). So deletions
-- go through drop_portfolio and delete_runs.
CREATE FUNCTION folio_internal.desk_privileges() RETURNS SETOF text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    VALUES ('EXECUTE ON ALL ROUTINES IN SCHEMA folio_internal'),
        ('INSERT (name, owner, shared_with, tickers, market_caps, views, use_forecasts, objective, constraints, covariance, prior,
                  risk_aversion, tau, risk_free_rate, horizon, models, level, history, prices) ON @extschema@.portfolio'),
        ('UPDATE (name, owner, shared_with, tickers, market_caps, views, use_forecasts, objective, constraints, covariance, prior,
                  risk_aversion, tau, risk_free_rate, horizon, models, level, history, prices) ON @extschema@.portfolio'),
        ('INSERT (kind, portfolio_id, settings, status, as_of, finished_at, sqlstate) ON @extschema@.run'),
        ('UPDATE (status, as_of, time_zone, tickers, fingerprint, forecast_run_id, turnover, finished_at, sqlstate) ON @extschema@.run'),
        ('INSERT ON @extschema@.failure, @extschema@.forecast, @extschema@.forecast_member, @extschema@.weight, @extschema@.trade,
                    @extschema@.view, @extschema@.outcome, @extschema@.value'),
        ('UPDATE (actual) ON @extschema@.outcome'), ('UPDATE (value) ON @extschema@.value');
$$;

-- Who gives the desk to others: who owns its tables, and who created the extension, if he was no superuser.
CREATE FUNCTION folio_internal.may_grant_desk() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_has_role((SELECT relowner FROM pg_class WHERE oid = '@extschema@.portfolio'::regclass), 'USAGE')
        OR pg_has_role((SELECT extowner FROM pg_extension WHERE extname = 'pg_folio'), 'USAGE');
$$;

-- Grants or revokes them, with USAGE on pg_cron's schema where that is.
CREATE FUNCTION folio_internal.change_grants(statement text, role regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    privilege text;
BEGIN
    IF NOT folio_internal.may_grant_desk() THEN
        PERFORM folio_internal.refuse('permission denied to grant the desk',
            format('The extension belongs to role %s.', (SELECT extowner::regrole FROM pg_extension WHERE extname = 'pg_folio')),
            'Ask a member of that role, or a superuser.');
    END IF;
    FOR privilege IN SELECT * FROM folio_internal.desk_privileges() LOOP
        EXECUTE format(statement, privilege, role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') AND has_schema_privilege('cron', 'USAGE WITH GRANT OPTION') THEN
        EXECUTE format(statement, 'USAGE ON SCHEMA cron', role);
    END IF;
END $$;

CREATE FUNCTION @extschema@.grant_desk(role regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM folio_internal.require_desk();
    PERFORM folio_internal.change_grants('GRANT %s TO %s', role);
END $$;

CREATE FUNCTION @extschema@.revoke_desk(role regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM folio_internal.require_desk();
    PERFORM folio_internal.change_grants('REVOKE %s FROM %s', role);
END $$;

-- Refuses whoever was not given the desk, with the way to get it. Everybody may call it, and nothing else of ours, so each of the
-- desk's functions begins with it.
CREATE FUNCTION folio_internal.require_desk() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT has_function_privilege('folio_internal.change_grants(text, regrole)', 'EXECUTE')
       OR NOT has_column_privilege('@extschema@.run', 'kind', 'INSERT') THEN
        PERFORM folio_internal.refuse('permission denied for the desk',
            format('Role %s may neither make nor run portfolios; it sees those that are shared with it.', quote_ident(current_user)),
            format('As a superuser: SELECT folio.grant_desk(%L).', quote_ident(current_user)));
    END IF;
END $$;

-- A portfolio that is seen but belongs to somebody else.
CREATE FUNCTION folio_internal.require_owner(p @extschema@.portfolio) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_has_role(p.owner, 'USAGE') THEN
        PERFORM folio_internal.refuse(format('permission denied for portfolio "%s"', p.name),
            format('It belongs to role %s, and is shared with role %s.', p.owner, quote_ident(current_user)),
            format('Its owner changes, runs, schedules and drops it; GRANT %s TO %I makes an owner too.', p.owner, current_user));
    END IF;
END $$;

-- What foreign keys would do. After the statement, since a run that refers to another may go with it.
CREATE FUNCTION folio_internal.after_delete_of_runs() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM @extschema@.failure WHERE run_id IN (SELECT run_id FROM gone);
    DELETE FROM @extschema@.forecast WHERE run_id IN (SELECT run_id FROM gone);
    DELETE FROM @extschema@.forecast_member WHERE run_id IN (SELECT run_id FROM gone);
    DELETE FROM @extschema@.weight WHERE run_id IN (SELECT run_id FROM gone);
    DELETE FROM @extschema@.trade WHERE run_id IN (SELECT run_id FROM gone);
    DELETE FROM @extschema@.view WHERE run_id IN (SELECT run_id FROM gone);
    DELETE FROM @extschema@.outcome WHERE run_id IN (SELECT run_id FROM gone);
    UPDATE @extschema@.run SET forecast_run_id = NULL WHERE forecast_run_id IN (SELECT run_id FROM gone);
    RETURN NULL;
END $$;
CREATE TRIGGER after_delete AFTER DELETE ON @extschema@.run REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION folio_internal.after_delete_of_runs();

CREATE FUNCTION folio_internal.after_delete_of_portfolios() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM @extschema@.run WHERE portfolio_id IN (SELECT portfolio_id FROM gone);
    DELETE FROM @extschema@.value WHERE portfolio_id IN (SELECT portfolio_id FROM gone);
    PERFORM folio_internal.unschedule(portfolio_id) FROM gone;
    RETURN NULL;
END $$;
CREATE TRIGGER after_delete AFTER DELETE ON @extschema@.portfolio REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION folio_internal.after_delete_of_portfolios();
SET LOCAL search_path = @extschema@, pg_temp;
