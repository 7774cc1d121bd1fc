-- A run of the desk within dbt's transaction; run_id is that of the run that counts, an earlier one if nothing changed.
select folio.rebalance_now('{{ var('portfolio') }}') as run_id
