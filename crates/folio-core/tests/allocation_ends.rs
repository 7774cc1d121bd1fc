//! That whole shares are found in few steps, whatever the numbers: counted, not timed.

use std::cell::Cell;
use std::collections::BTreeMap;

use folio_core::Error;
use folio_core::portfolio::allocation::{DiscreteAllocation, Method, discrete_allocation};
use folio_core::portfolio::universe::Universe;
use folio_core::task::Cancel;

thread_local! {
    static LOOKS: Cell<usize> = const { Cell::new(0) };
}

const METHODS: [Method; 2] = [Method::Greedy, Method::Exact];

/// The shares of tickers with these weights and prices, and how often the flag was looked at.
fn bought(
    assets: &[(f64, f64)],
    value: f64,
    method: Method,
) -> (folio_core::Result<DiscreteAllocation>, usize) {
    let names: Vec<String> = (0..assets.len()).map(|i| format!("T{i:04}")).collect();
    let named = |of: fn(&(f64, f64)) -> f64| -> BTreeMap<String, f64> {
        names.iter().cloned().zip(assets.iter().map(of)).collect()
    };
    LOOKS.set(0);
    let cancel = Cancel::watched(|_| LOOKS.set(LOOKS.get() + 1));
    let (weights, prices) = (named(|asset| asset.0), named(|asset| asset.1));
    let universe = Universe::new(&names).unwrap();
    (discrete_allocation(&universe, &weights, &prices, value, method, &cancel), LOOKS.get())
}

#[test]
fn more_shares_than_can_be_counted_are_an_error() {
    for method in METHODS {
        for (prices, value) in [
            ([125.0, 10.0], 1e308),
            ([125.0, 10.0], 1e21),
            ([125.0, 10.0], 2e18),
            ([1e-300, 1e-300], 1e6),
            ([5e-324, 1.0], 1.0),
            ([f64::MIN_POSITIVE, f64::MAX], f64::MAX),
        ] {
            let (found, looks) = bought(&[(0.5, prices[0]), (0.5, prices[1])], value, method);
            let named = matches!(found, Err(Error::InvalidArgument { argument: "value", .. }));
            assert!(named && looks <= 8, "{prices:?} {value:e}: {looks} looks, {found:?}");
        }
    }
}

#[test]
fn any_other_numbers_give_finite_money_in_few_steps() {
    let numbers = [5e-324, 1e-308, 1e-9, 0.1, 1.0, 3.7, 1e6, 1e15, 1e290, 1e308, f64::MAX];
    for method in METHODS {
        for (first, second) in numbers.iter().flat_map(|&a| numbers.map(|b| (a, b))) {
            for (value, weights) in numbers.iter().flat_map(|&value| {
                [[0.5, 0.5], [1e308, 1e308], [5e-324, 1.0], [1.0, -0.3], [1e308, -1e308], [1e-300, 5e-324]]
                    .map(|weights| (value, weights))
            }) {
                let assets = [(weights[0], first), (weights[1], second)];
                let (found, looks) = bought(&assets, value, method);
                // Fifty million trials have three thousand looks.
                assert!(looks <= 7_000, "{assets:?} {value:e}: {looks} looks");
                if let Ok(found) = found {
                    assert!(found.leftover.is_finite(), "{assets:?} {value:e}: {found:?}");
                    let most = 1 << 53;
                    assert!(found.shares.iter().all(|shares| (-most..=most).contains(shares)));
                }
            }
        }
    }
}

#[test]
fn a_thousand_tickers_take_a_step_each_at_most() {
    let assets: Vec<(f64, f64)> =
        (0..1000).map(|i| (1e-3, 1.0 + f64::from(i) * 1.7 % 97.0 + f64::from(i) * 1e-3)).collect();
    let (found, looks) = bought(&assets, 1e7, Method::Greedy);
    assert!(found.is_ok() && (100..=1001).contains(&looks), "{looks}");
}

#[test]
fn a_cheap_ticker_beside_a_dear_one_is_not_counted_down_share_by_share() {
    // The dear one rounded up leaves less than the cheap one's weight pays for: by seven thousand million shares.
    let (found, looks) = bought(&[(0.5, 7_000.0), (0.5, 1e-6)], 10_000.0, Method::Exact);
    let found = found.unwrap();
    assert!(found.method == "exact" && looks <= 10, "{looks} looks: {found:?}");
    assert!(found.shares[0] == 1 && found.leftover >= 0.0 && found.leftover < 1e-2, "{found:?}");
}
