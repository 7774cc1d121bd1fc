-- Weights from the market's view and the forecasts.
select ticker, market_weight, prior_return, view_return, posterior_return, posterior_volatility, weight
from folio.black_litterman(
    tickers     => (select array_agg(ticker order by ticker) from {{ source('market', 'instrument') }}),
    market_caps => (select jsonb_object_agg(ticker, market_cap_bn) from {{ source('market', 'instrument') }}),
    views       => (select views from {{ ref('forecast_views') }}),
    constraints => '{"max_weight": 0.2}',
    prices      => '{{ ref('stg_prices') }}')
