-- What the desk holds after the run.
-- depends_on: {{ ref('rebalance') }}
select ticker, as_of, weight, previous_weight, risk_contribution
from {{ source('folio', 'current_weight') }}
where portfolio = '{{ var('portfolio') }}'
