//! The whole calls, their properties, and the inputs that break other libraries.

mod portfolio_support;

use folio_core::Error;
use folio_core::portfolio::black_litterman::{Omega, bl_posterior};
use folio_core::portfolio::covariance::{
    Covariance, CovarianceMethod, FixMethod, fix_nonpositive_semidefinite,
};
use folio_core::portfolio::market::{MarketCaps, Prior, RiskAversion, RiskFreeRate, Tau};
use folio_core::portfolio::objective::Constraints;
use folio_core::portfolio::objective::{OBJECTIVES, by_name};
use folio_core::portfolio::request::{
    Allocation, Request, black_litterman, efficient_frontier, optimize_portfolio, portfolio_performance,
};
use folio_core::portfolio::universe::Universe;
use folio_core::portfolio::views::Views;
use folio_core::portfolio::weight_report::weight_report;
use folio_core::task::Cancel;
use ndarray::{Array1, Array2};
use portfolio_support::*;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};

fn caps() -> Value {
    golden("black_litterman.json")["inputs"]["market_caps_bn"].clone()
}

fn four_views() -> Value {
    json!(["AAPL = 10%", "MSFT - GE = 5%", "0.5 CVX + 0.5 XOM - 0.5 KO - 0.5 PEP = 3%", "AMD = -5%"])
}

fn request(views: Value) -> Request {
    Request {
        views: Views::parse(&views).unwrap(),
        market_caps: Some(MarketCaps::from_json(&caps()).unwrap()),
        ..Request::default()
    }
}

fn run(request: &Request) -> folio_core::Result<Allocation> {
    black_litterman(request, &returns(), &Cancel::default())
}

fn column(
    allocation: &Allocation,
    of: impl Fn(&folio_core::portfolio::request::Holding) -> f64,
) -> Array1<f64> {
    allocation.holdings.iter().map(of).collect()
}

#[test]
fn text_views_give_pypfopt_posteriors_and_exact_weights() {
    let allocation = run(&request(four_views())).unwrap();
    let case = &golden("black_litterman.json")["cases"]["market_default_rf0"];
    assert_close(
        &column(&allocation, |h| h.posterior_return),
        &by_ticker(&case["posterior_mean"]),
        1e-13,
        "mean",
    );
    assert_close(&column(&allocation, |h| h.prior_return), &by_ticker(&case["pi"]), 1e-13, "prior");
    assert_close(&allocation.covariance, &lower_triangle(&case["posterior_cov"]), 1e-13, "covariance");
    let optimum = &golden("optimisation.json")["cases"]["bl/long_only/nosectors/max_sharpe(0.0)"];
    assert_close(&column(&allocation, |h| h.weight), &vector(&optimum["w"]), 1e-9, "weights");
    assert!((allocation.volatility - optimum["volatility"].as_f64().unwrap()).abs() < 1e-12);
    assert!((allocation.expected_return - optimum["return"].as_f64().unwrap()).abs() < 1e-12);

    let shares: f64 = allocation.holdings.iter().map(|h| h.risk_contribution.unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-14);
    let touched: Vec<&str> =
        allocation.holdings.iter().filter(|h| h.view_return.is_some()).map(|h| h.ticker.as_str()).collect();
    assert_eq!(touched, ["AAPL", "AMD", "CVX", "GE", "KO", "MSFT", "PEP", "XOM"]);
    let view_return = |ticker: &str| {
        allocation.holdings.iter().find(|h| h.ticker == ticker).and_then(|h| h.view_return).unwrap()
    };
    assert!((view_return("AAPL") - 0.1).abs() < 1e-14);
    assert!((view_return("MSFT") - view_return("GE") - 0.05).abs() < 1e-14);
}

#[test]
fn idzorek_confidences() {
    let confidences = golden("black_litterman.json")["inputs"]["view_confidences"].clone();
    let texts = four_views();
    let views: Vec<Value> =
        (0..4).map(|i| json!({ "view": texts[i], "confidence": confidences[i] })).collect();
    let allocation = run(&request(Value::from(views))).unwrap();
    for (report, confidence) in allocation.views.iter().zip(confidences.as_array().unwrap()) {
        let c = confidence.as_f64().unwrap();
        // Omega = tau (1-c)/c p Sigma p', and tau p Sigma p' is the default's omega.
        let case = &golden("black_litterman.json")["cases"]["market_default_rf0"];
        let place = allocation.views.iter().position(|other| other == report).unwrap();
        let expected = (1.0 - c) / c * case["omega_diag"][place].as_f64().unwrap();
        assert!((report.omega.unwrap() - expected).abs() < 1e-15);
    }
    // One view alone: its pull is exactly its confidence of the way (Walters 2014), and so is its tilt.
    for c in [0.0, 0.25, 0.5, 0.9, 1.0] {
        let allocation = run(&request(json!({ "view": "AAPL = 10%", "confidence": c }))).unwrap();
        let report = &allocation.views[0];
        let way = report.pull / (report.view_return - report.prior_return);
        assert!((way - c).abs() < 1e-13, "{c}: {way}");
        assert!((report.implied_confidence.unwrap() - c).abs() < 1e-12);
    }
}

