-- What the calls of calls.py need: prices of four tickers, and a portfolio that was run.
CREATE EXTENSION pg_folio;
CREATE TABLE prices AS
SELECT ticker, date '2024-01-01' + day AS ts,
       100 * exp(0.0005 * day * length(ticker)) + 3 * sin(day * length(ticker)) + sin(day * day) AS close
FROM unnest('{A,BB,CCC,DDDD}'::text[]) AS ticker, generate_series(0, 149) AS day;
CREATE TABLE caps AS SELECT ticker, 100.0 AS market_cap FROM unnest('{A,BB,CCC,DDDD}'::text[]) AS ticker;
CREATE ROLE analyst;
SELECT folio.create_portfolio('small', tickers => '{A,BB,CCC}', horizon => 2, models => '{naive,drift}',
                              views => '["A = 5%"]', prices => 'prices');
CALL folio.rebalance('small', as_of => '2024-05-01');
CALL folio.rebalance('small');
