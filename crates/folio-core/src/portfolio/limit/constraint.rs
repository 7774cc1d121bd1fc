//! What a portfolio must keep to: bounds, groups, the budget; read from JSON and turned into a polytope.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array2;
use serde_json::Value;

use crate::portfolio::objective::hierarchical::{Distance, HierarchicalOptions, LeafOrder, Linkage};
use crate::portfolio::universe::{self, Universe};
use crate::{Error, Result};

/// Labels of tickers, by kind: `{"sector": {"AAPL": "Tech", "XOM": "Energy"}}`. A ticker may have the label null: it
/// then is in no group of that kind. Tickers outside the universe do not matter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Groups(BTreeMap<String, BTreeMap<String, Option<String>>>);

impl Groups {
    /// Reads the labels.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything but an object of objects of texts.
    pub fn from_json(value: &Value) -> Result<Groups> {
        let invalid = |value: &Value| Error::InvalidArgument {
            argument: "groups",
            value: value.to_string(),
            expected: "labels by kind and ticker, like {\"sector\": {\"AAPL\": \"Tech\"}}".to_owned(),
        };
        let mut kinds = BTreeMap::new();
        for (kind, labels) in value.as_object().ok_or_else(|| invalid(value))? {
            let mut of_kind = BTreeMap::new();
            for (ticker, label) in labels.as_object().ok_or_else(|| invalid(labels))? {
                let label = match label {
                    Value::Null => None,
                    Value::String(label) => Some(label.clone()),
                    other => return Err(invalid(other)),
                };
                of_kind.insert(ticker.clone(), label);
            }
            kinds.insert(kind.clone(), of_kind);
        }
        Ok(Groups(kinds))
    }

    /// Whether a name has the form `kind:label` of a kind that there is.
    pub fn is_group(&self, name: &str) -> bool {
        name.split_once(':').is_some_and(|(kind, _)| self.0.contains_key(kind.trim()))
    }

    /// Where the members of the group `kind:label` stand in the universe; none where the label is that of other
    /// tickers only.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for an unknown kind or label, [`Error::InvalidArgument`] where a ticker of the
    /// universe has no label of that kind, so that a misspelt ticker cannot escape its group.
    pub fn members(&self, universe: &Universe, name: &str) -> Result<Vec<usize>> {
        let (kind, label) = name.split_once(':').unwrap_or((name, ""));
        let (kind, label) = (kind.trim(), label.trim());
        let labels = self.0.get(kind).ok_or_else(|| Error::UnknownName {
            kind: "group",
            name: name.to_owned(),
            valid: self.names(),
        })?;
        if !labels.values().flatten().any(|known| known == label) {
            return Err(Error::UnknownName { kind: "group", name: name.to_owned(), valid: self.names() });
        }
        let unlabelled: Vec<&str> = universe
            .tickers()
            .iter()
            .map(String::as_str)
            .filter(|ticker| !labels.contains_key(*ticker))
            .collect();
        if !unlabelled.is_empty() {
            return Err(Error::InvalidArgument {
                argument: "groups",
                value: format!("no {kind} of {}", unlabelled.join(", ")),
                expected: format!("a {kind} for every ticker, null for one that is in none"),
            });
        }
        let is_member = |ticker: &String| labels.get(ticker).and_then(Option::as_deref) == Some(label);
        Ok((0..universe.len()).filter(|&index| is_member(&universe.tickers()[index])).collect())
    }

    /// All groups as `kind:label`.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .0
            .iter()
            .flat_map(|(kind, labels)| labels.values().flatten().map(move |label| format!("{kind}:{label}")))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A number for all tickers or one for each; the key `*` stands for those that are not named.
#[derive(Debug, Clone, PartialEq)]
pub enum PerTicker {
    /// The same for all.
    All(f64),
    /// By ticker.
    Each(BTreeMap<String, f64>),
}

impl PerTicker {
    fn from_json(argument: &'static str, value: &Value) -> Result<PerTicker> {
        if value.is_object() {
            return universe::numbers(argument, value).map(PerTicker::Each);
        }
        universe::finite(argument, "", value).map(PerTicker::All)
    }

