//! Backtests: by hand, against the optimiser on each window, and without a look ahead.

mod common;
mod portfolio_support;

use folio_core::Error;
use folio_core::panel::{PricePanel, PriceRow, ReturnPanel, Series, Timestamp};
use folio_core::portfolio::backtest::{Backtest, Day, OnFailure, Rebalance, Track, run};
use folio_core::portfolio::benchmark::Benchmark;
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::portfolio::market::{MarketCaps, Prior, RiskFreeRate};
use folio_core::portfolio::objective::Constraints;
use folio_core::portfolio::objective::by_name;
use folio_core::portfolio::request::{Request, black_litterman, optimize_portfolio};
use folio_core::portfolio::view_input;
use folio_core::task::{Cancel, Inline};
use ndarray::Array1;
use portfolio_support::*;
use serde_json::{Value, json};

fn backtest(objective: &str, constraints: Value) -> Backtest {
    let request = Request {
        objective: by_name(objective).unwrap(),
        constraints: Constraints::from_json(&constraints).unwrap(),
        ..Request::default()
    };
    Backtest {
        request,
        rebalance: Rebalance::Days(60),
        lookback: 250,
        transaction_cost: 0.001,
        benchmark: None,
        hold_benchmark: false,
        on_failure: OnFailure::Error,
    }
}

fn result(backtest: Backtest, returns: &ReturnPanel) -> folio_core::Result<Vec<Day>> {
    Ok(run(backtest, returns, &Inline, &Cancel::default())?.days)
}

/// Prices of the twenty tickers and the index, those from `row` on multiplied by something else for each day.
fn disturbed(row: usize) -> ReturnPanel {
    let columns = prices().into_iter().chain([index()]).map(|series| {
        let close = series.close().iter().enumerate();
        let change = |t: usize| if t < row { 1.0 } else { 1.5 + (t as f64 * series.close()[0]).sin() };
        let rows =
            close.map(|(t, close)| PriceRow { ts: series.ts()[t], close: close * change(t) }).collect();
        (series.ticker().to_owned(), Series::new(series.ticker().to_owned(), rows, usize::MAX))
    });
    ReturnPanel::aligned(&PricePanel::new(columns.collect()), 10_000, 2).unwrap()
}

#[test]
fn two_tickers_by_hand() {
    let panel = panel_of(&[("A", vec![0.0, 0.01, 0.1, -0.5, 0.2]), ("B", vec![0.01, 0.0, 0.0, 0.25, 0.0])]);
    let weights = json!({ "A": 0.6, "B": 0.4 });
    let mut test = backtest("min_volatility", json!({ "min_weight": weights, "max_weight": weights }));
    (test.lookback, test.rebalance, test.transaction_cost) = (2, Rebalance::Days(2), 0.01);
    test.request.market_caps = Some(MarketCaps::from_json(&json!({ "A": 1, "B": 3 })).unwrap());
    test.request.risk_free_rate = RiskFreeRate::new(0.05).unwrap();
    let rows = result(test, &panel).unwrap();
    // Bought at the close of the second day for 1 % of 1.
    let bought = 0.99;
    // 0.66 and 0.4 of it after 10 %; then 0.33 and 0.5, of which 0.498 and 0.332 are wanted.
    let drifted: [f64; 2] = [0.33 / 0.83, 0.5 / 0.83];
    let turnover = (0.6 - drifted[0]).abs() + (0.4 - drifted[1]).abs();
    let second = bought * 0.83 * (1.0 - 0.01 * turnover);
    let expected = [bought, bought * 1.06, second, second * 1.12];
    assert_eq!(rows.len(), 4);
    for (row, expected) in rows.iter().zip(expected) {
        assert!((row.value - expected).abs() < 1e-14, "{row:?} {expected}");
    }
    assert!((rows[0].turnover.unwrap() - 1.0).abs() < 1e-15 && (rows[0].cost - 0.01).abs() < 1e-16);
    assert!((rows[2].turnover.unwrap() - turnover).abs() < 1e-14 && rows[1].turnover.is_none());
    assert!((rows[2].cost - bought * 0.83 * 0.01 * turnover).abs() < 1e-15 && rows[3].cost == 0.0);
    assert!((rows[2].gain - (second / (bought * 1.06) - 1.0)).abs() < 1e-15);
    assert!((rows[2].drawdown - (second / (bought * 1.06) - 1.0)).abs() < 1e-15 && rows[1].drawdown == 0.0);
    // A quarter and three quarters: 1.025; then 0.25 x 0.55 + 0.75 x 1.25 of the start.
    let benchmark = 0.25 * 0.55 + 0.75 * 1.25;
    let expected = [1.0, 1.025, benchmark, benchmark * (1.0 + 0.25 * 0.2)];
    for (day, (row, expected)) in rows.iter().zip(expected).enumerate() {
        assert!((row.benchmark_value - expected).abs() < 1e-14, "{row:?}");
        assert!((row.risk_free_value - 1.05_f64.powf(day as f64 / 252.0)).abs() < 1e-14);
    }
}

