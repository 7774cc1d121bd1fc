-- Before anything is made: whoever owns the schema of an extension, or may create in it, can put an operator there that
-- the views and functions of the extension would be bound to. So CREATE EXTENSION goes into a new schema, or into an empty
-- one in which nobody but a superuser or he who creates the extension can have left anything: pg_dump restores a schema
-- before its extension.
--
-- He need not be a superuser: the extension is trusted, so this script runs as one on behalf of a database's owner. What
-- CREATE EXTENSION has made for him is his schema, and what he does in it while this runs is not seen by the look below.
-- So the schema becomes ours at once; and each of our files sets the search_path to Postgres' own names: nothing that it
-- evaluates, and nothing that a view, a policy or a default is bound to, is looked up in this schema or in anybody's.
DO $$
DECLARE
    home CONSTANT pg_catalog.oid := '@extschema@'::pg_catalog.regnamespace;
    owner pg_catalog.oid;
    creator pg_catalog.oid;
    reason pg_catalog.text;
BEGIN
    SELECT n.nspowner INTO owner FROM pg_catalog.pg_namespace AS n WHERE n.oid OPERATOR(pg_catalog.=) home;
    SELECT e.extowner INTO creator FROM pg_catalog.pg_extension AS e WHERE e.extname OPERATOR(pg_catalog.=) 'pg_folio';
    IF owner OPERATOR(pg_catalog.<>) creator
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid OPERATOR(pg_catalog.=) owner AND r.rolsuper) THEN
        reason := pg_catalog.format('It belongs to role %s.', owner::pg_catalog.regrole);
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                  WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
                    AND d.refobjid OPERATOR(pg_catalog.=) home
                    AND d.classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_extension'::pg_catalog.regclass) THEN
        reason := 'It is not empty.';
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_namespace AS n, pg_catalog.aclexplode(n.nspacl) AS acl
                  WHERE n.oid OPERATOR(pg_catalog.=) home AND acl.privilege_type OPERATOR(pg_catalog.=) 'CREATE'
                    AND acl.grantee OPERATOR(pg_catalog.<>) owner) THEN
        reason := 'Others than its owner may create objects in it.';
    END IF;
    IF reason IS NOT NULL THEN
        RAISE EXCEPTION 'schema "@extschema@" cannot take the extension' USING
            ERRCODE = 'duplicate_schema', DETAIL = reason,
            HINT = 'Look at what is in it, then DROP SCHEMA @extschema@ or rename it: CREATE EXTENSION makes its own.';
    END IF;
    IF pg_catalog.to_regnamespace('folio_internal') IS NOT NULL THEN
        RAISE EXCEPTION 'schema "folio_internal" already exists' USING
            ERRCODE = 'duplicate_schema', DETAIL = 'The extension keeps there what is not for users, and takes no schema that it did not make.',
            HINT = 'Look at what is in it, then DROP SCHEMA folio_internal or rename it.';
    END IF;
    EXECUTE pg_catalog.format('ALTER SCHEMA %s OWNER TO %I', home::pg_catalog.regnamespace, current_user);
END $$;

-- What is not for users. USAGE is for all, since everybody may be told what he lacks; EXECUTE is granted with the desk.
CREATE SCHEMA folio_internal;
GRANT USAGE ON SCHEMA folio_internal TO PUBLIC;
