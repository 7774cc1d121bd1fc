//! Scenarios: the past by its prices, shocks by formulas of two and three tickers.

mod portfolio_support;

use folio_core::Error;
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::risk::{Stress, Stressed};
use folio_core::task::Cancel;
use portfolio_support::*;
use serde_json::{Value, json};

fn rows(weights: Value, scenario: Value) -> folio_core::Result<Vec<Stressed>> {
    let method = CovarianceMethod::parse("sample_cov").unwrap();
    let stress = Stress::new(&weights, &scenario, method)?;
    let names = stress.tickers();
    let panel = returns_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    stress.rows(&panel, &Cancel::default())
}

fn near(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-12, "{what}: {found}, expected {expected}");
}

#[test]
fn the_past_is_what_prices_did() {
    // 2020-02-17 was a holiday: the last price before it is that of the Friday.
    let found =
        rows(json!({ "KO": 0.5, "XOM": 0.8 }), json!({ "from": "2020-02-17", "to": "2020-03-22" })).unwrap();
    let all = prices();
    let of = |ticker: &str| all.iter().find(|series| series.ticker() == ticker).unwrap();
    let text = |series: &folio_core::panel::Series, i: usize| {
        let (year, month, day) = series.ts()[i].date();
        format!("{year}-{month:02}-{day:02}")
    };
    let place = |day: &str| (0..of("KO").ts().len()).find(|&i| text(of("KO"), i) == day).unwrap();
    let (first, last) = (place("2020-02-14"), place("2020-03-20"));
    let mut whole = 0.0;
    let mut lowest_of_all = 0.0_f64;
    for t in first..=last {
        let change = |ticker: &str| of(ticker).close()[t] / of(ticker).close()[first] - 1.0;
        lowest_of_all = lowest_of_all.min(0.5 * change("KO") + 0.8 * change("XOM"));
    }
    for (row, (ticker, weight)) in found[1..].iter().zip([("KO", 0.5), ("XOM", 0.8)]) {
        let close = of(ticker).close();
        let change = close[last] / close[first] - 1.0;
        assert_eq!((row.ticker.as_deref(), row.weight, row.origin), (Some(ticker), weight, "past"));
        near(row.change, change, ticker);
        near(row.contribution, weight * change, ticker);
        let lowest =
            close[first..=last].iter().fold(0.0_f64, |low, price| low.min(price / close[first] - 1.0));
        near(row.lowest.unwrap(), lowest, "lowest");
        assert_eq!(row.times, Some([of(ticker).ts()[first], of(ticker).ts()[last]]));
        whole += weight * change;
    }
    assert_eq!(found[0].ticker, None);
    near(found[0].change, whole, "the whole");
    near(found[0].lowest.unwrap(), lowest_of_all, "the lowest of the whole");
    near(found[0].weight, 1.3, "what is invested");
}

#[test]
fn the_others_follow_by_their_covariance() {
    let names = ["AAPL", "KO", "MSFT"];
    let sigma =
        CovarianceMethod::parse("sample_cov").unwrap().estimate(&returns_of(&names), &Cancel::default());
    let sigma = sigma.unwrap().matrix().clone();
    let one = rows(json!({ "KO": 0.5, "MSFT": 0.5 }), json!({ "shocks": { "AAPL": "-20 %" } })).unwrap();
    near(one[1].change, -0.2, "given");
    assert_eq!(
        one.iter().map(|row| row.origin).collect::<Vec<_>>(),
        ["implied", "given", "implied", "implied"]
    );
    near(one[1].contribution, 0.0, "no weight");
    for (row, i) in [(2, 1), (3, 2)] {
        near(one[row].change, -0.2 * sigma[[i, 0]] / sigma[[0, 0]], names[i]);
    }
    near(one[0].change, one[2].contribution + one[3].contribution, "the whole");
    // Two given: Cramer's rule.
    let two = rows(json!({ "KO": 1 }), json!({ "shocks": { "AAPL": -0.2, "MSFT": 0.1 } })).unwrap();
    let determinant = sigma[[0, 0]] * sigma[[2, 2]] - sigma[[0, 2]].powi(2);
    let loading = [
        (-0.2 * sigma[[2, 2]] - 0.1 * sigma[[0, 2]]) / determinant,
        (0.1 * sigma[[0, 0]] + 0.2 * sigma[[0, 2]]) / determinant,
    ];
    near(two[2].change, sigma[[1, 0]] * loading[0] + sigma[[1, 2]] * loading[1], "two given");
    let all = rows(json!({ "KO": 1 }), json!({ "shocks": { "KO": -1 } })).unwrap();
    assert_eq!((all[0].change, all[0].origin, all[1].lowest), (-1.0, "given", None));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for scenario in [
        json!({ "from": "2020-02-19" }),
        json!({ "from": "2020-02-19", "to": "2020-02-19" }),
        json!({ "from": "2020-02-30", "to": "2020-03-19" }),
        json!({ "from": "1990-02-19", "to": "2020-03-19" }),
        json!({ "from": "2020-02-15", "to": "2020-02-16" }),
        json!({ "from": "2020-02-19", "to": "2020-03-19", "shocks": { "KO": -0.1 } }),
        json!({ "shocks": {} }),
        json!({ "shocks": { "KO": -20 } }),
        json!({ "shocks": { "KO": -1.5 } }),
        json!({ "shocks": -0.1 }),
        json!([]),
    ] {
        let refused = rows(json!({ "KO": 1 }), scenario.clone());
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{scenario}: {refused:?}");
    }
    let unknown = rows(json!({ "KO": 1 }), json!({ "crash": 1 }));
    assert!(matches!(unknown, Err(Error::UnknownName { .. })));
}
