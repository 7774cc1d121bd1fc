//! What the optimisers read: returns of few tickers, a request and constraints of any numbers. Weights keep to their limits.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Result, Unstructured};
use folio_core::panel::{PricePanel, PriceRow, ReturnPanel, Series, Timestamp};
use folio_core::portfolio::allocation::{self, Method, discrete_allocation};
use folio_core::portfolio::backtest::{self, Backtest, Rebalance};
use folio_core::portfolio::black_litterman::bl_posterior;
use folio_core::portfolio::covariance::{CovarianceMethod, FixMethod, fix_nonpositive_semidefinite};
use folio_core::portfolio::market::{MarketCaps, Prior, RiskAversion, RiskFreeRate, Tau};
use folio_core::portfolio::objective::{Constraints, OBJECTIVES, Objective};
use folio_core::portfolio::request::{
    Allocation, Request, black_litterman, efficient_frontier, optimize_portfolio, portfolio_performance,
};
use folio_core::portfolio::universe::Universe;
use folio_core::portfolio::view_input;
use folio_core::task::Inline;
use folio_fuzz::{answer, assert_finite, watched};
use libfuzzer_sys::fuzz_target;
use ndarray::Array2;
use serde_json::{Map, Value, json};

/// How far limits may be broken (`objective::optimize` promises a hundredth of it), and the sum of the weights missed.
const SLACK: f64 = 1e-7;

const DAY: i64 = 86_400_000_000;

const NAMES: [&str; 7] = ["A", "BB", "CCC", "D", "E-F", "G.H", "I"];

#[derive(Debug)]
struct Input {
    /// Returns, a row for each day.
    returns: Vec<Vec<f64>>,
    objective: &'static dyn Objective,
    covariance: &'static str,
    constraints: Value,
    views: Value,
    caps: Value,
    prior: Option<String>,
    numbers: [f64; 4],
    action: u8,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Input> {
        let covariances: Vec<&str> = CovarianceMethod::names().collect();
        let assets = u.int_in_range(1..=NAMES.len())?;
        let names = &NAMES[..assets];
        let days = u.int_in_range(2..=40_usize)?;
        let scale = 10_f64.powi(u.int_in_range(-9..=1)?);
        let mut input = Input {
            returns: Vec::new(),
            objective: *u.choose(OBJECTIVES)?,
            covariance: u.choose(&covariances)?,
            constraints: constraints(u, names)?,
            views: views(u, names)?,
            caps: if u.ratio(1, 4)? { object(u, names)? } else { Value::Null },
            prior: if u.ratio(1, 4)? { Some(object(u, names)?.to_string()) } else { None },
            numbers: [number(u)?, number(u)?, number(u)?, number(u)?],
            action: u.arbitrary()?,
        };
        for _ in 0..days {
            let row = (0..assets).map(|_| Ok(f64::from(u.arbitrary::<i8>()?) * scale / 128.0));
            input.returns.push(row.collect::<Result<_>>()?);
        }
        Ok(input)
    }
}

/// A number that a user would write, or any at all.
fn number(u: &mut Unstructured<'_>) -> Result<f64> {
    Ok(match u.int_in_range(0..=9_u8)? {
        0 => u.arbitrary()?,
        1 => 10_f64.powi(u.int_in_range(-320..=308)?),
        2 => f64::from(u.arbitrary::<i8>()?),
        3 => 0.0,
        _ => f64::from(u.arbitrary::<u8>()?) / 200.0,
    })
}

fn object(u: &mut Unstructured<'_>, names: &[&str]) -> Result<Value> {
    let mut object = Map::new();
    for name in names {
        if u.ratio(3, 4)? {
            object.insert((*name).to_owned(), json!(number(u)?));
        }
    }
    Ok(Value::Object(object))
}

fn constraints(u: &mut Unstructured<'_>, names: &[&str]) -> Result<Value> {
    let keys = Constraints::keys();
    let mut object = Map::new();
    for _ in 0..u.int_in_range(0..=4_u8)? {
        let key = *u.choose(&keys)?;
        object.insert(key.to_owned(), constraint(u, key, names)?);
    }
    if object.contains_key("group_min") || object.contains_key("group_max") {
        let labels = names.iter().enumerate().map(|(i, name)| ((*name).to_owned(), json!(["x", "y"][i % 2])));
        object.insert("groups".to_owned(), json!({ "kind": labels.collect::<Map<_, _>>() }));
    }
    Ok(Value::Object(object))
}

