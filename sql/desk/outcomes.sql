-- What came after: forecasts against prices, and what portfolios were worth. Both are read from the price relations when
-- they are asked for, as the caller, so that they are up to date as soon as prices arrive, follow corrections, show nobody
-- more than he may read, and need no job that could have been forgotten. A relation that is gone is left out.

-- The relation of this name, if it is there and the caller may read it.
CREATE FUNCTION @extschema@.readable_prices(name text) RETURNS regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    SELECT attrelid::regclass
    FROM pg_attribute
    WHERE attrelid = to_regclass(name) AND attname IN ('ticker', 'ts', 'close') AND NOT attisdropped
      AND has_column_privilege(attrelid, attnum, 'SELECT')
    GROUP BY attrelid
    HAVING count(*) = 3;
$$;

-- The type of a price relation's times.
CREATE FUNCTION @extschema@.price_time_type(prices regclass) RETURNS regtype
LANGUAGE sql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    SELECT coalesce(nullif(type.typbasetype, 0), type.oid)::regtype
    FROM pg_attribute AS attribute
    JOIN pg_type AS type ON type.oid = attribute.atttypid
    WHERE attribute.attrelid = prices AND attribute.attname = 'ts';
$$;

-- A time in SQL as a price relation writes it: dates and timestamps are those of the zone in which the run read them.
CREATE FUNCTION @extschema@.as_price_time(expression text, prices regclass, time_zone text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    SELECT CASE @extschema@.price_time_type(prices) WHEN 'timestamptz'::regtype THEN expression
        ELSE format('(%s AT TIME ZONE %L)::%s', expression, time_zone, @extschema@.price_time_type(prices)) END;
$$;

-- The reverse.
CREATE FUNCTION @extschema@.from_price_time(expression text, prices regclass, time_zone text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
    SELECT CASE @extschema@.price_time_type(prices) WHEN 'timestamptz'::regtype THEN expression
        ELSE format('%s::timestamp AT TIME ZONE %L', expression, time_zone) END;
$$;

-- The prices that came for stored forecasts.
CREATE FUNCTION @extschema@.forecast_outcomes() RETURNS TABLE (run_id bigint, ticker text, step integer, actual float8)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    source record;
    prices regclass;
BEGIN
    FOR source IN
        SELECT DISTINCT run.settings ->> 'prices' AS name, run.time_zone FROM @extschema@.run WHERE run.forecast_run_id = run.run_id
    LOOP
        prices := @extschema@.readable_prices(source.name);
        CONTINUE WHEN prices IS NULL;
        RETURN QUERY EXECUTE format(
            'SELECT f.run_id, f.ticker, f.step, p.close::float8
             FROM @extschema@.run
             JOIN @extschema@.forecast AS f USING (run_id)
             JOIN %s AS p ON p.ticker::text = f.ticker AND p.ts = %s
             WHERE run.forecast_run_id = run.run_id AND run.settings ->> ''prices'' = $1 AND run.time_zone = $2 AND f.step > 0',
            prices, @extschema@.as_price_time('f.ts', prices, source.time_zone))
        USING source.name, source.time_zone;
    END LOOP;
END $$;

CREATE VIEW @extschema@.forecast_accuracy AS
SELECT DISTINCT ON (f.ticker, run.as_of, f.step)
       f.ticker, run.as_of, f.step, f.ts, f.forecast, f.lower, f.upper, f.level, outcome.actual,
       f.forecast - outcome.actual AS error, (f.forecast - outcome.actual) / outcome.actual AS relative_error,
       outcome.actual BETWEEN f.lower AND f.upper AS inside, f.last_close - outcome.actual AS naive_error,
       abs(f.forecast - outcome.actual) / outcome.actual AS absolute_percentage_error,
       abs(f.last_close - outcome.actual) / outcome.actual AS naive_absolute_percentage_error
FROM @extschema@.forecast_outcomes() AS outcome
JOIN @extschema@.forecast AS f USING (run_id, ticker, step)
JOIN @extschema@.run USING (run_id)
ORDER BY f.ticker, run.as_of, f.step, run.run_id DESC;

-- Growth of one rebalance's weights over the days on which every asset has a price, until the next rebalance. What the
-- weights leave of 1 is cash without interest.
CREATE FUNCTION @extschema@.growth_of_weights(run_id bigint, until timestamptz) RETURNS TABLE (ts timestamptz, growth float8)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    run @extschema@.run;
    prices regclass;
BEGIN
    SELECT * INTO run FROM @extschema@.run AS r WHERE r.run_id = growth_of_weights.run_id;
    prices := @extschema@.readable_prices(run.settings ->> 'prices');
    IF prices IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        'WITH held AS (
             SELECT w.ticker, w.weight, first.close::float8 AS close
             FROM @extschema@.weight AS w
             CROSS JOIN LATERAL (SELECT p.close FROM %1$s AS p WHERE p.ticker::text = w.ticker AND p.ts <= %2$s ORDER BY p.ts DESC LIMIT 1) AS first
             WHERE w.run_id = $1 AND w.weight <> 0)
         SELECT %3$s, 1 + sum(held.weight * (p.close::float8 / held.close - 1))
         FROM held
         JOIN %1$s AS p ON p.ticker::text = held.ticker AND p.ts > %2$s AND ($3 IS NULL OR p.ts <= %4$s)
         GROUP BY p.ts
         HAVING count(*) = (SELECT count(*) FROM held)
         ORDER BY p.ts',
        prices, @extschema@.as_price_time('$2', prices, run.time_zone), @extschema@.from_price_time('p.ts', prices, run.time_zone),
        @extschema@.as_price_time('$3', prices, run.time_zone))
    USING run.run_id, run.as_of, until;
END $$;

CREATE FUNCTION @extschema@.portfolio_values() RETURNS TABLE (portfolio text, ts timestamptz, value float8)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, @extschema@, pg_temp AS $$
DECLARE
    held record;
    point record;
    start float8;
BEGIN
    FOR held IN
        SELECT r.run_id, r.portfolio, r.as_of, row_number() OVER history AS number, lead(r.as_of) OVER history AS until
        FROM @extschema@.rebalance AS r
        WINDOW history AS (PARTITION BY r.portfolio ORDER BY r.as_of)
        ORDER BY r.portfolio, r.as_of
    LOOP
        portfolio := held.portfolio;
        IF held.number = 1 THEN
            ts := held.as_of;
            value := 1;
            RETURN NEXT;
        END IF;
        start := value;
        FOR point IN SELECT * FROM @extschema@.growth_of_weights(held.run_id, held.until) LOOP
            ts := point.ts;
            value := start * point.growth;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END $$;

CREATE VIEW @extschema@.portfolio_value AS
SELECT portfolio, ts, value FROM @extschema@.portfolio_values();
