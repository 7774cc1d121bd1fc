//! Returns of tickers whose histories differ: listed late, delisted, halted, or of another calendar.
//!
//! [`Alignment::All`] takes the times that every ticker has that is traded then. A ticker is traded from its first price to
//! its last, except in a gap of its own that is longer than `halt_after` says; when it is not traded, the times are still those
//! of its pattern. So the Saturdays of a coin are no times beside a stock, listed or not, but the years before a listing are
//! times of the others. What a ticker has no return for is completed ([`completion`]), and the caller is told which tickers
//! those are. Where all histories are equal nothing is completed, and the returns are those of [`Alignment::Common`].
//!
//! [`Alignment::Common`] takes the times that all tickers have, and says which tickers have fewest.

use ndarray::{Array2, Axis};

use super::completion;
use crate::frequency::Frequency;
use crate::panel::{self, PricePanel, ReturnPanel, Series, Timestamp};
use crate::price::MICROS_PER_DAY;
use crate::task::{Cancel, Cancelled};
use crate::work::{self, watched};
use crate::{Error, Result, input};

/// The fewest returns of its own, on times on which others have one too, that a ticker is completed from: a mean, a beta
/// and a variance have some six returns each then.
pub const MIN_OBSERVATIONS: usize = 20;

/// No exchange's holidays are longer than two weeks; Shanghai was closed for eleven days in 2020.
const LONGEST_HOLIDAYS: i64 = 14 * MICROS_PER_DAY;

/// Prices that are this many of the ticker's own usual distances apart have a halt between them, whatever its frequency.
const HALT_SPACINGS: i64 = 10;

/// The most tickers that an error names beside what they share.
const MOST_CULPRITS: usize = 5;

/// Work for a time that is compared with a ticker's, for one that is looked up in its pattern, and for one that is looked
/// for in a list.
const UNITS_OF_A_TIME: usize = 4;
const UNITS_OF_A_PATTERN: usize = 60;
const UNITS_FOUND: usize = 40;

/// Which times count where histories differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alignment {
    /// All times; what a ticker has no return for is completed.
    All,
    /// The times that all tickers have. The default: portfolios of `All` risk less where histories differ among themselves, and
    /// a little more where all that are late begin on one day, some months ago (`examples/alignment.rs`).
    #[default]
    Common,
}

/// The returns of a panel, and how its histories differ, if they do.
pub type Aligned = (ReturnPanel, Option<Differing>);

impl Alignment {
    const ALL: [(&'static str, Alignment); 2] = [("all", Alignment::All), ("common", Alignment::Common)];

    /// # Errors
    /// [`Error::UnknownName`] with the valid names.
    pub fn parse(name: &str) -> Result<Alignment> {
        input::choose("alignment", name, &Alignment::ALL)
    }

    /// The times between which the newest `history` returns lie: how much the rest takes is known from here on.
    ///
    /// # Errors
    /// A ticker's own error; [`Error::Cancelled`].
    pub fn times(self, panel: &PricePanel, history: usize, cancel: &Cancel) -> Result<Vec<Timestamp>> {
        let times = match self {
            Alignment::All => traded_times(panel.all_times(cancel)?, &panel.series()?, cancel)?,
            Alignment::Common => panel.shared_times(cancel)?,
        };
        Ok(panel::newest(times, history))
    }

    /// The returns between its [`times`](Alignment::times), of which `need` are needed.
    ///
    /// # Errors
    /// A ticker's own error; [`Error::TooShort`] with the tickers that have too few returns; [`Error::Cancelled`].
    pub fn between(
        self,
        panel: &PricePanel,
        times: Vec<Timestamp>,
        history: usize,
        need: usize,
        cancel: &Cancel,
    ) -> Result<Aligned> {
        match self {
            Alignment::All => completed(panel, &times, need, cancel),
            Alignment::Common => {
                let cut = cut(panel, times.len(), history, cancel)?;
                let returns = ReturnPanel::between(panel, times, need, cancel);
                Ok((returns.map_err(|error| with_culprits(error, cut.as_ref()))?, cut))
            }
        }
    }

    /// Both steps.
    ///
    /// # Errors
    /// Those of the steps.
    pub fn returns(
        self,
        panel: &PricePanel,
        history: usize,
        need: usize,
        cancel: &Cancel,
    ) -> Result<Aligned> {
        self.between(panel, self.times(panel, history, cancel)?, history, need, cancel)
    }
}

/// How the histories of a panel differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Differing {
    /// Tickers that were completed: of so many returns each has so many of its own.
    Completed(Vec<Part>),
    /// Prices that were left out: so many days are shared, and of the newest days each ticker has so many.
    Cut {
        /// The days that all tickers share.
        shared: usize,
        /// Those that have not all of the newest days, fewest first.
        tickers: Vec<Part>,
    },
}

/// What a ticker has of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The ticker.
    pub ticker: String,
    /// How many it has of its own.
    pub own: usize,
    /// How many there are.
    pub all: usize,
}

fn completed(panel: &PricePanel, times: &[Timestamp], need: usize, cancel: &Cancel) -> Result<Aligned> {
    let series = panel.series()?;
    let (mut returns, days) = returns_between(times, &series, cancel)?;
    if days.len() < need {
        return Err(ReturnPanel::too_short(&series, times.len(), need));
    }
    let lacking = lacking(&series, &returns, cancel)?;
    completion::complete(&mut returns, cancel)?;
    let zone = series.first().map(|first| first.frequency().zone());
    let frequency = Frequency::infer(times, zone, cancel)?;
    let tickers = series.iter().map(|series| series.ticker().to_owned()).collect();
    let differing = (!lacking.is_empty()).then_some(Differing::Completed(lacking));
    Ok((ReturnPanel::of(tickers, days, returns, frequency, panel.times()), differing))
}

