//! The dual active-set method of Goldfarb and Idnani (1983): minimise 1/2 x'Hx - c'x over a polytope, for a positive
//! definite H.
//!
//! It begins at the least of all x and adds the worst of the broken constraints one by one, letting those go whose
//! multipliers would change sign. Constraints that the binding ones imply never enter, so that it ends where others
//! stumble over degenerate vertices; a step costs n k for k binding constraints, so it is for small problems.

use faer::Mat;
use ndarray::Array1;

use super::active_set::{Held, Limit};
use super::linalg::Cholesky;
use super::polytope::Polytope;
use crate::task::Cancel;
use crate::{Result, work};

/// The most steps for each variable and row; two or three are usual.
const STEPS: usize = 50;

/// What a constraint may be broken by before it enters.
const BROKEN: f64 = 1e-13;

/// A normal of which the binding ones leave less than this share is implied by them.
const IMPLIED: f64 = 1e-9;

/// The solution with what binds: constraints and their multipliers, all at or over zero but those of equations.
pub(crate) struct Solution {
    pub(crate) x: Array1<f64>,
    pub(crate) binding: Vec<(Limit, f64)>,
}

struct Method<'a> {
    set: &'a Polytope,
    factor: Cholesky,
    x: Array1<f64>,
    binding: Vec<(Limit, f64)>,
    /// L^-1 times the normals of what binds, as orthonormal columns and the triangle that combines them.
    basis: Vec<Array1<f64>>,
    triangle: Vec<Vec<f64>>,
    cancel: &'a Cancel,
}

/// The solution; `None` where the method came to no end or found no point at all.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub(crate) fn solve(
    factor: Cholesky,
    linear: &Array1<f64>,
    set: &Polytope,
    cancel: &Cancel,
) -> Result<Option<Solution>> {
    let mut x = Mat::from_fn(linear.len(), 1, |i, _| linear[i]);
    factor.solve(x.as_mut(), cancel)?;
    let x = Array1::from_shape_fn(linear.len(), |i| x[(i, 0)]);
    let (basis, triangle) = (Vec::new(), Vec::new());
    let mut method = Method { set, factor, x, binding: Vec::new(), basis, triangle, cancel };
    for _ in 0..STEPS * (set.len() + set.rows.len()) {
        let Some(worst) = method.worst() else {
            return Ok(Some(Solution { x: method.x, binding: method.binding }));
        };
        if !method.enter(worst)? {
            return Ok(None);
        }
        method.refine()?;
    }
    Ok(None)
}

