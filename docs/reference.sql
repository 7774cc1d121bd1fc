-- What the book's reference is made of, as one JSON value: functions, tables and views with their comments, settings.
LOAD 'pg_folio';
SELECT jsonb_build_object(
    'functions', (SELECT jsonb_agg(jsonb_build_object('name', proname, 'kind', prokind, 'arguments', pg_get_function_arguments(p.oid),
                'result', pg_get_function_result(p.oid), 'comment', obj_description(p.oid, 'pg_proc')) ORDER BY proname, pronargs, p.oid)
        FROM pg_proc AS p WHERE pronamespace = 'folio'::regnamespace AND prorettype <> 'trigger'::regtype),
    'relations', (SELECT jsonb_agg(jsonb_build_object('name', relname, 'kind', relkind, 'comment', obj_description(c.oid, 'pg_class'),
                'columns', (SELECT jsonb_agg(jsonb_build_object('name', attname, 'type', format_type(atttypid, atttypmod),
                        'comment', col_description(c.oid, attnum)) ORDER BY attnum)
                    FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)) ORDER BY relkind DESC, relname)
        FROM pg_class AS c WHERE relnamespace = 'folio'::regnamespace AND relkind IN ('r', 'v')),
    'settings', (SELECT jsonb_agg(jsonb_build_object('name', name, 'default', boot_val, 'unit', unit, 'context', context,
                'comment', concat_ws(' ', short_desc, extra_desc)) ORDER BY name)
        FROM pg_settings WHERE name LIKE 'folio.%'));
