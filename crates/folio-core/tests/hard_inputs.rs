//! The inputs that break portfolio libraries, as data: each gives the right numbers or an error with a name. The same data
//! are the table of `docs/hard_inputs.md`.

mod portfolio_support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use folio_core::Error;
use folio_core::panel::{PricePanel, PriceRow, ReturnPanel, Series};
use folio_core::portfolio::allocation::{Method, discrete_allocation, parse_weights};
use folio_core::portfolio::backtest::{self, Backtest, OnFailure, Rebalance};
use folio_core::portfolio::benchmark::Benchmark;
use folio_core::portfolio::covariance::{Covariance, CovarianceMethod};
use folio_core::portfolio::market::{MarketCaps, Prior, RiskAversion, RiskFreeRate, Tau};
use folio_core::portfolio::objective::Constraints;
use folio_core::portfolio::objective::by_name;
use folio_core::portfolio::request::{self, Allocation, Request};
use folio_core::portfolio::universe::Universe;
use folio_core::portfolio::views::Views;
use folio_core::task::{Cancel, Inline};
use portfolio_support::*;
use serde_json::{Map, Value, json};

/// Numbers agree with the table's to this.
const TOLERANCE: f64 = 1e-9;

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hard_inputs.json");
    serde_json::from_str::<Value>(&std::fs::read_to_string(path).unwrap())
        .unwrap()
        .as_array()
        .unwrap()
        .clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

/// The twenty stocks' prices with what a case does to them.
fn panel(input: &Value) -> PricePanel {
    let names: Vec<String> = match &input["tickers"] {
        Value::Null => TICKERS.map(str::to_owned).to_vec(),
        names => names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
    };
    let all = prices();
    let column = |name: &String| {
        let Some(series) = all.iter().find(|series| series.ticker() == name) else {
            return (name.clone(), Err(Error::UnknownTicker { ticker: name.clone() }));
        };
        let mut rows: Vec<PriceRow> =
            series.ts().iter().zip(series.close()).map(|(&ts, &close)| PriceRow { ts, close }).collect();
        if let Some(first) = input["first_row"][name].as_u64() {
            rows.drain(..first as usize);
        }
        if let Some(last) = input["last_row"][name].as_u64() {
            rows.truncate(last as usize);
        }
        if input["constant"] == json!(name) {
            rows.iter_mut().for_each(|row| row.close = 50.0);
        }
        if let Some(copy) = input["copy"][name].as_str() {
            let original = all.iter().find(|series| series.ticker() == copy).unwrap();
            rows.iter_mut().zip(original.close()).for_each(|(row, close)| row.close = *close);
        }
        if input["bad_price"][0] == json!(name) {
            rows[500].close = number(&input["bad_price"][1]);
        }
        if input["twice"] == json!(name) {
            rows.push(rows[500]);
        }
        (name.clone(), Series::new(name.clone(), rows, usize::MAX))
    };
    PricePanel::new(names.iter().map(column).collect())
}

fn request(input: &Value) -> folio_core::Result<Request> {
    let mut caps = golden("black_litterman.json")["inputs"]["market_caps_bn"].clone();
    let changed = input["market_caps"].as_object();
    for (ticker, cap) in changed.into_iter().flatten() {
        if cap == "absent" {
            caps.as_object_mut().unwrap().remove(ticker);
        } else {
            caps[ticker] = cap.clone();
        }
    }
    let mut constraints = input["constraints"].clone();
    if input["sectors"] != Value::Null {
        let mut sectors = golden("optimisation.json")["sectors"].clone();
        for (ticker, sector) in input["sectors"].as_object().unwrap() {
            if sector == "absent" {
                sectors.as_object_mut().unwrap().remove(ticker);
            } else {
                sectors[ticker] = sector.clone();
            }
        }
        constraints["groups"] = json!({ "sector": sectors });
    }
    let text = |key: &str| input[key].as_str();
    let given = |key: &str| (input[key] != Value::Null).then(|| number(&input[key]));
    let default = Request::default();
    Ok(Request {
        views: if input["views"] == Value::Null { Views::default() } else { Views::parse(&input["views"])? },
        market_caps: changed.map(|_| MarketCaps::from_json(&caps)).transpose()?,
        prior: match &input["prior"] {
            Value::Null => None,
            Value::String(name) => Some(Prior::parse(name)?),
            returns => Some(Prior::parse(&returns.to_string())?),
        },
        tau: given("tau").map_or(Ok(default.tau), Tau::new)?,
        risk_aversion: given("risk_aversion").map_or(Ok(default.risk_aversion), RiskAversion::new)?,
        risk_free_rate: given("risk_free_rate").map_or(Ok(default.risk_free_rate), RiskFreeRate::new)?,
        covariance: text("covariance").map_or(Ok(default.covariance), CovarianceMethod::parse)?,
        objective: text("objective").map_or(Ok(default.objective), by_name)?,
        constraints: Constraints::from_json(&constraints)?,
        ..default
    })
}

