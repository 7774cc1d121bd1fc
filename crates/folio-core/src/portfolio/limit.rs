//! What weights must keep to: the trait of a limit, the list of all of them, and why nothing keeps to them where nothing
//! does.
//!
//! A new limit is a file in `limit/` that implements [`Limit`], its `mod` line, and its line in the list below. Its keys
//! then are read from the constraints of every call, its bounds and rows go into every program, and the objectives of
//! its scope keep to it.

#![deny(dead_code, reason = "a limit that is not in the list")]

mod bounds;
pub(crate) mod cardinality;
pub(crate) mod feasibility;
mod groups;
mod penalty;
pub(crate) mod tracking;
pub(crate) mod turnover;

use serde_json::Value;

use super::solver::polytope::Polytope;
use super::universe::Universe;
use crate::Result;

/// What an objective has to have for a key to mean something to it. Each has what those before it have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Names of groups alone: weights that follow from the covariance keep to no limit.
    Names,
    /// Weights that are chosen from a set.
    Weights,
    /// A variance as the measure of risk, which a penalty can be added to.
    Variance,
    /// Expected returns, which costs can be taken off.
    Returns,
    /// A meaning for weights that sum to zero.
    Budget,
}

/// A limit as a caller gives it. The default of each is no limit.
pub(crate) trait Limit {
    /// Its keys among the constraints, each with the objectives that look at it.
    fn keys(&self) -> &'static [(&'static str, Scope)];

    /// Takes the value of one of its keys.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] with the key, the value and what would be accepted.
    fn read(&mut self, key: &'static str, value: &Value) -> Result<()>;

    /// Fails where one of its keys was given without another that it needs.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`].
    fn complete(&self) -> Result<()> {
        Ok(())
    }

    /// Adds its bounds and rows to the set of weights. Where it is none of these, whoever builds the program asks for it
    /// by its name.
    ///
    /// # Errors
    /// [`crate::Error::UnknownName`] for an unknown ticker or group, [`crate::Error::InvalidArgument`] for bounds that
    /// contradict each other.
    fn bound(&self, set: &mut Polytope, universe: &Universe) -> Result<()> {
        let _ = (set, universe);
        Ok(())
    }
}

/// Declares [`Limits`] with a field for each limit.
macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident: $module:ident::$limit:ident),+ $(,)?) => {
        /// All limits of a portfolio. The default is long only, fully invested.
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct Limits { $($(#[$doc])* pub $field: $module::$limit,)+ }

        impl Limits {
            fn each(&self) -> Vec<&dyn Limit> {
                vec![$(&self.$field),+]
            }

            fn each_mut(&mut self) -> Vec<&mut dyn Limit> {
                vec![$(&mut self.$field),+]
            }
        }
    };
}

limits! {
    /// `min_weight`, `max_weight`, `market_neutral`. The first, since it begins the set that the others narrow.
    bounds: bounds::Bounds,
    /// `groups`, `group_min`, `group_max`.
    groups: groups::GroupBounds,
    /// `current_weights`, `max_turnover`, `transaction_cost`, `max_gross`.
    trades: turnover::TradeLimits,
    /// `max_assets`.
    cardinality: cardinality::Cardinality,
    /// `max_tracking_error`, `benchmark`.
    tracking: tracking::TrackingLimit,
    /// `l2_penalty`.
    penalty: penalty::Penalty,
}

impl Limits {
    /// The keys that an objective of this scope looks at.
    pub fn keys(scope: Scope) -> Vec<&'static str> {
        let mut keys: Vec<(&str, Scope)> =
            Limits::default().each().iter().flat_map(|limit| limit.keys()).copied().collect();
        keys.retain(|(_, needed)| *needed <= scope);
        keys.sort_by_key(|(_, needed)| (*needed).max(Scope::Weights));
        keys.into_iter().map(|(key, _)| key).collect()
    }

    /// Takes the value of a key; whether it is one of a limit.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`].
    pub(crate) fn read(&mut self, key: &str, value: &Value) -> Result<bool> {
        for limit in self.each_mut() {
            if let Some((key, _)) = limit.keys().iter().find(|(known, _)| *known == key) {
                limit.read(key, value)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fails where keys were given without others that they need.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`].
    pub(crate) fn complete(&self) -> Result<()> {
        self.each().iter().try_for_each(|limit| limit.complete())
    }

    /// The set of weights that keep to the bounds and rows; its first row is the budget.
    ///
    /// # Errors
    /// [`crate::Error::UnknownName`] for an unknown ticker or group, [`crate::Error::InvalidArgument`] where a lower
    /// bound lies over its upper bound.
    pub(crate) fn polytope(&self, universe: &Universe) -> Result<Polytope> {
        let mut set = Polytope { lower: Vec::new(), upper: Vec::new(), rows: Vec::new() };
        self.each().iter().try_for_each(|limit| limit.bound(&mut set, universe))?;
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Error;

    fn universe() -> Universe {
        Universe::new(&["A", "B", "C"].map(str::to_owned)).unwrap()
    }

    fn polytope(value: Value) -> Result<Polytope> {
        let mut limits = Limits::default();
        for (key, value) in value.as_object().unwrap() {
            assert!(limits.read(key, value)?, "{key}");
        }
        limits.complete()?;
        limits.polytope(&universe())
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
        let spaced = json!({ "sector": { "A": "Real Estate", "B": null, "C": null } });
        for name in [
            "sector:Real Estate",
            "\"sector:Real Estate\"",
            "sector:\"Real Estate\"",
            "sector: 'Real Estate'",
        ] {
            let set = polytope(json!({ "groups": spaced, "group_max": { name: 0.3 } })).unwrap();
            assert_eq!(set.rows[1].coefficients, [1.0, 0.0, 0.0], "{name}");
        }
        let unknown = polytope(json!({ "groups": groups, "group_max": { "sector:Tec": 0.3 } }));
        assert!(
            matches!(unknown, Err(Error::UnknownName { valid, .. }) if valid == ["sector:X", "sector:Y", "sector:Z"])
        );
        let partial = json!({ "sector": { "A": "X", "BB": "X", "C": "Y" } });
        let missing = polytope(json!({ "groups": partial, "group_max": { "sector:X": 0.3 } }));
        assert!(matches!(missing, Err(Error::InvalidArgument { value, .. }) if value == "no sector of B"));
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for value in [
            json!({ "max_weight": "x" }),
            json!({ "min_weight": 0.5, "max_weight": 0.4 }),
            json!({ "market_neutral": 1 }),
            json!({ "l2_penalty": -1 }),
            json!({ "groups": [] }),
        ] {
            assert!(matches!(polytope(value.clone()), Err(Error::InvalidArgument { .. })), "{value}");
        }
        assert!(matches!(polytope(json!({ "max_weight": { "Q": 0.2 } })), Err(Error::UnknownName { .. })));
    }
}
