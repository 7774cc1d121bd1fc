//! That a portfolio never takes more memory than was estimated before it: the peak of the allocator's own count.
//!
//! One test in a program of its own, so that nothing else allocates meanwhile.

mod portfolio_support;

use folio_core::Error;
use folio_core::panel::{PricePanel, PriceRow, ReturnPanel, Series};
use folio_core::portfolio::alignment::Alignment;
use folio_core::portfolio::black_litterman::bl_posterior;
use folio_core::portfolio::market::Tau;
use folio_core::portfolio::memory;
use folio_core::portfolio::request::{Request, efficient_frontier, optimize_portfolio};
use folio_core::task::Cancel;
use ndarray::{Array1, Array2};
use peak_alloc::PeakAlloc;
use portfolio_support::{every_request, large_market, leveraged};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The most bytes that were allocated at once while `work` ran, beyond what was before.
fn peak(work: impl FnOnce()) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    work();
    ALLOCATOR.peak_usage() - before
}

/// The same prices, but of every third ticker the newer half only.
fn listed_late(prices: &PricePanel) -> PricePanel {
    let late = |(place, (ticker, series)): (usize, &(String, folio_core::Result<Series>))| {
        let series = series.as_ref().unwrap();
        let rows = series.ts().iter().zip(series.close()).map(|(&ts, &close)| PriceRow { ts, close });
        let rows = rows.skip(if place % 3 == 0 { series.ts().len() / 2 } else { 0 }).collect();
        (ticker.clone(), Series::new(ticker.clone(), rows, usize::MAX))
    };
    PricePanel::new(prices.columns().iter().enumerate().map(late).collect())
}

#[test]
fn no_portfolio_takes_more_than_was_estimated() {
    let mut short = Vec::new();
    for (assets, days) in [(20, 1000), (200, 1000), (300, 300)] {
        let prices = large_market(assets, days);
        let estimate = match memory::check(&prices, days, 0) {
            Err(Error::MemoryLimit { need_bytes, .. }) => need_bytes,
            other => panic!("no portfolio fits into nothing: {other:?}"),
        };
        let mut compare = |name: &str, work: &dyn Fn(&ReturnPanel)| {
            let peak = peak(|| work(&ReturnPanel::aligned(&prices, days, 2).unwrap()));
            println!("{assets} assets, {days} days, {name}: {} of {} kB", peak >> 10, estimate >> 10);
            if peak > estimate {
                short.push(format!("{name} of {assets} assets"));
            }
        };
        for (name, request) in every_request().into_iter().chain([("max_gross", leveraged())]) {
            compare(name, &|returns| {
                optimize_portfolio(&request, returns, &Cancel::default()).unwrap();
            });
        }
        let unequal = listed_late(&prices);
        compare("unequal histories", &|_| {
            let cancel = Cancel::default();
            let (returns, _) = Alignment::All.returns(&unequal, days, 2, &cancel).unwrap();
            optimize_portfolio(&Request::default(), &returns, &cancel).unwrap();
        });
        compare("efficient_frontier", &|returns| {
            efficient_frontier(&Request::default(), returns, 20, &Cancel::default()).unwrap();
        });
    }
    let (assets, views) = (200, 50);
    let estimate = match memory::check_posterior(assets, views, 0) {
        Err(Error::MemoryLimit { need_bytes, .. }) => need_bytes,
        other => panic!("no posterior fits into nothing: {other:?}"),
    };
    let (covariance, prior) = (Array2::eye(assets), Array1::ones(assets));
    let (p, q) = (Array2::from_shape_fn((views, assets), |(i, j)| f64::from(i == j)), Array1::ones(views));
    let omega = Array2::eye(views);
    let peak = peak(|| {
        let cancel = Cancel::default();
        let tau = Tau::new(0.05).unwrap();
        bl_posterior(covariance.view(), prior.view(), p.view(), q.view(), omega.view(), tau, &cancel)
            .unwrap();
    });
    println!("posterior: {} of {} kB", peak >> 10, estimate >> 10);
    assert!(peak <= estimate, "the posterior takes {peak} bytes");
    assert!(short.is_empty(), "more than estimated: {short:?}");
}
