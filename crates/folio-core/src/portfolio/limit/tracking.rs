//! Portfolios near a benchmark: the programs of a line under (w - b)'Sigma(w - b) <= T^2.
//!
//! With nu the multiplier of half the constraint, the program of lambda is the least
//! 1/2 w'(H + nu Sigma)w - (lambda e + nu Sigma b)'w, and w - b shrinks as nu grows. Over 1 + nu, with u = 1 / (1 + nu),
//! it is the least 1/2 w'(u H + (1 - u) Sigma)w - (u lambda e + (1 - u) Sigma b)'w: at u = 1 the tracking error does not
//! bind, at u = 0 nothing else counts. Where H is Sigma its linear term alone depends on u, so that the solutions are
//! once more linear while the same constraints bind, and the u of a tracking error is the root of a square.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2};
use serde_json::Value;

use super::turnover::Trades;
use super::{Limit, Scope};
use crate::Result;
use crate::input;
use crate::portfolio::benchmark;
use crate::portfolio::solver::active_set::ActiveSet;
use crate::portfolio::solver::linalg;
use crate::portfolio::solver::line_search::{MAX_PROGRAMS, TARGET};
use crate::portfolio::solver::polytope::Polytope;
use crate::portfolio::solver::quadratic::{Family, Point, variance};
use crate::portfolio::solver::unsolved::Unsolved;
use crate::portfolio::universe::Universe;
use crate::rate::{self, Kind};
use crate::task::Cancel;
use crate::work;

/// By how much the weights of a benchmark may miss the sum that those of the portfolio have.
const BUDGET: f64 = 1e-6;

/// The limit as it was given; none by default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrackingLimit {
    /// The largest volatility a year of the difference to the benchmark.
    pub max_tracking_error: Option<f64>,
    /// The weights that the tracking error is measured against; without them the market's.
    pub benchmark: Option<BTreeMap<String, f64>>,
}

impl Limit for TrackingLimit {
    fn keys(&self) -> &'static [(&'static str, Scope)] {
        &[("max_tracking_error", Scope::Weights), ("benchmark", Scope::Weights)]
    }

    fn read(&mut self, key: &'static str, value: &Value) -> Result<()> {
        if key == "benchmark" {
            self.benchmark = Some(benchmark::weights(value)?);
        } else {
            let error = rate::read(key, Kind::Risk, value)?;
            self.max_tracking_error =
                Some(input::within(key, error, |error| error > 0.0, "over 0; 2 % is 0.02")?);
        }
        Ok(())
    }

    fn complete(&self) -> Result<()> {
        if self.benchmark.is_some() && self.max_tracking_error.is_none() {
            return Err(input::invalid("benchmark", "no max_tracking_error", "max_tracking_error beside it"));
        }
        Ok(())
    }
}

/// A limit on the tracking error, over the variables of a program.
pub(crate) struct Tracking {
    benchmark: Array1<f64>,
    pub(crate) largest: f64,
    sigma: Array2<f64>,
    /// Sigma b, over the variables.
    pull: Array1<f64>,
}

/// Points x with a length of root x - centre of at most one.
pub(crate) struct Ball {
    pub(crate) root: Array2<f64>,
    pub(crate) centre: Array1<f64>,
}

impl Ball {
    /// The length of root x - centre.
    pub(crate) fn distance(&self, x: &Array1<f64>) -> f64 {
        work::count(self.root.len());
        let apart = self.root.dot(x) - &self.centre;
        apart.dot(&apart).sqrt()
    }
}

impl Tracking {
    /// The limit, if there is one. `market` is the benchmark where none is named; `budget` is what weights sum to.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a benchmark whose weights do not sum to those of the portfolio.
    pub(crate) fn of(
        limit: &TrackingLimit,
        budget: f64,
        universe: &Universe,
        market: Option<&Array1<f64>>,
        sigma: &Array2<f64>,
        trades: Option<&Trades>,
    ) -> Result<Option<Tracking>> {
        let Some(largest) = limit.max_tracking_error else { return Ok(None) };
        let benchmark = match (&limit.benchmark, market) {
            (Some(weights), _) => Array1::from(universe.join_or(weights, 0.0)?),
            (None, Some(market)) => market.clone(),
            (None, None) => {
                return Err(input::invalid("max_tracking_error", "no benchmark", "a benchmark beside it"));
            }
        };
        input::within(
            "benchmark",
            benchmark.sum(),
            |sum| (sum - budget).abs() <= BUDGET,
            &format!("weights that sum to {budget}, as the portfolio's do"),
        )?;
        let pull = sigma.dot(&benchmark);
        let pull = trades.map_or_else(|| pull.clone(), |trades| trades.linear(&pull));
        Ok(Some(Tracking { benchmark, largest, sigma: sigma.clone(), pull }))
    }

    /// The tracking error of weights.
    pub(crate) fn error(&self, weights: &Array1<f64>) -> f64 {
        variance(&self.sigma, (weights - &self.benchmark).view()).max(0.0).sqrt()
    }

