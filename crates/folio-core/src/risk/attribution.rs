//! Where the risk of given weights comes from: by ticker and by group, summing to the whole.
//!
//! The volatility s = sqrt(w' Sigma w) is homogeneous of degree one in the weights, so that by Euler's theorem (Litterman,
//! 'Hot spots and hedges', Journal of Portfolio Management 23, 1996)
//!
//! ```text
//! s = sum over i of c(i),  c(i) = w(i) ds/dw(i) = w(i) (Sigma w)(i) / s
//! ```
//!
//! and a group's contribution is the sum of its members'.

use ndarray::Array1;

use super::weights::Weights;
use crate::panel::ReturnPanel;
use crate::portfolio::covariance::{Covariance, CovarianceMethod};
use crate::portfolio::group::Groups;
use crate::task::Cancel;
use crate::{Result, input, work};

/// The kinds of rows that are no group's.
pub const TOTAL: &str = "total";
const TICKER: &str = "ticker";

/// A part of the risk.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// [`TOTAL`], `ticker`, or the kind of a group.
    pub kind: String,
    /// The ticker or the group's label; None for the total, and for the tickers that are in no group of a kind.
    pub name: Option<String>,
    /// Its weight.
    pub weight: f64,
    /// Its volatility alone, a year: of a ticker at a weight of one, of a group and the total at its weights.
    pub volatility: f64,
    /// By how much the whole volatility rises with the weight, of a ticker in a portfolio that has risk.
    pub marginal: Option<f64>,
    /// Its part of the whole volatility.
    pub contribution: f64,
    /// The same as a share, in a portfolio that has risk.
    pub share: Option<f64>,
}

/// The total, then each ticker that has a weight, then each group by kind and label.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] where a ticker has no label of a kind, and those of the covariance.
pub fn attribute(
    weights: &Weights,
    groups: &Groups,
    method: CovarianceMethod,
    returns: &ReturnPanel,
    cancel: &Cancel,
) -> Result<Vec<Part>> {
    if let Some(taken) = [TOTAL, TICKER].into_iter().find(|kind| groups.has(kind)) {
        return Err(input::invalid("groups", taken, "another name for this kind of groups"));
    }
    let covariance = method.estimate(returns, cancel)?;
    let universe = covariance.universe();
    let weights = weights.of(universe.tickers());
    let whole = Whole::of(&covariance, &weights, cancel)?;
    let all: Vec<usize> = (0..universe.len()).collect();
    let mut parts = vec![whole.part(TOTAL, None, &all)];
    let own = covariance.volatility();
    for (i, ticker) in universe.tickers().iter().enumerate() {
        let part = whole.part(TICKER, Some(ticker), &[i]);
        parts.push(Part { volatility: own[i], marginal: whole.marginal(i), ..part });
    }
    for (kind, labels) in groups.partition(universe)? {
        for (label, members) in labels {
            cancel.check()?;
            work::count(members.len() * members.len());
            parts.push(whole.part(kind, label, &members));
        }
    }
    Ok(parts)
}

/// The whole risk.
struct Whole<'a> {
    covariance: &'a Covariance,
    weights: &'a Array1<f64>,
    /// Sigma w.
    slopes: Array1<f64>,
    volatility: f64,
}

impl<'a> Whole<'a> {
    fn of(covariance: &'a Covariance, weights: &'a Array1<f64>, cancel: &Cancel) -> Result<Whole<'a>> {
        let n = weights.len();
        let mut slopes = Array1::zeros(n);
        for pair in work::watched(covariance.matrix().rows().into_iter().enumerate(), n, cancel) {
            let (i, row) = pair?;
            slopes[i] = row.dot(weights);
        }
        let variance = weights.dot(&slopes);
        if !variance.is_finite() {
            return Err(input::invalid("weights", "a variance that is not finite", "smaller weights"));
        }
        Ok(Whole { covariance, weights, slopes, volatility: variance.max(0.0).sqrt() })
    }

    fn marginal(&self, i: usize) -> Option<f64> {
        (self.volatility > 0.0).then(|| self.slopes[i] / self.volatility)
    }

    fn part(&self, kind: &str, name: Option<&str>, members: &[usize]) -> Part {
        let sum = |value: &dyn Fn(usize) -> f64| members.iter().map(|&i| value(i)).sum::<f64>();
        let contribution = sum(&|i| self.marginal(i).map_or(0.0, |slope| self.weights[i] * slope));
        let matrix = self.covariance.matrix();
        let variance = sum(&|i| self.weights[i] * sum(&|j| matrix[[i, j]] * self.weights[j]));
        Part {
            kind: kind.to_owned(),
            name: name.map(str::to_owned),
            weight: sum(&|i| self.weights[i]),
            volatility: variance.max(0.0).sqrt(),
            marginal: None,
            contribution,
            share: (self.volatility > 0.0).then(|| contribution / self.volatility),
        }
    }
}
