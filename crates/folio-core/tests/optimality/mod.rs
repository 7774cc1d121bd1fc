//! Whether weights are optimal: constraints, multipliers and first-order gains over the weights themselves, by linear and
//! cone programs that share nothing with the engine but Clarabel.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus, SupportedConeT};
use ndarray::{Array1, Array2};

/// What is nearer to its limit than this counts as binding: a little more than the engine may leave between a limit and
/// weights which it pushes there.
const BINDS: f64 = 3e-7;

/// Tickers whose weights together lie between two bounds.
#[derive(Debug, Clone)]
pub struct Group {
    pub name: String,
    pub members: Vec<usize>,
    pub lower: f64,
    pub upper: f64,
}

/// A portfolio problem. Limits that there are not are infinite.
#[derive(Debug, Clone)]
pub struct Problem {
    pub objective: &'static str,
    /// Sigma is factor' factor.
    pub factor: Array2<f64>,
    pub means: Array1<f64>,
    pub risk_free_rate: f64,
    pub risk_aversion: f64,
    pub budget: f64,
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
    pub groups: Vec<Group>,
    pub current: Array1<f64>,
    pub costs: Array1<f64>,
    pub max_turnover: f64,
    pub max_gross: f64,
    pub benchmark: Array1<f64>,
    pub max_tracking_error: f64,
    pub l2: f64,
    pub target_return: f64,
    pub target_volatility: f64,
}

/// A multiplier's part of the gradient: its constraint's normal, and where that has a kink, how far it reaches either way.
struct Normal {
    at: Array1<f64>,
    kinks: Vec<(usize, f64)>,
    free: bool,
}

impl Normal {
    fn smooth(at: Array1<f64>) -> Normal {
        Normal { at, kinks: Vec::new(), free: false }
    }

    /// The subgradients of the sum of coefficient |d|.
    fn absolute(d: &Array1<f64>, coefficients: &Array1<f64>) -> Normal {
        let is_kink = |i: &usize| d[*i].abs() <= BINDS;
        let at =
            Array1::from_shape_fn(
                d.len(),
                |i| {
                    if is_kink(&i) { 0.0 } else { coefficients[i] * d[i].signum() }
                },
            );
        let kinks = (0..d.len()).filter(is_kink).map(|i| (i, coefficients[i])).collect();
        Normal { at, kinks, free: false }
    }
}

fn absolute_sum(x: &Array1<f64>) -> f64 {
    x.iter().map(|x| x.abs()).sum()
}

fn unit(n: usize, place: usize, value: f64) -> Array1<f64> {
    Array1::from_shape_fn(n, |i| if i == place { value } else { 0.0 })
}

impl Problem {
    pub fn len(&self) -> usize {
        self.means.len()
    }

    pub fn sigma(&self) -> Array2<f64> {
        self.factor.t().dot(&self.factor)
    }

    /// The volatility of weights.
    pub fn volatility(&self, w: &Array1<f64>) -> f64 {
        let along = self.factor.dot(w);
        along.dot(&along).sqrt()
    }

    fn cost(&self, w: &Array1<f64>) -> f64 {
        (w - &self.current).iter().zip(&self.costs).map(|(d, cost)| d.abs() * cost).sum()
    }

    /// By how much weights break the worst of the constraints.
    pub fn violation(&self, w: &Array1<f64>) -> f64 {
        let bounds = (0..w.len()).map(|i| (self.lower[i] - w[i]).max(w[i] - self.upper[i]));
        let sum = |group: &Group| group.members.iter().map(|&i| w[i]).sum::<f64>();
        let groups = self.groups.iter().map(|group| (group.lower - sum(group)).max(sum(group) - group.upper));
        let limits = [
            (w.sum() - self.budget).abs(),
            absolute_sum(&(w - &self.current)) - self.max_turnover,
            absolute_sum(w) - self.max_gross,
            self.volatility(&(w - &self.benchmark)) - self.max_tracking_error,
            self.volatility(w) - self.target_volatility,
            self.target_return - self.means.dot(w) + self.cost(w),
        ];
        // A NaN is no weight that keeps to anything.
        bounds
            .chain(groups)
            .chain(limits)
            .fold(0.0, |worst, off| if off > worst || off.is_nan() { off } else { worst })
    }

