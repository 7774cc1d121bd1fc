//! Trees of clusters, and hierarchical risk parity on them (Lopez de Prado, 'Building Diversified Portfolios that
//! Outperform Out of Sample', 2016).
//!
//! Libraries differ in three choices, so these are options: the linkage, whether clusters are built on the
//! correlation distance or on the Euclidean distance between its columns, and the order of the leaves. The defaults
//! are PyPortfolioOpt's: single linkage, correlation distance, natural order.

use ndarray::{Array1, Array2};

use crate::portfolio::covariance::Covariance;
use crate::task::Cancel;
use crate::{Error, Result};

/// How the distance of two clusters follows from those of their members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Linkage {
    /// That of their nearest members.
    #[default]
    Single,
    /// That of their farthest members.
    Complete,
    /// The mean over pairs of members.
    Average,
    /// The growth of the sum of squares (Ward 1963).
    Ward,
}

/// What clusters are built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Distance {
    /// d = sqrt((1 - rho) / 2).
    #[default]
    Correlation,
    /// The Euclidean distance between the columns of d, as in the paper.
    Euclidean,
}

/// The order of the leaves, which decides where the list is cut in halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeafOrder {
    /// As the clusters merged, the older one on the left.
    #[default]
    Natural,
    /// The order of the tree in which the distances of neighbours sum to the least (Bar-Joseph et al. 2001).
    Optimal,
}

/// The options of the portfolios from a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HierarchicalOptions {
    /// The linkage; without it single for risk parity and Ward's for the others.
    pub linkage: Option<Linkage>,
    /// The distance.
    pub distance: Distance,
    /// The order of the leaves, for risk parity.
    pub leaf_order: LeafOrder,
    /// The number of clusters, for the others; without it that of [`super::clustered`]'s rule.
    pub clusters: Option<usize>,
}

/// Names and values of an option.
fn choose<T: Copy>(kind: &'static str, name: &str, all: &[(&str, T)]) -> Result<T> {
    let found = all.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    found.ok_or_else(|| Error::UnknownName {
        kind,
        name: name.to_owned(),
        valid: all.iter().map(|(name, _)| (*name).to_owned()).collect(),
    })
}

impl Linkage {
    /// # Errors
    /// [`Error::UnknownName`] with the valid names.
    pub fn parse(name: &str) -> Result<Linkage> {
        use Linkage::{Average, Complete, Single, Ward};
        choose(
            "linkage",
            name,
            &[("single", Single), ("complete", Complete), ("average", Average), ("ward", Ward)],
        )
    }
}

impl Distance {
    /// # Errors
    /// [`Error::UnknownName`] with the valid names.
    pub fn parse(name: &str) -> Result<Distance> {
        choose(
            "distance",
            name,
            &[("correlation", Distance::Correlation), ("euclidean", Distance::Euclidean)],
        )
    }
}

impl LeafOrder {
    /// # Errors
    /// [`Error::UnknownName`] with the valid names.
    pub fn parse(name: &str) -> Result<LeafOrder> {
        choose("leaf_order", name, &[("natural", LeafOrder::Natural), ("optimal", LeafOrder::Optimal)])
    }
}

/// The weights of hierarchical risk parity: long only, fully invested.
///
/// # Errors
/// [`Error::InvalidArgument`] for a ticker without variance; [`Error::Cancelled`].
pub fn hrp(covariance: &Covariance, options: HierarchicalOptions, cancel: &Cancel) -> Result<Array1<f64>> {
    let distances = distances(covariance, options.distance, cancel)?;
    let (matrix, n) = (covariance.matrix(), distances.nrows());
    let tree = cluster(&distances, options.linkage.unwrap_or_default(), cancel)?;
    let order = match options.leaf_order {
        LeafOrder::Natural => tree.leaves(),
        LeafOrder::Optimal => optimal_order(&tree, &distances, cancel)?,
    };
    let mut weights = Array1::ones(n);
    bisect(matrix, &order, &mut weights);
    let total = weights.sum();
    Ok(weights / total)
}

/// How far apart the tickers are.
///
/// # Errors
/// [`Error::InvalidArgument`] for a ticker without variance; [`Error::Cancelled`].
pub(super) fn distances(covariance: &Covariance, distance: Distance, cancel: &Cancel) -> Result<Array2<f64>> {
    let sd = covariance.volatility();
    if let Some(still) = (0..sd.len()).find(|&i| sd[i] <= 0.0) {
        return Err(Error::InvalidArgument {
            argument: "tickers",
            value: format!("{}, whose price does not move", covariance.universe().tickers()[still]),
            expected: "prices that move: what does not has no correlation".to_owned(),
        });
    }
    let matrix = covariance.matrix();
    let n = sd.len();
    let apart = Array2::from_shape_fn((n, n), |(i, j)| {
        if i == j { 0.0 } else { ((1.0 - matrix[[i, j]] / (sd[i] * sd[j])) / 2.0).clamp(0.0, 1.0).sqrt() }
    });
    match distance {
        Distance::Correlation => Ok(apart),
        Distance::Euclidean => euclidean(&apart, cancel),
    }
}

