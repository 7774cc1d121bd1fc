//! The largest quadratic utility.

use ndarray::Array1;

use super::problem::{self, Problem};
use super::{Constraints, Objective};
use crate::Result;
use crate::portfolio::limit::Scope;
use crate::portfolio::market::Market;
use crate::portfolio::solver::unsolved::Unsolved;
use crate::task::Cancel;

/// The largest return less half the risk aversion times the variance.
pub(super) struct MaxQuadraticUtility;

impl Objective for MaxQuadraticUtility {
    fn name(&self) -> &'static str {
        "max_quadratic_utility"
    }

    fn scope(&self) -> Scope {
        Scope::Budget
    }

    fn weights(
        &self,
        market: &Market<'_>,
        constraints: &Constraints,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        problem::solve(market, &constraints.limits, cancel, quadratic_utility)
    }
}

/// The most mu'w - delta/2 w'Sigma w - gamma w'w: lambda is 1 / delta on Sigma + 2 gamma / delta.
fn quadratic_utility(problem: &Problem<'_>) -> Result<Array1<f64>, Unsolved> {
    let delta = problem.market.risk_aversion.value();
    let hessian = problem.penalised(2.0 * problem.l2 / delta)?;
    let programs = problem.programs(&hessian, &problem.returns)?;
    programs.at(1.0 / delta, &problem.start(&programs.family)).map(|point| point.x)
}
