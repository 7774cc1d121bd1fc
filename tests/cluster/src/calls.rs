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
    ("black_litterman", "SELECT count(*) FROM black_litterman(prices => '@')"),
    ("view_report", "SELECT count(*) FROM view_report(prices => '@')"),
    ("optimize_portfolio", "SELECT count(*) FROM optimize_portfolio(prices => '@')"),
    ("efficient_frontier", "SELECT count(*) FROM efficient_frontier(points => 3, prices => '@')"),
    ("portfolio_performance", "SELECT count(*) FROM portfolio_performance('{\"A\": 1}', prices => '@')"),
    ("covariance_matrix", "SELECT count(*) FROM covariance_matrix(prices => '@')"),
    ("discrete_allocation", "SELECT count(*) FROM discrete_allocation('{\"A\": 1}', 1000, prices => '@')"),
    ("market_implied_risk_aversion", "SELECT market_implied_risk_aversion('A', prices => '@')"),
    ("price_report", "SELECT count(*) FROM price_report(prices => '@')"),
    ("observations", "SELECT observations(prices => '@')"),
    ("backtest", "SELECT count(*) FROM backtest(lookback => 20, rebalance => '50', prices => '@')"),
    ("forecast_chart", "SELECT length(forecast_chart('A', 3, '{naive}', prices => '@'))"),
    ("frontier_chart", "SELECT length(frontier_chart(prices => '@'))"),
];

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