fn constraint(u: &mut Unstructured<'_>, key: &str, names: &[&str]) -> Result<Value> {
    Ok(match key {
        "groups" => json!({ "kind": { "A": "x" } }),
        "group_min" | "group_max" => json!({ "kind:x": number(u)? }),
        "benchmark" | "current_weights" | "risk_budgets" => object(u, names)?,
        "min_weight" | "max_weight" if u.ratio(1, 3)? => object(u, names)?,
        "market_neutral" => json!(u.arbitrary::<bool>()?),
        "max_assets" | "clusters" => json!(u.int_in_range(0..=9_u8)?),
        "linkage" => json!(u.choose(&["single", "complete", "average", "ward", "other"])?),
        "distance" => json!(u.choose(&["correlation", "euclidean", "other"])?),
        "leaf_order" => json!(u.choose(&["natural", "optimal", "other"])?),
        _ => json!(number(u)?),
    })
}

fn views(u: &mut Unstructured<'_>, names: &[&str]) -> Result<Value> {
    let mut views = Vec::new();
    for _ in 0..u.int_in_range(0..=3_u8)? {
        let mut view = json!({ "assets": object(u, names)?, "return": number(u)? });
        match u.int_in_range(0..=3_u8)? {
            0 => view["confidence"] = json!(number(u)?),
            1 => view["variance"] = json!(number(u)?),
            _ => (),
        }
        views.push(view);
    }
    Ok(Value::from(views))
}

/// Prices whose returns are these.
fn panel(input: &Input) -> Option<ReturnPanel> {
    let column = |asset: usize| {
        let mut close = 100.0;
        let mut rows = vec![PriceRow { ts: Timestamp(18_000 * DAY), close }];
        for (day, returns) in (18_001..).zip(&input.returns) {
            close *= 1.0 + returns[asset].max(-0.99);
            rows.push(PriceRow { ts: Timestamp(day * DAY), close });
        }
        (NAMES[asset].to_owned(), Series::new(NAMES[asset].to_owned(), rows, usize::MAX))
    };
    let panel = PricePanel::new((0..input.returns[0].len()).map(column).collect());
    answer(ReturnPanel::aligned(&panel, 1_000, 2))
}

fn request(input: &Input) -> Option<Request> {
    let [rate, aversion, tau, _] = input.numbers;
    let default = Request::default();
    let (views, omega) = answer(view_input::parse(&input.views))?;
    Some(Request {
        views,
        omega,
        market_caps: if input.caps.is_null() { None } else { answer(MarketCaps::from_json(&input.caps)) },
        prior: match &input.prior {
            Some(text) => Some(answer(Prior::parse(text))?),
            None => None,
        },
        risk_aversion: answer(RiskAversion::new(aversion)).unwrap_or(default.risk_aversion),
        tau: answer(Tau::new(tau)).unwrap_or(default.tau),
        risk_free_rate: answer(RiskFreeRate::new(rate)).unwrap_or(default.risk_free_rate),
        covariance: answer(CovarianceMethod::parse(input.covariance))?,
        objective: input.objective,
        constraints: answer(Constraints::from_json(&input.constraints))?,
    })
}

fuzz_target!(|input: Input| {
    let (Some(returns), Some(request)) = (panel(&input), request(&input)) else { return };
    match input.action % 5 {
        0 => with_views(&request, &returns, &input),
        1 => without_views(request, &returns, &input),
        2 => frontier(&request, &returns),
        3 => backtested(request, &returns, &input),
        _ => matrices(&input),
    }
});

fn with_views(request: &Request, returns: &ReturnPanel, input: &Input) {
    if let Some(allocation) = answer(black_litterman(request, returns, &watched())) {
        assert_sound(&allocation, request, input);
        for view in &allocation.views {
            assert_finite(
                "a view",
                [&view.view_return, &view.prior_return, &view.posterior_return, &view.pull],
            );
        }
    }
}

