-- The extension is in its own schema, whoever lists its functions can read what each is for, and it leaves nothing behind.
SELECT extname, nspname, extrelocatable FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_folio';
SELECT p.oid::regprocedure AS function_without_comment FROM pg_proc p
WHERE pronamespace = 'folio'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT c.oid::regclass AS relation_without_comment FROM pg_class c
WHERE relnamespace = 'folio'::regnamespace AND relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL ORDER BY 1;
SELECT attrelid::regclass AS relation, attname AS column_without_comment FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
WHERE relnamespace = 'folio'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0 AND col_description(attrelid, attnum) IS NULL ORDER BY 1, 2;
DROP EXTENSION pg_folio;
SELECT count(*) AS left_behind FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE nspname = 'folio';
CREATE EXTENSION pg_folio;
