-- After the update: every row is there, and each portfolio has its owner.
\set ON_ERROR_STOP on
CREATE FUNCTION pg_temp.expect(what text, got anyelement, expected anyelement) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF got IS DISTINCT FROM expected THEN
        RAISE EXCEPTION 'after the update: %', what USING DETAIL = format('Found %s, expected %s.', got, expected);
    END IF;
END $$;
DO $$
BEGIN
    PERFORM pg_temp.expect('owners', (SELECT string_agg(name || ' ' || owner, ', ' ORDER BY portfolio_id) FROM folio.portfolio),
        'core old_runner, data''s "own" data_owner, turned attacker, gone postgres');
    PERFORM pg_temp.expect('readers', (SELECT DISTINCT shared_with::text FROM folio.portfolio), '{old_reader}');
    PERFORM pg_temp.expect('settings', (SELECT to_jsonb(p) - '{owner,shared_with,created_at}'::text[] FROM folio.portfolio AS p WHERE name = 'core'),
        '{"portfolio_id": 1, "name": "core", "tickers": ["A", "BB"], "market_caps": {"A": 1, "BB": 2}, "views": ["A = 5%"],
          "use_forecasts": false, "objective": "max_sharpe", "constraints": {"max_weight": 0.8}, "covariance": "sample_cov",
          "prior": "market", "risk_aversion": 2.5, "tau": 0.05, "risk_free_rate": 0.01, "horizon": 5,
          "models": ["naive", "drift"], "level": 0.9, "history": 200, "prices": "public.prices"}'::jsonb);
    PERFORM pg_temp.expect('runs', (SELECT string_agg(concat_ws(' ', run_id, kind, portfolio_id, status, run_by, pid, sqlstate), ', ' ORDER BY run_id) FROM folio.run),
        '1 rebalance 1 succeeded old_runner 17, 2 rebalance 1 failed old_runner 17 PF004, 3 forecast failed postgres 18 57014, 4 rebalance 3 running postgres 99');
    PERFORM pg_temp.expect('failures', (SELECT string_agg(concat_ws(' ', run_id, message, detail, hint), ', ' ORDER BY run_id) FROM folio.failure),
        '2 too little two rows more rows, 3 cancelled');
    PERFORM pg_temp.expect('forecasts', (SELECT string_agg(concat_ws(' ', ticker, step, forecast, periods_per_year, status), ', ' ORDER BY ticker, step) FROM folio.forecast WHERE step < 2),
        'A 1 101 252 ok, BB 1 101 252 ok, CCC 0 too few prices');
    PERFORM pg_temp.expect('counts', (SELECT array[(SELECT count(*) FROM folio.forecast), (SELECT count(*) FROM folio.forecast_member),
        (SELECT count(*) FROM folio.weight), (SELECT count(*) FROM folio.trade), (SELECT count(*) FROM folio.view)]), '{11,2,2,2,1}'::bigint[]);
    PERFORM pg_temp.expect('weights', (SELECT string_agg(ticker || ' ' || weight || ' ' || previous_weight, ', ' ORDER BY ticker) FROM folio.current_weight), 'A 0.25 0, BB 0.75 0');
    PERFORM pg_temp.expect('the rest', to_regnamespace('folio_before') IS NULL, true);
END $$;
