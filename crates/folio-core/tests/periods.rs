//! A year has as many periods as the prices' times say: the same closes are annualised by 252, 52 or 12.

use folio_core::frequency::{PeriodsPerYear, Remark, TRADING_DAYS};
use folio_core::panel::{PricePanel, PriceRow, ReturnPanel, Series, Timestamp};
use folio_core::portfolio::backtest::{Backtest, OnFailure, Rebalance, run};
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::portfolio::market::{self, RiskAversion, RiskFreeRate};
use folio_core::portfolio::objective::by_name;
use folio_core::portfolio::request::{Request, portfolio_performance};
use folio_core::portfolio::view_of_forecast::view_of_step;
use folio_core::task::{Cancel, Inline};
use serde_json::json;

mod portfolio_support;
use portfolio_support::{index, prices, trading_day};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// The first of January of this year after 1970, as a day's number.
fn new_year(year: i64) -> i64 {
    365 * year + (year + 1) / 4
}

/// The last day of month `number` since January 1970, at least until 2099.
fn month_end(number: i64) -> i64 {
    const LENGTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (year, month) = (number / 12, (number % 12) as usize);
    let leap = i64::from((year + 2) % 4 == 0 && month > 0);
    new_year(year) + LENGTHS[..=month].iter().sum::<i64>() + leap - 1
}

