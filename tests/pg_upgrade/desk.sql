-- A desk before pg_upgrade: made by a database's owner, run, shared, with a colleague of his.
\set ON_ERROR_STOP on
CREATE ROLE db_owner LOGIN;
CREATE ROLE colleague LOGIN;
CREATE ROLE reader LOGIN;
CREATE DATABASE market OWNER db_owner;
\connect market db_owner
CREATE EXTENSION pg_folio;
CREATE TABLE public.prices (ticker text, ts date, close float8, PRIMARY KEY (ticker, ts));
\copy prices FROM PROGRAM 'gzip -dc demo/prices.csv.gz' WITH (FORMAT csv, HEADER)
GRANT SELECT ON public.prices TO colleague;
SELECT folio.grant_desk('colleague');
SELECT folio.create_portfolio('core', tickers => '{AAPL,GE,XOM}', market_caps => '{"AAPL": 3, "GE": 2, "XOM": 1}', horizon => 5, models => '{naive,theta}');
SELECT folio.share_portfolio('core', 'reader');
CALL folio.rebalance('core', as_of => '2022-06-01');
CALL folio.rebalance('core', as_of => '2022-07-01');
CALL folio.refresh_outcomes('core');
\connect - colleague
SELECT folio.create_portfolio('hers', tickers => '{KO,PEP}', horizon => 3, models => '{naive}');
CALL folio.rebalance('hers', as_of => '2022-06-01');
