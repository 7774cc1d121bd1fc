//! The least conditional drawdown at risk.

use ndarray::Array1;

use super::tail_risk::{self, Tail};
use super::{Constraints, Key, Objective};
use crate::Result;
use crate::portfolio::limit::Scope;
use crate::portfolio::market::Market;
use crate::task::Cancel;

/// The least conditional drawdown at risk.
pub(super) struct MinCdar;

impl Objective for MinCdar {
    fn name(&self) -> &'static str {
        "min_cdar"
    }

    fn scope(&self) -> Scope {
        Scope::Weights
    }

    fn looks_at_days(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [&'static dyn Key] {
        &[&tail_risk::CONFIDENCE]
    }

    fn weights(
        &self,
        market: &Market<'_>,
        constraints: &Constraints,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        tail_risk::least(Tail::Drawdown, market, constraints, cancel)
    }
}
