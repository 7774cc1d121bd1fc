-- Weights without any view of returns.
select ticker, expected_return, volatility, weight, risk_contribution
from folio.optimize_portfolio(
    tickers   => (select array_agg(ticker order by ticker) from {{ source('market', 'instrument') }}),
    objective => 'min_volatility',
    prices    => '{{ ref('stg_prices') }}')
