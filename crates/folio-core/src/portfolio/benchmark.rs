//! What a portfolio is compared with: a ticker, or weights by ticker. It is written the same way wherever it is asked for.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Result;
use crate::input;
use crate::rate::{self, Kind};

/// A benchmark.
#[derive(Debug, Clone, PartialEq)]
pub enum Benchmark {
    /// One ticker, whole.
    Ticker(String),
    /// Weights by ticker.
    Weights(BTreeMap<String, f64>),
}

impl Benchmark {
    /// Reads `SPY`, or `{"AAPL": 0.6, "MSFT": 0.4}`.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] for an object that is none of weights.
    pub fn parse(text: &str) -> Result<Benchmark> {
        if !text.trim_start().starts_with('{') {
            return Ok(Benchmark::Ticker(text.to_owned()));
        }
        let value = serde_json::from_str(text).map_err(|error| {
            input::invalid("benchmark", text, format!("a ticker or a JSON object of weights: {error}"))
        })?;
        rate::by_name("benchmark", Kind::Weight, &value).map(Benchmark::Weights)
    }
}

/// The weights of a benchmark in JSON, `"SPY"` or an object of weights.
///
/// # Errors
/// [`crate::Error::InvalidArgument`].
pub(crate) fn weights(value: &Value) -> Result<BTreeMap<String, f64>> {
    match value {
        Value::String(ticker) => Ok(BTreeMap::from([(ticker.clone(), 1.0)])),
        value => rate::by_name("benchmark", Kind::Weight, value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_benchmark_is_a_ticker_or_weights() {
        let half = BTreeMap::from([("A".to_owned(), 0.5)]);
        assert_eq!(Benchmark::parse("A"), Ok(Benchmark::Ticker("A".to_owned())));
        assert_eq!(Benchmark::parse(" {\"A\": \"50 %\"}"), Ok(Benchmark::Weights(half.clone())));
        assert!(Benchmark::parse("{A: 1}").is_err());
        assert_eq!(weights(&json!({ "A": 0.5 })), Ok(half));
        assert_eq!(weights(&json!("A")), Ok(BTreeMap::from([("A".to_owned(), 1.0)])));
        assert!(weights(&json!({ "A": 50 })).is_err() && weights(&json!(1)).is_err());
    }
}
