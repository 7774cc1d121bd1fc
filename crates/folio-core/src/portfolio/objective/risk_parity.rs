//! Risk parity: weights whose shares in the variance are given budgets.

use faer::Mat;
use ndarray::Array1;

use super::parameter::Parameter;
use super::{Constraints, Key, Objective};
use crate::input;
use crate::portfolio::covariance::Covariance;
use crate::portfolio::limit::Scope;
use crate::portfolio::market::Market;
use crate::portfolio::solver::linalg::{self, Cholesky};
use crate::portfolio::universe::{PerTicker, Universe};
use crate::rate::Kind;
use crate::task::Cancel;
use crate::{Error, Result, work};

/// The share of each ticker in the risk; of a full list only the proportions matter.
const RISK_BUDGETS: Parameter<PerTicker> = Parameter {
    key: "risk_budgets",
    read: |key, value| {
        let budgets = PerTicker::from_json(key, Kind::Part, value)?;
        budgets.require(key, |budget| budget > 0.0, "over 0")?;
        Ok(budgets)
    },
};

/// Equal shares in the risk, or those of `risk_budgets`; long only.
pub(super) struct RiskParity;

impl Objective for RiskParity {
    fn name(&self) -> &'static str {
        "risk_parity"
    }

    fn scope(&self) -> Scope {
        Scope::Names
    }

    fn parameters(&self) -> &'static [&'static dyn Key] {
        &[&RISK_BUDGETS]
    }

    fn weights(
        &self,
        market: &Market<'_>,
        constraints: &Constraints,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        let budgets = constraints.parameters.get(&RISK_BUDGETS)?.unwrap_or(PerTicker::All(1.0));
        let universe = market.covariance.universe();
        let budgets = budgets.join(universe, of_the_unnamed(&budgets, universe)?)?;
        risk_parity(market.covariance, &budgets, cancel)
    }
}

/// The budget of a ticker that is not named, where `*` says nothing of it. Budgets under one are shares of the risk, and what
/// they leave is shared equally; budgets of one and over are multiples of what the others have.
///
/// # Errors
/// [`Error::InvalidArgument`] for shares that leave nothing, or are mixed with multiples.
fn of_the_unnamed(budgets: &PerTicker, universe: &Universe) -> Result<f64> {
    let PerTicker::Each(named) = budgets else { return Ok(1.0) };
    let others = universe.tickers().iter().filter(|ticker| !named.contains_key(*ticker)).count();
    let sum: f64 = named.values().sum();
    if named.is_empty()
        || named.contains_key("*")
        || others == 0
        || named.values().all(|budget| *budget >= 1.0)
    {
        return Ok(1.0);
    }
    if sum < 1.0 {
        return Ok((1.0 - sum) / others as f64);
    }
    let given = format!("a sum of {sum}, which leaves nothing for {others} tickers");
    let expected = "shares that sum to less than 1, a budget for every ticker, or for \"*\", which stands for the others";
    Err(input::invalid(RISK_BUDGETS.key, given, expected))
}

/// The most Newton steps; ten are usual.
const MAX_STEPS: usize = 200;

/// How close each share comes to its budget.
const SHARE: f64 = 1e-12;

/// What of the decrease that a Newton step promises must come true (Armijo).
const ARMIJO: f64 = 1e-4;

/// The long-only weights whose shares in the variance are `budgets`, positive numbers of which only the proportions
/// matter.
///
/// They are the scaled minimum of 1/2 y'Cy - sum of b_i ln y_i, which is strictly convex and has one solution
/// (Spinu 2013), found by damped Newton steps on the correlations C, so that scales do not matter.
///
/// # Errors
/// [`Error::InvalidArgument`] where a ticker has no variance and so can have no share in the risk;
/// [`Error::SolverFailed`]; [`Error::Cancelled`].
fn risk_parity(covariance: &Covariance, budgets: &[f64], cancel: &Cancel) -> Result<Array1<f64>> {
    let sd = covariance.volatility();
    if let Some(still) = (0..sd.len()).find(|&i| sd[i] <= 0.0) {
        return Err(Error::InvalidArgument {
            argument: "tickers",
            value: format!("{}, whose price does not move", covariance.universe().tickers()[still]),
            expected: "prices that move: what has no risk cannot have a share of it".to_owned(),
        });
    }
    let total: f64 = budgets.iter().sum();
    let budgets: Array1<f64> = budgets.iter().map(|budget| budget / total).collect();
    let mut correlation = covariance.matrix().clone();
    for ((i, j), value) in correlation.indexed_iter_mut() {
        *value /= sd[i] * sd[j];
    }
    let value = |y: &Array1<f64>| {
        0.5 * linalg::quadratic_form(correlation.view(), y.view())
            - budgets.iter().zip(y).map(|(budget, y)| budget * y.ln()).sum::<f64>()
    };
    let mut y = budgets.mapv(f64::sqrt);
    // On the ray of the start the best scale is known: there the risks sum to the budgets.
    y /= linalg::quadratic_form(correlation.view(), y.view()).sqrt();
    for _ in 0..MAX_STEPS {
        work::count(correlation.len());
        let marginal = correlation.dot(&y);
        let off = (&y * &marginal - &budgets).iter().fold(0.0_f64, |off, gap| off.max(gap.abs()));
        if off <= SHARE {
            let weights = &y / &sd;
            let sum = weights.sum();
            return Ok(weights / sum);
        }
        let gradient = &marginal - &(&budgets / &y);
        let n = y.len();
        cancel.check()?;
        work::count(n * n);
        let hessian = Mat::from_fn(n, n, |i, j| {
            correlation[[i, j]] + if i == j { budgets[i] / (y[i] * y[i]) } else { 0.0 }
        });
        let Some(factor) = Cholesky::new(hessian, cancel)? else { break };
        let mut step = Mat::from_fn(n, 1, |i, _| -gradient[i]);
        factor.solve(step.as_mut(), cancel)?;
        let step = Array1::from_shape_fn(n, |i| step[(i, 0)]);
        y = descend(&y, &step, gradient.dot(&step), &value, cancel)?;
    }
    Err(Error::SolverFailed { status: "risk parity did not converge".to_owned() })
}

/// Halves the step until it stays positive and decreases the value; close to the minimum, where rounding hides the
/// decrease, the full step is the best there is.
fn descend(
    y: &Array1<f64>,
    step: &Array1<f64>,
    slope: f64,
    value: &dyn Fn(&Array1<f64>) -> f64,
    cancel: &Cancel,
) -> Result<Array1<f64>> {
    const HALVINGS: i32 = 60;
    let start = value(y);
    for halving in 0..HALVINGS {
        cancel.check()?;
        let size = 0.5_f64.powi(halving);
        let next = y + &(step * size);
        let noise = 1e-14 * start.abs().max(1.0);
        if next.iter().all(|y| *y > 0.0) && value(&next) <= start + ARMIJO * size * slope + noise {
            return Ok(next);
        }
    }
    Ok(y.clone())
}
