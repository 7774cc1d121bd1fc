//! Risk parity, hierarchical risk parity, tail risk, trades, frontiers and whole shares.

mod portfolio_support;

use std::collections::BTreeMap;

use folio_core::Error;
use folio_core::portfolio::allocation::{DiscreteAllocation, Method, discrete_allocation};
use folio_core::portfolio::covariance::{Covariance, CovarianceMethod};
use folio_core::portfolio::frontier::risk_contributions;
use folio_core::portfolio::market::Market;
use folio_core::portfolio::market::{self, MarketCaps, Prior, RiskAversion, RiskFreeRate};
use folio_core::portfolio::objective::Constraints;
use folio_core::portfolio::objective::{by_name, optimize};
use folio_core::portfolio::request::{Request, efficient_frontier, portfolio_performance, risk_map};
use folio_core::portfolio::universe::Universe;
use folio_core::portfolio::views::Views;
use folio_core::task::Cancel;
use ndarray::Array1;
use portfolio_support::*;
use serde_json::{Value, json};

fn covariance(method: CovarianceMethod) -> Covariance {
    method.estimate(&returns(), &Cancel::default()).unwrap()
}

fn best(
    covariance: &Covariance,
    means: &Array1<f64>,
    objective: &str,
    constraints: Value,
) -> folio_core::Result<Array1<f64>> {
    let history = returns();
    let market = Market {
        covariance,
        returns: means,
        risk_aversion: RiskAversion::default(),
        risk_free_rate: 0.0,
        market_weights: None,
        history: Some(history.returns()),
    };
    optimize(&market, by_name(objective)?, &Constraints::from_json(&constraints)?, &Cancel::default())
}

fn sample(objective: &str, constraints: Value) -> folio_core::Result<Array1<f64>> {
    let means = market::historical_returns(&returns(), &Cancel::default()).unwrap();
    best(&covariance(CovarianceMethod::parse("sample_cov").unwrap()), &means, objective, constraints)
}

/// The posterior of the golden Black-Litterman case.
fn posterior() -> (Covariance, Array1<f64>) {
    let golden = golden("black_litterman.json");
    let case = &golden["cases"]["market_default_rf0"];
    let universe = Universe::new(&TICKERS.map(str::to_owned)).unwrap();
    let covariance =
        Covariance::new(universe, lower_triangle(&case["posterior_cov"]), &Cancel::default()).unwrap();
    (covariance, by_ticker(&case["posterior_mean"]))
}

#[test]
fn equal_risk_contributions() {
    let golden = golden("hrp_cvar_discrete.json");
    let covariance = covariance(CovarianceMethod::default());
    let means = Array1::zeros(20);
    let weights = best(&covariance, &means, "risk_parity", json!({})).unwrap();
    assert_close(&weights, &by_ticker(&golden["risk_parity_erc_ledoit"]["w"]), 1e-12, "erc");
    let budgets = json!({ "risk_budgets": { "AAPL": 3, "*": 1, "XOM": 0.01 } });
    let weights = best(&covariance, &means, "risk_parity", budgets).unwrap();
    let shares = risk_contributions(&covariance, &weights).unwrap();
    assert!((shares[0] - 3.0 / 21.01).abs() < 1e-11 && (shares[19] - 0.01 / 21.01).abs() < 1e-11);
    assert!((weights.sum() - 1.0).abs() < 1e-15 && weights.iter().all(|w| *w > 0.0));
    for wrong in [json!({ "max_weight": 0.2 }), json!({ "target_return": 0.1 })] {
        assert!(matches!(
            best(&covariance, &means, "risk_parity", wrong),
            Err(Error::InvalidArgument { .. })
        ));
    }
}

