//! What values at risk and expected shortfalls would have been worth: forecast from many days of the past, as
//! [`TailRequest`] would have on that day, beside the losses that came.
//!
//! Beside the tests of [`super::exceedance`] there is the mean loss of a quantile, which ranks methods at the same days
//! (Koenker & Bassett, Econometrica 46, 1978): with the value at risk v at the level a and the loss L that came,
//!
//! ```text
//! quantile loss = mean of (1 - a) (v - L) where L <= v, a (L - v) where L > v
//! ```

use super::exceedance::{Beside, Test, acerbi_szekely, christoffersen, conditional_coverage, kupiec};
use super::tail::{Tail, TailRequest};
use crate::panel::ReturnPanel;
use crate::task::Cancel;
use crate::{Error, Result, input, work};

/// How many past days if nothing is said: two years of days, so that 1 % is five of them.
pub const DEFAULT_TAIL_ORIGINS: i64 = 500;

/// The most origins, and the most days between them.
const MOST: i64 = 10_000;

/// The fewest returns that a forecast is made of.
const FEWEST: usize = 100;

/// Units of [`work`] for what an origin takes beside its tails.
const ORIGIN: usize = 100;

/// From where to evaluate, as a caller writes it.
#[derive(Debug, Clone, Copy)]
pub struct TailSchedule {
    /// How many origins, counted back from the last that has an outcome.
    pub origins: i64,
    /// Periods from one origin to the next; None takes the horizon.
    pub stride: Option<i64>,
    /// How many of the newest prices before it a forecast sees.
    pub history: usize,
}

/// A validated request.
#[derive(Debug, Clone)]
pub struct TailEvaluation {
    request: TailRequest,
    origins: usize,
    stride: usize,
    history: usize,
}

/// What one method's forecasts were worth.
#[derive(Debug, Clone, PartialEq)]
pub struct TailScore {
    /// The method's name.
    pub method: &'static str,
    /// How many forecasts there are.
    pub n: usize,
    /// How many of them the loss passed.
    pub exceedances: usize,
    /// How many it should have.
    pub expected: f64,
    /// Whether these are as many.
    pub kupiec: Option<Test>,
    /// Whether one follows another as by chance.
    pub christoffersen: Option<Test>,
    /// Both.
    pub conditional_coverage: Option<Test>,
    /// Whether the expected shortfalls say enough.
    pub acerbi_szekely: Option<Test>,
    /// The mean loss as a quantile; None without forecasts.
    pub quantile_loss: Option<f64>,
    /// From how many origins there is none, and why the first time.
    pub missing: Option<(usize, String)>,
}

/// The forecasts of a method.
struct Scored {
    method: &'static str,
    all: Vec<Beside>,
    missing: Option<(usize, String)>,
}

impl TailEvaluation {
    /// Evaluates forecasts of `request` by this schedule.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]: stretches must not overlap, since the tests take losses for independent.
    pub fn new(request: TailRequest, schedule: &TailSchedule) -> Result<TailEvaluation> {
        let horizon = request.horizon() as i64;
        let expected = format!(", and no less than the horizon of {horizon}: the tests need stretches apart");
        let stride = schedule.stride.unwrap_or(horizon);
        Ok(TailEvaluation {
            origins: input::whole("origins", schedule.origins, 1..=MOST, "")?,
            stride: input::whole("stride", stride, horizon..=MOST, &expected)?,
            history: schedule.history,
            request,
        })
    }

    /// How many of the newest prices it reads: however few a forecast sees, the first origin lies behind [`FEWEST`] returns.
    pub fn prices(&self) -> usize {
        let first = self.history.max(FEWEST + 1);
        first.saturating_add((self.origins - 1) * self.stride + self.request.horizon())
    }

    /// The tickers that have a weight.
    pub fn tickers(&self) -> Vec<String> {
        self.request.tickers()
    }

    /// What each method was worth.
    ///
    /// # Errors
    /// [`Error::TooShort`] without an origin, [`Error::InvalidArgument`] where a portfolio's return is not finite,
    /// [`Error::Cancelled`].
    pub fn scores(&self, panel: &ReturnPanel, cancel: &Cancel) -> Result<Vec<TailScore>> {
        let returns = self.request.returns(panel, cancel)?;
        let horizon = self.request.horizon();
        let last = returns.len().saturating_sub(horizon);
        let mut origins: Vec<usize> = (FEWEST..=last).rev().step_by(self.stride).take(self.origins).collect();
        origins.reverse();
        if origins.is_empty() {
            let found = vec![("days that all tickers share".to_owned(), returns.len() + 1)];
            return Err(Error::TooShort { need: FEWEST + horizon + 1, found });
        }
        let none = |method| Scored { method, all: Vec::new(), missing: None };
        let mut scored: Vec<Scored> = self.request.methods().map(none).collect();
        for origin in work::watched(origins, ORIGIN + horizon, cancel) {
            let origin = origin?;
            // So many prices have one return less.
            let start = origin.saturating_sub(self.history.saturating_sub(1));
            let came = &returns[origin..origin + horizon];
            let loss = 1.0 - came.iter().map(|earned| 1.0 + earned).product::<f64>();
            let tails = self.request.tails(&returns[start..origin], cancel)?;
            scored.iter_mut().zip(tails).for_each(|(scored, row)| scored.add(row.outcome, loss));
        }
        scored.into_iter().map(|scored| scored.score(1.0 - self.request.level(), cancel)).collect()
    }
}

impl Scored {
    fn add(&mut self, outcome: Result<Tail, String>, loss: f64) {
        match outcome {
            Ok(Tail { value_at_risk, expected_shortfall, .. }) => {
                self.all.push(Beside { loss, value_at_risk, expected_shortfall });
            }
            Err(reason) => self.missing.get_or_insert((0, reason)).0 += 1,
        }
    }

    fn score(self, p: f64, cancel: &Cancel) -> Result<TailScore> {
        let n = self.all.len();
        let hits: Vec<bool> = self.all.iter().map(Beside::is_hit).collect();
        let exceedances = hits.iter().filter(|hit| **hit).count();
        let (kupiec, christoffersen) = (kupiec(n, exceedances, p), christoffersen(&hits));
        let quantile = |one: &Beside| {
            let beyond = one.loss - one.value_at_risk;
            if one.is_hit() { (1.0 - p) * beyond } else { -p * beyond }
        };
        Ok(TailScore {
            method: self.method,
            n,
            exceedances,
            expected: p * n as f64,
            kupiec,
            christoffersen,
            conditional_coverage: kupiec
                .zip(christoffersen)
                .and_then(|(count, order)| conditional_coverage(count, order)),
            acerbi_szekely: acerbi_szekely(&self.all, p, cancel)?,
            quantile_loss: (n > 0).then(|| self.all.iter().map(quantile).sum::<f64>() / n as f64),
            missing: self.missing,
        })
    }
}
