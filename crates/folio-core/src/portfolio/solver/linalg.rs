//! The dense linear algebra that portfolios need, on one thread: faer over matrices that ndarray owns.
//!
//! A symmetric matrix reads the same by rows and by columns, so faer looks at ndarray's memory without a copy.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{self, ComputeEigenvectors, tridiag::tridiag_in_place};
use faer::linalg::householder::apply_block_householder_sequence_on_the_left_in_place_with_conj;
use faer::linalg::matmul::triangular::BlockStructure;
use faer::linalg::qr::no_pivoting;
use faer::linalg::{matmul, triangular_solve};
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, Col, Conj, Mat, MatMut, MatRef, Par, Side, Spec};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::task::Cancel;
use crate::{Error, Result};

/// Columns that a factorisation eliminates between two looks at the cancel flag: at a thousand assets that is less
/// than 20 ms of work.
const BLOCK: usize = 128;

/// Multiply-adds between two looks at the cancel flag, about 10 ms.
const GRAM_CHUNK: usize = 40_000_000;

/// A pivot smaller than this share of its diagonal element is rounding, not information.
const SINGULAR_PIVOT: f64 = 1e-13;

/// The lower triangular factor L of A = L L'.
pub(crate) struct Cholesky {
    factor: Mat<f64>,
}

impl Cholesky {
    /// Factorises the lower triangle of a symmetric matrix, or gives `None` where it is not positive definite to
    /// rounding.
    pub(crate) fn new(mut matrix: Mat<f64>, cancel: &Cancel) -> Result<Option<Cholesky>> {
        let n = matrix.nrows();
        let diagonal: Vec<f64> = (0..n).map(|i| matrix[(i, i)]).collect();
        for start in (0..n).step_by(BLOCK) {
            cancel.check()?;
            let width = BLOCK.min(n - start);
            let (done, mut rest) = matrix.as_mut().subcols_mut(0, start + width).split_at_col_mut(start);
            let mut rest = rest.rb_mut().subrows_mut(start, n - start);
            let done = done.rb().subrows(start, n - start);
            // The columns of the block less what the factor so far explains of them.
            let above = done.subrows(0, width).transpose();
            matmul::matmul(rest.rb_mut(), Accum::Add, done, above, -1.0, Par::Seq);
            let (mut square, mut below) = rest.split_at_row_mut(width);
            let Ok(factor) = square.rb().llt(Side::Lower) else { return Ok(None) };
            square.copy_from(factor.L());
            let singular = |i: usize| {
                square[(i, i)].powi(2) <= SINGULAR_PIVOT * diagonal[start + i] || !square[(i, i)].is_finite()
            };
            if (0..width).any(singular) {
                return Ok(None);
            }
            triangular_solve::solve_lower_triangular_in_place(
                square.rb(),
                below.rb_mut().transpose_mut(),
                Par::Seq,
            );
        }
        Ok(Some(Cholesky { factor: matrix }))
    }

    /// Overwrites B by L^-1 B.
    pub(crate) fn solve_lower(&self, rhs: MatMut<'_, f64>) {
        triangular_solve::solve_lower_triangular_in_place(self.factor.as_ref(), rhs, Par::Seq);
    }

    /// Overwrites B by L'^-1 B.
    pub(crate) fn solve_upper(&self, rhs: MatMut<'_, f64>) {
        triangular_solve::solve_upper_triangular_in_place(self.factor.transpose(), rhs, Par::Seq);
    }

    /// Overwrites B by A^-1 B.
    pub(crate) fn solve(&self, mut rhs: MatMut<'_, f64>) {
        self.solve_lower(rhs.rb_mut());
        self.solve_upper(rhs);
    }
}

/// The lower triangle and more of a symmetric ndarray matrix as one of faer's, copied for factorising in place.
pub(crate) fn to_faer(matrix: ArrayView2<'_, f64>) -> Mat<f64> {
    Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[[i, j]])
}