#[test]
fn what_is_not_invested_earns_the_risk_free_rate() {
    let panel = panel_of(&[("A", vec![0.0, 0.01, 0.1, -0.05]), ("B", vec![0.01, 0.0, 0.02, 0.03])]);
    let weights = json!({ "A": 0.5, "B": -0.5 });
    let constraints = json!({ "min_weight": weights, "max_weight": weights, "market_neutral": true });
    let mut test = backtest("max_quadratic_utility", constraints);
    (test.lookback, test.transaction_cost) = (2, 0.0);
    test.request.risk_free_rate = RiskFreeRate::new(0.04).unwrap();
    let rows = result(test, &panel).unwrap();
    let day = 1.04_f64.powf(1.0 / 252.0);
    assert!((rows[1].value - (day + 0.5 * 0.1 - 0.5 * 0.02)).abs() < 1e-14, "{rows:?}");
    let last = day * day + 0.5 * (1.1 * 0.95 - 1.0) - 0.5 * (1.02 * 1.03 - 1.0);
    assert!((rows[2].value - last).abs() < 1e-14, "{rows:?}");
}

#[test]
fn weights_are_those_of_each_window() {
    let panel = returns();
    for objective in ["min_volatility", "max_sharpe", "herc", "risk_parity"] {
        let test = backtest(objective, json!({}));
        let rows = result(test.clone(), &panel).unwrap();
        assert_eq!(rows.len(), 999 - 249);
        let mut held = Array1::zeros(20);
        for (position, row) in rows.iter().enumerate() {
            let today = panel.returns().row(249 + position);
            if position > 0 {
                let drifted = &held * &(&today + 1.0);
                held = &drifted / drifted.sum();
            }
            assert_eq!(
                row.turnover.is_some(),
                position % 60 == 0 && position != 749,
                "{objective} {position}"
            );
            let Some(turnover) = row.turnover else { continue };
            let past = panel.during(position..250 + position);
            let chosen = optimize_portfolio(&test.request, &past, &Cancel::default()).unwrap();
            let chosen: Array1<f64> = chosen.holdings.iter().map(|holding| holding.weight).collect();
            let expected: f64 = (&chosen - &held).iter().map(|change| change.abs()).sum();
            assert!((turnover - expected).abs() < 1e-12, "{objective} {position}");
            if let Some(next) = rows.get(position + 1) {
                let gain = panel.returns().row(250 + position).dot(&chosen);
                assert!((next.gain - gain).abs() < 1e-12, "{objective} {position}");
            }
            held = chosen;
        }
    }
}

#[test]
fn no_row_knows_what_comes_after_it() {
    let plain = disturbed(usize::MAX);
    let limited = json!({ "current_weights": {}, "max_turnover": 0.4, "transaction_cost": 0.001 });
    for (objective, constraints) in
        [("max_sharpe", json!({})), ("max_sharpe", limited), ("min_volatility", json!({}))]
    {
        let mut test = backtest(objective, constraints);
        test.benchmark = Some(Benchmark::Ticker("SP500".to_owned()));
        let before = result(test.clone(), &plain).unwrap();
        // A price is the end of the return before it; the first row is that of the return 249, and every sixtieth trades.
        for price in [491, 490, 500] {
            let after = result(test.clone(), &disturbed(price)).unwrap();
            let same = price - 1 - 249;
            assert_eq!(before[..same], after[..same], "{objective}");
            assert_ne!(before[same], after[same], "{objective}");
        }
    }
}

