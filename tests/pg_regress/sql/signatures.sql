-- What every function is called, takes, gives and promises: nothing here changes unless somebody means it to.
\pset format unaligned
\pset tuples_only on
SELECT format(E'%s%s %s(%s)\n    -> %s, %s, parallel %s, cost %s, rows %s%s',
              CASE nspname WHEN 'folio' THEN '' ELSE nspname || '.' END,
              proname,
              CASE prokind WHEN 'f' THEN 'function' WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE prokind::text END,
              pg_get_function_arguments(p.oid),
              coalesce(pg_get_function_result(p.oid), 'nothing'),
              CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
              CASE proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END,
              procost, prorows,
              CASE WHEN proisstrict THEN ', strict' ELSE '' END || CASE WHEN prosecdef THEN ', security definer' ELSE '' END)
FROM pg_proc AS p JOIN pg_namespace ON pg_namespace.oid = pronamespace JOIN pg_language AS l ON l.oid = prolang
WHERE nspname = 'folio' OR nspname = 'folio_internal' AND lanname = 'c'
ORDER BY nspname COLLATE "C", proname COLLATE "C", pg_get_function_arguments(p.oid) COLLATE "C";
