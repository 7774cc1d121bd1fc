//! The quadratic programs of portfolios: a whole line of them, solved exactly at any point.
//!
//! minimise 1/2 x'Hx - (f + lambda e)'x over a polytope, for lambda >= 0. But for tracking errors f is zero.
//!
//! Minimum variance is lambda = 0, quadratic utility is lambda = 1 / risk aversion, and the tangency portfolio and
//! those of a target risk or return are some other lambda. Between changes of the active set the solution is linear
//! in lambda, x = base + lambda slope (Markowitz' critical line), so that lambda can be found by a formula.
//!
//! The active set is found by a primal-dual exchange method: guess which constraints bind, solve the equations of
//! that guess by Cholesky, exchange every constraint that is on the wrong side (Kunisch and Rendl 2003; the rule
//! that keeps it from cycling is that of Judice and Pires 1994). It takes some five factorisations. Where it does
//! not settle, a small program is solved by the dual method ([`super::dual`]); of a large one Clarabel gives the guess,
//! or, where the equations themselves are degenerate, the solution.

use faer::Mat;
use ndarray::{Array1, Array2, ArrayView1};

use super::active_set::{ActiveSet, Held, Limit};
use super::cone::{ConeProgram, ConeSolution};
use super::dual;
use super::linalg::{self, COPY, Cholesky};
use super::polytope::{FEASIBILITY, Polytope, Row};
use super::unsolved::Unsolved;
use crate::task::Cancel;
use crate::work::{self, watched};
use crate::{Error, Result};

/// The largest error in the optimality conditions with which a solution leaves this module, relative to the
/// gradient's size.
const OPTIMALITY: f64 = 1e-7;

/// Violations under this are rounding and exchange nothing; multipliers are compared relative to the gradient.
const ROUNDING: f64 = 1e-12;

/// Exchanges of all wrong constraints at once that may pass without fewer of them being wrong.
const PATIENCE: usize = 8;

/// The most exchanges before the interior-point method is asked.
const MAX_EXCHANGES: usize = 100;

/// The most variables of a program that the dual method is tried on: it takes about as many steps as there are variables,
/// and each costs their square.
const LARGEST_DUAL: usize = 150;

/// What is added to the diagonal of a singular Hessian, as a share of its mean: it makes the solution unique, and
/// moves the optimality conditions by a thousandth of [`OPTIMALITY`].
const RIDGE: f64 = 1e-10;

/// The line of programs.
#[derive(Clone)]
pub(crate) struct Family<'a> {
    hessian: &'a Array2<f64>,
    fixed: Array1<f64>,
    gain: Array1<f64>,
    set: &'a Polytope,
    rows: Array2<f64>,
    mean_variance: f64,
    ridge: f64,
}

/// The solution at one lambda.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// The solution.
    pub(crate) x: Array1<f64>,
    /// What binds there.
    pub(crate) active: ActiveSet,
    /// x = base + lambda slope while the same constraints bind; `None` where the solution came from the
    /// interior-point method.
    pub(crate) line: Option<Line>,
    /// The multipliers of the rows.
    multipliers: Vec<f64>,
}

/// The solutions of one active set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) base: Array1<f64>,
    pub(crate) slope: Array1<f64>,
    row_base: Vec<f64>,
    row_slope: Vec<f64>,
}

impl Point {
    /// The same solution, without a line to read the next lambda from.
    pub(crate) fn without_line(self) -> Point {
        Point { line: None, ..self }
    }
}

