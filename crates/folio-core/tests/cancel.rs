//! How long each computation works before it looks again whether it was cancelled, by the clock of the thread's own CPU
//! time: other work on the machine does not count.

mod common;

use std::cell::Cell;
use std::time::Duration;

use cpu_time::ThreadTime;
use folio_core::model::MODELS;
use folio_core::panel::{PricePanel, PriceRow, ReturnPanel, Series, Timestamp};
use folio_core::portfolio::constraint::Constraints;
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::portfolio::optimize::Objective;
use folio_core::portfolio::request::{Request, efficient_frontier, optimize_portfolio};
use folio_core::task::{Cancel, Seed, Task};
use serde_json::json;

/// The promise of `Cancel::check` is 20 ms of an optimised build; this one checks overflows and bounds too.
const LONGEST: Duration = Duration::from_millis(40);

/// Assets of the largest portfolios that the promise is made for, and their days.
const ASSETS: usize = 500;
const DAYS: usize = 750;

thread_local! {
    static LAST_LOOK: Cell<Option<ThreadTime>> = const { Cell::new(None) };
    static LONGEST_WAIT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Notes the work since the last look. Never says that it is cancelled.
fn look() -> bool {
    let now = ThreadTime::now();
    if let Some(last) = LAST_LOOK.replace(Some(now)) {
        let wait = last.elapsed();
        LONGEST_WAIT.set(LONGEST_WAIT.get().max(wait));
    }
    false
}

/// The longest work between two looks, the start and the end included.
fn longest_wait(work: impl FnOnce(Cancel)) -> Duration {
    LAST_LOOK.set(Some(ThreadTime::now()));
    LONGEST_WAIT.set(Duration::ZERO);
    work(Cancel::polling(look));
    look();
    LONGEST_WAIT.get()
}

/// Those of the named waits that are too long, as one text.
fn too_long(waits: &[(String, Duration)]) -> String {
    for (name, wait) in waits {
        println!("{name}: {wait:?}");
    }
    let long = waits.iter().filter(|(_, wait)| *wait > LONGEST);
    long.map(|(name, wait)| format!("{name} works for {wait:?}")).collect::<Vec<_>>().join("; ")
}

#[test]
fn every_model_looks_often() {
    let (_, y) = &common::log_prices()[0];
    let origins: Vec<usize> = (y.len() - 120..=y.len()).collect();
    let wait = |model: &&dyn folio_core::model::Model| {
        let wait = longest_wait(|cancel| {
            let task = Task { cancel, seed: Seed(1) };
            let fitted = model.fit(y, 21, &task).unwrap();
            fitted.forecast(y, &origins, 21, &task).unwrap();
        });
        (model.name().to_owned(), wait)
    };
    assert_eq!(too_long(&MODELS.iter().map(wait).collect::<Vec<_>>()), "");
}

/// Returns of assets that share a market: a full covariance with a bulk that denoising has to look for.
fn large_market() -> ReturnPanel {
    let mut normal = common::normal(Seed(7));
    let market: Vec<f64> = (0..=DAYS).map(|_| 0.01 * normal()).collect();
    let columns = (0..ASSETS).map(|asset| {
        let mut price = 100.0;
        let row = |(day, market): (usize, &f64)| {
            price *= (0.0003 + market * (0.5 + asset as f64 / ASSETS as f64) + 0.015 * normal()).exp();
            PriceRow { ts: Timestamp(day as i64 * 86_400_000_000), close: price }
        };
        let ticker = format!("T{asset:03}");
        let rows = market.iter().enumerate().map(row).collect();
        (ticker.clone(), Series::new(ticker, rows, DAYS + 1))
    });
    let mut columns: Vec<_> = columns.collect();
    columns.sort_by(|a, b| a.0.cmp(&b.0));
    ReturnPanel::aligned(&PricePanel::new(columns), DAYS, 2).unwrap()
}

fn request(objective: Objective, covariance: &str) -> Request {
    let constraints = match objective {
        Objective::EfficientRisk => json!({"target_volatility": 0.2}),
        Objective::EfficientReturn => json!({"target_return": 0.08}),
        _ => json!({}),
    };
    Request {
        objective,
        covariance: CovarianceMethod::parse(covariance).unwrap(),
        constraints: Constraints::from_json(&constraints).unwrap(),
        ..Request::default()
    }
}

#[test]
fn every_portfolio_of_many_assets_looks_often() {
    let returns = large_market();
    let of = |name: &str, request: &Request| {
        let wait = longest_wait(|cancel| {
            optimize_portfolio(request, &returns, &cancel).unwrap_or_else(|error| panic!("{name}: {error}"));
        });
        (name.to_owned(), wait)
    };
    let objectives =
        Objective::ALL.iter().map(|(name, objective)| of(name, &request(*objective, "ledoit_wolf")));
    let covariances = [
        "sample_cov",
        "ledoit_wolf_constant_correlation",
        "ledoit_wolf_single_factor",
        "oas",
        "exp_cov(180)",
        "semicovariance",
        "denoised",
        "gerber",
    ];
    let covariances = covariances.iter().map(|name| of(name, &request(Objective::MinVolatility, name)));
    let mut waits: Vec<_> = objectives.chain(covariances).collect();
    let frontier = request(Objective::MaxSharpe, "ledoit_wolf");
    waits.push((
        "efficient_frontier".to_owned(),
        longest_wait(|cancel| {
            efficient_frontier(&frontier, &returns, 20, &cancel).unwrap();
        }),
    ));
    assert_eq!(too_long(&waits), "");
}
