//! Portfolios of clusters: hierarchical equal risk contribution (Raffinot, 'The Hierarchical Equal Risk Contribution
//! Portfolio', 2018) and nested clustered optimisation (Lopez de Prado, 'A Robust Estimator of the Efficient Frontier',
//! 2019).
//!
//! Both cut the tree of [`super::hierarchical`] into clusters, which takes a linkage that makes clusters and not chains:
//! the default is Ward's. How many clusters there are is an option. Without it they are as many as make the dispersion
//! inside them bend most (Yue, Wang and Wei 2008): W(k) is the sum over k clusters of the distances of all their pairs
//! over their sizes, and k has the largest W(k - 1) - 2 W(k) + W(k + 1) of those from 2 to 8, or to the root of the number
//! of tickers where that is more.

use ndarray::{Array1, Array2};

use super::hierarchical::{self, HierarchicalOptions, Linkage, Tree};
use crate::portfolio::covariance::Covariance;
use crate::portfolio::limit::constraint::{Polytope, Row};
use crate::portfolio::solver::quadratic::Family;
use crate::task::Cancel;
use crate::{Error, Result};

/// The most clusters that the rule looks at, where the root of the number of tickers is not more.
const MAX_CLUSTERS: usize = 8;

/// The clusters of a tree: the nodes from which on it is not cut, in the order in which they merged.
struct Clusters {
    tree: Tree,
    /// The number of each cluster in the tree.
    nodes: Vec<usize>,
    /// The tickers of each cluster, rising.
    members: Vec<Vec<usize>>,
}

/// The clusters that `herc` and `nco` build on, as positions of tickers.
///
/// # Errors
/// [`Error::InvalidArgument`] for a ticker without variance, or more clusters than tickers; [`Error::Cancelled`].
pub fn clusters(
    covariance: &Covariance,
    options: HierarchicalOptions,
    cancel: &Cancel,
) -> Result<Vec<Vec<usize>>> {
    Clusters::new(covariance, options, cancel).map(|clusters| clusters.members)
}

