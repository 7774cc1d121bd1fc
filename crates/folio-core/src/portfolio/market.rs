//! What is known before any view: market capitalisations, the prior expected returns, the price of risk.
//!
//! **The risk-free rate.** Every return that goes in or comes out (priors, views, posteriors, targets) is a total
//! return a year. Equilibrium is a statement about excess returns, so reverse optimisation adds the risk-free rate
//! once, pi = r_f + delta Sigma w, and the Sharpe ratio and w* subtract it once. This is PyPortfolioOpt's convention
//! of the prior, kept through to the end.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayView1};
use serde_json::Value;

use super::covariance::Covariance;
use super::universe::Universe;
use crate::frequency::PeriodsPerYear;
use crate::input;
use crate::panel::{ReturnPanel, Series};
use crate::rate::{self, Kind};
use crate::task::{Cancel, Cancelled};
use crate::{Error, Result, work};

/// The risk aversion of He and Litterman (1999), 'world average', used where none is given.
pub const DEFAULT_RISK_AVERSION: f64 = 2.5;

/// The tau of He and Litterman (1999), used where none is given.
pub const DEFAULT_TAU: f64 = 0.05;

/// What the logarithm of a return takes, which is a call of the C library.
const LOGARITHM: usize = 150;

/// How uncertain the prior means are, as a share of the covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tau(f64);

