//! What a portfolio must keep to: bounds, groups, the budget; read from JSON and turned into a polytope.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde_json::Value;

use super::universe::{self, Universe};
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
}

impl Constraints {
    /// The keys in SQL.
    pub const KEYS: [&'static str; 9] = [
        "min_weight",
        "max_weight",
        "groups",
        "group_min",
        "group_max",
        "market_neutral",
        "l2_penalty",
        "target_return",
        "target_volatility",
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
            match key.as_str() {
                "min_weight" => constraints.min_weight = Some(PerTicker::from_json("min_weight", value)?),
                "max_weight" => constraints.max_weight = Some(PerTicker::from_json("max_weight", value)?),
                "groups" => constraints.groups = Groups::from_json(value)?,
                "group_min" => constraints.group_min = universe::numbers("group_min", value)?,
                "group_max" => constraints.group_max = universe::numbers("group_max", value)?,
                "market_neutral" => constraints.market_neutral = boolean("market_neutral", value)?,
                "l2_penalty" => {
                    let gamma = universe::finite("l2_penalty", "", value)?;
                    constraints.l2_penalty =
                        universe::within("l2_penalty", gamma, |gamma| gamma >= 0.0, "0 or over")?;
                }
                "target_return" => {
                    constraints.target_return = Some(universe::finite("target_return", "", value)?);
                }
                "target_volatility" => {
                    let target = universe::finite("target_volatility", "", value)?;
                    constraints.target_volatility =
                        Some(universe::within("target_volatility", target, |target| target > 0.0, "over 0")?);
                }
                _ => {
                    return Err(Error::UnknownName {
                        kind: "constraint",
                        name: key.clone(),
                        valid: Constraints::KEYS.map(str::to_owned).to_vec(),
                    });
                }
            }
        }
        Ok(constraints)
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
