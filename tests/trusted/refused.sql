-- What the database's owner may not, though the extension is his: all that would give him a superuser's rights, or another's rows.
\set ON_ERROR_STOP on
\connect postgres postgres
GRANT SELECT ON public.prices TO stranger;
SELECT folio.grant_desk('stranger');
\connect - stranger
SELECT folio.create_portfolio('of a stranger', models => '{naive}', horizon => 3);
CALL folio.rebalance('of a stranger');
\connect - db_owner
\ir expect.sql
SELECT pg_temp.refused(statement) FROM unnest(ARRAY[
    'CREATE FUNCTION folio.more() RETURNS integer LANGUAGE sql AS ''SELECT 1''',
    'CREATE TABLE folio.more ()',
    'CREATE FUNCTION folio_internal.more() RETURNS integer LANGUAGE sql AS ''SELECT 1''',
    'ALTER SCHEMA folio OWNER TO db_owner',
    'ALTER SCHEMA folio RENAME TO mine',
    'DROP SCHEMA folio CASCADE',
    'ALTER FUNCTION folio.grant_desk(regrole) SECURITY DEFINER',
    'ALTER FUNCTION folio.grant_desk(regrole) OWNER TO db_owner',
    'CREATE OR REPLACE FUNCTION folio.grant_desk(role regrole) RETURNS void LANGUAGE sql AS ''''',
    'ALTER TABLE folio.run DISABLE ROW LEVEL SECURITY',
    'ALTER TABLE folio.run OWNER TO db_owner',
    'CREATE TRIGGER mine AFTER INSERT ON folio.run EXECUTE FUNCTION folio_internal.after_delete_of_runs()',
    'CREATE POLICY mine ON folio.portfolio USING (true)',
    'TRUNCATE folio.run',
    'DELETE FROM folio.run',
    'LOCK TABLE folio.run IN ACCESS EXCLUSIVE MODE',
    'UPDATE folio.run SET run_by = ''postgres''',
    'INSERT INTO folio.run (kind, settings, run_by) VALUES (''forecast'', ''{}'', ''postgres'')',
    'INSERT INTO folio.portfolio (name, owner, prices) VALUES (''not mine'', ''postgres'', ''public.prices'')',
    'UPDATE folio.portfolio SET owner = ''postgres''',
    'SET folio.max_memory_limit = ''64GB''',
    'SET folio.max_threads_per_call = 64',
    'LOAD ''/tmp/pg_folio''']) AS statement;
SELECT pg_temp.expect('what is not his', (SELECT string_agg(name, ',' ORDER BY name) FROM folio.portfolio), 'core');
SELECT pg_temp.refused('SELECT folio.drop_portfolio(''of a stranger'')', '42704');
SELECT pg_temp.expect('the owner of all', (SELECT DISTINCT relowner::regrole::text FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE nspname IN ('folio', 'folio_internal')), 'postgres');
SELECT pg_temp.expect('nothing runs as its owner', (SELECT count(*) FROM pg_proc JOIN pg_namespace AS n ON n.oid = pronamespace
    WHERE nspname IN ('folio', 'folio_internal') AND prosecdef), 0::bigint);

-- Versions that are not made for strangers are a superuser's to create.
\connect elsewhere db_owner
\ir expect.sql
SELECT pg_temp.refused('CREATE EXTENSION pg_folio VERSION ''0.1.0-tables''');
SELECT pg_temp.refused('CREATE EXTENSION pg_folio VERSION ''0.1.0''');
\connect elsewhere stranger
\ir expect.sql
SELECT pg_temp.refused('CREATE EXTENSION pg_folio');
-- He takes it away as he made it, and makes it again.
\connect elsewhere db_owner
CREATE EXTENSION pg_folio;
DROP EXTENSION pg_folio;
CREATE EXTENSION pg_folio;
