//! Nested clustered optimisation (Lopez de Prado, 'A Robust Estimator of the Efficient Frontier', 2019).

use ndarray::{Array1, Array2};

use super::clusters::{self, ClusterOptions, Clusters};
use super::{Constraints, Key, Objective};
use crate::Result;
use crate::portfolio::covariance::Covariance;
use crate::portfolio::limit::Scope;
use crate::portfolio::market::Market;
use crate::portfolio::solver::polytope::{Polytope, Row};
use crate::portfolio::solver::quadratic::Family;
use crate::portfolio::solver::unsolved::Unsolved;
use crate::task::Cancel;
use crate::work::watched;

/// Nested clustered optimisation of the least volatility; long only.
pub(super) struct Nco;

impl Objective for Nco {
    fn name(&self) -> &'static str {
        "nco"
    }

    fn scope(&self) -> Scope {
        Scope::Names
    }

    fn parameters(&self) -> &'static [&'static dyn Key] {
        clusters::PARAMETERS
    }

    fn weights(
        &self,
        market: &Market<'_>,
        constraints: &Constraints,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        nco(market.covariance, ClusterOptions::of(&constraints.parameters)?, cancel)
    }
}

/// The weights of nested clustered optimisation: the portfolio of least variance inside each cluster, and that of least
/// variance of these portfolios. Long only, fully invested.
///
/// # Errors
/// Those of [`clusters::clusters`]; [`Error::SolverFailed`].
fn nco(covariance: &Covariance, options: ClusterOptions, cancel: &Cancel) -> Result<Array1<f64>> {
    let Clusters { members, .. } = Clusters::new(covariance, options, cancel)?;
    let matrix = covariance.matrix();
    let inside = |members: &Vec<usize>| {
        let block =
            Array2::from_shape_fn((members.len(), members.len()), |(i, j)| matrix[[members[i], members[j]]]);
        let mut weights = Array1::zeros(matrix.nrows());
        for (&i, weight) in members.iter().zip(least_variance(&block, cancel)?) {
            weights[i] = weight;
        }
        Ok(weights)
    };
    let portfolios = members.iter().map(inside).collect::<Result<Vec<Array1<f64>>>>()?;
    let k = portfolios.len();
    let mut risks = Vec::with_capacity(k);
    for portfolio in watched(&portfolios, matrix.len(), cancel) {
        risks.push(matrix.dot(portfolio?));
    }
    let mut between = Array2::zeros((k, k));
    for i in watched(0..k, k * matrix.nrows(), cancel) {
        let i = i?;
        (0..k).for_each(|j| between[[i, j]] = portfolios[i.max(j)].dot(&risks[i.min(j)]));
    }
    let shares = least_variance(&between, cancel)?;
    let mut weights = Array1::zeros(matrix.nrows());
    for (portfolio, share) in portfolios.iter().zip(shares) {
        weights.scaled_add(share, portfolio);
    }
    Ok(weights)
}

/// The long-only portfolio of least variance.
fn least_variance(matrix: &Array2<f64>, cancel: &Cancel) -> Result<Array1<f64>> {
    let n = matrix.nrows();
    let budget = Row { name: String::new(), coefficients: vec![1.0; n], lower: 1.0, upper: 1.0 };
    let set = Polytope { lower: vec![0.0; n], upper: vec![1.0; n], rows: vec![budget] };
    let family = Family::new(matrix, &Array1::zeros(n), &set, cancel)?;
    // A weight at its bound may be a rounding beyond it.
    let point = family.at(0.0, &family.start(n), cancel).map_err(Unsolved::unexpected)?;
    Ok(point.x.mapv(|weight| weight.clamp(0.0, 1.0)))
}
