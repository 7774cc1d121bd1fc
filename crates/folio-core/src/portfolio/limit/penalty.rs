//! A penalty on large weights, for the objectives of mean and variance.

use serde_json::Value;

use super::{Limit, Scope};
use crate::Result;
use crate::input;

/// The penalty; none by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Penalty {
    /// gamma of the penalty gamma w'w, which counts as variance (PyPortfolioOpt's `L2_reg`).
    pub l2_penalty: f64,
}

impl Limit for Penalty {
    fn keys(&self) -> &'static [(&'static str, Scope)] {
        &[("l2_penalty", Scope::Variance)]
    }

    fn read(&mut self, key: &'static str, value: &Value) -> Result<()> {
        self.l2_penalty = input::within(key, input::finite(key, value)?, |gamma| gamma >= 0.0, "0 or over")?;
        Ok(())
    }
}