/// The numbers of an allocation by name and ticker. What holds for all is asserted here.
fn facts(allocation: &Allocation, neutral: bool) -> Value {
    let sum: f64 = allocation.holdings.iter().map(|holding| holding.weight).sum();
    let budget = if neutral { 0.0 } else { 1.0 };
    assert!((sum - budget).abs() < 1e-8, "the weights sum to {sum}");
    let mut facts: Map<String, Value> = Map::new();
    for holding in &allocation.holdings {
        for (name, value) in [
            ("weight", holding.weight),
            ("market", holding.market_weight),
            ("prior", holding.prior_return),
            ("posterior", holding.posterior_return),
            ("volatility", holding.posterior_volatility),
        ] {
            assert!(value.is_finite(), "{name} of {} is {value}", holding.ticker);
            facts.insert(format!("{name} {}", holding.ticker), json!(value));
        }
    }
    facts.insert(
        "tickers held".into(),
        json!(allocation.holdings.iter().filter(|h| h.weight.abs() > 1e-9).count()),
    );
    facts.into()
}

fn run(case: &Value) -> folio_core::Result<Value> {
    let (input, cancel) = (&case["input"], Cancel::default());
    if let Some(given) = input.get("given_covariance") {
        let given = matrix(given);
        let names: Vec<String> = (0..given.nrows()).map(|i| format!("T{i}")).collect();
        return Covariance::new(Universe::new(&names)?, given, &cancel).map(|_| json!({}));
    }
    let request = request(input)?;
    match case["call"].as_str().unwrap() {
        "discrete_allocation" => {
            let weights = parse_weights(&input["weights"])?;
            let last = json!({ "AAPL": 125.674, "MSFT": 233.8, "KO": 62.609, "BAC": 32.301 });
            let prices = input.get("share_prices").unwrap_or(&last).as_object().unwrap();
            let prices: BTreeMap<String, f64> =
                prices.iter().map(|(ticker, price)| (ticker.clone(), number(price))).collect();
            let names: Vec<String> = prices.keys().cloned().collect();
            let method = Method::parse(input["method"].as_str().unwrap_or("greedy"))?;
            let universe = Universe::new(&names)?;
            let bought =
                discrete_allocation(&universe, &weights, &prices, number(&input["value"]), method, &cancel)?;
            let shares =
                names.iter().zip(&bought.shares).map(|(name, n)| (format!("shares {name}"), json!(n)));
            Ok(shares.chain([("cash".to_owned(), json!(bought.leftover))]).collect::<Map<_, _>>().into())
        }
        call => {
            let returns = ReturnPanel::aligned(&panel(input), 999, 2)?;
            let neutral = request.constraints.limits.bounds.market_neutral;
            match call {
                "black_litterman" => {
                    request::black_litterman(&request, &returns, &cancel).map(|a| facts(&a, neutral))
                }
                "optimize_portfolio" => {
                    request::optimize_portfolio(&request, &returns, &cancel).map(|a| facts(&a, neutral))
                }
                "efficient_frontier" => {
                    let points = input["points"].as_i64().unwrap();
                    let frontier = request::efficient_frontier(&request, &returns, points, &cancel)?;
                    Ok(json!({ "points": frontier.len() }))
                }
                "portfolio_performance" => {
                    let (weights, benchmark) = (&input["weights"], input.get("benchmark"));
                    let found =
                        request::portfolio_performance(&request, &returns, weights, benchmark, &cancel)?;
                    Ok(json!({ "volatility": found.volatility, "tracking_error": found.tracking_error }))
                }
                "backtest" => {
                    let rebalance = Rebalance::parse(input["rebalance"].as_str().unwrap_or("month_end"))?;
                    let test = Backtest {
                        request,
                        rebalance,
                        lookback: input["lookback"].as_u64().unwrap_or(252) as usize,
                        transaction_cost: 0.0,
                        benchmark: input["benchmark"].as_str().map(Benchmark::parse).transpose()?,
                        hold_benchmark: false,
                        on_failure: OnFailure::Error,
                    };
                    let rows = backtest::run(test, &returns, &Inline, &cancel)?;
                    Ok(json!({ "days": rows.days.len() }))
                }
                other => panic!("no such call: {other}"),
            }
        }
    }
}

