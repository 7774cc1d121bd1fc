//! The largest diversification ratio.

use ndarray::Array1;

use super::max_sharpe::max_sharpe;
use super::problem;
use super::{Constraints, Objective};
use crate::Result;
use crate::portfolio::limit::Scope;
use crate::portfolio::market::Market;
use crate::task::Cancel;

/// The largest ratio of the mean of the volatilities to the volatility of the whole (Choueifaty and Coignard
/// 2008).
pub(super) struct MaxDiversification;

impl Objective for MaxDiversification {
    fn name(&self) -> &'static str {
        "max_diversification"
    }

    fn scope(&self) -> Scope {
        Scope::Weights
    }

    fn weights(
        &self,
        market: &Market<'_>,
        constraints: &Constraints,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        // The Sharpe ratio of returns that are the volatilities.
        let volatilities = market.covariance.volatility();
        let market = Market { returns: &volatilities, risk_free_rate: 0.0, ..*market };
        problem::solve(&market, &constraints.limits, cancel, max_sharpe)
    }
}
