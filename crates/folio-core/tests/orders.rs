//! Orders from accounts and weights: identities to the last digit, terms kept, and nearest where that is asked for.

use folio_core::frequency::PeriodsPerYear;
use folio_core::orders::{Order, OrderRequest, Terms, TermsInput, rebalance};
use folio_core::panel::{PricePanel, PriceRow, Series, Timestamp};
use folio_core::task::Cancel;
use folio_core::{Error, Result};
use proptest::prelude::*;
use serde_json::{Value, json};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A panel whose last prices are these, and the day before them 1 % less.
fn panel(prices: &[(String, f64)]) -> PricePanel {
    let column = |(ticker, price): &(String, f64)| {
        let row =
            |day: i64, share: f64| PriceRow { ts: Timestamp(day * MICROS_PER_DAY), close: price * share };
        let rows = vec![row(1, 0.98), row(2, 1.01), row(3, 0.99), row(4, 1.0)];
        (ticker.clone(), Series::new(ticker.clone(), rows, usize::MAX))
    };
    PricePanel::new(prices.iter().map(column).collect())
}

fn list(
    weights: &Value,
    positions: &Value,
    cash: f64,
    prices: &PricePanel,
    terms: &TermsInput,
) -> Result<Vec<Order>> {
    let request = OrderRequest::new(weights, positions, cash, Terms::new(terms)?)?;
    let periods = PeriodsPerYear::new(252.0)?;
    Ok(rebalance(&request, prices, 1000, periods, &Cancel::default())?.orders)
}

fn named(prices: &[(&str, f64)]) -> PricePanel {
    panel(&prices.iter().map(|(ticker, price)| ((*ticker).to_owned(), *price)).collect::<Vec<_>>())
}

fn shares(orders: &[Order]) -> Vec<String> {
    orders.iter().filter_map(|order| Some(order.shares?.to_string())).collect()
}

fn status(orders: &[Order]) -> Vec<&str> {
    orders.iter().map(|order| order.status.as_str()).collect()
}

/// The sum of what positions miss their goals by.
fn deviation(orders: &[Order], goal: impl Fn(&Order) -> f64) -> f64 {
    let tickers = orders.iter().filter(|order| order.ticker.is_some());
    tickers.map(|order| (order.value.to_f64() - goal(order)).abs()).sum()
}

#[test]
fn an_account_comes_to_its_target() {
    let prices = named(&[("A", 10.0), ("B", 25.5), ("C", 4.25)]);
    let weights = json!({ "A": "50 %", "B": 0.3 });
    let positions = json!({ "B": 100, "C": "30.5" });
    let terms = TermsInput { fee_fixed: Some(1.0), fee_bps: Some(10.0), ..TermsInput::default() };
    let orders = list(&weights, &positions, 12_345.67, &prices, &terms).unwrap();
    // 12,345.67 + 2,550 + 129.625 = 15,025.295; half of it is 751.26 shares of A, three tenths are 176.77 of B.
    assert_eq!(shares(&orders), ["751", "77", "-30.5"]);
    let costs: Vec<String> = orders.iter().map(|order| order.cost.to_string()).collect();
    assert_eq!(costs, ["8.51", "2.96", "1.13", "0"]);
    let cash = orders.last().unwrap();
    assert_eq!(cash.value.to_string(), "2989.195");
    assert_eq!(status(&orders), ["ok", "ok", "ok", "ok"]);
    // The value before, to the last digit.
    assert_eq!(
        orders.iter().map(|order| order.value + order.cost).sum::<folio_core::orders::Money>().to_string(),
        "15025.295"
    );
    assert!((cash.tracking_error.unwrap() - 0.0).abs() < 0.01 && cash.tracking_error.unwrap() > 0.0);
}