    /// What the objective is at weights, the smaller the better.
    pub fn value(&self, w: &Array1<f64>) -> f64 {
        let gain = self.means.dot(w) - self.cost(w);
        let risk = self.volatility(w).powi(2);
        let penalty = self.l2 * w.dot(w);
        match self.objective {
            "max_sharpe" => (self.risk_free_rate * w.sum() - gain) / (risk + penalty).sqrt(),
            "max_diversification" => -self.deviations().dot(w) / risk.sqrt(),
            "max_quadratic_utility" => self.risk_aversion / 2.0 * risk + penalty - gain,
            "efficient_risk" => penalty - gain,
            _ => risk + penalty,
        }
    }

    fn deviations(&self) -> Array1<f64> {
        self.sigma().diag().mapv(f64::sqrt)
    }

    /// The gradient of the objective without the costs, what a unit of cost counts in it, and the size of its parts. That
    /// of a ratio is multiplied by a positive number.
    fn gradient(&self, w: &Array1<f64>) -> (Array1<f64>, f64, f64) {
        let sigma = self.sigma();
        let (pull, slope) = (sigma.dot(w), w * self.l2);
        let (risk, excess) = match self.objective {
            "max_sharpe" => (1.0, &self.means - self.risk_free_rate),
            "max_diversification" => (1.0, self.deviations()),
            "max_quadratic_utility" => (self.risk_aversion / 2.0, self.means.clone()),
            "efficient_risk" => (0.0, self.means.clone()),
            _ => (1.0, Array1::zeros(w.len())),
        };
        let price = match self.objective {
            "max_sharpe" | "max_diversification" => {
                let cost = if self.objective == "max_sharpe" { self.cost(w) } else { 0.0 };
                (w.dot(&pull) + w.dot(&slope)) / (excess.dot(w) - cost)
            }
            "max_quadratic_utility" | "efficient_risk" => 0.5,
            _ => 0.0,
        };
        let gradient = &pull * risk + &slope - &excess * price;
        let largest = |x: &Array1<f64>| x.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        let spread = sigma.mapv(f64::abs).dot(&w.mapv(f64::abs));
        let scale = risk * largest(&spread) + largest(&slope) + price * largest(&excess);
        // Not under what it is on weights of size one: a portfolio without risk has no gradient.
        (gradient, price, scale.max(risk * sigma.diag().mean().unwrap_or_default()))
    }

    /// The normals of the constraints that bind at weights.
    fn normals(&self, w: &Array1<f64>) -> Vec<Normal> {
        let n = w.len();
        let mut normals = vec![Normal { free: true, ..Normal::smooth(Array1::ones(n)) }];
        for i in 0..n {
            normals.extend((w[i] - self.lower[i] <= BINDS).then(|| Normal::smooth(unit(n, i, -1.0))));
            normals.extend((self.upper[i] - w[i] <= BINDS).then(|| Normal::smooth(unit(n, i, 1.0))));
        }
        for group in &self.groups {
            let sum: f64 = group.members.iter().map(|&i| w[i]).sum();
            let members: Array1<f64> =
                group.members.iter().map(|&i| unit(n, i, 1.0)).fold(Array1::zeros(n), |a, b| a + b);
            normals.extend((sum - group.lower <= BINDS).then(|| Normal::smooth(-&members)));
            normals.extend((group.upper - sum <= BINDS).then(|| Normal::smooth(members)));
        }
        let moved = w - &self.current;
        if self.max_turnover - absolute_sum(&moved) <= BINDS {
            normals.push(Normal::absolute(&moved, &Array1::ones(n)));
        }
        if self.max_gross - absolute_sum(w) <= BINDS {
            normals.push(Normal::absolute(w, &Array1::ones(n)));
        }
        let sigma = self.sigma();
        for (d, limit) in
            [(w - &self.benchmark, self.max_tracking_error), (w.clone(), self.target_volatility)]
        {
            let size = self.volatility(&d);
            if limit - size <= BINDS * limit && size > 0.0 {
                normals.push(Normal::smooth(sigma.dot(&d) / size));
            }
        }
        if self.means.dot(w) - self.cost(w) - self.target_return <= BINDS {
            let costs = Normal::absolute(&moved, &self.costs);
            normals.push(Normal { at: costs.at - &self.means, ..costs });
        }
        normals
    }

