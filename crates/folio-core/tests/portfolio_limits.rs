//! Limits on the tracking error, leverage and turnover, and portfolios of clusters, against other libraries.

mod portfolio_support;

use folio_core::Error;
use folio_core::portfolio::allocation::{Method, discrete_allocation};
use folio_core::portfolio::covariance::{Covariance, CovarianceMethod};
use folio_core::portfolio::market::Market;
use folio_core::portfolio::market::{self, MarketCaps, Prior, RiskAversion};
use folio_core::portfolio::objective::Constraints;
use folio_core::portfolio::objective::{ClusterOptions, by_name, clusters, optimize};
use folio_core::portfolio::request::{Request, efficient_frontier};
use folio_core::portfolio::universe::Universe;
use folio_core::task::{Cancel, Seed};
use ndarray::Array1;
use portfolio_support::*;
use rand_core::Rng;
use serde_json::{Value, json};

struct Case {
    covariance: Covariance,
    means: Array1<f64>,
    market: Array1<f64>,
}

fn case() -> Case {
    let covariance =
        CovarianceMethod::parse("sample_cov").unwrap().estimate(&returns(), &Cancel::default()).unwrap();
    let weights = by_ticker(&golden("black_litterman.json")["inputs"]["market_weights"]);
    Case {
        covariance,
        means: market::historical_returns(&returns(), &Cancel::default()).unwrap(),
        market: weights,
    }
}

impl Case {
    fn best(&self, objective: &str, constraints: Value) -> folio_core::Result<Array1<f64>> {
        let history = returns();
        let market = Market {
            covariance: &self.covariance,
            returns: &self.means,
            risk_aversion: RiskAversion::default(),
            risk_free_rate: 0.02,
            market_weights: Some(&self.market),
            history: Some(history.returns()),
        };
        optimize(&market, by_name(objective)?, &Constraints::from_json(&constraints)?, &Cancel::default())
    }

    /// The best of a golden case, whose turnover is from the market's weights.
    fn golden_best(&self, objective: &str, options: &Value) -> Array1<f64> {
        let mut constraints = options.clone();
        if options.get("max_turnover").is_some() {
            constraints["current_weights"] =
                golden("black_litterman.json")["inputs"]["market_weights"].clone();
        }
        self.best(objective, constraints).unwrap_or_else(|error| panic!("{objective} {options}: {error:?}"))
    }

    fn variance(&self, w: &Array1<f64>) -> f64 {
        w.dot(&self.covariance.matrix().dot(w))
    }

    fn tracking_error(&self, w: &Array1<f64>) -> f64 {
        self.variance(&(w - &self.market)).sqrt()
    }

    /// What the objective is at weights, the larger the better.
    fn value(&self, objective: &str, l2: f64, w: &Array1<f64>) -> f64 {
        let (gain, penalty) = (self.means.dot(w), l2 * w.dot(w));
        match objective {
            "max_sharpe" => (gain - 0.02) / (self.variance(w) + penalty).sqrt(),
            "max_quadratic_utility" => gain - 1.25 * self.variance(w) - penalty,
            "efficient_risk" => gain - penalty,
            "max_diversification" => w.dot(&self.covariance.volatility()) / self.variance(w).sqrt(),
            _ => -self.variance(w) - penalty,
        }
    }
}

