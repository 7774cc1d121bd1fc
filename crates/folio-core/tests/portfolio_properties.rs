//! Whatever the market and the limits: weights keep to all constraints and are optimal, the order of tickers does not
//! matter, and where nothing is feasible the bound that the error names is.

mod optimality;

use folio_core::Error;
use folio_core::portfolio::covariance::Covariance;
use folio_core::portfolio::market::Market;
use folio_core::portfolio::market::RiskAversion;
use folio_core::portfolio::objective::Constraints;
use folio_core::portfolio::objective::{by_name, optimize};
use folio_core::portfolio::universe::Universe;
use folio_core::task::{Cancel, Seed};
use ndarray::{Array1, Array2};
use optimality::{Group, Problem};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};
use rand_core::Rng;
use serde_json::{Map, Value, json};

/// How far constraints may be broken.
const FEASIBLE: f64 = 1e-9;

/// How far the optimality conditions may be missed, relative to the size of the gradient's parts.
const OPTIMAL: f64 = 1e-7;

/// Markets of each test.
const CASES: u32 = 64;

/// Days of the histories of tail risks, and the confidence: the worst six days.
const DAYS: usize = 40;
const CONFIDENCE: f64 = 0.85;

/// The objectives over curves: those with a gradient.
const SMOOTH: [&str; 6] = [
    "min_volatility",
    "max_quadratic_utility",
    "max_sharpe",
    "efficient_risk",
    "efficient_return",
    "max_diversification",
];

#[derive(Debug, Clone, Copy)]
enum Shape {
    Ordinary,
    /// Volatilities from a thousandth to ten.
    BadlyScaled,
    /// Half as many factors as tickers, and a millionth of noise.
    NearlySingular,
    Singular,
}

/// A limit is drawn as a number from 0, tight, to 1, loose.
#[derive(Debug, Clone, Copy)]
struct Limits {
    shorts: Option<f64>,
    largest: Option<f64>,
    groups: Option<(f64, f64)>,
    turnover: Option<f64>,
    cost: Option<f64>,
    tracking: Option<f64>,
    gross: Option<f64>,
    l2: Option<f64>,
    target: f64,
    neutral: bool,
}

#[derive(Debug, Clone, Copy)]
struct Draw {
    assets: usize,
    shape: Shape,
    seed: u64,
    limits: Limits,
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let level = || proptest::option::of(0.0..1.0_f64);
    let groups = proptest::option::of((0.0..1.0_f64, 0.0..1.0_f64));
    (level(), level(), groups, level(), level(), level(), level(), level(), 0.0..1.0_f64, any::<bool>())
        .prop_map(|(shorts, largest, groups, turnover, cost, tracking, gross, l2, target, neutral)| Limits {
            shorts,
            largest,
            groups,
            turnover,
            cost,
            tracking,
            gross,
            l2,
            target,
            neutral,
        })
}

fn any_draw(shape: impl Strategy<Value = Shape>) -> impl Strategy<Value = Draw> {
    (2..=12_usize, shape, any::<u64>(), any_limits()).prop_map(|(assets, shape, seed, limits)| Draw {
        assets,
        shape,
        seed,
        limits,
    })
}

fn regular() -> impl Strategy<Value = Draw> {
    any_draw(prop_oneof![Just(Shape::Ordinary), Just(Shape::BadlyScaled)])
}

fn singular() -> impl Strategy<Value = Draw> {
    any_draw(prop_oneof![Just(Shape::NearlySingular), Just(Shape::Singular)])
}

impl Draw {
    /// Numbers from 0 to 1.
    fn numbers(self) -> impl FnMut() -> f64 {
        let mut rng = Seed(self.seed).rng();
        move || rng.next_u64() as f64 / u64::MAX as f64
    }

    fn factor(self, number: &mut dyn FnMut() -> f64) -> Array2<f64> {
        let n = self.assets;
        let mut noise =
            |rows: usize, size: f64| Array2::from_shape_fn((rows, n), |_| size * (number() - 0.5));
        match self.shape {
            Shape::Ordinary => noise(n + 3, 0.3),
            Shape::BadlyScaled => {
                let scales = noise(1, 4.0).mapv(|decade| 10_f64.powf(decade - 1.0));
                noise(n + 3, 1.0) * scales
            }
            Shape::NearlySingular => {
                ndarray::concatenate![ndarray::Axis(0), noise(n.div_ceil(2), 0.5), noise(n, 0.5e-6)]
            }
            Shape::Singular => noise(n.div_ceil(2), 0.5),
        }
    }