#[test]
fn hierarchical_risk_parity_in_all_its_variants() {
    let plain = golden("hrp_cvar_discrete.json");
    for (linkage, key) in [("single", "hrp_returns_single"), ("average", "hrp_returns_average")] {
        let weights = sample("hrp", json!({ "linkage": linkage })).unwrap();
        assert_close(&weights, &by_ticker(&plain[key]), 1e-13, key);
    }
    let shrunk = covariance(CovarianceMethod::default());
    let weights = best(&shrunk, &Array1::zeros(20), "hrp", json!({})).unwrap();
    assert_close(&weights, &by_ticker(&plain["hrp_cov_ledoit_single"]), 1e-13, "ledoit");
    let variants = golden("hrp_variants.json");
    for (name, expected) in variants["variants"].as_object().unwrap() {
        let parts: Vec<&str> = name.split('|').collect();
        let options = json!({
            "linkage": parts[0],
            "distance": if parts[1] == "corr_dist" { "correlation" } else { "euclidean" },
            "leaf_order": if parts[2] == "natural_order" { "natural" } else { "optimal" },
        });
        let weights = sample("hrp", options).unwrap();
        if parts[2] == "natural_order" {
            assert_close(&weights, &by_ticker(expected), 1e-13, name);
        } else {
            // These are SciPy's, whose order is not the best one: hierarchical.rs says more. Ours is compared with
            // all flips of the tree there; here it only has to differ from the natural one.
            assert!((weights.sum() - 1.0).abs() < 1e-14 && weights.iter().all(|w| *w > 0.0));
            assert!(worst(&weights, &by_ticker(expected)) > 1e-3, "{name}: SciPy repaired its order?");
        }
    }
    assert!(matches!(sample("hrp", json!({ "linkage": "centroid" })), Err(Error::UnknownName { .. })));
}

#[test]
fn least_tail_risk() {
    let golden = golden("hrp_cvar_discrete.json");
    let weights = sample("min_cdar", json!({})).unwrap();
    assert_close(&weights, &by_ticker(&golden["min_cdar_95"]["w"]), 1e-7, "cdar");
    let weights = sample("min_cvar", json!({})).unwrap();
    let by_highs = self::golden("extra.json");
    assert_close(&weights, &by_ticker(&by_highs["min_cvar_95"]), 1e-7, "cvar");
    let cvar = |weights: &Array1<f64>| {
        let mut losses: Vec<f64> = returns().returns().dot(weights).iter().map(|gain| -gain).collect();
        losses.sort_by(|a, b| b.total_cmp(a));
        // 5 % of 999 days are 49.95.
        (losses[..49].iter().sum::<f64>() + 0.95 * losses[49]) / 49.95
    };
    assert!((cvar(&weights) - by_highs["min_cvar_95_value"].as_f64().unwrap()).abs() < 1e-10);
    // No portfolio near it has less: pairwise shifts of a thousandth.
    for i in 0..20 {
        for j in (0..20).filter(|&j| j != i && weights[j] >= 1e-3) {
            let mut other = weights.clone();
            other[i] += 1e-3;
            other[j] -= 1e-3;
            assert!(cvar(&other) >= cvar(&weights) - 1e-9, "{i} {j}");
        }
    }
    let bounded = sample("min_cvar", json!({ "max_weight": 0.1, "confidence": 0.9 })).unwrap();
    assert!(bounded.iter().all(|w| *w <= 0.1 && *w >= 0.0) && (bounded.sum() - 1.0).abs() < 1e-8);
    assert!(matches!(sample("min_cvar", json!({ "max_weight": 0.04 })), Err(Error::Infeasible { .. })));
    assert!(matches!(sample("min_cvar", json!({ "confidence": 95 })), Err(Error::InvalidArgument { .. })));
}

#[test]
fn most_diversification() {
    let covariance = covariance(CovarianceMethod::default());
    let weights = best(&covariance, &Array1::zeros(20), "max_diversification", json!({})).unwrap();
    let ratio = |w: &Array1<f64>| w.dot(&covariance.volatility()) / w.dot(&covariance.matrix().dot(w)).sqrt();
    // At the best every held ticker has the same correlation with the whole, every other a larger one
    // (Choueifaty, Froidure and Reynier 2013, core properties).
    let marginal = covariance.matrix().dot(&weights) / &covariance.volatility();
    let risk = weights.dot(&covariance.matrix().dot(&weights)).sqrt();
    for i in 0..20 {
        let correlation = marginal[i] / risk;
        if weights[i] > 1e-9 {
            assert!((correlation - 1.0 / ratio(&weights)).abs() < 1e-10);
        } else {
            assert!(correlation >= 1.0 / ratio(&weights) - 1e-10);
        }
    }
}

