-- The forecasts as views with their uncertainty, in one row.
select folio.forecast_views(
    tickers => null,
    {{ forecast_arguments() }}) as views
