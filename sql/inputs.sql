-- Inputs of a portfolio from the user's own tables. The relation is read as any SELECT of the caller's reads it, with his
-- search_path, in which nothing of ours may be looked up: every type and operator has its schema.
SET LOCAL search_path = pg_catalog, pg_temp; -- sql/desk/schema.sql says why
CREATE FUNCTION @extschema@.by_ticker(relation regclass, value name, ticker name DEFAULT 'ticker') RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE AS $$
DECLARE
    result pg_catalog.jsonb;
    twice pg_catalog.text;
BEGIN
    -- jsonb_object_agg would keep one of several rows and say nothing.
    EXECUTE pg_catalog.format(
        'SELECT pg_catalog.jsonb_object_agg(%1$I, %2$I), '
        '(SELECT pg_catalog.string_agg(name, '', '' ORDER BY name) FROM (SELECT %1$I::pg_catalog.text AS name FROM %3$s GROUP BY 1 HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 10) AS twice) '
        'FROM %3$s', ticker, value, relation)
    INTO result, twice;
    IF twice IS NOT NULL THEN
        RAISE EXCEPTION '% has more than one row for a ticker', relation USING
            ERRCODE = '21000',
            DETAIL = pg_catalog.format('Tickers with several rows: %s.', twice),
            HINT = 'Name a view that has one row for each ticker, for example the newest.';
    END IF;
    RETURN coalesce(result, '{}');
END $$;
SET LOCAL search_path = @extschema@, pg_temp;
