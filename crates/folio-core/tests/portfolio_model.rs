//! Covariances and the Black-Litterman model against the literature and PyPortfolioOpt.

mod portfolio_support;

use folio_core::frequency::PeriodsPerYear;
use folio_core::portfolio::black_litterman::{bl_posterior, unconstrained_weights};
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::portfolio::market::{self, MarketCaps, RiskAversion, Tau};
use folio_core::task::Cancel;
use ndarray::{Array1, Array2, Axis};
use portfolio_support::*;

#[test]
fn covariances_are_those_of_pypfopt() {
    let golden = golden("covariances.json");
    let returns = returns();
    for (method, key, shrinkage) in [
        ("sample_cov", "sample_cov", None),
        ("ledoit_wolf", "ledoit_wolf_constant_variance", Some("ledoit_wolf_constant_variance_delta")),
        (
            "ledoit_wolf_constant_correlation",
            "ledoit_wolf_constant_correlation",
            Some("ledoit_wolf_constant_correlation_delta"),
        ),
        ("ledoit_wolf_single_factor", "ledoit_wolf_single_factor", Some("ledoit_wolf_single_factor_delta")),
        ("oas", "oas", Some("oas_delta")),
        ("exp_cov(180)", "exp_cov_span180", None),
        ("semicovariance(0)", "semicovariance_bm0", None),
    ] {
        let covariance =
            CovarianceMethod::parse(method).unwrap().estimate(&returns, &Cancel::default()).unwrap();
        assert_close(covariance.matrix(), &lower_triangle(&golden["cov"][key]), 1e-14, method);
        let expected = shrinkage.map(|key| golden["shrinkage"][key].as_f64().unwrap());
        match (covariance.shrinkage(), expected) {
            (Some(delta), Some(expected)) => assert!((delta - expected).abs() < 1e-13, "{method}: {delta}"),
            (None, None) => {}
            other => panic!("{method}: {other:?}"),
        }
    }
    let estimate = |method: &str| {
        CovarianceMethod::parse(method).unwrap().estimate(&returns, &Cancel::default()).unwrap()
    };
    let gerber = lower_triangle(&golden["cov"]["skfolio_daily_GerberCovariance"]) * 252.0;
    assert_close(estimate("gerber(0.5)").matrix(), &gerber, 1e-14, "gerber");
    let clipped = lower_triangle(&self::golden("extra.json")["clipped"]);
    assert_close(estimate("denoised").matrix(), &clipped, 1e-12, "denoised");
    let expected = by_ticker(&golden["mu"]["mean_historical_compound"]);
    assert_close(
        &market::historical_returns(&returns, &Cancel::default()).unwrap(),
        &expected,
        1e-13,
        "historical returns",
    );
}

#[test]
fn nonlinear_shrinkage_is_that_of_another_implementation() {
    let golden = golden("nonlinear_shrinkage.json");
    let (returns, method) = (returns(), CovarianceMethod::parse("nonlinear_shrinkage").unwrap());
    let newest = |days: usize| returns.during(returns.days().len() - days..returns.days().len());
    // Many returns, few, and fewer than tickers, where the least eigenvalues are known to fewer digits.
    for (days, tolerance) in [(999, 1e-11), (60, 1e-9), (15, 1e-8)] {
        let covariance = method.estimate(&newest(days), &Cancel::default()).unwrap();
        let expected = lower_triangle(&golden["cov"][days.to_string()]);
        assert_close(covariance.matrix(), &expected, tolerance, &format!("{days} returns"));
    }
    let short = method.estimate(&newest(12), &Cancel::default()).unwrap_err();
    assert!(
        matches!(&short, folio_core::Error::TooShort { need: 13, found } if found.len() == 20),
        "{short:?}"
    );
    assert!(method.estimate(&newest(13), &Cancel::default()).is_ok());
}

#[test]
fn nonlinear_shrinkage_leaves_out_what_never_moves() {
    let wave =
        |seed: f64| (0..100).map(|day| 0.01 * (seed * f64::from(day * day)).sin()).collect::<Vec<f64>>();
    let method = CovarianceMethod::parse("nonlinear_shrinkage").unwrap();
    let of = |columns: &[(&str, Vec<f64>)]| method.estimate(&panel_of(columns), &Cancel::default()).unwrap();
    let moving = of(&[("A", wave(0.3)), ("B", wave(0.7))]);
    let with_flat = of(&[("A", wave(0.3)), ("FLAT", vec![0.0; 100]), ("B", wave(0.7))]);
    for (i, a) in [0, 2].into_iter().enumerate() {
        assert!(with_flat.matrix()[[a, 1]].abs() < 1e-15);
        for (j, b) in [0, 2].into_iter().enumerate() {
            assert!((with_flat.matrix()[[a, b]] - moving.matrix()[[i, j]]).abs() < 1e-15, "{i} {j}");
        }
    }
    let flat = of(&[("A", vec![0.0; 100]), ("B", vec![0.0; 100])]);
    assert!(flat.matrix().iter().all(|value| *value == 0.0));
}

