//! A call of every function of the extension, on prices so small that it takes milliseconds. Whoever makes a new function
//! adds it here: a test compares the list with the server's own.

use postgres::Client;

/// Statements that read the price relation `@`, each with a name.
pub const READERS: &[(&str, &str)] = &[
    (
        "forecast_ensemble of all",
        "SELECT count(*) FROM forecast_ensemble(horizon => 2, models => '{naive}', prices => '@')",
    ),
    (
        "forecast_ensemble of two",
        "SELECT count(*) FROM forecast_ensemble('{A,B}'::text[], 1, '{naive}', prices => '@')",
    ),
    ("forecast_ensemble of one", "SELECT count(*) FROM forecast_ensemble('A', 2, '{naive}', prices => '@')"),
    (
        "forecast_members",
        "SELECT count(*) FROM forecast_members(horizon => 2, models => '{naive}', prices => '@')",
    ),
    (
        "forecast_intervals",
        "SELECT count(*) FROM forecast_intervals(horizon => 2, models => '{naive}', prices => '@')",
    ),
    ("forecast_views", "SELECT forecast_views(horizon => 2, models => '{naive}', prices => '@')"),
    ("forecast_fingerprint", "SELECT forecast_fingerprint(prices => '@')"),
    (
        "forecast_evaluate",
        "SELECT count(*) FROM forecast_evaluate(horizon => 1, origins => 2, models => '{naive}', prices => '@')",
    ),
    (
        "forecast_evaluate_summary",
        "SELECT count(*) FROM forecast_evaluate_summary(horizon => 1, origins => 2, models => '{naive}', prices => '@')",
    ),
    (
        "forecast_volatility",
        "SELECT count(*) FROM forecast_volatility(horizon => 2, models => '{ewma,garch}', prices => '@')",
    ),
    (
        "volatility_members",
        "SELECT count(*) FROM volatility_members(horizon => 2, models => '{ewma,har}', prices => '@')",
    ),
    (
        "volatility_evaluate",
        "SELECT count(*) FROM volatility_evaluate(horizon => 1, origins => 2, models => '{ewma}', prices => '@')",
    ),
    ("black_litterman", "SELECT count(*) FROM black_litterman(prices => '@')"),
    ("view_report", "SELECT count(*) FROM view_report(prices => '@')"),
    (
        "weight_report",
        "SELECT count(*) FROM weight_report(constraints => '{\"max_weight\": 0.4}', prices => '@')",
    ),
    ("optimize_portfolio", "SELECT count(*) FROM optimize_portfolio(prices => '@')"),
    ("efficient_frontier", "SELECT count(*) FROM efficient_frontier(points => 3, prices => '@')"),
    ("value_at_risk", "SELECT count(*) FROM value_at_risk('{\"A\": 0.5, \"BB\": 0.5}', prices => '@')"),
    (
        "var_evaluate",
        "SELECT count(*) FROM var_evaluate('{\"A\": 0.5, \"BB\": 0.5}', origins => 3, history => 50, prices => '@')",
    ),
    (
        "stress",
        "SELECT count(*) FROM stress('{\"A\": 0.5, \"BB\": 0.5}', '{\"shocks\": {\"A\": -0.1}}', prices => '@')",
    ),
    ("risk_attribution", "SELECT count(*) FROM risk_attribution('{\"A\": 0.5, \"BB\": 0.5}', prices => '@')"),
    ("portfolio_performance", "SELECT count(*) FROM portfolio_performance('{\"A\": 1}', prices => '@')"),
    ("covariance_matrix", "SELECT count(*) FROM covariance_matrix(prices => '@')"),
    ("discrete_allocation", "SELECT count(*) FROM discrete_allocation('{\"A\": 1}', 1000, prices => '@')"),
    (
        "rebalance_orders",
        "SELECT count(*) FROM rebalance_orders('{\"A\": 1}', '{\"BB\": 3}', 1000, prices => '@')",
    ),
    ("market_implied_risk_aversion", "SELECT market_implied_risk_aversion('A', prices => '@')"),
    ("price_report", "SELECT count(*) FROM price_report(prices => '@')"),
    ("observations", "SELECT observations(prices => '@')"),
    ("backtest", "SELECT count(*) FROM backtest(lookback => 20, rebalance => '50', prices => '@')"),
    (
        "backtest_weights",
        "SELECT count(*) FROM backtest_weights(lookback => 20, rebalance => '50', prices => '@')",
    ),
    (
        "backtest_summary",
        "SELECT count(*) FROM backtest_summary(lookback => 20, rebalance => '50', prices => '@')",
    ),
    ("forecast_chart", "SELECT length(forecast_chart('A', 3, '{naive}', prices => '@'))"),
    ("frontier_chart", "SELECT length(frontier_chart(prices => '@'))"),
];

/// A statement that is no reader of prices alone.
pub struct Call {
    /// What it needs besides [`prepare_desk`].
    pub before: &'static str,
    /// The statement itself.
    pub statement: &'static str,
}

const fn call(statement: &'static str) -> Call {
    Call { before: "", statement }
}

