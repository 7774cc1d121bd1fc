//! What the others do where some tickers move: the mean of normal returns without a mean, conditional on some of them.

use std::collections::BTreeMap;

use ndarray::{Array1, Axis};

use super::covariance::Covariance;
use super::solver::linalg;
use crate::Result;
use crate::task::Cancel;
use crate::work;

/// The mean of each ticker where those at the given places take the given values: with r the others and s the given,
///
/// ```text
/// E(r | s) = Sigma(r,s) Sigma(s,s)^-1 s
/// ```
///
/// None where Sigma(s,s) is singular: one of them never moves, or they move as fewer do.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub(crate) fn conditional_mean(
    covariance: &Covariance,
    given: &BTreeMap<usize, f64>,
    cancel: &Cancel,
) -> Result<Option<Array1<f64>>> {
    let places: Vec<usize> = given.keys().copied().collect();
    let values: Array1<f64> = given.values().copied().collect();
    cancel.check()?;
    work::count(covariance.matrix().nrows() * places.len());
    let of_given = covariance.matrix().select(Axis(1), &places);
    let among = of_given.select(Axis(0), &places);
    let Some(loadings) = linalg::solve(among.view(), values.view(), cancel)? else { return Ok(None) };
    let mut mean = of_given.dot(&loadings);
    // To the bit.
    given.iter().for_each(|(&place, &value)| mean[place] = value);
    Ok(Some(mean))
}
