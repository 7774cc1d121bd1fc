select ticker, step, ts, forecast, lower, upper, status
from folio.forecast_ensemble(
    tickers => null,
    {{ forecast_arguments() }})
