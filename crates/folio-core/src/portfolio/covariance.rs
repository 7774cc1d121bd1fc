//! Covariance matrices of the returns of one period, annualised.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::solver::linalg::{self, Cholesky};
use super::universe::Universe;
use crate::panel::ReturnPanel;
use crate::task::Cancel;
use crate::work::{self, watched};
use crate::{Error, Result};

/// The span of `exp_cov` in days, PyPortfolioOpt's default.
const DEFAULT_SPAN: f64 = 180.0;

/// What counts as a move for `gerber`, in standard deviations: the middle of what its authors use.
const DEFAULT_THRESHOLD: f64 = 0.5;

/// How far under zero an eigenvalue may lie, as a share of the mean variance, and still be rounding.
const NEGATIVE_EIGENVALUE: f64 = 1e-10;

/// How far the two triangles of a given covariance may differ, as a share of the largest element, and still be
/// rounding: numbers that were printed with nine digits pass.
const ASYMMETRY: f64 = 1e-8;

/// What [`FixMethod::Diag`] adds, as a multiple of the smallest eigenvalue: PyPortfolioOpt's.
const DIAGONAL: f64 = 1.1;

/// What a power of any exponent takes.
const POWER: usize = 50;

/// How a covariance is estimated from returns.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum CovarianceMethod {
    /// The sample covariance with T - 1 in the denominator; singular where there are fewer returns than tickers.
    Sample,
    /// Ledoit and Wolf (2004), shrunk towards a multiple of the identity.
    #[default]
    LedoitWolf,
    /// Ledoit and Wolf (2003), shrunk towards equal correlations.
    LedoitWolfConstantCorrelation,
    /// Ledoit and Wolf (2003), shrunk towards Sharpe's single-index model; the index is the mean of all tickers.
    LedoitWolfSingleFactor,
    /// Oracle approximating shrinkage, Chen, Wiesel, Eldar and Hero (2010).
    Oas,
    /// Exponentially weighted with this span in days.
    Exponential {
        /// Days; the weight falls by 1 - 2 / (span + 1) a day.
        span: f64,
    },
    /// The covariance of the shortfalls under a daily return.
    Semi {
        /// The daily return under which a day counts.
        benchmark: f64,
    },
    /// The sample covariance whose correlation's eigenvalues that noise explains are set to their mean (Laloux,
    /// Cizeau, Bouchaud and Potters 1999).
    Denoised,
    /// The Gerber statistic as correlation (Gerber et al. 2022, the form over the days that are not neutral): it
    /// counts the days on which both tickers moved by more than a threshold, and so does not see their sizes.
    Gerber {
        /// What counts as a move, in standard deviations.
        threshold: f64,
    },
}

impl CovarianceMethod {
    /// The names in SQL.
    pub const NAMES: [&'static str; 10] = [
        "ledoit_wolf",
        "sample_cov",
        "ledoit_wolf_constant_variance",
        "ledoit_wolf_constant_correlation",
        "ledoit_wolf_single_factor",
        "oas",
        "exp_cov",
        "semicovariance",
        "denoised",
        "gerber",
    ];

