//! What weights can be best at: the trait of an objective, and the list of all of them.
//!
//! A new objective is a file in `objective/` that implements [`Objective`], its `mod` line, and its line in the list
//! below. It says which limits it keeps to and reads its own parameters; the SQL functions, their errors and the tests
//! over all objectives find it in the list.

#![deny(dead_code, reason = "an objective that is not in the list")]

mod clusters;
pub(crate) mod efficient_return;
mod efficient_risk;
mod herc;
mod hrp;
mod max_diversification;
mod max_quadratic_utility;
mod max_sharpe;
mod min_cdar;
mod min_cvar;
mod min_volatility;
mod nco;
mod parameter;
mod problem;
mod risk_parity;
mod tail_risk;
mod tree;

use std::collections::BTreeSet;

use ndarray::Array1;
use serde_json::Value;

pub use clusters::{ClusterOptions, clusters};
pub use parameter::{Key, Parameters};
pub(crate) use problem::largest_return;
pub use tree::{Distance, Linkage};

use super::limit::{Limits, Scope};
use super::market::Market;
use crate::Result;
use crate::input;
use crate::task::Cancel;

/// What weights are to be best at. Stateless: it stands in a static list.
pub trait Objective: Send + Sync {
    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// Which limits it keeps to; others are refused.
    fn scope(&self) -> Scope;

    /// Its own parameters, whose keys stand among the constraints.
    fn parameters(&self) -> &'static [&'static dyn Key] {
        &[]
    }

    /// Whether it looks at the days of the history themselves.
    fn looks_at_days(&self) -> bool {
        false
    }

    /// The keys of the constraints that it looks at.
    fn constraint_keys(&self) -> Vec<&'static str> {
        let mut keys = Limits::keys(self.scope());
        keys.extend(self.parameters().iter().map(|parameter| parameter.key()));
        keys
    }

    /// The best weights of a market whose expected returns are finite, in the order of its tickers. Only keys of its
    /// scope and its parameters were given.
    ///
    /// # Errors
    /// Those of [`optimize`].
    fn weights(&self, market: &Market<'_>, constraints: &Constraints, cancel: &Cancel)
    -> Result<Array1<f64>>;
}

/// Declares [`OBJECTIVES`], and the names of those that the engine itself asks for.
macro_rules! objectives {
    ($($module:ident::$objective:ident),+ $(,)?) => {
        /// Every objective, in the order in which errors list them.
        pub static OBJECTIVES: &[&dyn Objective] = &[$(&$module::$objective),+];
    };
}

objectives! {
    max_sharpe::MaxSharpe,
    min_volatility::MinVolatility,
    max_quadratic_utility::MaxQuadraticUtility,
    efficient_risk::EfficientRisk,
    efficient_return::EfficientReturn,
    risk_parity::RiskParity,
    hrp::Hrp,
    herc::Herc,
    nco::Nco,
    min_cvar::MinCvar,
    min_cdar::MinCdar,
    max_diversification::MaxDiversification,
}

/// The objective where none is named.
pub static MAX_SHARPE: &dyn Objective = &max_sharpe::MaxSharpe;

/// The objective with which a frontier begins.
pub static MIN_VOLATILITY: &dyn Objective = &min_volatility::MinVolatility;

/// The objective of this name.
///
/// # Errors
/// [`crate::Error::UnknownName`] with the valid names.
pub fn by_name(name: &str) -> Result<&'static dyn Objective> {
    let found = OBJECTIVES.iter().copied().find(|objective| objective.name() == name.trim());
    found
        .ok_or_else(|| input::unknown("objective", name, OBJECTIVES.iter().map(|objective| objective.name())))
}

impl PartialEq for dyn Objective {
    fn eq(&self, other: &dyn Objective) -> bool {
        self.name() == other.name()
    }
}

impl std::fmt::Debug for dyn Objective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What SQL calls constraints: the limits of a portfolio and the parameters of its objective.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Constraints {
    /// What the weights keep to.
    pub limits: Limits,
    /// What the objective is told.
    pub parameters: Parameters,
    /// The keys that were given, so that none is ignored in silence.
    given: BTreeSet<&'static str>,
}

