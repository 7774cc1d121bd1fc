//! How good forecasts were: the measures of a set of forecasts beside what came. All errors are those of the log price.
//!
//! With the errors e of n forecasts, those of the last price e0, and of each forecast's fit the mean absolute daily
//! change q:
//!
//! ```text
//! MAE  = mean |e|            RMSE = sqrt(mean e^2)
//! MASE = mean (|e| / q)      Hyndman & Koehler, International Journal of Forecasting 22, 2006
//! relative MAE = sum |e| / sum |e0|
//! interval score = (u - l) + 2/a (l - x) where x < l, + 2/a (x - u) where x > u      for the level 1 - a;
//!                  Gneiting & Raftery, Journal of the American Statistical Association 102, 2007, formula 43
//! ```
//!
//! The statistic of Diebold & Mariano (Journal of Business & Economic Statistics 13, 1995) is that of the differences
//! d = |e| - |e0| over tickers i and dates t. Forecasts of one day share that day's news, so the sums of a date,
//! h(t) = sum over i of (d(i, t) - mean d), are what varies (Driscoll & Kraay, Review of Economics and Statistics 80,
//! 1998); where forecasts overlap, L dates after a date still share outcomes with it, and their covariances count with
//! Bartlett's weights (Newey & West, Econometrica 55, 1987):
//!
//! ```text
//! S = sum h(t)^2 + 2 sum over l = 1 .. L of (1 - l / (L + 1)) sum h(t) h(t - l)
//! DM = mean d / sqrt(S / N^2  T / (T - 1))      against Student's t with T - 1 degrees of freedom
//! ```
//!
//! N being the number of forecasts and T that of dates. Under zero the forecasts are better than the last price.

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::model::MODELS;
use crate::price::Timestamp;
use crate::task::{Cancel, Cancelled};
use crate::work;

/// The levels whose intervals an evaluation judges.
pub const EVALUATED_LEVELS: [f64; 2] = [0.8, 0.95];

/// Units of [`work`] for a forecast that is counted in.
const COUNTED: usize = 100;

/// With fewer dates than this there is no statistic of Diebold and Mariano: their variance is unknown.
const MIN_DATES: usize = 3;

/// A forecast of one model at one step, beside what came. All prices are logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The model's name, or `ensemble`.
    pub model: &'static str,
    /// The time of the last price that the forecast read.
    pub origin: Timestamp,
    /// Trading days ahead.
    pub step: usize,
    /// The last price that the forecast read.
    pub last: f64,
    /// What was forecast.
    pub forecast: f64,
    /// The half-widths of its intervals, at [`EVALUATED_LEVELS`].
    pub half_widths: [f64; 2],
    /// What came.
    pub actual: f64,
    /// The mean absolute daily change over the prices that the models were fitted to.
    pub scale: f64,
    /// The weight in the ensemble.
    pub weight: f64,
    /// The validated error relative to the last price's, as the ensemble knew it when it forecast.
    pub validated_mae: Option<f64>,
}

impl Scored {
    fn error(&self) -> f64 {
        self.actual - self.forecast
    }

    fn error_of_last_price(&self) -> f64 {
        self.actual - self.last
    }

    /// Whether the sign of the change was right; None where no change was forecast or none came.
    fn direction(&self) -> Option<bool> {
        let (forecast, actual) = (self.forecast - self.last, self.actual - self.last);
        (forecast != 0.0 && actual != 0.0).then_some((forecast > 0.0) == (actual > 0.0))
    }
}

/// The measures of a set of forecasts, none of them kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    count: usize,
    absolute: f64,
    squared: f64,
    of_last_price: f64,
    /// The sum of |e| / q and the count of those with a q over zero.
    scaled: (f64, usize),
    /// The forecasts with the right direction and those that have one.
    directions: (usize, usize),
    inside: [usize; 2],
    widths: [f64; 2],
    interval_scores: [f64; 2],
}

impl Metrics {
    /// Counts a forecast in.
    pub fn add(&mut self, scored: &Scored) {
        let error = scored.error();
        self.count += 1;
        self.absolute += error.abs();
        self.squared += error * error;
        self.of_last_price += scored.error_of_last_price().abs();
        if scored.scale > 0.0 {
            self.scaled.0 += error.abs() / scored.scale;
            self.scaled.1 += 1;
        }
        if let Some(right) = scored.direction() {
            self.directions.0 += usize::from(right);
            self.directions.1 += 1;
        }
        for (index, level) in EVALUATED_LEVELS.into_iter().enumerate() {
            let half_width = scored.half_widths[index];
            let outside = (error.abs() - half_width).max(0.0);
            self.inside[index] += usize::from(outside == 0.0);
            self.widths[index] += 2.0 * half_width;
            self.interval_scores[index] += 2.0 * half_width + 2.0 / (1.0 - level) * outside;
        }
    }

    /// How many forecasts there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean absolute error.
    pub fn mae(&self) -> f64 {
        self.absolute / self.count as f64
    }

    /// The root mean squared error.
    pub fn rmse(&self) -> f64 {
        (self.squared / self.count as f64).sqrt()
    }

