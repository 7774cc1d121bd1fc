-- In a database of its own: its owner has filled the schema with functions and operators of Postgres' names, for every pair
-- of types, each of which writes down as whom it runs; then comes the script, which does not look whether the schema is empty.
\set ON_ERROR_STOP on
CREATE TABLE script AS SELECT pg_read_file(:'script') AS text;
GRANT SELECT ON script TO db_owner;
\connect - db_owner
\ir expect.sql
CREATE SCHEMA stash;
CREATE TABLE stash.loot (who text, how text);
GRANT USAGE ON SCHEMA stash TO PUBLIC;
GRANT INSERT ON stash.loot TO PUBLIC;
CREATE FUNCTION stash.trap(how text) RETURNS boolean LANGUAGE plpgsql VOLATILE COST 0.0001 AS $$
BEGIN
    INSERT INTO stash.loot VALUES (current_user, how);
    RETURN true;
END $$;
CREATE SCHEMA folio;
DO $$
DECLARE
    types CONSTANT text[] := '{text,name,int4,int8,float8,jsonb,timestamptz,date,oid,regrole,regclass,text[],oid[],regrole[],bool}';
    operator text; called text; l text; r text; n integer := 0;
BEGIN
    FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>=', '||', '-', '+', '*', '/', '->', '->>', '?', '~'] LOOP
        FOREACH l IN ARRAY types LOOP
            FOREACH r IN ARRAY types LOOP
                n := n + 1;
                EXECUTE pg_catalog.format('CREATE FUNCTION folio.f%s(pg_catalog.%s, pg_catalog.%s) RETURNS boolean LANGUAGE sql AS $f$ SELECT stash.trap(%L) $f$', n, l, r, operator || ' ' || l || ' ' || r);
                EXECUTE pg_catalog.format('CREATE OPERATOR folio.%s (LEFTARG = pg_catalog.%s, RIGHTARG = pg_catalog.%s, FUNCTION = folio.f%s)', operator, l, r, n);
            END LOOP;
        END LOOP;
    END LOOP;
    -- Every function of Postgres that the script names: with the types that its own has not, an exact match comes before.
    FOR called IN SELECT DISTINCT word[1] FROM script, regexp_matches(text, '\m([a-z_]+)\s*\(', 'g') AS word
                  WHERE EXISTS (SELECT FROM pg_proc WHERE proname = word[1] AND pronamespace = 'pg_catalog'::regnamespace) LOOP
        FOREACH l IN ARRAY types LOOP
            BEGIN
                EXECUTE pg_catalog.format('CREATE FUNCTION folio.%I(pg_catalog.%s) RETURNS text LANGUAGE sql AS $f$ SELECT stash.trap(%L)::text $f$', called, l, called || ' ' || l);
            EXCEPTION WHEN duplicate_function THEN NULL;
            END;
            FOREACH r IN ARRAY types LOOP
                EXECUTE pg_catalog.format('CREATE FUNCTION folio.%I(pg_catalog.%s, pg_catalog.%s) RETURNS text LANGUAGE sql AS $f$ SELECT stash.trap(%L)::text $f$', called, l, r, called || ' ' || l || ' ' || r);
            END LOOP;
        END LOOP;
        EXECUTE pg_catalog.format('CREATE FUNCTION folio.%I(VARIADIC pg_catalog.text[]) RETURNS text LANGUAGE sql AS $f$ SELECT stash.trap(%L)::text $f$', '_' || called, called);
        EXECUTE pg_catalog.format('CREATE FUNCTION folio.%I(pg_catalog.text, pg_catalog.text, pg_catalog.text) RETURNS text LANGUAGE sql AS $f$ SELECT stash.trap(%L)::text $f$', called, called || ' of three');
    END LOOP;
END $$;
SELECT pg_temp.expect('the traps work', (SELECT count(*) > 5000 FROM pg_proc WHERE pronamespace = 'folio'::regnamespace), true);
CREATE EXTENSION pg_folio VERSION 'raced';
SELECT pg_temp.expect('who was caught', (SELECT string_agg(DISTINCT who || ' ' || how, ', ') FROM stash.loot), NULL);
-- No view, policy, default or trigger of ours is bound to one of his.
SELECT pg_temp.expect('what is bound', (
    SELECT string_agg(DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid) || ' to ' || pg_describe_object(d.refclassid, d.refobjid, 0), ', ')
    FROM pg_depend AS d
    LEFT JOIN pg_proc AS p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
    LEFT JOIN pg_operator AS o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
    WHERE (p.proowner = 'db_owner'::regrole OR o.oprowner = 'db_owner'::regrole)
      AND d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass, 'pg_index'::regclass, 'pg_class'::regclass)), NULL);