/// X'X of a matrix with a row for each day, both triangles, bitwise symmetric.
pub(crate) fn gram(x: &Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
    let (rows, n) = x.dim();
    let mut product = Mat::<f64>::zeros(n, n);
    let standard = x.as_standard_layout();
    let data = standard.as_slice().unwrap_or_default();
    let chunk = (GRAM_CHUNK / (n * n).max(1)).max(1);
    for start in (0..rows).step_by(chunk) {
        cancel.check()?;
        let height = chunk.min(rows - start);
        let block = MatRef::from_row_major_slice(&data[start * n..(start + height) * n], height, n);
        matmul::triangular::matmul(
            product.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            block.transpose(),
            BlockStructure::Rectangular,
            block,
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
    }
    Ok(Array2::from_shape_fn((n, n), |(i, j)| if i >= j { product[(i, j)] } else { product[(j, i)] }))
}

/// x' A x.
pub(crate) fn quadratic_form(matrix: ArrayView2<'_, f64>, x: ArrayView1<'_, f64>) -> f64 {
    x.dot(&matrix.dot(&x))
}

/// The eigenvalues, rising, and the eigenvectors, one a column, of a symmetric matrix. faer's own three steps, so that
/// the cancel flag is looked at between them: to tridiagonal form, its eigenvectors, and those back.
pub(crate) fn eigen(matrix: ArrayView2<'_, f64>, cancel: &Cancel) -> Result<(Array1<f64>, Array2<f64>)> {
    let n = matrix.nrows();
    if n < 2 {
        return Ok((matrix.diag().to_owned(), Array2::eye(n)));
    }
    cancel.check()?;
    let mut form = to_faer(matrix);
    let block = no_pivoting::factor::recommended_block_size::<f64>(n, n);
    let mut reflections = Mat::<f64>::zeros(block, n - 1);
    // That of the three steps together is enough for each.
    let workspace =
        evd::self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Spec::default());
    let mut workspace = MemBuffer::new(workspace);
    let stack = MemStack::new(&mut workspace);
    tridiag_in_place(form.as_mut(), reflections.as_mut(), Par::Seq, stack, Spec::default());
    cancel.check()?;
    let diagonal = Col::from_fn(n, |i| form[(i, i)]);
    let below = Col::from_fn(n, |i| if i + 1 < n { form[(i + 1, i)] } else { 0.0 });
    let (mut values, mut vectors) = (Col::<f64>::zeros(n), Mat::<f64>::zeros(n, n));
    evd::tridiagonal_self_adjoint_evd(
        diagonal.as_ref().as_diagonal(),
        below.as_ref().as_diagonal(),
        values.as_mut().as_diagonal_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        stack,
        Spec::default(),
    )
    .map_err(|error| Error::SolverFailed {
        status: format!("the eigenvalues did not converge: {error:?}"),
    })?;
    cancel.check()?;
    apply_block_householder_sequence_on_the_left_in_place_with_conj(
        form.as_ref().submatrix(1, 0, n - 1, n - 1),
        reflections.as_ref(),
        Conj::No,
        vectors.as_mut().subrows_mut(1, n - 1),
        Par::Seq,
        stack,
    );
    Ok((Array1::from_shape_fn(n, |i| values[i]), Array2::from_shape_fn((n, n), |(i, j)| vectors[(i, j)])))
}

/// Solves A x = b for a positive definite A, or gives `None` where A is singular.
pub(crate) fn solve(
    matrix: ArrayView2<'_, f64>,
    rhs: ArrayView1<'_, f64>,
    cancel: &Cancel,
) -> Result<Option<Array1<f64>>> {
    let Some(factor) = Cholesky::new(to_faer(matrix), cancel)? else { return Ok(None) };
    let mut x = Mat::from_fn(rhs.len(), 1, |i, _| rhs[i]);
    factor.solve(x.as_mut());
    Ok(Some(Array1::from_shape_fn(rhs.len(), |i| x[(i, 0)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(n: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, n), |(i, j)| {
            1.0 / (1.0 + i.abs_diff(j) as f64) + if i == j { 1.0 } else { 0.0 }
        })
    }

    #[test]
    fn eigenvectors_make_the_matrix() {
        for n in [0, 1, 2, 5, 40, 150] {
            let matrix = matrix(n);
            let (values, vectors) = eigen(matrix.view(), &Cancel::default()).unwrap();
            assert!(values.iter().is_sorted(), "{values}");
            let product = (&vectors * &values).dot(&vectors.t());
            assert!((&product - &matrix).iter().all(|error| error.abs() < 1e-12), "{n}");
            let square = vectors.t().dot(&vectors);
            assert!((&square - &Array2::<f64>::eye(n)).iter().all(|error| error.abs() < 1e-12), "{n}");
        }
    }

    #[test]
    fn the_blocked_factor_solves() {
        for n in [1, 5, BLOCK, BLOCK + 1, 3 * BLOCK + 17] {
            let a = matrix(n);
            let x = Array1::from_shape_fn(n, |i| (i as f64 * 0.7).sin());
            let solved = solve(a.view(), a.dot(&x).view(), &Cancel::default()).unwrap().unwrap();
            let worst = (&solved - &x).iter().fold(0.0_f64, |worst, d| worst.max(d.abs()));
            assert!(worst < 1e-12, "{n}: {worst}");
        }
    }

    #[test]
    fn a_singular_matrix_has_no_factor() {
        let singular = Array2::from_elem((3, 3), 1.0);
        assert!(Cholesky::new(to_faer(singular.view()), &Cancel::default()).unwrap().is_none());
        let indefinite = ndarray::arr2(&[[1.0, 2.0], [2.0, 1.0]]);
        assert!(Cholesky::new(to_faer(indefinite.view()), &Cancel::default()).unwrap().is_none());
    }

    #[test]
    fn a_cancelled_factorisation_stops() {
        let cancel = Cancel::default();
        cancel.cancel();
        assert!(matches!(Cholesky::new(to_faer(matrix(3).view()), &cancel), Err(Error::Cancelled)));
        assert!(matches!(gram(&matrix(3), &cancel), Err(Error::Cancelled)));
    }

    #[test]
    fn gram_is_symmetric_and_right() {
        let x = Array2::from_shape_fn((40, 7), |(i, j)| ((i * 7 + j) as f64).sin());
        let g = gram(&x, &Cancel::default()).unwrap();
        assert!((&g - &x.t().dot(&x)).iter().all(|d| d.abs() < 1e-13));
        assert_eq!(g, g.t());
    }
}
