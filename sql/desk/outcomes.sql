-- What came after: the prices that forecasts were of, and what portfolios were worth. They are stored by every run of their
-- owner and by refresh_outcomes, read with the owner's rights: so looking at them runs nobody's code, shows what the owner
-- shows, is quick, and does not fail because of a price relation. Each time past days are compared again, so that
-- corrections arrive; what has not changed is not written. A price that is gone takes its outcome with it.
SET LOCAL search_path = pg_catalog, pg_temp; -- sql/desk/schema.sql says why

-- Stores the outcomes of every forecast of an owner's that was made from one price relation.
CREATE FUNCTION folio_internal.refresh_forecast_outcomes(owner regrole, prices text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    WITH source AS (
        SELECT run.run_id, run.time_zone
        FROM @extschema@.run
        LEFT JOIN @extschema@.portfolio AS p USING (portfolio_id)
        WHERE run.forecast_run_id = run.run_id
          AND CASE WHEN run.portfolio_id IS NULL THEN run.run_by = refresh_forecast_outcomes.owner
                        AND run.settings ->> 'prices' = refresh_forecast_outcomes.prices
                   ELSE p.owner = refresh_forecast_outcomes.owner AND p.prices = refresh_forecast_outcomes.prices END),
    wanted AS (
        SELECT source.time_zone, f.run_id, f.ticker, f.step, f.ts
        FROM source JOIN @extschema@.forecast AS f USING (run_id) WHERE f.step > 0),
    span AS MATERIALIZED (
        SELECT time_zone, array_agg(DISTINCT ticker) AS tickers, min(ts) AS first, max(ts) AS last FROM wanted GROUP BY time_zone),
    price AS MATERIALIZED (
        SELECT DISTINCT ON (span.time_zone, p.ticker, p.ts) span.time_zone, p.ticker, p.ts, p.close
        FROM span, folio_internal.prices_between(owner, prices, span.tickers, span.first, span.last, span.time_zone) AS p
        WHERE p.close BETWEEN 1e-100 AND 1e100),
    gone AS (
        UPDATE @extschema@.outcome AS o SET actual = NULL
        FROM wanted LEFT JOIN price USING (time_zone, ticker, ts)
        WHERE price.close IS NULL AND o.actual IS NOT NULL
          AND o.run_id = wanted.run_id AND o.ticker = wanted.ticker AND o.step = wanted.step)
    INSERT INTO @extschema@.outcome AS o (run_id, ticker, step, actual)
    SELECT wanted.run_id, wanted.ticker, wanted.step, price.close
    FROM wanted JOIN price USING (time_zone, ticker, ts)
    ORDER BY 1, 2, 3
    ON CONFLICT (run_id, ticker, step) DO UPDATE SET actual = excluded.actual WHERE o.actual IS DISTINCT FROM excluded.actual;
$$;

-- Growth of each rebalance's weights over the days on which every asset has a price, until the next rebalance. What the
-- weights leave of 1 is cash without interest. `number` counts the rebalances; a price belongs to the last one before it.
CREATE FUNCTION folio_internal.growth_of_weights(p @extschema@.portfolio) RETURNS TABLE (number integer, as_of timestamptz, ts timestamptz, growth float8)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH period AS MATERIALIZED (
        SELECT row_number() OVER (ORDER BY r.as_of)::integer AS number, r.run_id, r.as_of, run.time_zone
        FROM @extschema@.rebalance AS r JOIN @extschema@.run USING (run_id)
        WHERE r.portfolio_id = p.portfolio_id),
    weight AS MATERIALIZED (
        SELECT period.number, period.time_zone, w.ticker, w.weight
        FROM period JOIN @extschema@.weight AS w USING (run_id) WHERE w.weight <> 0),
    price AS MATERIALIZED (
        SELECT DISTINCT ON (zone.time_zone, q.ticker, q.ts) zone.time_zone, q.ticker, q.ts, q.close,
               width_bucket(q.ts - interval '1 microsecond', starts.as_of) AS number
        FROM (SELECT array_agg(period.as_of ORDER BY period.number) AS as_of FROM period) AS starts,
             (SELECT weight.time_zone, array_agg(DISTINCT weight.ticker) AS tickers FROM weight GROUP BY weight.time_zone) AS zone,
             folio_internal.prices_between(p.owner, p.prices, zone.tickers, NULL, NULL, zone.time_zone) AS q
        WHERE q.close BETWEEN 1e-100 AND 1e100),
    last AS (
        SELECT DISTINCT ON (price.time_zone, price.ticker, price.number) price.time_zone, price.ticker, price.number, price.close
        FROM price ORDER BY price.time_zone, price.ticker, price.number, price.ts DESC),
    held AS MATERIALIZED (
        SELECT *, count(*) OVER (PARTITION BY first.number) AS names
        FROM (SELECT DISTINCT ON (weight.number, weight.ticker) weight.number, weight.time_zone, weight.ticker, weight.weight, last.close
              FROM weight JOIN last ON last.time_zone = weight.time_zone AND last.ticker = weight.ticker AND last.number < weight.number
              ORDER BY weight.number, weight.ticker, last.number DESC) AS first)
    SELECT period.number, period.as_of, day.ts, day.growth
    FROM period
    LEFT JOIN (SELECT held.number, price.ts, 1 + sum(held.weight * (price.close / held.close - 1)) AS growth
               FROM held JOIN price ON price.time_zone = held.time_zone AND price.ticker = held.ticker AND price.number = held.number
               GROUP BY held.number, price.ts
               HAVING count(*) = min(held.names)) AS day USING (number)
    ORDER BY period.number, day.ts;
$$;

-- Stores what a portfolio was worth: 1 at its first rebalance.
CREATE FUNCTION folio_internal.refresh_value(p @extschema@.portfolio) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    point record;
    number integer := 0;
    start float8 := 1;
    value float8 := 1;
    days timestamptz[] := '{}';
    worth float8[] := '{}';
BEGIN
    FOR point IN SELECT * FROM folio_internal.growth_of_weights(p) LOOP
        IF number = 0 THEN
            days := ARRAY[point.as_of];
            worth := ARRAY[value];
        END IF;
        IF point.number <> number THEN
            number := point.number;
            start := value;
        END IF;
        CONTINUE WHEN point.ts IS NULL;
        value := start * point.growth;
        days := days || point.ts;
        worth := worth || value;
    END LOOP;
    UPDATE @extschema@.value AS v SET value = NULL
    WHERE v.portfolio_id = p.portfolio_id AND v.value IS NOT NULL AND v.ts NOT IN (SELECT unnest(days));
    INSERT INTO @extschema@.value AS v (portfolio_id, ts, value)
    SELECT p.portfolio_id, day, w FROM unnest(days, worth) AS t(day, w) ORDER BY day
    ON CONFLICT (portfolio_id, ts) DO UPDATE SET value = excluded.value WHERE v.value IS DISTINCT FROM excluded.value;
END $$;

-- One of these refreshes, whose failure is a row of folio.run_history and a warning, so that it stops nothing else.
CREATE FUNCTION folio_internal.try_refresh(p @extschema@.portfolio, owner regrole, prices text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run_id bigint;
    message text;
    detail text;
    hint text;
BEGIN
    IF p.portfolio_id IS NULL THEN
        PERFORM folio_internal.refresh_forecast_outcomes(owner, prices);
    ELSE
        PERFORM folio_internal.refresh_value(p);
    END IF;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    INSERT INTO @extschema@.run AS run (kind, portfolio_id, settings, status, finished_at, sqlstate)
    VALUES ('outcome', p.portfolio_id, jsonb_build_object('prices', prices), 'failed', clock_timestamp(), SQLSTATE)
    RETURNING run.run_id INTO run_id;
    INSERT INTO @extschema@.failure VALUES (run_id, message, nullif(detail, ''), nullif(hint, ''));
    RAISE WARNING 'the outcomes of % are as they were: %', coalesce(format('portfolio "%s"', p.name), format('forecasts from %s', prices)), message;
END $$;

-- What a run brings up to date: its portfolio's value, and the outcomes of its owner's forecasts from the same prices.
CREATE FUNCTION folio_internal.refresh_after(run @extschema@.run) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p @extschema@.portfolio;
BEGIN
    PERFORM folio_internal.try_refresh(NULL, folio_internal.owner_of(run), run.settings ->> 'prices');
    IF run.portfolio_id IS NOT NULL THEN
        SELECT * INTO p FROM @extschema@.portfolio WHERE portfolio.portfolio_id = run.portfolio_id;
        PERFORM folio_internal.try_refresh(p, p.owner, p.prices);
    END IF;
END $$;

CREATE PROCEDURE @extschema@.refresh_outcomes(portfolio text DEFAULT NULL)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen integer;
    source record;
    p @extschema@.portfolio;
BEGIN
    PERFORM folio_internal.require_desk();
    PERFORM folio_internal.require_primary();
    IF portfolio IS NOT NULL THEN
        chosen := folio_internal.own_portfolio(portfolio);
    END IF;
    FOR source IN
        SELECT q.owner, q.prices FROM @extschema@.portfolio AS q
        WHERE pg_has_role(q.owner, 'USAGE') AND (chosen IS NULL OR q.portfolio_id = chosen)
        UNION
        SELECT r.run_by, r.settings ->> 'prices' FROM @extschema@.run AS r
        WHERE chosen IS NULL AND r.portfolio_id IS NULL AND r.forecast_run_id = r.run_id AND pg_has_role(r.run_by, 'USAGE')
        ORDER BY 1, 2
    LOOP
        PERFORM folio_internal.try_refresh(NULL, source.owner, source.prices);
    END LOOP;
    FOR p IN
        SELECT * FROM @extschema@.portfolio AS q
        WHERE pg_has_role(q.owner, 'USAGE') AND (chosen IS NULL OR q.portfolio_id = chosen) ORDER BY q.portfolio_id
    LOOP
        PERFORM folio_internal.try_refresh(p, p.owner, p.prices);
    END LOOP;
END $$;
SET LOCAL search_path = @extschema@, pg_temp;