#[test]
fn turnover_is_limited_on_the_way() {
    let panel = returns();
    let limited = json!({ "current_weights": {}, "max_turnover": 0.1 });
    let historical = |constraints: Value| {
        let mut test = backtest("max_sharpe", constraints);
        test.request.prior = Some(Prior::Historical);
        result(test, &panel).unwrap()
    };
    let rows = historical(limited);
    let turnovers: Vec<f64> = rows.iter().filter_map(|row| row.turnover).collect();
    assert!((turnovers[0] - 1.0).abs() < 1e-9, "the first purchase is not limited");
    assert!(turnovers[1..].iter().all(|turnover| *turnover <= 0.1 + 1e-9), "{turnovers:?}");
    let free = historical(json!({}));
    assert!(free.iter().filter_map(|row| row.turnover).skip(1).any(|turnover| turnover > 0.2));
}

#[test]
fn months_end_on_their_last_trading_day() {
    let date = |ts: Timestamp| ts.date();
    let mut test = backtest("herc", json!({}));
    test.rebalance = Rebalance::Months(1);
    let panel = returns();
    let rows = result(test, &panel).unwrap();
    let mut months = 0;
    for pair in rows.windows(2) {
        let ends = date(pair[0].ts).1 != date(pair[1].ts).1;
        assert_eq!(pair[0].turnover.is_some(), ends, "{:?}", date(pair[0].ts));
        months += usize::from(ends);
    }
    assert!(months > 20 && rows[0].turnover.is_some() && rows.last().unwrap().turnover.is_none());
}

#[test]
fn an_index_is_followed_and_not_held() {
    let panel = disturbed(usize::MAX);
    let mut test = backtest("herc", json!({}));
    let alone = result(test.clone(), &returns()).unwrap();
    test.benchmark = Some(Benchmark::Ticker(index().ticker().to_owned()));
    let rows = result(test.clone(), &panel).unwrap();
    let close = index();
    for (row, (position, same)) in rows.iter().zip(alone.iter().enumerate()) {
        let expected = close.close()[250 + position] / close.close()[250];
        assert!((row.benchmark_value - expected).abs() < 1e-12);
        assert_eq!(row.value, same.value);
    }
    test.hold_benchmark = true;
    assert_ne!(result(test, &panel).unwrap()[100].value, alone[100].value);
}

/// All of a test whose second window of two, and no other, has a ticker that never moves.
fn stumbling(change: impl Fn(&mut Backtest)) -> folio_core::Result<Track> {
    let a = vec![0.01, 0.02, 0.0, 0.0, 0.0, 0.02, 0.01];
    let panel = panel_of(&[("A", a), ("B", vec![0.01, 0.0, 0.0, 0.9, 0.0, 0.01, 0.0])]);
    let mut test = backtest("risk_parity", json!({}));
    (test.lookback, test.rebalance) = (2, Rebalance::Days(2));
    test.request.covariance = CovarianceMethod::parse("sample_cov").unwrap();
    change(&mut test);
    run(test, &panel, &Inline, &Cancel::default())
}

#[test]
fn a_date_that_fails_ends_the_test_only_where_it_is_to() {
    assert!(matches!(stumbling(|_| ()), Err(Error::OnDate { .. })));
    let held = stumbling(|test| test.on_failure = OnFailure::Hold).unwrap();
    let failed: Vec<bool> = held.trades.iter().map(|trade| trade.remark.is_some()).collect();
    assert_eq!(failed, [false, true, false]);
    assert_eq!(held.trades[1].held, held.trades[1].weights);
    assert_eq!((held.days[2].turnover, held.days[2].cost), (Some(0.0), 0.0));
    let equal = stumbling(|test| test.on_failure = OnFailure::Equal).unwrap();
    assert_eq!(equal.trades[1].weights.to_vec(), [0.5, 0.5]);
    assert!(equal.trades[1].remark.as_ref().is_some_and(|remark| remark.starts_with("equal weights: ")));
    // The same where each date follows from the one before, and what is held is what prices made of it.
    for track in [&held, &equal] {
        for (row, trade) in track.days.iter().filter(|day| day.turnover.is_some()).zip(&track.trades) {
            let turnover: f64 = (&trade.weights - &trade.held).iter().map(|change| change.abs()).sum();
            assert!((row.turnover.unwrap() - turnover).abs() < 1e-15 && row.ts == trade.ts);
        }
    }
    // What is wrong with the call is an error all the same, and so is what fails on every date.
    for on_failure in [OnFailure::Hold, OnFailure::Equal] {
        let mut test = backtest("efficient_return", json!({}));
        test.on_failure = on_failure;
        assert!(matches!(result(test, &returns()), Err(Error::OnDate { .. })));
        let mut test = backtest("min_volatility", json!({ "max_weight": 0.01 }));
        test.on_failure = on_failure;
        assert!(matches!(result(test, &returns()), Err(Error::OnDate { .. })));
    }
    assert_eq!(OnFailure::parse("hold"), Ok(OnFailure::Hold));
    assert!(matches!(OnFailure::parse("stop"), Err(Error::UnknownName { .. })));
}