/// The times that every ticker has that is traded then, and that fall on the pattern of those that are not.
fn traded_times(
    times: Vec<Timestamp>,
    series: &[&Series],
    cancel: &Cancel,
) -> Result<Vec<Timestamp>, Cancelled> {
    let mut counts = vec![true; times.len()];
    for series in series.iter().filter(|series| series.ts() != times) {
        let ts = series.ts();
        let halt = halt_after(ts);
        let mut next = 0;
        for pair in watched(times.iter().zip(&mut counts), UNITS_OF_A_TIME, cancel) {
            let (time, counts) = pair?;
            next += usize::from(next < ts.len() && ts[next] < *time);
            if !*counts || ts.get(next) == Some(time) {
                continue;
            }
            let traded = next > 0 && next < ts.len() && ts[next].0 - ts[next - 1].0 <= halt;
            work::count(UNITS_OF_A_PATTERN);
            *counts = !traded && series.frequency().may_have(*time);
        }
    }
    Ok(times.into_iter().zip(counts).filter_map(|(time, counts)| counts.then_some(time)).collect())
}

/// The distance of two prices beyond which the ticker was not traded in between.
fn halt_after(ts: &[Timestamp]) -> i64 {
    let mut gaps: Vec<i64> = ts.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    let middle = gaps.len() / 2;
    let usual = if gaps.is_empty() { 0 } else { *gaps.select_nth_unstable(middle).1 };
    LONGEST_HOLIDAYS.max(usual.saturating_mul(HALT_SPACINGS))
}

/// The simple returns from each time to the next, NaN where a ticker lacks one of the two prices; times at which nobody has
/// a return are left out.
fn returns_between(
    times: &[Timestamp],
    series: &[&Series],
    cancel: &Cancel,
) -> Result<(Array2<f64>, Vec<Timestamp>), Cancelled> {
    let steps = times.len().saturating_sub(1);
    let mut returns = Array2::from_elem((steps, series.len()), f64::NAN);
    let mut known = vec![false; steps];
    for (column, series) in series.iter().enumerate() {
        let mut next = 0;
        let mut before = None;
        for step in watched(times.iter().enumerate(), UNITS_FOUND, cancel) {
            let (place, time) = step?;
            next += series.ts()[next..].partition_point(|ts| ts < time);
            let price = (series.ts().get(next) == Some(time)).then(|| series.close()[next]);
            if let (Some(before), Some(price)) = (before, price) {
                returns[[place - 1, column]] = price / before - 1.0;
                known[place - 1] = true;
            }
            before = price;
        }
    }
    let rows: Vec<usize> = (0..steps).filter(|&row| known[row]).collect();
    let days = rows.iter().map(|&row| times[row + 1]).collect();
    if rows.len() < steps {
        returns = returns.select(Axis(0), &rows);
    }
    Ok((returns, days))
}

/// The tickers that lack a return, if each has enough.
fn lacking(series: &[&Series], returns: &Array2<f64>, cancel: &Cancel) -> Result<Vec<Part>> {
    let (mut lacking, mut few) = (Vec::new(), Vec::new());
    let own = completion::own_returns(returns, cancel)?;
    for (series, (own, beside_others)) in series.iter().zip(own) {
        if own == returns.nrows() {
            continue;
        }
        if beside_others < MIN_OBSERVATIONS {
            few.push((series.ticker().to_owned(), beside_others + usize::from(beside_others > 0)));
        }
        lacking.push(Part { ticker: series.ticker().to_owned(), own, all: returns.nrows() });
    }
    if few.is_empty() {
        return Ok(lacking);
    }
    Err(Error::TooShort { need: MIN_OBSERVATIONS + 1, found: few })
}

/// What the days that all tickers share leave out of the newest days, and whose doing that is.
fn cut(panel: &PricePanel, shared: usize, history: usize, cancel: &Cancel) -> Result<Option<Differing>> {
    let times = panel::newest(panel.all_times(cancel)?, history);
    if shared >= times.len() {
        return Ok(None);
    }
    let from = times.first().copied().unwrap_or(Timestamp(0));
    let within = |series: &&Series| {
        let own = series.ts().len() - series.ts().partition_point(|ts| *ts < from);
        Part { ticker: series.ticker().to_owned(), own, all: times.len() }
    };
    let mut tickers: Vec<Part> = panel.series()?.iter().map(within).collect();
    tickers.retain(|part| part.own < part.all);
    tickers.sort_by_key(|part| part.own);
    Ok(Some(Differing::Cut { shared, tickers }))
}

/// Too few shared days, with the tickers that have fewest of them.
fn with_culprits(error: Error, cut: Option<&Differing>) -> Error {
    match (error, cut) {
        (Error::TooShort { need, mut found }, Some(Differing::Cut { tickers, .. })) => {
            let named = tickers.iter().filter(|part| found.iter().all(|(name, _)| *name != part.ticker));
            let of = |part: &Part| (format!("{} of the newest {} days", part.ticker, part.all), part.own);
            found.extend(named.take(MOST_CULPRITS).map(of).collect::<Vec<_>>());
            Error::TooShort { need, found }
        }
        (error, _) => error,
    }
}
