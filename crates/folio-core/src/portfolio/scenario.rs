//! The days of the history as scenarios of a posterior: moved so that their mean and their covariance are its own.
//!
//! With S the covariance of the days, P that of the posterior and m its mean, a day x becomes m + A (x - mean of the days),
//! where A = S^-1/2 (S^1/2 P S^1/2)^1/2 S^-1/2 is symmetric and A S A = P: of all linear maps the one that moves the days
//! least (Olkin and Pukelsheim, 'The distance between two random vectors with given dispersion matrices', 1982). What is
//! odd about the days, their tails and their order, stays. Fewer days than tickers span a part of the space only; there
//! they have the covariance that P has in it.

use ndarray::{Array1, Array2, Axis};

use super::solver::linalg;
use crate::task::Cancel;
use crate::work::{self, watched};
use crate::{Error, Result};

/// Eigenvalues under this share of the largest are rounding: in their direction no day lies.
const SPANNED: f64 = 1e-12;

/// The fewest days that have a covariance.
const MIN_DAYS: usize = 2;

/// The days, a row each, with this mean and this covariance, both of a year of so many of them.
///
/// # Errors
/// [`Error::TooShort`] for one day, [`Error::SolverFailed`], [`Error::Cancelled`].
pub(crate) fn of_posterior(
    days: &Array2<f64>,
    mean: &Array1<f64>,
    covariance: &Array2<f64>,
    periods_per_year: f64,
    cancel: &Cancel,
) -> Result<Array2<f64>> {
    let (count, n) = days.dim();
    if count < MIN_DAYS {
        return Err(Error::TooShort { need: MIN_DAYS, found: vec![("returns".to_owned(), count)] });
    }
    cancel.check()?;
    work::count(days.len());
    let centre = days.sum_axis(Axis(0)) / count as f64;
    let mut centred = days.clone();
    for row in watched(centred.rows_mut(), n, cancel) {
        let mut row = row?;
        row -= &centre;
    }
    let own = linalg::gram(&centred, cancel)? / (count - 1) as f64;
    let map = least_map(&own, &(covariance / periods_per_year), cancel)?;
    let mut moved = linalg::product(centred.view(), map.view(), cancel)?;
    let mean = mean / periods_per_year;
    for row in watched(moved.rows_mut(), n, cancel) {
        let mut row = row?;
        row += &mean;
    }
    Ok(moved)
}

/// The symmetric A with A S A = P.
fn least_map(own: &Array2<f64>, wanted: &Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
    let (root, inverse) = roots(own, cancel)?;
    let inner = linalg::product(root.view(), wanted.view(), cancel)?;
    let inner = linalg::product(inner.view(), root.view(), cancel)?;
    let (middle, _) = roots(&inner, cancel)?;
    let left = linalg::product(inverse.view(), middle.view(), cancel)?;
    linalg::product(left.view(), inverse.view(), cancel)
}

/// The symmetric root of a matrix, and the inverse of it where the matrix is not zero.
fn roots(matrix: &Array2<f64>, cancel: &Cancel) -> Result<(Array2<f64>, Array2<f64>)> {
    let (values, vectors) = linalg::eigen(matrix.view(), cancel)?;
    let least = SPANNED * values.iter().fold(0.0_f64, |largest, value| largest.max(*value));
    let root = values.mapv(|value| if value > least { value.sqrt() } else { 0.0 });
    let inverse = root.mapv(|root| if root > 0.0 { 1.0 / root } else { 0.0 });
    let with = |values: &Array1<f64>| linalg::product((&vectors * values).view(), vectors.t(), cancel);
    Ok((with(&root)?, with(&inverse)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(days: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
        let count = days.nrows() as f64;
        let mean = days.sum_axis(Axis(0)) / count;
        let centred = days - &mean;
        (mean, centred.t().dot(&centred) / (count - 1.0))
    }

    fn days(count: usize) -> Array2<f64> {
        Array2::from_shape_fn((count, 3), |(t, i)| {
            0.01 * ((t * (i + 2)) as f64 * 1.7).sin() + 0.004 * (t as f64 * 0.9).cos()
        })
    }

    #[test]
    fn scenarios_have_the_mean_and_the_covariance_of_the_posterior() {
        let mean = ndarray::arr1(&[0.1, -0.05, 0.2]);
        let root = ndarray::arr2(&[[0.2, 0.0, 0.0], [0.05, 0.1, 0.0], [-0.02, 0.03, 0.3]]);
        let covariance = root.dot(&root.t());
        let moved = of_posterior(&days(60), &mean, &covariance, 252.0, &Cancel::default()).unwrap();
        let (found_mean, found) = moments(&moved);
        assert!((found_mean * 252.0 - &mean).iter().all(|gap| gap.abs() < 1e-13));
        assert!((found * 252.0 - &covariance).iter().all(|gap| gap.abs() < 1e-12));
    }

    #[test]
    fn days_that_have_them_already_stay() {
        let days = days(60);
        let (mean, covariance) = moments(&days);
        let same = of_posterior(&days, &(mean * 12.0), &(covariance * 12.0), 12.0, &Cancel::default());
        assert!((same.unwrap() - &days).iter().all(|gap| gap.abs() < 1e-13));
    }

    #[test]
    fn fewer_days_than_tickers_are_finite() {
        let mean = ndarray::arr1(&[0.1, -0.05, 0.2]);
        let moved = of_posterior(&days(2), &mean, &Array2::eye(3), 1.0, &Cancel::default()).unwrap();
        assert!(moved.iter().all(|value| value.is_finite()));
        assert!((moments(&moved).0 - &mean).iter().all(|gap| gap.abs() < 1e-13));
    }
}