    /// The problem of an objective, with those of the limits that it looks at.
    fn problem(self, objective: &'static str) -> Problem {
        let keys = by_name(objective).unwrap().constraint_keys();
        let only = |key: &str, level: Option<f64>| level.filter(|_| keys.contains(&key));
        let (n, limits) = (self.assets, self.limits);
        let mut number = self.numbers();
        let factor = self.factor(&mut number);
        let mut vector = |low: f64, high: f64| Array1::from_shape_fn(n, |_| low + (high - low) * number());
        let means = vector(-0.1, 0.3);
        let budget = if limits.neutral && keys.contains(&"market_neutral") { 0.0 } else { 1.0 };
        let to_budget = |w: Array1<f64>| &w + (budget - w.sum()) / n as f64;
        let (current, benchmark) = (to_budget(vector(-0.2, 0.6)), to_budget(vector(0.0, 0.4)));
        let equal = Array1::from_elem(n, budget / n as f64);
        let short = if budget == 0.0 { -1.0 } else { 0.0 };
        let (low, high) = (vector(0.5, 1.0), vector(0.8, 1.6));
        let costs = vector(0.0, 0.02) * only("transaction_cost", limits.cost).unwrap_or(0.0);
        let mut problem = Problem {
            objective,
            risk_free_rate: 0.02,
            risk_aversion: 2.5,
            budget,
            lower: low.iter().map(|low| limits.shorts.map_or(short, |level| -level * low)).collect(),
            upper: high
                .iter()
                .map(|high| limits.largest.map_or(1.0, |level| (level + 0.8 / n as f64) * high))
                .collect(),
            groups: limits.groups.map_or(Vec::new(), |levels| groups(n, levels)),
            costs,
            max_turnover: only("max_turnover", limits.turnover).map_or(f64::INFINITY, |level| 2.0 * level),
            max_gross: only("max_gross", limits.gross).map_or(f64::INFINITY, |level| 0.2 + 2.5 * level),
            max_tracking_error: f64::INFINITY,
            l2: only("l2_penalty", limits.l2).map_or(0.0, |level| 10_f64.powf(-4.0 * level)),
            target_return: f64::NEG_INFINITY,
            target_volatility: f64::INFINITY,
            means,
            factor,
            current,
            benchmark,
        };
        let size = problem.volatility(&(&equal - &problem.benchmark));
        if let Some(level) = only("max_tracking_error", limits.tracking) {
            problem.max_tracking_error = 1e-5 + 2.0 * level * size;
        }
        match objective {
            "efficient_return" => problem.target_return = -0.1 + 0.3 * limits.target,
            "efficient_risk" => {
                let own = if budget == 0.0 { &equal - &problem.benchmark } else { equal };
                problem.target_volatility = 1e-5 + 2.0 * limits.target * problem.volatility(&own);
            }
            _ => {}
        }
        problem
    }

    /// The tickers in another order.
    fn order(self) -> Vec<usize> {
        let mut number = Draw { seed: self.seed.rotate_left(32), ..self }.numbers();
        let mut order: Vec<usize> = (0..self.assets).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, ((i + 1) as f64 * number()) as usize % (i + 1));
        }
        order
    }

    /// Returns of days for tail risks.
    fn history(self) -> Array2<f64> {
        let mut number = Draw { seed: !self.seed, ..self }.numbers();
        Array2::from_shape_fn((DAYS, self.assets), |_| 0.05 * (number() + number() + number() - 1.49))
    }
}

/// A largest sum of the first third of the tickers, a least one of the second.
fn groups(n: usize, (high, low): (f64, f64)) -> Vec<Group> {
    let third = |part: usize| (0..n).filter(|i| i % 3 == part).collect();
    let (first, second) = ("kind:0".to_owned(), "kind:1".to_owned());
    vec![
        Group { name: first, members: third(0), lower: f64::NEG_INFINITY, upper: high },
        Group { name: second, members: third(1), lower: 0.7 * low, upper: f64::INFINITY },
    ]
}

fn ticker(i: usize) -> String {
    format!("T{i:02}")
}

