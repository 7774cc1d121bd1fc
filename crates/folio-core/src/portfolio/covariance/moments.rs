//! Means and second moments, which most estimates begin with.

use ndarray::{Array1, Array2, Axis, s};

use crate::Result;
use crate::portfolio::solver::linalg;
use crate::task::Cancel;
use crate::work::{self, watched};

/// The returns less the mean of their ticker.
pub(super) fn centre(returns: &Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
    let (days, n) = returns.dim();
    let mut mean = Array1::<f64>::zeros(n);
    for (first, columns) in linalg::chunks(n, work::PRODUCTS * days) {
        cancel.check()?;
        work::count(columns * days);
        let part = first..first + columns;
        let sums = returns.slice(s![.., part.clone()]).sum_axis(Axis(0));
        mean.slice_mut(s![part]).assign(&sums);
    }
    mean /= days as f64;
    let mut centred = returns.clone();
    for row in watched(centred.rows_mut(), n, cancel) {
        let mut row = row?;
        row -= &mean;
    }
    Ok(centred)
}

/// The centred returns, and the sums over days of the products of each two tickers.
pub(super) fn second_moments(returns: &Array2<f64>, cancel: &Cancel) -> Result<(Array2<f64>, Array2<f64>)> {
    let centred = centre(returns, cancel)?;
    let gram = linalg::gram(&centred, cancel)?;
    Ok((centred, gram))
}
