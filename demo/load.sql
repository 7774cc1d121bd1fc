-- The extension and the demo's three tables, in a new database.
CREATE EXTENSION pg_folio;

CREATE TABLE prices (
    ticker text NOT NULL,
    ts     date NOT NULL,
    close  double precision NOT NULL,
    PRIMARY KEY (ticker, ts)
);
COMMENT ON TABLE prices IS 'Daily adjusted closing prices of 20 stocks, 2019-01-10 to 2022-12-28';
\copy prices FROM PROGRAM 'gzip -dc demo/prices.csv.gz' WITH (FORMAT csv, HEADER)

CREATE TABLE index_prices (LIKE prices INCLUDING ALL);
COMMENT ON TABLE index_prices IS 'Daily closes of the S&P 500 index over the same days; ticker SP500';
\copy index_prices FROM PROGRAM 'gzip -dc demo/index.csv.gz' WITH (FORMAT csv, HEADER)

CREATE TABLE instrument (
    ticker        text PRIMARY KEY,
    sector        text NOT NULL,
    market_cap_bn double precision NOT NULL
);
COMMENT ON TABLE instrument IS 'GICS sectors, and market values near the end of 2022 in round billions of dollars: inputs of a demo, not a source of data';
INSERT INTO instrument VALUES
    ('AAPL', 'Information Technology', 2066),
    ('AMD',  'Information Technology',  104),
    ('BAC',  'Financials',              266),
    ('BBY',  'Consumer Discretionary',   18),
    ('CVX',  'Energy',                  347),
    ('GE',   'Industrials',              91),
    ('HD',   'Consumer Discretionary',  322),
    ('JNJ',  'Health Care',             462),
    ('JPM',  'Financials',              393),
    ('KO',   'Consumer Staples',        275),
    ('LLY',  'Health Care',             347),
    ('MRK',  'Health Care',             282),
    ('MSFT', 'Information Technology', 1788),
    ('PEP',  'Consumer Staples',        249),
    ('PFE',  'Health Care',             288),
    ('PG',   'Consumer Staples',        360),
    ('RRC',  'Energy',                    6),
    ('UNH',  'Health Care',             495),
    ('WMT',  'Consumer Staples',        382),
    ('XOM',  'Energy',                  454);

ANALYZE prices, index_prices, instrument;
