-- The charts have a title; what they cannot draw is an error. (Not every server can parse XML: that a chart is well-formed
-- is tested where it is drawn.)
CREATE SCHEMA charts;
-- Prices of every day, annualised as trading days are without a word.
SET folio.periods_per_year = 252;
SET search_path = charts, folio;
CREATE TABLE prices AS
SELECT ticker, date '2024-01-01' + day AS ts, 100 + day / 10.0 + sin(day * length(ticker)) AS close
FROM unnest(ARRAY['A', 'BB', '<C&D>']) AS ticker, generate_series(0, 299) AS day;
CREATE TABLE huge AS SELECT ticker, ts, close * 1e120 AS close FROM prices;
CREATE FUNCTION title_of(chart text) RETURNS text LANGUAGE sql
RETURN substring(chart FROM '<title[^>]*>([^<]*)</title>');
CREATE FUNCTION error_of(statement text) RETURNS TABLE (field text, value text) LANGUAGE plpgsql AS $$
DECLARE
    state text; message text; detail text; hint text;
BEGIN
    EXECUTE statement;
    RETURN QUERY VALUES ('no error', statement);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN QUERY VALUES ('state', state), ('message', message), ('detail', detail), ('hint', hint);
END $$;
\pset format unaligned
\pset tuples_only on

SELECT title_of(forecast_chart('<C&D>', horizon => 5, models => '{naive,drift}', theme => theme, width => width))
FROM unnest(ARRAY['light', 'dark', 'auto', NULL], ARRAY[320, 400, 3840, NULL]) AS options(theme, width);
SELECT title_of(frontier_chart());
SELECT create_portfolio('<p>', models => '{naive,drift}', horizon => 5) > 0 AS created;
SELECT rebalance_now('<p>', as_of => day) > 0 AS rebalanced FROM unnest(ARRAY[timestamptz '2024-08-01', '2024-09-02']) AS day;
SELECT title_of(weights_chart('<p>'));
SELECT title_of(accuracy_chart('A')), title_of(accuracy_chart('A', step => 2));
SELECT forecast_chart('A', models => '{naive}') = forecast_chart('A', models => '{naive}') AS same_bytes;

SELECT * FROM error_of($$SELECT forecast_chart('NONE')$$);
SELECT * FROM error_of($$SELECT forecast_chart(NULL)$$);
SELECT * FROM error_of($$SELECT forecast_chart('A', theme => 'blue')$$);
SELECT * FROM error_of($$SELECT forecast_chart('A', width => 319)$$);
SELECT * FROM error_of($$SELECT forecast_chart('A', width => 3841)$$);
SELECT * FROM error_of($$SELECT forecast_chart('A', levels => '{0.1,0.2,0.3,0.4,0.5,0.6}')$$);
SELECT * FROM error_of($$SELECT forecast_chart('A', levels => '{0.5,80}')$$);
SELECT * FROM error_of($$SELECT forecast_chart('A', levels => '{0.5,NULL}')$$);
SELECT * FROM error_of($$SELECT forecast_chart('A', recent => 1)$$);
SELECT * FROM error_of($$SELECT forecast_chart('A', prices => 'huge', models => '{naive}')$$);
SELECT * FROM error_of($$SELECT frontier_chart('{A,NONE}')$$);
SELECT * FROM error_of($$SELECT frontier_chart(width => -1)$$);
SELECT * FROM error_of($$SELECT weights_chart('no such portfolio')$$);
SELECT * FROM error_of($$SELECT weights_chart(NULL)$$);
SELECT * FROM error_of($$SELECT weights_chart('<p>', theme => 'Dark')$$);
SELECT * FROM error_of($$SELECT accuracy_chart('NONE')$$);
SELECT * FROM error_of($$SELECT accuracy_chart('A', step => 6)$$);
SELECT * FROM error_of($$SELECT accuracy_chart(NULL)$$);

-- Weights and forecasts are read as the caller.
CREATE ROLE onlooker;
GRANT USAGE ON SCHEMA charts TO onlooker;
SET ROLE onlooker;
SELECT * FROM error_of($$SELECT weights_chart('<p>')$$);
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA charts CASCADE;
DROP OWNED BY onlooker;
DROP ROLE onlooker;
-- The tests that follow find the extension as new.
DROP EXTENSION pg_folio;
CREATE EXTENSION pg_folio;
