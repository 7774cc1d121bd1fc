-- What is odd about prices, each thing planted once.
SET search_path = public, folio;
CREATE TABLE odd_prices AS
SELECT ticker, date '2021-01-04' + 7 * (day / 5) + day % 5 AS ts, 100 * exp(0.01 * sin(day * day + ascii(ticker) * ascii(right(ticker, 1)))) AS close
FROM unnest('{fine,gap,split,tick,stale,zero,twice,ended,young}'::text[]) AS ticker, generate_series(0, 299) AS day
WHERE NOT (ticker = 'gap' AND day BETWEEN 100 AND 119) AND NOT (ticker = 'ended' AND day > 250) AND NOT (ticker = 'young' AND day < 297);
UPDATE odd_prices SET close = close * 4 WHERE ticker = 'split' AND ts < '2021-06-01';
UPDATE odd_prices SET close = close * 100 WHERE ticker = 'tick' AND ts = '2021-06-01';
UPDATE odd_prices SET close = 99 WHERE ticker = 'stale' AND ts BETWEEN '2021-06-01' AND '2021-06-20';
UPDATE odd_prices SET close = CASE WHEN ts < '2021-06-02' THEN 0 END WHERE ticker = 'zero' AND ts BETWEEN '2021-06-01' AND '2021-06-03';
INSERT INTO odd_prices SELECT ticker, ts, close + 1 FROM odd_prices WHERE ticker = 'twice' AND ts = '2021-06-01';
INSERT INTO odd_prices SELECT 'other', ts, 2 * close FROM odd_prices WHERE ticker = 'fine';
SELECT ticker, finding, ts::date, until::date, round(value::numeric, 3) AS value, rows, frequency, fit, periods_per_year
FROM price_report(prices => 'odd_prices');
SELECT ticker, detail FROM price_report('{split,ended,other,nobody}', prices => 'odd_prices');
SELECT DISTINCT finding FROM price_report(prices => 'odd_prices', history => 5, as_of => '2021-03-01');
SELECT * FROM price_report(history => 1);
DROP TABLE odd_prices;