    /// How far the gradient is from what multipliers of the right sign make of the normals of what binds: the largest
    /// element of the rest that is left, relative to the size of the gradient's parts.
    pub fn stationarity(&self, w: &Array1<f64>) -> f64 {
        let n = w.len();
        let (gradient, price, scale) = self.gradient(w);
        let costs = Normal::absolute(&(w - &self.current), &(&self.costs * price));
        let gradient = (gradient + &costs.at) / scale;
        // The variables: the rest, a multiplier for each normal, and what each kink adds.
        let mut program = Program::new(vec![1.0]);
        let mut parts: Vec<Row> = vec![Vec::new(); n];
        for (i, reach) in costs.kinks {
            let kink = program.variable(0.0);
            program.within(kink, vec![], reach / scale);
            parts[i].push((kink, 1.0));
        }
        for normal in self.normals(w) {
            let size = normal
                .at
                .iter()
                .chain(normal.kinks.iter().map(|(_, reach)| reach))
                .fold(0.0_f64, |s, x| s.max(x.abs()));
            let multiplier = program.variable(0.0);
            if !normal.free {
                program.at_most(vec![(multiplier, -1.0)], 0.0);
            }
            for i in (0..n).filter(|&i| normal.at[i] != 0.0) {
                parts[i].push((multiplier, normal.at[i] / size));
            }
            for (i, reach) in normal.kinks {
                let kink = program.variable(0.0);
                program.within(kink, vec![(multiplier, -reach / size)], 0.0);
                parts[i].push((kink, 1.0));
            }
        }
        for (i, part) in parts.into_iter().enumerate() {
            let opposite = part.iter().map(|(place, value)| (*place, -value));
            program.at_most(opposite.chain([(0, -1.0)]).collect(), gradient[i]);
            program.at_most([part, vec![(0, -1.0)]].concat(), -gradient[i]);
        }
        program.solve().expect("zero multipliers always leave a rest").0
    }

    /// How much better than these weights any others can be to the first order, relative to the size of the gradient's
    /// parts: for a convex objective a bound on how much better any are.
    pub fn improvement(&self, w: &Array1<f64>) -> f64 {
        let (gradient, price, scale) = self.gradient(w);
        let mut program = Program::new((&gradient / scale).to_vec());
        let moved = self.add_constraints(&mut program, Some(w));
        for (i, &place) in moved.iter().enumerate() {
            program.cost[place] = price * self.costs[i] / scale;
        }
        let here = gradient.dot(w) + price * self.cost(w);
        // Its own tolerance or the weights' may leave it without points where a limit is only just in reach.
        program.solve().map_or(0.0, |(least, _)| here / scale - least)
    }

    /// Whether any weights keep to the constraints.
    pub fn is_feasible(&self) -> bool {
        let mut program = Program::new(vec![0.0; self.len()]);
        self.add_constraints(&mut program, None);
        program.solve().is_some()
    }

    /// The least mean of the worst 1 - `confidence` of the days, of losses or of drawdowns, over all days at once.
    pub fn least_tail(&self, history: &Array2<f64>, confidence: f64) -> Option<f64> {
        let (days, n) = history.dim();
        let mut program = Program::new(vec![0.0; n]);
        self.add_constraints(&mut program, None);
        let threshold = program.variable(1.0);
        let mut drawdown: Option<usize> = None;
        for day in 0..days {
            let excess = program.variable(1.0 / ((1.0 - confidence) * days as f64));
            program.at_most(vec![(excess, -1.0)], 0.0);
            let loss: Row = (0..n).map(|i| (i, -history[[day, i]])).collect();
            if self.objective == "min_cvar" {
                program.at_most([loss, vec![(threshold, -1.0), (excess, -1.0)]].concat(), 0.0);
                continue;
            }
            // Today's drawdown is at least yesterday's and the loss, and never under zero.
            let today = program.variable(0.0);
            program.at_most(vec![(today, -1.0)], 0.0);
            let before = drawdown.map(|before| (before, 1.0));
            program.at_most(loss.into_iter().chain(before).chain([(today, -1.0)]).collect(), 0.0);
            program.at_most(vec![(today, 1.0), (threshold, -1.0), (excess, -1.0)], 0.0);
            drawdown = Some(today);
        }
        program.solve().map(|(value, _)| value)
    }