#[test]
fn dynamic_correlations_are_those_of_another_computation() {
    let golden = golden("dcc.json");
    for name in ["dcc", "dcc_nl"] {
        for horizon in ["1", "21"] {
            let method = CovarianceMethod::parse(&format!("{name}({horizon})")).unwrap();
            let covariance = method.estimate(&returns(), &Cancel::default()).unwrap();
            let expected = lower_triangle(&golden[name]["cov"][horizon]);
            // As shares of both volatilities: two searches end this near to each other.
            let scale = expected.diag().mapv(f64::sqrt);
            let unit = |matrix: &Array2<f64>| {
                Array2::from_shape_fn(matrix.dim(), |(i, j)| matrix[[i, j]] / (scale[i] * scale[j]))
            };
            let what = format!("{name}({horizon})");
            assert_close(&unit(covariance.matrix()), &unit(&expected), 1e-5, &what);
        }
        let next = CovarianceMethod::parse(name).unwrap();
        assert_eq!(next, CovarianceMethod::parse(&format!("{name}(1)")).unwrap());
        for horizon in ["0", "1.5", "253", "-3"] {
            let error = CovarianceMethod::parse(&format!("{name}({horizon})")).unwrap_err();
            assert!(matches!(error, folio_core::Error::InvalidArgument { argument: "covariance", .. }));
        }
    }
}

#[test]
fn he_and_litterman_to_the_print_and_beyond() {
    let golden = golden("he_litterman_1999.json");
    let inputs = &golden["inputs"];
    let covariance = matrix(&golden["derived"]["cov"]);
    let equilibrium = vector(&inputs["w_eq"]);
    let (delta, tau) = (RiskAversion::new(2.5).unwrap(), Tau::new(0.05).unwrap());
    let prior = covariance.dot(&equilibrium) * delta.value();
    assert_close(&prior, &vector(&golden["derived"]["pi"]), 1e-12, "pi");
    assert_printed(&prior, &golden["published_table2_pi_pct"], "table 2");
    for case in golden["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (p, q) = (matrix(&case["P"]), vector(&case["Q"]));
        let omega = Array2::from_diag(&vector(&case["omega_diag"]));
        let posterior = bl_posterior(
            covariance.view(),
            prior.view(),
            p.view(),
            q.view(),
            omega.view(),
            tau,
            &Cancel::default(),
        )
        .unwrap();
        let expected = &case["expected"];
        assert_close(&posterior.mean, &vector(&expected["posterior_mean"]), 1e-12, name);
        assert_close(&posterior.uncertainty, &matrix(&expected["M"]), 1e-12, name);
        assert_close(&posterior.covariance, &matrix(&expected["posterior_cov"]), 1e-12, name);
        let weights = unconstrained_weights(
            posterior.mean.view(),
            posterior.covariance.view(),
            delta,
            0.0,
            &Cancel::default(),
        )
        .unwrap()
        .unwrap();
        assert_close(&weights, &vector(&expected["w_star"]), 1e-12, name);
        assert_printed(&weights, &case["published"]["w_star_pct"], name);
        // Table 8 repeats the returns of table 7 although its own equations move them: the golden file's note.
        if name != "Table 8" {
            assert_printed(&posterior.mean, &case["published"]["mu_pct"], name);
        }
    }
}

