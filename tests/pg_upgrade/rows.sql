-- Every row and right of the desk as text: the same after pg_upgrade as before.
SET search_path = pg_catalog;
SELECT 'portfolio', to_jsonb(t)::text FROM folio.portfolio AS t
UNION ALL SELECT 'run', to_jsonb(t)::text FROM folio.run AS t
UNION ALL SELECT 'forecast', to_jsonb(t)::text FROM folio.forecast AS t
UNION ALL SELECT 'forecast_member', to_jsonb(t)::text FROM folio.forecast_member AS t
UNION ALL SELECT 'weight', to_jsonb(t)::text FROM folio.weight AS t
UNION ALL SELECT 'trade', to_jsonb(t)::text FROM folio.trade AS t
UNION ALL SELECT 'view', to_jsonb(t)::text FROM folio.view AS t
UNION ALL SELECT 'outcome', to_jsonb(t)::text FROM folio.outcome AS t
UNION ALL SELECT 'value', to_jsonb(t)::text FROM folio.value AS t
UNION ALL SELECT 'rights', c.relname || ' ' || coalesce(acl::text, '')
FROM pg_class AS c LEFT JOIN LATERAL unnest(c.relacl) AS acl ON acl::text !~ '^postgres=' WHERE relnamespace = 'folio'::regnamespace AND relkind IN ('r', 'v')
ORDER BY 1, 2;
