{# The ensemble's arguments that every model shares, so that they forecast the same. #}
{% macro forecast_arguments() -%}
    horizon => {{ var('horizon') }},
    models  => array['{{ var('models') | join("', '") }}'],
    prices  => '{{ ref('stg_prices') }}'
{%- endmacro %}

{% macro create_portfolio() %}
select folio.create_portfolio(
    name        => '{{ var('portfolio') }}',
    tickers     => (select array_agg(ticker order by ticker) from public.instrument),
    market_caps => (select jsonb_object_agg(ticker, market_cap_bn) from public.instrument),
    constraints => '{"max_weight": 0.2}',
    horizon     => {{ var('horizon') }},
    models      => array['{{ var('models') | join("', '") }}'],
    prices      => 'public.prices')
where not exists (select from folio.portfolio where name = '{{ var('portfolio') }}')
{% endmacro %}
