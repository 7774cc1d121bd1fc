//! Value at risk and expected shortfall of given weights: what a method is, and the list of all of them.
//!
//! Both are losses over the horizon as shares of the portfolio's value, positive where it is a loss. With the loss L,
//!
//! ```text
//! value at risk(a)      = the least x with P(L <= x) >= a
//! expected shortfall(a) = 1/(1-a) integral over u from a to 1 of value at risk(u)        (Acerbi & Tasche 2002)
//! ```
//!
//! A new method is a file in `tail/` that implements [`TailMethod`], its `mod` line, and its line in the list below.

mod cornish_fisher;
mod filtered_historical;
mod historical;
mod moments;
mod student_t;
mod worst;

use super::weights::Weights;
use crate::forecast::Horizon;
use crate::model::Failure;
use crate::panel::ReturnPanel;
use crate::task::{Cancel, Cancelled};
use crate::{Error, Result, input};

/// The level if nothing is said.
pub const DEFAULT_TAIL_LEVEL: f64 = 0.95;

/// The horizon if nothing is said.
pub const DEFAULT_TAIL_HORIZON: i64 = 1;

/// The highest level: beyond it no history says anything.
const HIGHEST: f64 = 0.999;

/// How the tail of a portfolio is estimated. Stateless: it stands in a static list.
trait TailMethod: Send + Sync {
    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// The tail of the losses over the horizon from the portfolio's simple returns of one period, all finite.
    fn tail(&self, returns: &[f64], asked: Asked, cancel: &Cancel) -> Result<Tail, Refusal>;
}

/// Every method, in the order of results.
static METHODS: &[&dyn TailMethod] = &[
    &historical::Historical,
    &filtered_historical::FilteredHistorical,
    &student_t::StudentT,
    &cornish_fisher::CornishFisher,
];

/// What is asked of a method.
#[derive(Debug, Clone, Copy)]
struct Asked {
    level: f64,
    horizon: usize,
}

/// A tail as a method sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tail {
    /// The loss that is not passed with the level's probability.
    pub value_at_risk: f64,
    /// The mean loss of the worst cases beyond the level.
    pub expected_shortfall: f64,
    /// How many returns, or stretches of the horizon, it was seen in.
    pub n: usize,
}

/// Why a method has no tail.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refusal {
    Cancelled,
    Reason(String),
}

impl From<Cancelled> for Refusal {
    fn from(_: Cancelled) -> Refusal {
        Refusal::Cancelled
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        match failure {
            Failure::Cancelled => Refusal::Cancelled,
            failure => Refusal::Reason(failure.to_string()),
        }
    }
}

/// Fails with fewer returns than a method needs.
fn require(need: usize, got: usize) -> Result<(), Refusal> {
    if got < need { Err(Failure::TooShort { need, got }.into()) } else { Ok(()) }
}

/// A validated request.
#[derive(Clone)]
pub struct TailRequest {
    weights: Weights,
    methods: Vec<&'static dyn TailMethod>,
    asked: Asked,
}

/// A level that a loss is not to pass.
///
/// # Errors
/// [`Error::InvalidArgument`], with a word on levels from the other side and in percent.
pub(super) fn checked_level(level: f64) -> Result<f64> {
    if !(0.5..=HIGHEST).contains(&level) {
        let hint = match level {
            small if (1.0 - HIGHEST..0.5).contains(&small) => {
                format!("; write {} for the worst {small}", ((1.0 - small) * 1e6).round() / 1e6)
            }
            percent if (50.0..=99.9).contains(&percent) => {
                format!("; write {} for {percent} %", percent / 100.0)
            }
            _ => String::new(),
        };
        return Err(input::invalid("level", level, format!("a share from 0.5 to {HIGHEST}{hint}")));
    }
    Ok(level)
}

/// The tail by one method, or why it has none.
#[derive(Debug, Clone, PartialEq)]
pub struct TailRow {
    /// The method's name.
    pub method: &'static str,
    /// The tail, or the reason.
    pub outcome: Result<Tail, String>,
}

impl TailRequest {
    /// The tail of weights, `{"AAPL": 0.6}`, at a level, over so many periods, by the method of this name or by all.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::UnknownName`].
    pub fn new(
        weights: &serde_json::Value,
        level: f64,
        horizon: i64,
        method: Option<&str>,
    ) -> Result<TailRequest> {
        let level = checked_level(level)?;
        let named = |name: &str| {
            let found = METHODS.iter().copied().find(|method| method.name() == name);
            found.ok_or_else(|| input::unknown("method", name, METHODS.iter().map(|method| method.name())))
        };
        Ok(TailRequest {
            methods: method.map_or(Ok(METHODS.to_vec()), |name| Ok::<_, Error>(vec![named(name)?]))?,
            asked: Asked { level, horizon: Horizon::new(horizon)?.steps() },
            weights: Weights::from_json(weights)?,
        })
    }

    /// The tickers that have a weight.
    pub fn tickers(&self) -> Vec<String> {
        self.weights.tickers()
    }

    /// The level.
    pub(super) fn level(&self) -> f64 {
        self.asked.level
    }

    /// How many periods a loss takes.
    pub(super) fn horizon(&self) -> usize {
        self.asked.horizon
    }

    /// The names of its methods.
    pub(super) fn methods(&self) -> impl Iterator<Item = &'static str> {
        self.methods.iter().map(|method| method.name())
    }

    /// What the weights would have earned in each period.
    pub(super) fn returns(&self, panel: &ReturnPanel, cancel: &Cancel) -> Result<Vec<f64>> {
        self.weights.returns(panel, cancel)
    }

    /// The tail by each method, from the returns of these tickers.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where a portfolio's return is not finite, [`Error::Cancelled`].
    pub fn rows(&self, panel: &ReturnPanel, cancel: &Cancel) -> Result<Vec<TailRow>> {
        Ok(self.tails(&self.returns(panel, cancel)?, cancel)?)
    }

    /// The tail by each method, from the portfolio's returns.
    pub(super) fn tails(&self, returns: &[f64], cancel: &Cancel) -> Result<Vec<TailRow>, Cancelled> {
        let row = |method: &&'static dyn TailMethod| {
            Ok(TailRow { method: method.name(), outcome: self.tail(*method, returns, cancel)? })
        };
        self.methods.iter().map(row).collect()
    }

    /// The tail by one method, or the reason why it has none.
    fn tail(
        &self,
        method: &dyn TailMethod,
        returns: &[f64],
        cancel: &Cancel,
    ) -> Result<Result<Tail, String>, Cancelled> {
        match method.tail(returns, self.asked, cancel) {
            Ok(tail) if tail.value_at_risk.is_finite() && tail.expected_shortfall.is_finite() => Ok(Ok(tail)),
            Ok(_) => Ok(Err(Failure::NotFinite("loss").to_string())),
            Err(Refusal::Reason(reason)) => Ok(Err(reason)),
            Err(Refusal::Cancelled) => Err(Cancelled),
        }
    }
}

impl std::fmt::Debug for TailRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let methods: Vec<&str> = self.methods.iter().map(|method| method.name()).collect();
        write!(f, "{methods:?} of {:?}: {:?}", self.weights, self.asked)
    }
}
