//! What was forecast against what came.

use crate::axis::{Scale, Unit};
use crate::calendar::Time;
use crate::error::drawable;
use crate::error::{Error, Result};
use crate::number::{fixed, level, percent};
use crate::options::Options;
use crate::page::{Key, Mark, Page, Plot};
use crate::palette::Role;

/// A forecast of one day, and what came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The day.
    pub time: Time,
    /// What was forecast.
    pub forecast: f64,
    /// The lower bound of the interval.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
    /// What came.
    pub actual: f64,
    /// The error of the last price as a forecast.
    pub naive_error: f64,
}

impl Outcome {
    fn is_inside(&self) -> bool {
        (self.lower..=self.upper).contains(&self.actual)
    }
}

/// Forecasts of one ticker and their outcomes.
#[derive(Debug, Clone, PartialEq)]
pub struct AccuracyChart {
    /// The ticker.
    pub ticker: String,
    /// How far ahead: one step, where all forecasts are of that step.
    pub step: Option<usize>,
    /// The level of the intervals, where all have the same.
    pub level: Option<f64>,
    /// Forecasts that are joined by a line, each rising in time: all of one step, or the path of one day each.
    pub paths: Vec<Vec<Outcome>>,
}

/// The newest of these paths that lie beside each other, in the order given: one that reaches into a newer one is cut
/// there, and left out if less than half of it remains. Paths rise in time and by their starts.
pub fn apart(paths: Vec<Vec<Outcome>>) -> Vec<Vec<Outcome>> {
    let mut kept: Vec<Vec<Outcome>> = Vec::new();
    for mut path in paths.into_iter().rev() {
        let whole = path.len();
        if let Some(next) = kept.last().and_then(|path| path.first()) {
            path.retain(|outcome| outcome.time < next.time);
        }
        if !path.is_empty() && 2 * path.len() >= whole {
            kept.push(path);
        }
    }
    kept.reverse();
    kept
}

/// A line of outcomes ends where nothing is known for this many times their usual distance.
const GAP: i64 = 7;

/// What came, once for each day, in pieces between the gaps.
fn pieces(all: &[Outcome]) -> Vec<Vec<Outcome>> {
    let mut days = all.to_vec();
    days.dedup_by_key(|outcome| outcome.time);
    let mut distances: Vec<i64> = days.windows(2).map(|pair| pair[1].time.0 - pair[0].time.0).collect();
    distances.sort_unstable();
    let usual = distances.get(distances.len() / 2).copied().unwrap_or(0);
    let near = |a: &Outcome, b: &Outcome| b.time.0 - a.time.0 <= GAP.saturating_mul(usual);
    days.chunk_by(near).map(<[Outcome]>::to_vec).collect()
}

/// How good the forecasts were.
struct Quality {
    count: usize,
    inside: usize,
    /// The mean absolute error, as a share of what came.
    error: f64,
    /// The mean absolute error over the last price's.
    relative: Option<f64>,
}

impl AccuracyChart {
    /// Draws it.
    ///
    /// # Errors
    /// [`Error::Empty`] without an outcome; [`Error::NotDrawable`].
    pub fn svg(&self, options: Options) -> Result<String> {
        let mut all: Vec<Outcome> = self.paths.iter().flatten().copied().collect();
        all.sort_by_key(|outcome| outcome.time);
        let (Some(first), Some(last)) = (all.first(), all.last()) else {
            return Err(Error::Empty { what: "outcomes" });
        };
        for outcome in &all {
            let Outcome { forecast, lower, upper, actual, naive_error, .. } = *outcome;
            for value in [forecast, lower, upper, actual, naive_error] {
                drawable("a forecast or its outcome", value)?;
            }
        }
        let quality = quality(&all);
        let (title, subtitle) =
            (format!("{}: forecast against outcome", self.ticker), self.subtitle(&quality));
        let interval =
            self.level.map_or_else(|| "Interval".to_owned(), |share| format!("{} interval", level(share)));
        let keys = vec![
            Key::new(Mark::Line(Role::Actual), "Outcome"),
            Key::new(Mark::Line(Role::Forecast), "Forecast"),
            Key::new(Mark::Area(Role::Band(1)), interval),
            Key::new(Mark::Triangle(Role::Alert), "Outcome outside of it"),
        ];
        let dates = format!("from {} to {}", first.time.long(), last.time.long());
        let description = format!("Line chart of {} {dates}. {subtitle}", self.ticker);
        let page = Page::new(options, &title, &subtitle, keys, &description);
        let values = all.iter().flat_map(|o| [o.forecast, o.lower, o.upper, o.actual]);
        let scales = (
            Scale::tight(Unit::Time, all.iter().map(|outcome| outcome.time.as_f64())),
            Scale::of(Unit::Amount, values),
        );
        page.svg(scales, &[], |plot| self.draw(plot, &all))
    }