/// The constraints as a caller writes them, and where `order` says the tickers stand.
fn constraints(problem: &Problem) -> Value {
    let n = problem.len();
    let named = |values: &[f64]| -> Value {
        (0..n).map(|i| (ticker(i), json!(values[i]))).collect::<Map<_, _>>().into()
    };
    let mut all = json!({ "min_weight": named(&problem.lower), "max_weight": named(&problem.upper) });
    let mut set = |key: &str, value: Value| all[key] = value;
    if !problem.groups.is_empty() {
        let labels: Map<_, _> = (0..n).map(|i| (ticker(i), json!((i % 3).to_string()))).collect();
        set("groups", json!({ "kind": labels }));
        let bounds = |bound: &dyn Fn(&Group) -> f64| -> Value {
            let given =
                problem.groups.iter().filter(|group| bound(group).is_finite() && !group.members.is_empty());
            given.map(|group| (group.name.clone(), json!(bound(group)))).collect::<Map<_, _>>().into()
        };
        set("group_min", bounds(&|group| group.lower));
        set("group_max", bounds(&|group| group.upper));
    }
    let traded = problem.max_turnover.is_finite() || problem.costs.iter().any(|cost| *cost > 0.0);
    if traded {
        set("current_weights", named(problem.current.as_slice().unwrap()));
    }
    if problem.costs.iter().any(|cost| *cost > 0.0) {
        set("transaction_cost", named(problem.costs.as_slice().unwrap()));
    }
    if problem.max_tracking_error.is_finite() {
        set("benchmark", named(problem.benchmark.as_slice().unwrap()));
    }
    if problem.budget == 0.0 {
        set("market_neutral", json!(true));
    }
    if problem.l2 > 0.0 {
        set("l2_penalty", json!(problem.l2));
    }
    for (key, limit) in [
        ("max_turnover", problem.max_turnover),
        ("max_gross", problem.max_gross),
        ("max_tracking_error", problem.max_tracking_error),
        ("target_return", problem.target_return),
        ("target_volatility", problem.target_volatility),
    ] {
        if limit.is_finite() {
            // Badly scaled markets go beyond what is taken for a number without its percent sign.
            set(key, if limit < 1.0 { json!(limit) } else { json!(format!("{} %", 100.0 * limit)) });
        }
    }
    if problem.objective.starts_with("min_c") {
        set("confidence", json!(CONFIDENCE));
    }
    all
}

/// The engine's answer with the tickers in this order, put back into their own.
fn weights(problem: &Problem, history: &Array2<f64>, order: &[usize]) -> folio_core::Result<Array1<f64>> {
    weights_within(&constraints(problem), problem, history, order)
}

fn weights_within(
    constraints: &Value,
    problem: &Problem,
    history: &Array2<f64>,
    order: &[usize],
) -> folio_core::Result<Array1<f64>> {
    let sigma = problem.sigma();
    let universe = Universe::new(&order.iter().map(|&i| ticker(i)).collect::<Vec<_>>())?;
    let turned = Array2::from_shape_fn(sigma.dim(), |(i, j)| sigma[[order[i], order[j]]]);
    let market = Market {
        covariance: &Covariance::new(universe, turned, &Cancel::default())?,
        returns: &order.iter().map(|&i| problem.means[i]).collect(),
        risk_aversion: RiskAversion::new(problem.risk_aversion)?,
        risk_free_rate: problem.risk_free_rate,
        market_weights: None,
        history: Some(&Array2::from_shape_fn(history.dim(), |(day, i)| history[[day, order[i]]])),
    };
    let constraints = Constraints::from_json(constraints)?;
    let found = optimize(&market, by_name(problem.objective)?, &constraints, &Cancel::default())?;
    let mut weights = Array1::zeros(order.len());
    for (&place, weight) in order.iter().zip(&found) {
        weights[place] = *weight;
    }
    Ok(weights)
}

fn in_order(problem: &Problem, history: &Array2<f64>) -> folio_core::Result<Array1<f64>> {
    weights(problem, history, &(0..problem.len()).collect::<Vec<_>>())
}