#[test]
fn costs_are_charged_ticker_by_ticker() {
    let panel = panel_of(&[("A", vec![0.0, 0.01, 0.1]), ("B", vec![0.01, 0.0, 0.0])]);
    let with = |cost: f64, in_constraints: Value| {
        let weights = json!({ "A": 0.6, "B": 0.4 });
        let mut test = backtest(
            "max_quadratic_utility",
            json!({ "min_weight": weights, "max_weight": weights,
                "current_weights": {}, "transaction_cost": in_constraints }),
        );
        (test.lookback, test.transaction_cost) = (2, cost);
        result(test, &panel)
    };
    let rows = with(0.0, json!({ "A": 0.02, "B": 0.005 })).unwrap();
    assert!((rows[0].cost - (0.6 * 0.02 + 0.4 * 0.005)).abs() < 1e-12, "{:?}", rows[0]);
    assert!(
        (rows[0].value + rows[0].cost - 1.0).abs() < 1e-12,
        "the value before is the value after and the cost"
    );
    let one = with(0.0, json!(0.01)).unwrap();
    assert!((one[0].cost - 0.01).abs() < 1e-12);
    assert_eq!(with(0.01, json!(0.01)).unwrap(), one);
    let two = with(0.02, json!(0.01));
    assert!(matches!(two, Err(Error::InvalidArgument { argument: "transaction_cost", .. })), "{two:?}");
}