fn euclidean(apart: &Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
    let n = apart.nrows();
    let mut distances = Array2::zeros((n, n));
    for i in 0..n {
        cancel.check()?;
        for j in 0..i {
            let squares = apart.row(i).iter().zip(apart.row(j)).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            distances[[i, j]] = squares.sqrt();
            distances[[j, i]] = distances[[i, j]];
        }
    }
    Ok(distances)
}

/// Merges of clusters in the order of their heights. Cluster i < n is the leaf i, cluster n + k the k-th merge; the
/// left child is the one with the smaller number.
pub(super) struct Tree {
    pub(super) leaves: usize,
    pub(super) merges: Vec<(usize, usize)>,
}

impl Tree {
    /// The leaves from left to right.
    fn leaves(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.leaves);
        let mut stack = vec![self.leaves + self.merges.len() - 1];
        while let Some(cluster) = stack.pop() {
            match cluster.checked_sub(self.leaves) {
                None => order.push(cluster),
                Some(merge) => {
                    let (left, right) = self.merges[merge];
                    stack.extend([right, left]);
                }
            }
        }
        order
    }
}

/// Agglomerative clustering: the nearest pair merges, and distances to it follow from Lance and Williams (1967). It
/// looks at all pairs for each merge, O(n^3) in all: 40 ms for 500 tickers, and hard to get wrong.
pub(super) fn cluster(distances: &Array2<f64>, linkage: Linkage, cancel: &Cancel) -> Result<Tree> {
    let n = distances.nrows();
    let mut apart = distances.clone();
    let mut size = vec![1.0; n];
    // The number in the tree of the cluster that each row now stands for; `None` once merged into another row.
    let mut number: Vec<Option<usize>> = (0..n).map(Some).collect();
    let mut merges = Vec::with_capacity(n.saturating_sub(1));
    for merge in 0..n.saturating_sub(1) {
        cancel.check()?;
        let live: Vec<usize> = (0..n).filter(|&i| number[i].is_some()).collect();
        let (mut a, mut b, mut nearest) = (live[0], live[1], f64::INFINITY);
        for (at, &i) in live.iter().enumerate() {
            for &j in &live[at + 1..] {
                if apart[[i, j]] < nearest {
                    (a, b, nearest) = (i, j, apart[[i, j]]);
                }
            }
        }
        for &k in live.iter().filter(|&&k| k != a && k != b) {
            let (to_a, to_b) = (apart[[a, k]], apart[[b, k]]);
            let joined = match linkage {
                Linkage::Single => to_a.min(to_b),
                Linkage::Complete => to_a.max(to_b),
                Linkage::Average => (size[a] * to_a + size[b] * to_b) / (size[a] + size[b]),
                Linkage::Ward => {
                    let total = size[a] + size[b] + size[k];
                    let squares = (size[a] + size[k]) * to_a * to_a + (size[b] + size[k]) * to_b * to_b
                        - size[k] * nearest * nearest;
                    (squares / total).max(0.0).sqrt()
                }
            };
            apart[[a, k]] = joined;
            apart[[k, a]] = joined;
        }
        if let (Some(left), Some(right)) = (number[a], number[b].take()) {
            merges.push((left.min(right), left.max(right)));
        }
        number[a] = Some(n + merge);
        size[a] += size[b];
    }
    Ok(Tree { leaves: n, merges })
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
fn bisect(matrix: &Array2<f64>, order: &[usize], weights: &mut Array1<f64>) {
    if order.len() < 2 {
        return;
    }
    let (left, right) = order.split_at(order.len() / 2);
    let (risk_left, risk_right) = (cluster_variance(matrix, left), cluster_variance(matrix, right));
    let share = 1.0 - risk_left / (risk_left + risk_right);
    for &leaf in left {
        weights[leaf] *= share;
    }
    for &leaf in right {
        weights[leaf] *= 1.0 - share;
    }
    bisect(matrix, left, weights);
    bisect(matrix, right, weights);
}

/// The variance of the inverse-variance portfolio of some tickers.
pub(super) fn cluster_variance(matrix: &Array2<f64>, members: &[usize]) -> f64 {
    let inverse: Vec<f64> = members.iter().map(|&i| 1.0 / matrix[[i, i]]).collect();
    let total: f64 = inverse.iter().sum();
    let mut variance = 0.0;
    for (&i, a) in members.iter().zip(&inverse) {
        for (&j, b) in members.iter().zip(&inverse) {
            variance += a * matrix[[i, j]] * b;
        }
    }
    variance / (total * total)
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
