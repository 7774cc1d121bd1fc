//! The largest Sharpe ratio.

use ndarray::Array1;

use super::problem::{self, Problem};
use super::{Constraints, Objective};
use crate::input;
use crate::portfolio::limit::Scope;
use crate::portfolio::market::Market;
use crate::portfolio::solver::line_search::{Safe, Step, TARGET};
use crate::portfolio::solver::quadratic::{Point, variance};
use crate::portfolio::solver::unsolved::Unsolved;
use crate::task::Cancel;
use crate::{Error, Result};

/// The largest excess return for its volatility.
pub(super) struct MaxSharpe;

impl Objective for MaxSharpe {
    fn name(&self) -> &'static str {
        "max_sharpe"
    }

    fn scope(&self) -> Scope {
        Scope::Returns
    }

    fn weights(
        &self,
        market: &Market<'_>,
        constraints: &Constraints,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        problem::solve(market, &constraints.limits, cancel, max_sharpe)
    }
}

/// Where the Sharpe ratio is largest, its gradient vanishes along the constraints: e - (e'w / w'Hw) Hw, which is
/// that of the program with lambda = w'Hw / e'w. On a line x = a + lambda b that is lambda = a'Ha / e'a, since
/// a'Hb = 0 and b'Hb = e'b.
pub(super) fn max_sharpe(problem: &Problem<'_>) -> Result<Array1<f64>, Unsolved> {
    let excess = problem.gain(&(problem.market.returns - problem.market.risk_free_rate));
    let hessian = problem.penalised(problem.l2)?;
    let programs = problem.programs(&hessian, &excess)?;
    let first = programs.at(0.0, &problem.start(&programs.family))?;
    if excess.dot(&first.x) <= 0.0 {
        require_excess(problem, &excess)?;
    }
    let step = |point: &Point, lambda: f64| {
        let (risk, gain) = (variance(&hessian, point.x.view()), excess.dot(&point.x));
        let root = point.line.as_ref().and_then(|line| {
            let gain = excess.dot(&line.base);
            (gain > 0.0).then(|| variance(&hessian, line.base.view()) / gain)
        });
        let distance = risk - lambda * gain;
        if distance.abs() <= TARGET * TARGET.sqrt() * risk {
            Step::Done
        } else if distance > 0.0 {
            Step::Up(root)
        } else {
            Step::Down(root)
        }
    };
    problem.search(&programs, first, Safe::Low, step).map(|point| point.x)
}

/// No portfolio of these constraints beats the risk-free rate, or there is one.
fn require_excess(problem: &Problem<'_>, excess: &Array1<f64>) -> Result<(), Unsolved> {
    let best = problem.largest(excess)?;
    if best > 0.0 {
        return Ok(());
    }
    let universe = problem.market.covariance.universe();
    let mut ranked: Vec<usize> = (0..universe.len()).collect();
    ranked.sort_by(|&a, &b| problem.market.returns[b].total_cmp(&problem.market.returns[a]));
    let named: Vec<String> = ranked
        .iter()
        .map(|&i| format!("{} {:.4}", universe.tickers()[i], problem.market.returns[i]))
        .collect();
    let rate = problem.market.risk_free_rate;
    Err(Error::Infeasible {
        reason: format!(
            "no portfolio returns more than the risk-free rate of {rate}: the expected returns are {}",
            input::listed(&named)
        ),
        feasible: format!(
            "a risk-free rate under {}, or the objective min_volatility",
            // The best weights sum to one, so this is their total return.
            rate + best
        ),
    }
    .into())
}