impl Constraints {
    /// Every key, of limits first, then of objectives.
    pub fn keys() -> Vec<&'static str> {
        let mut keys = Limits::keys(Scope::Budget);
        for parameter in parameters() {
            if !keys.contains(&parameter.key()) {
                keys.push(parameter.key());
            }
        }
        keys
    }

    /// Reads `{"max_weight": 0.2, "group_max": {"sector:Tech": 0.3}, "groups": {...}}`. `min_weight` and `max_weight`
    /// are a number for all or an object by ticker, in which `*` stands for the others.
    ///
    /// # Errors
    /// [`crate::Error::UnknownName`] for a key that is none, [`crate::Error::InvalidArgument`] for a value of the wrong kind.
    pub fn from_json(value: &Value) -> Result<Constraints> {
        let mut constraints = Constraints::default();
        if value.is_null() {
            return Ok(constraints);
        }
        let keys = Constraints::keys();
        for (key, value) in input::object("constraints", value, "an object, like {\"max_weight\": 0.2}")? {
            let key = input::key("constraint", key, &keys)?;
            // As if it had not been given, so that SQL's NULL can be passed on.
            if value.is_null() {
                continue;
            }
            constraints.given.insert(key);
            if !constraints.limits.read(key, value)?
                && let Some(parameter) = parameters().find(|parameter| parameter.key() == key)
            {
                constraints.parameters.insert(parameter, value)?;
            }
        }
        constraints.limits.complete()?;
        Ok(constraints)
    }

    /// Fails where a key was given that an objective does not look at.
    fn require_only(&self, objective: &dyn Objective) -> Result<()> {
        let (name, used) = (objective.name(), objective.constraint_keys());
        match self.given.iter().find(|key| !used.contains(key)) {
            None => Ok(()),
            Some(argument) => Err(input::invalid(
                argument,
                format!("given with the objective {name}"),
                format!("only what {name} looks at: {}", used.join(", ")),
            )),
        }
    }

    /// The same with any number of tickers.
    pub(crate) fn without_max_assets(&self) -> Constraints {
        let mut rest = self.clone();
        rest.limits.cardinality.max_assets = None;
        rest.given.remove("max_assets");
        rest
    }

    /// The same without the cost of trades, for an objective that looks at no return.
    pub(crate) fn without_transaction_cost(&self) -> Constraints {
        let mut rest = self.clone();
        rest.limits.trades.transaction_cost = None;
        rest.given.remove("transaction_cost");
        rest
    }
}

/// The parameters of all objectives; one of several objectives comes several times.
fn parameters() -> impl Iterator<Item = &'static dyn Key> {
    OBJECTIVES.iter().flat_map(|objective| objective.parameters()).copied()
}

/// The best weights, in the order of the tickers. They satisfy the constraints to 1e-9 and the optimality conditions
/// to 1e-7 of the gradient's size, which is checked on the way.
///
/// # Errors
/// [`crate::Error::Infeasible`] with the constraints that clash, or where no portfolio beats the risk-free rate, or a target
/// is out of reach; [`crate::Error::InvalidArgument`] for a missing target or an objective that means nothing for a
/// market-neutral portfolio; [`crate::Error::SolverFailed`]; [`crate::Error::Cancelled`].
pub fn optimize(
    market: &Market<'_>,
    objective: &dyn Objective,
    constraints: &Constraints,
    cancel: &Cancel,
) -> Result<Array1<f64>> {
    if let Some(bad) = market.returns.iter().find(|value| !value.is_finite()) {
        return Err(input::invalid("expected returns", bad, "finite numbers"));
    }
    constraints.require_only(objective)?;
    objective.weights(market, constraints, cancel)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Error;

    #[test]
    fn what_is_no_constraint_is_refused() {
        let unknown = Constraints::from_json(&json!({ "max_wieght": 0.2 }));
        assert!(matches!(unknown, Err(Error::UnknownName { valid, .. }) if valid == Constraints::keys()));
        for value in [
            json!(3),
            json!({ "target_volatility": 0 }),
            json!({ "confidence": 95 }),
            json!({ "clusters": 0 }),
            json!({ "linkage": 1 }),
            json!({ "risk_budgets": { "A": -1 } }),
        ] {
            let read = Constraints::from_json(&value);
            assert!(matches!(read, Err(Error::InvalidArgument { .. })), "{value}");
        }
        let nothing = json!({ "max_weight": null, "confidence": null, "groups": null, "max_assets": null });
        assert_eq!(Constraints::from_json(&nothing), Ok(Constraints::default()));
        let unbounded = Constraints::from_json(&json!({ "max_weight": { "A": 0.2, "B": null } })).unwrap();
        assert_eq!(unbounded, Constraints::from_json(&json!({ "max_weight": { "A": 0.2 } })).unwrap());
        let linkage = Constraints::from_json(&json!({ "linkage": "twist" }));
        assert!(matches!(linkage, Err(Error::UnknownName { kind: "linkage", .. })));
    }

    #[test]
    fn each_name_and_each_key_stands_once() {
        let names: BTreeSet<&str> = OBJECTIVES.iter().map(|objective| objective.name()).collect();
        assert_eq!(names.len(), OBJECTIVES.len());
        let keys: BTreeSet<&str> = Constraints::keys().into_iter().collect();
        assert_eq!(keys.len(), Constraints::keys().len());
        for objective in OBJECTIVES {
            assert!(objective.constraint_keys().iter().all(|key| keys.contains(key)), "{}", objective.name());
            assert_eq!(by_name(objective.name()), Ok(*objective));
        }
    }
}
