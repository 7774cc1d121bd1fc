-- What the functions read: a relation with the columns ticker, ts and close.
select ticker, ts, close
from {{ source('market', 'prices') }}
where close > 0
