-- How prices are read changes no result: by an index where one spares rows, else all of them.
SET search_path = public, folio;
CREATE TABLE read_whole AS
SELECT 'T' || lpad(t::text, 2, '0') AS ticker, date '1990-01-01' + 7 * (day / 5) + day % 5 AS ts, round(100 * exp(0.01 * sin(day * day + t)))::float8 + t / 4.0::float8 AS close
FROM generate_series(1, 12) AS t, generate_series(0, 1499) AS day;
-- What may be wrong: by ticker, in the newest rows, at the end of them, and before them.
UPDATE read_whole SET close = CASE ts WHEN '1995-09-25' THEN NULL ELSE -1 END WHERE ticker = 'T01' AND ts IN ('1995-09-25', '1995-09-26');
UPDATE read_whole SET close = 0 WHERE ticker = 'T02' AND ts < '1991-01-01';
INSERT INTO read_whole SELECT ticker, ts, close + 1 FROM read_whole WHERE ticker = 'T03' AND ts = '1995-09-20';
INSERT INTO read_whole SELECT ticker, ts, close + 1 FROM read_whole WHERE ticker = 'T04' AND ts IN (SELECT ts FROM read_whole WHERE ticker = 'T04' ORDER BY ts DESC OFFSET 39 LIMIT 1);
INSERT INTO read_whole SELECT ticker, ts, close + 1 FROM read_whole WHERE ticker = 'T05' AND ts = '1991-01-01';
UPDATE read_whole SET ts = NULL WHERE ticker = 'T06' AND ts = '1991-01-01';
UPDATE read_whole SET ts = 'infinity' WHERE ticker = 'T07' AND ts = '1991-01-01';
UPDATE read_whole SET ts = '-infinity' WHERE ticker = 'T08' AND ts = '1991-01-01';
DELETE FROM read_whole WHERE ticker = 'T09' AND ts < '1995-09-01';
UPDATE read_whole SET ticker = NULL WHERE ticker = 'T10';

-- The same rows in tables with indexes: by ticker, by day and by no order, of other types, parted, behind a view. Rows of one
-- time stay in their order.
CREATE TABLE read_sorted AS SELECT * FROM read_whole ORDER BY ticker, ts, ctid;
CREATE INDEX ON read_sorted (ticker, ts);
CREATE TABLE read_daily AS SELECT ticker::varchar(8), ts::timestamp, close::numeric FROM read_whole ORDER BY ts, ticker, ctid;
CREATE INDEX ON read_daily (ticker, ts DESC);
CREATE TABLE read_shuffled (LIKE read_whole);
ALTER TABLE read_shuffled ALTER ticker TYPE text COLLATE "C";
INSERT INTO read_shuffled SELECT * FROM read_whole ORDER BY md5(ts::text || ticker), ctid;
CREATE INDEX ON read_shuffled (ticker, ts) INCLUDE (close);
CREATE TABLE read_hashed (LIKE read_whole) PARTITION BY HASH (ticker);
CREATE TABLE read_hashed_0 PARTITION OF read_hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE read_hashed_1 PARTITION OF read_hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO read_hashed SELECT * FROM read_whole;
CREATE INDEX ON read_hashed (ticker, ts);
CREATE TABLE read_ranged (LIKE read_whole) PARTITION BY RANGE (ts);
CREATE TABLE read_ranged_0 PARTITION OF read_ranged FOR VALUES FROM (MINVALUE) TO ('1993-01-01');
CREATE TABLE read_ranged_1 PARTITION OF read_ranged FOR VALUES FROM ('1993-01-01') TO (MAXVALUE);
INSERT INTO read_ranged SELECT * FROM read_whole WHERE ts IS NOT NULL;
CREATE INDEX ON read_ranged (ticker, ts);
CREATE TABLE read_symbols AS SELECT ticker AS symbol, ts AS day, close AS price, 'USD' AS currency FROM read_whole;
CREATE INDEX ON read_symbols (symbol, day);
CREATE VIEW read_view AS SELECT symbol AS ticker, day AS ts, price AS close FROM read_symbols WHERE currency = 'USD';
-- No index that helps: none at all, one by day, one on a part, a view that is computed as a whole, few rows.
CREATE TABLE read_by_day AS SELECT * FROM read_whole;
CREATE INDEX ON read_by_day (ts, ticker);
CREATE TABLE read_partial AS SELECT * FROM read_whole;
CREATE INDEX ON read_partial (ticker, ts) WHERE close > 0;
CREATE VIEW read_computed AS SELECT * FROM read_sorted OFFSET 0;
CREATE TABLE read_few AS SELECT * FROM read_whole WHERE ticker < 'T03';
CREATE INDEX ON read_few (ticker, ts);
ANALYZE;

