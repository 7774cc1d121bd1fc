//! Returns of tickers whose histories differ: listed late, delisted, halted, or of another calendar.
//!
//! [`Alignment::All`] takes the times that every ticker has that is traded then. A ticker is traded from its first price to
//! its last, except in a gap of its own that is longer than `halt_after` says; so the Saturdays of a coin are no times beside a
//! stock, but the years before a listing are times of the others. What a ticker has no return for is completed
//! ([`completion`]), and the caller is told which tickers those are. Where all histories are equal nothing is completed, and
//! the returns are those of [`Alignment::Common`].

use ndarray::{Array2, Axis};

use super::completion;
use crate::frequency::Frequency;
use crate::panel::{PricePanel, ReturnPanel, Series, Timestamp};
use crate::price::MICROS_PER_DAY;
use crate::task::{Cancel, Cancelled};
use crate::work::watched;
use crate::{Error, Result, input};

/// The fewest returns of its own, on times on which others have one too, that a ticker is completed from: a mean, a beta
/// and a variance have some six returns each then.
pub const MIN_OBSERVATIONS: usize = 20;

/// No exchange's holidays are longer than two weeks; Shanghai was closed for eleven days in 2020.
const LONGEST_HOLIDAYS: i64 = 14 * MICROS_PER_DAY;

/// Prices that are this many of the ticker's own usual distances apart have a halt between them, whatever its frequency.
const HALT_SPACINGS: i64 = 10;

/// Which times count where histories differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alignment {
    /// All times; what a ticker has no return for is completed.
    All,
    /// The times that all tickers have.
    #[default]
    Common,
}

impl Alignment {
    const ALL: [(&'static str, Alignment); 2] = [("all", Alignment::All), ("common", Alignment::Common)];

    /// # Errors
    /// [`Error::UnknownName`] with the valid names.
    pub fn parse(name: &str) -> Result<Alignment> {
        input::choose("alignment", name, &Alignment::ALL)
    }

    /// The newest `history` returns of the panel; `need` are needed.
    ///
    /// # Errors
    /// A ticker's own error; [`Error::TooShort`] with the tickers that have too few returns; [`Error::Cancelled`].
    pub fn returns(
        self,
        panel: &PricePanel,
        history: usize,
        need: usize,
        cancel: &Cancel,
    ) -> Result<(ReturnPanel, Vec<Completed>)> {
        match self {
            Alignment::All => all(panel, history, need, cancel),
            Alignment::Common => Ok((ReturnPanel::aligned(panel, history, need)?, Vec::new())),
        }
    }
}

/// A ticker whose history was completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The ticker.
    pub ticker: String,
    /// How many returns it has of its own.
    pub own: usize,
    /// How many the panel has.
    pub all: usize,
}

fn all(
    panel: &PricePanel,
    history: usize,
    need: usize,
    cancel: &Cancel,
) -> Result<(ReturnPanel, Vec<Completed>)> {
    let series = panel.series()?;
    let mut times = traded_times(panel.all_times(), &series, cancel)?;
    times.drain(..times.len().saturating_sub(history.saturating_add(1)));
    let (mut returns, days) = returns_between(&times, &series, cancel)?;
    if days.len() < need {
        return Err(ReturnPanel::too_short(&series, times.len(), need));
    }
    let completed = completed(&series, &returns, cancel)?;
    completion::complete(&mut returns, cancel)?;
    let zone = series.first().map(|first| first.frequency().zone());
    let frequency = Frequency::infer(&times, zone, cancel)?;
    let tickers = series.iter().map(|series| series.ticker().to_owned()).collect();
    Ok((ReturnPanel::of(tickers, days, returns, frequency, panel.times()), completed))
}

/// The times that every ticker has that is traded then.
fn traded_times(
    times: Vec<Timestamp>,
    series: &[&Series],
    cancel: &Cancel,
) -> Result<Vec<Timestamp>, Cancelled> {
    let mut all_have = vec![true; times.len()];
    for series in watched(series, 4 * times.len(), cancel) {
        let ts = series?.ts();
        let halt = halt_after(ts);
        let mut next = 0;
        for (time, all_have) in times.iter().zip(&mut all_have) {
            next += usize::from(next < ts.len() && ts[next] < *time);
            let traded = next > 0 && next < ts.len() && ts[next].0 - ts[next - 1].0 <= halt;
            *all_have &= !traded || ts[next] == *time;
        }
    }
    Ok(times.into_iter().zip(all_have).filter_map(|(time, all)| all.then_some(time)).collect())
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
    for column in watched(series.iter().enumerate(), 8 * steps, cancel) {
        let (column, series) = column?;
        let mut next = 0;
        let mut before = None;
        for (place, time) in times.iter().enumerate() {
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
fn completed(series: &[&Series], returns: &Array2<f64>, cancel: &Cancel) -> Result<Vec<Completed>> {
    let (mut completed, mut few) = (Vec::new(), Vec::new());
    let own = completion::own_returns(returns, cancel)?;
    for (series, (own, beside_others)) in series.iter().zip(own) {
        if own == returns.nrows() {
            continue;
        }
        if beside_others < MIN_OBSERVATIONS {
            few.push((series.ticker().to_owned(), beside_others + usize::from(beside_others > 0)));
        }
        completed.push(Completed { ticker: series.ticker().to_owned(), own, all: returns.nrows() });
    }
    if few.is_empty() {
        return Ok(completed);
    }
    Err(Error::TooShort { need: MIN_OBSERVATIONS + 1, found: few })
}