#[test]
fn nothing_is_traded_inside_of_a_band() {
    let prices = named(&[("A", 10.0), ("B", 10.0), ("C", 10.0)]);
    let (weights, positions) = (json!({ "A": 0.5, "B": 0.5 }), json!({ "A": 54, "B": 44, "C": 2 }));
    let with = |terms: TermsInput| list(&weights, &positions, 0.0, &prices, &terms).unwrap();
    let absolute = with(TermsInput { band: Some(0.05), ..TermsInput::default() });
    // C is not in the target, so it is sold; B is outside of its band, A inside.
    assert_eq!(shares(&absolute), ["0", "2", "-2"]);
    assert_eq!(status(&absolute)[..2], ["within its band", "ok, as far as cash goes"]);
    let relative = with(TermsInput { relative_band: Some(0.25), ..TermsInput::default() });
    assert_eq!(shares(&relative), ["0", "0", "-2"]);
    let edge = TermsInput { band: Some(0.02), trade_to: Some("band".into()), ..TermsInput::default() };
    assert_eq!(shares(&with(edge)), ["-2", "4", "-2"]);
    let own = TermsInput { bands: Some(json!({ "B": { "relative": "20 %" } })), ..TermsInput::default() };
    assert_eq!(shares(&with(own)), ["-4", "0", "-2"]);
}

#[test]
fn new_money_alone_goes_to_what_is_furthest_below() {
    let prices = named(&[("A", 1.0), ("B", 1.0), ("C", 1.0)]);
    let weights = json!({ "A": 0.4, "B": 0.3, "C": 0.3 });
    let positions = json!({ "A": 900, "B": 300, "C": 100 });
    let terms = TermsInput { buy_only: Some(true), ..TermsInput::default() };
    let orders = list(&weights, &positions, 200.0, &prices, &terms).unwrap();
    assert_eq!(shares(&orders), ["0", "0", "200"]);
    assert_eq!(status(&orders)[0], "over its target, and buy_only");
    let more = list(&weights, &positions, 500.0, &prices, &terms).unwrap();
    assert_eq!(shares(&more), ["0", "150", "350"]);
}

#[test]
fn small_orders_and_those_that_cost_more_than_they_bring_are_left_out() {
    let prices = named(&[("A", 10.0), ("B", 0.5)]);
    let weights = json!({ "A": 1 });
    let terms = TermsInput { fee_fixed: Some(5.0), minimum_ticket: Some(50.0), ..TermsInput::default() };
    let positions = json!({ "A": 100, "B": 4 });
    let small = list(&weights, &positions, 30.0, &prices, &terms).unwrap();
    assert_eq!(status(&small)[..2], ["below minimum_ticket", "below minimum_ticket"]);
    let terms = TermsInput { minimum_ticket: None, ..terms };
    let costly = list(&weights, &positions, 30.0, &prices, &terms).unwrap();
    assert_eq!(
        (shares(&costly), status(&costly)[1]),
        (vec!["2".into(), "0".into()], "costs more than it brings")
    );
}

#[test]
fn cash_that_is_to_be_kept_is_raised() {
    let prices = named(&[("A", 100.0), ("B", 7.0)]);
    let (weights, positions) = (json!({ "A": 0.5, "B": 0.5 }), json!({ "A": 10, "B": 143 }));
    let terms = TermsInput {
        cash_kept: Some(150.0),
        fee_bps: Some(50.0),
        lot_sizes: Some(json!({ "A": 2 })),
        ..TermsInput::default()
    };
    for method in ["greedy", "exact"] {
        let terms = TermsInput { method: Some(method.into()), ..terms.clone() };
        let orders = list(&weights, &positions, 0.0, &prices, &terms).unwrap();
        let cash = orders.last().unwrap();
        assert!(cash.value.to_f64() >= 150.0 && cash.status == "ok", "{method}: {orders:?}");
    }
    let all = list(&weights, &positions, 0.0, &prices, &TermsInput { cash_kept: Some(1e6), ..terms });
    assert!(matches!(all, Err(Error::InvalidArgument { argument: "cash_kept", .. })));
}