    /// Fails for a number that is not valid.
    fn require(&self, argument: &'static str, valid: impl Fn(f64) -> bool, expected: &str) -> Result<()> {
        match self {
            PerTicker::All(value) => universe::within(argument, *value, valid, expected).map(drop),
            PerTicker::Each(values) => values
                .values()
                .try_for_each(|value| universe::within(argument, *value, &valid, expected).map(drop)),
        }
    }

    /// One number for each ticker of the universe.
    pub(crate) fn join(&self, universe: &Universe, default: f64) -> Result<Vec<f64>> {
        match self {
            PerTicker::All(value) => Ok(vec![*value; universe.len()]),
            PerTicker::Each(values) => {
                let mut values = values.clone();
                let rest = values.remove("*").unwrap_or(default);
                universe.join_or(&values, rest)
            }
        }
    }
}

/// The constraints of a portfolio and the parameters of its objective. The default is long only, fully invested.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Constraints {
    /// The least weight; without it 0, or -1 under `market_neutral`.
    pub min_weight: Option<PerTicker>,
    /// The largest weight; without it 1.
    pub max_weight: Option<PerTicker>,
    /// The labels that groups are made of.
    pub groups: Groups,
    /// The least weight of a group, by `kind:label`.
    pub group_min: BTreeMap<String, f64>,
    /// The largest weight of a group, by `kind:label`.
    pub group_max: BTreeMap<String, f64>,
    /// Weights sum to zero, not to one.
    pub market_neutral: bool,
    /// gamma of the penalty gamma w'w, which counts as variance (PyPortfolioOpt's `L2_reg`).
    pub l2_penalty: f64,
    /// The return a year that `efficient_return` asks for.
    pub target_return: Option<f64>,
    /// The volatility a year that `efficient_risk` allows.
    pub target_volatility: Option<f64>,
    /// The share of each ticker in the risk, for `risk_parity`; only the proportions matter.
    pub risk_budgets: Option<PerTicker>,
    /// The options of `hrp`, `herc` and `nco`.
    pub hierarchical: HierarchicalOptions,
    /// The confidence of `min_cvar` and `min_cdar`; without it 0.95.
    pub confidence: Option<f64>,
    /// The weights held now; those that are not named are 0.
    pub current_weights: Option<BTreeMap<String, f64>>,
    /// The most that all weights together may change from the current ones, the sum of |w - w0|.
    pub max_turnover: Option<f64>,
    /// What a change of a weight costs, as a share of the money traded; it is taken off the expected return.
    pub transaction_cost: Option<PerTicker>,
    /// The most tickers that are held; which ones is found by a heuristic, [`super::cardinality`].
    pub max_assets: Option<usize>,
    /// The most that long and short positions together may come to, the sum of |w|.
    pub max_gross: Option<f64>,
    /// The largest volatility a year of the difference to the benchmark.
    pub max_tracking_error: Option<f64>,
    /// The weights that the tracking error is measured against; without them the market's.
    pub benchmark: Option<BTreeMap<String, f64>>,
    /// The keys that were given, so that none is ignored in silence.
    pub(crate) given: BTreeSet<&'static str>,
}

impl Constraints {
    /// The keys in SQL.
    pub const KEYS: [&'static str; 22] = [
        "min_weight",
        "max_weight",
        "groups",
        "group_min",
        "group_max",
        "market_neutral",
        "l2_penalty",
        "target_return",
        "target_volatility",
        "risk_budgets",
        "linkage",
        "distance",
        "leaf_order",
        "clusters",
        "confidence",
        "current_weights",
        "max_turnover",
        "transaction_cost",
        "max_assets",
        "max_gross",
        "max_tracking_error",
        "benchmark",
    ];

