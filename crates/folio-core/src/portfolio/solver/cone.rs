//! Conic programs for Clarabel (Goulart and Chen 2024), built row by row.
//!
//! minimise 1/2 x'Hx + c'x over linear equations, inequalities and balls.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettings, DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus, SupportedConeT,
};
use ndarray::{Array1, ArrayView1, ArrayView2};

use super::active_set::Held;
use super::linalg::COPY;
use super::polled::{Polled, interruptible};
use super::polytope::{FEASIBILITY, Polytope, Row};
use super::unsolved::Unsolved;
use crate::task::Cancel;
use crate::{Error, Result, work};

/// What the interior-point method is asked for: three digits more than the optimality that is verified afterwards,
/// and one less than it can do on badly scaled data.
const TOLERANCE: f64 = 1e-11;

/// The largest number of interior-point steps; 10 to 30 are usual.
const MAX_STEPS: u32 = 200;

/// How often the coefficients of a program are passed over before the first step.
const PASSES: usize = 30;

/// How often the factor's elements are passed over in a step: triangular solves with their refinement.
const SOLVES: usize = 20;

/// A row, as positions and coefficients.
pub(crate) type SparseRow = Vec<(usize, f64)>;

/// A program under construction.
#[derive(Debug, Default, Clone)]
pub(crate) struct ConeProgram {
    linear: Vec<f64>,
    /// The upper triangle of H by columns; empty for a linear program.
    hessian: Vec<SparseRow>,
    equations: Vec<(SparseRow, f64)>,
    inequalities: Vec<(SparseRow, f64)>,
    /// The rows and right-hand sides of each second-order cone; the first row has no coefficients.
    balls: Vec<Vec<(SparseRow, f64)>>,
}

/// A solution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConeSolution {
    /// The variables.
    pub(crate) x: Vec<f64>,
    /// The multipliers of the equations, then of the inequalities, then of the balls.
    pub(crate) multipliers: Vec<f64>,
}

impl ConeProgram {
    /// A program over as many variables as `linear` has elements.
    pub(crate) fn new(linear: Vec<f64>) -> ConeProgram {
        ConeProgram { linear, ..ConeProgram::default() }
    }

    /// Sets the quadratic term of the first variables.
    pub(crate) fn set_hessian(&mut self, hessian: ArrayView2<'_, f64>) {
        self.hessian =
            (0..hessian.ncols()).map(|j| (0..=j).map(|i| (i, hessian[[i, j]])).collect()).collect();
    }

    /// row x = value.
    pub(crate) fn equation(&mut self, row: SparseRow, value: f64) {
        self.equations.push((row, value));
    }

    /// row x <= value; nothing where the value is infinite. Returns whether there now is a row.
    pub(crate) fn at_most(&mut self, row: SparseRow, value: f64) -> bool {
        let binds = value.is_finite();
        if binds {
            self.inequalities.push((row, value));
        }
        binds
    }

    /// row x >= value; nothing where the value is infinite. Returns whether there now is a row.
    pub(crate) fn at_least(&mut self, row: SparseRow, value: f64) -> bool {
        self.at_most(row.into_iter().map(|(position, value)| (position, -value)).collect(), -value)
    }

    /// The length of root x - centre, over the first variables, is at most one.
    pub(crate) fn ball(&mut self, root: ArrayView2<'_, f64>, centre: ArrayView1<'_, f64>) {
        let row = |(row, centre): (ArrayView1<'_, f64>, &f64)| {
            let entries = row.iter().enumerate().filter(|(_, value)| **value != 0.0);
            (entries.map(|(position, value)| (position, -value)).collect(), -centre)
        };
        let radius = (SparseRow::new(), 1.0);
        self.balls
            .push(std::iter::once(radius).chain(root.rows().into_iter().zip(centre).map(row)).collect());
    }

    /// How many coefficients there are.
    fn coefficients(&self) -> usize {
        let rows = self.equations.iter().chain(&self.inequalities).chain(self.balls.iter().flatten());
        self.hessian.iter().map(Vec::len).sum::<usize>() + rows.map(|(row, _)| row.len()).sum::<usize>()
    }