    /// The method of this name. `exp_cov`, `semicovariance` and `gerber` take a number: `exp_cov(90)` has a span of 90 days,
    /// `semicovariance(0.0001)` counts days under 0.01 %.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the valid names, [`Error::InvalidArgument`] for a number that makes no sense.
    pub fn parse(text: &str) -> Result<CovarianceMethod> {
        let (name, number) = match text.trim().strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, number)) => (name.trim(), Some(parse_number(number)?)),
            None => (text.trim(), None),
        };
        let method = match name {
            "sample_cov" => CovarianceMethod::Sample,
            "ledoit_wolf" | "ledoit_wolf_constant_variance" => CovarianceMethod::LedoitWolf,
            "ledoit_wolf_constant_correlation" => CovarianceMethod::LedoitWolfConstantCorrelation,
            "ledoit_wolf_single_factor" => CovarianceMethod::LedoitWolfSingleFactor,
            "oas" => CovarianceMethod::Oas,
            "exp_cov" => return exponential(number.unwrap_or(DEFAULT_SPAN)),
            "denoised" => CovarianceMethod::Denoised,
            "gerber" => return gerber_threshold(number.unwrap_or(DEFAULT_THRESHOLD)),
            "semicovariance" => return Ok(CovarianceMethod::Semi { benchmark: number.unwrap_or(0.0) }),
            _ => {
                return Err(Error::UnknownName {
                    kind: "covariance",
                    name: name.to_owned(),
                    valid: CovarianceMethod::NAMES.map(str::to_owned).to_vec(),
                });
            }
        };
        if let Some(number) = number {
            return Err(Error::InvalidArgument {
                argument: "covariance",
                value: format!("{name}({number})"),
                expected: format!("{name} without a number"),
            });
        }
        Ok(method)
    }

    /// The annualised covariance of these returns.
    ///
    /// A ticker whose price never moves has zero variance and zero covariances (the shrinkage estimators give it
    /// the variance that they shrink to); with fewer returns than tickers the sample estimators are singular, the
    /// shrunk ones are not.
    ///
    /// # Errors
    /// [`Error::TooShort`] under two returns, [`Error::InvalidArgument`] for a return that is not finite,
    /// [`Error::NotPositiveSemidefinite`] for a Gerber matrix that is not, [`Error::Cancelled`].
    pub fn estimate(self, panel: &ReturnPanel, cancel: &Cancel) -> Result<Covariance> {
        let universe = Universe::new(panel.tickers())?;
        let (returns, periods) = (panel.returns(), panel.periods_per_year());
        if returns.nrows() < 2 {
            let found = panel.tickers().iter().map(|ticker| (ticker.clone(), returns.nrows())).collect();
            return Err(Error::TooShort { need: 2, found });
        }
        for pair in watched(panel.tickers().iter().zip(returns.columns()), returns.nrows(), cancel) {
            let (ticker, column) = pair?;
            if let Some(bad) = column.iter().find(|value| !value.is_finite()) {
                return Err(Error::InvalidArgument {
                    argument: "returns",
                    value: format!("{bad} of {ticker}"),
                    expected: "finite returns".to_owned(),
                });
            }
        }
        if let CovarianceMethod::Gerber { threshold } = self {
            // Not positive semidefinite by construction, though it is in practice: so it is checked.
            return Covariance::new(universe, gerber(returns, threshold, cancel)? * periods, cancel);
        }
        let (matrix, shrinkage) = self.of_a_period(returns, cancel)?;
        Ok(Covariance { universe, matrix: matrix * periods, shrinkage })
    }

    fn of_a_period(self, returns: &Array2<f64>, cancel: &Cancel) -> Result<(Array2<f64>, Option<f64>)> {
        let days = returns.nrows() as f64;
        if let CovarianceMethod::Semi { benchmark } = self {
            let shortfalls = returns.mapv(|value| (value - benchmark).min(0.0));
            return Ok((linalg::gram(&shortfalls, cancel)? / days, None));
        }
        let centred = centre(returns, cancel)?;
        if let CovarianceMethod::Exponential { span } = self {
            return Ok((exponentially_weighted(&centred, span, cancel)?, None));
        }
        let gram = linalg::gram(&centred, cancel)?;
        let (matrix, shrinkage) = match self {
            CovarianceMethod::LedoitWolf => constant_variance(&centred, gram / days, cancel)?,
            CovarianceMethod::LedoitWolfConstantCorrelation => constant_correlation(&centred, gram, cancel)?,
            CovarianceMethod::LedoitWolfSingleFactor => single_factor(&centred, gram / days, cancel)?,
            CovarianceMethod::Oas => oracle_approximating(days, gram / days, cancel)?,
            CovarianceMethod::Denoised => return Ok((denoised(days, gram / (days - 1.0), cancel)?, None)),
            _ => return Ok((gram / (days - 1.0), None)),
        };
        Ok((matrix, Some(shrinkage)))
    }
}

