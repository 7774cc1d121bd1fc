//! Optimal weights against exact solutions of an independent solver.

mod portfolio_support;

use folio_core::portfolio::covariance::{Covariance, CovarianceMethod};
use folio_core::portfolio::market::Market;
use folio_core::portfolio::market::{self, RiskAversion};
use folio_core::portfolio::objective::Constraints;
use folio_core::portfolio::objective::{Objective, by_name, optimize};
use folio_core::task::Cancel;
use ndarray::Array1;
use portfolio_support::*;
use serde_json::{Value, json};

/// The two sets of inputs of the golden file: posterior and history.
fn inputs(set: &str) -> (Covariance, Array1<f64>) {
    let returns = returns();
    let estimate = CovarianceMethod::default().estimate(&returns, &Cancel::default()).unwrap();
    if set == "hist" {
        return (estimate, market::historical_returns(&returns, &Cancel::default()).unwrap());
    }
    let golden = golden("black_litterman.json");
    let case = &golden["cases"]["market_default_rf0"];
    let matrix = lower_triangle(&case["posterior_cov"]);
    let covariance = Covariance::new(estimate.universe().clone(), matrix, &Cancel::default()).unwrap();
    (covariance, by_ticker(&case["posterior_mean"]))
}

fn constraints(golden: &Value, bounds: &str, sectors: &str) -> Value {
    let mut object = match bounds {
        "long_only" => json!({}),
        "cap10" => json!({ "max_weight": 0.1 }),
        "ls" => json!({ "min_weight": -0.1, "max_weight": 0.2 }),
        other => panic!("{other}"),
    };
    if sectors == "sectors" {
        object["groups"] = json!({ "sector": golden["sectors"] });
        object["group_min"] = golden["sector_bounds"]["group_min"].clone();
        object["group_max"] = golden["sector_bounds"]["group_max"].clone();
    }
    object
}

fn solve(
    (covariance, returns): &(Covariance, Array1<f64>),
    objective: &'static dyn Objective,
    constraints: &Value,
) -> folio_core::Result<Array1<f64>> {
    let market = Market {
        covariance,
        returns,
        risk_aversion: RiskAversion::default(),
        risk_free_rate: 0.0,
        market_weights: None,
        history: None,
    };
    optimize(&market, objective, &Constraints::from_json(constraints)?, &Cancel::default())
}

#[test]
fn forty_eight_exact_optima() {
    let golden = golden("optimisation.json");
    let sets = [("bl", inputs("bl")), ("hist", inputs("hist"))];
    let mut largest = 0.0_f64;
    let cases = golden["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 48);
    for (name, case) in cases {
        let parts: Vec<&str> = name.split('/').collect();
        let market = &sets.iter().find(|(set, _)| *set == parts[0]).unwrap().1;
        let mut constraints = constraints(&golden, parts[1], parts[2]);
        let (objective, number) = parts[3].trim_end_matches(')').split_once('(').unwrap_or((parts[3], ""));
        if objective == "efficient_risk" {
            constraints["target_volatility"] = number.parse::<f64>().unwrap().into();
        }
        let weights = solve(market, by_name(objective).unwrap(), &constraints)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let difference = worst(&weights, &vector(&case["w"]));
        assert!(difference <= 1e-8, "{name}: differs by {difference:e}");
        largest = largest.max(difference);
    }
    // Most of them agree far better; this is what the release notes may claim.
    assert!(largest <= 1e-9, "{largest:e}");
}

#[test]
fn the_long_only_frontier() {
    let golden = golden("optimisation.json");
    let market = inputs("bl");
    for point in golden["efficient_frontier_bl_long_only_20"].as_array().unwrap() {
        let target = point["target_return"].as_f64().unwrap();
        let weights =
            solve(&market, by_name("efficient_return").unwrap(), &json!({ "target_return": target }))
                .unwrap();
        assert_close(&weights, &vector(&point["w"]), 1e-8, &format!("target {target}"));
    }
}

#[test]
fn closed_forms_without_bounds() {
    let golden = golden("optimisation.json");
    let market = inputs("bl");
    let free = json!({ "min_weight": "-1000 %", "max_weight": "1000 %" });
    for (objective, key) in [
        (by_name("min_volatility").unwrap(), "min_vol_unconstrained"),
        (by_name("max_sharpe").unwrap(), "tangency_rf0_unconstrained"),
    ] {
        let weights = solve(&market, objective, &free).unwrap();
        assert_close(&weights, &vector(&golden["closed_form_bl"][key]), 1e-11, key);
    }
}

#[test]
fn penalty_and_market_neutrality() {
    let golden = golden("optimisation.json");
    let market = inputs("bl");
    let weights = solve(&market, by_name("min_volatility").unwrap(), &json!({ "l2_penalty": 0.1 })).unwrap();
    let expected = vector(&golden["other"]["bl min_volatility + L2_reg(0.1) long_only"]);
    assert_close(&weights, &expected, 1e-11, "l2");
    let neutral = json!({ "market_neutral": true, "min_weight": -0.2, "max_weight": 0.2 });
    let weights = solve(&market, by_name("max_quadratic_utility").unwrap(), &neutral).unwrap();
    let expected = vector(&golden["other"]["bl max_quadratic_utility(2.5, market_neutral) bounds +-0.2"]);
    assert_close(&weights, &expected, 1e-10, "market neutral");
}