/// Statements that leave nothing behind when they are rolled back.
pub const OTHERS: &[Call] = &[
    call("SELECT forecast_values('{1,2,3,4,5,6,7,8,9,10,11,12}', 2, '{\"models\": [\"naive\", \"theta\"]}')"),
    call("SELECT forecast_agg(ts, close, 2) FROM prices WHERE ticker = 'A'"),
    call("SELECT forecast_agg(ts, close, 2, '{\"models\": [\"naive\"]}') FROM prices WHERE ticker = 'A'"),
    call("SELECT forecast_view('A', 100, 101, 105, 5, 0.8, 252)"),
    call(
        "SELECT bl_posterior('{{0.04,0.01},{0.01,0.09}}', '{0.05,0.06}', '{{1,0}}', '{0.07}', '{0.01}', 0.05)",
    ),
    call(
        "SELECT overfitting_report((SELECT array_agg(ARRAY[sin(n), cos(n * n)]) FROM generate_series(1, 80) AS n))",
    ),
    call("SELECT fix_nonpositive_semidefinite('{{1,2},{2,1}}')"),
    call("SELECT by_ticker('caps', 'market_cap')"),
    call("SELECT running_calls()"),
    call("SELECT thread_slots()"),
    call("SELECT * FROM pool_status, progress"),
    call("SELECT length(accuracy_chart('A'))"),
    call("SELECT length(weights_chart('small'))"),
    call("SELECT * FROM portfolio_value"),
    call("SELECT * FROM run_history"),
    call("SELECT * FROM run_lock"),
    call("SELECT * FROM job"),
    call("SELECT * FROM weight_history"),
    call(
        "SELECT create_portfolio('other', tickers => '{A,BB}', horizon => 1, models => '{naive}', prices => 'prices')",
    ),
    call("SELECT rebalance_now('small', force => true)"),
    call(
        "SELECT refresh_forecasts_now('{A}', horizon => 2, models => '{naive}', as_of => '2024-05-01', prices => 'prices')",
    ),
    call("SELECT delete_runs('small', now()), delete_runs(NULL, now())"),
    call("SELECT drop_portfolio('small')"),
    call("DELETE FROM folio.run"),
    call(
        "SELECT folio_internal.fail_run(max(run_id), '22012', 'message', 'detail', 'hint') FROM folio.run HAVING count(*) > 0",
    ),
    call(
        "DO $$ BEGIN PERFORM folio_internal.refuse('message', 'detail', 'hint');
         EXCEPTION WHEN insufficient_privilege THEN NULL; END $$",
    ),
    call("SELECT folio_internal.bounded('a portfolio', 5)"),
    call("SELECT grant_desk('analyst')"),
    call("SELECT revoke_desk('analyst')"),
    call("SELECT share_portfolio('small', 'analyst')"),
    call("SELECT share_portfolio('small', 'analyst'), unshare_portfolio('small', 'analyst')"),
    call("SELECT schedule_rebalance('small', '0 22 * * 1-5'), unschedule_rebalance('small')"),
];

/// Procedures that commit: each is repeatable after what comes before it.
pub const PROCEDURES: &[Call] = &[
    Call { before: "DELETE FROM folio.run", statement: "CALL rebalance('small')" },
    Call { before: "DELETE FROM folio.run", statement: "CALL rebalance_portfolio(1)" },
    Call {
        before: "DELETE FROM folio.run",
        statement: "CALL refresh_forecasts('{A,BB}', horizon => 2, models => '{naive}', prices => 'prices')",
    },
    Call { before: "UPDATE folio.run SET finished_at = finished_at", statement: "CALL refresh_outcomes()" },
];

/// Makes what [`OTHERS`] and [`PROCEDURES`] need after [`prepare`]: a portfolio that was run twice, a role, market values.
pub fn prepare_desk(session: &mut Client) {
    session
        .batch_execute(
            "CREATE ROLE analyst;
             CREATE TABLE caps AS SELECT ticker, 100.0 AS market_cap FROM unnest('{A,BB,CCC,DDDD}'::text[]) AS ticker;
             SELECT create_portfolio('small', tickers => '{A,BB,CCC}', horizon => 2, models => '{naive,drift}',
                                     views => '[\"A = 5%\"]', prices => 'prices')",
        )
        .expect("a portfolio");
    for as_of in ["'2024-05-01'", "NULL"] {
        session.batch_execute(&format!("CALL rebalance('small', as_of => {as_of})")).expect("rebalance");
    }
}

/// Makes what [`READERS`] and the other statements read: `prices`, of four tickers.
pub fn prepare(session: &mut Client) {
    session
        .batch_execute(
            "CREATE TABLE prices AS
             SELECT ticker, date '2024-01-01' + day AS ts,
                    100 * exp(0.0005 * day * length(ticker)) + 3 * sin(day * length(ticker)) + sin(day * day) AS close
             FROM unnest('{A,BB,CCC,DDDD}'::text[]) AS ticker, generate_series(0, 149) AS day",
        )
        .expect("CREATE TABLE prices");
}

/// A short call's answer, the same in every session of the database as long as nothing is wrong with it.
pub fn answer(session: &mut Client) -> String {
    session
        .query_one(
            "SELECT md5(string_agg(f::text, ';' ORDER BY ticker, step))
             FROM folio.forecast_ensemble(ARRAY['A', 'CCC'], 3, '{naive,drift,theta}', prices => 'public.prices') AS f",
            &[],
        )
        .expect("the next call")
        .get(0)
}
