-- One page with every chart: psql -qAt -d demo -f demo/page.sql >page.html. The page holds each chart twice, at a phone's and at a
-- desktop's width, and shows the one that suits; both follow the reader's light or dark theme.
SET client_min_messages = warning;
SET timezone = 'UTC';

-- A portfolio that was rebalanced once a month for a year, so that there are weights and forecasts of the past.
SELECT 'nothing' AS made WHERE create_portfolio('defensive',
    tickers     => ARRAY['AAPL', 'CVX', 'GE', 'JNJ', 'JPM', 'KO', 'MSFT', 'PG', 'UNH', 'XOM'],
    objective   => 'min_volatility',
    constraints => '{"max_weight": 0.3}',
    history     => 250,
    models      => ARRAY['naive', 'drift', 'theta', 'arima', 'ets']) IS NULL;
SELECT format('CALL rebalance(%L, as_of => %L)', 'defensive', max(ts)) FROM prices
WHERE ts >= (SELECT max(ts) - interval '13 months' FROM prices)
GROUP BY date_trunc('month', ts) ORDER BY 1 \gexec

CREATE FUNCTION pg_temp.percent(share float8) RETURNS text LANGUAGE sql
    RETURN to_char(100 * share, 'FM9990.0') || ' %';

-- A chart in both widths.
CREATE FUNCTION pg_temp.figure(narrow text, wide text) RETURNS text LANGUAGE sql AS $$
    SELECT format('<figure><div class="narrow">%s</div><div class="wide">%s</div></figure>', narrow, wide)
$$;

SELECT '<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>pg_folio: the demo</title>
<style>
:root { color-scheme: light dark; --surface: #fcfcfb; --page: #f1f0ea; --ink: #0b0b0b; --muted: #5a5954; --line: #e4e3dc }
@media (prefers-color-scheme: dark) { :root { --surface: #1a1a19; --page: #0e0e0d; --ink: #fafaf8; --muted: #c3c2b7; --line: #32322f } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1234px; padding: 16px; background: var(--page); color: var(--ink);
       font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
h1 { margin: 8px 0 0; font-size: 26px } h2 { margin: 0 0 8px; font-size: 18px } p { margin: 4px 0 16px; color: var(--muted) }
figure, section { margin: 0 0 16px; background: var(--surface); border: 1px solid var(--line); border-radius: 8px; overflow: hidden }
section { padding: 16px } svg { display: block; margin: 0 auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: 4px 8px; text-align: right; border-top: 1px solid var(--line) } td { white-space: nowrap }
th { color: var(--muted); font-weight: normal; border: 0 } th:first-child, td:first-child { padding-left: 0; text-align: left }
.wide { display: none }
@media (min-width: 760px) { .wide { display: block } .narrow { display: none } }
@media (max-width: 480px) { .optional { display: none } body { padding: 8px } }
</style>
</head>
<body>';
SELECT format('<h1>pg_folio</h1><p>Everything here came out of SQL functions, from %s prices of %s stocks up to %s.</p>',
              to_char(count(*), 'FM999,999'), count(DISTINCT ticker), to_char(max(ts), 'FMDD Mon YYYY')) FROM prices;

SELECT pg_temp.figure(forecast_chart('AAPL', width => 400), forecast_chart('AAPL', width => 1200));
SELECT pg_temp.figure(forecast_chart('XOM', members => true, recent => 63, width => 400),
                      forecast_chart('XOM', members => true, recent => 63, width => 1200));
SELECT pg_temp.figure(frontier_chart(market_caps => caps, views => views, width => 400),
                      frontier_chart(market_caps => caps, views => views, width => 1200))
FROM (SELECT jsonb_object_agg(ticker, market_cap_bn) AS caps,
             '["AAPL = 10%", {"view": "MSFT - GE = 5%", "confidence": 0.6}]'::jsonb AS views FROM instrument) AS input;
SELECT pg_temp.figure(weights_chart('defensive', width => 400), weights_chart('defensive', width => 1200));

SELECT xmlelement(name section, xmlelement(name h2, format('Weights since %s', to_char(max(as_of), 'FMDD Mon YYYY'))),
           xmlelement(name table,
               xmlelement(name thead, xmlelement(name tr, xmlelement(name th, 'ticker'), xmlelement(name th, 'weight'),
                   xmlelement(name th, 'before'), xmlelement(name th, 'expected return'),
                   xmlelement(name th, xmlattributes('optional' AS class), 'volatility'),
                   xmlelement(name th, xmlattributes('optional' AS class), 'share of risk'))),
               xmlelement(name tbody, xmlagg(xmlelement(name tr, xmlelement(name td, ticker), xmlelement(name td, pg_temp.percent(weight)),
                   xmlelement(name td, pg_temp.percent(previous_weight)), xmlelement(name td, pg_temp.percent(posterior_return)),
                   xmlelement(name td, xmlattributes('optional' AS class), pg_temp.percent(posterior_volatility)),
                   xmlelement(name td, xmlattributes('optional' AS class), pg_temp.percent(risk_contribution))) ORDER BY weight DESC, ticker))))
FROM current_weight
WHERE portfolio = 'defensive';

SELECT pg_temp.figure(accuracy_chart('AAPL', width => 400), accuracy_chart('AAPL', width => 1200));
SELECT '</body></html>';