    fn subtitle(&self, quality: &Quality) -> String {
        let what = match self.step {
            Some(1) => "1 trading day ahead".to_owned(),
            Some(step) => format!("{step} trading days ahead"),
            None => match self.paths.len() {
                1 => "1 forecast".to_owned(),
                count => format!("{count} forecasts"),
            },
        };
        let share = percent(quality.inside as f64 / quality.count as f64, 0);
        let meant = self.level.map(|share| format!(", meant: {}", level(share))).unwrap_or_default();
        let outcomes = if quality.count == 1 { "outcome" } else { "outcomes" };
        let relative = quality.relative.map(|ratio| format!(", {} of the last price's", fixed(ratio, 2)));
        format!(
            "{what}: {share} of {} {outcomes} inside the interval{meant}. Mean error {}{}.",
            quality.count,
            percent(quality.error, 1),
            relative.unwrap_or_default()
        )
    }

    fn draw(&self, plot: &Plot<'_>, all: &[Outcome]) -> Result<()> {
        let line = |path: &[Outcome], value: &dyn Fn(&Outcome) -> f64| -> Vec<(f64, f64)> {
            path.iter().map(|outcome| (outcome.time.as_f64(), value(outcome))).collect()
        };
        for path in &self.paths {
            let (upper, lower) = (line(path, &|o| o.upper), line(path, &|o| o.lower));
            plot.area(&upper, &lower, Role::Band(1))?;
            if let [outcome] = path.as_slice() {
                let x = outcome.time.as_f64();
                plot.line(vec![(x, outcome.lower), (x, outcome.upper)], Role::Band(1), 8.0)?;
                plot.point(Mark::Dot(Role::Forecast), (x, outcome.forecast), 3.0)?;
            }
        }
        for path in &self.paths {
            plot.line(line(path, &|o| o.forecast), Role::Forecast, 2.0)?;
        }
        for piece in pieces(all) {
            let actual = line(&piece, &|o| o.actual);
            if let [alone] = actual.as_slice() {
                plot.point(Mark::Dot(Role::Actual), *alone, 3.0)?;
            }
            plot.line(actual, Role::Actual, 1.8)?;
        }
        for outcome in all.iter().filter(|outcome| !outcome.is_inside()) {
            let at = (outcome.time.as_f64(), outcome.actual);
            plot.point(Mark::Triangle(Role::Alert), at, 0.3 * plot.pen.font)?;
        }
        Ok(())
    }
}

fn quality(all: &[Outcome]) -> Quality {
    let count = all.len();
    let sum = |value: &dyn Fn(&Outcome) -> f64| all.iter().map(value).sum::<f64>();
    let naive = sum(&|outcome| outcome.naive_error.abs());
    let own = sum(&|outcome| (outcome.forecast - outcome.actual).abs());
    let relative_error = |outcome: &Outcome| ((outcome.forecast - outcome.actual) / outcome.actual).abs();
    Quality {
        count,
        inside: all.iter().filter(|outcome| outcome.is_inside()).count(),
        error: sum(&relative_error) / count as f64,
        relative: (naive > 0.0).then(|| own / naive),
    }
}