fn parse_number(text: &str) -> Result<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| Error::InvalidArgument {
        argument: "covariance",
        value: text.to_owned(),
        expected: "a number in the parentheses".to_owned(),
    })
}

fn exponential(span: f64) -> Result<CovarianceMethod> {
    if span > 1.0 {
        return Ok(CovarianceMethod::Exponential { span });
    }
    Err(Error::InvalidArgument {
        argument: "covariance",
        value: format!("exp_cov({span})"),
        expected: "a span over 1 day".to_owned(),
    })
}

fn gerber_threshold(threshold: f64) -> Result<CovarianceMethod> {
    if threshold > 0.0 {
        return Ok(CovarianceMethod::Gerber { threshold });
    }
    Err(Error::InvalidArgument {
        argument: "covariance",
        value: format!("gerber({threshold})"),
        expected: "a threshold over 0 standard deviations".to_owned(),
    })
}

/// A covariance that is known to be finite, symmetric and positive semidefinite, with its tickers.
#[derive(Debug, Clone, PartialEq)]
pub struct Covariance {
    universe: Universe,
    matrix: Array2<f64>,
    shrinkage: Option<f64>,
}

impl Covariance {
    /// A covariance that somebody else estimated. The unit is that of the caller; with returns a year it is
    /// variance a year.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where it is not square of the universe's size, not finite or not symmetric,
    /// [`Error::NotPositiveSemidefinite`] for an eigenvalue under zero by more than rounding;
    /// [`fix_nonpositive_semidefinite`] makes a matrix without.
    pub fn new(universe: Universe, matrix: Array2<f64>, cancel: &Cancel) -> Result<Covariance> {
        let matrix = semidefinite("covariance", matrix.view(), universe.len(), cancel)?;
        Ok(Covariance { universe, matrix, shrinkage: None })
    }

    /// A covariance computed from a positive semidefinite one by a rule that keeps it so.
    pub(crate) fn derived(universe: Universe, matrix: Array2<f64>) -> Covariance {
        Covariance { universe, matrix, shrinkage: None }
    }

    /// The tickers.
    pub fn universe(&self) -> &Universe {
        &self.universe
    }

    /// The matrix, in the order of the tickers.
    pub fn matrix(&self) -> &Array2<f64> {
        &self.matrix
    }

    /// The weight of the shrinkage target, 0 to 1, for a method that shrinks.
    pub fn shrinkage(&self) -> Option<f64> {
        self.shrinkage
    }

    /// The correlation of two tickers by their places; `None` where one of them does not vary.
    pub fn correlation(&self, row: usize, column: usize) -> Option<f64> {
        let scale = (self.matrix[[row, row]] * self.matrix[[column, column]]).sqrt();
        (scale > 0.0).then(|| self.matrix[[row, column]] / scale)
    }

    /// The standard deviation of each ticker.
    pub fn volatility(&self) -> Array1<f64> {
        self.matrix.diag().mapv(|variance| variance.max(0.0).sqrt())
    }
}

/// A matrix that was checked to be square, finite, symmetric and positive semidefinite, both to rounding; its two
/// triangles are made the same to the bit.
pub(crate) fn semidefinite(
    argument: &'static str,
    matrix: ArrayView2<'_, f64>,
    size: usize,
    cancel: &Cancel,
) -> Result<Array2<f64>> {
    check_symmetric(argument, matrix, size, cancel)?;
    let matrix = (&matrix + &matrix.t()) / 2.0;
    let mean_variance = matrix.diag().sum() / size.max(1) as f64;
    let mut shifted = linalg::to_faer(matrix.view());
    for i in 0..size {
        shifted[(i, i)] += NEGATIVE_EIGENVALUE * mean_variance;
    }
    if Cholesky::new(shifted, cancel)?.is_none() {
        let smallest_eigenvalue = linalg::eigen(matrix.view(), cancel)?.0[0];
        if smallest_eigenvalue < -NEGATIVE_EIGENVALUE * mean_variance.abs() {
            return Err(Error::NotPositiveSemidefinite { smallest_eigenvalue });
        }
    }
    Ok(matrix)
}