    /// Keeps the first variables inside a polytope; tells which row each equation is, and which variable or row
    /// (counted after the variables) and side each inequality is.
    pub(crate) fn within(&mut self, set: &Polytope) -> (Vec<usize>, Vec<(usize, Held)>) {
        let (mut equations, mut inequalities) = (Vec::new(), Vec::new());
        let n = set.len();
        let sparse = |row: &Row| -> Vec<(usize, f64)> {
            row.coefficients.iter().copied().enumerate().filter(|(_, value)| *value != 0.0).collect()
        };
        for (index, row) in set.rows.iter().enumerate() {
            if row.is_equation() {
                self.equation(sparse(row), row.lower);
                equations.push(index);
                continue;
            }
            if self.at_least(sparse(row), row.lower) {
                inequalities.push((n + index, Held::Lower));
            }
            if self.at_most(sparse(row), row.upper) {
                inequalities.push((n + index, Held::Upper));
            }
        }
        for i in 0..n {
            if self.at_least(vec![(i, 1.0)], set.lower[i]) {
                inequalities.push((i, Held::Lower));
            }
            if self.at_most(vec![(i, 1.0)], set.upper[i]) {
                inequalities.push((i, Held::Upper));
            }
        }
        (equations, inequalities)
    }

    /// Solves the program.
    ///
    /// # Errors
    /// [`Unsolved::Infeasible`] where no point keeps to the constraints; [`Error::SolverFailed`] where the objective has
    /// no bound, the method broke down or the solver refuses its input; [`Error::Cancelled`].
    pub(crate) fn solve(&self, cancel: &Cancel) -> Result<ConeSolution, Unsolved> {
        let n = self.linear.len();
        cancel.check()?;
        work::count(COPY * self.coefficients());
        let mut hessian = self.hessian.clone();
        hessian.resize(n, Vec::new());
        let hessian = compressed(n, &hessian);
        let mut columns = vec![Vec::new(); n];
        let mut values = Vec::new();
        let rows = self.equations.iter().chain(&self.inequalities).chain(self.balls.iter().flatten());
        for (index, (row, value)) in rows.enumerate() {
            for &(position, coefficient) in row {
                columns[position].push((index, coefficient));
            }
            values.push(Polled(*value));
        }
        let rows = compressed(values.len(), &columns);
        let linear: Vec<Polled> = self.linear.iter().copied().map(Polled).collect();
        let mut cones = vec![
            SupportedConeT::ZeroConeT(self.equations.len()),
            SupportedConeT::NonnegativeConeT(self.inequalities.len()),
        ];
        cones.extend(self.balls.iter().map(|ball| SupportedConeT::SecondOrderConeT(ball.len())));
        cancel.check()?;
        // Scaling, ordering and the symbolic factorisation pass over all coefficients some dozen times.
        work::count(PASSES * (hessian.nnz() + rows.nnz()));
        let mut solver = DefaultSolver::new(&hessian, &linear, &rows, &values, &cones, settings()?)
            .map_err(|error| Error::SolverFailed { status: error.to_string() })?;
        cancel.check()?;
        let (step, column) = costs(solver.info.linsolver.nnzL, n + values.len());
        let flag = cancel.clone();
        solver.set_termination_callback(move |_: &_| {
            work::count(step);
            flag.check().is_err()
        });
        let solver = interruptible(cancel, column, move || {
            solver.solve();
            solver
        })?;
        cancel.check()?;
        let solution = solver.solution;
        match solution.status {
            SolverStatus::Solved | SolverStatus::AlmostSolved => {
                let plain = |numbers: Vec<Polled>| numbers.into_iter().map(|number| number.0).collect();
                Ok(ConeSolution { x: plain(solution.x), multipliers: plain(solution.z) })
            }
            SolverStatus::PrimalInfeasible | SolverStatus::AlmostPrimalInfeasible => {
                Err(Unsolved::Infeasible)
            }
            status => Err(Error::SolverFailed { status: status.to_string() }.into()),
        }
    }
}

/// The largest e'w over a polytope whose first row is the budget.
///
/// # Errors
/// [`Error::Cancelled`], [`Error::SolverFailed`], also where the polytope has no points.
pub(crate) fn max_return(set: &Polytope, gain: &Array1<f64>, cancel: &Cancel) -> Result<f64> {
    if let [budget] = set.rows.as_slice()
        && budget.coefficients.iter().all(|coefficient| *coefficient == 1.0)
        && let Some(best) = fill(set, gain, budget.lower)
    {
        return Ok(best);
    }
    let mut program = ConeProgram::new(gain.iter().map(|value| -value).collect());
    program.within(set);
    let x = program.solve(cancel).map_err(Unsolved::unexpected)?.x;
    Ok(gain.iter().zip(&x).map(|(gain, x)| gain * x).sum())
}

