//! A problem over weights: what a market and limits make of it, for the objectives that choose weights from a set.
//!
//! The mean-variance objectives lie on one line of quadratic programs ([`crate::portfolio::solver::quadratic`]): each is
//! the program of some lambda, which is known (minimum variance, quadratic utility) or is the root of a function of the
//! solution (the tangency portfolio, a target risk, a target return). The root is found from the solution's own line,
//! so that a few programs give it to the last bits.

use ndarray::{Array1, Array2};

use crate::portfolio::limit::tracking::{Programs, Tracking};
use crate::portfolio::limit::turnover::Trades;
use crate::portfolio::limit::{Limits, cardinality, feasibility};
use crate::portfolio::market::Market;
use crate::portfolio::solver::active_set::ActiveSet;
use crate::portfolio::solver::cone::max_return;
use crate::portfolio::solver::line_search::{self, Safe, Step, TARGET};
use crate::portfolio::solver::polytope::Polytope;
use crate::portfolio::solver::quadratic::{Family, Point};
use crate::portfolio::solver::unsolved::Unsolved;
use crate::task::Cancel;
use crate::{Error, Result, work};

/// The weights that `best` finds for the problem of a market and limits, of few tickers where the limits ask for it.
/// `best` gives the problem's variables.
///
/// # Errors
/// [`Error::Infeasible`] with the constraints that clash; those of `best`.
pub(super) fn solve(
    market: &Market<'_>,
    limits: &Limits,
    cancel: &Cancel,
    best: impl Fn(&Problem<'_>) -> Result<Array1<f64>, Unsolved>,
) -> Result<Array1<f64>> {
    let solve = |excluded: &[usize]| {
        let problem = Problem::new(market, limits, excluded, cancel)?;
        match problem.require_tracking().and_then(|()| best(&problem)) {
            Ok(x) => Ok(problem.within_bounds(problem.weights(&x))),
            Err(Unsolved::Infeasible) => Err(problem.explain()?),
            Err(Unsolved::Failed(error)) => Err(error),
        }
    };
    match limits.cardinality.max_assets {
        Some(most) => cardinality::few(most, &limits.polytope(market.covariance.universe())?, solve),
        None => solve(&[]),
    }
}

/// The largest expected return, net of costs, that the limits allow.
///
/// # Errors
/// Those of [`super::optimize`].
pub(crate) fn largest_return(market: &Market<'_>, limits: &Limits, cancel: &Cancel) -> Result<f64> {
    let problem = Problem::new(market, limits, &[], cancel)?;
    problem.largest(&problem.returns).map_err(Unsolved::unexpected)
}

/// A problem over its variables: the weights, or what is bought and sold.
pub(super) struct Problem<'a> {
    pub(super) market: &'a Market<'a>,
    /// The constraints on the weights.
    plain: Polytope,
    pub(super) trades: Option<Trades>,
    pub(super) tracking: Option<Tracking>,
    /// The constraints on the variables.
    pub(super) set: Polytope,
    /// The expected returns over the variables, net of costs.
    pub(super) returns: Array1<f64>,
    /// The covariance over the variables.
    pub(super) sigma: Array2<f64>,
    pub(super) l2: f64,
    pub(super) cancel: &'a Cancel,
}

