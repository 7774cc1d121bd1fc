//! Returns that a ticker does not have, completed from those of the others.
//!
//! A short history is estimated from itself and, by what moves it, from the longer ones of the others (Stambaugh 1997,
//! "Analyzing investments whose histories differ in length", Journal of Financial Economics 45): its returns are regressed
//! on the others' over the times that it has, and the regression speaks of the times that it has not. Its residuals must not
//! be lost, or the ticker would look calmer than it is; so each completed return is the regression's plus a residual of the
//! ticker's own (Page 2013, "How to combine long and short return histories efficiently", Financial Analysts Journal
//! 69(1)), taken in their order again and again, with no chance in it. Tickers that lack the same times take residuals
//! of the same times, so what they share stays shared. A covariance of completed returns is one of returns, hence positive
//! semidefinite by every estimator, and no other ticker's own returns change.
//!
//! The regressors are the mean of the others (a single index, Sharpe 1963), whose slope is shrunk towards one by how uncertain
//! it is (Vasicek 1973, "A note on using cross-sectional information in Bayesian estimation of security betas", Journal of
//! Finance 28), then up to `MOST_PEERS` tickers with all returns, the one that explains most first, as long as the extended
//! Bayesian criterion falls (Chen and Chen 2008, Biometrika 95): with hundreds to choose from, chance alone finds one that
//! seems to explain.
//!
//! Residuals are of the times that the ticker has, which may have been calm ones, and there are few of them. So they are
//! multiplied by how much further apart the others were at the times that it has not, and by what is not known of them: the
//! root of the predictive variance, and `ERRORS` standard errors of a standard deviation. A portfolio of least variance looks
//! for the ticker that seems calmest; `examples/alignment.rs` has what that costs.

use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::task::{Cancel, Cancelled};
use crate::work::{count, watched};

/// Tickers beside the mean of all that a regression has at most: a stock's sector and its twin are a handful.
const MOST_PEERS: usize = 5;

/// The variance of the slopes on the mean of the others between stocks: over four years they lie 0.27 and 0.30 apart in the
/// prices of `tests/golden/prices.csv` and in those of 32 years.
const SLOPES_APART: f64 = 0.3 * 0.3;

/// How many standard errors of its own a ticker's residual deviation is taken for too small. Measured with none, two and
/// three: with three portfolios are no better than with two.
const ERRORS: f64 = 2.0;

/// A completed return is not below this: a price stays over zero.
const LOWEST: f64 = -0.99;

/// The share of a regressor's variance below which what is left of it is taken for rounding.
const ROUNDING: f64 = 1e-10;

/// Of each column, how many returns it has, and how many of them at times at which another one has a return too.
pub fn own_returns(returns: &Array2<f64>, cancel: &Cancel) -> Result<Vec<(usize, usize)>, Cancelled> {
    let known = known_in_rows(returns, cancel)?;
    watched(returns.columns(), 4 * returns.nrows(), cancel)
        .map(|column| {
            let column = column?;
            let own = column.iter().zip(&known).filter(|(value, _)| !value.is_nan());
            let others: Vec<bool> = own.map(|(_, &(_, known))| known > 1).collect();
            Ok((others.len(), others.iter().filter(|others| **others).count()))
        })
        .collect()
}

/// Completes the columns with NaN. A column has at least two returns at times at which another has one too.
///
/// # Errors
/// [`Cancelled`].
pub fn complete(returns: &mut Array2<f64>, cancel: &Cancel) -> Result<(), Cancelled> {
    let own = own_returns(returns, cancel)?;
    let days = returns.nrows();
    let short: Vec<usize> = (0..own.len()).filter(|&column| own[column].0 < days).collect();
    if short.is_empty() {
        return Ok(());
    }
    let whole: Vec<usize> = (0..own.len()).filter(|&column| own[column].0 == days).collect();
    // A row for each, so that a regressor lies in one piece.
    let peers = returns.select(Axis(1), &whole).reversed_axes().as_standard_layout().into_owned();
    let known = known_in_rows(returns, cancel)?;
    let apart = apart(&peers, cancel)?;
    let mut filled = Vec::with_capacity(short.len());
    for &column in &short {
        filled.push(completed(returns.column(column), &known, &peers, &apart, cancel)?);
    }
    // After all were computed, so that none rests on what was completed before it.
    for (column, values) in short.into_iter().zip(filled) {
        returns.column_mut(column).assign(&values);
    }
    Ok(())
}