#[test]
fn a_stale_ticker_is_named_and_stays() {
    let day = |day: i64, close: f64| PriceRow { ts: Timestamp(day * MICROS_PER_DAY), close };
    let series = |ticker: &str, days: std::ops::Range<i64>| {
        let rows = days.map(|number| day(number, 10.0 + (number % 3) as f64)).collect();
        (ticker.to_owned(), Series::new(ticker.to_owned(), rows, usize::MAX))
    };
    let prices = PricePanel::new(vec![series("GONE", 0..50), series("HERE", 0..60), series("LATE", 40..54)]);
    let positions = json!({ "GONE": 10, "LATE": 10 });
    let orders = list(&json!({ "HERE": 1.0 }), &positions, 500.0, &prices, &TermsInput::default()).unwrap();
    assert_eq!(status(&orders)[0], "stale: its last price is of 1970-02-19");
    // Six days are a long weekend.
    assert_eq!(shares(&orders)[2], "-10");
}

#[test]
fn what_no_account_can_be_is_refused_by_name() {
    let prices = named(&[("A", 10.0)]);
    let none = json!({});
    for (argument, weights, positions, cash) in [
        ("weights", json!({ "A": -0.1 }), json!({}), 1.0),
        ("weights", json!({ "A": 60 }), json!({}), 1.0),
        ("weights", json!({ "A": 1, "B": 0.5 }), json!({}), 1.0),
        ("weights", json!({ "A": null }), json!({}), 1.0),
        ("weights", json!([]), json!({}), 1.0),
        ("weights", json!({}), json!({}), 1.0),
        ("positions", json!({ "A": 1 }), json!({ "A": -1 }), 1.0),
        ("positions", json!({ "A": 1 }), json!({ "A": null }), 1.0),
        ("positions", json!({ "A": 1 }), json!({ "A": "10 %" }), 1.0),
        ("positions", json!({ "A": 1 }), json!({ "A": 1e300 }), 1.0),
        ("positions", json!({ "A": 1 }), json!({ "A": 9e13 }), 1.0),
        ("cash", json!({ "A": 1 }), none.clone(), -0.01),
        ("cash", json!({ "A": 1 }), none.clone(), f64::NAN),
        ("cash", json!({ "A": 1 }), none.clone(), 0.0),
    ] {
        let found = list(&weights, &positions, cash, &prices, &TermsInput::default());
        let named = matches!(&found, Err(Error::InvalidArgument { argument: name, .. }) if *name == argument);
        assert!(named, "{argument} {weights} {positions} {cash}: {found:?}");
    }
    let cheap = list(&json!({ "A": 1 }), &none, 1.0, &named(&[("A", 1e-12)]), &TermsInput::default());
    assert!(matches!(cheap, Err(Error::InvalidArgument { argument: "prices", .. })));
}

#[test]
fn a_cancelled_call_stops() {
    let request =
        OrderRequest::new(&json!({ "A": 1 }), &json!({}), 1e4, Terms::new(&TermsInput::default()).unwrap())
            .unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let prices = named(&[("A", 10.0)]);
    let found = rebalance(&request, &prices, 10, PeriodsPerYear::default(), &cancel);
    assert_eq!(found, Err(Error::Cancelled));
}

#[derive(Debug, Clone)]
struct Case {
    prices: Vec<(String, f64)>,
    weights: Value,
    positions: Value,
    cash: f64,
    terms: TermsInput,
}