-- How many rows a call reads one after the other, and how many by an index.
CREATE FUNCTION read_so_far(OUT whole bigint, OUT by_index bigint) LANGUAGE sql VOLATILE AS $$
    SELECT sum(seq_tup_read), sum(idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname LIKE 'read\_%'
$$;
-- The results that differ from those of read_whole, and whether no more rows were read than needed.
CREATE FUNCTION reading(prices regclass, arguments text, OUT relation regclass, OUT differs bigint, OUT newest_only boolean) LANGUAGE plpgsql AS $$
DECLARE
    before record; after record; statement text;
BEGIN
    relation := prices; differs := 0; newest_only := true;
    FOREACH statement IN ARRAY ARRAY[
        'SELECT * FROM forecast_ensemble(%s, horizon => 2, models => ''{naive,drift}'', history => 40, prices => %L)',
        'SELECT * FROM price_report(%s, history => 40, prices => %L)'] LOOP
        EXECUTE 'CREATE TEMP TABLE expected AS ' || format(statement, arguments, 'read_whole');
        before := read_so_far();
        EXECUTE 'CREATE TEMP TABLE found AS ' || format(statement, arguments, prices);
        after := read_so_far();
        differs := differs + (SELECT count(*) FROM ((TABLE expected EXCEPT ALL TABLE found) UNION ALL (TABLE found EXCEPT ALL TABLE expected)) AS d);
        newest_only := newest_only AND after.whole = before.whole AND after.by_index - before.by_index < 600;
        DROP TABLE expected, found;
    END LOOP;
END $$;
CREATE TABLE read_relations AS
SELECT name::regclass FROM unnest('{read_sorted,read_daily,read_shuffled,read_hashed,read_view,read_by_day,read_partial,read_computed}'::text[]) AS name;
-- All of it, with what is wrong: tickers whose newest rows do not show which they are, are read whole.
SELECT relation, differs FROM read_relations, reading(name, 'NULL::text[]');
SELECT relation, differs FROM read_relations, reading(name, $$'{T11,T04,T01,nobody}'::text[]$$);
-- Nothing is wrong among the newest 40.
SELECT r.* FROM read_relations, reading(name, $$NULL::text[], as_of => '1993-01-15'$$) AS r;
SELECT r.* FROM read_relations, reading(name, $$'{T11,T09,T03,T02}'::text[], as_of => '1993-01-15'$$) AS r;
SELECT * FROM reading('read_few', $$'{T02}'::text[]$$);
-- A partition by time takes no row without one.
UPDATE read_whole SET ts = '1991-01-01' WHERE ts IS NULL;
INSERT INTO read_ranged SELECT * FROM read_whole WHERE ticker = 'T06' AND ts = '1991-01-01';
SELECT relation, differs FROM reading('read_ranged', 'NULL::text[]');
SELECT * FROM reading('read_ranged', $$'{T11,T04,nobody}'::text[], as_of => '1993-01-15'$$);

-- A role that sees some rows; a history that takes nearly all rows.
ALTER TABLE read_sorted ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON read_sorted USING (ticker < 'T03' OR ts > '1995-01-01');
CREATE ROLE reader;
GRANT SELECT ON read_sorted TO reader;
SET ROLE reader;
SELECT ticker, finding, rows FROM price_report(prices => 'read_sorted', history => 600) WHERE ticker BETWEEN 'T02' AND 'T05' ORDER BY 1, 2;
RESET ROLE;
REVOKE SELECT ON read_sorted FROM reader;
SET ROLE reader;
SELECT ticker FROM price_report(prices => 'read_sorted', history => 40);
RESET ROLE;
SELECT count(*) FROM price_report(prices => 'read_shuffled', history => 1400);

DROP VIEW read_view, read_computed;
DROP TABLE read_whole, read_sorted, read_daily, read_shuffled, read_hashed, read_ranged, read_symbols, read_by_day, read_partial, read_few, read_relations;
DROP FUNCTION reading, read_so_far;
DROP ROLE reader;