/// Changes the bound that an error names to what it says is feasible, and a hair more.
fn heed(problem: &mut Problem, feasible: &str, hair: f64) {
    let (bounds, _) = feasible.split_once(", or ").unwrap_or((feasible, ""));
    for advice in bounds.split(", ") {
        let number: f64 = advice
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .next_back()
            .unwrap_or_else(|| panic!("{feasible}"));
        let (name, _) = advice.split_once(" at ").unwrap_or((advice, ""));
        match name {
            "max_turnover" => problem.max_turnover = number + hair,
            "max_gross" => problem.max_gross = number + hair,
            // At the least itself there is a single portfolio, which an interior-point method only comes near to.
            "max_tracking_error" => problem.max_tracking_error = number * (1.0 + hair.max(1e-6)),
            "target_return" => problem.target_return = number - hair,
            "target_volatility" => problem.target_volatility = number * (1.0 + hair),
            "max_weight" => problem.upper.fill(number),
            "min_weight" => problem.lower.fill(number),
            _ if name.starts_with("a max_weight") => problem.upper[0] += number,
            _ if name.starts_with("a min_weight") => problem.lower[0] -= number,
            _ if name.starts_with("a risk-free rate") => problem.risk_free_rate = number - 1e-3,
            _ => {
                let group = problem.groups.iter_mut().find(|group| group.name == name).expect(feasible);
                let bound = if advice.contains("at least") { &mut group.lower } else { &mut group.upper };
                *bound = number;
            }
        }
    }
}

/// Heeds an error's advice, and that of each error which then shows, until there are weights.
fn feasible_in_the_end(mut problem: Problem, history: &Array2<f64>) -> Result<(), TestCaseError> {
    let mut said = Vec::new();
    for _ in 0..6 {
        match in_order(&problem, history) {
            Ok(weights) => {
                let broken = problem.violation(&weights);
                prop_assert!(broken <= FEASIBLE, "broken by {broken:e} after {said:?}");
                return Ok(());
            }
            Err(Error::Infeasible { feasible, .. }) => {
                prop_assert!(!feasible.is_empty(), "no bound is named after {said:?}");
                prop_assert!(!said.contains(&feasible), "heeded, and said again: {said:?}");
                // The first advice holds to the letter; all that is then at its limit leaves little between several.
                heed(&mut problem, &feasible, if said.is_empty() { 0.0 } else { 1e-5 });
                said.push(feasible);
            }
            Err(error) => prop_assert!(false, "{error} after {said:?}"),
        }
    }
    prop_assert!(false, "never feasible: {said:?}");
    Ok(())
}

