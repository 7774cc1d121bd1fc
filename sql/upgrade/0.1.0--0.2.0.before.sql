-- From 0.1.0 to 0.2.0, first part: what 0.1.0 made is put aside. The installation script of 0.2.0 follows, then the second
-- part, which brings the rows and the grants home; so a database that was updated is one that was installed anew.
-- scripts/install.sh puts the three together.

-- The tables wait here. The extension made it, so it is nobody else's.
CREATE SCHEMA folio_before;

-- Who was granted what: relations and routines by name, since the arguments of routines change.
CREATE TABLE folio_before.granted AS
SELECT 'relation' AS kind, class.relname::text AS name, acl.grantee::regrole AS grantee, acl.privilege_type::text AS privilege
FROM pg_catalog.pg_class AS class, pg_catalog.aclexplode(class.relacl) AS acl
WHERE class.relnamespace = '@extschema@'::regnamespace AND acl.grantee <> class.relowner
UNION
SELECT 'routine', proc.proname::text, acl.grantee::regrole, acl.privilege_type::text
FROM pg_catalog.pg_proc AS proc, pg_catalog.aclexplode(proc.proacl) AS acl
WHERE proc.pronamespace = '@extschema@'::regnamespace AND acl.grantee <> proc.proowner;

-- Routines that not everybody may call any more.
CREATE TABLE folio_before.closed AS
SELECT DISTINCT proc.proname::text AS name
FROM pg_catalog.pg_proc AS proc
WHERE proc.pronamespace = '@extschema@'::regnamespace AND proc.proacl IS NOT NULL
  AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(proc.proacl) AS acl WHERE acl.grantee = 0);

-- Jobs of pg_cron call a portfolio by its name; from 0.2.0 on they belong to it.
CREATE TABLE folio_before.job (job_id bigint, portfolio_id integer, schedule text, active boolean);
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_cron') THEN
        EXECUTE 'INSERT INTO folio_before.job
            SELECT job.jobid, p.portfolio_id, job.schedule, job.active
            FROM cron.job
            JOIN @extschema@.portfolio AS p ON job.jobname::text = format(''folio rebalance %s of %s'', p.name, current_database())
            WHERE job.database = current_database()';
    END IF;
END $$;

-- Views, routines, types: each kind in one statement, so that their order does not matter. What somebody else has built on them
-- is named by the error, and nothing is changed.
DO $$
DECLARE
    own CONSTANT text := $c$FROM pg_catalog.pg_depend AS member JOIN pg_catalog.pg_extension AS e ON e.oid = member.refobjid
        WHERE member.refclassid = 'pg_extension'::regclass AND e.extname = 'pg_folio' AND member.deptype = 'e'$c$;
    dropped record;
    list text;
    strangers text;
BEGIN
    FOR dropped IN SELECT * FROM (VALUES
        ('VIEW', 'regclass', $c$member.classid = 'pg_class'::regclass AND (SELECT relkind FROM pg_class WHERE oid = member.objid) = 'v'$c$),
        ('ROUTINE', 'regprocedure', $c$member.classid = 'pg_proc'::regclass$c$),
        ('TYPE', 'regtype', $c$member.classid = 'pg_type'::regclass$c$)) AS t(kind, alias, condition)
    LOOP
        EXECUTE format('SELECT string_agg(member.objid::%s::text, '', '') %s AND %s', dropped.alias, own, dropped.condition) INTO list;
        IF list IS NOT NULL THEN
            EXECUTE format('DROP %s %s', dropped.kind, list);
        END IF;
    END LOOP;
    -- With the membership goes the mark for pg_dump.
    ALTER EXTENSION pg_folio DROP SEQUENCE @extschema@.portfolio_portfolio_id_seq;
    ALTER EXTENSION pg_folio DROP SEQUENCE @extschema@.run_run_id_seq;
    FOREACH list IN ARRAY ARRAY['portfolio', 'run', 'forecast', 'forecast_member', 'weight', 'trade', 'view'] LOOP
        EXECUTE format('ALTER EXTENSION pg_folio DROP TABLE @extschema@.%I', list);
        EXECUTE format('ALTER TABLE @extschema@.%I SET SCHEMA folio_before', list);
    END LOOP;
    SELECT string_agg(pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), ', ' ORDER BY d.objid) INTO strangers
    FROM (SELECT * FROM pg_catalog.pg_depend AS d
          WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = '@extschema@'::regnamespace
            AND d.classid <> 'pg_extension'::regclass AND d.deptype = 'n' LIMIT 20) AS d;
    IF strangers IS NOT NULL THEN
        RAISE EXCEPTION 'schema "@extschema@" holds what is not the extension''s' USING
            ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('There are: %s.', strangers),
            HINT = 'Move them to another schema (ALTER ... SET SCHEMA), then update again.';
    END IF;
END $$;