/// What times a kind of prices has, how it is called, and how many a year has.
type Kind = (&'static str, fn(i64) -> i64, f64);

const KINDS: [Kind; 8] = [
    ("daily", |number| trading_day(number as usize).0, TRADING_DAYS),
    ("daily", |number| number * DAY, 365.0),
    ("weekly", |number| (4 + 7 * number - 3) * DAY, 52.0),
    ("monthly", |number| month_end(number) * DAY, 12.0),
    ("quarterly", |number| month_end(3 * number + 2) * DAY, 4.0),
    ("1 hour", |number| number * HOUR, 365.0 * 24.0),
    ("4 hours", |number| number * 4 * HOUR, 365.0 * 6.0),
    // Seven bars on each trading day, 10:00 to 16:00.
    ("1 hour", |number| trading_day((number / 7) as usize).0 + (10 + number % 7) * HOUR, 7.0 * TRADING_DAYS),
];

/// The closes of the twenty stocks, each at the time of its number.
fn panel_at(times: fn(i64) -> i64) -> ReturnPanel {
    let column = |series: Series| {
        let row = |(number, &close): (i64, &f64)| PriceRow { ts: Timestamp(times(number)), close };
        let rows = (0..).zip(series.close()).map(row).collect();
        (series.ticker().to_owned(), Series::new(series.ticker().to_owned(), rows, usize::MAX))
    };
    ReturnPanel::aligned(&PricePanel::new(prices().into_iter().map(column).collect()), 10_000, 2).unwrap()
}

fn assert_near(got: f64, expected: f64, what: &str) {
    assert!((got - expected).abs() <= 1e-12 * expected.abs(), "{what}: {got} for {expected}");
}

#[test]
fn means_and_variances_are_annualised_by_what_the_times_say() {
    let cancel = Cancel::default();
    let daily = panel_at(KINDS[0].1);
    for method in [
        "ledoit_wolf",
        "sample_cov",
        "gerber",
        "semicovariance",
        "exp_cov",
        "denoised",
        "nonlinear_shrinkage",
    ] {
        let method = CovarianceMethod::parse(method).unwrap();
        let of_days = method.estimate(&daily, &cancel).unwrap();
        for (name, times, periods) in KINDS {
            let panel = panel_at(times);
            assert_eq!((panel.frequency().name().as_str(), panel.periods_per_year()), (name, periods));
            let covariance = method.estimate(&panel, &cancel).unwrap();
            for (got, of_days) in covariance.matrix().iter().zip(of_days.matrix()) {
                assert_near(*got, of_days / TRADING_DAYS * periods, name);
            }
        }
    }
    let of_days = market::historical_returns(&daily, &cancel).unwrap();
    for (name, times, periods) in KINDS {
        let of_periods = market::historical_returns(&panel_at(times), &cancel).unwrap();
        for (got, of_days) in of_periods.iter().zip(&of_days) {
            assert_near(got.ln_1p(), of_days.ln_1p() / TRADING_DAYS * periods, name);
        }
    }
}

#[test]
fn performance_and_the_price_of_risk_follow() {
    let at = |times: fn(i64) -> i64| {
        let row = |(number, &close): (i64, &f64)| PriceRow { ts: Timestamp(times(number)), close };
        Series::new("INDEX".into(), (0..).zip(index().close()).map(row).collect(), usize::MAX).unwrap()
    };
    let request = Request { prior: Some(market::Prior::Historical), ..Request::default() };
    let performance = |panel: &ReturnPanel| {
        let weights = json!({ "AAPL": 0.5, "XOM": 0.5 });
        portfolio_performance(&request, panel, &weights, None, &Cancel::default()).unwrap()
    };
    let inferred = PeriodsPerYear::default();
    let implied = |times, rate, periods| RiskAversion::implied(&at(times), rate, periods).unwrap().value();
    for (name, times, periods) in KINDS {
        let ratio = periods / TRADING_DAYS;
        // Without a risk-free rate the price of risk has no unit of time; with one that grows as the year does neither.
        assert_near(implied(times, 0.0, inferred), implied(KINDS[0].1, 0.0, inferred), name);
        if ratio < 10.0 {
            let rate = 0.02 * ratio;
            assert_near(implied(times, rate, inferred), implied(KINDS[0].1, 0.02, inferred), name);
        }
        let (got, of_days) = (performance(&panel_at(times)), performance(&panel_at(KINDS[0].1)));
        assert_near(got.volatility, of_days.volatility * ratio.sqrt(), name);
        let told = panel_at(times).with_periods(PeriodsPerYear::new(TRADING_DAYS).unwrap());
        assert_eq!(performance(&told), of_days, "told otherwise");
    }
}

#[test]
fn volatility_of_days_weeks_and_months_agrees() {
    // Every fifth and every 21st close of the same stocks.
    let volatility = |every: usize, times: fn(i64) -> i64| {
        let column = |series: Series| {
            let row = |(number, &close): (i64, &f64)| PriceRow { ts: Timestamp(times(number)), close };
            let rows = (0..).zip(series.close().iter().step_by(every)).map(row).collect();
            (series.ticker().to_owned(), Series::new(series.ticker().to_owned(), rows, usize::MAX))
        };
        let panel = PricePanel::new(prices().into_iter().map(column).collect());
        let returns = ReturnPanel::aligned(&panel, 10_000, 2).unwrap();
        CovarianceMethod::parse("sample_cov")
            .unwrap()
            .estimate(&returns, &Cancel::default())
            .unwrap()
            .volatility()
            .mean()
            .unwrap()
    };
    let days = volatility(1, KINDS[0].1);
    for (every, kind) in [(5, KINDS[2]), (21, KINDS[3])] {
        let other = volatility(every, kind.1);
        assert!((other / days - 1.0).abs() < 0.2, "{} {other}, daily {days}", kind.0);
    }
}

#[test]
fn cash_earns_by_the_year_whatever_the_bars() {
    for (name, times, periods) in KINDS {
        let returns = panel_at(times);
        let weights = json!({ "min_weight": 0.05, "max_weight": 0.05 });
        let request = Request {
            risk_free_rate: RiskFreeRate::new(0.05).unwrap(),
            objective: by_name("min_volatility").unwrap(),
            constraints: folio_core::portfolio::objective::Constraints::from_json(&weights).unwrap(),
            ..Request::default()
        };
        let test = Backtest {
            request,
            rebalance: Rebalance::Days(100),
            lookback: 60,
            transaction_cost: 0.0,
            benchmark: None,
            hold_benchmark: false,
            on_failure: OnFailure::Error,
        };
        let rows = run(test, &returns, &Inline, &Cancel::default()).unwrap().days;
        let years = (rows.len() - 1) as f64 / periods;
        assert_near(rows.last().unwrap().risk_free_value, 1.05_f64.powf(years), name);
    }
}

#[test]
fn a_view_is_annual_by_its_years() {
    let of =
        |steps: usize, periods: f64| view_of_step("A", 100.0, 101.0, 111.0, steps, periods, 0.8).unwrap();
    assert_eq!(of(1, 12.0), of(21, TRADING_DAYS));
    let annual = of(1, 12.0)["return"].as_f64().unwrap();
    let deviation = (111.0_f64 / 101.0).ln() / 1.281_551_565_544_6;
    assert_near(annual, 12.0 * (1.01_f64.ln() + deviation * deviation / 2.0), "a month");
}

#[test]
fn what_is_not_252_is_said() {
    let inferred = PeriodsPerYear::default();
    for (name, times, periods) in KINDS {
        let remark = inferred.remark(panel_at(times).frequency());
        let expected = (periods != TRADING_DAYS).then(|| Remark::Inferred(name.to_owned(), periods));
        assert_eq!(remark, expected);
    }
    // Ever longer distances, on any weekday: three quarters of a year in thirty prices, a third on Sundays at times.
    let irregular = panel_at(|number| number * number * DAY / 3);
    let Some(Remark::Counted(counted)) = inferred.remark(irregular.frequency()) else {
        panic!("{:?}", irregular.frequency())
    };
    let days = (999.0 * 999.0 / 3.0_f64).floor();
    assert!((counted / (999.0 / days * 365.2425) - 1.0).abs() < 1e-3, "{counted}");
    assert_eq!(irregular.periods_per_year(), counted);

    let told = PeriodsPerYear::new(TRADING_DAYS).unwrap();
    assert_eq!((told.remark(irregular.frequency()), told.of(irregular.frequency())), (None, TRADING_DAYS));
    for bad in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
        assert!(PeriodsPerYear::new(bad).is_err());
    }
}

#[test]
fn the_days_that_all_share_decide() {
    // A monthly fund beside a daily stock: their returns are monthly.
    let column = |ticker: &str, days: Vec<i64>| {
        let row = |(number, day): (usize, i64)| PriceRow {
            ts: Timestamp(day * DAY),
            close: 100.0 + (number as f64 * 0.7).sin(),
        };
        let rows = days.into_iter().enumerate().map(row).collect();
        (ticker.to_owned(), Series::new(ticker.to_owned(), rows, usize::MAX))
    };
    let months: Vec<i64> = (0..60).map(month_end).collect();
    let panel = PricePanel::new(vec![column("DAILY", (0..1900).collect()), column("FUND", months)]);
    let returns = ReturnPanel::aligned(&panel, 1000, 2).unwrap();
    assert_eq!((returns.days().len(), returns.periods_per_year()), (59, 12.0));
    let (_, others) = returns.without("DAILY").unwrap();
    assert_eq!((others.periods_per_year(), returns.during(5..7).periods_per_year()), (12.0, 12.0));
}