/// Of each row, the sum of what is known and of how many.
fn known_in_rows(returns: &Array2<f64>, cancel: &Cancel) -> Result<Vec<(f64, usize)>, Cancelled> {
    let rows = watched(returns.rows(), 2 * returns.ncols(), cancel);
    rows.map(|row| {
        let row = row?;
        let known = row.iter().filter(|value| !value.is_nan());
        Ok(known.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1)))
    })
    .collect()
}

/// How far each peer is from the mean of the peers, squared: a row for each.
fn apart(peers: &Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>, Cancelled> {
    let mut means = Array1::<f64>::zeros(peers.ncols());
    for peer in watched(peers.rows(), peers.ncols(), cancel) {
        means += &peer?;
    }
    means /= peers.nrows().max(1) as f64;
    let mut apart = peers.clone();
    for mut peer in watched(apart.rows_mut(), 2 * peers.ncols(), cancel).collect::<Result<Vec<_>, _>>()? {
        peer.zip_mut_with(&means, |value, mean| *value = (*value - mean).powi(2));
    }
    Ok(apart)
}

/// How many times as far from each other the peers were in the rows that lack as in those that do not: the geometric mean
/// of their ratios, so that none counts more for being lively.
fn livelier(
    apart: &Array2<f64>,
    lacking: &[usize],
    rows: &[usize],
    cancel: &Cancel,
) -> Result<f64, Cancelled> {
    let (mut logs, mut count) = (0.0, 0.0);
    let mean = |peer: ArrayView1<'_, f64>, rows: &[usize]| mean_of(rows, peer);
    for peer in watched(apart.rows(), lacking.len() + rows.len(), cancel) {
        let peer = peer?;
        let ratio = mean(peer, lacking) / mean(peer, rows);
        // A single peer is nowhere, and one that stood still was so by itself.
        if ratio.is_finite() && ratio > 0.0 {
            logs += ratio.ln();
            count += 1.0;
        }
    }
    Ok(if count > 0.0 { (0.5 * logs / count).exp() } else { 1.0 })
}

/// One column with its returns and what they lack.
fn completed(
    own: ArrayView1<'_, f64>,
    known: &[(f64, usize)],
    peers: &Array2<f64>,
    apart: &Array2<f64>,
    cancel: &Cancel,
) -> Result<Array1<f64>, Cancelled> {
    let is_own = |row: usize| !own[row].is_nan();
    let rows: Vec<usize> = (0..own.len()).filter(|&row| is_own(row) && known[row].1 > 1).collect();
    let mean_of_others = |row: usize| {
        let (sum, count) = known[row];
        if is_own(row) { (sum - own[row]) / (count.max(2) - 1) as f64 } else { sum / count as f64 }
    };
    let index: Array1<f64> = (0..own.len()).map(mean_of_others).collect();
    let regression = Regression::new(own, rows).with_market(&index).with_peers(peers, cancel)?;
    let lacking: Vec<usize> = (0..own.len()).filter(|&row| !is_own(row)).collect();
    let scale = regression.uncertainty() * livelier(apart, &lacking, &regression.rows, cancel)?;
    let mut values = own.to_owned();
    for (row, &donor) in lacking.into_iter().zip(regression.rows.iter().cycle()) {
        values[row] = (regression.expected[row] + scale * regression.residuals[donor]).max(LOWEST);
    }
    Ok(values)
}

/// A regression by least squares that takes one regressor after the other, each freed of those before it.
struct Regression {
    /// The rows that it is fitted to.
    rows: Vec<usize>,
    /// The regressors that it has, orthogonal over those rows, each with its sum of squares there.
    regressors: Vec<(Array1<f64>, f64)>,
    /// What it expects of each row.
    expected: Array1<f64>,
    /// What it leaves of each row that it is fitted to; of the others nothing that is a number.
    residuals: Array1<f64>,
}

impl Regression {
    /// The mean alone.
    fn new(values: ArrayView1<'_, f64>, rows: Vec<usize>) -> Regression {
        let mean = mean_of(&rows, values);
        let expected = Array1::from_elem(values.len(), mean);
        Regression { residuals: &values - &expected, rows, regressors: Vec::new(), expected }
    }

    /// With the mean of the others, whose slope is expected to be one.
    fn with_market(self, index: &Array1<f64>) -> Regression {
        self.with_slope(index, |slope, error| (slope * SLOPES_APART + error) / (SLOPES_APART + error))
    }

    /// With one regressor more, if anything of it is left beside the others.
    fn with(self, regressor: &Array1<f64>) -> Regression {
        self.with_slope(regressor, |slope, _| slope)
    }

    /// The same with another slope than that of least squares, made of that and of its squared standard error.
    fn with_slope(mut self, regressor: &Array1<f64>, slope: impl Fn(f64, f64) -> f64) -> Regression {
        let mut free = regressor - mean_of(&self.rows, regressor.view());
        let before = self.product(&free, &free);
        for (other, squares) in &self.regressors {
            let share = self.product(&free, other) / squares;
            free.scaled_add(-share, other);
        }
        let squares = self.product(&free, &free);
        if squares > ROUNDING * before {
            let least = self.product(&free, &self.residuals) / squares;
            let left = self.product(&self.residuals, &self.residuals) - least * least * squares;
            let error = left.max(0.0) / self.degrees_of_freedom(1) / squares;
            let slope = slope(least, error);
            self.expected.scaled_add(slope, &free);
            self.residuals.scaled_add(-slope, &free);
            self.regressors.push((free, squares));
        }
        count(4 * (1 + self.regressors.len()) * regressor.len());
        self
    }

    /// The rows less the mean, the regressors and so many numbers more.
    fn degrees_of_freedom(&self, more: usize) -> f64 {
        self.rows.len().saturating_sub(1 + self.regressors.len() + more).max(1) as f64
    }

    /// What residuals are multiplied by for what is not known of them: rows over degrees of freedom less two is the variance
    /// of the t distribution that a new value has, and 1/sqrt(2n) the standard error of a standard deviation as a share.
    fn uncertainty(&self) -> f64 {
        let rows = self.rows.len() as f64;
        (rows / self.degrees_of_freedom(2)).sqrt() * (1.0 + ERRORS / (2.0 * rows).sqrt())
    }

    /// With the peers that explain most, as long as the criterion falls.
    fn with_peers(mut self, peers: &Array2<f64>, cancel: &Cancel) -> Result<Regression, Cancelled> {
        let days = self.rows.len() as f64;
        let price = days.ln() + 2.0 * (peers.nrows().max(1) as f64).ln();
        for _ in 0..MOST_PEERS {
            let mut best = (0.0, None);
            for (place, peer) in watched(peers.rows(), 3 * self.rows.len(), cancel).enumerate() {
                let explained = self.correlation_squared(peer?);
                if explained > best.0 {
                    best = (explained, Some(place));
                }
            }
            let Some(place) = best.1 else { break };
            let left = self.product(&self.residuals, &self.residuals);
            if left <= 0.0 || -days * (1.0 - best.0).max(f64::MIN_POSITIVE).ln() <= price {
                break;
            }
            let known = self.regressors.len();
            self = self.with(&peers.row(place).to_owned());
            if self.regressors.len() == known {
                break;
            }
        }
        Ok(self)
    }

    /// The squared correlation of what is left with a peer.
    fn correlation_squared(&self, peer: ArrayView1<'_, f64>) -> f64 {
        let (mut sum, mut squares, mut product, mut left) = (0.0, 0.0, 0.0, 0.0);
        for &row in &self.rows {
            let (value, residual) = (peer[row], self.residuals[row]);
            sum += value;
            squares += value * value;
            product += value * residual;
            left += residual * residual;
        }
        // The residuals' own mean is zero, by least squares.
        let variance = squares - sum * sum / self.rows.len() as f64;
        if variance > ROUNDING * squares && left > 0.0 { product * product / (variance * left) } else { 0.0 }
    }

    /// The sum of products over the rows that it is fitted to.
    fn product(&self, a: &Array1<f64>, b: &Array1<f64>) -> f64 {
        self.rows.iter().map(|&row| a[row] * b[row]).sum()
    }
}

fn mean_of(rows: &[usize], values: ArrayView1<'_, f64>) -> f64 {
    rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len().max(1) as f64
}