#[test]
fn turnover_is_limited_and_priced() {
    let (covariance, means) = posterior();
    let current = golden("black_litterman.json")["inputs"]["market_weights"].clone();
    let limited = json!({ "current_weights": current, "max_turnover": 0.3 });
    let weights = best(&covariance, &means, "max_quadratic_utility", limited).unwrap();
    let expected =
        &golden("optimisation.json")["other"]["bl max_quadratic_utility(2.5), sum|w-w_mkt|<=0.30 long_only"];
    assert_close(&weights, &vector(expected), 1e-7, "turnover");
    let held = by_ticker(&current);
    let turnover = |w: &Array1<f64>| (w - &held).iter().map(|change| change.abs()).sum::<f64>();
    assert!((turnover(&weights) - 0.3).abs() < 1e-9);
    for objective in ["max_sharpe", "min_volatility"] {
        let none =
            best(&covariance, &means, objective, json!({ "current_weights": current, "max_turnover": 0 }))
                .unwrap();
        assert_close(&none, &held, 1e-8, objective);
        let all =
            best(&covariance, &means, objective, json!({ "current_weights": current, "max_turnover": 2 }))
                .unwrap();
        assert_close(&all, &best(&covariance, &means, objective, json!({})).unwrap(), 1e-7, objective);
    }
    // The dearer the trades, the fewer.
    let at = |cost: f64| {
        let constraints = json!({ "current_weights": current, "transaction_cost": cost });
        turnover(&best(&covariance, &means, "max_sharpe", constraints).unwrap())
    };
    let (free, dear, dearest) = (at(0.0), at(0.005), at(0.2));
    assert!(free > dear + 1e-3 && dear > dearest && dearest < 1e-8, "{free} {dear} {dearest}");
    // Bounds that the current weights break need a turnover to be met.
    let tight = json!({ "current_weights": current, "max_turnover": 0.1, "max_weight": 0.1 });
    let Err(Error::Infeasible { feasible, .. }) = best(&covariance, &means, "max_sharpe", tight) else {
        panic!()
    };
    // AAPL and MSFT are 0.2285 over together, and what is sold is bought elsewhere.
    assert!(feasible.contains("0.456921"), "{feasible}");
    assert!(best(&covariance, &means, "max_sharpe", json!({ "max_turnover": 0.1 })).is_err());
}

#[test]
fn frontier_and_performance() {
    let golden_frontier = golden("optimisation.json")["efficient_frontier_bl_long_only_20"].clone();
    let blacklitt = golden("black_litterman.json");
    let request = Request {
        market_caps: Some(MarketCaps::from_json(&blacklitt["inputs"]["market_caps_bn"]).unwrap()),
        views: Views::parse(&json!([
            "AAPL = 10%",
            "MSFT - GE = 5%",
            "0.5 CVX + 0.5 XOM - 0.5 KO - 0.5 PEP = 3%",
            "AMD = -5%"
        ]))
        .unwrap(),
        ..Request::default()
    };
    let frontier = efficient_frontier(&request, &returns(), 20, &Cancel::default()).unwrap();
    for (point, expected) in frontier.iter().zip(golden_frontier.as_array().unwrap()) {
        assert!((point.expected_return - expected["target_return"].as_f64().unwrap()).abs() < 1e-9);
        assert!((point.volatility - expected["volatility"].as_f64().unwrap()).abs() < 1e-6);
    }
    assert!(frontier.windows(2).all(|pair| pair[0].volatility < pair[1].volatility));
    assert!(efficient_frontier(&request, &returns(), 1, &Cancel::default()).is_err());

    let optimum = &golden("optimisation.json")["cases"]["bl/long_only/nosectors/max_sharpe(0.0)"];
    let weights: serde_json::Map<String, Value> = TICKERS
        .iter()
        .zip(optimum["w"].as_array().unwrap())
        .rev()
        .map(|(t, w)| ((*t).to_owned(), w.clone()))
        .collect();
    let weights = Value::from(weights);
    let performance =
        portfolio_performance(&request, &returns(), &weights, Some(&weights), &Cancel::default()).unwrap();
    assert!((performance.expected_return - optimum["return"].as_f64().unwrap()).abs() < 1e-12);
    assert!((performance.volatility - optimum["volatility"].as_f64().unwrap()).abs() < 1e-12);
    assert_eq!((performance.turnover, performance.tracking_error), (Some(0.0), Some(0.0)));
    let map = risk_map(&request, &returns(), 20, &Cancel::default()).unwrap();
    assert_eq!(map.frontier, frontier);
    let best = map.max_sharpe.expect("a portfolio that beats a risk-free rate of zero");
    assert!((best.expected_return - optimum["return"].as_f64().unwrap()).abs() < 1e-6);
    assert!((best.volatility - optimum["volatility"].as_f64().unwrap()).abs() < 1e-6);
    for (ticker, single) in map.tickers.iter().zip(&map.single) {
        let alone = json!({ ticker.as_str(): 1 });
        let expected = portfolio_performance(&request, &returns(), &alone, None, &Cancel::default()).unwrap();
        assert_eq!(*single, expected, "{ticker}");
    }
    let risk_free_rate = RiskFreeRate::new(0.9).unwrap();
    let prior = Some(Prior::parse("historical").unwrap());
    let rich = Request { risk_free_rate, prior, ..Request::default() };
    let map = risk_map(&rich, &returns(), 5, &Cancel::default()).unwrap();
    assert!(map.max_sharpe.is_none() && map.frontier.len() == 5, "no ticker returns 90 % a year");
    let stranger =
        portfolio_performance(&request, &returns(), &json!({ "TSLA": 1 }), None, &Cancel::default());
    assert!(matches!(stranger, Err(Error::UnknownName { .. })));
}

