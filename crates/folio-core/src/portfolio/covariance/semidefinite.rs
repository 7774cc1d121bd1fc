//! Matrices that are positive semidefinite, and how one becomes so.

use ndarray::{Array2, ArrayView2};

use crate::input::{self, LARGEST};
use crate::portfolio::solver::linalg::{self, Cholesky};
use crate::task::Cancel;
use crate::work::watched;
use crate::{Error, Result};

/// How far under zero an eigenvalue may lie, as a share of the mean variance, and still be rounding.
const NEGATIVE_EIGENVALUE: f64 = 1e-10;

/// How far the two triangles of a given covariance may differ, as a share of the largest element, and still be
/// rounding: numbers that were printed with nine digits pass.
const ASYMMETRY: f64 = 1e-8;

/// What [`FixMethod::Diag`] adds, as a multiple of the smallest eigenvalue: PyPortfolioOpt's.
const DIAGONAL: f64 = 1.1;

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
        input::choose("fix_method", name, &FixMethod::ALL)
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
/// [`Error::InvalidArgument`] for a matrix that is not square, finite and symmetric, or beyond [`LARGEST`];
/// [`Error::SolverFailed`];
/// [`Error::Cancelled`].
pub fn fix_nonpositive_semidefinite(
    matrix: ArrayView2<'_, f64>,
    method: FixMethod,
    cancel: &Cancel,
) -> Result<Fixed> {
    let size = matrix.nrows();
    check_symmetric("matrix", matrix, size, cancel)?;
    if let Some(element) = matrix.iter().find(|element| element.abs() > LARGEST) {
        return Err(Error::InvalidArgument {
            argument: "matrix",
            value: format!("an element of {element:e}"),
            expected: format!(
                "elements of at most {LARGEST:e}: divide the matrix by a number, and multiply what comes by it"
            ),
        });
    }
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