impl Method<'_> {
    /// The constraint that is broken most, equations first.
    fn worst(&self) -> Option<Limit> {
        let binds = |limit: &Limit| self.binding.iter().any(|(bound, _)| bound == limit);
        let equation = |row: &usize| self.set.rows[*row].is_equation();
        let enters = |limit: &Limit| !binds(limit) && self.slack(*limit) < -BROKEN * self.size(*limit);
        for row in (0..self.set.rows.len()).filter(equation) {
            let sides = [Limit::Row(row, Held::Lower), Limit::Row(row, Held::Upper)];
            if !sides.iter().any(binds)
                && let Some(side) = sides.into_iter().find(enters)
            {
                return Some(side);
            }
        }
        let bounds =
            (0..self.set.len()).flat_map(|i| [Limit::Bound(i, Held::Lower), Limit::Bound(i, Held::Upper)]);
        let rows = (0..self.set.rows.len()).filter(|row| !equation(row));
        let rows = rows.flat_map(|row| [Limit::Row(row, Held::Lower), Limit::Row(row, Held::Upper)]);
        bounds.chain(rows).filter(enters).min_by(|a, b| self.slack(*a).total_cmp(&self.slack(*b)))
    }

    /// What is left until the constraint binds; under zero where it is broken.
    fn slack(&self, limit: Limit) -> f64 {
        match limit {
            Limit::Bound(i, Held::Upper) => self.set.upper[i] - self.x[i],
            Limit::Bound(i, _) => self.x[i] - self.set.lower[i],
            Limit::Row(row, side) => {
                let row = &self.set.rows[row];
                let value = row.value(self.x.as_slice().unwrap_or_default());
                if side == Held::Upper { row.upper - value } else { value - row.lower }
            }
        }
    }

    /// What its slack is compared with.
    fn size(&self, limit: Limit) -> f64 {
        match limit {
            Limit::Bound(i, _) => self.x[i].abs().max(1.0),
            Limit::Row(row, _) => {
                let parts = self.set.rows[row].coefficients.iter().zip(&self.x);
                parts.map(|(a, x)| (a * x).abs()).sum::<f64>().max(1.0)
            }
        }
    }

    /// L^-1 times the normal of the constraint, which points inside.
    fn normal(&self, limit: Limit) -> Result<Array1<f64>> {
        let n = self.set.len();
        let mut normal = Mat::from_fn(n, 1, |i, _| match limit {
            Limit::Bound(place, Held::Upper) if place == i => -1.0,
            Limit::Bound(place, _) => f64::from(u8::from(place == i)),
            Limit::Row(row, Held::Upper) => -self.set.rows[row].coefficients[i],
            Limit::Row(row, _) => self.set.rows[row].coefficients[i],
        });
        self.factor.solve_lower(normal.as_mut(), self.cancel)?;
        Ok(Array1::from_shape_fn(n, |i| normal[(i, 0)]))
    }

    /// What the basis says of a vector, and what it leaves of it; twice, since once loses digits.
    fn split(&self, vector: &Array1<f64>) -> (Vec<f64>, Array1<f64>) {
        work::count(4 * self.basis.len() * vector.len());
        let (mut shares, mut rest) = (vec![0.0; self.basis.len()], vector.clone());
        for _ in 0..2 {
            for (share, column) in shares.iter_mut().zip(&self.basis) {
                let part = column.dot(&rest);
                *share += part;
                rest.scaled_add(-part, column);
            }
        }
        (shares, rest)
    }

    /// Makes a broken constraint bind. False where no point keeps to it and to those that bind.
    fn enter(&mut self, limit: Limit) -> Result<bool> {
        let normal = self.normal(limit)?;
        let mut multiplier = 0.0;
        loop {
            let (shares, rest) = self.split(&normal);
            let combined = self.combine(shares.clone());
            let square = rest.dot(&rest);
            let implied = square <= (IMPLIED * IMPLIED) * normal.dot(&normal);
            let full = if implied { f64::INFINITY } else { -self.slack(limit) / square };
            let release = |(place, (limit, multiplier)): (usize, &(Limit, f64))| {
                let held = matches!(limit, Limit::Row(row, _) if self.set.rows[*row].is_equation());
                (!held && combined[place] > 0.0).then(|| (multiplier / combined[place], place))
            };
            let first = self.binding.iter().enumerate().filter_map(release);
            let first = first.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|(length, _)| *length < full);
            let length = first.map_or(full, |(length, _)| length);
            if !length.is_finite() {
                return Ok(false);
            }
            if !implied {
                let step = self.backwards(&rest)?;
                self.x.scaled_add(length, &step);
            }
            for ((_, multiplier), share) in self.binding.iter_mut().zip(&combined) {
                *multiplier -= length * share;
            }
            multiplier += length;
            let Some((_, place)) = first else {
                self.binding.push((limit, multiplier));
                self.push(shares, rest);
                return Ok(true);
            };
            self.release(place)?;
        }
    }

    fn push(&mut self, mut shares: Vec<f64>, rest: Array1<f64>) {
        let length = rest.dot(&rest).sqrt();
        shares.push(length);
        self.triangle.push(shares);
        self.basis.push(rest / length);
    }

    /// Lets a constraint go; what entered after it is split anew.
    fn release(&mut self, place: usize) -> Result<()> {
        self.binding.remove(place);
        self.basis.truncate(place);
        self.triangle.truncate(place);
        for later in place..self.binding.len() {
            let (shares, rest) = self.split(&self.normal(self.binding[later].0)?);
            self.push(shares, rest);
        }
        Ok(())
    }

    /// The combination of the binding normals that has these shares in the basis.
    fn combine(&self, mut shares: Vec<f64>) -> Vec<f64> {
        for place in (0..self.triangle.len()).rev() {
            shares[place] /= self.triangle[place][place];
            for before in 0..place {
                shares[before] -= self.triangle[place][before] * shares[place];
            }
        }
        shares
    }

    /// L'^-1 times a vector.
    fn backwards(&self, vector: &Array1<f64>) -> Result<Array1<f64>> {
        let mut x = Mat::from_fn(vector.len(), 1, |i, _| vector[i]);
        self.factor.solve_upper(x.as_mut(), self.cancel)?;
        Ok(Array1::from_shape_fn(vector.len(), |i| x[(i, 0)]))
    }

    /// Takes away what rounding left of the slacks of what binds.
    fn refine(&mut self) -> Result<()> {
        let mut lengths: Vec<f64> = Vec::with_capacity(self.basis.len());
        let mut correction = Array1::zeros(self.x.len());
        for (place, (limit, _)) in self.binding.iter().enumerate() {
            let column = &self.triangle[place];
            let known: f64 = column.iter().zip(&lengths).map(|(share, length)| share * length).sum();
            let length = (-self.slack(*limit) - known) / column[place];
            correction.scaled_add(length, &self.basis[place]);
            lengths.push(length);
        }
        let step = self.backwards(&correction)?;
        self.x += &step;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::polytope::Row;
    use super::*;

    fn solved(rows: Vec<Row>, linear: [f64; 3]) -> Option<Solution> {
        let set = Polytope { lower: vec![0.0; 3], upper: vec![1.0; 3], rows };
        let hessian = Mat::from_fn(3, 3, |i, j| if i == j { 1.0 } else { 0.5 });
        let cancel = Cancel::default();
        let factor = Cholesky::new(hessian, &cancel).unwrap().unwrap();
        solve(factor, &Array1::from(linear.to_vec()), &set, &cancel).unwrap()
    }

    fn row(coefficients: [f64; 3], lower: f64, upper: f64) -> Row {
        Row { name: String::new(), coefficients: coefficients.to_vec(), lower, upper }
    }

    #[test]
    fn a_degenerate_vertex_is_reached() {
        // The first is 1 whatever else: the budget, its own bound and a row say so, two of them three times over.
        let budget = row([1.0, 1.0, 1.0], 1.0, 1.0);
        let first = row([1.0, 0.0, 0.0], 1.0, f64::INFINITY);
        let rest = row([0.0, 1.0, 1.0], f64::NEG_INFINITY, 0.0);
        let solution = solved(vec![budget.clone(), first.clone(), rest], [0.0, 5.0, 1.0]).unwrap();
        assert!(
            (&solution.x - &ndarray::arr1(&[1.0, 0.0, 0.0])).iter().all(|d| d.abs() < 1e-14),
            "{}",
            solution.x
        );
        let clash = row([0.0, 1.0, 1.0], 0.1, f64::INFINITY);
        assert!(solved(vec![budget, first, clash], [0.0, 5.0, 1.0]).is_none());
    }

    #[test]
    fn multipliers_make_the_gradient() {
        let linear = [0.0, 2.0, 0.2];
        let solution = solved(vec![row([1.0, 1.0, 1.0], 1.0, 1.0)], linear).unwrap();
        let x = &solution.x;
        for i in 0..3 {
            let gradient = 0.5 * x.sum() + 0.5 * x[i] - linear[i];
            let push = |(limit, multiplier): &(Limit, f64)| match limit {
                Limit::Bound(place, side) if *place == i => {
                    assert!(*multiplier >= 0.0);
                    if *side == Held::Upper { -multiplier } else { *multiplier }
                }
                Limit::Bound(..) => 0.0,
                Limit::Row(_, side) => {
                    if *side == Held::Upper {
                        -multiplier
                    } else {
                        *multiplier
                    }
                }
            };
            let pushed: f64 = solution.binding.iter().map(push).sum();
            assert!((gradient - pushed).abs() < 1e-14, "{i}: {gradient} {pushed}");
        }
    }
}
