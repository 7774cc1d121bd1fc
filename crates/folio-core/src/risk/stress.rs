//! What given weights would lose in a scenario: a stretch of the past, or given shocks and what the others then do.
//!
//! Weights are held through the scenario, so that the portfolio changes by the sum of weight times change.

use std::collections::BTreeMap;

use jiff::civil::Date;
use ndarray::Array1;
use serde_json::Value;

use super::weights::Weights;
use crate::panel::{ReturnPanel, Timestamp};
use crate::portfolio::conditional::conditional_mean;
use crate::portfolio::covariance::CovarianceMethod;
use crate::rate::{self, Kind};
use crate::task::Cancel;
use crate::{Result, input, work};

/// What a scenario may be.
const EXPECTED: &str =
    "{\"from\": \"2020-02-19\", \"to\": \"2020-03-23\"} or {\"shocks\": {\"AAPL\": \"-20 %\"}}";

/// What happens.
#[derive(Debug, Clone, PartialEq)]
enum Scenario {
    /// From the last prices on or before the first day to those on or before the last.
    Past { from: Date, to: Date },
    /// Changes of prices by ticker.
    Shocks(BTreeMap<String, f64>),
}

/// A validated request.
#[derive(Debug, Clone)]
pub struct Stress {
    weights: Weights,
    scenario: Scenario,
    covariance: CovarianceMethod,
}

/// What a scenario does to a ticker, or to all.
#[derive(Debug, Clone, PartialEq)]
pub struct Stressed {
    /// The ticker; None for the whole.
    pub ticker: Option<String>,
    /// Its weight; the sum of all.
    pub weight: f64,
    /// By what share its price changes; the value of the whole.
    pub change: f64,
    /// Weight times change.
    pub contribution: f64,
    /// The lowest change on the way, of the past.
    pub lowest: Option<f64>,
    /// `past`, `given` or `implied`.
    pub origin: &'static str,
    /// The first and the last time of the past.
    pub times: Option<[Timestamp; 2]>,
}

impl Stress {
    /// Weights in a scenario; the covariance says what others do where some are given.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`], [`crate::Error::UnknownName`].
    pub fn new(weights: &Value, scenario: &Value, covariance: CovarianceMethod) -> Result<Stress> {
        let weights = Weights::from_json(weights)?;
        Ok(Stress { weights, scenario: Scenario::from_json(scenario)?, covariance })
    }

    /// The tickers whose prices it needs, by name.
    pub fn tickers(&self) -> Vec<String> {
        let mut tickers = self.weights.tickers();
        if let Scenario::Shocks(shocks) = &self.scenario {
            tickers.extend(shocks.keys().cloned());
            tickers.sort_unstable();
            tickers.dedup();
        }
        tickers
    }

    /// Whether it is a stretch of the past, which may lie before the newest prices of a history.
    pub fn is_past(&self) -> bool {
        matches!(self.scenario, Scenario::Past { .. })
    }

    /// The whole first, then each ticker.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] where the prices do not reach the scenario or its shocks say too much, and those of the
    /// covariance.
    pub fn rows(&self, panel: &ReturnPanel, cancel: &Cancel) -> Result<Vec<Stressed>> {
        let weights = self.weights.of(panel.tickers());
        match &self.scenario {
            Scenario::Past { from, to } => past(&weights, [*from, *to], panel, cancel),
            Scenario::Shocks(shocks) => self.shocked(&weights, shocks, panel, cancel),
        }
    }

    fn shocked(
        &self,
        weights: &Array1<f64>,
        shocks: &BTreeMap<String, f64>,
        panel: &ReturnPanel,
        cancel: &Cancel,
    ) -> Result<Vec<Stressed>> {
        let covariance = self.covariance.estimate(panel, cancel)?;
        let place = |(ticker, shock): (&String, &f64)| Ok((covariance.universe().position(ticker)?, *shock));
        let given: BTreeMap<usize, f64> = shocks.iter().map(place).collect::<Result<_>>()?;
        let changes = conditional_mean(&covariance, &given, cancel)?.ok_or_else(|| {
            let named = input::listed(&shocks.keys().cloned().collect::<Vec<_>>());
            let expected =
                "shocks of tickers that move, each by itself: others follow from a singular covariance";
            input::invalid("scenario", format!("shocks of {named}"), expected)
        })?;
        // A linear rule knows no end; a price does.
        let changes = changes.mapv(|change| change.max(-1.0));
        let origin = |i: usize| if given.contains_key(&i) { "given" } else { "implied" };
        let row = |i: usize| Stressed {
            ticker: Some(panel.tickers()[i].clone()),
            weight: weights[i],
            change: changes[i],
            contribution: weights[i] * changes[i],
            lowest: None,
            origin: origin(i),
            times: None,
        };
        let rows: Vec<Stressed> = (0..weights.len()).map(row).collect();
        let origin = if given.len() == weights.len() { "given" } else { "implied" };
        Ok(with_whole(rows, origin, None, None))
    }
}