    /// Reads `{"max_weight": 0.2, "group_max": {"sector:Tech": 0.3}, "groups": {...}}`. `min_weight` and `max_weight`
    /// are a number for all or an object by ticker, in which `*` stands for the others.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for a key that is none, [`Error::InvalidArgument`] for a value of the wrong kind.
    pub fn from_json(value: &Value) -> Result<Constraints> {
        let mut constraints = Constraints::default();
        if value.is_null() {
            return Ok(constraints);
        }
        let object = value.as_object().ok_or_else(|| Error::InvalidArgument {
            argument: "constraints",
            value: value.to_string(),
            expected: "an object, like {\"max_weight\": 0.2}".to_owned(),
        })?;
        for (key, value) in object {
            let known = Constraints::KEYS.iter().find(|known| *known == key);
            let &key = known.ok_or_else(|| Error::UnknownName {
                kind: "constraint",
                name: key.clone(),
                valid: Constraints::KEYS.map(str::to_owned).to_vec(),
            })?;
            constraints.given.insert(key);
            constraints.set(key, value)?;
        }
        if constraints.current_weights.is_none()
            && let Some(key) =
                ["max_turnover", "transaction_cost"].iter().find(|key| constraints.given.contains(*key))
        {
            return Err(Error::InvalidArgument {
                argument: key,
                value: "no current_weights".to_owned(),
                expected: "current_weights beside it, {} where nothing is held yet".to_owned(),
            });
        }
        if constraints.benchmark.is_some() && constraints.max_tracking_error.is_none() {
            return Err(Error::InvalidArgument {
                argument: "benchmark",
                value: "no max_tracking_error".to_owned(),
                expected: "max_tracking_error beside it".to_owned(),
            });
        }
        Ok(constraints)
    }

    fn set(&mut self, key: &'static str, value: &Value) -> Result<()> {
        let number = |valid: fn(f64) -> bool, expected: &str| {
            universe::within(key, universe::finite(key, "", value)?, valid, expected)
        };
        match key {
            "min_weight" => self.min_weight = Some(PerTicker::from_json(key, value)?),
            "max_weight" => self.max_weight = Some(PerTicker::from_json(key, value)?),
            "groups" => self.groups = Groups::from_json(value)?,
            "group_min" => self.group_min = universe::numbers(key, value)?,
            "group_max" => self.group_max = universe::numbers(key, value)?,
            "market_neutral" => self.market_neutral = boolean(key, value)?,
            "l2_penalty" => self.l2_penalty = number(|gamma| gamma >= 0.0, "0 or over")?,
            "target_return" => self.target_return = Some(number(|_| true, "a return")?),
            "target_volatility" => self.target_volatility = Some(number(|target| target > 0.0, "over 0")?),
            "risk_budgets" => {
                let budgets = PerTicker::from_json(key, value)?;
                budgets.require(key, |budget| budget > 0.0, "over 0")?;
                self.risk_budgets = Some(budgets);
            }
            "linkage" => self.hierarchical.linkage = Some(Linkage::parse(name(key, value)?)?),
            "distance" => self.hierarchical.distance = Distance::parse(name(key, value)?)?,
            "leaf_order" => self.hierarchical.leaf_order = LeafOrder::parse(name(key, value)?)?,
            "clusters" => self.hierarchical.clusters = Some(count(key, value)?),
            "confidence" => {
                self.confidence = Some(number(|c| c > 0.0 && c < 1.0, "over 0 and under 1; 95 % is 0.95")?);
            }
            "current_weights" => self.current_weights = Some(universe::numbers(key, value)?),
            "max_turnover" => self.max_turnover = Some(number(|turnover| turnover >= 0.0, "0 or over")?),
            "transaction_cost" => {
                let costs = PerTicker::from_json(key, value)?;
                costs.require(
                    key,
                    |cost| (0.0..1.0).contains(&cost),
                    "0 or over and under 1; 10 basis points are 0.001",
                )?;
                self.transaction_cost = Some(costs);
            }
            "max_assets" => self.max_assets = Some(count(key, value)?),
            "max_gross" => self.max_gross = Some(number(|gross| gross > 0.0, "over 0; 1.6 is 130/30")?),
            "max_tracking_error" => {
                self.max_tracking_error = Some(number(|error| error > 0.0, "over 0; 2 % is 0.02")?);
            }
            "benchmark" => self.benchmark = Some(universe::numbers(key, value)?),
            other => {
                return Err(Error::Internal { message: format!("the constraint {other} is not read") });
            }
        }
        Ok(())
    }