impl Tau {
    /// # Errors
    /// [`Error::InvalidArgument`] outside (0, 1].
    pub fn new(tau: f64) -> Result<Tau> {
        input::within("tau", tau, |tau| tau > 0.0 && tau <= 1.0, "over 0, at most 1").map(Tau)
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl Default for Tau {
    fn default() -> Tau {
        Tau(DEFAULT_TAU)
    }
}

/// The price of risk delta: the excess return that the market asks for a unit of variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskAversion(f64);

impl RiskAversion {
    /// # Errors
    /// [`Error::InvalidArgument`] at or under 0.
    pub fn new(delta: f64) -> Result<RiskAversion> {
        input::within("risk_aversion", delta, |delta| delta > 0.0, "over 0").map(RiskAversion)
    }

    /// The price of risk that the prices of a market index imply: mean excess return over variance, both a year
    /// (PyPortfolioOpt's `market_implied_risk_aversion`).
    ///
    /// # Errors
    /// [`Error::TooShort`] under three prices, [`Error::InvalidArgument`] where the index did not beat the
    /// risk-free rate or did not move, since then no equilibrium has it as the market.
    pub fn implied(index: &Series, risk_free_rate: f64, periods: PeriodsPerYear) -> Result<RiskAversion> {
        let returns: Vec<f64> = index.close().windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect();
        if returns.len() < 2 {
            let found = vec![(index.ticker().to_owned(), index.close().len())];
            return Err(Error::TooShort { need: 3, found });
        }
        let days = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / days;
        let variance = returns.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (days - 1.0);
        let periods = periods.of(index.frequency());
        let delta = (mean * periods - risk_free_rate) / (variance * periods);
        if delta.is_finite() && delta > 0.0 {
            return Ok(RiskAversion(delta));
        }
        Err(Error::InvalidArgument {
            argument: "risk_aversion",
            value: format!("{delta}, implied by {}", index.ticker()),
            expected: format!(
                "over 0: {} returned {:.2} % a year, which does not exceed the risk-free rate of {:.2} %; give \
                 risk_aversion, for example {DEFAULT_RISK_AVERSION}, or a longer history",
                index.ticker(),
                mean * periods * 100.0,
                risk_free_rate * 100.0
            ),
        })
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl Default for RiskAversion {
    fn default() -> RiskAversion {
        RiskAversion(DEFAULT_RISK_AVERSION)
    }
}

/// The risk-free rate a year.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RiskFreeRate(f64);

impl RiskFreeRate {
    /// # Errors
    /// [`Error::InvalidArgument`] outside (-1, 1).
    pub fn new(rate: f64) -> Result<RiskFreeRate> {
        rate::number("risk_free_rate", Kind::Risk, rate).map(RiskFreeRate)
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0
    }
}

/// What is known of the assets when weights are chosen.
#[derive(Debug, Clone, Copy)]
pub struct Market<'a> {
    /// The covariance of the returns, a year.
    pub covariance: &'a Covariance,
    /// The expected total return of each ticker, a year.
    pub returns: &'a Array1<f64>,
    /// The price of risk, for `max_quadratic_utility`.
    pub risk_aversion: RiskAversion,
    /// The risk-free rate a year, for `max_sharpe`.
    pub risk_free_rate: f64,
    /// The market's weights, from which the tracking error is measured where no benchmark is named.
    pub market_weights: Option<&'a Array1<f64>>,
    /// The returns, a row for each period and a column for each ticker, for `min_cvar` and `min_cdar`.
    pub history: Option<&'a Array2<f64>>,
}

/// The market capitalisation of each ticker, in any unit.
#[derive(Debug, Clone, PartialEq)]
pub struct MarketCaps(BTreeMap<String, f64>);

impl MarketCaps {
    /// Reads `{"AAPL": 2066, "MSFT": 1788}`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a capitalisation that is not a finite number over zero.
    pub fn from_json(value: &Value) -> Result<MarketCaps> {
        let caps = input::numbers("market_caps", value)?;
        for (ticker, &cap) in &caps {
            if cap <= 0.0 {
                return Err(Error::InvalidArgument {
                    argument: "market_caps",
                    value: format!("{ticker}: {cap}"),
                    expected: "over 0".to_owned(),
                });
            }
        }
        Ok(MarketCaps(caps))
    }

    /// The share of each ticker in the sum.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a ticker without a capitalisation. Those outside the universe do not matter, as with
    /// groups: a misspelt one leaves another without.
    pub fn weights(&self, universe: &Universe) -> Result<Array1<f64>> {
        let mut caps = self.0.clone();
        caps.retain(|ticker, _| universe.find(ticker).is_some());
        let caps = universe.join("market_caps", &caps)?;
        // Divided by the largest first: a sum of capitalisations may overflow, their shares cannot.
        let largest = caps.iter().fold(0.0_f64, |largest, &cap| largest.max(cap));
        let shares = Array1::from_iter(caps.iter().map(|cap| cap / largest));
        let total = shares.sum();
        Ok(shares / total)
    }
}

/// Where the expected returns come from before any view.
#[derive(Debug, Clone, PartialEq)]
pub enum Prior {
    /// Those at which the market's weights are optimal (reverse optimisation).
    Market,
    /// Those at which equal weights are optimal. Not PyPortfolioOpt's `equal`, which is a *return* of 1/N.
    Equal,
    /// The compound return a year of the price history, PyPortfolioOpt's `mean_historical_return`.
    Historical,
    /// Given, a total return a year for each ticker.
    Returns(BTreeMap<String, f64>),
}

impl Prior {
    /// The names in SQL.
    pub const NAMES: [&'static str; 3] = ["market", "equal", "historical"];

    /// Reads a name, or the returns themselves as a JSON object, `{"AAPL": 0.1, ...}`.
    ///
    /// # Errors
    /// [`Error::UnknownName`] or [`Error::InvalidArgument`].
    pub fn parse(text: &str) -> Result<Prior> {
        match text.trim() {
            "market" => Ok(Prior::Market),
            "equal" => Ok(Prior::Equal),
            "historical" => Ok(Prior::Historical),
            json if json.starts_with('{') => {
                let value: Value = serde_json::from_str(json).map_err(|error| Error::InvalidArgument {
                    argument: "prior",
                    value: json.to_owned(),
                    expected: format!("a JSON object of returns: {error}"),
                })?;
                Ok(Prior::Returns(rate::by_name("prior", Kind::Return, &value)?))
            }
            name => Err(Error::UnknownName {
                kind: "prior",
                name: name.to_owned(),
                valid: Prior::NAMES.map(str::to_owned).to_vec(),
            }),
        }
    }

    /// The prior expected return of each ticker, total and a year. `market_weights` are the capitalisation weights
    /// if there are any; `returns` is the history.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the market prior has no capitalisations or a given return is missing,
    /// [`Error::UnknownName`] for a given return of a ticker outside the universe.
    pub(crate) fn returns(
        &self,
        market_weights: Option<&Array1<f64>>,
        returns: &ReturnPanel,
        covariance: &Covariance,
        risk_aversion: RiskAversion,
        risk_free_rate: f64,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        let universe = covariance.universe();
        match self {
            Prior::Market => {
                let weights = market_weights.ok_or_else(|| Error::InvalidArgument {
                    argument: "prior",
                    value: "market".to_owned(),
                    expected: "market_caps beside it, or the prior \"equal\"".to_owned(),
                })?;
                Ok(implied_returns(covariance, weights, risk_aversion, risk_free_rate))
            }
            Prior::Equal => {
                Ok(implied_returns(covariance, &equal_weights(universe.len()), risk_aversion, risk_free_rate))
            }
            Prior::Historical => Ok(historical_returns(returns, cancel)?),
            Prior::Returns(values) => universe.join("prior", values).map(Array1::from),
        }
    }
}

/// 1/N for each.
pub(crate) fn equal_weights(n: usize) -> Array1<f64> {
    Array1::from_elem(n, 1.0 / n as f64)
}

/// Reverse optimisation, pi = r_f + delta Sigma w (He and Litterman 1999, formula 4, with the risk-free rate added).
pub fn implied_returns(
    covariance: &Covariance,
    weights: &Array1<f64>,
    risk_aversion: RiskAversion,
    risk_free_rate: f64,
) -> Array1<f64> {
    covariance.matrix().dot(weights) * risk_aversion.value() + risk_free_rate
}

/// The compound return a year of each ticker: (the product of 1 + r)^(periods a year / T) - 1.
///
/// # Errors
/// [`Cancelled`].
pub fn historical_returns(panel: &ReturnPanel, cancel: &Cancel) -> Result<Array1<f64>, Cancelled> {
    let (days, periods) = (panel.returns().nrows(), panel.periods_per_year());
    let compound = |column: ArrayView1<'_, f64>| {
        cancel.check()?;
        work::count(days * LOGARITHM);
        let logarithm = column.iter().map(|value| value.ln_1p()).sum::<f64>();
        Ok((logarithm * periods / days as f64).exp_m1())
    };
    panel.returns().columns().into_iter().map(compound).collect()
}
