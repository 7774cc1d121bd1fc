-- What a database's owner does who has just got the package: the README's first minute, then a portfolio on a schedule.
\set ON_ERROR_STOP on
CREATE EXTENSION pg_folio;
CREATE TABLE prices (ticker text, ts date, close float8, PRIMARY KEY (ticker, ts));
\copy prices FROM PROGRAM 'gzip -dc /srv/folio/prices.csv.gz' WITH (FORMAT csv, HEADER)
SET search_path = public, folio;
SELECT * FROM forecast_ensemble('AAPL', horizon => 5);
SELECT ticker, round(weight::numeric, 3) AS weight FROM black_litterman(
    tickers     => ARRAY['AAPL', 'MSFT', 'GE', 'XOM'],
    market_caps => '{"AAPL": 2066, "MSFT": 1788, "GE": 91, "XOM": 454}',
    views       => '["AAPL = 10%", {"view": "MSFT - GE = 5%", "confidence": 0.6}]');
SELECT create_portfolio('core',
    tickers     => ARRAY['AAPL', 'MSFT', 'GE', 'XOM'],
    market_caps => '{"AAPL": 2066, "MSFT": 1788, "GE": 91, "XOM": 454}',
    constraints => '{"max_weight": 0.4}');
SELECT schedule_rebalance('core', '* * * * *');