    /// The mean absolute scaled error; None where no price that was fitted to ever moved.
    pub fn mase(&self) -> Option<f64> {
        (self.scaled.1 > 0).then(|| self.scaled.0 / self.scaled.1 as f64)
    }

    /// The mean absolute error relative to the last price's; None where the last price was always right.
    pub fn relative_mae(&self) -> Option<f64> {
        (self.of_last_price > 0.0).then(|| self.absolute / self.of_last_price)
    }

    /// The share of right directions among the forecasts that have one.
    pub fn direction(&self) -> Option<f64> {
        (self.directions.1 > 0).then(|| self.directions.0 as f64 / self.directions.1 as f64)
    }

    /// The share of outcomes inside the interval of each level of [`EVALUATED_LEVELS`].
    pub fn coverage(&self) -> [f64; 2] {
        self.inside.map(|inside| inside as f64 / self.count as f64)
    }

    /// The mean width of the interval of each level.
    pub fn mean_width(&self) -> [f64; 2] {
        self.widths.map(|width| width / self.count as f64)
    }

    /// The mean interval score of each level.
    pub fn interval_score(&self) -> [f64; 2] {
        self.interval_scores.map(|score| score / self.count as f64)
    }
}

/// The differences |e| - |e0| of forecasts over many tickers and dates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Differences(BTreeMap<i64, (usize, f64)>);

/// The statistic of Diebold and Mariano, and how likely one so far from zero is if neither forecast is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DieboldMariano {
    /// Under zero: better than the last price.
    pub statistic: f64,
    /// Two-sided.
    pub p_value: f64,
}

impl Differences {
    /// Counts a forecast in.
    pub fn add(&mut self, scored: &Scored) {
        self.add_difference(scored.origin.day(), scored.error().abs() - scored.error_of_last_price().abs());
    }

    /// Counts in by how much a forecast of this day lost more than what it is compared with.
    pub(crate) fn add_difference(&mut self, day: i64, difference: f64) {
        let (count, sum) = self.0.entry(day).or_default();
        *count += 1;
        *sum += difference;
    }

    /// How many dates have forecasts.
    pub(crate) fn dates(&self) -> usize {
        self.0.len()
    }

    /// Counts in those of more forecasts.
    pub(crate) fn append(&mut self, more: Differences) {
        for (day, (count, sum)) in more.0 {
            let (all, total) = self.0.entry(day).or_default();
            *all += count;
            *total += sum;
        }
    }

    /// The statistic, where the forecasts of `overlap` dates after a date share outcomes with it; None where there are
    /// too few dates or the differences do not vary, as those of the last price itself.
    pub fn diebold_mariano(&self, overlap: usize) -> Option<DieboldMariano> {
        let dates = self.0.len();
        if dates < MIN_DATES.max(overlap + 2) {
            return None;
        }
        let count = self.0.values().map(|(count, _)| *count).sum::<usize>() as f64;
        let mean = self.0.values().map(|(_, sum)| sum).sum::<f64>() / count;
        let sums: Vec<f64> = self.0.values().map(|(count, sum)| sum - *count as f64 * mean).collect();
        work::count(dates * (overlap + 2));
        let covariance = |lag: usize| sums.iter().zip(&sums[lag..]).map(|(a, b)| a * b).sum::<f64>();
        let bartlett = |lag: usize| 1.0 - lag as f64 / (overlap + 1) as f64;
        let variance =
            covariance(0) + 2.0 * (1..=overlap).map(|lag| bartlett(lag) * covariance(lag)).sum::<f64>();
        let freedom = (dates - 1) as f64;
        let error = (variance * dates as f64 / freedom).sqrt() / count;
        let statistic = mean / error;
        if !statistic.is_finite() {
            return None;
        }
        let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
        Some(DieboldMariano { statistic, p_value: 2.0 * student.cdf(-statistic.abs()) })
    }
}

/// The measures of forecasts, by model and step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores(BTreeMap<(usize, usize), (&'static str, Metrics, Differences)>);

/// The forecasts of one model at one step.
#[derive(Debug, Clone, Copy)]
pub struct Score<'a> {
    /// The model's name, or `ensemble`.
    pub model: &'static str,
    /// Trading days ahead.
    pub step: usize,
    /// How good they were.
    pub metrics: &'a Metrics,
    /// How they differ from the last price.
    pub differences: &'a Differences,
}

impl Scores {
    /// Counts forecasts in.
    pub(super) fn add_all(&mut self, all: &[Scored], cancel: &Cancel) -> Result<(), Cancelled> {
        work::watched(all, COUNTED, cancel).try_for_each(|scored| {
            self.add(scored?);
            Ok(())
        })
    }

    /// Counts a forecast in.
    pub fn add(&mut self, scored: &Scored) {
        let order = MODELS.iter().position(|model| model.name() == scored.model);
        let key = (order.map_or(0, |index| index + 1), scored.step);
        let (_, metrics, differences) =
            self.0.entry(key).or_insert_with(|| (scored.model, Metrics::default(), Differences::default()));
        metrics.add(scored);
        differences.add(scored);
    }