    /// Fails where a key was given that an objective does not look at.
    pub(crate) fn require_only(&self, objective: &str, used: &[&str]) -> Result<()> {
        match self.given.iter().find(|key| !used.contains(*key)) {
            None => Ok(()),
            Some(&argument) => Err(Error::InvalidArgument {
                argument,
                value: format!("given with the objective {objective}"),
                expected: format!("only what {objective} looks at: {}", used.join(", ")),
            }),
        }
    }

    /// The same without the cost of trades, for an objective that looks at no return.
    pub(crate) fn without_transaction_cost(&self) -> Constraints {
        let mut rest = Constraints { transaction_cost: None, ..self.clone() };
        rest.given.remove("transaction_cost");
        rest
    }

    /// The set of weights that keep to the constraints.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for an unknown ticker or group, [`Error::InvalidArgument`] where a lower bound lies
    /// over its upper bound.
    pub(crate) fn polytope(&self, universe: &Universe) -> Result<Polytope> {
        let least = if self.market_neutral { -1.0 } else { 0.0 };
        let bound = |bound: &Option<PerTicker>, default: f64| match bound {
            Some(bound) => bound.join(universe, default),
            None => Ok(vec![default; universe.len()]),
        };
        let lower = bound(&self.min_weight, least)?;
        let upper = bound(&self.max_weight, 1.0)?;
        for (index, (low, high)) in lower.iter().zip(&upper).enumerate() {
            if low > high {
                return Err(Error::InvalidArgument {
                    argument: "min_weight",
                    value: format!("{low} for {}", universe.tickers()[index]),
                    expected: format!("at most its max_weight, {high}"),
                });
            }
        }
        let budget = if self.market_neutral { 0.0 } else { 1.0 };
        let mut rows = vec![Row {
            name: "the sum of the weights".to_owned(),
            coefficients: vec![1.0; universe.len()],
            lower: budget,
            upper: budget,
        }];
        let mut names: Vec<&String> = self.group_min.keys().chain(self.group_max.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let mut coefficients = vec![0.0; universe.len()];
            for index in self.groups.members(universe, name)? {
                coefficients[index] = 1.0;
            }
            let lower = self.group_min.get(name).copied().unwrap_or(f64::NEG_INFINITY);
            let upper = self.group_max.get(name).copied().unwrap_or(f64::INFINITY);
            if lower > upper {
                return Err(Error::InvalidArgument {
                    argument: "group_min",
                    value: format!("{lower} for {name}"),
                    expected: format!("at most its group_max, {upper}"),
                });
            }
            rows.push(Row { name: name.clone(), coefficients, lower, upper });
        }
        Ok(Polytope { lower, upper, rows })
    }
}

fn name<'a>(argument: &'static str, value: &'a Value) -> Result<&'a str> {
    value.as_str().ok_or_else(|| Error::InvalidArgument {
        argument,
        value: value.to_string(),
        expected: "a name".to_owned(),
    })
}

fn count(argument: &'static str, value: &Value) -> Result<usize> {
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok()).filter(|&count| count > 0);
    count.ok_or_else(|| Error::InvalidArgument {
        argument,
        value: value.to_string(),
        expected: "a whole number, 1 or over".to_owned(),
    })
}

fn boolean(argument: &'static str, value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| Error::InvalidArgument {
        argument,
        value: value.to_string(),
        expected: "true or false".to_owned(),
    })
}

/// lower <= coefficients x <= upper; an equation where the two are the same.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// What messages call it.
    pub(crate) name: String,
    pub(crate) coefficients: Vec<f64>,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

