//! The computations whose looks at the cancel flag are counted by `tests/cancel.rs` and timed by `benches/looks.rs`.

#[path = "../common/mod.rs"]
mod common;
#[path = "../portfolio_support/mod.rs"]
mod portfolio_support;

use std::collections::BTreeMap;
use std::time::Duration;

use folio_core::forecast::{
    self, Evaluation, FitWindow, Horizon, Level, Schedule, Summary, evaluate, forecast, measure,
};
use folio_core::frequency::PeriodsPerYear;
use folio_core::model::{MODELS, Model};
use folio_core::panel::{PricePanel, PriceRow, ReturnPanel, Series, Timestamp};
use folio_core::portfolio::alignment::Alignment;
use folio_core::portfolio::allocation::{Method, discrete_allocation};
use folio_core::portfolio::objective::{Constraints, by_name};
use folio_core::portfolio::request::{
    Request, black_litterman, efficient_frontier, optimize_portfolio, risk_map,
};
use folio_core::portfolio::universe::Universe;
use folio_core::price_report::price_reports;
use folio_core::risk::{self, Bars};
use folio_core::task::{Cancel, Inline, Seed, Task};
use portfolio_support::{every_request, large_market, leveraged};
use serde_json::json;

/// Assets of the largest portfolios that the promise is made for, and their days.
const ASSETS: usize = 500;
const DAYS: usize = 750;

/// Something that takes a while.
pub struct Computation {
    pub name: String,
    pub run: Box<dyn Fn(&Cancel)>,
}

fn computation(name: impl Into<String>, run: impl Fn(&Cancel) + 'static) -> Computation {
    Computation { name: name.into(), run: Box::new(run) }
}

/// All of them.
pub fn computations() -> Vec<Computation> {
    let models = MODELS.iter().map(|model| of_model(*model));
    models
        .chain([of_many_tickers(), of_a_long_series(), of_an_evaluation(), of_volatilities()])
        .chain([of_prices_in_no_order(), of_tails()])
        .chain(of_portfolios())
        .chain(of_shares())
        .collect()
}

fn of_model(model: &'static dyn Model) -> Computation {
    let (_, y) = common::log_prices().swap_remove(0);
    computation(model.name(), move |cancel| {
        let origins: Vec<usize> = (y.len() - 120..=y.len()).collect();
        let task = Task { cancel: cancel.clone(), seed: Seed(1) };
        let fitted = model.fit(&y, 21, &task).expect("a real series");
        fitted.forecast(&y, &origins, 21, &task).expect("its forecasts");
    })
}

/// So many tickers, and so far, that combining the models takes as long as they do.
fn of_many_tickers() -> Computation {
    let panel = large_market(200, 300);
    computation("forecast", move |cancel| {
        let request = common::request(&["naive", "drift"], 252);
        let all = forecast(panel.clone(), &request, &Inline, cancel).expect("forecasts");
        assert_eq!(all.len(), 200);
    })
}

/// Tails of so many days that each loop over them is long.
fn of_tails() -> Computation {
    let returns = ReturnPanel::aligned(&large_market(2, 30_000), 30_000, 2).expect("returns");
    let weights = returns.tickers().iter().map(|ticker| (ticker.clone(), json!(0.5)));
    let weights = serde_json::Value::Object(weights.collect());
    computation("value at risk", move |cancel| {
        let request = risk::TailRequest::new(&weights, 0.95, 252, None).expect("a request");
        let rows = request.rows(&returns, cancel).expect("rows");
        assert!(rows.iter().all(|row| row.outcome.is_ok()), "{rows:?}");
    })
}

/// So many prices that each loop over them is long.
fn of_a_long_series() -> Computation {
    let panel = large_market(1, 30_000);
    computation("forecast, a long series", move |cancel| {
        let levels = [0.5, 0.8, 0.95].map(|level| Level::new(level).expect("a level"));
        let request = forecast::Request { levels: levels.to_vec(), ..common::request(&["naive"], 252) };
        let reports = forecast(panel.clone(), &request, &Inline, cancel).expect("forecasts");
        assert!(reports[0].outcome.is_ok());
    })
}

/// So many prices of one ticker, in no order, that each loop over them is long: two years of minutes, all of them jumps.
fn of_prices_in_no_order() -> Computation {
    let minute = |i: usize| i.wrapping_mul(0x9E37_79B1) % (1 << 20);
    let row = |i: usize| PriceRow {
        ts: Timestamp(minute(i) as i64 * 60_000_000),
        close: if minute(i) % 3 == 0 { 150.0 } else { 100.0 },
    };
    let rows: Vec<PriceRow> = (0..1 << 20).map(row).collect();
    computation("prices in no order, and their report", move |cancel| {
        let name = || "A".to_owned();
        Series::in_zone(name(), rows.clone(), usize::MAX, None, cancel).expect("good prices");
        let reports = price_reports(vec![(name(), rows.clone())], usize::MAX, None, cancel);
        assert_eq!(reports.expect("a report")[0].rows, rows.len());
    })
}

