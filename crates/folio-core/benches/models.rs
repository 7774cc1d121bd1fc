//! Every model on one real series of 1,000 days: a fit, and forecasts from 100 origins; then the whole ensemble.

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::time::Duration;

use common::{log_prices, series, task};
use criterion::{Criterion, criterion_group, criterion_main};
use folio_core::forecast::{Horizon, Level, ModelSet, Request, SeasonLengths, forecast};
use folio_core::model::MODELS;
use folio_core::panel::PricePanel;
use folio_core::task::{Cancel, Inline, Seed};

const HORIZON: usize = 21;

fn models(criterion: &mut Criterion) {
    let (_, y) = log_prices().swap_remove(0);
    let origins: Vec<usize> = (y.len() - 99..=y.len()).collect();
    for model in MODELS {
        let mut group = criterion.benchmark_group(model.name());
        group.sample_size(10);
        group
            .bench_function("fit", |bench| bench.iter(|| model.fit(black_box(&y), HORIZON, &task()).is_ok()));
        let fitted = model.fit(&y, HORIZON, &task()).expect("a real series can be fitted");
        group.bench_function("forecast from 100 origins", |bench| {
            bench.iter(|| fitted.forecast(black_box(&y), &origins, HORIZON, &task()).map(|paths| paths.len()))
        });
    }
}

fn ensemble(criterion: &mut Criterion) {
    let panel = PricePanel::new(vec![series("AAPL")]);
    let request = Request {
        horizon: Horizon::new(HORIZON as i64).expect("a valid horizon"),
        levels: vec![Level::new(0.8).expect("a valid level")],
        models: ModelSet::all(),
        season_lengths: SeasonLengths::default(),
        seed: Seed(1),
        clock: || Duration::ZERO,
    };
    let mut group = criterion.benchmark_group("ensemble");
    group.sample_size(10);
    group.bench_function("one ticker", |bench| {
        bench.iter(|| {
            forecast(panel.clone(), &request, &Inline, &Cancel::default()).map(|reports| reports.len())
        })
    });
}

criterion_group!(benches, models, ensemble);
criterion_main!(benches);