fn check_symmetric(
    argument: &'static str,
    matrix: ArrayView2<'_, f64>,
    size: usize,
    cancel: &Cancel,
) -> Result<()> {
    let invalid = |value: String, expected: &str| {
        Err(Error::InvalidArgument { argument, value, expected: expected.to_owned() })
    };
    if matrix.dim() != (size, size) {
        let (rows, columns) = matrix.dim();
        return invalid(format!("{rows} x {columns}"), &format!("{size} x {size}"));
    }
    if let Some(bad) = matrix.iter().find(|value| !value.is_finite()) {
        return invalid(bad.to_string(), "finite elements");
    }
    let largest = matrix.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for element in watched(matrix.indexed_iter(), 4, cancel) {
        let ((i, j), value) = element?;
        if (value - matrix[[j, i]]).abs() > ASYMMETRY * largest {
            return invalid(
                format!("element {},{} is {value}, {},{} is {}", i + 1, j + 1, j + 1, i + 1, matrix[[j, i]]),
                "a symmetric matrix",
            );
        }
    }
    Ok(())
}

/// How a matrix is made positive semidefinite, by PyPortfolioOpt's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FixMethod {
    /// Negative eigenvalues become zero: the nearest such matrix in the Frobenius norm (Higham 1988).
    #[default]
    Spectral,
    /// 1.1 times the size of the smallest eigenvalue is added to the diagonal, which leaves covariances as they are.
    Diag,
}