/// Many forecasts beside what came, and their measures.
fn of_an_evaluation() -> Computation {
    let panel = large_market(2, 1_500);
    computation("evaluate", move |cancel| {
        let schedule = Schedule {
            origins: 100,
            stride: Some(1),
            gap: 0,
            refit_every: 100,
            window: FitWindow::Rolling,
            history: 300,
        };
        let request = common::request(&["naive", "drift", "theta"], 252);
        let evaluation = Evaluation::new(request, &schedule).expect("a schedule");
        let all = evaluate(panel.clone(), &evaluation, &Inline, cancel).expect("records");
        measure(all.clone(), &Inline, cancel).expect("measures");
        let summary = Summary::default().with(all, &Inline, cancel).expect("a summary");
        assert!(summary.diebold_mariano(1, &Inline, cancel).is_ok());
    })
}

/// The volatility of a long series, and a long evaluation.
fn of_volatilities() -> Computation {
    let bars = |days: usize| Bars::of(large_market(1, days));
    let (long, past) = (bars(30_000), bars(2_000));
    computation("forecast_volatility, evaluated", move |cancel| {
        let request = risk::Request {
            horizon: Horizon::new(252).expect("steps"),
            level: Level::new(0.8).expect("a level"),
            models: risk::ModelSet::all(),
            periods: PeriodsPerYear::default(),
            clock: || Duration::ZERO,
        };
        let reports = risk::forecast(long.clone(), &request, &Inline, cancel).expect("forecasts");
        assert!(reports[0].outcome.is_ok());
        let schedule = risk::Schedule { origins: 100, stride: Some(5), refit_every: 20, history: 500 };
        let evaluation = risk::Evaluation::new(request, &schedule).expect("a schedule");
        let summary = risk::evaluate(past.clone(), &evaluation, risk::Summary::default(), &Inline, cancel);
        assert!(!summary.expect("measures").rows(5, cancel).expect("rows").is_empty());
    })
}

/// A market of which a third is listed late, each ticker on another day.
fn unequal_market() -> PricePanel {
    let late = |(place, (ticker, series)): (usize, (String, folio_core::Result<Series>))| {
        let series = series.expect("prices");
        let rows = series.ts().iter().zip(series.close()).map(|(&ts, &close)| PriceRow { ts, close });
        let rows = rows.skip(if place % 3 == 0 { DAYS / 2 + place % 100 } else { 0 }).collect();
        (ticker.clone(), Series::new(ticker, rows, usize::MAX))
    };
    PricePanel::new(large_market(ASSETS, DAYS).into_columns().into_iter().enumerate().map(late).collect())
}

fn of_portfolios() -> Vec<Computation> {
    fn of(name: &str, run: impl Fn(&ReturnPanel, &Cancel) + 'static, market: &PricePanel) -> Computation {
        let returns = ReturnPanel::aligned(market, DAYS, 2).expect("returns");
        computation(name, move |cancel| run(&returns, cancel))
    }
    let market = large_market(ASSETS, DAYS);
    let optimised = |(name, request): (&str, Request)| {
        let run = move |returns: &ReturnPanel, cancel: &Cancel| {
            optimize_portfolio(&request, returns, cancel).expect("a portfolio");
        };
        of(name, run, &market)
    };
    let added = [("max_gross", leveraged()), ("min_cvar, max_tracking_error", tail_near_the_benchmark())];
    let requests = every_request().into_iter().chain(added);
    let mut all: Vec<Computation> = requests.map(optimised).collect();
    let unequal = unequal_market();
    all.push(computation("alignment", move |cancel| {
        for alignment in [Alignment::All, Alignment::Common] {
            let (_, differing) = alignment.returns(&unequal, DAYS, 2, cancel).expect("returns");
            assert!(differing.is_some());
        }
    }));
    let request = Request::default;
    all.push(of(
        "black_litterman",
        move |r, c| drop(black_litterman(&request(), r, c).expect("a posterior")),
        &market,
    ));
    all.push(of(
        "efficient_frontier",
        move |r, c| drop(efficient_frontier(&request(), r, 20, c).expect("points")),
        &market,
    ));
    all.push(of("risk_map", move |r, c| drop(risk_map(&request(), r, 20, c).expect("a map")), &market));
    all
}

/// The largest cone: the root of the covariance is a dense block of as many rows as tickers.
fn tail_near_the_benchmark() -> Request {
    let constraints = Constraints::from_json(&json!({ "max_tracking_error": 0.02 })).expect("a limit");
    let objective = by_name("min_cvar").expect("an objective");
    Request { objective, constraints, ..Request::default() }
}

fn of_shares() -> Vec<Computation> {
    let of_method = |(name, method): (&str, Method)| {
        computation(name, move |cancel| {
            let names: Vec<String> = (0..ASSETS).map(|i| format!("T{i:04}")).collect();
            let weights = names.iter().cloned().zip((0..ASSETS).map(|i| 0.001 + i as f64 * 1e-6)).collect();
            let prices: BTreeMap<String, f64> =
                names.iter().cloned().zip((0..ASSETS).map(|i| 1.0 + i as f64 * 1.7 % 97.0)).collect();
            let universe = Universe::new(&names).expect("tickers");
            discrete_allocation(&universe, &weights, &prices, 1e5, method, cancel).expect("shares");
        })
    };
    [("greedy", Method::Greedy), ("exact", Method::Exact)].map(of_method).into()
}
