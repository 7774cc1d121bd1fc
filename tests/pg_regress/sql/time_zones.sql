-- The session's time zone changes no number: instants are instants, and a day is that day.
CREATE SCHEMA time_zones;
SET search_path = time_zones, folio;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE TABLE closes AS
SELECT ticker, number, 100 * exp(0.001 * number + 0.03 * sin(number * length(ticker) * 1.7)) AS close
FROM unnest('{A,BB}'::text[]) AS ticker, generate_series(0, 599) AS number;
CREATE VIEW days AS SELECT ticker, date '2022-01-03' + number / 5 * 7 + number % 5 AS ts, close FROM closes;
-- Around the clock every hour, over the end of summer time in New York, where one hour of the wall comes twice.
CREATE VIEW hours AS SELECT ticker, timestamptz '2022-10-25 00:00Z' + number * interval '1 hour' AS ts, close FROM closes;
-- The close of New York and midnight in Auckland, which is the day before in Greenwich.
CREATE VIEW new_york AS SELECT ticker, (ts + time '16:00') AT TIME ZONE 'America/New_York' AS ts, close FROM days;
CREATE VIEW auckland AS SELECT ticker, ts::timestamp AT TIME ZONE 'Pacific/Auckland' AS ts, close FROM days;

-- What every function gives of these prices in a session of this zone, its times as instants.
CREATE FUNCTION answers(zone text, prices regclass, OUT forecasts text, OUT weights text, OUT value text, OUT fingerprint text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('timezone', zone, true);
    SELECT string_agg(format('%s %s %s %s', ticker, extract(epoch FROM ts), forecast, upper), ';' ORDER BY ticker, step) INTO forecasts
    FROM forecast_ensemble(horizon => 30, models => '{naive,drift}', prices => prices);
    SELECT string_agg(format('%s %s', ticker, weight), ';') INTO weights FROM optimize_portfolio(objective => 'min_volatility', prices => prices, periods_per_year => 252);
    SELECT string_agg(format('%s %s %s', extract(epoch FROM b.ts), b.value, turnover), ';' ORDER BY b.ts) INTO value
    FROM backtest(lookback => 20, transaction_cost => 0.001, objective => 'min_volatility', prices => prices, periods_per_year => 252) AS b;
    fingerprint := forecast_fingerprint(models => '{naive,drift}', prices => prices);
    PERFORM set_config('timezone', 'UTC', true);
END $$;
SELECT prices, count(*) AS zones, count(DISTINCT forecasts) AS forecasts, count(DISTINCT weights) AS weights, count(DISTINCT value) AS value, count(DISTINCT fingerprint) AS fingerprint
FROM unnest('{hours,new_york,auckland}'::regclass[]) AS prices, unnest('{UTC,America/New_York,Asia/Tokyo,Pacific/Auckland,America/St_Johns}'::text[]) AS zone, answers(zone, prices)
GROUP BY prices ORDER BY prices;

-- The steps are the next hours, closes of New York and midnights of Auckland.
SET timezone = 'America/New_York';
SELECT array_agg(to_char(ts AT TIME ZONE 'UTC', 'Dy DD Mon HH24:MI') ORDER BY step) AS hours FROM forecast_ensemble('A', 4, '{naive}', prices => 'hours');
SELECT array_agg(to_char(ts AT TIME ZONE 'America/New_York', 'Dy DD Mon HH24:MI') ORDER BY step) AS new_york FROM forecast_ensemble('A', 4, '{naive}', prices => 'new_york');
SELECT array_agg(to_char(ts AT TIME ZONE 'Pacific/Auckland', 'Dy DD Mon HH24:MI') ORDER BY step) AS auckland FROM forecast_ensemble('A', 4, '{naive}', prices => 'auckland');
-- Months end in the market's zone: the weights of Auckland's midnights are chosen on the days on which those of the dates are.
SELECT count(*) AS rows, count(a.turnover) AS rebalances, bool_and(a.value = d.value AND a.turnover IS NOT DISTINCT FROM d.turnover) AS same
FROM backtest(lookback => 20, objective => 'min_volatility', prices => 'auckland') AS a
JOIN backtest(lookback => 20, objective => 'min_volatility', prices => 'days') AS d ON (a.ts AT TIME ZONE 'Pacific/Auckland')::date = d.ts::date;

-- A date is that day in every session, and its numbers are the same.
CREATE FUNCTION days_of(zone text, OUT steps text, OUT as_of_friday text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('timezone', zone, true);
    SELECT string_agg(format('%s %s %s', ts::date, forecast, upper), ';' ORDER BY step) INTO steps FROM forecast_ensemble('A', 30, '{naive,drift}', prices => 'days');
    SELECT format('%s %s', min(ts)::date, min(forecast)) INTO as_of_friday FROM forecast_ensemble('A', 1, '{naive}', as_of => text '2023-12-29'::timestamptz, prices => 'days');
    PERFORM set_config('timezone', 'UTC', true);
END $$;
SELECT count(DISTINCT steps) AS steps, count(DISTINCT as_of_friday) AS as_of_friday, min(left(steps, 10)) AS first, min(left(as_of_friday, 10)) AS after_friday
FROM unnest('{UTC,America/New_York,Asia/Tokyo,Pacific/Auckland}'::text[]) AS zone, days_of(zone);

-- Runs of one day from sessions of three zones are runs of one day, and the second finds nothing to do.
SET client_min_messages = warning;
SELECT create_portfolio('zoned', models => '{naive,drift}', horizon => 3, prices => 'days') > 0 AS created;
SET folio.time_zone = 'Europe/Berlin';
SET timezone = 'UTC';
SELECT rebalance_now('zoned') > 0 AS utc;
SET timezone = 'Asia/Tokyo';
SELECT rebalance_now('zoned') > 0 AS tokyo;
SET timezone = 'America/New_York';
SELECT rebalance_now('zoned', force => true) > 0 AS new_york;
SELECT status, as_of AT TIME ZONE 'Europe/Berlin' AS as_of, time_zone, run_id = forecast_run_id AS forecast FROM run WHERE kind = 'rebalance' ORDER BY run_id;
SELECT DISTINCT ticker, step, ts AT TIME ZONE 'Europe/Berlin' AS ts FROM forecast WHERE ticker = 'A' ORDER BY step;
-- The weights are those of all prices in every one of them.
SELECT count(*) AS weights, count(DISTINCT weight) AS different FROM weight WHERE ticker = 'A';
SELECT drop_portfolio('zoned');
RESET folio.time_zone;
RESET client_min_messages;

-- The zone of the market may be told.
SET timezone = 'Asia/Tokyo';
SET folio.time_zone = 'America/Chicago';
SELECT array_agg(to_char(ts AT TIME ZONE 'America/New_York', 'Dy DD Mon HH24:MI') ORDER BY step) AS new_york FROM forecast_ensemble('A', 4, '{naive}', prices => 'new_york');
\set VERBOSITY default
SET folio.time_zone = 'Mars/Olympus';
SELECT count(*) FROM forecast_ensemble('A', 4, '{naive}', prices => 'new_york');
RESET folio.time_zone;
SET client_min_messages = warning;
DROP SCHEMA time_zones CASCADE;
