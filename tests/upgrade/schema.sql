-- Everything that the extension consists of, as text: the same after an update as after an installation.
SET search_path = pg_catalog;
WITH member AS (
    SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
    WHERE e.extname = 'pg_folio' AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
SELECT 'member' AS what, pg_describe_object(classid, objid, 0) AS name, '' AS definition FROM member
UNION ALL SELECT 'version', extname, extversion FROM pg_extension WHERE extname = 'pg_folio'
UNION ALL SELECT 'dumped', c.oid::regclass::text, condition
FROM pg_extension AS e, unnest(e.extconfig, e.extcondition) AS t(relation, condition) LEFT JOIN pg_class AS c ON c.oid = t.relation
WHERE e.extname = 'pg_folio'
UNION ALL SELECT 'routine', objid::regprocedure::text, pg_get_functiondef(objid) || coalesce(p.proacl::text, '') || coalesce(obj_description(objid, 'pg_proc'), '')
FROM member JOIN pg_proc AS p ON p.oid = objid WHERE classid = 'pg_proc'::regclass AND prokind <> 'a'
UNION ALL SELECT 'view', objid::regclass::text, pg_get_viewdef(objid) || coalesce(c.reloptions::text, '')
FROM member JOIN pg_class AS c ON c.oid = objid WHERE classid = 'pg_class'::regclass AND relkind = 'v'
UNION ALL SELECT 'column', attrelid::regclass || '.' || attnum || ' ' || attname,
    format_type(atttypid, atttypmod) || ' ' || attnotnull || ' ' || attidentity::text || ' ' || coalesce(pg_get_expr(adbin, adrelid), '')
    || ' ' || coalesce(col_description(attrelid, attnum), '') || ' ' || coalesce(attacl::text, '')
FROM member JOIN pg_attribute ON attrelid = objid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE classid = 'pg_class'::regclass AND attnum > 0
UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(c.oid) FROM member JOIN pg_constraint AS c ON conrelid = objid
UNION ALL SELECT 'index', indrelid::regclass || '.' || indexrelid::regclass, pg_get_indexdef(indexrelid) FROM member JOIN pg_index ON indrelid = objid
UNION ALL SELECT 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(t.oid) FROM member JOIN pg_trigger AS t ON tgrelid = objid
UNION ALL SELECT 'policy', polrelid::regclass || '.' || polname, polcmd::text || ' ' || polpermissive || ' ' || coalesce(pg_get_expr(polqual, polrelid), '') || coalesce(pg_get_expr(polwithcheck, polrelid), '')
FROM member JOIN pg_policy ON polrelid = objid
UNION ALL SELECT 'relation', objid::regclass::text, relkind::text || ' ' || relrowsecurity || ' ' || coalesce(relacl::text, '') || coalesce(obj_description(objid, 'pg_class'), '')
FROM member JOIN pg_class AS c ON c.oid = objid WHERE classid = 'pg_class'::regclass
ORDER BY 1, 2, 3;
