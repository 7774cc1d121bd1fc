//! How long each computation works before it looks again whether it was cancelled, by the clock of the thread's own CPU
//! time: other work on the machine does not count.

mod common;
mod portfolio_support;

use std::cell::Cell;
use std::time::Duration;

use cpu_time::ThreadTime;
use folio_core::model::MODELS;
use folio_core::panel::ReturnPanel;
use folio_core::portfolio::request::{Request, efficient_frontier, optimize_portfolio};
use folio_core::task::{Cancel, Seed, Task};
use portfolio_support::{every_request, large_market, leveraged};

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

#[test]
fn every_portfolio_of_many_assets_looks_often() {
    let returns = ReturnPanel::aligned(&large_market(ASSETS, DAYS), DAYS, 2).unwrap();
    let wait = |(name, request): (&str, Request)| {
        let wait = longest_wait(|cancel| {
            optimize_portfolio(&request, &returns, &cancel).unwrap_or_else(|error| panic!("{name}: {error}"));
        });
        (name.to_owned(), wait)
    };
    let mut waits: Vec<_> =
        every_request().into_iter().chain([("max_gross", leveraged())]).map(wait).collect();
    waits.push((
        "efficient_frontier".to_owned(),
        longest_wait(|cancel| {
            efficient_frontier(&Request::default(), &returns, 20, &cancel).unwrap();
        }),
    ));
    assert_eq!(too_long(&waits), "");
}
