//! The largest return for a volatility.

use ndarray::Array1;

use super::parameter::Parameter;
use super::problem::{self, Problem};
use super::{Constraints, Key, Objective};
use crate::input;
use crate::portfolio::limit::Scope;
use crate::portfolio::market::Market;
use crate::portfolio::solver::active_set::ActiveSet;
use crate::portfolio::solver::line_search::{self, Safe, Step, TARGET};
use crate::portfolio::solver::quadratic::{Point, variance};
use crate::portfolio::solver::unsolved::Unsolved;
use crate::rate::{self, Kind};
use crate::task::Cancel;
use crate::{Error, Result};

/// The volatility a year that is allowed.
const TARGET_VOLATILITY: Parameter<f64> = Parameter {
    key: "target_volatility",
    read: |key, value| {
        input::within(key, rate::read(key, Kind::Risk, value)?, |target| target > 0.0, "over 0")
    },
};

/// At this multiple the risks count for less than the optimality conditions may be missed by.
const END: f64 = 1e8;

/// The largest return with at most the volatility `target_volatility`.
pub(super) struct EfficientRisk;

impl Objective for EfficientRisk {
    fn name(&self) -> &'static str {
        "efficient_risk"
    }

    fn scope(&self) -> Scope {
        Scope::Budget
    }

    fn parameters(&self) -> &'static [&'static dyn Key] {
        &[&TARGET_VOLATILITY]
    }

    fn weights(
        &self,
        market: &Market<'_>,
        constraints: &Constraints,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        let target = constraints.parameters.require(&TARGET_VOLATILITY, 0.15)?;
        problem::solve(market, &constraints.limits, cancel, |problem| efficient_risk(problem, target))
    }
}

/// The most mu'w - gamma w'w with w'Sigma w at most the target's square. With a penalty the program of each
/// lambda has its own Hessian, Sigma + 2 gamma lambda, and no line to read lambda from.
fn efficient_risk(problem: &Problem<'_>, target: f64) -> Result<Array1<f64>, Unsolved> {
    let returns = &problem.returns;
    let plain = problem.plain_programs(returns)?;
    let first = plain.at(0.0, &problem.start(&plain.family))?;
    let least = variance(&problem.sigma, first.x.view()).max(0.0).sqrt();
    if least > target * (1.0 + TARGET) {
        return Err(Error::Infeasible {
            reason: format!(
                "target_volatility {target} is under the least volatility that the constraints allow"
            ),
            feasible: format!("target_volatility at least {least}"),
        }
        .into());
    }
    let best = problem.largest(returns)?;
    // The end of a polytope is reached; that of a ball only comes nearer.
    let end = if problem.tracking.is_some() { END * problem.unit() } else { 0.0 };
    let step = |point: &Point, lambda: f64| {
        let risk = variance(&problem.sigma, point.x.view()).max(0.0).sqrt();
        let at_end = lambda >= end && returns.dot(&point.x) >= best - TARGET * best.abs();
        let root = point.line.as_ref().filter(|_| problem.l2 == 0.0).and_then(|line| {
            let slope = variance(&problem.sigma, line.slope.view());
            let rest = target * target - variance(&problem.sigma, line.base.view());
            (slope > 0.0 && rest >= 0.0).then(|| (rest / slope).sqrt())
        });
        match risk - target {
            distance if distance.abs() <= TARGET * 1e-2 * target => Step::Done,
            distance if distance < 0.0 && at_end => Step::Done,
            distance if distance < 0.0 => Step::Up(root),
            _ => Step::Down(root),
        }
    };
    if problem.l2 == 0.0 {
        return problem.search(&plain, first, Safe::Low, step).map(|point| point.x);
    }
    let at = |lambda: f64, near: &ActiveSet| {
        let hessian = problem.penalised(2.0 * problem.l2 * lambda)?;
        problem.programs(&hessian, returns)?.at(lambda, near)
    };
    // With a penalty the line ends at the most mu'w - gamma w'w, which may need less risk than is allowed.
    let end = problem.penalised(2.0 * problem.l2)? - &problem.sigma;
    let end = problem.programs(&end, returns)?.at(1.0, &first.active)?.x;
    if variance(&problem.sigma, end.view()) <= target * target {
        return Ok(end);
    }
    line_search::search(first, problem.unit(), Safe::Low, at, step).map(|point| point.x)
}
