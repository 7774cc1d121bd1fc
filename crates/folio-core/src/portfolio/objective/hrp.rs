//! Hierarchical risk parity (Lopez de Prado, 'Building Diversified Portfolios that Outperform Out of Sample', 2016).
//!
//! Libraries differ in three choices, so these are options: the linkage, whether clusters are built on the
//! correlation distance or on the Euclidean distance between its columns, and the order of the leaves. The defaults
//! are PyPortfolioOpt's: single linkage, correlation distance, natural order.

use ndarray::{Array1, Array2};

use super::parameter::Parameter;
use super::tree::{DISTANCE, Distance, LINKAGE, Linkage, Tree, cluster, cluster_variance, distances};
use super::{Constraints, Key, Objective};
use crate::input;
use crate::portfolio::covariance::Covariance;
use crate::portfolio::limit::Scope;
use crate::portfolio::market::Market;
use crate::task::Cancel;
use crate::{Result, work};

/// Which order of the leaves.
const LEAF_ORDER: Parameter<LeafOrder> =
    Parameter { key: "leaf_order", read: |key, value| LeafOrder::parse(input::name(key, value)?) };

/// Hierarchical risk parity; long only.
pub(super) struct Hrp;

impl Objective for Hrp {
    fn name(&self) -> &'static str {
        "hrp"
    }

    fn scope(&self) -> Scope {
        Scope::Names
    }

    fn parameters(&self) -> &'static [&'static dyn Key] {
        &[&LINKAGE, &DISTANCE, &LEAF_ORDER]
    }

    fn weights(
        &self,
        market: &Market<'_>,
        constraints: &Constraints,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        let given = &constraints.parameters;
        let (linkage, distance) =
            (given.get(&LINKAGE)?.unwrap_or_default(), given.get(&DISTANCE)?.unwrap_or_default());
        let leaf_order = given.get(&LEAF_ORDER)?.unwrap_or_default();
        hrp(market.covariance, linkage, distance, leaf_order, cancel)
    }
}

/// The order of the leaves, which decides where the list is cut in halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum LeafOrder {
    /// As the clusters merged, the older one on the left.
    #[default]
    Natural,
    /// The order of the tree in which the distances of neighbours sum to the least (Bar-Joseph et al. 2001).
    Optimal,
}

impl LeafOrder {
    fn parse(name: &str) -> Result<LeafOrder> {
        input::choose("leaf_order", name, &[("natural", LeafOrder::Natural), ("optimal", LeafOrder::Optimal)])
    }
}

/// The weights of hierarchical risk parity: long only, fully invested.
///
/// # Errors
/// [`Error::InvalidArgument`] for a ticker without variance; [`Error::Cancelled`].
fn hrp(
    covariance: &Covariance,
    linkage: Linkage,
    distance: Distance,
    leaf_order: LeafOrder,
    cancel: &Cancel,
) -> Result<Array1<f64>> {
    let distances = distances(covariance, distance, cancel)?;
    let (matrix, n) = (covariance.matrix(), distances.nrows());
    let tree = cluster(&distances, linkage, cancel)?;
    let order = match leaf_order {
        LeafOrder::Natural => tree.leaves(),
        LeafOrder::Optimal => optimal_order(&tree, &distances, cancel)?,
    };
    let mut weights = Array1::ones(n);
    bisect(matrix, &order, &mut weights, cancel)?;
    let total = weights.sum();
    Ok(weights / total)
}

