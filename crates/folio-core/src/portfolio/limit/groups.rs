//! Bounds on the sum of the weights of a group.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Limit, Scope};
use crate::Result;
use crate::input;
use crate::portfolio::group::Groups;
use crate::portfolio::solver::polytope::{Polytope, Row};
use crate::portfolio::universe::Universe;
use crate::rate::{self, Kind};

/// The labels, and the bounds on groups of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupBounds {
    /// The labels that groups are made of.
    pub labels: Groups,
    /// The least weight of a group, by `kind:label`.
    pub group_min: BTreeMap<String, f64>,
    /// The largest weight of a group, by `kind:label`.
    pub group_max: BTreeMap<String, f64>,
}

impl Limit for GroupBounds {
    fn keys(&self) -> &'static [(&'static str, Scope)] {
        // Views name groups whatever the objective is.
        &[("groups", Scope::Names), ("group_min", Scope::Weights), ("group_max", Scope::Weights)]
    }

    fn read(&mut self, key: &'static str, value: &Value) -> Result<()> {
        match key {
            "groups" => self.labels = Groups::from_json(value)?,
            "group_min" => self.group_min = rate::by_name(key, Kind::Weight, value)?,
            _ => self.group_max = rate::by_name(key, Kind::Weight, value)?,
        }
        Ok(())
    }

    fn bound(&self, set: &mut Polytope, universe: &Universe) -> Result<()> {
        let mut names: Vec<&String> = self.group_min.keys().chain(self.group_max.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let mut coefficients = vec![0.0; universe.len()];
            for index in self.labels.members(universe, name)? {
                coefficients[index] = 1.0;
            }
            let lower = self.group_min.get(name).copied().unwrap_or(f64::NEG_INFINITY);
            let upper = self.group_max.get(name).copied().unwrap_or(f64::INFINITY);
            if lower > upper {
                let given = format!("{lower} for {name}");
                return Err(input::invalid("group_min", given, format!("at most its group_max, {upper}")));
            }
            set.rows.push(Row { name: name.clone(), coefficients, lower, upper });
        }
        Ok(())
    }
}
