//! Bounds on each weight, and what all of them sum to.

use serde_json::Value;

use super::{Limit, Scope};
use crate::Result;
use crate::input;
use crate::portfolio::solver::polytope::{Polytope, Row};
use crate::portfolio::universe::{PerTicker, Universe};
use crate::rate::Kind;

/// The bounds; by default long only and fully invested.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bounds {
    /// The least weight; without it 0, or -1 under `market_neutral`.
    pub min_weight: Option<PerTicker>,
    /// The largest weight; without it 1.
    pub max_weight: Option<PerTicker>,
    /// Weights sum to zero, not to one.
    pub market_neutral: bool,
}

impl Bounds {
    /// What the weights sum to.
    pub(crate) fn budget(&self) -> f64 {
        if self.market_neutral { 0.0 } else { 1.0 }
    }
}

impl Limit for Bounds {
    fn keys(&self) -> &'static [(&'static str, Scope)] {
        &[("min_weight", Scope::Weights), ("max_weight", Scope::Weights), ("market_neutral", Scope::Budget)]
    }

    fn read(&mut self, key: &'static str, value: &Value) -> Result<()> {
        match key {
            "min_weight" => self.min_weight = Some(PerTicker::from_json(key, Kind::Weight, value)?),
            "max_weight" => self.max_weight = Some(PerTicker::from_json(key, Kind::Weight, value)?),
            _ => self.market_neutral = input::boolean(key, value)?,
        }
        Ok(())
    }

    fn bound(&self, set: &mut Polytope, universe: &Universe) -> Result<()> {
        let least = if self.market_neutral { -1.0 } else { 0.0 };
        let bound = |bound: &Option<PerTicker>, default: f64| match bound {
            Some(bound) => bound.join(universe, default),
            None => Ok(vec![default; universe.len()]),
        };
        set.lower = bound(&self.min_weight, least)?;
        set.upper = bound(&self.max_weight, 1.0)?;
        for (index, (low, high)) in set.lower.iter().zip(&set.upper).enumerate() {
            if low > high {
                let given = format!("{low} for {}", universe.tickers()[index]);
                return Err(input::invalid("min_weight", given, format!("at most its max_weight, {high}")));
            }
        }
        set.rows.push(Row {
            name: "the sum of the weights".to_owned(),
            coefficients: vec![1.0; universe.len()],
            lower: self.budget(),
            upper: self.budget(),
        });
        Ok(())
    }
}
