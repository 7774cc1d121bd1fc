//! jsonb from outside: every reader of it takes any document, reads it or refuses it.
#![no_main]

use std::time::Duration;

use folio_core::forecast::{Horizon, ValueOptions};
use folio_core::portfolio::allocation;
use folio_core::portfolio::backtest::Rebalance;
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::portfolio::frontier;
use folio_core::portfolio::group::Groups;
use folio_core::portfolio::market::{MarketCaps, Prior};
use folio_core::portfolio::objective::Constraints;
use folio_core::portfolio::universe::Universe;
use folio_core::portfolio::view_input;
use folio_core::risk::TailRequest;
use folio_fuzz::{answer, assert_finite};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    // Names and their numbers are texts.
    answer(CovarianceMethod::parse(text));
    answer(Rebalance::parse(text));
    answer(Prior::parse(text));
    let Ok(document) = serde_json::from_str::<Value>(text) else { return };
    read(&document);
    // The parts of a document are documents, so that one corpus serves every reader.
    match &document {
        Value::Object(parts) => parts.values().for_each(read),
        Value::Array(parts) => parts.iter().for_each(read),
        _ => (),
    }
});

fn read(document: &Value) {
    let universe = Universe::new(&["A", "BB", "CCC"].map(str::to_owned)).expect("tickers");
    if let Some(options) = answer(ValueOptions::from_json(document)) {
        let request = options.request(Horizon::new(2).expect("steps"), || Duration::ZERO);
        assert!(!request.models.names().is_empty());
        assert_finite("a level", &[request.levels[0].share()]);
    }
    if let Some(constraints) = answer(Constraints::from_json(document)) {
        assert_eq!(Constraints::from_json(document), Ok(constraints));
    }
    if let Some((views, _)) = answer(view_input::parse(document)) {
        assert_finite("a view", views.views().iter().map(|view| &view.value));
    }
    if let Some(caps) = answer(MarketCaps::from_json(document))
        && let Some(weights) = answer(caps.weights(&universe))
    {
        assert!((weights.sum() - 1.0).abs() < 1e-9, "{weights}");
    }
    answer(Groups::from_json(document));
    if let Some(weights) = answer(allocation::parse_weights(document)) {
        assert_finite("a weight", weights.values());
    }
    if let Some(weights) = answer(frontier::parse_weights("weights", document, &universe)) {
        assert_finite("a weight", &weights);
    }
    answer(TailRequest::new(document, 0.95, 1, None));
}
