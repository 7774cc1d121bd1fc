//! Eigenvalues and eigenvectors of large symmetric matrices, with a look at the cancel flag in each column and sweep.
//!
//! faer's are several times as fast, but each of their steps is one call: at 500 tickers 20 ms, at 1,000 ten times as much.
//! So they are for matrices up to a size ([`super::linalg::eigen`]), and these for larger ones: Householder's reduction to
//! tridiagonal form in panels (Golub and Van Loan, Matrix Computations, 8.3.1; Dongarra, Sorensen and Hammarling 1989 for
//! the panels), then the implicit QL method (Golub and Van Loan 8.3.5).

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Zip, s};

use crate::task::Cancel;
use crate::work::{self, watched};
use crate::{Error, Result};

/// Columns that are reduced before the rest of the matrix is updated: few enough that what is still to be subtracted stays
/// cheap, enough for a product of matrices.
const PANEL: usize = 32;

/// The most sweeps for an eigenvalue; one or two are usual.
const MAX_SWEEPS: usize = 60;

/// The eigenvalues, rising, and the eigenvectors, one a column.
///
/// # Errors
/// [`Error::SolverFailed`], [`Error::Cancelled`].
pub(crate) fn eigen(matrix: ArrayView2<'_, f64>, cancel: &Cancel) -> Result<(Array1<f64>, Array2<f64>)> {
    let n = matrix.nrows();
    let mut form = Tridiagonal::of(matrix, cancel)?;
    let mut rows = form.vectors(cancel)?;
    ql(&mut form.diagonal, &mut form.below, &mut rows, cancel)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| form.diagonal[a].total_cmp(&form.diagonal[b]));
    let mut vectors = Array2::zeros((n, n));
    for pair in watched(order.iter().enumerate(), 4 * n, cancel) {
        let (column, &row) = pair?;
        vectors.column_mut(column).assign(&rows.row(row));
    }
    Ok((order.iter().map(|&row| form.diagonal[row]).collect(), vectors))
}

/// T of A = Q T Q', and the reflections I - tau v v' whose product Q is; v is zero up to and at the place of its reflection.
struct Tridiagonal {
    diagonal: Array1<f64>,
    /// T below the diagonal; the last is zero.
    below: Array1<f64>,
    taus: Vec<f64>,
    reflections: Array2<f64>,
}

impl Tridiagonal {
    fn of(matrix: ArrayView2<'_, f64>, cancel: &Cancel) -> Result<Tridiagonal> {
        let n = matrix.nrows();
        let mut rest = matrix.to_owned();
        // Row j is the v of the reflection j.
        let mut form = Tridiagonal {
            diagonal: Array1::zeros(n),
            below: Array1::zeros(n),
            taus: vec![0.0; n],
            reflections: Array2::zeros((n, n)),
        };
        for start in (0..n).step_by(PANEL) {
            let end = (start + PANEL).min(n);
            let mut along = Array2::<f64>::zeros((end - start, n));
            for column in start..end {
                cancel.check()?;
                work::count((n - column) * (n - column) + 4 * PANEL * n);
                form.reduce(&rest, &mut along, start, column);
            }
            // What the panel does to the columns after it: A - V W' - W V'.
            cancel.check()?;
            work::count_products(2 * (n - end) * (n - end) * PANEL);
            let v = form.reflections.slice(s![start..end, end..]);
            let w = along.slice(s![.., end..]);
            let mut after = rest.slice_mut(s![end.., end..]);
            general_mat_mul(-1.0, &v.t(), &w, 1.0, &mut after);
            general_mat_mul(-1.0, &w.t(), &v, 1.0, &mut after);
        }
        Ok(form)
    }

    /// Finds the reflection of a column and the w that with its v updates the rest; the panel's earlier ones are not yet
    /// subtracted from `rest`.
    fn reduce(&mut self, rest: &Array2<f64>, along: &mut Array2<f64>, start: usize, column: usize) {
        let place = column - start;
        let earlier_v = self.reflections.slice(s![start..column, column..]).to_owned();
        let earlier_w = along.slice(s![..place, column..]).to_owned();
        let mut x = rest.slice(s![column, column..]).to_owned();
        x -= &earlier_v.t().dot(&earlier_w.column(0));
        x -= &earlier_w.t().dot(&earlier_v.column(0));
        self.diagonal[column] = x[0];
        let below = x.slice(s![1..]);
        let Some((beta, tau, v)) = reflection(below) else {
            self.below[column] = below.first().copied().unwrap_or(0.0);
            return;
        };
        self.below[column] = beta;
        self.taus[column] = tau;
        let mut w = rest.slice(s![column + 1.., column + 1..]).dot(&v);
        let (ahead_v, ahead_w) = (earlier_v.slice(s![.., 1..]), earlier_w.slice(s![.., 1..]));
        w -= &ahead_v.t().dot(&ahead_w.dot(&v));
        w -= &ahead_w.t().dot(&ahead_v.dot(&v));
        w *= tau;
        let half = -0.5 * tau * w.dot(&v);
        w.scaled_add(half, &v);
        self.reflections.slice_mut(s![column, column + 1..]).assign(&v);
        along.slice_mut(s![place, column + 1..]).assign(&w);
    }

    /// Q', from the last reflection to the first, so that each touches only what later ones made.
    fn vectors(&self, cancel: &Cancel) -> Result<Array2<f64>> {
        let n = self.diagonal.len();
        let mut rows = Array2::eye(n);
        for column in (0..n).rev() {
            cancel.check()?;
            work::count((n - column) * (n - column));
            let v = self.reflections.slice(s![column, column + 1..]);
            for mut row in rows.slice_mut(s![column + 1.., column + 1..]).rows_mut() {
                let along = self.taus[column] * row.dot(&v);
                row.scaled_add(-along, &v);
            }
        }
        Ok(rows)
    }
}

