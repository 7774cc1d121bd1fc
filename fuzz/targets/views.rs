//! The grammar of views: whatever text, it is read or refused, and what was read is what its text says.
#![no_main]

use std::collections::BTreeSet;

use folio_core::portfolio::group::Groups;
use folio_core::portfolio::universe::Universe;
use folio_core::portfolio::views::{MAX_VIEW_RETURN, Views};
use folio_fuzz::{answer, assert_finite};
use libfuzzer_sys::fuzz_target;
use ndarray::Array1;
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    let Some(views) = answer(Views::parse(&Value::from(text))) else { return };
    let [view] = views.views() else { panic!("{} views of one text", views.views().len()) };
    assert!(view.value.abs() <= MAX_VIEW_RETURN, "{view:?}");
    assert!(!view.terms.is_empty(), "{view:?}");
    assert_finite("a coefficient", view.terms.iter().map(|(_, coefficient)| coefficient));
    // Reports show the text, so it must say the same when somebody passes it again.
    assert_eq!(Views::parse(&Value::from(view.text.as_str())).as_ref(), Ok(&views));
    let known = ["A", "B", "BRK-B"].map(str::to_owned);
    let named: BTreeSet<String> = view.terms.iter().map(|(name, _)| name.clone()).chain(known).collect();
    let tickers: Vec<String> = named.into_iter().collect();
    let universe = Universe::new(&tickers).expect("each name once");
    let groups = json!({ "sector": { "A": "Tech", "B": "Tech", "BRK-B": "Money" } });
    let groups = Groups::from_json(&groups).expect("groups");
    let weights = Array1::from_elem(tickers.len(), 1.0 / tickers.len() as f64);
    if let Some(resolved) = answer(views.resolve(&universe, &groups, &weights)) {
        assert_finite("p", &resolved.p);
        assert_finite("q", &resolved.q);
    }
});