impl<'a> Problem<'a> {
    /// The problem of a market and limits; the tickers `excluded` must not be held.
    fn new(
        market: &'a Market<'a>,
        limits: &Limits,
        excluded: &[usize],
        cancel: &'a Cancel,
    ) -> Result<Problem<'a>> {
        let universe = market.covariance.universe();
        let mut plain = limits.polytope(universe)?;
        for &ticker in excluded {
            (plain.lower[ticker], plain.upper[ticker]) = (0.0, 0.0);
        }
        let trades = Trades::of(&limits.trades, universe)?;
        let (sigma, budget) = (market.covariance.matrix(), limits.bounds.budget());
        let tracking =
            Tracking::of(&limits.tracking, budget, universe, market.market_weights, sigma, trades.as_ref())?;
        Ok(Problem {
            market,
            set: trades.as_ref().map_or_else(|| plain.clone(), |trades| trades.polytope(&plain)),
            plain,
            returns: gain(trades.as_ref(), market.returns),
            sigma: penalised(trades.as_ref(), sigma, 0.0, cancel)?,
            trades,
            tracking,
            l2: limits.penalty.l2_penalty,
            cancel,
        })
    }

    /// Where the search begins: every weight free, nothing sold.
    pub(super) fn start(&self, family: &Family<'_>) -> ActiveSet {
        family.start(self.plain.len())
    }

    fn weights(&self, x: &Array1<f64>) -> Array1<f64> {
        self.trades.as_ref().map_or_else(|| x.clone(), |trades| trades.weights(x))
    }

    /// The weights without what rounding puts outside of their bounds: nobody is short of a long-only fund by 1e-14.
    fn within_bounds(&self, mut weights: Array1<f64>) -> Array1<f64> {
        for (weight, (low, high)) in weights.iter_mut().zip(self.plain.lower.iter().zip(&self.plain.upper)) {
            *weight = weight.clamp(*low, *high);
        }
        weights
    }

    /// Why there is no portfolio.
    fn explain(&self) -> Result<Error> {
        if let Some(trades) = &self.trades
            && feasibility::is_feasible(&self.plain, self.cancel)?
        {
            return trades.explain(&self.plain, self.cancel);
        }
        feasibility::explain(&self.plain, self.market.covariance.universe(), self.cancel)
    }

    /// Returns over the variables, net of costs.
    pub(super) fn gain(&self, returns: &Array1<f64>) -> Array1<f64> {
        gain(self.trades.as_ref(), returns)
    }

    /// Sigma with the penalty's share on the diagonal, over the variables.
    pub(super) fn penalised(&self, penalty: f64) -> Result<Array2<f64>> {
        penalised(self.trades.as_ref(), self.market.covariance.matrix(), penalty, self.cancel)
    }

    /// The programs of a Hessian that is Sigma plus a penalty, within the tracking error.
    pub(super) fn programs<'h>(
        &'h self,
        hessian: &'h Array2<f64>,
        gain: &Array1<f64>,
    ) -> Result<Programs<'h>> {
        let sigma = (self.l2 != 0.0).then_some(&self.sigma);
        Ok(Programs { sigma, ..self.programs_of(hessian, gain)? })
    }

    /// Those of Sigma itself.
    pub(super) fn plain_programs(&self, gain: &Array1<f64>) -> Result<Programs<'_>> {
        self.programs_of(&self.sigma, gain)
    }

    fn programs_of<'h>(&'h self, hessian: &'h Array2<f64>, gain: &Array1<f64>) -> Result<Programs<'h>> {
        Ok(Programs {
            family: Family::new(hessian, gain, &self.set, self.cancel)?,
            hessian,
            sigma: None,
            set: &self.set,
            trades: self.trades.as_ref(),
            tracking: self.tracking.as_ref(),
            cancel: self.cancel,
        })
    }

    /// Fails where no portfolio is as near to the benchmark as it has to be.
    fn require_tracking(&self) -> Result<(), Unsolved> {
        let Some(tracking) = &self.tracking else { return Ok(()) };
        let nearest = self.towards(tracking, &self.returns)?;
        let least = tracking.error(&self.weights(&nearest.at(0.0, &self.start(&nearest), self.cancel)?.x));
        if least <= tracking.largest * (1.0 + TARGET) {
            return Ok(());
        }
        Err(Error::Infeasible {
            reason: format!(
                "max_tracking_error {} is under the least tracking error that the constraints allow",
                tracking.largest
            ),
            feasible: format!("max_tracking_error at least {least}"),
        }
        .into())
    }

    /// From the portfolio that is nearest to the benchmark to the one of the largest return.
    fn towards(&self, tracking: &Tracking, gain: &Array1<f64>) -> Result<Family<'_>> {
        let family = Family::new(&self.sigma, gain, &self.set, self.cancel)?;
        Ok(family.along(tracking.pull().clone(), gain.clone()))
    }

    /// The largest sum of these gains that the constraints allow.
    pub(super) fn largest(&self, gain: &Array1<f64>) -> Result<f64, Unsolved> {
        let best = max_return(&self.set, gain, self.cancel)?;
        let Some(tracking) = &self.tracking else { return Ok(best) };
        let family = self.towards(tracking, gain)?;
        let step = |point: &Point, _: f64| {
            let weights = self.weights(&point.x);
            let root = point.line.as_ref().and_then(|line| {
                let base = self.weights(&line.base);
                let slope = self.weights(&(&line.base + &line.slope)) - &base;
                tracking.root(&base, &slope)
            });
            match tracking.error(&weights) - tracking.largest {
                distance if distance.abs() <= TARGET * tracking.largest => Step::Done,
                distance if distance < 0.0 && gain.dot(&point.x) >= best - TARGET * best.abs() => Step::Done,
                distance if distance < 0.0 => Step::Up(root),
                _ => Step::Down(root),
            }
        };
        let at = |lambda: f64, near: &ActiveSet| family.at(lambda, near, self.cancel);
        Ok(gain
            .dot(&line_search::search(at(0.0, &self.start(&family))?, self.unit(), Safe::Low, at, step)?.x))
    }

    /// The point of a line of programs that a search ends at.
    pub(super) fn search(
        &self,
        programs: &Programs<'_>,
        first: Point,
        safe: Safe,
        step: impl Fn(&Point, f64) -> Step,
    ) -> Result<Point, Unsolved> {
        line_search::search(first, self.unit(), safe, |lambda, near| programs.at(lambda, near), step)
    }

    /// A lambda of the right size to begin with: at it returns and risks weigh the same.
    pub(super) fn unit(&self) -> f64 {
        let mean = self.sigma.diag().sum() / self.set.len() as f64;
        let largest = self.returns.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        if mean > 0.0 && largest > 0.0 { 0.1 * mean / largest } else { 1.0 }
    }
}

/// Returns over the variables, net of costs.
fn gain(trades: Option<&Trades>, returns: &Array1<f64>) -> Array1<f64> {
    trades.map_or_else(|| returns.clone(), |trades| trades.gain(returns))
}

/// A matrix with a penalty on its diagonal, over the variables.
fn penalised(
    trades: Option<&Trades>,
    matrix: &Array2<f64>,
    penalty: f64,
    cancel: &Cancel,
) -> Result<Array2<f64>> {
    cancel.check()?;
    work::count(matrix.len());
    let mut hessian = matrix.clone();
    hessian.diag_mut().mapv_inplace(|value| value + penalty);
    match trades {
        Some(trades) => trades.hessian(&hessian, cancel),
        None => Ok(hessian),
    }
}