fn case(tickers: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Case> {
    let ticker = (1_u32..20_000, 0_u32..100, 0_u32..2_000, prop::bool::weighted(0.2));
    let money = (0_u32..10_000_000, 0_u32..200_000, 0_u32..20_000, 0_u32..1000, 0_u32..100);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 0_usize..4);
    (prop::collection::vec(ticker, tickers), money, flags, 0.2_f64..1.0).prop_map(
        |(tickers, money, flags, invested)| {
            let (cash, kept, ticket, fixed, points) = money;
            let (has_costs, buy_only, has_band, exact, lot) = flags;
            let sum: f64 = tickers.iter().map(|ticker| f64::from(ticker.1)).sum::<f64>().max(1.0);
            let name = |index: usize| format!("T{index:02}");
            let by_name = |value: &dyn Fn(usize) -> Value| -> Value {
                Value::Object((0..tickers.len()).map(|index| (name(index), value(index))).collect())
            };
            let positions =
                by_name(&|i| if tickers[i].3 { json!(0) } else { json!(f64::from(tickers[i].2) / 4.0) });
            let cash = f64::from(cash) / 100.0 + 1.0;
            let cents = |on: bool, value: u32| on.then_some(f64::from(value) / 100.0);
            Case {
                prices: tickers
                    .iter()
                    .enumerate()
                    .map(|(i, ticker)| (name(i), f64::from(ticker.0) / 100.0))
                    .collect(),
                weights: by_name(&|i| json!(f64::from(tickers[i].1) / sum * invested)),
                positions,
                cash,
                terms: TermsInput {
                    lot_size: Some([1.0, 10.0, 0.001, 0.25][lot]),
                    minimum_ticket: cents(has_costs, ticket),
                    fee_fixed: cents(has_costs, fixed),
                    fee_per_share: has_costs.then_some(0.005),
                    fee_bps: has_costs.then_some(f64::from(points)),
                    cash_kept: Some((f64::from(kept) / 100.0).min(cash)),
                    band: has_band.then_some(0.02),
                    buy_only: Some(buy_only),
                    method: Some(if exact { "exact" } else { "greedy" }.to_owned()),
                    ..TermsInput::default()
                },
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Value before is value after and costs, to the last digit; cash, lots, tickets and positions keep to the terms; and what
    /// is not traded says why.
    #[test]
    fn sums_are_exact_and_terms_are_kept(case in case(1..=12)) {
        let Case { prices, weights, positions, cash, terms } = &case;
        let orders = list(weights, positions, *cash, &panel(prices), terms).unwrap();
        let last = orders.last().unwrap();
        let after: folio_core::orders::Money = orders.iter().map(|order| order.value + order.cost).sum();
        let before: folio_core::orders::Money = orders.iter().map(|order| order.value - order.amount).sum();
        prop_assert_eq!(after, before);
        let moved: folio_core::orders::Money = orders.iter().map(|order| order.amount + order.cost).sum();
        prop_assert_eq!(moved.to_string(), "0");
        prop_assert!(last.value.to_f64() >= terms.cash_kept.unwrap() - 1e-9, "{:?}", last);
        let total: f64 = orders.iter().map(|order| order.weight).sum();
        prop_assert!((total - 1.0).abs() < 1e-9);
        for order in orders.iter().filter(|order| order.ticker.is_some()) {
            let (shares, after) = (order.shares.unwrap().to_f64(), order.shares_after.unwrap().to_f64());
            prop_assert!(after >= 0.0);
            let lots = shares / terms.lot_size.unwrap();
            prop_assert!((lots - lots.round()).abs() < 1e-6 || after == 0.0, "{:?}", order);
            if shares == 0.0 {
                prop_assert!(order.side.is_none() && order.status != "ok", "{:?}", order);
            } else {
                prop_assert!(order.amount.to_f64().abs() >= terms.minimum_ticket.unwrap_or(0.0) - 1e-9);
                prop_assert!(order.status.starts_with("ok"), "{:?}", order);
                prop_assert!(shares > 0.0 || terms.buy_only != Some(true));
                // Towards the target, and less than a lot beyond it.
                let goal = order.target_weight * before.to_f64();
                let beyond = (order.value.to_f64() - goal) * shares.signum();
                let lot = terms.lot_size.unwrap() * order.price.unwrap().to_f64();
                prop_assert!(beyond <= lot * (1.0 + 1e-6) || shares < 0.0 , "{:?}", order);
            }
        }
    }

    /// The exact orders are the nearest of all that the cash pays for, tried one by one; the greedy ones are no nearer.
    #[test]
    fn exact_orders_are_the_nearest(case in case(1..=3), points in prop::sample::select(vec![0.0, 25.0, 300.0])) {
        let Case { prices, weights, positions, cash, .. } = &case;
        let scale = |value: &Value| (value.as_f64().unwrap() / 100.0).floor();
        let held: Vec<f64> = positions.as_object().unwrap().values().map(scale).collect();
        let positions = Value::Object(
            positions.as_object().unwrap().keys().cloned().zip(held.iter().map(|held| json!(held))).collect());
        let cash = cash / 500.0;
        let terms = |method: &str| TermsInput {
            fee_bps: Some(points), method: Some(method.to_owned()), ..TermsInput::default()
        };
        let panel = panel(prices);
        let exact = list(weights, &positions, cash, &panel, &terms("exact"));
        let Ok(exact) = exact else { return Ok(()) };
        let greedy = list(weights, &positions, cash, &panel, &terms("greedy")).unwrap();
        let value: f64 = greedy.iter().map(|order| (order.value - order.amount).to_f64()).sum();
        let sum: f64 = weights.as_object().unwrap().values().map(|weight| weight.as_f64().unwrap()).sum();
        prop_assume!(sum < 0.998);
        let goal = |order: &Order| order.target_weight * value;
        let (found, thumb) = (deviation(&exact, goal), deviation(&greedy, goal));
        prop_assert!(found <= thumb + 1e-6);
        prop_assert_eq!(exact[0].method, "exact");
        let goals: Vec<f64> = exact.iter().filter(|order| order.ticker.is_some()).map(goal).collect();
        // Rounding of each cost to the cent is kept back by the search.
        let least = by_trial(prices, &held, &goals, cash - 0.01 * prices.len() as f64, points);
        prop_assert!(found <= least + 1e-6, "{} {}", found, least);
    }
}

/// The least deviation of all whole orders that lead towards the goals and that the cash pays for.
fn by_trial(prices: &[(String, f64)], held: &[f64], goals: &[f64], cash: f64, points: f64) -> f64 {
    let rate = points / 10_000.0;
    // What sells is decided first, since it brings the cash: every number of shares from none to all to the goal and one more.
    let mut order: Vec<usize> = (0..prices.len()).collect();
    order.sort_by_key(|&i| goals[i] >= held[i] * prices[i].1);
    fn best(
        order: &[usize],
        cash: f64,
        of: &dyn Fn(usize, i64) -> (f64, f64),
        most: &dyn Fn(usize) -> (i64, i64),
    ) -> f64 {
        let Some((&first, rest)) = order.split_first() else {
            return if cash >= -1e-9 { 0.0 } else { f64::INFINITY };
        };
        let (low, high) = most(first);
        (low..=high)
            .map(|count| {
                let (spent, off) = of(first, count);
                off + best(rest, cash - spent, of, most)
            })
            .fold(f64::INFINITY, f64::min)
    }
    let of = |i: usize, count: i64| {
        let amount = count as f64 * prices[i].1;
        (amount + amount.abs() * rate, ((held[i] + count as f64) * prices[i].1 - goals[i]).abs())
    };
    let most = |i: usize| {
        let away = (goals[i] / prices[i].1 - held[i]).abs();
        if goals[i] <= 0.0 {
            (-held[i] as i64, -held[i] as i64)
        } else if goals[i] < held[i] * prices[i].1 {
            ((-(away.ceil() as i64)).max(-held[i] as i64), -(away.floor() as i64).min(0))
        } else {
            let cap = (away.ceil() as i64).min(30);
            (0, cap)
        }
    };
    best(&order, cash, &of, &most)
}
