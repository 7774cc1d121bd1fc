//! That forecasts and evaluations never take more memory than was estimated before them: the peak of the allocator's own
//! count, which XGBoost's C++ does not go through.
//!
//! One test in a program of its own, so that nothing else allocates meanwhile.

mod common;

use common::{QUICK, column, normal, prices_of, request};
use folio_core::Error;
use folio_core::forecast::{Batches, Evaluation, FitWindow, Request, Schedule, evaluate, forecast};
use folio_core::panel::PricePanel;
use folio_core::task::{Cancel, Inline, Seed};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The most bytes that were allocated at once while `work` ran, beyond what was before.
fn peak(work: impl FnOnce()) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    work();
    ALLOCATOR.peak_usage() - before
}

fn walk(days: usize) -> PricePanel {
    let mut normal = normal(Seed(1));
    let mut level = 4.0;
    let y: Vec<f64> = (0..days)
        .map(|_| {
            level += 0.01 * normal();
            level
        })
        .collect();
    PricePanel::new(vec![column("A", &prices_of(&y))])
}

/// The bytes of one ticker, which an error says where they do not fit into nothing.
fn estimate(batches: folio_core::Result<Batches>) -> usize {
    match batches {
        Err(Error::MemoryLimit { need_bytes, .. }) => need_bytes,
        other => panic!("no forecast fits into nothing: {other:?}"),
    }
}

fn compare(name: &str, estimate: usize, work: impl FnOnce()) {
    let peak = peak(work);
    println!("{name}: {} of {} kB", peak >> 10, estimate >> 10);
    assert!(peak <= estimate, "{name} takes {peak} bytes, {estimate} were estimated");
}

#[test]
fn no_forecast_takes_more_than_was_estimated() {
    let cancel = Cancel::default();
    for (days, models, horizon) in [(1000, &[][..], 21), (1000, &QUICK[..], 252), (8000, &QUICK[..], 21)] {
        let request: Request = request(models, horizon);
        let needed = estimate(Batches::new(&walk(days), 1, &request, 1, 0));
        compare(&format!("{horizon} steps from {days} days"), needed, || {
            forecast(walk(days), &request, &Inline, &cancel).unwrap();
        });
    }
    for (origins, refit_every, horizon) in [(30, 1, 21), (30, 10, 252), (200, 1, 63)] {
        let window = FitWindow::Expanding;
        let schedule = Schedule { origins, stride: Some(5), gap: 0, refit_every, window, history: 4000 };
        let evaluation = Evaluation::new(request(&QUICK, horizon), &schedule).unwrap();
        let needed = estimate(Batches::of_evaluation(&walk(4000), 1, &evaluation, 1, 0));
        compare(&format!("{origins} origins of {horizon} steps"), needed, || {
            evaluate(walk(4000), &evaluation, &Inline, &cancel).unwrap();
        });
    }
}