    /// The ensemble first, then the models in the order of [`MODELS`], each by step.
    pub fn iter(&self) -> impl Iterator<Item = Score<'_>> {
        self.0.iter().map(|(&(_, step), (model, metrics, differences))| Score {
            model,
            step,
            metrics,
            differences,
        })
    }
}

/// How many dates after one have forecasts that share outcomes with it, at this step.
pub fn overlap(step: usize, stride: usize) -> usize {
    step.div_ceil(stride) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn scored(day: i64, forecast: f64, actual: f64) -> Scored {
        Scored {
            model: "drift",
            origin: Timestamp(day * DAY),
            step: 1,
            last: 1.0,
            forecast,
            half_widths: [0.1, 0.25],
            actual,
            scale: 0.05,
            weight: 0.5,
            validated_mae: None,
        }
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    /// Errors of 0.1, -0.2, 0.3 and 0; those of the last price 0.2, -0.1, 0.4 and 0.
    fn four() -> [Scored; 4] {
        [scored(1, 1.1, 1.2), scored(2, 1.1, 0.9), scored(3, 1.1, 1.4), scored(4, 1.0, 1.0)]
    }

    #[test]
    fn measures_are_those_of_a_sum_by_hand() {
        let mut metrics = Metrics::default();
        four().iter().for_each(|scored| metrics.add(scored));
        assert_eq!(metrics.count(), 4);
        near(metrics.mae(), 0.6 / 4.0);
        near(metrics.rmse(), (0.14_f64 / 4.0).sqrt());
        near(metrics.mase().unwrap(), 0.6 / 4.0 / 0.05);
        near(metrics.relative_mae().unwrap(), 0.6 / 0.7);
        // Up twice rightly and once wrongly; the fourth neither says nor does anything.
        near(metrics.direction().unwrap(), 2.0 / 3.0);
        let coverage = metrics.coverage();
        // 1.2 - 1.1 is not quite 0.1; whichever side rounding puts it on, half or a quarter of the bounds of 0.1 hold.
        assert!([0.25, 0.5].contains(&coverage[0]) && coverage[1] == 0.75, "{coverage:?}");
        near(metrics.mean_width()[0], 0.2);
        near(metrics.mean_width()[1], 0.5);
        // At 80 % each unit outside costs 10, at 95 % 40: outside by 0.1 and 0.2, and by 0.05.
        near(metrics.interval_score()[0], 0.2 + 10.0 * 0.3 / 4.0);
        near(metrics.interval_score()[1], 0.5 + 40.0 * 0.05 / 4.0);
    }

    #[test]
    fn what_cannot_be_said_is_not() {
        let mut metrics = Metrics::default();
        metrics.add(&Scored { scale: 0.0, ..scored(1, 1.0, 1.0) });
        assert_eq!((metrics.mase(), metrics.relative_mae(), metrics.direction()), (None, None, None));
    }

    #[test]
    fn diebold_and_mariano_by_hand() {
        let statistic = |rows: &[(i64, f64, f64)], overlap: usize| {
            let mut differences = Differences::default();
            rows.iter().for_each(|&(day, forecast, actual)| differences.add(&scored(day, forecast, actual)));
            differences.diebold_mariano(overlap)
        };
        // |e| - |e0| of a date: -0.1; 0.1; -0.1 and 0.1 (two tickers); -0.1.
        let rows = [(1, 1.1, 1.2), (2, 1.1, 0.9), (3, 1.1, 1.4), (3, 1.1, 0.6), (4, 1.1, 1.2)];
        // Mean -0.02; sums less the mean -0.08, 0.12, 0.04, -0.08; their squares sum to 0.0288.
        let expected = -0.02 / (0.0288_f64 * 4.0 / 3.0).sqrt() * 5.0;
        let simple = statistic(&rows, 0).unwrap();
        near(simple.statistic, expected);
        // Products of neighbours: -0.0096 + 0.0048 - 0.0032 = -0.008, at half weight twice.
        let expected = -0.02 / (0.0208_f64 * 4.0 / 3.0).sqrt() * 5.0;
        near(statistic(&rows, 1).unwrap().statistic, expected);
        // Student's t with 3 degrees of freedom: P(|t| > x) = 1 - 2/pi (x/sqrt3 / (1 + x^2/3) + atan(x/sqrt3)).
        let x = simple.statistic.abs() / 3.0_f64.sqrt();
        let p = 1.0 - std::f64::consts::FRAC_2_PI * (x / (1.0 + x * x) + x.atan());
        assert!((simple.p_value - p).abs() < 1e-9);
        assert_eq!(statistic(&rows[..2], 0), None, "two dates have no variance to speak of");
        assert_eq!(statistic(&rows, 3), None, "all dates overlap");
        let last_price = [(1, 1.0, 1.2), (2, 1.0, 0.9), (3, 1.0, 1.4)];
        assert_eq!(statistic(&last_price, 0), None);
    }

    #[test]
    fn forecasts_overlap_where_they_reach_past_the_next_origin() {
        assert_eq!([overlap(1, 21), overlap(21, 21), overlap(22, 21), overlap(5, 1)], [0, 0, 1, 4]);
    }
}
