//! Trees of clusters: how far apart tickers are, and which of them merge.

use ndarray::Array2;

use super::parameter::Parameter;
use crate::input;
use crate::portfolio::covariance::Covariance;
use crate::task::Cancel;
use crate::work::{self, watched};
use crate::{Error, Result};

/// What the distance of a pair takes.
const PAIR: usize = 15;

/// Which linkage; the default is the objective's.
pub(super) const LINKAGE: Parameter<Linkage> =
    Parameter { key: "linkage", read: |key, value| Linkage::parse(input::name(key, value)?) };

/// What distance.
pub(super) const DISTANCE: Parameter<Distance> =
    Parameter { key: "distance", read: |key, value| Distance::parse(input::name(key, value)?) };

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

impl Linkage {
    /// # Errors
    /// [`Error::UnknownName`] with the valid names.
    pub fn parse(name: &str) -> Result<Linkage> {
        use Linkage::{Average, Complete, Single, Ward};
        input::choose(
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
        input::choose(
            "distance",
            name,
            &[("correlation", Distance::Correlation), ("euclidean", Distance::Euclidean)],
        )
    }
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
    cancel.check()?;
    work::count(PAIR * n * n);
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
    for i in watched(0..n, n * n, cancel) {
        let i = i?;
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
    pub(super) fn leaves(&self) -> Vec<usize> {
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
        let live: Vec<usize> = (0..n).filter(|&i| number[i].is_some()).collect();
        cancel.check()?;
        work::count(live.len() * live.len() / 2);
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

/// The variance of the inverse-variance portfolio of some tickers.
pub(super) fn cluster_variance(matrix: &Array2<f64>, members: &[usize]) -> f64 {
    work::count(members.len() * members.len());
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
