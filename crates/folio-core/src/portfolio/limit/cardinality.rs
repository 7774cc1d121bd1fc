//! Portfolios of few tickers.
//!
//! The best portfolio of at most k tickers is a problem with 0/1 variables that grows exponentially; this is a heuristic,
//! backward elimination. The smallest weights are excluded, the rest is optimised anew, and so on until k are held. What
//! is found keeps to all constraints and is the best of its own tickers; other k tickers may be better.

use ndarray::Array1;
use serde_json::Value;

use super::{Limit, Scope};
use crate::input;
use crate::portfolio::solver::polytope::{FEASIBILITY, Polytope};
use crate::{Error, Result};

/// The limit; none by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cardinality {
    /// The most tickers that are held.
    pub max_assets: Option<usize>,
}

impl Limit for Cardinality {
    fn keys(&self) -> &'static [(&'static str, Scope)] {
        &[("max_assets", Scope::Weights)]
    }

    fn read(&mut self, key: &'static str, value: &Value) -> Result<()> {
        self.max_assets = Some(input::count(key, value)?);
        Ok(())
    }
}

/// Weights up to this size are rounding, and held by nobody.
const NEGLIGIBLE: f64 = 1e-9;

/// Weights of which at most `most` are not zero. `solve` optimises with these tickers excluded.
///
/// # Errors
/// [`Error::Infeasible`] where there is none, or none was found; those of `solve`.
pub(crate) fn few(
    most: usize,
    set: &Polytope,
    solve: impl Fn(&[usize]) -> Result<Array1<f64>>,
) -> Result<Array1<f64>> {
    require(most, set)?;
    let mut weights = solve(&[])?;
    let mut excluded: Vec<usize> = Vec::new();
    // Those without which nothing was feasible.
    let mut needed: Vec<bool> = (0..set.len()).map(|i| forced(set, i)).collect();
    let mut batch = usize::MAX;
    loop {
        let mut held: Vec<usize> = (0..weights.len()).filter(|&i| weights[i].abs() > NEGLIGIBLE).collect();
        let excess = held.len().saturating_sub(most);
        if excess == 0 {
            return Ok(weights);
        }
        let count = held.len();
        held.retain(|&i| !needed[i]);
        held.sort_by(|&a, &b| weights[a].abs().total_cmp(&weights[b].abs()));
        // Half of what is too much at once: the order of the small weights changes as they go.
        batch = batch.min(excess.div_ceil(2)).min(held.len());
        if batch == 0 {
            return Err(Error::Infeasible {
                reason: format!(
                    "max_assets {most}: the heuristic found no portfolio of fewer than {count} tickers"
                ),
                feasible: format!("max_assets at least {count}"),
            });
        }
        let next = [excluded.as_slice(), &held[..batch]].concat();
        match solve(&next) {
            Ok(fewer) => (weights, excluded, batch) = (fewer, next, usize::MAX),
            Err(Error::Infeasible { .. }) if batch > 1 => batch /= 2,
            Err(Error::Infeasible { .. }) => {
                needed[held[0]] = true;
                batch = usize::MAX;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether a ticker's bounds leave out zero.
fn forced(set: &Polytope, i: usize) -> bool {
    set.lower[i] > 0.0 || set.upper[i] < 0.0
}

/// Fails where the bounds alone need more tickers.
fn require(most: usize, set: &Polytope) -> Result<()> {
    let forced = (0..set.len()).filter(|&i| forced(set, i)).count();
    let mut largest: Vec<f64> = set.upper.iter().map(|upper| upper.max(0.0)).collect();
    largest.sort_by(|a, b| b.total_cmp(a));
    let budget = set.rows[0].lower;
    let mut sum = 0.0;
    let filling = largest.iter().take_while(|upper| {
        let short = sum < budget - FEASIBILITY;
        sum += **upper;
        short
    });
    let need = forced.max(filling.count());
    if need <= most {
        return Ok(());
    }
    Err(Error::Infeasible {
        reason: format!(
            "max_assets {most} is fewer than min_weight and max_weight need for a sum of {budget}"
        ),
        feasible: format!("max_assets at least {need}"),
    })
}
