//! Hierarchical equal risk contribution (Raffinot, 'The Hierarchical Equal Risk Contribution Portfolio', 2018).

use ndarray::Array1;

use super::clusters::{self, ClusterOptions, Clusters};
use super::tree;
use super::{Constraints, Key, Objective};
use crate::Result;
use crate::portfolio::covariance::Covariance;
use crate::portfolio::limit::Scope;
use crate::portfolio::market::Market;
use crate::task::Cancel;

/// Hierarchical equal risk contribution; long only.
pub(super) struct Herc;

impl Objective for Herc {
    fn name(&self) -> &'static str {
        "herc"
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
        herc(market.covariance, ClusterOptions::of(&constraints.parameters)?, cancel)
    }
}

/// The weights of hierarchical equal risk contribution: inside a cluster inverse to the variances; between the two
/// branches of each node over the clusters inverse to their risks, where the risk of a branch is the sum of the variances
/// of its clusters' portfolios. Long only, fully invested.
///
/// # Errors
/// Those of [`clusters::clusters`].
fn herc(covariance: &Covariance, options: ClusterOptions, cancel: &Cancel) -> Result<Array1<f64>> {
    let Clusters { tree, nodes, members } = Clusters::new(covariance, options, cancel)?;
    let matrix = covariance.matrix();
    let n = tree.leaves;
    // Of every node of the tree that has clusters below it: the sum of their risks.
    let mut risk = vec![0.0; n + tree.merges.len()];
    for (&node, members) in nodes.iter().zip(&members) {
        risk[node] = tree::cluster_variance(matrix, members);
    }
    let first_above = n - nodes.len();
    for (merge, &(left, right)) in tree.merges.iter().enumerate().skip(first_above) {
        risk[n + merge] = risk[left] + risk[right];
    }
    let mut share = vec![1.0; n + tree.merges.len()];
    for (merge, &(left, right)) in tree.merges.iter().enumerate().skip(first_above).rev() {
        let both = risk[left] + risk[right];
        share[left] = share[n + merge] * risk[right] / both;
        share[right] = share[n + merge] * risk[left] / both;
    }
    let mut weights = Array1::zeros(n);
    for (&node, members) in nodes.iter().zip(&members) {
        let inverse: f64 = members.iter().map(|&i| 1.0 / matrix[[i, i]]).sum();
        for &i in members {
            weights[i] = share[node] / (matrix[[i, i]] * inverse);
        }
    }
    let total = weights.sum();
    Ok(weights / total)
}
