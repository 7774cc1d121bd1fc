-- The extension is in its own schema, whoever lists its functions can read what each is for, and it leaves nothing behind.
SELECT extname, nspname, extrelocatable FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_folio';
SELECT p.oid::regprocedure AS function_without_comment FROM pg_proc p
WHERE pronamespace = 'folio'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL ORDER BY 1;
DROP EXTENSION pg_folio;
SELECT count(*) AS left_behind FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE nspname = 'folio';
CREATE EXTENSION pg_folio;