impl FixMethod {
    const ALL: [(&'static str, FixMethod); 2] =
        [("spectral", FixMethod::Spectral), ("diag", FixMethod::Diag)];

    /// # Errors
    /// [`Error::UnknownName`] with the valid names.
    pub fn parse(name: &str) -> Result<FixMethod> {
        let found = FixMethod::ALL.iter().find(|(known, _)| *known == name.trim()).map(|(_, method)| *method);
        found.ok_or_else(|| Error::UnknownName {
            kind: "fix_method",
            name: name.to_owned(),
            valid: FixMethod::ALL.map(|(name, _)| name.to_owned()).to_vec(),
        })
    }
}

/// A matrix that is positive semidefinite now, and what was done to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    /// The matrix.
    pub matrix: Array2<f64>,
    /// The smallest eigenvalue that it had.
    pub smallest_eigenvalue: f64,
    /// The largest absolute change of an element; zero where nothing was to be done.
    pub largest_change: f64,
}

/// Makes a symmetric matrix positive semidefinite; one that is stays as it is.
///
/// # Errors
/// [`Error::InvalidArgument`] for a matrix that is not square, finite and symmetric; [`Error::SolverFailed`];
/// [`Error::Cancelled`].
pub fn fix_nonpositive_semidefinite(
    matrix: ArrayView2<'_, f64>,
    method: FixMethod,
    cancel: &Cancel,
) -> Result<Fixed> {
    let size = matrix.nrows();
    check_symmetric("matrix", matrix, size, cancel)?;
    let given: Array2<f64> = (&matrix + &matrix.t()) / 2.0;
    let (values, vectors) = linalg::eigen(given.view(), cancel)?;
    let smallest_eigenvalue = values.first().copied().unwrap_or_default();
    if smallest_eigenvalue >= 0.0 {
        return Ok(Fixed { matrix: given, smallest_eigenvalue, largest_change: 0.0 });
    }
    let fixed = match method {
        FixMethod::Spectral => {
            let scaled = &vectors * &values.mapv(|value| value.max(0.0).sqrt());
            linalg::product(scaled.view(), scaled.t(), cancel)?
        }
        FixMethod::Diag => &given - &(Array2::<f64>::eye(size) * (DIAGONAL * smallest_eigenvalue)),
    };
    let change = fixed.iter().zip(&given).map(|(fixed, given)| (fixed - given).abs());
    let largest_change = change.fold(0.0, f64::max);
    Ok(Fixed { matrix: fixed, smallest_eigenvalue, largest_change })
}

fn centre(returns: &Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
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

fn exponentially_weighted(centred: &Array2<f64>, span: f64, cancel: &Cancel) -> Result<Array2<f64>> {
    let decay: f64 = 1.0 - 2.0 / (span + 1.0);
    let days = centred.nrows();
    let weights = Array1::from_shape_fn(days, |day| decay.powf((days - 1 - day) as f64));
    let total = weights.sum();
    cancel.check()?;
    work::count(centred.len() + POWER * days);
    let roots = weights.mapv(f64::sqrt).insert_axis(Axis(1));
    Ok(linalg::gram(&(centred * &roots), cancel)? / total)
}

/// (1 - delta) S + delta F.
fn shrink(
    sample: Array2<f64>,
    target: &Array2<f64>,
    delta: f64,
    cancel: &Cancel,
) -> Result<(Array2<f64>, f64)> {
    cancel.check()?;
    work::count(4 * sample.len());
    Ok((sample * (1.0 - delta) + target * delta, delta))
}

/// Ledoit and Wolf, 'A well-conditioned estimator for large-dimensional covariance matrices' (2004), section 3.2;
/// `sample` has T in the denominator.
///
/// The sum over all pairs of x_i^2 x_j^2 of a day is the square of the day's sum of squares, so b^2 costs O(TN).
fn constant_variance(
    centred: &Array2<f64>,
    sample: Array2<f64>,
    cancel: &Cancel,
) -> Result<(Array2<f64>, f64)> {
    let (days, assets) = (centred.nrows() as f64, centred.ncols() as f64);
    let mean_variance = sample.diag().sum() / assets;
    let norm = sample.iter().map(|value| value * value).sum::<f64>();
    let dispersion = (norm - assets * mean_variance * mean_variance) / assets;
    let mut fourth = 0.0;
    for row in watched(centred.rows(), centred.ncols(), cancel) {
        let row = row?;
        fourth += row.dot(&row).powi(2);
    }
    fourth /= days;
    let error = ((fourth - norm) / (assets * days)).min(dispersion);
    let delta = if error <= 0.0 { 0.0 } else { error / dispersion };
    shrink(sample, &(Array2::eye(centred.ncols()) * mean_variance), delta, cancel)
}

/// Chen, Wiesel, Eldar and Hero, 'Shrinkage algorithms for MMSE covariance estimation' (2010), formula 23 in the
/// form with 2/p left out that scikit-learn uses; `sample` has T in the denominator.
fn oracle_approximating(days: f64, sample: Array2<f64>, cancel: &Cancel) -> Result<(Array2<f64>, f64)> {
    let n = sample.nrows();
    let assets = n as f64;
    let mean_variance = sample.diag().sum() / assets;
    let alpha = sample.iter().map(|value| value * value).sum::<f64>() / (assets * assets);
    let denominator = (days + 1.0) * (alpha - mean_variance.powi(2) / assets);
    let ratio = (alpha + mean_variance.powi(2)) / denominator;
    let delta = if denominator <= 0.0 { 1.0 } else { ratio.min(1.0) };
    shrink(sample, &(Array2::eye(n) * mean_variance), delta, cancel)
}

/// Ledoit and Wolf, 'Honey, I shrunk the sample covariance matrix' (2003), appendix B. Tickers that never move
/// count as uncorrelated.
///
/// Sums over pairs of terms that are products of a factor of i and a factor of j are products of sums, day by day.
fn constant_correlation(
    centred: &Array2<f64>,
    gram: Array2<f64>,
    cancel: &Cancel,
) -> Result<(Array2<f64>, f64)> {
    let (t, n) = centred.dim();
    let days = t as f64;
    let sample = &gram / (days - 1.0);
    let second = gram / days;
    let sd = sample.diag().mapv(f64::sqrt);
    let inverse = sd.mapv(|sd| if sd > 0.0 { 1.0 / sd } else { 0.0 });
    let moving = inverse.iter().filter(|value| **value > 0.0).count() as f64;
    if moving < 2.0 {
        return Ok((sample, 0.0));
    }
    work::count(4 * n * n);
    let correlations = inverse.dot(&sample.dot(&inverse));
    let mean_correlation = (correlations - moving) / (moving * (moving - 1.0));
    let target =
        Array2::from_shape_fn(
            (n, n),
            |(i, j)| {
                if i == j { sample[[i, i]] } else { mean_correlation * sd[i] * sd[j] }
            },
        );

    let mut fourth_all = 0.0;
    let mut fourth_own = Array1::<f64>::zeros(n);
    let mut cubes = 0.0;
    for row in watched(centred.rows(), 8 * n, cancel) {
        let row = row?;
        let squares = row.mapv(|value| value * value);
        fourth_all += squares.sum().powi(2);
        fourth_own += &squares.mapv(|value| value * value);
        // Over i <> j of sd_j / sd_i times x_i^3 x_j.
        let left: f64 = (0..n).map(|i| squares[i] * row[i] * inverse[i]).sum();
        let own: f64 = (0..n).map(|i| squares[i] * squares[i] * inverse[i] * sd[i]).sum();
        cubes += left * row.dot(&sd) - own;
    }
    let pi_all = fourth_all / days - 2.0 * (&second * &sample).sum() + (&sample * &sample).sum();
    let pi_own: f64 = (0..n)
        .map(|i| fourth_own[i] / days - 2.0 * second[[i, i]] * sample[[i, i]] + sample[[i, i]].powi(2))
        .sum();
    // theta_ii,ij of the appendix: E[(x_i^2 - s_ii)(x_i x_j - s_ij)], with both denominators kept apart.
    let mut theta = cubes / days;
    for i in watched(0..n, 2 * n, cancel) {
        let i = i?;
        for j in (0..n).filter(|&j| j != i) {
            let rest = second[[i, i]] * sample[[i, j]] + second[[i, j]] * sample[[i, i]]
                - sample[[i, i]] * sample[[i, j]];
            theta -= sd[j] * inverse[i] * rest;
        }
    }
    let rho = pi_own + mean_correlation * theta;
    let gamma = (&sample - &target).iter().map(|value| value * value).sum::<f64>();
    let delta = intensity(pi_all - rho, gamma, days);
    shrink(sample, &target, delta, cancel)
}

/// kappa / T of the papers, kept between 0 and 1; where the target already is the sample there is nothing to shrink.
fn intensity(excess: f64, gamma: f64, days: f64) -> f64 {
    if gamma > 0.0 { (excess / gamma / days).clamp(0.0, 1.0) } else { 0.0 }
}

/// Ledoit and Wolf, 'Improved estimation of the covariance matrix of stock returns' (2003), section 3, with the
/// equally weighted mean of the tickers as the index; `sample` has T in the denominator.
fn single_factor(centred: &Array2<f64>, sample: Array2<f64>, cancel: &Cancel) -> Result<(Array2<f64>, f64)> {
    let (t, n) = centred.dim();
    let days = t as f64;
    cancel.check()?;
    work::count(2 * centred.len() + 4 * n * n);
    let index = centred.sum_axis(Axis(1)) / n as f64;
    let index_variance = index.dot(&index) / days;
    if index_variance <= 0.0 {
        return Ok((sample, 0.0));
    }
    // Covariances with the index.
    let c = centred.t().dot(&index) / days;
    let target =
        Array2::from_shape_fn(
            (n, n),
            |(i, j)| {
                if i == j { sample[[i, i]] } else { c[i] * c[j] / index_variance }
            },
        );
    let gamma = (&sample - &target).iter().map(|value| value * value).sum::<f64>();

    // pi_ij sums to the asymptotic variance of the sample, rho_ij (formula of the paper's lemma 2 for i <> j) to
    // its asymptotic covariance with the target; on the diagonal the two are the same and cancel.
    let (mut pi, mut rho) = (0.0, 0.0);
    let scaled = &c / index_variance;
    for pair in watched(centred.rows().into_iter().zip(&index), 12 * n, cancel) {
        let (row, &m) = pair?;
        let along = row.dot(&scaled);
        let squares = row.dot(&row);
        pi += squares * squares - row.iter().map(|x| x.powi(4)).sum::<f64>();
        rho += 2.0 * squares * m * along - (m * along).powi(2);
        let own = |(x, b): (&f64, &f64)| 2.0 * x * x * x * m * b - (x * m * b).powi(2);
        rho -= row.iter().zip(&scaled).map(own).sum::<f64>();
    }
    let squared = |matrix: &Array2<f64>| matrix.iter().map(|value| value * value).sum::<f64>();
    let pi = pi / days - (squared(&sample) - sample.diag().dot(&sample.diag()));
    let off_diagonal = |matrix: &Array2<f64>| (matrix * &sample).sum() - matrix.diag().dot(&sample.diag());
    let rho = rho / days - off_diagonal(&target);
    let delta = intensity(pi - rho, gamma, days);
    shrink(sample, &target, delta, cancel)
}

/// The sample covariance with the eigenvalues of its correlation clipped: those under the Marchenko-Pastur edge
/// s (1 + sqrt(N / T))^2, where s is the variance that the largest one leaves, become their mean, and the diagonal is
/// set back to one.
fn denoised(days: f64, sample: Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
    let n = sample.nrows();
    let sd = sample.diag().mapv(f64::sqrt);
    let inverse = sd.mapv(|sd| if sd > 0.0 { 1.0 / sd } else { 0.0 });
    let correlation =
        Array2::from_shape_fn(
            (n, n),
            |(i, j)| {
                if i == j { 1.0 } else { sample[[i, j]] * inverse[i] * inverse[j] }
            },
        );
    let (values, vectors) = linalg::eigen(correlation.view(), cancel)?;
    let edge = (1.0 - values[n - 1] / n as f64) * (1.0 + (n as f64 / days).sqrt()).powi(2);
    let noise: Vec<f64> = values.iter().copied().filter(|value| *value <= edge).collect();
    let mean = noise.iter().sum::<f64>() / noise.len().max(1) as f64;
    let scaled = &vectors * &values.mapv(|value| if value <= edge { mean } else { value }.max(0.0).sqrt());
    let cleaned = linalg::product(scaled.view(), scaled.t(), cancel)?;
    let unit =
        Array1::from_shape_fn(
            n,
            |i| if cleaned[[i, i]] > 0.0 { sd[i] / cleaned[[i, i]].sqrt() } else { 0.0 },
        );
    Ok(Array2::from_shape_fn((n, n), |(i, j)| {
        if i == j { sample[[i, i]] } else { cleaned[[i.max(j), i.min(j)]] * unit[i] * unit[j] }
    }))
}

/// Days on which both moved the same way, less those on which they moved apart, over the days on which at least one
/// moved; times the standard deviations (with T in the denominator).
fn gerber(returns: &Array2<f64>, threshold: f64, cancel: &Cancel) -> Result<Array2<f64>> {
    let (t, n) = returns.dim();
    let sd = centre(returns, cancel)?.map_axis(Axis(0), |column| (column.dot(&column) / t as f64).sqrt());
    cancel.check()?;
    work::count(4 * t * n);
    let moves = Array2::from_shape_fn((t, n), |(day, i)| {
        let value = returns[[day, i]];
        if sd[i] > 0.0 && value.abs() >= threshold * sd[i] { value.signum() } else { 0.0 }
    });
    let agreement = linalg::gram(&moves, cancel)?;
    let neutral = linalg::gram(&moves.mapv(|moved| 1.0 - moved.abs()), cancel)?;
    Ok(Array2::from_shape_fn((n, n), |(i, j)| {
        let counted = t as f64 - neutral[[i, j]];
        let statistic = if counted > 0.0 { agreement[[i, j]] / counted } else { 0.0 };
        sd[i] * sd[j] * if i == j { 1.0 } else { statistic }
    }))
}