/// Gaussian elimination, independent of the engine's.
fn gauss(mut a: Array2<f64>, mut b: Array1<f64>) -> Array1<f64> {
    let n = b.len();
    for k in 0..n {
        for i in k + 1..n {
            let factor = a[[i, k]] / a[[k, k]];
            for j in 0..n {
                let take = factor * a[[k, j]];
                a[[i, j]] -= take;
            }
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        b[k] = (b[k] - (k + 1..n).map(|j| a[[k, j]] * b[j]).sum::<f64>()) / a[[k, k]];
    }
    b
}

#[test]
fn view_reports_add_up_to_the_unconstrained_weights() {
    for rf in [0.0, 0.03] {
        let mut request = request(four_views());
        request.risk_free_rate = RiskFreeRate::new(rf).unwrap();
        let allocation = run(&request).unwrap();
        let mean = column(&allocation, |h| h.posterior_return) - rf;
        let star = gauss(allocation.covariance.clone(), mean) / 2.5;
        let sharpe = (allocation.expected_return - rf) / allocation.volatility;
        assert!((allocation.sharpe_ratio.unwrap() - sharpe).abs() < 1e-13);
        let mut built = column(&allocation, |h| h.market_weight) / 1.05;
        for report in &allocation.views {
            built += &report.contribution;
            assert!((report.posterior_return - report.prior_return - report.pull).abs() < 1e-15);
        }
        assert_close(&built, &star, 1e-11, "w*");
    }
}

#[test]
fn a_view_of_no_confidence_is_the_prior_bit_for_bit() {
    let ignored = run(&request(json!([{ "view": "AAPL = 50%", "confidence": 0 }]))).unwrap();
    let none = run(&request(json!([]))).unwrap();
    let strip = |allocation: &Allocation| {
        allocation.holdings.iter().map(|h| (h.posterior_return, h.weight)).collect::<Vec<_>>()
    };
    assert_eq!(strip(&ignored), strip(&none));
    assert!(ignored.holdings.iter().all(|h| h.posterior_return == h.prior_return));
    assert_eq!(ignored.views[0].omega, None);
}

/// What is measured of the worst twentieth of the days.
fn tail(days: &Array2<f64>, weights: &Array1<f64>) -> f64 {
    let mut losses: Vec<f64> = days.rows().into_iter().map(|day| -day.dot(weights)).collect();
    losses.sort_by(|a, b| b.total_cmp(a));
    let part = losses.len() as f64 * 0.05;
    let whole = part.floor() as usize;
    (losses[..whole].iter().sum::<f64>() + (part - whole as f64) * losses[whole]) / part
}

#[test]
fn tail_objectives_see_views_and_covariance() {
    for objective in ["min_cvar", "min_cdar"] {
        let with = |views: Value| {
            let mut request = request(views);
            request.objective = by_name(objective).unwrap();
            run(&request).unwrap()
        };
        let weights = |allocation: &Allocation| column(allocation, |h| h.weight);
        let none = weights(&with(json!([])));
        let ignored = weights(&with(json!([{ "view": "KO = -60%", "confidence": 0 }])));
        assert_eq!(none, ignored, "{objective}");
        // A little confidence moves a little, more moves more.
        let faint = weights(&with(json!([{ "view": "KO = -60%", "confidence": 1e-7 }])));
        assert_close(&none, &faint, 1e-3, objective);
        let position = TICKERS.iter().position(|ticker| *ticker == "KO").unwrap();
        let certain = weights(&with(json!([{ "view": "KO = -60%", "confidence": 1 }])));
        assert!(
            none[position] > 0.01 && certain[position] < none[position] / 2.0,
            "{objective}: {none} {certain}"
        );
        let praised = weights(&with(json!([{ "view": "AMD = 150%", "confidence": 1 }])));
        assert!(praised[1] > none[1] + 0.05, "{objective}: {praised}");
        let mut other = request(json!([]));
        other.objective = by_name(objective).unwrap();
        other.covariance = CovarianceMethod::parse("exp_cov(30)").unwrap();
        assert!(worst(&weights(&run(&other).unwrap()), &none) > 1e-3, "{objective}: the covariance counts");
        // Without a model the days are what they were.
        let plain = optimize_portfolio(&other, &returns(), &Cancel::default()).unwrap();
        let same = Request { covariance: CovarianceMethod::default(), ..other };
        let same = optimize_portfolio(&same, &returns(), &Cancel::default()).unwrap();
        assert_eq!(weights(&plain), weights(&same), "{objective}");
    }
}

#[test]
fn a_tail_with_views_is_the_least_of_the_days_moved_to_the_posterior() {
    let mut request = request(four_views());
    request.objective = by_name("min_cvar").unwrap();
    request.covariance = CovarianceMethod::parse("sample_cov").unwrap();
    let allocation = run(&request).unwrap();
    let mean = column(&allocation, |h| h.posterior_return);
    // Another map to the same mean and covariance, by Cholesky factors, has no say about single days; the engine's own has:
    // its days are near to the history's, so their tail beside that of other weights is the least.
    let history = returns();
    let days = history.returns();
    let centre = days.mean_axis(ndarray::Axis(0)).unwrap();
    let shift = &mean / 252.0 - &centre;
    let moved = days + &shift;
    let best = column(&allocation, |h| h.weight);
    // tau is small, so the covariance moves by a few percent only, and the shifted days are nearly the scenarios.
    let own = tail(&moved, &best);
    for other in [Array1::from_elem(20, 0.05), column(&allocation, |h| h.market_weight)] {
        assert!(own < tail(&moved, &other));
    }
    let plain =
        optimize_portfolio(&Request { views: Views::default(), ..request }, &history, &Cancel::default());
    let plain = column(&plain.unwrap(), |h| h.weight);
    assert!(own < tail(&moved, &plain) && tail(days, &plain) < tail(days, &best));
}

#[test]
fn no_long_only_weight_is_under_zero() {
    for objective in OBJECTIVES {
        for covariance in ["ledoit_wolf_constant_variance", "sample_cov", "denoised"] {
            let mut request = Request { objective: *objective, ..request(four_views()) };
            let Ok(covariance) = CovarianceMethod::parse(covariance) else { continue };
            request.covariance = covariance;
            let targets = match objective.name() {
                "efficient_risk" => json!({ "target_volatility": 0.25 }),
                "efficient_return" => json!({ "target_return": 0.06 }),
                _ => json!({}),
            };
            request.constraints = Constraints::from_json(&targets).unwrap();
            let weights = column(&run(&request).unwrap(), |h| h.weight);
            assert!(weights.iter().all(|weight| *weight >= 0.0), "{}: {weights}", objective.name());
        }
    }
}

#[test]
fn a_view_that_nobody_believes_changes_no_volatility() {
    let weights = json!({ "AAPL": 0.5, "XOM": 0.5 });
    let performance =
        |views: Value| portfolio_performance(&request(views), &returns(), &weights, None, &Cancel::default());
    let ignored = json!([{ "view": "AAPL = 50%", "confidence": 0 }]);
    assert_eq!(performance(json!([])), performance(ignored));
    let unknown = performance(json!([{ "view": "APPL = 50%", "confidence": 0 }]));
    assert!(matches!(unknown, Err(Error::InvalidView { .. })), "{unknown:?}");
}

#[test]
fn each_view_has_a_confidence_and_a_reason_where_none_is_implied() {
    let views = json!([
        { "view": "AAPL = 10%", "confidence": 0.6 },
        { "view": "AAPL - MSFT = 9%", "confidence": 0.3 },
        { "view": "MSFT = 12%", "confidence": 0.9 },
        { "view": "GE = 3%", "confidence": 0 },
        "XOM = 4%",
    ]);
    let reports = run(&request(views)).unwrap().views;
    for (report, stated) in reports.iter().zip([0.6, 0.3, 0.9, 0.0, 0.5]) {
        assert!((report.confidence - stated).abs() < 1e-12, "{report:?}");
        assert_eq!(report.implied_confidence.is_none(), report.remark.is_some(), "{report:?}");
    }
    assert!(reports.iter().any(|report| report.remark.is_some()), "{reports:?}");
    let own = json!({ "assets": { "AAPL": 1 }, "return": 0.1, "variance": 0.02 });
    let report = &run(&request(json!([own]))).unwrap().views[0];
    assert_eq!(report.view, "AAPL = 10.00 %");
    assert!((report.confidence - report.implied_confidence.unwrap()).abs() < 1e-12);
}

#[test]
fn a_weight_report_names_the_limits_that_bind_and_what_is_without_them() {
    let with = |constraints: Value| {
        let constraints = Constraints::from_json(&constraints).unwrap();
        let objective = by_name("max_quadratic_utility").unwrap();
        Request {
            constraints,
            objective,
            risk_aversion: RiskAversion::new(2.5).unwrap(),
            ..request(four_views())
        }
    };
    let limits = json!({ "max_weight": 0.12 });
    let rows = weight_report(&with(limits.clone()), &returns(), &Cancel::default()).unwrap();
    let allocation = run(&with(limits)).unwrap();
    let capped: Vec<usize> = (0..20).filter(|i| allocation.holdings[*i].weight > 0.12 - 1e-9).collect();
    assert!(capped.len() > 1 && capped.len() < 9, "{capped:?}");
    for (index, (row, holding)) in rows.iter().zip(&allocation.holdings).enumerate() {
        assert_eq!((&row.ticker, row.weight), (&holding.ticker, holding.weight));
        assert_eq!(row.view_pull, holding.posterior_return - holding.prior_return);
        assert_eq!(row.limits == ["max_weight 0.12"], capped.contains(&index), "{row:?}");
        assert_eq!(row.limits == ["long only"], holding.weight < 1e-9, "{row:?}");
        assert_eq!(row.without.is_none(), row.limits.is_empty());
    }
    // The same call with one bound lifted; what one gives up is utility.
    let first = capped[0];
    let ticker = TICKERS[first];
    let lifted = run(&with(json!({ "max_weight": { ticker: 1.0, "*": 0.12 } }))).unwrap();
    let without = rows[first].without.unwrap();
    assert!((without.weight - lifted.holdings[first].weight).abs() < 1e-7 && without.weight > 0.121);
    let delta = 2.5;
    let utility = |mean: f64, volatility: f64| mean - delta / 2.0 * volatility * volatility;
    let own = utility(allocation.expected_return, allocation.volatility);
    assert!(utility(without.expected_return, without.volatility) > own);
    // Limits of all weights together bind on each; what follows from the covariance keeps to none.
    let tight = json!({ "max_turnover": 0.1, "current_weights": { "KO": 1 } });
    let rows = weight_report(&with(tight), &returns(), &Cancel::default()).unwrap();
    assert!(rows.iter().all(|row| row.limits.contains(&"max_turnover 0.1".to_owned())), "{rows:?}");
    let label = |ticker: &str| if ["AAPL", "AMD", "MSFT"].contains(&ticker) { "Tech" } else { "Rest" };
    let labels: serde_json::Map<String, Value> =
        TICKERS.iter().map(|ticker| ((*ticker).to_owned(), json!(label(ticker)))).collect();
    let tech = json!({ "groups": { "sector": labels }, "group_max": { "sector:Tech": 0.1 } });
    let rows = weight_report(&with(tech), &returns(), &Cancel::default()).unwrap();
    for row in rows {
        let expected = label(&row.ticker) == "Tech";
        assert_eq!(row.limits.contains(&"sector:Tech at most 0.1".to_owned()), expected, "{row:?}");
    }
    let hrp = Request { objective: by_name("hrp").unwrap(), ..request(four_views()) };
    let rows = weight_report(&hrp, &returns(), &Cancel::default()).unwrap();
    assert!(rows.iter().all(|row| row.limits.is_empty() && row.without.is_none()));
}

#[test]
fn what_is_one_over_n_by_construction_says_so() {
    let plain = Request::default();
    let noticed =
        |request: &Request| optimize_portfolio(request, &returns(), &Cancel::default()).unwrap().notice;
    assert!(noticed(&plain).is_some_and(|notice| notice.contains("1/N by construction")));
    assert!(run(&plain).unwrap().notice.is_some(), "of the posterior too");
    assert_eq!(noticed(&request(json!([]))), None);
    assert_eq!(noticed(&Request { objective: by_name("min_volatility").unwrap(), ..plain.clone() }), None);
    let with = |constraints: Value| {
        let constraints = Constraints::from_json(&constraints).unwrap();
        noticed(&Request { constraints, ..request(json!([])) })
    };
    assert!(with(json!({ "max_assets": 5 })).is_some_and(|notice| notice.contains("heuristic")));
    assert_eq!(with(json!({ "max_assets": 20 })), None, "it does not bind");
}

#[test]
fn a_capitalisation_too_many_does_not_matter() {
    let mut caps = caps();
    let own = run(&request(four_views())).unwrap();
    caps["TSLA"] = json!(700);
    let more = Request { market_caps: Some(MarketCaps::from_json(&caps).unwrap()), ..request(four_views()) };
    assert_eq!(run(&more).unwrap(), own);
    caps.as_object_mut().unwrap().remove("XOM");
    let less = Request { market_caps: Some(MarketCaps::from_json(&caps).unwrap()), ..request(four_views()) };
    assert!(matches!(run(&less), Err(Error::InvalidArgument { value, .. }) if value.contains("XOM")));
}

#[test]
fn the_market_is_the_answer_to_the_market_prior() {
    // Reverse optimisation and back: without views quadratic utility at the same risk aversion holds the market.
    let mut request = request(json!([]));
    request.objective = by_name("max_quadratic_utility").unwrap();
    let allocation = optimize_portfolio(&request, &returns(), &Cancel::default()).unwrap();
    let difference =
        column(&allocation, |h| h.active_weight).iter().fold(0.0_f64, |worst, d| worst.max(d.abs()));
    assert!(difference < 1e-12, "{difference:e}");
    request.objective = by_name("max_sharpe").unwrap();
    request.risk_free_rate = RiskFreeRate::new(0.02).unwrap();
    let allocation = optimize_portfolio(&request, &returns(), &Cancel::default()).unwrap();
    let difference =
        column(&allocation, |h| h.active_weight).iter().fold(0.0_f64, |worst, d| worst.max(d.abs()));
    assert!(difference < 1e-12, "with a risk-free rate: {difference:e}");
}

#[test]
fn group_views_and_given_omegas() {
    let sectors = golden("optimisation.json")["sectors"].clone();
    let mut request = request(json!(["sector:Energy - sector:Staples = 3%"]));
    request.constraints = Constraints::from_json(&json!({ "groups": { "sector": sectors } })).unwrap();
    let allocation = run(&request).unwrap();
    let touched = allocation.holdings.iter().filter(|h| h.view_return.is_some()).count();
    assert_eq!(touched, 7);
    request.omega = Omega::Diagonal(vec![1e-4]);
    let diagonal = run(&request).unwrap();
    request.omega = Omega::Full(ndarray::arr2(&[[1e-4]]));
    assert_eq!(run(&request).unwrap().holdings, diagonal.holdings);
    for wrong in [Omega::Diagonal(vec![]), Omega::Diagonal(vec![-1.0]), Omega::Full(Array2::zeros((2, 2)))] {
        request.omega = wrong;
        assert!(matches!(run(&request), Err(Error::InvalidArgument { argument: "omega", .. })));
    }
    let mut both = self::request(json!([{ "view": "AAPL = 5%", "confidence": 0.5 }]));
    both.omega = Omega::Diagonal(vec![1e-4]);
    assert!(matches!(run(&both), Err(Error::InvalidArgument { argument: "omega", .. })));
}

#[test]
fn degenerate_histories() {
    let wave = |period: f64, n: usize| (0..n).map(|t| 0.01 * (t as f64 * period).sin()).collect::<Vec<f64>>();
    let names: Vec<String> = (0..8).map(|i| format!("T{i}")).collect();
    // Fewer returns than tickers: the sample covariance is singular, and the least volatility is still found.
    let columns: Vec<(&str, Vec<f64>)> =
        names.iter().enumerate().map(|(i, name)| (name.as_str(), wave(1.0 + i as f64 * 0.37, 5))).collect();
    let panel = panel_of(&columns);
    for method in CovarianceMethod::names() {
        let request = Request {
            covariance: CovarianceMethod::parse(method).unwrap(),
            objective: by_name("min_volatility").unwrap(),
            ..Request::default()
        };
        let allocation = match optimize_portfolio(&request, &panel, &Cancel::default()) {
            // The one that needs more returns says how many.
            Err(Error::TooShort { need, .. }) if method == "nonlinear_shrinkage" => {
                assert_eq!(need, 13);
                continue;
            }
            result => result.unwrap_or_else(|e| panic!("{method}: {e}")),
        };
        let total: f64 = allocation.holdings.iter().map(|h| h.weight).sum();
        assert!((total - 1.0).abs() < 1e-9, "{method}: {total}");
        assert!(allocation.holdings.iter().all(|h| h.weight >= -1e-9), "{method}");
    }
    // A price that never moves takes all the weight where risk is all that counts.
    let still = panel_of(&[("A", wave(1.3, 50)), ("CASH", vec![0.0; 50]), ("B", wave(2.1, 50))]);
    let request = Request {
        covariance: CovarianceMethod::parse("sample_cov").unwrap(),
        objective: by_name("min_volatility").unwrap(),
        ..Request::default()
    };
    let allocation = optimize_portfolio(&request, &still, &Cancel::default()).unwrap();
    assert!((allocation.holdings[1].weight - 1.0).abs() < 1e-6, "{:?}", allocation.holdings);
    for method in CovarianceMethod::names() {
        let covariance =
            CovarianceMethod::parse(method).unwrap().estimate(&still, &Cancel::default()).unwrap();
        assert!(covariance.matrix().iter().all(|value| value.is_finite()), "{method}");
    }
    // A view on it has no variance to move.
    let mut certain = request.clone();
    certain.views = Views::parse(&json!(["CASH = 3%"])).unwrap();
    assert!(
        matches!(black_litterman(&certain, &still, &Cancel::default()), Err(Error::InvalidView { view, .. }) if view == "CASH = 3%")
    );
    // One ticker alone.
    let alone = panel_of(&[("A", wave(1.3, 50))]);
    for &objective in &OBJECTIVES[..3] {
        let request = Request { objective, ..Request::default() };
        assert_eq!(black_litterman(&request, &alone, &Cancel::default()).unwrap().holdings[0].weight, 1.0);
    }
}

#[test]
fn given_covariances_are_checked_and_repaired_only_when_asked() {
    let universe = || Universe::new(&["A", "B", "C"].map(str::to_owned)).unwrap();
    let indefinite = ndarray::arr2(&[[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]]);
    let new = |matrix: Array2<f64>| Covariance::new(universe(), matrix, &Cancel::default());
    let Err(Error::NotPositiveSemidefinite { smallest_eigenvalue }) = new(indefinite.clone()) else {
        panic!()
    };
    assert!((smallest_eigenvalue + 0.8).abs() < 1e-12);
    let fix = |matrix: &Array2<f64>, method: &str| {
        fix_nonpositive_semidefinite(matrix.view(), FixMethod::parse(method)?, &Cancel::default())
    };
    // The eigenvectors of 1.9, 1.9 and -0.8: what is taken away is 0.8/3 of (1, -1, 1)(1, -1, 1)'.
    let spectral = fix(&indefinite, "spectral").unwrap();
    let away = ndarray::arr2(&[[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, 1.0]]) * (0.8 / 3.0);
    assert_close(&spectral.matrix, &(&indefinite + &away), 1e-14, "spectral");
    let diag = fix(&indefinite, "diag").unwrap();
    assert_close(&diag.matrix, &(&indefinite + &(Array2::<f64>::eye(3) * 0.88)), 1e-14, "diag");
    for (fixed, change) in [(&spectral, 0.8 / 3.0), (&diag, 0.88)] {
        assert!(new(fixed.matrix.clone()).is_ok());
        assert!(
            (fixed.smallest_eigenvalue + 0.8).abs() < 1e-12 && (fixed.largest_change - change).abs() < 1e-12
        );
    }
    let kept = fix(&Array2::<f64>::eye(3), "spectral").unwrap();
    assert!(kept.matrix == Array2::<f64>::eye(3) && kept.largest_change == 0.0);
    assert!(matches!(fix(&indefinite, "nearest"), Err(Error::UnknownName { kind: "fix_method", .. })));
    let skewed = ndarray::arr2(&[[1.0, 0.5], [0.4, 1.0]]);
    assert!(matches!(fix(&skewed, "diag"), Err(Error::InvalidArgument { argument: "matrix", .. })));
    // Singular is not indefinite.
    assert!(new(Array2::ones((3, 3))).is_ok());
    assert!(new(Array2::zeros((3, 3))).is_ok());
    for bad in [Array2::zeros((2, 3)), Array2::from_elem((3, 3), f64::NAN)] {
        assert!(matches!(new(bad), Err(Error::InvalidArgument { argument: "covariance", .. })));
    }
    let mut skew = Array2::eye(3);
    skew[[0, 1]] = 0.5;
    assert!(matches!(new(skew), Err(Error::InvalidArgument { value, .. }) if value.contains("1,2")));
}

#[test]
fn plain_matrices_are_checked() {
    let cancel = Cancel::default();
    let solve = |covariance: &Array2<f64>, prior: &[f64], p: &Array2<f64>, q: &[f64], omega: &Array2<f64>| {
        let (prior, q) = (Array1::from(prior.to_vec()), Array1::from(q.to_vec()));
        bl_posterior(
            covariance.view(),
            prior.view(),
            p.view(),
            q.view(),
            omega.view(),
            Tau::default(),
            &cancel,
        )
    };
    let (eye, p, omega) = (Array2::eye(2), ndarray::arr2(&[[1.0, 0.0]]), ndarray::arr2(&[[0.05]]));
    // Half of the way, by hand: tau p Sigma p' is omega.
    let mean = solve(&eye, &[0.1, 0.2], &p, &[0.2], &omega).unwrap().mean;
    assert_close(&mean, &ndarray::arr1(&[0.15, 0.2]), 1e-16, "mean");
    let empty = Array2::zeros((0, 0));
    assert_eq!(solve(&eye, &[0.1, 0.2], &empty, &[], &empty).unwrap().mean.to_vec(), [0.1, 0.2]);
    let indefinite = ndarray::arr2(&[[1.0, 2.0], [2.0, 1.0]]);
    assert!(matches!(
        solve(&indefinite, &[0.1, 0.2], &p, &[0.2], &omega),
        Err(Error::NotPositiveSemidefinite { .. })
    ));
    for (argument, outcome) in [
        ("covariance", solve(&eye, &[0.1], &p, &[0.2], &omega)),
        ("p", solve(&eye, &[0.1, 0.2], &p, &[0.2, 0.3], &omega)),
        ("q", solve(&eye, &[0.1, 0.2], &p, &[f64::NAN], &omega)),
        ("prior", solve(&eye, &[0.1, f64::INFINITY], &p, &[0.2], &omega)),
        ("omega", solve(&eye, &[0.1, 0.2], &p, &[0.2], &-&omega)),
        ("omega", solve(&eye, &[0.1, 0.2], &p, &[0.2], &eye)),
    ] {
        assert!(
            matches!(&outcome, Err(Error::InvalidArgument { argument: named, .. }) if *named == argument),
            "{argument} {outcome:?}"
        );
    }
    let certain = solve(
        &eye,
        &[0.1, 0.2],
        &ndarray::arr2(&[[1.0, 0.0], [2.0, 0.0]]),
        &[0.2, 0.3],
        &Array2::zeros((2, 2)),
    );
    assert!(matches!(certain, Err(Error::InvalidView { view, .. }) if view == "view 1, view 2"));
}

#[test]
fn clashing_groups_are_named() {
    let sectors = golden("optimisation.json")["sectors"].clone();
    let mut request = request(four_views());
    request.constraints = Constraints::from_json(&json!({
        "groups": { "sector": sectors }, "max_weight": 0.1,
        "group_min": { "sector:Tech": 0.5 }, "group_max": { "sector:Health": 0.2 },
    }))
    .unwrap();
    let Err(Error::Infeasible { reason, feasible }) = run(&request) else { panic!() };
    assert!(reason.contains("sector:Tech at least 0.5") && reason.contains("max_weight"), "{reason}");
    assert!(!reason.contains("Health"), "{reason}");
    assert!(feasible.contains("sector:Tech at least 0.3"), "{feasible}");
    // Every bound at its least: one portfolio only, at a corner.
    request.constraints = Constraints::from_json(&json!({ "max_weight": 0.05 })).unwrap();
    assert!(run(&request).unwrap().holdings.iter().all(|h| (h.weight - 0.05).abs() < 1e-9));
}

#[test]
fn a_set_flag_cancels() {
    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(black_litterman(&request(four_views()), &returns(), &cancel).unwrap_err(), Error::Cancelled);
}

#[test]
fn the_same_call_gives_the_same_bits() {
    assert_eq!(run(&request(four_views())).unwrap(), run(&request(four_views())).unwrap());
}

/// A request of random views, bounds and objective, with its constraints as they are written and its bounds.
fn any_request() -> impl Strategy<Value = (Request, Value, f64, f64)> {
    let view =
        (0..20_usize, 0..19_usize, -0.3..0.3_f64, 0.01..1.0_f64).prop_map(|(a, b, value, confidence)| {
            let b = if b >= a { b + 1 } else { b };
            let text = if a % 2 == 0 {
                format!("{} = {value}", TICKERS[a])
            } else {
                format!("{} - {} = {value}", TICKERS[a], TICKERS[b])
            };
            json!({ "view": text, "confidence": confidence })
        });
    let views = proptest::collection::vec(view, 0..6);
    (views, 0..5_usize, -0.2..0.04_f64, 0.06..0.5_f64, 0.0..0.3_f64, 0.19..0.4_f64).prop_map(
        |(views, objective, low, high, l2, sigma)| {
            let low = low.clamp(-0.15, 0.0);
            let mut constraints =
                json!({ "min_weight": low, "max_weight": high, "l2_penalty": if l2 > 0.15 { l2 } else { 0.0 } });
            match OBJECTIVES[objective].name() {
                "efficient_risk" => constraints["target_volatility"] = json!(sigma),
                "efficient_return" => constraints["target_return"] = json!(0.05),
                _ => {}
            }
            let request = Request {
                objective: OBJECTIVES[objective],
                constraints: Constraints::from_json(&constraints).unwrap(),
                ..request(Value::from(views))
            };
            (request, constraints, low, high)
        },
    )
}

/// Bounds of one or two sectors, from below and from above.
fn any_groups() -> impl Strategy<Value = (Value, Value)> {
    (0..7_usize, 0.0..0.3_f64, 0..7_usize, 0.05..0.6_f64).prop_map(|(a, low, b, high)| {
        let names = ["Tech", "Financials", "Discretionary", "Energy", "Industrials", "Health", "Staples"];
        let high = if a == b { high.max(low) } else { high };
        (json!({ format!("sector:{}", names[a]): low }), json!({ format!("sector:{}", names[b]): high }))
    })
}

#[test]
fn a_frontier_with_costs_starts_at_the_least_volatility() {
    let frontier = |constraints: Value| {
        let constraints = Constraints::from_json(&constraints).unwrap();
        let request = Request { constraints, ..request(json!([])) };
        efficient_frontier(&request, &returns(), 5, &Cancel::default()).unwrap()
    };
    let dear = frontier(json!({ "current_weights": { "AAPL": 1 }, "transaction_cost": 0.01 }));
    let free = frontier(json!({}));
    assert_eq!(dear[0].weights, free[0].weights);
    assert!(dear.iter().skip(1).zip(free.iter().skip(1)).any(|(dear, free)| dear.weights != free.weights));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))), ..ProptestConfig::default() })]

    #[test]
    fn weights_sum_to_one_inside_their_bounds((request, _, low, high) in any_request()) {
        match run(&request) {
            Ok(allocation) => {
                let weights = column(&allocation, |h| h.weight);
                prop_assert!((weights.sum() - 1.0).abs() < 1e-9);
                prop_assert!(weights.iter().all(|w| *w >= low - 1e-9 && *w <= high + 1e-9));
                prop_assert!(allocation.holdings.iter().all(|h| h.posterior_volatility > 0.0));
            }
            Err(error) => prop_assert!(matches!(error, Error::Infeasible { .. } | Error::InvalidView { .. }), "{error} {:?}", request),
        }
    }

    #[test]
    fn groups_and_trades_are_kept_to((request, given, low, high) in any_request(), groups in any_groups(), turnover in 0.0..2.0_f64, cost in 0.0..0.01_f64) {
        let sectors = golden("optimisation.json")["sectors"].clone();
        let mut constraints = json!({
            "min_weight": low, "max_weight": high, "groups": { "sector": sectors },
            "group_min": groups.0, "group_max": groups.1, "l2_penalty": given["l2_penalty"],
        });
        if turnover < 1.0 {
            constraints["current_weights"] = json!({ "AAPL": 0.1, "XOM": 0.5, "PG": 0.4 });
            constraints["max_turnover"] = json!(2.0 * turnover);
            if request.objective.constraint_keys().contains(&"transaction_cost") {
                constraints["transaction_cost"] = json!(cost);
            }
        }
        for target in ["target_volatility", "target_return"] {
            if let Some(value) = given.get(target) {
                constraints[target] = value.clone();
            }
        }
        let request = Request { constraints: Constraints::from_json(&constraints).unwrap(), ..request };
        match run(&request) {
            Ok(allocation) => {
                let weights = column(&allocation, |h| h.weight);
                prop_assert!((weights.sum() - 1.0).abs() < 1e-8, "{}", weights.sum());
                prop_assert!(weights.iter().all(|w| *w >= low - 1e-8 && *w <= high + 1e-8));
                for (bounds, sign) in [(&groups.0, 1.0), (&groups.1, -1.0)] {
                    for (name, bound) in bounds.as_object().unwrap() {
                        let label = name.trim_start_matches("sector:");
                        let sum: f64 = allocation.holdings.iter()
                            .filter(|h| sectors[&h.ticker] == label).map(|h| h.weight).sum();
                        prop_assert!(sign * (sum - bound.as_f64().unwrap()) >= -1e-8, "{name} {sum} {bound}");
                    }
                }
                if turnover < 1.0 {
                    prop_assert!(allocation.turnover.unwrap() <= 2.0 * turnover + 1e-8);
                }
            }
            Err(error) => prop_assert!(matches!(error, Error::Infeasible { .. }), "{error} {:?} {constraints}", request.objective),
        }
    }

    #[test]
    fn the_order_of_tickers_does_not_matter((request, ..) in any_request(), turn in 1..20_usize) {
        let mut order = TICKERS;
        order.rotate_left(turn);
        order.swap(0, 7);
        let turned = black_litterman(&request, &returns_of(&order), &Cancel::default());
        match (run(&request), turned) {
            (Ok(one), Ok(other)) => {
                for holding in &one.holdings {
                    let same = other.holdings.iter().find(|h| h.ticker == holding.ticker).unwrap();
                    prop_assert!((same.weight - holding.weight).abs() < 1e-8, "{holding:?} {same:?}");
                    prop_assert!((same.posterior_return - holding.posterior_return).abs() < 1e-12);
                }
            }
            (Err(one), Err(other)) => prop_assert_eq!(std::mem::discriminant(&one), std::mem::discriminant(&other)),
            (one, other) => {
                let why = |outcome: folio_core::Result<Allocation>| outcome.err().map(|error| error.to_string());
                prop_assert!(false, "one order only: {:?} {:?}", why(one), why(other));
            }
        }
    }

    #[test]
    fn the_unit_of_capitalisations_does_not_matter(scale in 1e-6..1e6_f64) {
        let scaled: serde_json::Map<String, Value> = caps().as_object().unwrap().iter()
            .map(|(ticker, cap)| (ticker.clone(), json!(cap.as_f64().unwrap() * scale))).collect();
        let mut other = request(four_views());
        other.market_caps = Some(MarketCaps::from_json(&Value::from(scaled)).unwrap());
        let (one, other) = (run(&request(four_views())).unwrap(), run(&other).unwrap());
        assert_close(&column(&one, |h| h.weight), &column(&other, |h| h.weight), 1e-10, "weights");
    }

    #[test]
    fn no_other_portfolio_is_better((request, given, low, high) in any_request(), tilt in proptest::collection::vec(-1.0..1.0_f64, 20)) {
        let objective = match request.objective.name() {
            "efficient_risk" => by_name("max_sharpe").unwrap(),
            "efficient_return" => by_name("min_volatility").unwrap(),
            _ => request.objective,
        };
        let mut request = Request { objective, ..request };
        let bounds = json!({ "min_weight": low, "max_weight": high, "l2_penalty": given["l2_penalty"] });
        request.constraints = Constraints::from_json(&bounds).unwrap();
        let Ok(allocation) = run(&request) else { return Ok(()) };
        let (best, mean) = (column(&allocation, |h| h.weight), column(&allocation, |h| h.posterior_return));
        // A small step towards any feasible portfolio does not improve the objective.
        let mut other: Vec<f64> = tilt.iter().map(|t| low + (high - low) * (t + 1.0) / 2.0).collect();
        for _ in 0..200 {
            let gap = (1.0 - other.iter().sum::<f64>()) / 20.0;
            for w in &mut other { *w = (*w + gap).clamp(low, high); }
        }
        prop_assume!((other.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let l2 = request.constraints.limits.penalty.l2_penalty;
        let value = |w: &Array1<f64>| {
            let (risk, gain) = (w.dot(&allocation.covariance.dot(w)), mean.dot(w));
            match request.objective.name() {
                "max_sharpe" => gain / (risk + l2 * w.dot(w)).sqrt(),
                "min_volatility" => -(risk + l2 * w.dot(w)),
                _ => gain - 1.25 * risk - l2 * w.dot(w),
            }
        };
        let step = &best + &((Array1::from(other) - &best) * 1e-3);
        prop_assert!(value(&step) <= value(&best) + 1e-13, "{} > {}", value(&step), value(&best));
    }
}

#[test]
fn arguments_are_validated() {
    for tau in [0.0, -1.0, 1.5, f64::NAN] {
        assert!(Tau::new(tau).is_err());
    }
    for delta in [0.0, -1.0, f64::INFINITY] {
        assert!(RiskAversion::new(delta).is_err());
    }
    assert!(RiskFreeRate::new(2.0).is_err());
    assert!(
        matches!(by_name("max_sharp"), Err(Error::UnknownName { valid, .. }) if valid.contains(&"max_sharpe".to_owned()))
    );
    assert!(matches!(Prior::parse("markt"), Err(Error::UnknownName { .. })));
    assert!(matches!(CovarianceMethod::parse("ledoit"), Err(Error::UnknownName { .. })));
    assert!(matches!(CovarianceMethod::parse("exp_cov(0)"), Err(Error::InvalidArgument { .. })));
    assert!(matches!(CovarianceMethod::parse("oas(3)"), Err(Error::InvalidArgument { .. })));
    assert_eq!(Prior::parse("{\"A\": 0.1}").unwrap(), Prior::Returns([("A".to_owned(), 0.1)].into()));
    let market = Request { prior: Some(Prior::Market), ..Request::default() };
    assert!(matches!(run(&market), Err(Error::InvalidArgument { argument: "prior", .. })));
}

#[test]
fn a_matrix_at_the_ends_of_its_range_is_repaired_or_refused() {
    for method in ["spectral", "diag"] {
        for size in [1e-308, 1e-160, 1e-20, 1.0, 1e150, 1e151, 1e308, f64::MAX] {
            let matrix = ndarray::arr2(&[[size, -size, size], [-size, size, size], [size, size, size]]);
            let method = FixMethod::parse(method).unwrap();
            match fix_nonpositive_semidefinite(matrix.view(), method, &Cancel::default()) {
                Ok(fixed) => {
                    assert!(size <= 1e150, "{size:e}");
                    assert!(fixed.matrix.iter().all(|element| element.is_finite()), "{size:e}: {fixed:?}");
                    assert!(
                        fixed.smallest_eigenvalue.is_finite() && fixed.largest_change.is_finite(),
                        "{size:e}"
                    );
                    // Of a matrix that is next to nothing its eigenvalues are nothing.
                    assert!(fixed.smallest_eigenvalue < 0.0 || size < 1e-150, "{size:e}: {fixed:?}");
                }
                Err(error) => assert!(size > 1e150, "{size:e}: {error}"),
            }
        }
    }
}