/// beta, tau and v with (I - tau v v') x = (beta, 0, ..., 0) and v beginning with 1; `None` where x already is so.
fn reflection(x: ArrayView1<'_, f64>) -> Option<(f64, f64, Array1<f64>)> {
    let largest = x.iter().skip(1).fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 {
        return None;
    }
    // In units of the largest, whose square may overflow.
    let largest = largest.max(x[0].abs());
    let length = x.iter().map(|value| (value / largest).powi(2)).sum::<f64>().sqrt() * largest;
    let beta = -length.copysign(x[0]);
    let mut v = x.mapv(|value| value / (x[0] - beta));
    v[0] = 1.0;
    Some((beta, (beta - x[0]) / beta, v))
}

/// Makes a tridiagonal matrix diagonal, and turns the rows along.
fn ql(
    diagonal: &mut Array1<f64>,
    below: &mut Array1<f64>,
    rows: &mut Array2<f64>,
    cancel: &Cancel,
) -> Result<()> {
    let n = diagonal.len();
    for first in 0..n {
        for sweep in 0.. {
            let small = |i: &usize| {
                let size = diagonal[*i].abs() + diagonal[*i + 1].abs();
                size + below[*i].abs() == size
            };
            let last = (first..n - 1).find(small).unwrap_or(n - 1);
            if last == first {
                break;
            }
            if sweep == MAX_SWEEPS {
                return Err(Error::SolverFailed { status: "the eigenvalues did not converge".to_owned() });
            }
            cancel.check()?;
            work::count((last - first) * n);
            turn(diagonal, below, rows, first, last);
        }
    }
    Ok(())
}

/// A sweep of rotations from `last` up to `first`, with Wilkinson's shift.
fn turn(
    diagonal: &mut Array1<f64>,
    below: &mut Array1<f64>,
    rows: &mut Array2<f64>,
    first: usize,
    last: usize,
) {
    let mut g = (diagonal[first + 1] - diagonal[first]) / (2.0 * below[first]);
    let root = g.hypot(1.0);
    g = diagonal[last] - diagonal[first] + below[first] / (g + root.copysign(g));
    let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
    for i in (first..last).rev() {
        let f = sine * below[i];
        let b = cosine * below[i];
        let length = f.hypot(g);
        below[i + 1] = length;
        if length == 0.0 {
            // The matrix falls apart here: the next sweep is of the upper part.
            diagonal[i + 1] -= shift;
            below[last] = 0.0;
            return;
        }
        (sine, cosine) = (f / length, g / length);
        let g_next = diagonal[i + 1] - shift;
        let across = (diagonal[i] - g_next) * sine + 2.0 * cosine * b;
        shift = sine * across;
        diagonal[i + 1] = g_next + shift;
        g = cosine * across - b;
        let (upper, lower) = rows.multi_slice_mut((s![i, ..], s![i + 1, ..]));
        rotate(upper, lower, sine, cosine);
    }
    diagonal[first] -= shift;
    below[first] = g;
    below[last] = 0.0;
}

fn rotate(upper: ArrayViewMut1<'_, f64>, lower: ArrayViewMut1<'_, f64>, sine: f64, cosine: f64) {
    Zip::from(upper).and(lower).for_each(|upper, lower| {
        let (a, b) = (*upper, *lower);
        *lower = sine * a + cosine * b;
        *upper = cosine * a - sine * b;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, matrix: &Array2<f64>) {
        let n = matrix.nrows();
        let (values, vectors) = eigen(matrix.view(), &Cancel::default()).unwrap();
        let scale = values.iter().fold(1e-300_f64, |scale, value| scale.max(value.abs()));
        assert!(values.iter().is_sorted(), "{name}: {values}");
        let product = (&vectors * &values).dot(&vectors.t());
        let off = (&product - matrix).iter().fold(0.0_f64, |off, error| off.max(error.abs())) / scale;
        let square = vectors.t().dot(&vectors) - Array2::<f64>::eye(n);
        let skew = square.iter().fold(0.0_f64, |skew, error| skew.max(error.abs()));
        assert!(off < 1e-12 && skew < 1e-12, "{name} {n}: {off:e} {skew:e}");
    }

    #[test]
    fn eigenvectors_make_the_matrix() {
        let noise = |i: usize, j: usize| (((i * i + 3 * j * j + i * j) as f64) * 0.754_877_666).fract() - 0.5;
        for n in [1, 2, 3, PANEL, PANEL + 1, 2 * PANEL + 5, 150] {
            let wide = Array2::from_shape_fn((n, n + 7), |(i, j)| noise(i, j));
            check("noise", &wide.dot(&wide.t()));
            check("one factor", &Array2::from_shape_fn((n, n), |(i, j)| if i == j { 1.0 } else { 0.3 }));
            check("all the same", &Array2::from_elem((n, n), 2.0));
            check("diagonal", &Array2::from_diag(&Array1::from_shape_fn(n, |i| (i % 5) as f64 - 2.0)));
            check("zero", &Array2::zeros((n, n)));
            check("indefinite", &Array2::from_shape_fn((n, n), |(i, j)| noise(i.min(j), i.max(j))));
            check("large", &(wide.dot(&wide.t()) * 1e150));
            check("small", &(wide.dot(&wide.t()) * 1e-150));
        }
    }

    #[test]
    fn a_cancelled_one_stops() {
        let cancel = Cancel::default();
        cancel.cancel();
        assert_eq!(eigen(Array2::eye(3).view(), &cancel).unwrap_err(), Error::Cancelled);
    }
}