/// The order with the least sum of distances between neighbours among those that flips of the tree allow.
///
/// best[u][w] is the least sum of the smallest cluster that has both leaves, with u at its left end and w at its
/// right end. For a merge of A and B it is the least over inner ends k of A and l of B of
/// best[u][k] + d(k, l) + best[l][w], where k lies in the other child of A than u, and l in the other one of B than
/// w; minimising over k first and then over l takes O(n^3) in all.
///
/// SciPy 1.17's `optimal_leaf_ordering` often returns another order than the best one (its issue 11227, open since
/// 2019; 124 of 200 random trees of eight leaves), so the weights of libraries that call it differ from these.
fn optimal_order(tree: &Tree, distances: &Array2<f64>, cancel: &Cancel) -> Result<Vec<usize>> {
    let n = tree.leaves;
    let mut best = Array2::<f64>::zeros((n, n));
    // The leaves that meet in the middle when u and w are the ends.
    let mut inner = Array2::from_elem((n, n), (0_usize, 0_usize));
    let mut halves: Vec<[Vec<usize>; 2]> = (0..n).map(|leaf| [vec![leaf], vec![]]).collect();
    let mut ends = (0, 0);
    for &(left, right) in &tree.merges {
        let (a, b) = (halves[left].concat(), halves[right].concat());
        for &u in &a {
            cancel.check()?;
            work::count(2 * b.len() * (a.len() + b.len()));
            // To each leaf l of B: the least sum of A with u at its left end and then l, and the k it is over.
            let opposite = across(&halves[left], u);
            let reach = |&l: &usize| {
                let sums = opposite.iter().map(|&k| (best[[u, k]] + distances[[k, l]], k));
                sums.fold((f64::INFINITY, u), |least, sum| if sum.0 < least.0 { sum } else { least })
            };
            let mut reached = vec![(0.0, 0); n];
            for l in &b {
                reached[*l] = reach(l);
            }
            for &w in &b {
                let mut least = f64::INFINITY;
                for &l in across(&halves[right], w) {
                    let sum = reached[l].0 + best[[l, w]];
                    if sum < least {
                        least = sum;
                        inner[[u, w]] = (reached[l].1, l);
                        inner[[w, u]] = (l, reached[l].1);
                    }
                }
                best[[u, w]] = least;
                best[[w, u]] = least;
            }
        }
        let pairs = a.iter().flat_map(|&u| b.iter().map(move |&w| (u, w)));
        ends = pairs.fold((a[0], b[0]), |ends, pair| if best[pair] < best[ends] { pair } else { ends });
        halves.push([a, b]);
    }
    let mut order = Vec::with_capacity(n);
    let mut stack = vec![ends];
    while let Some((u, w)) = stack.pop() {
        if u == w {
            order.push(u);
        } else {
            let (k, l) = inner[[u, w]];
            stack.extend([(l, w), (u, k)]);
        }
    }
    Ok(order)
}

/// The leaves that can stand at the other end of a cluster than `leaf`: those of its other half, or the leaf itself
/// where it is alone.
fn across(halves: &[Vec<usize>; 2], leaf: usize) -> &[usize] {
    let [first, second] = halves;
    if second.is_empty() || !first.contains(&leaf) { first } else { second }
}

/// Halves the list of leaves again and again; each half gets the share of the other's variance, where the variance
/// of a half is that of its inverse-variance portfolio (the paper's algorithm 3).
fn bisect(matrix: &Array2<f64>, order: &[usize], weights: &mut Array1<f64>, cancel: &Cancel) -> Result<()> {
    if order.len() < 2 {
        return Ok(());
    }
    cancel.check()?;
    let (left, right) = order.split_at(order.len() / 2);
    let (risk_left, risk_right) = (cluster_variance(matrix, left), cluster_variance(matrix, right));
    let share = 1.0 - risk_left / (risk_left + risk_right);
    for &leaf in left {
        weights[leaf] *= share;
    }
    for &leaf in right {
        weights[leaf] *= 1.0 - share;
    }
    bisect(matrix, left, weights, cancel)?;
    bisect(matrix, right, weights, cancel)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least sum of neighbours' distances over all flips of a tree, one by one.
    fn least_by_trial(tree: &Tree, distances: &Array2<f64>) -> f64 {
        let n = tree.leaves;
        let sum = |flips: u32| {
            let mut clusters: Vec<Vec<usize>> = (0..n).map(|leaf| vec![leaf]).collect();
            for (merge, &(left, right)) in tree.merges.iter().enumerate() {
                let (a, b) = if flips >> merge & 1 == 0 { (left, right) } else { (right, left) };
                clusters.push([clusters[a].clone(), clusters[b].clone()].concat());
            }
            clusters[2 * n - 2].windows(2).map(|pair| distances[[pair[0], pair[1]]]).sum::<f64>()
        };
        (0..1_u32 << (n - 1)).map(sum).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn the_optimal_order_is_the_best_of_all_flips() {
        for (seed, linkage) in
            [Linkage::Single, Linkage::Complete, Linkage::Average, Linkage::Ward].iter().enumerate()
        {
            for trial in 0..20 {
                let place = |i: usize, axis: usize| {
                    ((i * 37 + axis * 101 + trial * 13 + seed * 7) as f64 * 0.731).sin()
                };
                let distances = Array2::from_shape_fn((9, 9), |(i, j)| {
                    (0..3).map(|axis| (place(i, axis) - place(j, axis)).powi(2)).sum::<f64>().sqrt()
                });
                let tree = cluster(&distances, *linkage, &Cancel::default()).unwrap();
                let order = optimal_order(&tree, &distances, &Cancel::default()).unwrap();
                let sum: f64 = order.windows(2).map(|pair| distances[[pair[0], pair[1]]]).sum();
                assert!((sum - least_by_trial(&tree, &distances)).abs() < 1e-12, "{linkage:?} {trial}");
                let mut leaves = order;
                leaves.sort_unstable();
                assert_eq!(leaves, (0..9).collect::<Vec<_>>());
            }
        }
    }
}