fn config(cases: u32) -> ProptestConfig {
    let persistence = Some(Box::new(FileFailurePersistence::WithSource("regressions")) as _);
    let rng_seed = RngSeed::Fixed(1);
    ProptestConfig {
        cases,
        failure_persistence: persistence,
        max_shrink_iters: 200,
        rng_seed,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn weights_keep_to_their_limits_and_no_others_are_better(draw in regular()) {
        let history = draw.history();
        for objective in SMOOTH {
            let problem = draw.problem(objective);
            match in_order(&problem, &history) {
                Ok(weights) => {
                    let broken = problem.violation(&weights);
                    prop_assert!(broken <= FEASIBLE, "{objective}: broken by {broken:e}");
                    let off = problem.stationarity(&weights);
                    prop_assert!(off <= OPTIMAL, "{objective}: multipliers leave {off:e}");
                    let better = problem.improvement(&weights);
                    prop_assert!(better <= OPTIMAL, "{objective}: others are better by {better:e}");
                }
                Err(Error::Infeasible { reason, .. }) => {
                    let alone = reason.starts_with("no portfolio returns more");
                    prop_assert!(alone || !problem.is_feasible(), "{objective}: {reason}");
                    feasible_in_the_end(problem, &history)?;
                }
                Err(error) => prop_assert!(false, "{objective}: {error}"),
            }
        }
    }

    #[test]
    fn tails_are_the_least_of_all_days_at_once(draw in regular()) {
        let history = draw.history();
        for objective in ["min_cvar", "min_cdar"] {
            let problem = draw.problem(objective);
            match in_order(&problem, &history) {
                Ok(weights) => {
                    let broken = problem.violation(&weights);
                    prop_assert!(broken <= FEASIBLE, "{objective}: broken by {broken:e}");
                    let Some(least) = problem.least_tail(&history, CONFIDENCE) else { continue };
                    let found = tail(objective, &history.dot(&weights));
                    prop_assert!(found - least <= OPTIMAL * least.abs().max(1e-3), "{objective}: {found} over {least}");
                }
                Err(Error::Infeasible { reason, .. }) => {
                    prop_assert!(!problem.is_feasible(), "{objective}: {reason}");
                    feasible_in_the_end(problem, &history)?;
                }
                Err(error) => prop_assert!(false, "{objective}: {error}"),
            }
        }
    }

    #[test]
    fn the_order_of_tickers_does_not_matter(draw in regular()) {
        let (history, order) = (draw.history(), draw.order());
        for objective in SMOOTH {
            let problem = draw.problem(objective);
            match (in_order(&problem, &history), weights(&problem, &history, &order)) {
                (Ok(one), Ok(other)) => {
                    let (a, b) = (problem.value(&one), problem.value(&other));
                    prop_assert!((a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0), "{objective}: {a} {b}");
                    // Of an ordinary market the best portfolio is the only one.
                    let moved = (&one - &other).iter().fold(0.0_f64, |moved, d| moved.max(d.abs()));
                    prop_assert!(!matches!(draw.shape, Shape::Ordinary) || moved <= 1e-9, "{objective}: {moved:e}");
                }
                (Err(Error::Infeasible { .. }), Err(Error::Infeasible { .. })) => {}
                (one, other) => prop_assert!(false, "{objective}: {:?} {:?}", one.err(), other.err()),
            }
        }
    }
}

proptest! {
    #![proptest_config(config(CASES))]

    /// Those that look at the covariance alone and take no limits.
    #[test]
    fn risks_are_shared_whatever_the_order(draw in regular()) {
        for objective in ["risk_parity", "hrp", "herc", "nco"] {
            let (problem, history) = (draw.problem(objective), draw.history());
            let own: Vec<usize> = (0..draw.assets).collect();
            let find = |order: &[usize]| weights_within(&json!({}), &problem, &history, order).unwrap();
            let (weights, other) = (find(&own), find(&draw.order()));
            prop_assert!((weights.sum() - 1.0).abs() <= FEASIBLE, "{objective}: {}", weights.sum());
            prop_assert!(weights.iter().all(|w| *w >= 0.0), "{objective}: {weights}");
            let moved = (&weights - &other).iter().fold(0.0_f64, |moved, d| moved.max(d.abs()));
            // The leaves' natural order is that of the tickers where two of them merge, and halves of odd lists depend on it.
            prop_assert!(objective == "hrp" || moved <= 1e-9, "{objective}: {moved:e}");
            if objective == "risk_parity" {
                let shares = &weights * &problem.sigma().dot(&weights) / problem.volatility(&weights).powi(2);
                let off = shares.iter().fold(0.0_f64, |off, share| off.max((share * draw.assets as f64 - 1.0).abs()));
                prop_assert!(off <= OPTIMAL, "shares of the risk {shares}");
            }
        }
    }
}

proptest! {
    #![proptest_config(config(64))]

    /// Without full rank a solver may give up, by name; what it gives keeps to the limits all the same.
    #[test]
    fn singular_markets_give_weights_within_their_limits_or_a_name(draw in singular()) {
        for objective in ["min_volatility", "max_quadratic_utility", "efficient_return"] {
            let problem = draw.problem(objective);
            match in_order(&problem, &draw.history()) {
                Ok(weights) => {
                    let broken = problem.violation(&weights);
                    prop_assert!(broken <= 10.0 * FEASIBLE, "{objective}: broken by {broken:e}");
                }
                Err(Error::Infeasible { reason, .. }) => {
                    prop_assert!(!problem.is_feasible(), "{objective}: {reason}");
                }
                Err(error) => prop_assert!(matches!(error, Error::SolverFailed { .. }), "{objective}: {error}"),
            }
        }
    }
}

/// The mean of the worst days, of losses or of drawdowns.
fn tail(objective: &str, gains: &Array1<f64>) -> f64 {
    let mut below = 0.0_f64;
    let mut measured: Vec<f64> = gains
        .iter()
        .map(|gain| {
            below = (below - gain).max(0.0);
            if objective == "min_cvar" { -gain } else { below }
        })
        .collect();
    measured.sort_by(|a, b| b.total_cmp(a));
    let worst = ((1.0 - CONFIDENCE) * DAYS as f64).round() as usize;
    measured[..worst].iter().sum::<f64>() / worst as f64
}