impl Row {
    pub(crate) fn value(&self, x: &[f64]) -> f64 {
        self.coefficients.iter().zip(x).map(|(a, x)| a * x).sum()
    }

    pub(crate) fn is_equation(&self) -> bool {
        self.lower == self.upper
    }
}

/// Bounds and rows; the first row is the budget.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Polytope {
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    pub(crate) rows: Vec<Row>,
}

impl Polytope {
    pub(crate) fn len(&self) -> usize {
        self.lower.len()
    }

    /// By how much x breaks the worst of the constraints.
    pub(crate) fn violation(&self, x: &[f64]) -> f64 {
        let bounds = x.iter().zip(&self.lower).zip(&self.upper).map(|((x, l), u)| (l - x).max(x - u));
        let rows = self.rows.iter().map(|row| {
            let value = row.value(x);
            (row.lower - value).max(value - row.upper)
        });
        bounds.chain(rows).fold(0.0, f64::max)
    }

    /// The coefficients of all rows, a row each.
    pub(crate) fn row_matrix(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.rows.len(), self.len()), |(i, j)| self.rows[i].coefficients[j])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn universe() -> Universe {
        Universe::new(&["A", "B", "C"].map(str::to_owned)).unwrap()
    }

    fn polytope(value: Value) -> Result<Polytope> {
        Constraints::from_json(&value)?.polytope(&universe())
    }

    #[test]
    fn bounds_are_joined_by_ticker() {
        let set =
            polytope(json!({ "min_weight": { "C": 0.1 }, "max_weight": { "A": 0.3, "*": 0.5 } })).unwrap();
        assert_eq!((set.lower, set.upper), (vec![0.0, 0.0, 0.1], vec![0.3, 0.5, 0.5]));
        let set = polytope(json!({ "market_neutral": true })).unwrap();
        assert_eq!((set.lower[0], set.rows[0].lower), (-1.0, 0.0));
    }

    #[test]
    fn groups_become_rows() {
        let groups = json!({ "sector": { "A": "X", "B": "Y", "C": null, "D": "Z" } });
        let set = polytope(
            json!({ "groups": groups, "group_max": { "sector:X": 0.3 }, "group_min": { "sector:Y": 0.1 } }),
        )
        .unwrap();
        assert_eq!(set.rows[1].coefficients, [1.0, 0.0, 0.0]);
        assert_eq!((set.rows[1].upper, set.rows[2].lower), (0.3, 0.1));
        let unknown = polytope(json!({ "groups": groups, "group_max": { "sector:Tec": 0.3 } }));
        assert!(
            matches!(unknown, Err(Error::UnknownName { valid, .. }) if valid == ["sector:X", "sector:Y", "sector:Z"])
        );
        let partial = json!({ "sector": { "A": "X", "BB": "X", "C": "Y" } });
        let missing = polytope(json!({ "groups": partial, "group_max": { "sector:X": 0.3 } }));
        assert!(matches!(missing, Err(Error::InvalidArgument { value, .. }) if value == "no sector of B"));
    }

    #[test]
    fn what_is_no_constraint_is_refused() {
        assert!(
            matches!(polytope(json!({ "max_wieght": 0.2 })), Err(Error::UnknownName { valid, .. }) if valid.len() == Constraints::KEYS.len())
        );
        for value in [
            json!(3),
            json!({ "max_weight": "x" }),
            json!({ "min_weight": 0.5, "max_weight": 0.4 }),
            json!({ "market_neutral": 1 }),
            json!({ "l2_penalty": -1 }),
            json!({ "target_volatility": 0 }),
            json!({ "groups": [] }),
        ] {
            assert!(matches!(polytope(value.clone()), Err(Error::InvalidArgument { .. })), "{value}");
        }
        assert!(matches!(polytope(json!({ "max_weight": { "Q": 0.2 } })), Err(Error::UnknownName { .. })));
    }
}
