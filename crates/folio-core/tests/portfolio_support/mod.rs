//! What the portfolio tests share: the prices, the golden files, comparisons.
#![allow(dead_code)]

use folio_core::panel::{PricePanel, PriceRow, ReturnPanel, Series, Timestamp};
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::portfolio::market::Prior;
use folio_core::portfolio::objective::Constraints;
use folio_core::portfolio::objective::{OBJECTIVES, Objective, by_name};
use folio_core::portfolio::request::Request;
use folio_core::task::Seed;
use ndarray::{Array, Array1, Array2, Dimension};
use rand_core::Rng;
use serde_json::{Value, json};

/// The twenty tickers of `golden/prices.csv`.
pub const TICKERS: [&str; 20] = [
    "AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO", "LLY", "MRK", "MSFT", "PEP", "PFE",
    "PG", "RRC", "UNH", "WMT", "XOM",
];

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

fn series(text: &str) -> Vec<Series> {
    let mut lines = text.lines();
    let tickers: Vec<&str> = lines.next().unwrap().split(',').skip(1).collect();
    let mut columns = vec![Vec::new(); tickers.len()];
    for line in lines {
        let mut fields = line.split(',');
        let date: jiff::civil::Date = fields.next().unwrap().parse().unwrap();
        let days = (date - jiff::civil::date(1970, 1, 1)).get_days();
        let ts = Timestamp(i64::from(days) * DAY);
        for (column, price) in columns.iter_mut().zip(fields) {
            column.push(PriceRow { ts, close: price.parse().unwrap() });
        }
    }
    tickers
        .iter()
        .zip(columns)
        .map(|(ticker, rows)| Series::new((*ticker).to_owned(), rows, usize::MAX).unwrap())
        .collect()
}

/// The prices of the twenty stocks, 1,000 days.
pub fn prices() -> Vec<Series> {
    series(include_str!("../golden/prices.csv"))
}

/// The S&P 500 on the same days.
pub fn index() -> Series {
    series(include_str!("../golden/sp500.csv")).remove(0)
}

/// Returns of the twenty stocks, in this order of tickers.
pub fn returns_of(tickers: &[&str]) -> ReturnPanel {
    let all = prices();
    let columns = tickers
        .iter()
        .map(|ticker| {
            let series = all.iter().find(|series| series.ticker() == *ticker).unwrap();
            ((*ticker).to_owned(), Ok(series.clone()))
        })
        .collect();
    ReturnPanel::aligned(&PricePanel::new(columns), 10_000, 2).unwrap()
}

/// Returns of all twenty.
pub fn returns() -> ReturnPanel {
    returns_of(&TICKERS)
}

/// The day of this number from Monday to Friday, of which 5 January 1970 is the first.
pub fn trading_day(number: usize) -> Timestamp {
    let number = number as i64;
    Timestamp((4 + number / 5 * 7 + number % 5) * DAY)
}

/// A panel of made returns: prices are their products, a day from Monday to Friday each.
pub fn panel_of(columns: &[(&str, Vec<f64>)]) -> ReturnPanel {
    let columns = columns
        .iter()
        .map(|(ticker, returns)| {
            let mut close = 100.0;
            let mut rows = vec![PriceRow { ts: trading_day(0), close }];
            for (day, value) in returns.iter().enumerate() {
                close *= 1.0 + value;
                rows.push(PriceRow { ts: trading_day(day + 1), close });
            }
            ((*ticker).to_owned(), Series::new((*ticker).to_owned(), rows, usize::MAX))
        })
        .collect();
    ReturnPanel::aligned(&PricePanel::new(columns), 10_000, 2).unwrap()
}

/// Prices of made-up assets that share a market, with more factors than one for what looks for them.
pub fn large_market(assets: usize, days: usize) -> PricePanel {
    let mut rng = Seed(7).rng();
    let mut noise = move || rng.next_u64() as f64 / u64::MAX as f64 - 0.5;
    let market: Vec<f64> = (0..=days).map(|_| 0.03 * noise()).collect();
    let column = |asset: usize| {
        let mut price = 100.0;
        let row = |(day, market): (usize, &f64)| {
            price *= (0.0003 + market * (0.5 + asset as f64 / assets as f64) + 0.05 * noise()).exp();
            PriceRow { ts: trading_day(day), close: price }
        };
        let ticker = format!("T{asset:04}");
        let rows = market.iter().enumerate().map(row).collect();
        (ticker.clone(), Series::new(ticker, rows, days + 1))
    };
    PricePanel::new((0..assets).map(column).collect())
}

