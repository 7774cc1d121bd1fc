//! Portfolios of least tail risk, from the days of the history themselves: linear programs.

use ndarray::{Array1, ArrayView2};

use super::cone::{ConeOutcome, ConeProgram, SparseRow};
use super::constraint::Polytope;
use super::quadratic;
use crate::task::Cancel;
use crate::{Error, Result};

/// The confidence where none is given: the worst 5 % of the days.
pub const DEFAULT_CONFIDENCE: f64 = 0.95;

/// How far the value of the weights may lie from the value of the program, as a share of it.
const GAP: f64 = 1e-6;

/// What is measured over the worst days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// The loss of a day (Rockafellar and Uryasev 2000).
    Loss,
    /// The drawdown at a day, of uncompounded cumulative returns (Chekhlov, Uryasev and Zabarankin 2005).
    Drawdown,
}

/// The weights with the least mean over the worst 1 - `confidence` of the days: of losses, CVaR; of drawdowns, CDaR.
///
/// minimise a + sum of z / ((1 - confidence) T) with z >= 0 and z >= what is measured - a, where `returns` has a row
/// for each day.
///
/// # Errors
/// [`Error::Infeasible`] without its reasons, which the caller finds; [`Error::SolverFailed`]; [`Error::Cancelled`].
pub(crate) fn minimise(
    tail: Tail,
    returns: ArrayView2<'_, f64>,
    confidence: f64,
    set: &Polytope,
    cancel: &Cancel,
) -> Result<Array1<f64>> {
    let (days, n) = returns.dim();
    let share = 1.0 / ((1.0 - confidence) * days as f64);
    // The variables: weights, a, the excesses z, and for drawdowns the drawdowns u.
    let (threshold, excess, drawdown) = (n, n + 1, n + 1 + days);
    let mut cost = vec![0.0; n];
    cost.push(1.0);
    cost.extend(std::iter::repeat_n(share, days));
    if tail == Tail::Drawdown {
        cost.extend(std::iter::repeat_n(0.0, days));
    }
    let mut program = ConeProgram::new(cost);
    quadratic::add_polytope(&mut program, set);
    for day in 0..days {
        let gains: SparseRow = returns.row(day).iter().copied().enumerate().collect();
        let row = match tail {
            // z + a + r'w >= 0.
            Tail::Loss => [gains, vec![(threshold, 1.0), (excess + day, 1.0)]].concat(),
            Tail::Drawdown => {
                // u(t) - u(t-1) + r'w >= 0 and u >= 0.
                let mut row = gains;
                if day > 0 {
                    row.push((drawdown + day - 1, -1.0));
                }
                row.push((drawdown + day, 1.0));
                program.at_least(row, 0.0);
                program.at_least(vec![(drawdown + day, 1.0)], 0.0);
                vec![(threshold, 1.0), (excess + day, 1.0), (drawdown + day, -1.0)]
            }
        };
        program.at_least(row, 0.0);
        program.at_least(vec![(excess + day, 1.0)], 0.0);
    }
    let x = match program.solve(cancel)? {
        ConeOutcome::Solved { x, .. } => x,
        ConeOutcome::Infeasible => {
            return Err(Error::Infeasible { reason: String::new(), feasible: String::new() });
        }
        ConeOutcome::Failed(status) => return Err(Error::SolverFailed { status }),
    };
    let program_value = x[threshold] + share * x[excess..excess + days].iter().sum::<f64>();
    let weights: Array1<f64> = (0..n).map(|i| x[i].clamp(set.lower[i], set.upper[i])).collect();
    let value = measure(tail, returns, &weights, confidence);
    let broken = set.violation(weights.as_slice().unwrap_or_default());
    if (value - program_value).abs() > GAP * value.abs().max(GAP) || broken > 1e-8 {
        return Err(Error::SolverFailed {
            status: format!("the weights' tail risk is {value}, the program's {program_value}"),
        });
    }
    Ok(weights)
}

/// The mean over the worst 1 - `confidence` of the days of the loss or the drawdown of these weights, a share of a
/// day counted as a share.
pub(crate) fn measure(
    tail: Tail,
    returns: ArrayView2<'_, f64>,
    weights: &Array1<f64>,
    confidence: f64,
) -> f64 {
    let gains = returns.dot(weights);
    let mut measured: Vec<f64> = match tail {
        Tail::Loss => gains.iter().map(|gain| -gain).collect(),
        Tail::Drawdown => {
            let mut drawdown = 0.0_f64;
            gains
                .iter()
                .map(|gain| {
                    drawdown = (drawdown - gain).max(0.0);
                    drawdown
                })
                .collect()
        }
    };
    measured.sort_by(|a, b| b.total_cmp(a));
    let count = (1.0 - confidence) * measured.len() as f64;
    let whole = count.floor() as usize;
    let part = measured.get(whole).map_or(0.0, |next| (count - whole as f64) * next);
    (measured.iter().take(whole).sum::<f64>() + part) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_means_of_the_worst_days() {
        let returns = ndarray::arr2(&[[0.01], [-0.03], [0.02], [-0.01], [-0.02]]);
        let one = ndarray::arr1(&[1.0]);
        let loss = |confidence| measure(Tail::Loss, returns.view(), &one, confidence);
        assert!((loss(0.6) - 0.025).abs() < 1e-15);
        // One and a half days of five.
        assert!((loss(0.7) - (0.03 + 0.01) / 1.5).abs() < 1e-15);
        // Drawdowns: 0, 3, 1, 2, 4 %.
        let drawdown = measure(Tail::Drawdown, returns.view(), &one, 0.6);
        assert!((drawdown - 0.035).abs() < 1e-15);
    }
}
