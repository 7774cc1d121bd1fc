//! tmp
#[path = "../tests/portfolio_support/mod.rs"]
mod portfolio_support;
use cpu_time::ThreadTime;
use folio_core::panel::ReturnPanel;
use folio_core::portfolio::request::{Request, efficient_frontier, optimize_portfolio};
use folio_core::task::Cancel;
use portfolio_support::{every_request, large_market, leveraged};
use std::cell::{Cell, RefCell};
use std::time::Duration;
thread_local! {
    static LAST: Cell<Option<ThreadTime>> = const { Cell::new(None) };
    static MAX: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static LOOKS: Cell<usize> = const { Cell::new(0) };
    static TRACES: RefCell<Vec<(Duration, String)>> = const { RefCell::new(Vec::new()) };
}
fn look() -> bool {
    let now = ThreadTime::now();
    LOOKS.set(LOOKS.get() + 1);
    if let Some(last) = LAST.replace(Some(now)) {
        let wait = last.elapsed();
        MAX.set(MAX.get().max(wait));
        if wait > Duration::from_millis(12) && std::env::args().nth(2).is_some() {
            let text = std::backtrace::Backtrace::force_capture().to_string();
            let lines: Vec<&str> = text
                .lines()
                .filter(|l| l.contains("folio-core/src") || l.contains("clarabel"))
                .take(7)
                .map(str::trim)
                .collect();
            TRACES.with_borrow_mut(|t| t.push((wait, lines.join(" | "))));
        }
        LAST.set(Some(ThreadTime::now()));
    }
    false
}
#[path = "../tests/common/mod.rs"]
mod common;
use folio_core::work;
fn main() {
    let (assets, days) = (500, 750);
    let only = std::env::args().nth(1).unwrap_or_default();
    let returns = ReturnPanel::aligned(&large_market(assets, days), days, 2).unwrap();
    let run = |name: &str, work: &dyn Fn(Cancel)| {
        if !name.contains(&only) {
            return;
        }
        let start = ThreadTime::now();
        let done = work::done();
        LAST.set(Some(ThreadTime::now()));
        MAX.set(Duration::ZERO);
        LOOKS.set(0);
        work(Cancel::polling(look));
        look();
        println!("{name}: {:?} of {:?}, {} looks", MAX.get(), start.elapsed(), LOOKS.get());
        println!("    {:.2} ns a unit", start.elapsed().as_nanos() as f64 / (work::done() - done) as f64);
        TRACES.with_borrow_mut(|t| {
            t.sort_by(|a, b| b.0.cmp(&a.0));
            for (d, l) in t.iter().take(6) {
                println!("   {d:?} {l}");
            }
            t.clear();
        });
    };
    for model in folio_core::model::MODELS {
        for days in [1000usize, 20_000] {
            let (_, y) = &common::log_prices()[0];
            let mut y = y.clone();
            while y.len() < days {
                let (a, b) = (y[y.len() - 1], y[y.len() % 997 + 1] - y[y.len() % 997]);
                y.push(a + b);
            }
            let origins: Vec<usize> = (y.len() - 120..=y.len()).collect();
            if days > 1000 && model.name() == "arima" {
                continue;
            }
            run(&format!("{} {days}", model.name()), &|cancel| {
                let task = folio_core::task::Task { cancel, seed: folio_core::task::Seed(1) };
                let fitted = model.fit(&y, 21, &task).unwrap();
                fitted.forecast(&y, &origins, 21, &task).unwrap();
            });
        }
    }
    for (name, request) in every_request().into_iter().chain([("max_gross", leveraged())]) {
        run(name, &|cancel| {
            if let Err(e) = optimize_portfolio(&request, &returns, &cancel) {
                println!("{e}");
            }
        });
    }
    run("efficient_frontier", &|cancel| {
        efficient_frontier(&Request::default(), &returns, 20, &cancel).unwrap();
    });
}