/// Each objective, a limit on the tracking error, and each covariance with the cheapest objective.
pub fn every_request() -> Vec<(&'static str, Request)> {
    let objective = |objective: &&'static dyn Objective| {
        let constraints = match objective.name() {
            "efficient_risk" => json!({"target_volatility": 0.25}),
            "efficient_return" => json!({"target_return": 0.06}),
            _ => json!({}),
        };
        let constraints = Constraints::from_json(&constraints).unwrap();
        (objective.name(), Request { objective: *objective, constraints, ..Request::default() })
    };
    let covariance = |name: &'static str| {
        let covariance = CovarianceMethod::parse(name).unwrap();
        (name, Request { covariance, objective: by_name("min_volatility").unwrap(), ..Request::default() })
    };
    let covariances = [
        "sample_cov",
        "ledoit_wolf_constant_correlation",
        "ledoit_wolf_single_factor",
        "oas",
        "exp_cov(180)",
        "semicovariance",
        "denoised",
        "gerber",
        "nonlinear_shrinkage",
        "dcc",
        "dcc_nl(21)",
    ];
    let near = Constraints::from_json(&json!({ "max_tracking_error": 0.02 })).unwrap();
    let near = Request { constraints: near, prior: Some(Prior::Historical), ..Request::default() };
    OBJECTIVES
        .iter()
        .map(objective)
        .chain([("max_tracking_error", near)])
        .chain(covariances.into_iter().map(covariance))
        .collect()
}

/// A limit on leverage, which doubles the number of variables.
pub fn leveraged() -> Request {
    let limits = json!({ "max_gross": 1.5, "min_weight": -0.02, "max_weight": 0.1 });
    let constraints = Constraints::from_json(&limits).unwrap();
    Request { constraints, prior: Some(Prior::Historical), ..Request::default() }
}

/// A file of `golden/portfolio/`.
pub fn golden(name: &str) -> Value {
    let path = format!("{}/tests/golden/portfolio/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn vector(value: &Value) -> Array1<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

pub fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<Array1<f64>> = value.as_array().unwrap().iter().map(vector).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
}

/// A symmetric matrix of which the file has the lower triangle.
pub fn lower_triangle(value: &Value) -> Array2<f64> {
    let rows: Vec<Array1<f64>> = value.as_array().unwrap().iter().map(vector).collect();
    Array2::from_shape_fn((rows.len(), rows.len()), |(i, j)| rows[i.max(j)][i.min(j)])
}

/// Values by ticker, in the order of [`TICKERS`].
pub fn by_ticker(value: &Value) -> Array1<f64> {
    TICKERS.iter().map(|ticker| value[*ticker].as_f64().unwrap()).collect()
}

pub fn worst<D: Dimension>(a: &Array<f64, D>, b: &Array<f64, D>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst, d| if d.is_nan() { f64::NAN } else { worst.max(d) })
}

pub fn assert_close<D: Dimension>(a: &Array<f64, D>, b: &Array<f64, D>, tolerance: f64, what: &str) {
    let worst = worst(a, b);
    assert!(worst <= tolerance, "{what}: differs by {worst:e}");
}

/// Equal to percentages printed with one decimal place, to 0.1: the papers print rounded inputs, and drawing these
/// inside their rounding moves the outputs by more than half a digit.
pub fn assert_printed(values: &Array1<f64>, published: &Value, what: &str) {
    assert_printed_at(values, published, 0.1, what);
}

/// Equal to printed percentages to so many percentage points.
pub fn assert_printed_at(values: &Array1<f64>, published: &Value, tolerance: f64, what: &str) {
    assert_close(&(values * 100.0), &vector(published), tolerance, what);
}
