//! Trades: portfolios that are held now, what changing them may come to and what it costs.
//!
//! The weights w = w0 + bought - sold become the variables (bought, sold, 1), so that |w - w0| is the linear
//! bought + sold. The last one is held at 1 and carries w0: variances and returns then stay plain forms x'Hx and e'x,
//! and everything that solves the problem without trades solves this one.

use ndarray::{Array1, Array2};

use super::cone::{ConeOutcome, ConeProgram};
use super::constraint::{Constraints, Polytope, Row};
use super::quadratic;
use super::universe::Universe;
use crate::task::Cancel;
use crate::{Error, Result};

/// The weights held now with the cost of a trade in each.
pub(crate) struct Trades {
    current: Vec<f64>,
    costs: Vec<f64>,
    largest: f64,
}

impl Trades {
    /// The trades that constraints speak of, if they limit or price any.
    pub(crate) fn of(constraints: &Constraints, universe: &Universe) -> Result<Option<Trades>> {
        let Some(current) = &constraints.current_weights else { return Ok(None) };
        let current = universe.join_or(current, 0.0)?;
        let costs = match &constraints.transaction_cost {
            Some(costs) => costs.join(universe, 0.0)?,
            None => vec![0.0; universe.len()],
        };
        let largest = constraints.max_turnover.unwrap_or(f64::INFINITY);
        let free = largest.is_infinite() && costs.iter().all(|cost| *cost == 0.0);
        Ok((!free).then_some(Trades { current, costs, largest }))
    }

    /// w of (bought, sold, 1).
    pub(crate) fn weights(&self, x: &Array1<f64>) -> Array1<f64> {
        let n = self.current.len();
        (0..n).map(|i| self.current[i] + x[i] - x[n + i]).collect()
    }

    /// w as a linear function of the variables: the share of each in each weight.
    fn spread(&self, values: impl Fn(usize) -> f64) -> Vec<f64> {
        let n = self.current.len();
        let carried = (0..n).map(|i| values(i) * self.current[i]).sum();
        (0..n).map(&values).chain((0..n).map(|i| -values(i))).chain([carried]).collect()
    }

    /// The returns less the costs.
    pub(crate) fn gain(&self, returns: &Array1<f64>) -> Array1<f64> {
        let n = self.current.len();
        let mut gain = self.spread(|i| returns[i]);
        for i in 0..n {
            gain[i] -= self.costs[i];
            gain[n + i] -= self.costs[i];
        }
        Array1::from(gain)
    }

    /// H over the variables.
    pub(crate) fn hessian(&self, hessian: &Array2<f64>) -> Array2<f64> {
        let n = self.current.len();
        let rows: Vec<Vec<f64>> = (0..n).map(|i| self.spread(|j| hessian[[i, j]])).collect();
        let columns: Vec<Vec<f64>> = (0..=2 * n).map(|j| self.spread(|i| rows[i][j])).collect();
        // Symmetric but for rounding, of which the factorisations see one triangle only.
        Array2::from_shape_fn((2 * n + 1, 2 * n + 1), |(i, j)| columns[i.max(j)][i.min(j)])
    }

    /// The constraints over the variables.
    pub(crate) fn polytope(&self, set: &Polytope) -> Polytope {
        let n = self.current.len();
        let mut rows: Vec<Row> = set
            .rows
            .iter()
            .map(|row| Row { coefficients: self.spread(|i| row.coefficients[i]), ..row.clone() })
            .collect();
        if self.largest.is_finite() {
            let mut coefficients = vec![1.0; 2 * n + 1];
            coefficients[2 * n] = 0.0;
            rows.push(Row {
                name: "max_turnover".to_owned(),
                coefficients,
                lower: f64::NEG_INFINITY,
                upper: self.largest,
            });
        }
        // A weight outside its bounds has to be traded at least back to them.
        let bought = (0..n).map(|i| (set.lower[i] - self.current[i], set.upper[i] - self.current[i]));
        let sold = (0..n).map(|i| (self.current[i] - set.upper[i], self.current[i] - set.lower[i]));
        let bounds: Vec<(f64, f64)> =
            bought.chain(sold).map(|(low, high)| (low.max(0.0), high.max(0.0))).collect();
        Polytope {
            lower: bounds.iter().map(|(low, _)| *low).chain([1.0]).collect(),
            upper: bounds.iter().map(|(_, high)| *high).chain([1.0]).collect(),
            rows,
        }
    }

    /// The error of a turnover that is too small for the constraints, which without it can be met.
    pub(crate) fn explain(&self, set: &Polytope, cancel: &Cancel) -> Result<Error> {
        let unlimited =
            Trades { current: self.current.clone(), costs: self.costs.clone(), largest: f64::INFINITY };
        let n = self.current.len();
        let mut traded = vec![1.0; 2 * n];
        traded.push(0.0);
        let mut program = ConeProgram::new(traded);
        quadratic::add_polytope(&mut program, &unlimited.polytope(set));
        match program.solve(cancel)? {
            ConeOutcome::Solved { x, .. } => Ok(Error::Infeasible {
                reason: format!(
                    "max_turnover {} is too small to come from the current weights to any that keep to the other \
                     constraints",
                    self.largest
                ),
                feasible: format!("max_turnover at least {:.6}", x[..2 * n].iter().sum::<f64>()),
            }),
            ConeOutcome::Infeasible => Err(Error::SolverFailed { status: "infeasible".to_owned() }),
            ConeOutcome::Failed(status) => Err(Error::SolverFailed { status }),
        }
    }
}
