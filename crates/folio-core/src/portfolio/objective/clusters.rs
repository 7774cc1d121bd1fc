//! The clusters that portfolios of clusters build on.
//!
//! The tree of [`super::tree`] is cut into clusters, which takes a linkage that makes clusters and not chains: the
//! default is Ward's. How many clusters there are is an option. Without it they are as many as make the dispersion
//! inside them bend most (Yue, Wang and Wei 2008): W(k) is the sum over k clusters of the distances of all their pairs
//! over their sizes, and k has the largest W(k - 1) - 2 W(k) + W(k + 1) of those from 2 to 8, or to the root of the number
//! of tickers where that is more.

use ndarray::Array2;

use super::parameter::{Key, Parameter, Parameters};
use super::tree::{self, DISTANCE, Distance, LINKAGE, Linkage, Tree};
use crate::input;
use crate::portfolio::covariance::Covariance;
use crate::task::Cancel;
use crate::{Result, work};

/// How many clusters.
const CLUSTERS: Parameter<usize> = Parameter { key: "clusters", read: |key, value| input::count(key, value) };

/// What an objective over clusters is told.
pub(super) const PARAMETERS: &[&dyn Key] = &[&LINKAGE, &DISTANCE, &CLUSTERS];

/// How clusters are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClusterOptions {
    /// The linkage; without it Ward's.
    pub linkage: Option<Linkage>,
    /// The distance.
    pub distance: Distance,
    /// The number of clusters; without it that of the rule.
    pub clusters: Option<usize>,
}

impl ClusterOptions {
    /// Those that a caller gave.
    pub(super) fn of(given: &Parameters) -> Result<ClusterOptions> {
        Ok(ClusterOptions {
            linkage: given.get(&LINKAGE)?,
            distance: given.get(&DISTANCE)?.unwrap_or_default(),
            clusters: given.get(&CLUSTERS)?,
        })
    }
}

/// The most clusters that the rule looks at, where the root of the number of tickers is not more.
const MAX_CLUSTERS: usize = 8;

/// The clusters of a tree: the nodes from which on it is not cut, in the order in which they merged.
pub(super) struct Clusters {
    pub(super) tree: Tree,
    /// The number of each cluster in the tree.
    pub(super) nodes: Vec<usize>,
    /// The tickers of each cluster, rising.
    pub(super) members: Vec<Vec<usize>>,
}

/// The clusters that `herc` and `nco` build on, as positions of tickers.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] for a ticker without variance, or more clusters than tickers; [`crate::Error::Cancelled`].
pub fn clusters(
    covariance: &Covariance,
    options: ClusterOptions,
    cancel: &Cancel,
) -> Result<Vec<Vec<usize>>> {
    Clusters::new(covariance, options, cancel).map(|clusters| clusters.members)
}

impl Clusters {
    pub(super) fn new(covariance: &Covariance, options: ClusterOptions, cancel: &Cancel) -> Result<Clusters> {
        let distances = tree::distances(covariance, options.distance, cancel)?;
        let tree = tree::cluster(&distances, options.linkage.unwrap_or(Linkage::Ward), cancel)?;
        let count = match options.clusters {
            None => bend(&tree, &distances, cancel)?,
            Some(count) if count <= tree.leaves => count,
            Some(count) => {
                let expected = format!("at most the number of tickers, {}", tree.leaves);
                return Err(input::invalid("clusters", count, expected));
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
        work::count(n * n);
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
            let tree = tree::cluster(&distances, Linkage::Ward, &Cancel::default()).unwrap();
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
            let tree = tree::cluster(&distances, Linkage::Ward, &Cancel::default()).unwrap();
            assert_eq!(bend(&tree, &distances, &Cancel::default()).unwrap(), n);
        }
    }
}
