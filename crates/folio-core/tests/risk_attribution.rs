//! Where the risk of weights comes from: by hand, by differences, and summing to the whole.

mod portfolio_support;

use folio_core::Error;
use folio_core::frequency::PeriodsPerYear;
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::portfolio::group::Groups;
use folio_core::risk::{Part, Weights, attribute};
use folio_core::task::Cancel;
use portfolio_support::*;
use serde_json::{Value, json};

fn parts(weights: &Value, groups: &Value) -> folio_core::Result<Vec<Part>> {
    let weights = Weights::from_json(weights)?;
    let names = weights.tickers();
    let returns = returns_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let method = CovarianceMethod::parse("sample_cov").unwrap();
    attribute(&weights, &Groups::from_json(groups)?, method, &returns, &Cancel::default())
}

fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

#[test]
fn contributions_are_slopes_and_sum_to_the_whole() {
    let weights = json!({ "AAPL": 0.5, "KO": 0.4, "XOM": -0.1, "GE": 0.0 });
    let groups = json!({
        "sector": { "AAPL": "Tech", "KO": "Staples", "XOM": "Energy", "GE": null },
        "side": { "AAPL": "long", "KO": "long", "XOM": "short", "GE": "long" },
    });
    let found = parts(&weights, &groups).unwrap();
    let kinds: Vec<_> = found.iter().map(|part| (part.kind.as_str(), part.name.as_deref())).collect();
    let expected = [
        ("total", None),
        ("ticker", Some("AAPL")),
        ("ticker", Some("GE")),
        ("ticker", Some("KO")),
        ("ticker", Some("XOM")),
        ("sector", Some("Energy")),
        ("sector", Some("Staples")),
        ("sector", Some("Tech")),
        ("sector", None),
        ("side", Some("long")),
        ("side", Some("short")),
    ];
    assert_eq!(kinds, expected);
    let total = &found[0];
    near(total.weight, 0.8, 1e-15, "what is invested");
    near(total.contribution, total.volatility, 1e-15, "the whole");
    for kind in ["ticker", "sector", "side"] {
        let of_kind = || found.iter().filter(|part| part.kind == kind);
        near(of_kind().map(|part| part.contribution).sum(), total.volatility, 1e-15, kind);
        near(of_kind().map(|part| part.weight).sum(), total.weight, 1e-15, kind);
        near(of_kind().filter_map(|part| part.share).sum(), 1.0, 1e-14, kind);
    }
    for ticker in ["AAPL", "KO", "XOM", "GE"] {
        let volatility = |change: f64| {
            let mut moved = weights.clone();
            moved[ticker] = json!(weights[ticker].as_f64().unwrap() + change);
            parts(&moved, &json!({})).unwrap()[0].volatility
        };
        let slope = (volatility(1e-5) - volatility(-1e-5)) / 2e-5;
        let part = found.iter().find(|part| part.name.as_deref() == Some(ticker)).unwrap();
        near(part.marginal.unwrap(), slope, 1e-8, ticker);
        near(part.contribution, slope * part.weight, 1e-8, ticker);
        let alone = parts(&json!({ ticker: 1 }), &json!({})).unwrap();
        near(part.volatility, alone[0].volatility, 1e-15, "alone");
    }
    let long = found.iter().find(|part| part.name.as_deref() == Some("long")).unwrap();
    let without = parts(&json!({ "AAPL": 0.5, "KO": 0.4, "GE": 0 }), &json!({})).unwrap();
    near(long.volatility, without[0].volatility, 1e-15, "a group alone");
}

#[test]
fn two_that_move_apart_by_hand() {
    // Returns of +-1 % and +-2 %, never together: variances 1e-4 and 4e-4 a period.
    let signs = |pattern: [f64; 4]| (0..400).map(|i| pattern[i % 4]).collect::<Vec<f64>>();
    let panel =
        panel_of(&[("A", signs([0.01, 0.01, -0.01, -0.01])), ("B", signs([0.02, -0.02, 0.02, -0.02]))])
            .with_periods(PeriodsPerYear::new(100.0).unwrap());
    let method = CovarianceMethod::parse("sample_cov").unwrap();
    let of = |weights: Value| {
        let weights = Weights::from_json(&weights).unwrap();
        attribute(&weights, &Groups::default(), method, &panel, &Cancel::default()).unwrap()
    };
    let found = of(json!({ "A": 0.5, "B": 0.5 }));
    let correction = 400.0_f64 / 399.0;
    near(found[0].volatility, (correction * 0.0125).sqrt(), 1e-12, "sqrt(100 (1e-4 + 4e-4) / 4)");
    near(found[1].share.unwrap(), 0.2, 1e-12, "A");
    near(found[2].share.unwrap(), 0.8, 1e-12, "B");
    let nothing = of(json!({ "A": 0, "B": 0 }));
    assert!(nothing.iter().all(|part| part.contribution == 0.0 && part.share.is_none()), "{nothing:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (weights, groups) in [
        (json!({}), json!({})),
        (json!({ "KO": "half" }), json!({})),
        (json!({ "KO": 1 }), json!({ "sector": { "XOM": "Energy" } })),
        (json!({ "KO": 1 }), json!({ "sector": "Energy" })),
        (json!({ "KO": 1 }), json!({ "ticker": { "KO": "x" } })),
        (json!({ "KO": 40 }), json!({})),
    ] {
        let refused = parts(&weights, &groups);
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{weights} {groups}: {refused:?}");
    }
}
