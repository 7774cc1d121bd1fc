//! Groups of tickers: labels by kind, and the members that a name like `sector:Tech` stands for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::universe::Universe;
use crate::input;
use crate::{Error, Result};

/// A name, or a part of one, without the quotes that views need around spaces.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

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
        const EXPECTED: &str = "labels by kind and ticker, like {\"sector\": {\"AAPL\": \"Tech\"}}";
        let mut kinds = BTreeMap::new();
        for (kind, labels) in input::object("groups", value, EXPECTED)? {
            let mut of_kind = BTreeMap::new();
            for (ticker, label) in input::object("groups", labels, EXPECTED)? {
                let label = match label {
                    Value::Null => None,
                    Value::String(label) => Some(label.clone()),
                    other => return Err(input::invalid("groups", other, EXPECTED)),
                };
                of_kind.insert(ticker.clone(), label);
            }
            kinds.insert(kind.clone(), of_kind);
        }
        Ok(Groups(kinds))
    }

    /// Whether a name has the form `kind:label` of a kind that there is.
    pub fn is_group(&self, name: &str) -> bool {
        unquoted(name).split_once(':').is_some_and(|(kind, _)| self.0.contains_key(unquoted(kind)))
    }

    /// Where the members of the group `kind:label` stand in the universe; none where the label is that of other
    /// tickers only.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for an unknown kind or label, [`Error::InvalidArgument`] where a ticker of the
    /// universe has no label of that kind, so that a misspelt ticker cannot escape its group.
    pub fn members(&self, universe: &Universe, name: &str) -> Result<Vec<usize>> {
        let (kind, label) = unquoted(name).split_once(':').unwrap_or((name, ""));
        let (kind, label) = (unquoted(kind), unquoted(label));
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
