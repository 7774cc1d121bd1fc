-- What the administrator's ALTER DEFAULT PRIVILEGES have granted on the way: a role that may TRUNCATE, DELETE or UPDATE a table
-- of the desk's is past row security, or locks it against everybody.
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT format('%s %s', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass) AS object, acl.grantee
        FROM pg_class AS c, aclexplode(c.relacl) AS acl
        WHERE c.relnamespace = '@extschema@'::regnamespace AND acl.grantee NOT IN (0, c.relowner)
        UNION
        SELECT format('ROUTINE %s', p.oid::regprocedure), acl.grantee FROM pg_proc AS p, aclexplode(p.proacl) AS acl
        WHERE p.pronamespace IN ('@extschema@'::regnamespace, 'folio_internal'::regnamespace) AND acl.grantee NOT IN (0, p.proowner)
        UNION
        SELECT format('SCHEMA %I', n.nspname), acl.grantee FROM pg_namespace AS n, aclexplode(n.nspacl) AS acl
        WHERE n.oid = 'folio_internal'::regnamespace AND acl.grantee NOT IN (0, n.nspowner)
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', granted.object, granted.grantee::regrole);
    END LOOP;
    -- PUBLIC too gets no more than is granted below and with each table.
    FOR granted IN
        SELECT format('%s %s', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass) AS object, acl.privilege_type
        FROM pg_class AS c, aclexplode(c.relacl) AS acl
        WHERE c.relnamespace = '@extschema@'::regnamespace AND acl.grantee = 0 AND (c.relkind = 'S' OR acl.privilege_type <> 'SELECT')
    LOOP
        EXECUTE format('REVOKE %s ON %s FROM PUBLIC', granted.privilege_type, granted.object);
    END LOOP;
END $$;

-- What is not for users is not for PUBLIC either, except what tells everybody what he lacks and shows him his jobs.
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA folio_internal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION folio_internal.require_desk(), folio_internal.refuse(text, text, text), folio_internal.jobs() TO PUBLIC;