/// With only a budget the best is to fill the best tickers first; `None` where the budget cannot be met.
fn fill(set: &Polytope, gain: &Array1<f64>, budget: f64) -> Option<f64> {
    let mut order: Vec<usize> = (0..set.len()).collect();
    order.sort_by(|&a, &b| gain[b].total_cmp(&gain[a]));
    let mut left = budget - set.lower.iter().sum::<f64>();
    let mut best = gain.iter().zip(&set.lower).map(|(gain, low)| gain * low).sum::<f64>();
    for i in order {
        let add = (set.upper[i] - set.lower[i]).min(left).max(0.0);
        best += add * gain[i];
        left -= add;
    }
    (left.abs() <= FEASIBILITY).then_some(best)
}

/// The units of work of an interior-point step beside its factorisation, and those of a column of the factorisation, of which
/// there are `columns`, whose factor has so many elements. In a factor whose elements fill a triangle the multiply-adds
/// are about their number to the power of 3/2; in others they are fewer.
fn costs(elements: usize, columns: usize) -> (usize, usize) {
    let factorisation = (elements as f64).powf(1.5) as usize;
    (SOLVES * elements, factorisation / columns.max(1))
}

fn settings() -> Result<DefaultSettings<Polled>> {
    DefaultSettingsBuilder::default()
        .verbose(false)
        .max_iter(MAX_STEPS)
        .tol_gap_abs(Polled(TOLERANCE))
        .tol_gap_rel(Polled(TOLERANCE))
        .tol_feas(Polled(TOLERANCE))
        // One thread, and the same one on every machine: the solver's own LDL.
        .max_threads(1)
        .direct_solve_method("qdldl".to_owned())
        .build()
        .map_err(|error| Error::SolverFailed { status: error.to_string() })
}

/// Compressed columns of a matrix with `rows` rows; entries of a column are in rising order.
fn compressed(rows: usize, columns: &[Vec<(usize, f64)>]) -> CscMatrix<Polled> {
    let entries = columns.iter().map(Vec::len).sum();
    let mut starts = Vec::with_capacity(columns.len() + 1);
    let (mut positions, mut values) = (Vec::with_capacity(entries), Vec::with_capacity(entries));
    starts.push(0);
    for column in columns {
        for &(row, value) in column {
            positions.push(row);
            values.push(Polled(value));
        }
        starts.push(positions.len());
    }
    CscMatrix::new(rows, columns.len(), starts, positions, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_program() {
        // The largest x + 2 y on x + y = 1, x >= 0.25, y >= 0.
        let mut program = ConeProgram::new(vec![-1.0, -2.0]);
        program.equation(vec![(0, 1.0), (1, 1.0)], 1.0);
        assert!(program.at_least(vec![(0, 1.0)], 0.25));
        assert!(!program.at_least(vec![(1, 1.0)], f64::NEG_INFINITY));
        let x = program.solve(&Cancel::default()).unwrap().x;
        assert!((x[0] - 0.25).abs() < 1e-9 && (x[1] - 0.75).abs() < 1e-9);
    }

    #[test]
    fn a_ball() {
        // The largest x + y in the circle of radius 1/2 around (1, 0).
        let mut program = ConeProgram::new(vec![-1.0, -1.0]);
        program.ball(ndarray::arr2(&[[2.0, 0.0], [0.0, 2.0]]).view(), ndarray::arr1(&[2.0, 0.0]).view());
        let x = program.solve(&Cancel::default()).unwrap().x;
        let along = 0.5_f64.sqrt() / 2.0;
        assert!((x[0] - 1.0 - along).abs() < 1e-9 && (x[1] - along).abs() < 1e-9, "{x:?}");
    }

    #[test]
    fn infeasible_and_cancelled_are_told_apart() {
        let mut program = ConeProgram::new(vec![1.0]);
        program.at_most(vec![(0, 1.0)], 0.0);
        program.at_least(vec![(0, 1.0)], 1.0);
        assert_eq!(program.solve(&Cancel::default()), Err(Unsolved::Infeasible));
        let cancel = Cancel::default();
        cancel.cancel();
        assert_eq!(program.solve(&cancel), Err(Unsolved::Failed(Error::Cancelled)));
    }
}
