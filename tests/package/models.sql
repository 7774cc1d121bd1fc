SELECT model, status, validation_rmse FROM folio.forecast_members('{AAPL}'::pg_catalog.text[], horizon => 5, prices => 'public.prices') ORDER BY model