impl<'a> Family<'a> {
    pub(crate) fn new(
        hessian: &'a Array2<f64>,
        gain: &Array1<f64>,
        set: &'a Polytope,
        cancel: &Cancel,
    ) -> Result<Family<'a>> {
        let singular = Cholesky::new(linalg::to_faer(hessian.view()), cancel)?.is_none();
        let mean_variance = hessian.diag().sum() / hessian.nrows() as f64;
        let ridge = match singular {
            false => 0.0,
            true if mean_variance > 0.0 => RIDGE * mean_variance,
            // All variances zero: any size of ridge will do.
            true => 1.0,
        };
        let (fixed, gain) = (Array1::zeros(gain.len()), gain.clone());
        Ok(Family { hessian, fixed, gain, set, rows: set.row_matrix(), mean_variance, ridge })
    }

    /// The programs with f and e instead.
    pub(crate) fn along(&self, fixed: Array1<f64>, gain: Array1<f64>) -> Family<'a> {
        Family { fixed, gain, ..self.clone() }
    }

    /// f + lambda e.
    pub(crate) fn linear(&self, lambda: f64) -> Array1<f64> {
        &self.fixed + &(&self.gain * lambda)
    }

    /// The active set to start from: of the constraints on the first `free` variables nothing binds but the equations, and
    /// the others are at their lower bounds. What is bought and what is sold of one ticker cannot both be free: their
    /// gradients are opposite.
    pub(crate) fn start(&self, free: usize) -> ActiveSet {
        let hold = |row: &Row| if row.is_equation() { Held::Lower } else { Held::Inside };
        let bound = |i: usize| if i < free { Held::Inside } else { Held::Lower };
        ActiveSet {
            bounds: (0..self.set.len()).map(bound).collect(),
            rows: self.set.rows.iter().map(hold).collect(),
        }
    }

    /// The solution at `lambda`, looked for from an active set that is thought to be near.
    ///
    /// # Errors
    /// [`Unsolved::Infeasible`]; [`Error::SolverFailed`] where no method reached the optimality conditions;
    /// [`Error::Cancelled`].
    pub(crate) fn at(&self, lambda: f64, near: &ActiveSet, cancel: &Cancel) -> Result<Point, Unsolved> {
        if let Some(point) = self.exchange(lambda, near.clone(), cancel)? {
            return Ok(point);
        }
        if let Some(point) = self.dual(lambda, cancel)? {
            return Ok(point);
        }
        let inner = self.interior(lambda, cancel)?;
        if let Some(point) = self.exchange(lambda, inner.active.clone(), cancel)? {
            return Ok(point);
        }
        self.verified(&inner, lambda)?;
        Ok(inner)
    }

    /// Whether a point may leave this module: inside its constraints and optimal.
    fn verified(&self, point: &Point, lambda: f64) -> Result<()> {
        let broken = self.set.violation(point.x.as_slice().unwrap_or_default());
        let off = self.optimality_error(point, lambda);
        // Written so that a NaN fails.
        if broken <= FEASIBILITY && off <= OPTIMALITY {
            return Ok(());
        }
        Err(Error::SolverFailed {
            status: format!("constraints broken by {broken:e}, optimality conditions missed by {off:e}"),
        })
    }

    /// The exchange method; `None` where it does not settle.
    fn exchange(&self, lambda: f64, mut active: ActiveSet, cancel: &Cancel) -> Result<Option<Point>> {
        let (mut fewest, mut patience) = (usize::MAX, PATIENCE);
        for _ in 0..MAX_EXCHANGES {
            let Some(line) = self.line(&active, cancel)? else { return Ok(None) };
            let point = point(line, lambda, active.clone());
            let wrong = self.wrong(&point, lambda);
            if wrong.is_empty() {
                return Ok(self.verified(&point, lambda).is_ok().then_some(point));
            }
            if wrong.len() < fewest {
                (fewest, patience) = (wrong.len(), PATIENCE);
            } else {
                patience = patience.saturating_sub(1);
            }
            // Murty's rule, one exchange at a time in a fixed order, once exchanging all leads nowhere.
            let count = if patience > 0 { wrong.len() } else { 1 };
            for &(place, held) in wrong.iter().rev().take(count) {
                match place.checked_sub(self.set.len()) {
                    None => active.bounds[place] = held,
                    Some(row) => active.rows[row] = held,
                }
            }
        }
        Ok(None)
    }

    /// The constraints that are on the wrong side: weights first, then rows, each with the side that it should be on.
    fn wrong(&self, point: &Point, lambda: f64) -> Vec<(usize, Held)> {
        let (gradient, scale) = (self.gradient(point, lambda, self.ridge), self.scale(lambda));
        let n = self.set.len();
        let mut wrong = Vec::new();
        for i in 0..n {
            let (low, high) = (self.set.lower[i], self.set.upper[i]);
            let slack = ROUNDING * low.abs().max(high.abs()).max(1.0);
            let should = match point.active.bounds[i] {
                Held::Inside if point.x[i] < low - slack => Held::Lower,
                Held::Inside if point.x[i] > high + slack => Held::Upper,
                Held::Lower if gradient[i] < -ROUNDING * scale && low < high => Held::Inside,
                Held::Upper if gradient[i] > ROUNDING * scale && low < high => Held::Inside,
                right => right,
            };
            if should != point.active.bounds[i] {
                wrong.push((i, should));
            }
        }
        let x = point.x.as_slice().unwrap_or_default();
        for (index, row) in self.set.rows.iter().enumerate() {
            // An equation always binds, whatever the sign of its multiplier.
            let releasable = !row.is_equation();
            let value = row.value(x);
            let should = match point.active.rows[index] {
                Held::Inside if value < row.lower - ROUNDING => Held::Lower,
                Held::Inside if value > row.upper + ROUNDING => Held::Upper,
                Held::Lower if releasable && point.multipliers[index] > ROUNDING * scale => Held::Inside,
                Held::Upper if releasable && point.multipliers[index] < -ROUNDING * scale => Held::Inside,
                // Held, and yet broken: all its weights are at bounds, so let them go.
                Held::Lower | Held::Upper
                    if value < row.lower - FEASIBILITY || value > row.upper + FEASIBILITY =>
                {
                    let held =
                        |i: &usize| row.coefficients[*i] != 0.0 && point.active.bounds[*i] != Held::Inside;
                    wrong.extend((0..n).filter(held).map(|i| (i, Held::Inside)));
                    continue;
                }
                right => right,
            };
            if should != point.active.rows[index] {
                wrong.push((n + index, should));
            }
        }
        wrong
    }

    /// Hx - f - lambda e + A'y, with the ridge or without.
    fn gradient(&self, point: &Point, lambda: f64, ridge: f64) -> Array1<f64> {
        work::count(self.hessian.len() + self.rows.len());
        self.hessian.dot(&point.x) + &point.x * ridge - self.linear(lambda)
            + self.rows.t().dot(&Array1::from(point.multipliers.clone()))
    }

    /// The size that the gradient's parts have on weights of size one: what its errors are measured by. Not the
    /// gradient itself, which may vanish where a portfolio without risk exists.
    fn scale(&self, lambda: f64) -> f64 {
        let linear = self.linear(lambda).iter().fold(0.0_f64, |size, value| size.max(value.abs()));
        self.mean_variance.max(linear).max(f64::MIN_POSITIVE)
    }

    /// The solutions of an active set, all lambdas at once; `None` where its equations are degenerate.
    ///
    /// With F the weights that are free and R the rows that bind, x_F solves
    /// H_FF x_F + A_RF' y = f_F + lambda e_F - H_FB x_B and A_RF x_F = b_R - A_RB x_B: block elimination on Cholesky.
    fn line(&self, active: &ActiveSet, cancel: &Cancel) -> Result<Option<Line>> {
        let n = self.set.len();
        let free: Vec<usize> = (0..n).filter(|&i| active.bounds[i] == Held::Inside).collect();
        // A row all of whose weights are held says nothing of the free ones; `wrong` sees to it if it is broken.
        let moves = |row: usize| free.iter().any(|&i| self.rows[[row, i]] != 0.0);
        let bind: Vec<usize> =
            (0..active.rows.len()).filter(|&r| active.rows[r] != Held::Inside && moves(r)).collect();
        let (f, r) = (free.len(), bind.len());
        if f == 0 || r > f {
            return Ok(None);
        }
        let mut base = Array1::from_shape_fn(n, |i| match active.bounds[i] {
            Held::Inside => 0.0,
            Held::Lower => self.set.lower[i],
            Held::Upper => self.set.upper[i],
        });
        let held: Vec<usize> = (0..n).filter(|&i| base[i] != 0.0).collect();
        cancel.check()?;
        work::count(COPY * f * (f + r) + f * held.len());
        let block = Mat::from_fn(f, f, |i, j| {
            self.hessian[[free[i], free[j]]] + if i == j { self.ridge } else { 0.0 }
        });
        let Some(factor) = Cholesky::new(block, cancel)? else { return Ok(None) };
        // Columns: the rows that bind, then the right-hand sides of base and slope.
        let mut columns = Mat::from_fn(f, r + 2, |i, j| match j {
            _ if j < r => self.rows[[bind[j], free[i]]],
            _ if j == r => {
                self.fixed[free[i]] - held.iter().map(|&b| self.hessian[[free[i], b]] * base[b]).sum::<f64>()
            }
            _ => self.gain[free[i]],
        });
        factor.solve_lower(columns.as_mut(), cancel)?;
        let inner = |a: usize, b: usize| (0..f).map(|i| columns[(i, a)] * columns[(i, b)]).sum::<f64>();
        let mut products = Mat::zeros(r, r);
        for a in watched(0..r, r * f, cancel) {
            let a = a?;
            (0..r).for_each(|b| products[(a, b)] = inner(a, b));
        }
        let Some(schur) = Cholesky::new(products, cancel)? else { return Ok(None) };
        let mut multipliers = Mat::from_fn(r, 2, |i, side| {
            let target = if active.rows[bind[i]] == Held::Upper {
                self.set.rows[bind[i]].upper
            } else {
                self.set.rows[bind[i]].lower
            };
            let fixed = held.iter().map(|&b| self.rows[[bind[i], b]] * base[b]).sum::<f64>();
            inner(i, r + side) - if side == 0 { target - fixed } else { 0.0 }
        });
        schur.solve(multipliers.as_mut(), cancel)?;
        let mut solution = Mat::from_fn(f, 2, |i, side| {
            columns[(i, r + side)]
                - (0..r).map(|row| columns[(i, row)] * multipliers[(row, side)]).sum::<f64>()
        });
        factor.solve_upper(solution.as_mut(), cancel)?;
        let mut slope = Array1::zeros(n);
        for (i, &place) in free.iter().enumerate() {
            base[place] = solution[(i, 0)];
            slope[place] = solution[(i, 1)];
        }
        let (mut row_base, mut row_slope) = (vec![0.0; active.rows.len()], vec![0.0; active.rows.len()]);
        for (i, &row) in bind.iter().enumerate() {
            row_base[row] = multipliers[(i, 0)];
            row_slope[row] = multipliers[(i, 1)];
        }
        Ok(Some(Line { base, slope, row_base, row_slope }))
    }

    /// The solution of the dual method, if the program is small enough for it and its end is one.
    fn dual(&self, lambda: f64, cancel: &Cancel) -> Result<Option<Point>> {
        let n = self.set.len();
        if n > LARGEST_DUAL {
            return Ok(None);
        }
        let block = Mat::from_fn(n, n, |i, j| self.hessian[[i, j]] + if i == j { self.ridge } else { 0.0 });
        let Some(factor) = Cholesky::new(block, cancel)? else { return Ok(None) };
        let Some(solution) = dual::solve(factor, &self.linear(lambda), self.set, cancel)? else {
            return Ok(None);
        };
        let mut active =
            ActiveSet { bounds: vec![Held::Inside; n], rows: vec![Held::Inside; self.set.rows.len()] };
        let mut multipliers = vec![0.0; self.set.rows.len()];
        let mut x = solution.x;
        for (limit, multiplier) in solution.binding {
            match limit {
                Limit::Bound(i, side) => {
                    active.bounds[i] = side;
                    x[i] = if side == Held::Upper { self.set.upper[i] } else { self.set.lower[i] };
                }
                Limit::Row(row, side) => {
                    active.rows[row] = side;
                    multipliers[row] = if side == Held::Upper { multiplier } else { -multiplier };
                }
            }
        }
        if let Some(line) = self.line(&active, cancel)? {
            let point = point(line, lambda, active.clone());
            if self.verified(&point, lambda).is_ok() {
                return Ok(Some(point));
            }
        }
        let point = Point { x, active, line: None, multipliers };
        Ok(self.verified(&point, lambda).is_ok().then_some(point))
    }

    /// The interior-point solution, with what binds where a multiplier outweighs its slack.
    fn interior(&self, lambda: f64, cancel: &Cancel) -> Result<Point, Unsolved> {
        let n = self.set.len();
        cancel.check()?;
        work::count(COPY * self.hessian.len());
        // Clarabel's tolerances are absolute: a Hessian of size one makes them relative.
        let scale = self.hessian.diag().iter().fold(f64::MIN_POSITIVE, |scale, value| scale.max(*value));
        let mut program = ConeProgram::new(self.linear(lambda).iter().map(|value| -value / scale).collect());
        program.set_hessian((self.hessian / scale).view());
        let (equations, inequalities) = program.within(self.set);
        let ConeSolution { x, multipliers } = program.solve(cancel)?;
        let mut active = self.start(n);
        let mut rows = vec![0.0; self.set.rows.len()];
        for (&row, multiplier) in equations.iter().zip(&multipliers) {
            rows[row] = multiplier * scale;
        }
        for (&(place, side), &multiplier) in inequalities.iter().zip(&multipliers[equations.len()..]) {
            let sign = if side == Held::Upper { 1.0 } else { -1.0 };
            let (low, high, value) = match place.checked_sub(n) {
                None => (self.set.lower[place], self.set.upper[place], x[place]),
                Some(row) => {
                    rows[row] += sign * multiplier * scale;
                    let row = &self.set.rows[row];
                    (row.lower, row.upper, row.value(&x))
                }
            };
            let slack = if side == Held::Upper { high - value } else { value - low };
            if slack < multiplier {
                match place.checked_sub(n) {
                    None => active.bounds[place] = side,
                    Some(row) => active.rows[row] = side,
                }
            }
        }
        let clipped = (0..n).map(|i| match active.bounds[i] {
            Held::Inside => x[i].clamp(self.set.lower[i], self.set.upper[i]),
            Held::Lower => self.set.lower[i],
            Held::Upper => self.set.upper[i],
        });
        Ok(Point { x: clipped.collect(), active, line: None, multipliers: rows })
    }

    /// How far a point is from the optimality conditions: for each weight and row the lesser of the distance to the
    /// bound that its gradient or multiplier pushes it to, and of that push, relative to the size of the gradient's
    /// parts (the natural residual of the variational inequality).
    fn optimality_error(&self, point: &Point, lambda: f64) -> f64 {
        // Where no return varies at all, the ridge alone says which weights are meant.
        let ridge = if self.mean_variance > 0.0 { 0.0 } else { self.ridge };
        let (gradient, scale) = (self.gradient(point, lambda, ridge), self.scale(lambda).max(ridge));
        let x = point.x.as_slice().unwrap_or_default();
        // A positive gradient is right as far as the value is down at its lower bound; and the other way round.
        let error = |value: f64, low: f64, high: f64, gradient: f64| match gradient / scale {
            gradient if gradient > 0.0 => gradient.min((value - low).max(0.0)),
            gradient if gradient < 0.0 => (-gradient).min((high - value).max(0.0)),
            gradient => gradient.abs(),
        };
        let bounds = (0..x.len()).map(|i| error(x[i], self.set.lower[i], self.set.upper[i], gradient[i]));
        let rows = self.set.rows.iter().zip(&point.multipliers).filter(|(row, _)| !row.is_equation());
        let rows = rows.map(|(row, multiplier)| error(row.value(x), row.lower, row.upper, -multiplier));
        // Not f64::max, which would lose a NaN.
        bounds
            .chain(rows)
            .fold(0.0, |worst, error| if error > worst || error.is_nan() { error } else { worst })
    }
}

fn point(line: Line, lambda: f64, active: ActiveSet) -> Point {
    let x = &line.base + &(&line.slope * lambda);
    let multipliers =
        line.row_base.iter().zip(&line.row_slope).map(|(base, slope)| base + lambda * slope).collect();
    Point { x, active, line: Some(line), multipliers }
}

/// x'Hx.
pub(crate) fn variance(hessian: &Array2<f64>, x: ArrayView1<'_, f64>) -> f64 {
    linalg::quadratic_form(hessian.view(), x)
}
