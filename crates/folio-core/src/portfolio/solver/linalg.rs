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
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};

use super::eigen;
use crate::task::Cancel;
use crate::{Error, Result, work};

/// Columns that a factorisation eliminates between two looks at the cancel flag: at a thousand assets that is less
/// than 20 ms of work.
const BLOCK: usize = 128;

/// Multiply-adds between two looks at the cancel flag, about 5 ms.
const CHUNK: usize = 40_000_000;

/// The most rows of a matrix whose eigenvectors faer computes: 5 ms in a call.
const LARGEST_OF_FAER: usize = 256;

/// What an element takes that is copied from rows to columns.
pub(crate) const COPY: usize = 4;

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
            let width = BLOCK.min(n - start);
            let (done, mut rest) = matrix.as_mut().subcols_mut(0, start + width).split_at_col_mut(start);
            let mut rest = rest.rb_mut().subrows_mut(start, n - start);
            let done = done.rb().subrows(start, n - start);
            // The columns of the block less what the factor so far explains of them.
            let above = done.subrows(0, width).transpose();
            for (first, rows) in chunks(n - start, start * width) {
                cancel.check()?;
                work::count_products(rows * start * width);
                let rest = rest.rb_mut().subrows_mut(first, rows);
                matmul::matmul(rest, Accum::Add, done.subrows(first, rows), above, -1.0, Par::Seq);
            }
            let (mut square, mut below) = rest.split_at_row_mut(width);
            let Ok(factor) = square.rb().llt(Side::Lower) else { return Ok(None) };
            square.copy_from(factor.L());
            let singular = |i: usize| {
                square[(i, i)].powi(2) <= SINGULAR_PIVOT * diagonal[start + i] || !square[(i, i)].is_finite()
            };
            if (0..width).any(singular) {
                return Ok(None);
            }
            solve_columns(below.rb_mut().transpose_mut(), width, cancel, |columns| {
                triangular_solve::solve_lower_triangular_in_place(square.rb(), columns, Par::Seq);
            })?;
        }
        Ok(Some(Cholesky { factor: matrix }))
    }

    /// Overwrites B by L^-1 B.
    pub(crate) fn solve_lower(&self, rhs: MatMut<'_, f64>, cancel: &Cancel) -> Result<()> {
        solve_columns(rhs, self.factor.nrows(), cancel, |columns| {
            triangular_solve::solve_lower_triangular_in_place(self.factor.as_ref(), columns, Par::Seq);
        })
    }

    /// Overwrites B by L'^-1 B.
    pub(crate) fn solve_upper(&self, rhs: MatMut<'_, f64>, cancel: &Cancel) -> Result<()> {
        solve_columns(rhs, self.factor.nrows(), cancel, |columns| {
            triangular_solve::solve_upper_triangular_in_place(self.factor.transpose(), columns, Par::Seq);
        })
    }

    /// Overwrites B by A^-1 B.
    pub(crate) fn solve(&self, mut rhs: MatMut<'_, f64>, cancel: &Cancel) -> Result<()> {
        self.solve_lower(rhs.rb_mut(), cancel)?;
        self.solve_upper(rhs, cancel)
    }
}

/// The pieces, each a first place and a length, of `count` things that cost so many multiply-adds each, with no more than
/// [`CHUNK`] in a piece.
pub(crate) fn chunks(count: usize, each: usize) -> impl Iterator<Item = (usize, usize)> {
    let size = (CHUNK / each.max(1)).max(1);
    (0..count).step_by(size).map(move |first| (first, size.min(count - first)))
}

/// Solves a triangle of `n` rows for some columns at a time.
fn solve_columns(
    mut rhs: MatMut<'_, f64>,
    n: usize,
    cancel: &Cancel,
    solve: impl Fn(MatMut<'_, f64>),
) -> Result<()> {
    for (first, columns) in chunks(rhs.ncols(), n * n / 2) {
        cancel.check()?;
        work::count_products(columns * n * n / 2);
        // A single column is not a product of matrices but of a matrix and a vector, which waits for the memory.
        work::count(if columns == 1 { n * n / 2 } else { 0 });
        solve(rhs.rb_mut().subcols_mut(first, columns));
    }
    Ok(())
}

/// A B, some rows at a time.
pub(crate) fn product(
    a: ArrayView2<'_, f64>,
    b: ArrayView2<'_, f64>,
    cancel: &Cancel,
) -> Result<Array2<f64>> {
    let mut product = Array2::zeros((a.nrows(), b.ncols()));
    for (first, rows) in chunks(a.nrows(), a.ncols() * b.ncols()) {
        cancel.check()?;
        work::count_products(rows * a.ncols() * b.ncols());
        let range = s![first..first + rows, ..];
        general_mat_mul(1.0, &a.slice(range), &b, 0.0, &mut product.slice_mut(range));
    }
    Ok(product)
}

/// The lower triangle and more of a symmetric ndarray matrix as one of faer's, copied for factorising in place.
pub(crate) fn to_faer(matrix: ArrayView2<'_, f64>) -> Mat<f64> {
    work::count(COPY * matrix.len());
    Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[[i, j]])
}

/// X'X of a matrix with a row for each day, both triangles, bitwise symmetric.
pub(crate) fn gram(x: &Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
    let (rows, n) = x.dim();
    let mut product = Mat::<f64>::zeros(n, n);
    let standard = x.as_standard_layout();
    let data = standard.as_slice().unwrap_or_default();
    for (start, height) in chunks(rows, n * n) {
        cancel.check()?;
        work::count_products(height * n * n / 2);
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
    cancel.check()?;
    work::count(n * n);
    Ok(Array2::from_shape_fn((n, n), |(i, j)| if i >= j { product[(i, j)] } else { product[(j, i)] }))
}

/// x' A x.
pub(crate) fn quadratic_form(matrix: ArrayView2<'_, f64>, x: ArrayView1<'_, f64>) -> f64 {
    work::count(matrix.len());
    x.dot(&matrix.dot(&x))
}

/// The eigenvalues, rising, and the eigenvectors, one a column, of a symmetric matrix. faer's own three steps, so that
/// the cancel flag is looked at between them: to tridiagonal form, its eigenvectors, and those back. Each is one call, so
/// larger matrices have a method of their own.
pub(crate) fn eigen(matrix: ArrayView2<'_, f64>, cancel: &Cancel) -> Result<(Array1<f64>, Array2<f64>)> {
    let n = matrix.nrows();
    if n < 2 {
        return Ok((matrix.diag().to_owned(), Array2::eye(n)));
    }
    if n > LARGEST_OF_FAER {
        return eigen::eigen(matrix, cancel);
    }
    cancel.check()?;
    work::count(n * n * n / 4);
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
    work::count(n * n * n / 3);
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
    work::count_products(n * n * n);
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
    factor.solve(x.as_mut(), cancel)?;
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