#[test]
fn a_benchmark_may_be_weights() {
    let panel = panel_of(&[("A", vec![0.0, 0.01, 0.1]), ("B", vec![0.01, 0.0, 0.3])]);
    let with = |benchmark: &str| {
        let mut test = backtest("min_volatility", json!({}));
        (test.lookback, test.request.risk_free_rate) = (2, RiskFreeRate::new(0.05).unwrap());
        test.benchmark = Some(Benchmark::parse(benchmark).unwrap());
        result(test, &panel)
    };
    let rows = with(r#"{"A": 0.5}"#).unwrap();
    let interest = 1.05_f64.powf(1.0 / 252.0) - 1.0;
    assert!((rows[1].benchmark_value - (1.0 + 0.05 + 0.5 * interest)).abs() < 1e-14, "{rows:?}");
    assert!(matches!(with(r#"{"C": 0.5}"#), Err(Error::UnknownName { .. })));
}

#[test]
fn views_are_those_of_black_litterman_on_each_window() {
    let mut test = backtest("max_sharpe", json!({}));
    test.request.views = view_input::parse(&json!(["AMD = 40%"])).unwrap().0;
    let panel = returns();
    let track = run(test.clone(), &panel, &Inline, &Cancel::default()).unwrap();
    let window = panel.during(60..310);
    let chosen = black_litterman(&test.request, &window, &Cancel::default()).unwrap();
    let chosen: Vec<f64> = chosen.holdings.iter().map(|holding| holding.weight).collect();
    assert_eq!(track.trades[1].weights.to_vec(), chosen);
    let plain = optimize_portfolio(&test.request, &window, &Cancel::default()).unwrap();
    assert!(plain.holdings.iter().zip(&chosen).any(|(plain, viewed)| (plain.weight - viewed).abs() > 0.01));
}

#[test]
fn quarters_and_years_end_with_their_last_month() {
    let dates = |rebalance: &str| {
        let mut test = backtest("herc", json!({}));
        test.rebalance = Rebalance::parse(rebalance).unwrap();
        let track = run(test, &returns(), &Inline, &Cancel::default()).unwrap();
        track.trades.iter().map(|trade| trade.ts).collect::<Vec<_>>()
    };
    let (months, quarters, years) = (dates("month_end"), dates("quarter_end"), dates("year_end"));
    let ends = |count: u32| months.iter().copied().filter(|ts| ts.date().1 % count == 0).collect::<Vec<_>>();
    assert_eq!((quarters, years), (ends(3), ends(12)));
}

#[test]
fn threads_do_not_matter() {
    let test = backtest("max_sharpe", json!({}));
    let one = result(test.clone(), &returns()).unwrap();
    let many = run(test, &returns(), &common::pool::Threads::start(4), &Cancel::default()).unwrap();
    assert_eq!(one, many.days);
}

#[test]
fn what_cannot_be_tested_is_an_error_with_a_name() {
    let panel = returns();
    let with = |change: &dyn Fn(&mut Backtest)| {
        let mut test = backtest("min_volatility", json!({}));
        change(&mut test);
        result(test, &panel)
    };
    assert!(matches!(
        with(&|test| test.lookback = 1),
        Err(Error::InvalidArgument { argument: "lookback", .. })
    ));
    assert!(matches!(with(&|test| test.lookback = 999), Err(Error::TooShort { need: 1001, .. })));
    assert!(with(&|test| test.lookback = 998).is_ok());
    let dear = with(&|test| test.transaction_cost = 1.0);
    assert!(matches!(dear, Err(Error::InvalidArgument { argument: "transaction_cost", .. })));
    let stranger = with(&|test| test.benchmark = Some(Benchmark::Ticker("DAX".to_owned())));
    assert!(matches!(stranger, Err(Error::UnknownTicker { ticker }) if ticker == "DAX"));
    let tight = with(&|test| {
        test.request.constraints = Constraints::from_json(&json!({ "max_weight": 0.01 })).unwrap()
    });
    assert!(
        matches!(&tight, Err(Error::OnDate { ts, error }) if *ts == panel.days()[249]
            && matches!(**error, Error::Infeasible { .. })),
        "{tight:?}"
    );
    // Any other error too, and where each date follows from the one before.
    let aimless = json!({ "current_weights": {}, "transaction_cost": 0.001 });
    for constraints in [json!({}), aimless] {
        let outcome = result(backtest("efficient_return", constraints), &panel);
        assert!(
            matches!(&outcome, Err(Error::OnDate { ts, error }) if *ts == panel.days()[249]
                && matches!(**error, Error::InvalidArgument { argument: "target_return", .. })),
            "{outcome:?}"
        );
    }
    // Only the second window has a ticker that never moves.
    let still = panel_of(&[("A", vec![0.01, 0.02, 0.0, 0.0, 0.0]), ("B", vec![0.01, 0.0, 0.0, 0.9, 0.0])]);
    let mut test = backtest("risk_parity", json!({}));
    (test.lookback, test.rebalance) = (2, Rebalance::Days(2));
    test.request.covariance = CovarianceMethod::parse("sample_cov").unwrap();
    let outcome = result(test, &still);
    assert!(matches!(&outcome, Err(Error::OnDate { ts, .. }) if *ts == still.days()[3]), "{outcome:?}");
    for wrong in ["0", "monthly", "-3", "1.5", ""] {
        assert!(matches!(Rebalance::parse(wrong), Err(Error::InvalidArgument { argument: "rebalance", .. })));
    }
    assert_eq!(Rebalance::parse(" 21 "), Ok(Rebalance::Days(21)));
    assert_eq!(Rebalance::parse("month_end"), Ok(Rebalance::Months(1)));
    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(run(backtest("herc", json!({})), &panel, &Inline, &cancel), Err(Error::Cancelled));
    // Leverage that loses everything.
    let crash = panel_of(&[("A", vec![0.01, 0.02, 0.01, 0.9, 0.01]), ("B", vec![0.01, 0.0, 0.0, -0.9, 0.0])]);
    let weights = json!({ "A": "-200 %", "B": "300 %" });
    let mut test = backtest("min_volatility", json!({ "min_weight": weights, "max_weight": weights }));
    test.lookback = 2;
    assert!(
        matches!(result(test, &crash), Err(Error::InvalidArgument { value, .. }) if value.contains("worth -"))
    );
}
