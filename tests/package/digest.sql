-- One line that differs when a bit of a result does: forecasts of every model, volatility, a portfolio, its risk.
SET search_path = public, folio;
SET folio.progress_notices = off;
SELECT md5(string_agg(line, E'\n' ORDER BY line)) FROM (
    SELECT f::text AS line FROM forecast_ensemble('{AAPL,GE,XOM,KO}'::text[], horizon => 5) AS f
    UNION ALL SELECT m.ticker || ' ' || m.model || ' ' || m.weight || ' ' || m.status || ' ' || m.validation_rmse
    FROM forecast_members('{AAPL,GE}'::text[], horizon => 5) AS m
    UNION ALL SELECT v::text FROM forecast_volatility('{AAPL,GE}'::text[], horizon => 5) AS v
    UNION ALL SELECT b::text FROM black_litterman('{AAPL,GE,XOM,KO}'::text[], views => '["AAPL = 10%"]') AS b
    UNION ALL SELECT r::text FROM value_at_risk('{"AAPL": 0.5, "GE": 0.5}') AS r) AS everything;