/// The weights of hierarchical equal risk contribution: inside a cluster inverse to the variances; between the two
/// branches of each node over the clusters inverse to their risks, where the risk of a branch is the sum of the variances
/// of its clusters' portfolios. Long only, fully invested.
///
/// # Errors
/// Those of [`clusters`].
pub fn herc(covariance: &Covariance, options: HierarchicalOptions, cancel: &Cancel) -> Result<Array1<f64>> {
    let Clusters { tree, nodes, members } = Clusters::new(covariance, options, cancel)?;
    let matrix = covariance.matrix();
    let n = tree.leaves;
    // Of every node of the tree that has clusters below it: the sum of their risks.
    let mut risk = vec![0.0; n + tree.merges.len()];
    for (&node, members) in nodes.iter().zip(&members) {
        risk[node] = hierarchical::cluster_variance(matrix, members);
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

/// The weights of nested clustered optimisation: the portfolio of least variance inside each cluster, and that of least
/// variance of these portfolios. Long only, fully invested.
///
/// # Errors
/// Those of [`clusters`]; [`Error::SolverFailed`].
pub fn nco(covariance: &Covariance, options: HierarchicalOptions, cancel: &Cancel) -> Result<Array1<f64>> {
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
    let risks: Vec<Array1<f64>> = portfolios.iter().map(|portfolio| matrix.dot(portfolio)).collect();
    let k = portfolios.len();
    let between = Array2::from_shape_fn((k, k), |(i, j)| portfolios[i.max(j)].dot(&risks[i.min(j)]));
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
    family.at(0.0, &family.start(n), cancel).map(|point| point.x.mapv(|weight| weight.clamp(0.0, 1.0)))
}

impl Clusters {
    fn new(covariance: &Covariance, options: HierarchicalOptions, cancel: &Cancel) -> Result<Clusters> {
        let distances = hierarchical::distances(covariance, options.distance, cancel)?;
        let tree = hierarchical::cluster(&distances, options.linkage.unwrap_or(Linkage::Ward), cancel)?;
        let count = match options.clusters {
            None => bend(&tree, &distances, cancel)?,
            Some(count) if count <= tree.leaves => count,
            Some(count) => {
                return Err(Error::InvalidArgument {
                    argument: "clusters",
                    value: count.to_string(),
                    expected: format!("at most the number of tickers, {}", tree.leaves),
                });
            }
        };
        let (nodes, members) = cut(&tree, count).into_iter().unzip();
        Ok(Clusters { tree, nodes, members })
    }
}

/// The nodes that are left when a tree is cut into so many clusters, each with its leaves.
fn cut(tree: &Tree, count: usize) -> Vec<(usize, Vec<usize>)> {
    let n = tree.leaves;
    let mut nodes: Vec<Option<Vec<usize>>> = (0..n).map(|leaf| Some(vec![leaf])).collect();
    for &(left, right) in tree.merges.iter().take(n - count) {
        let mut both: Vec<usize> =
            [nodes[left].take(), nodes[right].take()].into_iter().flatten().flatten().collect();
        both.sort_unstable();
        nodes.push(Some(both));
    }
    nodes.into_iter().enumerate().filter_map(|(node, members)| Some((node, members?))).collect()
}

/// The number of clusters at which the dispersion bends most.
fn bend(tree: &Tree, distances: &Array2<f64>, cancel: &Cancel) -> Result<usize> {
    let n = tree.leaves;
    let most = MAX_CLUSTERS.max((n as f64).sqrt().round() as usize).min(n - 1);
    if most < 2 {
        return Ok(n);
    }
    let mut dispersion = Vec::with_capacity(most + 1);
    for count in 1..=most + 1 {
        cancel.check()?;
        let of_cluster = |(_, members): (usize, Vec<usize>)| {
            let pairs =
                members.iter().enumerate().flat_map(|(at, &i)| members[..at].iter().map(move |&j| (i, j)));
            pairs.map(|pair| distances[pair]).sum::<f64>() / members.len() as f64
        };
        dispersion.push(cut(tree, count).into_iter().map(of_cluster).sum::<f64>());
    }
    // At position p are three neighbours around p + 2 clusters.
    let bends = dispersion.windows(3).map(|w| w[0] - 2.0 * w[1] + w[2]).enumerate();
    let most_bent =
        bends.fold((0, f64::NEG_INFINITY), |best, bend| if bend.1 > best.1 { bend } else { best });
    Ok(most_bent.0 + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_finds_clusters_that_are_there() {
        for groups in [2, 3, 5] {
            let n = 4 * groups;
            // Near its own group, far from the others.
            let distances = Array2::from_shape_fn((n, n), |(i, j)| match (i == j, i / 4 == j / 4) {
                (true, _) => 0.0,
                (_, true) => 0.1 + 0.001 * i.abs_diff(j) as f64,
                _ => 0.9 + 0.001 * (i + j) as f64,
            });
            let tree = hierarchical::cluster(&distances, Linkage::Ward, &Cancel::default()).unwrap();
            assert_eq!(bend(&tree, &distances, &Cancel::default()).unwrap(), groups);
            let members: Vec<Vec<usize>> =
                cut(&tree, groups).into_iter().map(|(_, members)| members).collect();
            for cluster in members {
                assert!(cluster.len() == 4 && cluster.iter().all(|i| i / 4 == cluster[0] / 4), "{cluster:?}");
            }
        }
    }

    #[test]
    fn few_tickers_are_clusters_of_their_own() {
        for n in 1..=2 {
            let distances = Array2::from_shape_fn((n, n), |(i, j)| if i == j { 0.0 } else { 0.5 });
            let tree = hierarchical::cluster(&distances, Linkage::Ward, &Cancel::default()).unwrap();
            assert_eq!(bend(&tree, &distances, &Cancel::default()).unwrap(), n);
        }
    }
}