/// The variant, which a user of SQL sees as an SQLSTATE, and its whole text.
fn named(error: &Error) -> (&'static str, String) {
    let (state, text) = match error {
        Error::InvalidArgument { argument, value, expected } => {
            ("22023", format!("{argument}: {value}; {expected}"))
        }
        Error::UnknownName { kind, name, valid } => ("22023", format!("{kind} {name}; {}", valid.join(", "))),
        Error::InvalidView { view, reason } => ("22023", format!("{view}: {reason}")),
        Error::UnknownTicker { ticker } => ("22023", format!("no prices of {ticker}")),
        Error::Infeasible { reason, feasible } => ("PF001", format!("{reason}; {feasible}")),
        Error::NotPositiveSemidefinite { smallest_eigenvalue } => {
            ("PF002", format!("{smallest_eigenvalue:.6}"))
        }
        Error::TooShort { need, found } => ("PF004", format!("{need} needed, {found:?}")),
        Error::BadPrices { ticker, rows, .. } => ("PF005", format!("{ticker} {:?}", rows[0].reason)),
        other => panic!("not an answer to an input: {other}"),
    };
    (state, text)
}

#[test]
fn each_gives_the_right_numbers_or_an_error_with_a_name() {
    let mut wrong = Vec::new();
    for case in cases() {
        let name = case["name"].as_str().unwrap();
        match (run(&case), &case["error"]) {
            (Err(error), Value::String(state)) => {
                let (found, text) = named(&error);
                if found != state {
                    wrong.push(format!("{name}: {found} {text}"));
                }
                let says = case["says"].as_array().unwrap();
                assert!(!says.is_empty());
                let missing = says.iter().filter(|part| !text.contains(part.as_str().unwrap()));
                wrong.extend(missing.map(|part| format!("{name}: {part} is not in \"{text}\"")));
            }
            (Ok(facts), Value::Null) => {
                let gives = case["gives"].as_object().unwrap();
                assert!(!gives.is_empty(), "{name}: nothing is asserted");
                for (fact, expected) in gives {
                    let found = facts.get(fact).map_or(f64::NAN, number);
                    let near = case["tolerance"].as_f64().unwrap_or(TOLERANCE);
                    if (found - number(expected)).abs() > near || found.is_nan() {
                        wrong.push(format!("{name}: {fact} is {found}, not {expected}"));
                    }
                }
            }
            (Err(error), _) => wrong.push(format!("{name}: {:?}", named(&error))),
            (Ok(facts), _) => wrong.push(format!("{name}: no error but {facts}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_documentation_has_them_all() {
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut table = "| input | here | PyPortfolioOpt 1.6 |\n|---|---|---|\n".to_owned();
    for case in &cases {
        let here = match (case["error"].as_str(), &case["note"]) {
            (Some(state), _) => {
                let says: Vec<&str> =
                    case["says"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                format!("{state}: {}", says.join(", "))
            }
            (None, Value::String(note)) => note.clone(),
            (None, _) => {
                let facts = case["gives"].as_object().unwrap().iter();
                facts.map(|(fact, value)| format!("{fact} = {value}")).collect::<Vec<_>>().join(", ")
            }
        };
        let peer = case["pypfopt"].as_str().unwrap_or("");
        writeln!(table, "| {} | {here} | {peer} |", case["name"].as_str().unwrap()).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/hard_inputs.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (text, found) = document.split_once("| input |").unwrap();
    if format!("| input |{found}") != table {
        let new = concat!(env!("CARGO_TARGET_TMPDIR"), "/hard_inputs.md");
        std::fs::write(new, format!("{text}{table}")).unwrap();
        panic!("docs/hard_inputs.md is not the table of these inputs; {new} is");
    }
}
