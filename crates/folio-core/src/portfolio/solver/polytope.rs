//! The sets that programs are solved over: bounds, and rows of linear inequalities and equations.

use ndarray::Array2;

/// By how much a solution may break a bound or a row.
pub(crate) const FEASIBILITY: f64 = 1e-9;

/// lower <= coefficients x <= upper; an equation where the two are the same.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// What messages call it.
    pub(crate) name: String,
    pub(crate) coefficients: Vec<f64>,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

impl Row {
    pub(crate) fn value(&self, x: &[f64]) -> f64 {
        self.coefficients.iter().zip(x).map(|(a, x)| a * x).sum()
    }

    pub(crate) fn is_equation(&self) -> bool {
        self.lower == self.upper
    }
}

/// Bounds and rows; the first row is the budget.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Polytope {
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    pub(crate) rows: Vec<Row>,
}

impl Polytope {
    pub(crate) fn len(&self) -> usize {
        self.lower.len()
    }

    /// By how much x breaks the worst of the constraints.
    pub(crate) fn violation(&self, x: &[f64]) -> f64 {
        let bounds = x.iter().zip(&self.lower).zip(&self.upper).map(|((x, l), u)| (l - x).max(x - u));
        let rows = self.rows.iter().map(|row| {
            let value = row.value(x);
            (row.lower - value).max(value - row.upper)
        });
        bounds.chain(rows).fold(0.0, f64::max)
    }

    /// The coefficients of all rows, a row each.
    pub(crate) fn row_matrix(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.rows.len(), self.len()), |(i, j)| self.rows[i].coefficients[j])
    }
}