#[test]
fn limited_optima_are_those_of_another_solver() {
    let case = case();
    let mut largest = 0.0_f64;
    let golden = golden("limits.json");
    let cases = golden["limits"].as_array().unwrap();
    assert_eq!(cases.len(), 35);
    for golden in cases {
        let (objective, options) = (golden["objective"].as_str().unwrap(), &golden["options"]);
        let name = format!("{objective} {options}");
        let weights = case.golden_best(objective, options);
        let expected = vector(&golden["weights"]);
        largest = largest.max(worst(&weights, &expected));
        // The other one's weights are good to the root of its tolerance, its value far better.
        assert_close(&weights, &expected, 2e-6, &name);
        let option = |key: &str, otherwise: f64| options[key].as_f64().unwrap_or(otherwise);
        let l2 = option("l2_penalty", 0.0);
        let gain = case.value(objective, l2, &weights) - case.value(objective, l2, &expected);
        assert!(gain > -1e-10, "{name}: worse by {gain:e}");
        let (low, high) = (option("min_weight", 0.0), option("max_weight", 1.0));
        assert!(weights.iter().all(|w| (low - 1e-9..=high + 1e-9).contains(w)), "{name}");
        let gross: f64 = weights.iter().map(|w| w.abs()).sum();
        let turnover: f64 = (&weights - &case.market).iter().map(|w| w.abs()).sum();
        for (value, limit) in [
            (weights.sum(), 1.0),
            (case.tracking_error(&weights), option("max_tracking_error", f64::INFINITY)),
            (gross, option("max_gross", f64::INFINITY)),
            (turnover, option("max_turnover", f64::INFINITY)),
            (case.variance(&weights).sqrt(), option("target_volatility", f64::INFINITY)),
            (option("target_return", f64::NEG_INFINITY), case.means.dot(&weights)),
        ] {
            assert!(value <= limit + 1e-9, "{name}: {value} over {limit}");
        }
    }
    println!("largest difference {largest:e}");
}

#[test]
fn limits_that_do_not_bind_change_nothing() {
    let case = case();
    for objective in ["min_volatility", "max_quadratic_utility", "max_sharpe", "max_diversification"] {
        let free = case.best(objective, json!({})).unwrap();
        let far = case.best(objective, json!({ "max_tracking_error": 0.9 })).unwrap();
        assert_close(&far, &free, 1e-14, objective);
        let long_only = case.best(objective, json!({ "max_gross": 1 })).unwrap();
        assert_close(&long_only, &free, 1e-8, objective);
    }
    // A benchmark of one's own instead of the market; at a thousandth of a percent it is all there is.
    let benchmark = json!({ "KO": 0.5, "PEP": 0.5 });
    let near = json!({ "benchmark": benchmark, "max_tracking_error": 1e-5 });
    let weights = case.best("max_sharpe", near).unwrap();
    assert!((weights[9] - 0.5).abs() < 1e-3 && (weights[13] - 0.5).abs() < 1e-3, "{weights}");
}

#[test]
fn leverage_and_turnover_limit_tail_risks_too() {
    let case = case();
    for objective in ["min_cvar", "min_cdar"] {
        let bounds = json!({ "min_weight": -0.2, "max_weight": 0.4 });
        let free = case.best(objective, bounds).unwrap();
        let gross = |w: &Array1<f64>| w.iter().map(|w| w.abs()).sum::<f64>();
        assert!(gross(&free) > 1.4, "{objective}: {}", gross(&free));
        let limited = json!({ "min_weight": -0.2, "max_weight": 0.4, "max_gross": 1.2 });
        let weights = case.best(objective, limited).unwrap();
        assert!((gross(&weights) - 1.2).abs() < 1e-8, "{objective}: {}", gross(&weights));
        let long = case.best(objective, json!({ "max_weight": 0.4 })).unwrap();
        let same = case.best(objective, json!({ "max_weight": 0.4, "max_gross": 1 })).unwrap();
        assert_close(&same, &long, 1e-6, objective);
        let current: Value =
            TICKERS.iter().zip(&case.market).map(|(t, w)| ((*t).to_owned(), json!(w))).collect();
        let weights =
            case.best(objective, json!({ "current_weights": current, "max_turnover": 0.2 })).unwrap();
        let turnover: f64 = (&weights - &case.market).iter().map(|w| w.abs()).sum();
        assert!((turnover - 0.2).abs() < 1e-8, "{objective}: {turnover}");
    }
}

/// The mean of the worst days of losses or drawdowns.
fn tail(objective: &str, confidence: f64, weights: &Array1<f64>) -> f64 {
    let mut below = 0.0_f64;
    let mut measured: Vec<f64> = Vec::new();
    for gain in returns().returns().dot(weights) {
        below = (below - gain).max(0.0);
        measured.push(if objective == "min_cvar" { -gain } else { below });
    }
    measured.sort_by(|a, b| b.total_cmp(a));
    let count = (1.0 - confidence) * measured.len() as f64;
    let whole = count as usize;
    (measured[..whole].iter().sum::<f64>() + (count - whole as f64) * measured[whole]) / count
}