impl Scenario {
    fn from_json(scenario: &Value) -> Result<Scenario> {
        let keys = input::object("scenario", scenario, EXPECTED)?;
        input::only_keys("key of scenario", keys, &["from", "to", "shocks"])?;
        let date = |value: &Value| {
            let parsed = value.as_str().and_then(|text| text.trim().parse::<Date>().ok());
            parsed.ok_or_else(|| input::invalid("scenario", value, "a day like \"2020-02-19\""))
        };
        match (keys.get("from"), keys.get("to"), keys.get("shocks")) {
            (Some(from), Some(to), None) => {
                let [from, to] = [date(from)?, date(to)?];
                if from >= to {
                    let given = format!("from {from} to {to}");
                    return Err(input::invalid("scenario", given, "a first day before the last"));
                }
                Ok(Scenario::Past { from, to })
            }
            (None, None, Some(shocks)) => {
                let shocks = rate::by_name("scenario", Kind::Return, shocks)?;
                if shocks.is_empty() {
                    return Err(input::invalid("scenario", "no shock", "a shock of at least one ticker"));
                }
                if let Some((ticker, shock)) = shocks.iter().find(|(_, shock)| **shock < -1.0) {
                    let given = format!("{ticker}: {shock}");
                    return Err(input::invalid("scenario", given, "a fall by no more than all: -1 or over"));
                }
                Ok(Scenario::Shocks(shocks))
            }
            _ => Err(input::invalid("scenario", scenario, EXPECTED)),
        }
    }
}

/// What the prices did from one day to another.
fn past(
    weights: &Array1<f64>,
    [from, to]: [Date; 2],
    panel: &ReturnPanel,
    cancel: &Cancel,
) -> Result<Vec<Stressed>> {
    let epoch = jiff::civil::date(1970, 1, 1);
    let day_of = |date: Date| i64::from((date - epoch).get_days());
    let zone = panel.frequency().zone();
    let until = |date: Date| panel.days().partition_point(|ts| zone.wall(*ts).day() <= day_of(date));
    let (first, end) = (until(from), until(to));
    // A return is that since the price before, and of the first of all it is not known when that was.
    if first == 0 {
        let given =
            format!("from {from}, of prices that all tickers have from {} on", day(panel.days().first()));
        return Err(input::invalid("scenario", given, "a first day among the prices, or more history"));
    }
    if end <= first {
        let given = format!("no price after {from} up to {to}, of prices up to {}", day(panel.days().last()));
        return Err(input::invalid("scenario", given, "days on which all tickers have prices"));
    }
    let n = weights.len();
    let (mut growth, mut lowest) = (Array1::<f64>::ones(n), Array1::<f64>::zeros(n));
    let mut lowest_of_all = 0.0_f64;
    for row in work::watched(first..end, 4 * n, cancel) {
        growth *= &(&panel.returns().row(row?) + 1.0);
        lowest.zip_mut_with(&growth, |lowest, growth| *lowest = lowest.min(growth - 1.0));
        lowest_of_all = lowest_of_all.min(weights.dot(&(&growth - 1.0)));
    }
    let times = Some([panel.days()[first - 1], panel.days()[end - 1]]);
    let row = |i: usize| Stressed {
        ticker: Some(panel.tickers()[i].clone()),
        weight: weights[i],
        change: growth[i] - 1.0,
        contribution: weights[i] * (growth[i] - 1.0),
        lowest: Some(lowest[i]),
        origin: "past",
        times,
    };
    Ok(with_whole((0..n).map(row).collect(), "past", Some(lowest_of_all), times))
}

/// The rows after one of their sum.
fn with_whole(
    rows: Vec<Stressed>,
    origin: &'static str,
    lowest: Option<f64>,
    times: Option<[Timestamp; 2]>,
) -> Vec<Stressed> {
    let change = rows.iter().map(|row| row.contribution).sum();
    let weight = rows.iter().map(|row| row.weight).sum();
    let whole = Stressed { ticker: None, weight, change, contribution: change, lowest, origin, times };
    std::iter::once(whole).chain(rows).collect()
}

fn day(ts: Option<&Timestamp>) -> String {
    ts.map_or(String::new(), |ts| {
        let (year, month, day) = ts.date();
        format!("{year}-{month:02}-{day:02}")
    })
}
