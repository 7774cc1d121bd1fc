//! The tickers of a portfolio in their order. Every vector that a user gives is joined to it by ticker, never by
//! position.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::input;
use crate::rate::{self, Kind};
use crate::{Error, Result};

/// The most tickers that one portfolio may have: the dense factorisations grow with the cube of it, and at this
/// size one takes about a tenth of a second.
pub const MAX_ASSETS: usize = 1000;

/// The tickers of a portfolio, each once.
#[derive(Debug, Clone, PartialEq)]
pub struct Universe {
    tickers: Vec<String>,
    position: HashMap<String, usize>,
}

impl Universe {
    /// A universe of these tickers, in this order.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where there is none, more than [`MAX_ASSETS`], or one of them twice.
    pub fn new(tickers: &[String]) -> Result<Universe> {
        if tickers.is_empty() || tickers.len() > MAX_ASSETS {
            return Err(Error::InvalidArgument {
                argument: "tickers",
                value: format!("{} tickers", tickers.len()),
                expected: format!("1 to {MAX_ASSETS} tickers"),
            });
        }
        let mut position = HashMap::with_capacity(tickers.len());
        for (index, ticker) in tickers.iter().enumerate() {
            if position.insert(ticker.clone(), index).is_some() {
                return Err(Error::InvalidArgument {
                    argument: "tickers",
                    value: format!("{ticker} twice"),
                    expected: "each ticker once".to_owned(),
                });
            }
        }
        Ok(Universe { tickers: tickers.to_vec(), position })
    }

    /// The tickers, in order.
    pub fn tickers(&self) -> &[String] {
        &self.tickers
    }

    /// How many there are; never zero.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.tickers.len()
    }

    /// Where a ticker stands, if it is one of these.
    pub fn find(&self, ticker: &str) -> Option<usize> {
        self.position.get(ticker).copied()
    }

    /// Where a ticker stands.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the universe.
    pub fn position(&self, ticker: &str) -> Result<usize> {
        self.find(ticker).ok_or_else(|| Error::UnknownName {
            kind: "ticker",
            name: ticker.to_owned(),
            valid: self.tickers.clone(),
        })
    }

    /// One value for each ticker, in order.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for a ticker that is not in the universe, [`Error::InvalidArgument`] where one of the
    /// universe's tickers has no value.
    pub fn join(&self, argument: &'static str, values: &BTreeMap<String, f64>) -> Result<Vec<f64>> {
        for ticker in values.keys() {
            self.position(ticker)?;
        }
        let missing: Vec<&str> =
            self.tickers.iter().map(String::as_str).filter(|ticker| !values.contains_key(*ticker)).collect();
        if missing.is_empty() {
            return Ok(self.tickers.iter().filter_map(|ticker| values.get(ticker).copied()).collect());
        }
        Err(Error::InvalidArgument {
            argument,
            value: format!("nothing for {}", missing.join(", ")),
            expected: "a value for every ticker".to_owned(),
        })
    }

    /// One value for each ticker, in order; those that are not named get `default`.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for a ticker that is not in the universe.
    pub fn join_or(&self, values: &BTreeMap<String, f64>, default: f64) -> Result<Vec<f64>> {
        let mut joined = vec![default; self.len()];
        for (ticker, &value) in values {
            joined[self.position(ticker)?] = value;
        }
        Ok(joined)
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
    /// Reads a rate or a share, or an object of them by ticker. A ticker whose value is null is as one that is not named:
    /// so comes what an outer join has nothing for.
    pub(crate) fn from_json(argument: &'static str, kind: Kind, value: &Value) -> Result<PerTicker> {
        if let Value::Object(values) = value {
            let mut given = values.clone();
            given.retain(|_, value| !value.is_null());
            return rate::by_name(argument, kind, &Value::Object(given)).map(PerTicker::Each);
        }
        rate::read(argument, kind, value).map(PerTicker::All)
    }

    /// Fails for a number that is not valid.
    pub(crate) fn require(
        &self,
        argument: &'static str,
        valid: impl Fn(f64) -> bool,
        expected: &str,
    ) -> Result<()> {
        match self {
            PerTicker::All(value) => input::within(argument, *value, valid, expected).map(drop),
            PerTicker::Each(values) => values
                .values()
                .try_for_each(|value| input::within(argument, *value, &valid, expected).map(drop)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn universe(tickers: &[&str]) -> Result<Universe> {
        Universe::new(&tickers.iter().map(|ticker| (*ticker).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn tickers_are_joined_by_name() {
        let universe = universe(&["B", "A"]).unwrap();
        let values = input::numbers("caps", &serde_json::json!({ "A": 1.0, "B": 2.0 })).unwrap();
        assert_eq!(universe.join("caps", &values).unwrap(), [2.0, 1.0]);
        let partial = BTreeMap::from([("A".to_owned(), 1.0)]);
        assert!(
            matches!(universe.join("caps", &partial), Err(Error::InvalidArgument { value, .. }) if value == "nothing for B")
        );
        assert_eq!(universe.join_or(&partial, 9.0).unwrap(), [9.0, 1.0]);
        let stranger = BTreeMap::from([("C".to_owned(), 1.0)]);
        assert!(
            matches!(universe.join_or(&stranger, 0.0), Err(Error::UnknownName { name, .. }) if name == "C")
        );
    }

    #[test]
    fn a_universe_has_each_ticker_once() {
        assert!(universe(&[]).is_err());
        assert!(universe(&["A", "A"]).is_err());
    }
}