    /// Sigma b, over the variables: what a program's linear term has to be for the solution to be near b.
    pub(crate) fn pull(&self) -> &Array1<f64> {
        &self.pull
    }

    /// The limit as a ball over the variables, of radius one: Sigma = V diag(s) V', so that the tracking error is the length
    /// of diag(sqrt(s)) V'(w - b).
    ///
    /// # Errors
    /// [`crate::Error::SolverFailed`], [`crate::Error::Cancelled`].
    pub(crate) fn ball(&self, trades: Option<&Trades>, cancel: &Cancel) -> Result<Ball> {
        let (values, vectors) = linalg::eigen(self.sigma.view(), cancel)?;
        let scaled = &vectors * &values.mapv(|value| value.max(0.0).sqrt() / self.largest);
        let root = scaled.reversed_axes();
        let centre = root.dot(&self.benchmark);
        let root = match trades {
            Some(trades) => trades.forms(&root, cancel)?,
            None => root,
        };
        Ok(Ball { root, centre })
    }

    /// The u at which the weights base + u slope have the tracking error, the larger of the two.
    pub(crate) fn root(&self, base: &Array1<f64>, slope: &Array1<f64>) -> Option<f64> {
        let start = base - &self.benchmark;
        work::count(self.sigma.len());
        let along = self.sigma.dot(slope);
        let (square, half) = (slope.dot(&along), start.dot(&along));
        let rest = variance(&self.sigma, start.view()) - self.largest * self.largest;
        let inside = half * half - square * rest;
        (square > 0.0 && inside >= 0.0).then(|| (inside.sqrt() - half) / square)
    }
}

/// A line of programs, within the tracking error where there is a limit on it.
pub(crate) struct Programs<'a> {
    pub(crate) family: Family<'a>,
    pub(crate) hessian: &'a Array2<f64>,
    /// Sigma over the variables; `None` where the Hessian is that.
    pub(crate) sigma: Option<&'a Array2<f64>>,
    pub(crate) set: &'a Polytope,
    pub(crate) trades: Option<&'a Trades>,
    pub(crate) tracking: Option<&'a Tracking>,
    pub(crate) cancel: &'a Cancel,
}

impl Programs<'_> {
    /// The solution at `lambda`.
    ///
    /// # Errors
    /// Those of [`Family::at`].
    pub(crate) fn at(&self, lambda: f64, near: &ActiveSet) -> Result<Point, Unsolved> {
        let point = self.family.at(lambda, near, self.cancel)?;
        match self.tracking {
            Some(tracking) if self.off(tracking, &point) > 0.0 => {
                self.pulled(tracking, lambda, &point.active)
            }
            _ => Ok(point),
        }
    }

    /// By how much a point passes the limit; nothing where that is rounding.
    fn off(&self, tracking: &Tracking, point: &Point) -> f64 {
        let off = tracking.error(&self.weights(&point.x)) - tracking.largest;
        if off.abs() <= TARGET * tracking.largest { 0.0 } else { off }
    }

    fn weights(&self, x: &Array1<f64>) -> Array1<f64> {
        self.trades.map_or_else(|| x.clone(), |trades| trades.weights(x))
    }

    /// The solution whose tracking error is the limit, which was found to be within reach.
    fn pulled(&self, tracking: &Tracking, lambda: f64, near: &ActiveSet) -> Result<Point, Unsolved> {
        let mixture = self.mixture(tracking, lambda);
        let (mut low, mut high) = (0.0, 1.0);
        let mut point = mixture(1.0, near)?;
        for _ in 0..MAX_PROGRAMS {
            let root = point.line.as_ref().filter(|_| self.sigma.is_none()).and_then(|line| {
                let base = self.weights(&line.base);
                let slope = self.weights(&(&line.base + &line.slope)) - &base;
                tracking.root(&base, &slope)
            });
            let middle = low + (high - low) / 2.0;
            let next = root.filter(|root| *root > low && *root < high).unwrap_or(middle);
            if next <= low || next >= high {
                break;
            }
            point = mixture(next, &point.active)?;
            match self.off(tracking, &point) {
                off if off > 0.0 => high = next,
                off if off < 0.0 => low = next,
                _ => return Ok(point.without_line()),
            }
        }
        // The limit lies in a jump that is smaller than doubles resolve: the near side of it keeps to it.
        mixture(low, &point.active).map(Point::without_line)
    }

    /// The program of u.
    fn mixture(
        &self,
        tracking: &Tracking,
        lambda: f64,
    ) -> impl Fn(f64, &ActiveSet) -> Result<Point, Unsolved> {
        let towards = tracking.pull().clone();
        let away = self.family.linear(lambda) - &towards;
        let shared = self.family.along(towards.clone(), away.clone());
        move |u, near| {
            let Some(sigma) = self.sigma else { return shared.at(u, near, self.cancel) };
            work::count(4 * sigma.len());
            let hessian = self.hessian * u + sigma * (1.0 - u);
            let family = Family::new(&hessian, &away, self.set, self.cancel)?;
            family.along(towards.clone(), away.clone()).at(u, near, self.cancel)
        }
    }
}