#[test]
fn idzorek_to_the_print_and_beyond() {
    let golden = golden("idzorek_2005.json");
    let inputs = &golden["inputs"];
    let (covariance, market) = (matrix(&inputs["cov"]), vector(&inputs["w_mkt"]));
    let (p, q) = (matrix(&inputs["P"]), vector(&inputs["Q"]));
    let delta = RiskAversion::new(inputs["lambda"].as_f64().unwrap()).unwrap();
    let tau = Tau::new(inputs["tau"].as_f64().unwrap()).unwrap();
    let prior = covariance.dot(&market) * delta.value();
    let expected = &golden["expected_default_omega"];
    assert_close(&prior, &vector(&expected["pi"]), 1e-12, "pi");
    let solve = |omega: &Array2<f64>| {
        let cancel = Cancel::default();
        bl_posterior(covariance.view(), prior.view(), p.view(), q.view(), omega.view(), tau, &cancel).unwrap()
    };
    let weights = |mean: &Array1<f64>| {
        unconstrained_weights(mean.view(), covariance.view(), delta, 0.0, &Cancel::default())
            .unwrap()
            .unwrap()
    };
    let omega = Array2::from_diag(&vector(&expected["omega_diag"]));
    let posterior = solve(&omega);
    assert_close(&posterior.mean, &vector(&expected["posterior_mean"]), 1e-12, "mean");
    assert_close(&posterior.uncertainty, &matrix(&expected["M"]), 1e-12, "M");
    assert_close(
        &posterior.covariance,
        &matrix(&expected["posterior_cov_Sigma_plus_M"]),
        1e-12,
        "covariance",
    );
    // His own formula 2 is on Sigma, not on Sigma + M.
    assert_close(&weights(&posterior.mean), &vector(&expected["w"]), 1e-12, "w");
    let certain = solve(&Array2::zeros((3, 3)));
    assert_close(&certain.mean, &vector(&expected["posterior_mean_100pct"]), 1e-12, "certain mean");
    assert_close(&weights(&certain.mean), &vector(&expected["w_100pct"]), 1e-12, "certain w");
    let held = p.dot(&certain.mean);
    assert_close(&held, &q, 1e-15, "certain views hold exactly");
    let published = &golden["published"];
    assert_printed_at(&prior, &published["pi_pct"], 0.02, "pi");
    assert_printed_at(&posterior.mean, &published["ER_pct"], 0.02, "E[R]");
    // His printed weights come from inputs with more digits than the paper prints.
    assert_printed_at(&weights(&posterior.mean), &published["w_pct"], 0.25, "w");
}

#[test]
fn six_black_litterman_cases_of_pypfopt() {
    let golden = golden("black_litterman.json");
    let covariance = CovarianceMethod::default().estimate(&returns(), &Cancel::default()).unwrap();
    let caps = MarketCaps::from_json(&golden["inputs"]["market_caps_bn"]).unwrap();
    let market_weights = caps.weights(covariance.universe()).unwrap();
    assert_close(&market_weights, &by_ticker(&golden["inputs"]["market_weights"]), 1e-15, "market weights");
    let equal = Array1::from_elem(20, 0.05);
    let delta = RiskAversion::new(2.5).unwrap();
    for (name, case) in golden["cases"].as_object().unwrap() {
        let rf = case["params"]["risk_free_rate"].as_f64().unwrap_or(0.0);
        let weights = if name.starts_with("equal") { &equal } else { &market_weights };
        let prior = market::implied_returns(&covariance, weights, delta, rf);
        assert_close(&prior, &by_ticker(&case["pi"]), 1e-12, name);
        let tau = if name == "market_tau_1_over_T" { 1.0 / 999.0 } else { 0.05 };
        let omega = match &case["params"]["omega"] {
            serde_json::Value::Null => Array2::from_diag(&vector(&case["omega_diag"])),
            given => matrix(given),
        };
        let (p, q) = (matrix(&case["P"]), vector(&case["Q"]));
        let tau = Tau::new(tau).unwrap();
        let posterior = bl_posterior(
            covariance.matrix().view(),
            prior.view(),
            p.view(),
            q.view(),
            omega.view(),
            tau,
            &Cancel::default(),
        )
        .unwrap();
        assert_close(&posterior.mean, &by_ticker(&case["posterior_mean"]), 1e-13, name);
        assert_close(&posterior.covariance, &lower_triangle(&case["posterior_cov"]), 1e-13, name);
        let weigh = |covariance: &Array2<f64>| {
            // PyPortfolioOpt weighs total returns, so no risk-free rate is taken off here.
            let cancel = Cancel::default();
            unconstrained_weights(posterior.mean.view(), covariance.view(), delta, 0.0, &cancel)
                .unwrap()
                .unwrap()
        };
        let star = weigh(&posterior.covariance);
        assert_close(&star, &by_ticker(&case["w_star_he_litterman_unnormalised"]), 1e-11, name);
        let pypfopt = weigh(covariance.matrix());
        let total = pypfopt.sum_axis(Axis(0)).into_scalar();
        assert_close(
            &(pypfopt / total),
            &by_ticker(&case["bl_weights_pypfopt_Sigma_normalised"]),
            1e-11,
            name,
        );
    }
}

#[test]
fn risk_aversion_implied_by_the_index() {
    let golden = golden("black_litterman.json");
    let index = index();
    for (key, rf) in [("rf0", 0.0), ("rf2pct", 0.02)] {
        let expected = golden["market_implied_risk_aversion_sp500"][key].as_f64().unwrap();
        let delta = RiskAversion::implied(&index, rf, PeriodsPerYear::default()).unwrap().value();
        assert!((delta - expected).abs() < 1e-12, "{key}: {delta}");
    }
    let error = RiskAversion::implied(&index, 0.5, PeriodsPerYear::default()).unwrap_err();
    assert!(matches!(error, folio_core::Error::InvalidArgument { argument: "risk_aversion", .. }), "{error}");
}
