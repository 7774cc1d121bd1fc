//! Weights that somebody gives, of which a risk is asked.

use std::collections::BTreeMap;

use ndarray::Array1;
use serde_json::Value;

use crate::panel::ReturnPanel;
use crate::rate::{self, Kind};
use crate::task::Cancel;
use crate::{Result, input, work};

/// Weights by ticker, of at least one. They need not sum to one: what is not invested, or owed, earns and costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(BTreeMap<String, f64>);

impl Weights {
    /// Reads `{"AAPL": 0.6, "KO": "40 %"}`.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`].
    pub fn from_json(weights: &Value) -> Result<Weights> {
        let weights = rate::by_name("weights", Kind::Weight, weights)?;
        if weights.is_empty() {
            return Err(input::invalid("weights", "{}", "a weight of at least one ticker"));
        }
        Ok(Weights(weights))
    }

    /// The tickers that have one, by name.
    pub fn tickers(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// The weight of each of these tickers; of one without, zero.
    pub(super) fn of(&self, tickers: &[String]) -> Array1<f64> {
        tickers.iter().map(|ticker| self.0.get(ticker).copied().unwrap_or(0.0)).collect()
    }

    /// What they would have earned in each period, at these weights at its beginning.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] where that is not finite, [`crate::Error::Cancelled`].
    pub(super) fn returns(&self, panel: &ReturnPanel, cancel: &Cancel) -> Result<Vec<f64>> {
        let weights = self.of(panel.tickers());
        let mut returns = Vec::with_capacity(panel.returns().nrows());
        for row in work::watched(panel.returns().rows(), weights.len(), cancel) {
            let earned = row?.dot(&weights);
            if !earned.is_finite() {
                return Err(input::invalid("weights", "a return that is not finite", "smaller weights"));
            }
            returns.push(earned);
        }
        Ok(returns)
    }
}