    /// Adds the constraints on the first variables; those that are curved as cones, or as their tangents at weights. Gives
    /// the variables of |w - current|.
    fn add_constraints(&self, program: &mut Program, at: Option<&Array1<f64>>) -> Vec<usize> {
        let n = self.len();
        program.equation((0..n).map(|i| (i, 1.0)).collect(), self.budget);
        for i in 0..n {
            program.at_most(vec![(i, -1.0)], -self.lower[i]);
            program.at_most(vec![(i, 1.0)], self.upper[i]);
        }
        for group in &self.groups {
            program.at_most(group.members.iter().map(|&i| (i, -1.0)).collect(), -group.lower);
            program.at_most(group.members.iter().map(|&i| (i, 1.0)).collect(), group.upper);
        }
        let mut absolute = |from: &Array1<f64>, limit: f64| -> Vec<usize> {
            let distance = |i: usize| {
                let distance = program.variable(0.0);
                program.at_most(vec![(i, 1.0), (distance, -1.0)], from[i]);
                program.at_most(vec![(i, -1.0), (distance, -1.0)], -from[i]);
                distance
            };
            let places: Vec<usize> = (0..n).map(distance).collect();
            program.at_most(places.iter().map(|&place| (place, 1.0)).collect(), limit);
            places
        };
        absolute(&Array1::zeros(n), self.max_gross);
        let moved = absolute(&self.current, self.max_turnover);
        let gain = (0..n).map(|i| (i, -self.means[i]));
        let costs = moved.iter().enumerate().map(|(i, &place)| (place, self.costs[i]));
        program.at_most(gain.chain(costs).collect(), -self.target_return);
        for (centre, limit) in
            [(self.benchmark.clone(), self.max_tracking_error), (Array1::zeros(n), self.target_volatility)]
        {
            match at {
                _ if limit.is_infinite() => {}
                Some(w) => {
                    let (d, size) = (w - &centre, self.volatility(&(w - &centre)));
                    if size > 0.0 {
                        let slope = self.sigma().dot(&d) / size;
                        program.at_most(
                            (0..n).map(|i| (i, slope[i] / limit)).collect(),
                            (limit - size + slope.dot(w)) / limit,
                        );
                    }
                }
                None => program.ball(&(&self.factor / limit), &(self.factor.dot(&centre) / limit)),
            }
        }
        moved
    }
}

type Row = Vec<(usize, f64)>;

/// minimise cost'x over equations, inequalities and balls.
struct Program {
    cost: Vec<f64>,
    equations: Vec<(Row, f64)>,
    inequalities: Vec<(Row, f64)>,
    balls: Vec<Vec<(Row, f64)>>,
}

impl Program {
    fn new(cost: Vec<f64>) -> Program {
        Program { cost, equations: Vec::new(), inequalities: Vec::new(), balls: Vec::new() }
    }

    fn variable(&mut self, cost: f64) -> usize {
        self.cost.push(cost);
        self.cost.len() - 1
    }

    fn equation(&mut self, row: Row, value: f64) {
        self.equations.push((row, value));
    }

    fn at_most(&mut self, row: Row, value: f64) {
        if value.is_finite() {
            self.inequalities.push((row, value));
        }
    }

    /// |x| + row x <= value.
    fn within(&mut self, place: usize, row: Row, value: f64) {
        for sign in [1.0, -1.0] {
            self.at_most([row.clone(), vec![(place, sign)]].concat(), value);
        }
    }

    /// The length of factor x - centre is at most one.
    fn ball(&mut self, factor: &Array2<f64>, centre: &Array1<f64>) {
        let rows =
            factor.rows().into_iter().zip(centre).map(|(row, centre)| {
                (row.iter().enumerate().map(|(i, value)| (i, -value)).collect(), -centre)
            });
        self.balls.push(std::iter::once((Vec::new(), 1.0)).chain(rows).collect());
    }

    /// The least cost and its point; `None` where there are no points.
    fn solve(&self) -> Option<(f64, Vec<f64>)> {
        let rows: Vec<&(Row, f64)> =
            self.equations.iter().chain(&self.inequalities).chain(self.balls.iter().flatten()).collect();
        let (mut i, mut j, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (row, _)) in rows.iter().enumerate() {
            for &(place, value) in row {
                i.push(index);
                j.push(place);
                values.push(value);
            }
        }
        let n = self.cost.len();
        let matrix = CscMatrix::new_from_triplets(rows.len(), n, i, j, values);
        let right: Vec<f64> = rows.iter().map(|(_, value)| *value).collect();
        let mut cones = vec![
            SupportedConeT::ZeroConeT(self.equations.len()),
            SupportedConeT::NonnegativeConeT(self.inequalities.len()),
        ];
        cones.extend(self.balls.iter().map(|ball| SupportedConeT::SecondOrderConeT(ball.len())));
        let settings = DefaultSettingsBuilder::default()
            .verbose(false)
            .tol_gap_abs(1e-11)
            .tol_gap_rel(1e-11)
            .tol_feas(1e-11)
            .build()
            .unwrap();
        let none = CscMatrix::zeros((n, n));
        let mut solver = DefaultSolver::new(&none, &self.cost, &matrix, &right, &cones, settings).unwrap();
        solver.solve();
        match solver.solution.status {
            SolverStatus::PrimalInfeasible | SolverStatus::AlmostPrimalInfeasible => None,
            _ => Some((solver.solution.obj_val, solver.solution.x.clone())),
        }
    }
}