#[test]
fn tails_within_a_tracking_error_are_those_of_another_solver() {
    let case = case();
    let golden = golden("tails.json");
    let cases = golden["tails"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for golden in cases {
        let (objective, options) = (golden["objective"].as_str().unwrap(), &golden["options"]);
        let name = format!("{objective} {options}");
        let weights = case.golden_best(objective, options);
        let limit = options["max_tracking_error"].as_f64().unwrap();
        assert!(case.tracking_error(&weights) <= limit + 1e-9, "{name}");
        let found = tail(objective, options["confidence"].as_f64().unwrap_or(0.95), &weights);
        let least = golden["value"].as_f64().unwrap();
        assert!((found - least).abs() <= 1e-8 * least, "{name}: {found}, not {least}");
        assert_close(&weights, &vector(&golden["weights"]), 1e-5, &name);
    }
    // Out of reach: the least is named, and a hair more works.
    for objective in ["min_cvar", "min_cdar"] {
        let near = |error: f64| json!({ "max_weight": 0.1, "max_tracking_error": error });
        let Err(Error::Infeasible { feasible, .. }) = case.best(objective, near(0.001)) else { panic!() };
        let least: f64 = feasible.strip_prefix("max_tracking_error at least ").unwrap().parse().unwrap();
        assert!(case.best(objective, near(least * (1.0 + 1e-6))).is_ok(), "{objective} {least}");
    }
}

#[test]
fn limits_out_of_reach_say_what_is_in_reach() {
    let case = case();
    let feasible = |constraints: Value| match case.best("max_sharpe", constraints) {
        Err(Error::Infeasible { reason, feasible }) => (reason, feasible),
        other => panic!("{other:?}"),
    };
    let (reason, bound) = feasible(json!({ "max_gross": 0.9 }));
    assert!(reason.contains("max_gross 0.9") && bound == "max_gross at least 1.000000", "{reason}: {bound}");
    let (_, bound) = feasible(
        json!({ "min_weight": { "AAPL": -0.3, "*": 0 }, "max_weight": { "AAPL": -0.1, "*": 1 }, "max_gross": 1.1 }),
    );
    assert_eq!(bound, "max_gross at least 1.200000");
    // The nearest bound is one that works, and nothing under it does.
    let near = |error: f64| json!({ "max_weight": 0.1, "max_tracking_error": error });
    let (reason, bound) = feasible(near(0.001));
    assert!(reason.contains("max_tracking_error 0.001"), "{reason}");
    let least: f64 = bound.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(case.best("max_sharpe", near(least * (1.0 + 1e-6))).is_ok());
    feasible(near(least * (1.0 - 1e-6)));
    // Trades and leverage together: each is named when it is the one.
    let both = |turnover: f64, gross: f64| {
        json!({ "current_weights": { "AAPL": 1.2, "XOM": -0.2 }, "max_turnover": turnover, "max_gross": gross,
            "min_weight": -0.2, "max_weight": { "AAPL": 1.2, "*": 1 } })
    };
    let (_, bound) = feasible(both(0.1, 1.2));
    assert_eq!(bound, "max_turnover at least 0.200000");
    let (_, bound) = feasible(both(0.1, 0.8));
    assert_eq!(bound, "max_gross at least 1.000000");
    let (_, bound) = feasible(json!({ "max_weight": 0.04, "max_gross": 2, "max_tracking_error": 0.1 }));
    assert_eq!(bound, "max_weight at least 0.05");
    let target = |key: &str| json!({ "max_tracking_error": 0.03, key: if key == "target_return" { 0.5 } else { 0.1 } });
    for (objective, key) in [("efficient_return", "target_return"), ("efficient_risk", "target_volatility")] {
        let Err(Error::Infeasible { feasible, .. }) = case.best(objective, target(key)) else { panic!() };
        let bound: f64 = feasible.rsplit(' ').next().unwrap().parse().unwrap();
        let nearly = bound * if key == "target_return" { 1.0 - 1e-9 } else { 1.0 + 1e-9 };
        let weights = case.best(objective, json!({ "max_tracking_error": 0.03, key: nearly })).unwrap();
        assert!(case.tracking_error(&weights) <= 0.03 + 1e-9);
    }
    for (objective, wrong, argument) in [
        ("max_sharpe", json!({ "benchmark": { "KO": 1 } }), "benchmark"),
        ("max_sharpe", json!({ "benchmark": { "KO": 0.9 }, "max_tracking_error": 0.1 }), "benchmark"),
        ("max_quadratic_utility", json!({ "market_neutral": true, "max_tracking_error": 0.1 }), "benchmark"),
        ("max_sharpe", json!({ "max_tracking_error": 0 }), "max_tracking_error"),
        ("max_sharpe", json!({ "max_gross": -1 }), "max_gross"),
        ("risk_parity", json!({ "max_gross": 1 }), "max_gross"),
        ("hrp", json!({ "max_tracking_error": 0.1 }), "max_tracking_error"),
        ("min_cvar", json!({ "benchmark": { "KO": 1 } }), "benchmark"),
    ] {
        let outcome = case.best(objective, wrong.clone());
        assert!(
            matches!(&outcome, Err(Error::InvalidArgument { argument: named, .. }) if *named == argument),
            "{wrong}: {outcome:?}"
        );
    }
}

#[test]
fn clustered_portfolios_are_those_of_another_library() {
    let case = case();
    for golden in golden("limits.json")["hierarchical"].as_array().unwrap() {
        for objective in ["herc", "nco"] {
            let weights = case.best(objective, golden["options"].clone()).unwrap();
            // The other one's inner portfolios are interior points'.
            let tolerance = if objective == "herc" { 1e-12 } else { 1e-5 };
            let name = format!("{objective} {}", golden["options"]);
            assert_close(&weights, &vector(&golden[objective]), tolerance, &name);
        }
    }
    // One cluster is the least variance, as many as tickers too; Ward's tree and a number of clusters are the default.
    let least = case.best("min_volatility", json!({})).unwrap();
    for clusters in [1, 20] {
        assert_close(&case.best("nco", json!({ "clusters": clusters })).unwrap(), &least, 1e-10, "nco");
    }
    let inverse = case.covariance.matrix().diag().mapv(|variance| 1.0 / variance);
    let whole = case.best("herc", json!({ "clusters": 1 })).unwrap();
    assert_close(&whole, &(&inverse / inverse.sum()), 1e-14, "herc of one cluster");
    let found = clusters(&case.covariance, ClusterOptions::default(), &Cancel::default()).unwrap();
    for objective in ["herc", "nco"] {
        let named = json!({ "clusters": found.len(), "linkage": "ward", "distance": "correlation" });
        assert_eq!(case.best(objective, named).unwrap(), case.best(objective, json!({})).unwrap());
    }
    for wrong in [
        json!({ "clusters": 0 }),
        json!({ "clusters": 21 }),
        json!({ "clusters": 2.5 }),
        json!({ "leaf_order": "natural" }),
    ] {
        assert!(matches!(case.best("herc", wrong), Err(Error::InvalidArgument { .. })));
    }
}

#[test]
fn few_assets_are_the_best_of_their_own_and_near_the_best_of_all() {
    let case = case();
    let held = |w: &Array1<f64>| (0..20).filter(|&i| w[i].abs() > 1e-9).collect::<Vec<_>>();
    for objective in
        ["min_volatility", "max_sharpe", "max_quadratic_utility", "max_diversification", "min_cvar"]
    {
        for most in [1, 3, 6] {
            let weights = case.best(objective, json!({ "max_assets": most })).unwrap();
            let chosen = held(&weights);
            assert!(
                chosen.len() <= most && (weights.sum() - 1.0).abs() < 1e-9,
                "{objective} {most}: {chosen:?}"
            );
            let mut only = json!({ "*": 0 });
            for i in chosen {
                only[TICKERS[i]] = json!(1);
            }
            let own = case.best(objective, json!({ "max_weight": only })).unwrap();
            assert_close(&weights, &own, 1e-7, objective);
        }
        let all = case.best(objective, json!({ "max_assets": 20 })).unwrap();
        assert_eq!(all, case.best(objective, json!({})).unwrap());
    }
    // Every three tickers, one by one.
    let heuristic = case.best("min_volatility", json!({ "max_assets": 3 })).unwrap();
    let mut least = f64::INFINITY;
    for (i, one) in TICKERS.iter().enumerate() {
        for (j, two) in TICKERS[..i].iter().enumerate() {
            for three in &TICKERS[..j] {
                let only = json!({ "*": 0, *one: 1, *two: 1, *three: 1 });
                let weights = case.best("min_volatility", json!({ "max_weight": only })).unwrap();
                least = least.min(case.variance(&weights));
            }
        }
    }
    let ratio = (case.variance(&heuristic) / least).sqrt();
    assert!((1.0 - 1e-9..1.02).contains(&ratio), "{ratio} of the least volatility");
}

#[test]
fn few_assets_beside_other_constraints() {
    let case = case();
    let sectors = golden("optimisation.json")["sectors"].clone();
    let groups = json!({ "groups": { "sector": sectors }, "group_min": { "sector:Tech": 0.2, "sector:Energy": 0.2 },
        "max_weight": 0.3, "max_assets": 5 });
    let weights = case.best("min_volatility", groups).unwrap();
    let sum =
        |sector: &str| (0..20).filter(|&i| sectors[TICKERS[i]] == *sector).map(|i| weights[i]).sum::<f64>();
    assert!(sum("Tech") >= 0.2 - 1e-9 && sum("Energy") >= 0.2 - 1e-9);
    assert!(
        weights.iter().filter(|w| w.abs() > 1e-9).count() <= 5 && weights.iter().all(|w| *w <= 0.3 + 1e-9)
    );
    let both = json!({ "max_assets": 8, "max_tracking_error": 0.08 });
    let weights = case.best("max_sharpe", both).unwrap();
    assert!(weights.iter().filter(|w| w.abs() > 1e-9).count() <= 8);
    assert!(case.tracking_error(&weights) <= 0.08 + 1e-9);
    for (constraints, least) in [
        (json!({ "max_assets": 5, "max_weight": 0.1 }), "max_assets at least 10"),
        (
            json!({ "max_assets": 2, "min_weight": { "KO": 0.1, "PG": 0.1, "GE": 0.1 } }),
            "max_assets at least 3",
        ),
    ] {
        let outcome = case.best("min_volatility", constraints);
        assert!(
            matches!(&outcome, Err(Error::Infeasible { feasible, .. }) if feasible == least),
            "{outcome:?}"
        );
    }
    // Three tickers cannot be this near to twenty; how many it takes is a heuristic's answer that works.
    let near = |most: usize| json!({ "max_assets": most, "max_tracking_error": 0.03 });
    let Err(Error::Infeasible { feasible, .. }) = case.best("min_volatility", near(3)) else { panic!() };
    let most = feasible.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(case.best("min_volatility", near(most)).is_ok(), "{feasible}");
    for objective in ["risk_parity", "hrp", "herc", "nco"] {
        let outcome = case.best(objective, json!({ "max_assets": 5 }));
        assert!(matches!(outcome, Err(Error::InvalidArgument { argument: "max_assets", .. })));
    }
}

#[test]
fn whole_shares_are_the_nearest_that_an_integer_solver_finds() {
    let universe = Universe::new(&TICKERS.map(str::to_owned)).unwrap();
    let map = |value: &Value| -> std::collections::BTreeMap<String, f64> {
        value
            .as_object()
            .unwrap()
            .iter()
            .map(|(ticker, value)| (ticker.clone(), value.as_f64().unwrap()))
            .collect()
    };
    let prices = map(&golden("hrp_cvar_discrete.json")["latest_prices"]);
    for golden in golden("limits.json")["whole_shares"].as_array().unwrap() {
        let (value, weights) = (golden["value"].as_f64().unwrap(), map(&golden["weights"]));
        let buy = |method: Method| {
            let bought =
                discrete_allocation(&universe, &weights, &prices, value, method, &Cancel::default()).unwrap();
            let spent = |(ticker, shares): (&&str, &i64)| *shares as f64 * prices[*ticker];
            let cash = value - TICKERS.iter().zip(&bought.shares).map(spent).sum::<f64>();
            assert!((cash - bought.leftover).abs() < 1e-6 && cash > -1e-6);
            let off = |(ticker, shares): (&&str, &i64)| {
                (spent((ticker, shares)) - weights.get(*ticker).unwrap_or(&0.0) * value).abs()
            };
            let deviation = TICKERS.iter().zip(&bought.shares).map(off).sum::<f64>();
            (deviation, bought.method)
        };
        let (deviation, method) = buy(Method::Exact);
        let least = golden["deviation"].as_f64().unwrap();
        assert_eq!(method, "exact", "{value}");
        assert!((deviation - least).abs() <= 1e-6, "{value} {}: {deviation}, not {least}", weights.len());
        let (greedy, method) = buy(Method::Greedy);
        assert!(greedy >= least - 1e-9 && method == "greedy");
    }
    // Both sides of a portfolio with short positions.
    let weights = map(&json!({ "AAPL": 0.7, "KO": 0.3, "GE": -0.25 }));
    let bought =
        discrete_allocation(&universe, &weights, &prices, 20_000.0, Method::Exact, &Cancel::default());
    assert_eq!(bought.unwrap().shares[5], -(5_000.0 / prices["GE"]).round() as i64);
    // A hundred for twenty tickers at sixty and more: no share at all is what is nearest.
    let equal: std::collections::BTreeMap<String, f64> =
        TICKERS.iter().map(|t| ((*t).to_owned(), 0.05)).collect();
    let none =
        discrete_allocation(&universe, &equal, &prices, 100.0, Method::Exact, &Cancel::default()).unwrap();
    assert!(none.shares.iter().all(|shares| *shares == 0) && none.leftover == 100.0);
}

/// The sum of |shares price - weight value|.
fn deviation(shares: &[i64], prices: &[f64], weights: &[f64], value: f64) -> f64 {
    let off =
        |((shares, price), weight): ((&i64, &f64), &f64)| (*shares as f64 * price - weight * value).abs();
    shares.iter().zip(prices).zip(weights).map(off).sum()
}

/// Shares of tickers with these prices and weights, by a method, and how they were found.
fn bought(prices: &[f64], weights: &[f64], value: f64, method: Method) -> (Vec<i64>, &'static str) {
    let names: Vec<String> = (0..prices.len()).map(|i| format!("T{i:02}")).collect();
    let named = |values: &[f64]| names.iter().cloned().zip(values.iter().copied()).collect();
    let universe = Universe::new(&names).unwrap();
    let (weights, prices) = (named(weights), named(prices));
    let found = discrete_allocation(&universe, &weights, &prices, value, method, &Cancel::default()).unwrap();
    (found.shares, found.method)
}

#[test]
fn an_exact_search_without_an_end_gives_the_greedy_shares_and_says_so() {
    // 75 for each of 42 tickers at 100: any 31 shares are as near as any others, and half a share more always looks better.
    let (prices, weights) = ([100.0; 42], [1.0 / 42.0; 42]);
    let (shares, method) = bought(&prices, &weights, 3150.0, Method::Exact);
    assert_eq!(method, "greedy: exact came to no end");
    assert_eq!(shares, bought(&prices, &weights, 3150.0, Method::Greedy).0);
    assert_eq!(shares.iter().sum::<i64>(), 31);
}

#[test]
fn exact_shares_are_never_further_off_than_greedy_ones() {
    let mut rng = Seed(5).rng();
    let mut number = move || rng.next_u64() as f64 / u64::MAX as f64;
    let mut nearer = 0;
    for trial in 0..200 {
        let count = 1 + trial % 12;
        let prices: Vec<f64> = (0..count).map(|_| 1.0 + 200.0 * number()).collect();
        let raw: Vec<f64> = (0..count).map(|_| 0.01 + number()).collect();
        let weights: Vec<f64> = raw.iter().map(|weight| weight / raw.iter().sum::<f64>()).collect();
        let value = 250.0 + 5_000.0 * number();
        let off = |method: Method| {
            let (shares, _) = bought(&prices, &weights, value, method);
            let spent: f64 = shares.iter().zip(&prices).map(|(shares, price)| *shares as f64 * price).sum();
            assert!(spent <= value * (1.0 + 1e-11));
            deviation(&shares, &prices, &weights, value)
        };
        let (exact, greedy) = (off(Method::Exact), off(Method::Greedy));
        assert!(exact <= greedy + 1e-9 * value, "{trial}: {exact} after {greedy}");
        nearer += usize::from(exact < greedy - 1e-6 * value);
    }
    assert!(nearer > 50, "nearer in {nearer} of 200 trials only");
}

/// Every number of shares for every ticker that leaves the cash which the weights leave, short ones rounded up at most;
/// gives the least sum of |shares price - weight value|.
fn least_by_trial(prices: &[f64], weights: &[f64], value: f64, money: f64) -> f64 {
    let Some((price, prices)) = prices.split_first() else {
        return if money >= -1e-9 * value { 0.0 } else { f64::INFINITY };
    };
    let amount = weights[0] * value;
    let counts = if amount < 0.0 {
        (amount / price).floor() as i64..=0
    } else {
        0..=(amount / price).floor() as i64 + 1
    };
    let of = |shares: i64| {
        let worth = shares as f64 * price;
        (worth - amount).abs() + least_by_trial(prices, &weights[1..], value, money - worth)
    };
    counts.map(of).fold(f64::INFINITY, f64::min)
}

#[test]
fn whole_shares_leave_the_cash_that_the_weights_leave() {
    let mut rng = Seed(7).rng();
    let mut number = move || rng.next_u64() as f64 / u64::MAX as f64;
    let (mut with_shorts, mut with_cash) = (0, 0);
    for trial in 0..300 {
        let count = 1 + trial % 4;
        let prices: Vec<f64> = (0..count).map(|_| 5.0 + 60.0 * number()).collect();
        let mut weights: Vec<f64> = (0..count).map(|_| 0.02 + number()).collect();
        for weight in weights.iter_mut().skip(1) {
            *weight *= if number() < 0.3 { -0.5 } else { 1.0 };
        }
        // A sum of one, or of part of it.
        let (sum, part) = (weights.iter().sum::<f64>(), if trial % 3 == 0 { 1.0 } else { 0.9 * number() });
        if sum < 0.1 {
            continue;
        }
        weights.iter_mut().for_each(|weight| *weight *= part / sum);
        let value = 150.0 + 200.0 * number();
        with_shorts += usize::from(weights.iter().any(|weight| *weight < 0.0));
        with_cash += usize::from(part < 1.0);
        for method in [Method::Greedy, Method::Exact] {
            let universe =
                Universe::new(&(0..count).map(|i| format!("T{i:02}")).collect::<Vec<_>>()).unwrap();
            let named =
                |values: &[f64]| universe.tickers().iter().cloned().zip(values.iter().copied()).collect();
            let found = discrete_allocation(
                &universe,
                &named(&weights),
                &named(&prices),
                value,
                method,
                &Cancel::default(),
            )
            .unwrap();
            let worth: f64 = found.shares.iter().zip(&prices).map(|(n, price)| *n as f64 * price).sum();
            assert!((worth + found.leftover - value).abs() < 1e-9, "{trial}: the sum is the value");
            assert!(found.leftover >= value * (1.0 - part) - 1e-9 * value, "{trial} {method:?}: {found:?}");
            let off = deviation(&found.shares, &prices, &weights, value);
            let least = least_by_trial(&prices, &weights, value, value * part);
            if method == Method::Exact {
                assert!(
                    (off - least).abs() <= 1e-9 * value,
                    "{trial}: {off} instead of {least}, {weights:?}"
                );
            } else {
                assert!(off >= least - 1e-9 * value, "{trial}");
                follows_its_rule(&found.shares, &prices, &weights, found.leftover - value * (1.0 - part));
            }
        }
    }
    assert!(with_shorts > 50 && with_cash > 100, "{with_shorts} {with_cash}");
}

/// No ticker that is under its weight in what is invested can be paid for.
fn follows_its_rule(shares: &[i64], prices: &[f64], weights: &[f64], left: f64) {
    let longs = || (0..shares.len()).filter(|&i| weights[i] > 0.0);
    let invested: f64 = longs().map(|i| shares[i] as f64 * prices[i]).sum();
    let total: f64 = longs().map(|i| weights[i]).sum();
    for i in longs() {
        let now = if invested > 0.0 { shares[i] as f64 * prices[i] / invested } else { 0.0 };
        assert!(
            prices[i] > left - 1e-9 || now >= weights[i] / total - 1e-12,
            "{i} of {shares:?}, {left} left"
        );
    }
}

#[test]
fn weights_are_kept_as_they_are_given() {
    // .25/.25 of a hundred thousand: the other half stays in cash.
    let (prices, value) = ([125.67, 233.8], 100_000.0);
    for method in [Method::Greedy, Method::Exact] {
        let (shares, _) = bought(&prices, &[0.25, 0.25], value, method);
        let invested = shares[0] as f64 * prices[0] + shares[1] as f64 * prices[1];
        assert!(invested <= 50_000.0 && invested > 49_700.0, "{invested}");
        // Shorts are shares of the value, too.
        let (shares, _) = bought(&[125.67, 233.8, 62.57], &[0.65, 0.65, -0.3], value, method);
        for (count, (price, weight)) in shares.iter().zip([(125.67, 0.65), (233.8, 0.65), (62.57, -0.3)]) {
            assert!((*count as f64 * price - weight * value).abs() <= price, "{shares:?}");
        }
        let (shares, _) = bought(&prices, &[0.5, -0.5], value, method);
        let off =
            (shares[0] as f64 * prices[0] - 50_000.0).abs() + (shares[1] as f64 * prices[1] + 50_000.0).abs();
        assert!(off <= prices.iter().sum::<f64>() * 2.0, "{shares:?}");
    }
    let universe = Universe::new(&["A", "B"].map(str::to_owned)).unwrap();
    let named = |a: f64, b: f64| [("A".to_owned(), a), ("B".to_owned(), b)].into_iter().collect();
    let over = discrete_allocation(
        &universe,
        &named(1.0, 0.5),
        &named(10.0, 20.0),
        1e4,
        Method::Greedy,
        &Cancel::default(),
    );
    assert!(matches!(over, Err(Error::InvalidArgument { argument: "weights", .. })));
}

#[test]
fn a_frontier_ends_where_its_limits_end() {
    let returns = returns();
    let market: Value = golden("black_litterman.json")["inputs"]["market_caps_bn"].clone();
    let limits =
        json!({ "max_tracking_error": 0.05, "min_weight": -0.1, "max_weight": 0.4, "max_gross": 1.2 });
    let request = Request {
        market_caps: Some(MarketCaps::from_json(&market).unwrap()),
        prior: Some(Prior::Historical),
        constraints: Constraints::from_json(&limits).unwrap(),
        covariance: CovarianceMethod::parse("sample_cov").unwrap(),
        ..Request::default()
    };
    let frontier = efficient_frontier(&request, &returns, 8, &Cancel::default()).unwrap();
    let case = case();
    assert!(frontier.windows(2).all(|pair| {
        pair[0].volatility < pair[1].volatility && pair[0].expected_return < pair[1].expected_return
    }));
    for point in &frontier {
        assert!(case.tracking_error(&point.weights) <= 0.05 + 1e-9);
        assert!(point.weights.iter().map(|w| w.abs()).sum::<f64>() <= 1.2 + 1e-9);
    }
    let last = &frontier[7];
    assert!((case.tracking_error(&last.weights) - 0.05).abs() < 1e-8);
    let mut beyond = json!({ "target_return": last.expected_return + 1e-6 });
    beyond.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    assert!(matches!(case.best("efficient_return", beyond), Err(Error::Infeasible { .. })));
}
