//! The least volatility for a return.

use ndarray::Array1;

use super::parameter::Parameter;
use super::problem::{self, Problem};
use super::{Constraints, Key, Objective};
use crate::portfolio::limit::Limits;
use crate::portfolio::limit::Scope;
use crate::portfolio::market::Market;
use crate::portfolio::solver::line_search::{Safe, Step, TARGET};
use crate::portfolio::solver::quadratic::Point;
use crate::portfolio::solver::unsolved::Unsolved;
use crate::rate::{self, Kind};
use crate::task::Cancel;
use crate::{Error, Result};

/// The return a year that is asked for.
const TARGET_RETURN: Parameter<f64> =
    Parameter { key: "target_return", read: |key, value| rate::read(key, Kind::Return, value) };

/// The least volatility with at least the return `target_return`.
pub(super) struct EfficientReturn;

impl Objective for EfficientReturn {
    fn name(&self) -> &'static str {
        "efficient_return"
    }

    fn scope(&self) -> Scope {
        Scope::Budget
    }

    fn parameters(&self) -> &'static [&'static dyn Key] {
        &[&TARGET_RETURN]
    }

    fn weights(
        &self,
        market: &Market<'_>,
        constraints: &Constraints,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        let target = constraints.parameters.require(&TARGET_RETURN, 0.15)?;
        least_volatile(market, &constraints.limits, target, cancel)
    }
}

/// The weights of the least volatility with at least this return.
///
/// # Errors
/// Those of [`super::optimize`].
pub(crate) fn least_volatile(
    market: &Market<'_>,
    limits: &Limits,
    target: f64,
    cancel: &Cancel,
) -> Result<Array1<f64>> {
    problem::solve(market, limits, cancel, |problem| efficient_return(problem, target))
}

fn efficient_return(problem: &Problem<'_>, target: f64) -> Result<Array1<f64>, Unsolved> {
    let returns = &problem.returns;
    let hessian = problem.penalised(problem.l2)?;
    let programs = problem.programs(&hessian, returns)?;
    let first = programs.at(0.0, &problem.start(&programs.family))?;
    if returns.dot(&first.x) >= target {
        return Ok(first.x);
    }
    let best = problem.largest(returns)?;
    let near = TARGET * target.abs().max(best.abs());
    if target > best + near {
        return Err(Error::Infeasible {
            reason: format!("target_return {target} is over the largest return that the constraints allow"),
            feasible: format!("target_return at most {best}"),
        }
        .into());
    }
    let step = |point: &Point, _: f64| {
        let reached = returns.dot(&point.x);
        let root = point.line.as_ref().and_then(|line| {
            let slope = returns.dot(&line.slope);
            (slope > 0.0).then(|| (target - returns.dot(&line.base)) / slope)
        });
        match reached - target {
            distance if distance.abs() <= near * 1e-3 || (distance < 0.0 && reached >= best - near) => {
                Step::Done
            }
            distance if distance < 0.0 => Step::Up(root),
            _ => Step::Down(root),
        }
    };
    problem.search(&programs, first, Safe::High, step).map(|point| point.x)
}