fn without_views(mut request: Request, returns: &ReturnPanel, input: &Input) {
    request.views = Default::default();
    let Some(allocation) = answer(optimize_portfolio(&request, returns, &watched())) else { return };
    assert_sound(&allocation, &request, input);
    let weights: Map<String, Value> =
        allocation.holdings.iter().map(|holding| (holding.ticker.clone(), json!(holding.weight))).collect();
    let weights = Value::Object(weights);
    if let Some(seen) = answer(portfolio_performance(&request, returns, &weights, None, &watched())) {
        let expected = allocation.expected_return;
        assert!((seen.expected_return - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{seen:?}");
    }
    if let Some(weights) = answer(allocation::parse_weights(&weights)) {
        shares(&weights, input);
    }
}

/// Finite, and within the limits that can be read off the weights.
fn assert_sound(allocation: &Allocation, request: &Request, input: &Input) {
    let weights: Vec<f64> = allocation.holdings.iter().map(|holding| holding.weight).collect();
    assert_finite("a weight", &weights);
    assert_finite(
        "a number",
        [&allocation.expected_return, &allocation.volatility, &allocation.tracking_error],
    );
    for holding in &allocation.holdings {
        let numbers = [holding.market_weight, holding.prior_return, holding.posterior_return];
        assert_finite("a holding", numbers.iter().chain(&holding.risk_contribution));
    }
    let neutral = input.constraints["market_neutral"] == json!(true);
    let sum: f64 = weights.iter().sum();
    assert!((sum - if neutral { 0.0 } else { 1.0 }).abs() <= SLACK, "{:?}: {weights:?}", request.objective);
    let looks_at = |key: &str| request.objective.constraint_keys().contains(&key);
    let bound = |key: &str| input.constraints[key].as_f64().filter(|_| looks_at(key));
    let slack = SLACK * weights.iter().fold(1.0_f64, |most, weight| most.max(weight.abs()));
    for weight in &weights {
        assert!(bound("max_weight").is_none_or(|most| *weight <= most + slack), "{weights:?}");
        assert!(bound("min_weight").is_none_or(|least| *weight >= least - slack), "{weights:?}");
    }
    if let Some(most) = input.constraints["max_assets"].as_u64().filter(|_| looks_at("max_assets")) {
        assert!(weights.iter().filter(|weight| weight.abs() > SLACK).count() as u64 <= most, "{weights:?}");
    }
}

fn shares(weights: &BTreeMap<String, f64>, input: &Input) {
    let tickers: Vec<String> = weights.keys().cloned().collect();
    let Some(universe) = answer(Universe::new(&tickers)) else { return };
    let price = |(i, ticker): (usize, &String)| (ticker.clone(), input.numbers[i % 4].abs());
    let prices: BTreeMap<String, f64> = tickers.iter().enumerate().map(price).collect();
    let value = 1_000.0 * input.numbers[3].abs();
    for method in [Method::Greedy, Method::Exact] {
        let bought = discrete_allocation(&universe, weights, &prices, value, method, &watched());
        if let Some(bought) = answer(bought) {
            assert_finite("cash", [&bought.leftover]);
        }
    }
}

fn frontier(request: &Request, returns: &ReturnPanel) {
    for point in answer(efficient_frontier(request, returns, 5, &watched())).into_iter().flatten() {
        assert_finite(
            "a point",
            [&point.expected_return, &point.volatility].into_iter().chain(&point.weights),
        );
    }
}

fn backtested(mut request: Request, returns: &ReturnPanel, input: &Input) {
    request.views = Default::default();
    let backtest = Backtest {
        request,
        rebalance: Rebalance::Days(5),
        lookback: 5,
        transaction_cost: input.numbers[3],
        benchmark: None,
        hold_benchmark: false,
    };
    for day in answer(backtest::run(backtest, returns, &Inline, &watched())).into_iter().flatten() {
        assert_finite("a day", [&day.value, &day.gain, &day.cost, &day.drawdown, &day.benchmark_value]);
    }
}

fn matrices(input: &Input) {
    let size = input.returns[0].len();
    let scale = input.numbers[0];
    let element = |(i, j): (usize, usize)| {
        let (i, j) = (i.min(j), i.max(j));
        input.returns[i % input.returns.len()][j] * scale
    };
    let matrix = Array2::from_shape_fn((size, size), element);
    for method in ["spectral", "diag"] {
        let method = FixMethod::parse(method).expect("a method");
        if let Some(fixed) = answer(fix_nonpositive_semidefinite(matrix.view(), method, &watched())) {
            assert_finite("an element", &fixed.matrix);
            let prior = ndarray::Array1::from_elem(size, input.numbers[1]);
            let p = Array2::from_shape_fn((1, size), |(_, j)| input.returns[0][j]);
            let (q, omega) = (ndarray::arr1(&[input.numbers[2]]), ndarray::arr2(&[[input.numbers[3]]]));
            let posterior = bl_posterior(
                fixed.matrix.view(),
                prior.view(),
                p.view(),
                q.view(),
                omega.view(),
                Tau::default(),
                &watched(),
            );
            if let Some(posterior) = answer(posterior) {
                assert_finite("a mean", &posterior.mean);
                assert_finite("a variance", &posterior.covariance);
            }
        }
    }
}
