//! Charts of plausible values, for tests and for looking at.

use folio_chart::{
    AccuracyChart, Band, ForecastChart, FrontierChart, MemberPath, Outcome, Rebalance, RiskReturn, Time,
    WeightsChart,
};

const DAY: i64 = 86_400_000_000;

/// 2022-12-28.
const TODAY: i64 = 19_354 * DAY;

/// Noise from -1 to 1 that is the same every time.
fn noise(seed: u64) -> f64 {
    let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 32)) as u32) as f64 / f64::from(u32::MAX) * 2.0 - 1.0
}

/// The weekdays up to today, and from tomorrow on.
fn weekdays(past: usize, ahead: usize) -> (Vec<Time>, Vec<Time>) {
    let weekday = |day: &i64| (day + 3).rem_euclid(7) < 5;
    let today = TODAY / DAY;
    let time = |day: i64| Time(day * DAY);
    let mut before: Vec<Time> = (0..).map(|back| today - back).filter(weekday).take(past).map(time).collect();
    before.reverse();
    (before, (1..).map(|day| today + day).filter(weekday).take(ahead).map(time).collect())
}

fn walk(times: &[Time], start: f64, seed: u64) -> Vec<(Time, f64)> {
    let mut price = start;
    let step = |(index, time): (usize, &Time)| {
        price *= (0.015 * noise(seed + index as u64)).exp();
        (*time, price)
    };
    times.iter().enumerate().map(step).collect()
}

pub fn forecast(ticker: &str, history: usize, horizon: usize, members: usize) -> ForecastChart {
    let (past, ahead) = weekdays(history, horizon);
    let history = walk(&past, 130.0, 7);
    let last = history.last().map_or(100.0, |(_, price)| *price);
    let median = |step: usize| last * (1.0 + 0.0008 * step as f64);
    let band = |level: f64, width: f64| {
        let bound = |step: usize| {
            let half = (width * (step as f64).sqrt() * 0.015).exp();
            (median(step) / half, median(step) * half)
        };
        Band { level, bounds: (1..=horizon).map(bound).collect() }
    };
    let names = ["naive", "drift", "theta", "arima", "ets", "xgboost", "lstm", "ridge"];
    let member = |(index, name): (usize, &&str)| MemberPath {
        name: (*name).to_owned(),
        path: walk(&ahead, last, 900 + 50 * index as u64).into_iter().map(|(_, price)| price).collect(),
    };
    ForecastChart {
        ticker: ticker.to_owned(),
        history,
        path: ahead.iter().enumerate().map(|(index, time)| (*time, median(index + 1))).collect(),
        bands: vec![band(0.5, 0.67), band(0.8, 1.28), band(0.95, 1.96)],
        members: names.iter().enumerate().take(members).map(member).collect(),
        note: None,
    }
}

pub fn frontier(assets: usize) -> FrontierChart {
    let names = [
        "AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO", "LLY", "MRK", "MSFT", "PEP",
        "PFE", "PG", "RRC", "UNH", "WMT", "XOM",
    ];
    let asset = |index: usize| {
        let volatility = 0.2 + 0.15 * (1.0 + noise(index as u64)) + if index == 16 { 0.3 } else { 0.0 };
        let (sharpe_ratio, expected_return) =
            (None, 0.02 + 0.3 * volatility + 0.04 * noise(40 + index as u64));
        RiskReturn { name: names[index % names.len()].to_owned(), volatility, expected_return, sharpe_ratio }
    };
    let point = |index: usize| {
        let expected_return = 0.07 + 0.16 * index as f64 / 19.0;
        let volatility = (0.15f64.powi(2) + (1.9 * (expected_return - 0.07)).powi(2)).sqrt();
        let sharpe_ratio = Some(expected_return / volatility);
        RiskReturn { name: String::new(), volatility, expected_return, sharpe_ratio }
    };
    let frontier: Vec<RiskReturn> = (0..20).map(point).collect();
    FrontierChart { max_sharpe: Some(point(8)), frontier, assets: (0..assets).map(asset).collect() }
}

pub fn weights(portfolio: &str, rebalances: usize, tickers: usize) -> WeightsChart {
    let names = frontier(tickers).assets;
    let rebalance = |index: usize| {
        let raw = |ticker: usize| {
            let drift = 0.5 + 0.4 * noise(ticker as u64) + 0.25 * noise((index / 2 * 31 + ticker) as u64);
            drift.max(0.0) * 1.4f64.powi(-(ticker as i32))
        };
        let sum: f64 = (0..tickers).map(raw).sum();
        let weight = |ticker: usize| (names[ticker].name.clone(), raw(ticker) / sum);
        let back = (rebalances - 1 - index) as i64;
        Rebalance { time: Time(TODAY - back * 30 * DAY), weights: (0..tickers).map(weight).collect() }
    };
    WeightsChart { portfolio: portfolio.to_owned(), rebalances: (0..rebalances).map(rebalance).collect() }
}

pub fn accuracy(ticker: &str, paths: usize, horizon: usize) -> AccuracyChart {
    let (days, _) = weekdays((paths * horizon).max(1), 0);
    let actual = walk(&days, 130.0, 77);
    let path = |chunk: &[(Time, f64)]| -> Vec<Outcome> {
        let (start, origin) = (chunk[0].1, chunk[0].0.0 as u64);
        let outcome = |(index, (time, actual)): (usize, &(Time, f64))| {
            let step = index as f64 + 1.0;
            let forecast = start * (1.0 + 0.002 * noise(origin / DAY as u64) * step);
            let half = 0.011 * step.sqrt() * start;
            let (lower, upper, naive_error) = (forecast - half, forecast + half, start - actual);
            Outcome { time: *time, forecast, lower, upper, actual: *actual, naive_error }
        };
        chunk.iter().enumerate().map(outcome).collect()
    };
    let paths = actual.chunks(horizon.max(1)).map(path).collect();
    AccuracyChart { ticker: ticker.to_owned(), step: None, level: Some(0.8), paths }
}