#[test]
fn budgets_of_some_leave_the_rest_to_the_others() {
    let covariance = covariance(CovarianceMethod::parse("sample_cov").unwrap());
    let means = Array1::zeros(20);
    let shares = |budgets: Value| {
        let weights = best(&covariance, &means, "risk_parity", json!({ "risk_budgets": budgets }))?;
        Ok(risk_contributions(&covariance, &weights).unwrap())
    };
    let some = shares(json!({ "AAPL": 0.3, "XOM": "20 %" })).unwrap();
    assert!((some[0] - 0.3).abs() < 1e-11 && (some[19] - 0.2).abs() < 1e-11, "{some}");
    assert!(some.iter().skip(1).take(18).all(|share| (share - 0.5 / 18.0).abs() < 1e-11), "{some}");
    // From one on a budget is a multiple of what the others have.
    let three = shares(json!({ "AAPL": 3 })).unwrap();
    assert!((three[0] - 3.0 / 22.0).abs() < 1e-11 && (three[1] - 1.0 / 22.0).abs() < 1e-11, "{three}");
    let none: folio_core::Result<Array1<f64>> = shares(json!({ "AAPL": 0.6, "XOM": 0.5 }));
    assert!(matches!(none, Err(Error::InvalidArgument { argument: "risk_budgets", .. })), "{none:?}");
}

#[test]
fn a_frontier_with_costs_has_equal_steps_of_what_is_left() {
    let costs = json!({ "current_weights": { "AAPL": 0.5, "KO": 0.5 }, "transaction_cost": 0.01 });
    let request = Request {
        constraints: Constraints::from_json(&costs).unwrap(),
        prior: Some(Prior::Historical),
        ..Request::default()
    };
    let points = efficient_frontier(&request, &returns(), 9, &Cancel::default()).unwrap();
    let step = points[1].expected_return - points[0].expected_return;
    for (pair, number) in points.windows(2).zip(1..) {
        let found = pair[1].expected_return - pair[0].expected_return;
        assert!((found - step).abs() < 1e-6, "step {number}: {found} {step}");
    }
    // What is left is what the weights are expected to earn without the cost of getting there.
    let universe = Universe::new(&TICKERS.map(str::to_owned)).unwrap();
    let held = json!({ "AAPL": 0.5, "KO": 0.5 });
    for point in &points {
        let weights: serde_json::Map<String, Value> = universe
            .tickers()
            .iter()
            .zip(&point.weights)
            .map(|(ticker, weight)| (ticker.clone(), json!(weight)))
            .collect();
        let performance = portfolio_performance(
            &request,
            &returns(),
            &Value::Object(weights),
            Some(&held),
            &Cancel::default(),
        );
        let performance = performance.unwrap();
        let cost = 0.01 * performance.turnover.unwrap();
        assert!((performance.expected_return - cost - point.expected_return).abs() < 1e-12);
    }
}

