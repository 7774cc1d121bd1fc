//! Why constraints have no portfolio, and what would have one.

use crate::input;
use crate::portfolio::solver::cone::{ConeProgram, ConeSolution};
use crate::portfolio::solver::polytope::{FEASIBILITY, Polytope};
use crate::portfolio::solver::unsolved::Unsolved;
use crate::portfolio::universe::Universe;
use crate::task::Cancel;
use crate::{Error, Result};

/// The error that names the clashing constraints of a polytope without points, with the nearest values that work.
///
/// # Errors
/// [`Error::Cancelled`], [`Error::SolverFailed`].
pub(crate) fn explain(set: &Polytope, universe: &Universe, cancel: &Cancel) -> Result<Error> {
    match budget_clash(set, universe) {
        Some(error) => Ok(error),
        None => row_clash(set, cancel),
    }
}

/// Whether any point keeps to the constraints.
///
/// # Errors
/// [`Error::Cancelled`], [`Error::SolverFailed`].
pub(crate) fn is_feasible(set: &Polytope, cancel: &Cancel) -> Result<bool> {
    let mut program = ConeProgram::new(vec![0.0; set.len()]);
    program.within(set);
    match program.solve(cancel) {
        Ok(_) => Ok(true),
        Err(Unsolved::Infeasible) => Ok(false),
        Err(Unsolved::Failed(error)) => Err(error),
    }
}

/// Bounds whose sums leave the budget out.
fn budget_clash(set: &Polytope, universe: &Universe) -> Option<Error> {
    let budget = set.rows.first()?.lower;
    let n = set.len();
    let (least, most) = (set.lower.iter().sum::<f64>(), set.upper.iter().sum::<f64>());
    let same = |bounds: &[f64]| bounds.iter().all(|bound| *bound == bounds[0]);
    let describe = |bounds: &[f64]| {
        if same(bounds) {
            return format!("{} for each of {n} tickers", bounds[0]);
        }
        let named: Vec<String> = universe
            .tickers()
            .iter()
            .zip(bounds)
            .map(|(ticker, bound)| format!("{ticker} {bound}"))
            .collect();
        input::listed(&named)
    };
    if most < budget - FEASIBILITY {
        return Some(Error::Infeasible {
            reason: format!(
                "max_weight ({}) sums to {}, the weights must sum to {budget}",
                describe(&set.upper),
                rounded(most)
            ),
            feasible: if same(&set.upper) {
                format!("max_weight at least {}", no_less(budget / n as f64))
            } else {
                format!("a max_weight that is larger by {} in all", no_less(budget - most))
            },
        });
    }
    (least > budget + FEASIBILITY).then(|| Error::Infeasible {
        reason: format!(
            "min_weight ({}) sums to {}, the weights must sum to {budget}",
            describe(&set.lower),
            rounded(least)
        ),
        feasible: if same(&set.lower) {
            format!("min_weight at most {}", no_more(budget / n as f64))
        } else {
            format!("a min_weight that is smaller by {} in all", no_less(least - budget))
        },
    })
}

/// Rows that cannot all hold: the program that relaxes them by the least sum tells by how much each has to give,
/// its multipliers which of them clash.
fn row_clash(set: &Polytope, cancel: &Cancel) -> Result<Error> {
    let n = set.len();
    let rows = &set.rows[1..];
    let mut program = ConeProgram::new([vec![0.0; n], vec![1.0; 2 * rows.len()]].concat());
    let sparse = |coefficients: &[f64]| -> Vec<(usize, f64)> {
        coefficients.iter().copied().enumerate().filter(|(_, value)| *value != 0.0).collect()
    };
    program.equation(sparse(&set.rows[0].coefficients), set.rows[0].lower);
    let mut names = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let (under, over) = (n + 2 * index, n + 2 * index + 1);
        if program.at_least([sparse(&row.coefficients), vec![(under, 1.0)]].concat(), row.lower) {
            names.push(format!("{} at least {}", row.name, row.lower));
        }
        if program.at_most([sparse(&row.coefficients), vec![(over, -1.0)]].concat(), row.upper) {
            names.push(format!("{} at most {}", row.name, row.upper));
        }
        program.at_least(vec![(under, 1.0)], 0.0);
        program.at_least(vec![(over, 1.0)], 0.0);
        names.extend([String::new(), String::new()]);
    }
    let (mut low, mut high) = (false, false);
    for i in 0..n {
        program.at_least(vec![(i, 1.0)], set.lower[i]);
        program.at_most(vec![(i, 1.0)], set.upper[i]);
    }
    let ConeSolution { x, multipliers } = match program.solve(cancel) {
        Ok(solution) => solution,
        Err(Unsolved::Infeasible) => {
            return Err(Error::SolverFailed { status: "infeasible relaxation".to_owned() });
        }
        Err(Unsolved::Failed(error)) => return Err(error),
    };
    const BINDS: f64 = 1e-6;
    let of_inequalities = &multipliers[1..];
    let mut clash: Vec<String> = names
        .iter()
        .zip(of_inequalities)
        .filter(|(name, multiplier)| !name.is_empty() && **multiplier > BINDS)
        .map(|(name, _)| name.clone())
        .collect();
    for pair in of_inequalities[names.len()..].chunks(2) {
        low |= pair[0] > BINDS;
        high |= pair.get(1).is_some_and(|multiplier| *multiplier > BINDS);
    }
    clash.extend(low.then(|| "min_weight".to_owned()));
    clash.extend(high.then(|| "max_weight".to_owned()));
    let mut feasible = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let (under, over) = (x[n + 2 * index], x[n + 2 * index + 1]);
        if under > BINDS {
            feasible.push(format!("{} at least {}", row.name, no_more(row.lower - under)));
        }
        if over > BINDS {
            feasible.push(format!("{} at most {}", row.name, no_less(row.upper + over)));
        }
    }
    Ok(Error::Infeasible {
        reason: format!(
            "these cannot hold together with a sum of weights of {}: {}",
            set.rows[0].lower,
            clash.join(", ")
        ),
        feasible: feasible.join(", "),
    })
}

/// Decimal places of the numbers in messages: enough to act on, without the noise of the last bits.
const PLACES: f64 = 1e6;

fn rounded(value: f64) -> f64 {
    (value * PLACES).round() / PLACES
}

/// Rounded up, so that a bound which has to be this large is feasible as it is printed; but for what is rounding itself.
pub(crate) fn no_less(value: f64) -> f64 {
    ((value - FEASIBILITY) * PLACES).ceil() / PLACES
}

/// Rounded down.
fn no_more(value: f64) -> f64 {
    -no_less(-value)
}
