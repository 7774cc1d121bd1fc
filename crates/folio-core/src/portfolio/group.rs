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

/// A kind of groups, and where the members of each of its labels stand.
pub type Kind<'a> = (&'a str, Vec<(Option<&'a str>, Vec<usize>)>);

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

    /// Whether there are labels of this kind.
    pub fn has(&self, kind: &str) -> bool {
        self.0.contains_key(kind)
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
        require_labels(kind, labels, universe)?;
        let is_member = |ticker: &String| labels.get(ticker).and_then(Option::as_deref) == Some(label);
        Ok((0..universe.len()).filter(|&index| is_member(&universe.tickers()[index])).collect())
    }

    /// The kinds, each with where the members of its labels stand in the universe; last, without a label, those that are in
    /// none.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where a ticker of the universe has no label of a kind.
    pub fn partition<'a>(&'a self, universe: &Universe) -> Result<Vec<Kind<'a>>> {
        let mut kinds = Vec::with_capacity(self.0.len());
        for (kind, labels) in &self.0 {
            require_labels(kind, labels, universe)?;
            let (mut members, mut none) = (BTreeMap::<&str, Vec<usize>>::new(), Vec::new());
            for (place, ticker) in universe.tickers().iter().enumerate() {
                match labels.get(ticker).and_then(Option::as_deref) {
                    Some(label) => members.entry(label).or_default().push(place),
                    None => none.push(place),
                }
            }
            let rest = (!none.is_empty()).then_some((None, none));
            let labelled = members.into_iter().map(|(label, members)| (Some(label), members));
            kinds.push((kind.as_str(), labelled.chain(rest).collect()));
        }
        Ok(kinds)
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

/// Fails where a ticker of the universe has no label.
fn require_labels(kind: &str, labels: &BTreeMap<String, Option<String>>, universe: &Universe) -> Result<()> {
    let tickers = universe.tickers().iter().map(String::as_str);
    let unlabelled: Vec<&str> = tickers.filter(|ticker| !labels.contains_key(*ticker)).collect();
    if unlabelled.is_empty() {
        return Ok(());
    }
    Err(Error::InvalidArgument {
        argument: "groups",
        value: format!("no {kind} of {}", unlabelled.join(", ")),
        expected: format!("a {kind} for every ticker, null for one that is in none"),
    })
}
