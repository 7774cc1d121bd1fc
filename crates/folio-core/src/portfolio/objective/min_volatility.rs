//! The least volatility.

use ndarray::Array1;

use super::problem::{self, Problem};
use super::{Constraints, Objective};
use crate::Result;
use crate::portfolio::limit::Scope;
use crate::portfolio::market::Market;
use crate::portfolio::solver::unsolved::Unsolved;
use crate::task::Cancel;

/// The least volatility.
pub(super) struct MinVolatility;

impl Objective for MinVolatility {
    fn name(&self) -> &'static str {
        "min_volatility"
    }

    fn scope(&self) -> Scope {
        Scope::Variance
    }

    fn weights(
        &self,
        market: &Market<'_>,
        constraints: &Constraints,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        problem::solve(market, &constraints.limits, cancel, min_volatility)
    }
}

fn min_volatility(problem: &Problem<'_>) -> Result<Array1<f64>, Unsolved> {
    let hessian = problem.penalised(problem.l2)?;
    let programs = problem.programs(&hessian, &problem.returns)?;
    programs.at(0.0, &problem.start(&programs.family)).map(|point| point.x)
}