#[test]
fn what_weights_leave_is_cash_that_earns() {
    let request = Request { risk_free_rate: RiskFreeRate::new(0.04).unwrap(), ..Request::default() };
    let of = |weights: Value, benchmark: Option<Value>| {
        portfolio_performance(&request, &returns(), &weights, benchmark.as_ref(), &Cancel::default())
    };
    let whole = of(json!({ "AAPL": 1 }), Some(json!("AAPL"))).unwrap();
    assert_eq!(whole.tracking_error, Some(0.0));
    let half = of(json!({ "AAPL": 0.5 }), None).unwrap();
    assert!((half.expected_return - (whole.expected_return + 0.04) / 2.0).abs() < 1e-15);
    assert!(
        (half.sharpe_ratio.unwrap() - whole.sharpe_ratio.unwrap()).abs() < 1e-12,
        "cash changes no ratio"
    );
    let more = of(json!({ "AAPL": 0.8, "KO": 0.4 }), None);
    assert!(matches!(more, Err(Error::InvalidArgument { argument: "weights", .. })), "{more:?}");
}

fn greedy(
    universe: &Universe,
    weights: &BTreeMap<String, f64>,
    prices: &BTreeMap<String, f64>,
    value: f64,
) -> folio_core::Result<DiscreteAllocation> {
    discrete_allocation(universe, weights, prices, value, Method::Greedy, &Cancel::default())
}

#[test]
fn whole_shares_as_pypfopt_buys_them() {
    let golden = golden("hrp_cvar_discrete.json");
    let universe = Universe::new(&TICKERS.map(str::to_owned)).unwrap();
    let map = |value: &Value| -> BTreeMap<String, f64> {
        value
            .as_object()
            .unwrap()
            .iter()
            .map(|(ticker, value)| (ticker.clone(), value.as_f64().unwrap()))
            .collect()
    };
    let prices = map(&golden["latest_prices"]);
    let optimum = golden_weights("bl/long_only/nosectors/max_sharpe(0.0)");
    for value in [10_000.0, 100_000.0, 1_000_000.0] {
        let expected =
            &golden[format!("discrete bl/long_only/nosectors/max_sharpe(0.0) greedy_portfolio {value}")];
        let allocation = greedy(&universe, &optimum, &prices, value).unwrap();
        for (ticker, shares) in TICKERS.iter().zip(&allocation.shares) {
            assert_eq!(*shares, expected["shares"][*ticker].as_i64().unwrap_or(0), "{value} {ticker}");
        }
        assert!((allocation.leftover - expected["leftover_recomputed"].as_f64().unwrap()).abs() < 1e-6);
    }
    let mut short = optimum.clone();
    short.insert("AMD".to_owned(), -0.2);
    let allocation = greedy(&universe, &short, &prices, 100_000.0).unwrap();
    assert!(allocation.shares[1] == -(20_000.0_f64 / 62.57) as i64);
    assert!(matches!(
        greedy(&universe, &optimum, &prices, 10.0),
        Err(Error::InvalidArgument { argument: "value", .. })
    ));
    assert!(greedy(&universe, &optimum, &prices, f64::NAN).is_err());
    let mut missing = prices.clone();
    missing.remove("XOM");
    assert!(matches!(
        greedy(&universe, &optimum, &missing, 1e5),
        Err(Error::InvalidArgument { argument: "prices", .. })
    ));
    missing.insert("XOM".to_owned(), 0.0);
    assert!(
        matches!(greedy(&universe, &optimum, &missing, 1e5), Err(Error::InvalidArgument { value, .. }) if value.contains("XOM"))
    );
}

/// The weights of a golden case, cut to five decimals as PyPortfolioOpt's `clean_weights` does.
fn golden_weights(name: &str) -> BTreeMap<String, f64> {
    let golden = golden("optimisation.json");
    let weights = golden["cases"][name]["w"].as_array().unwrap().clone();
    TICKERS
        .iter()
        .zip(weights)
        .map(|(ticker, weight)| {
            ((*ticker).to_owned(), (weight.as_f64().unwrap().max(0.0) * 1e5).round() / 1e5)
        })
        .collect()
}
