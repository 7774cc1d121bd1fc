//! What a caller asks of a forecast of volatility, validated once.

use crate::forecast::{Clock, Horizon, Level};
use crate::frequency::PeriodsPerYear;
use crate::volatility::{self, MODELS, VolatilityModel};
use crate::{Error, Result};

/// The models of an ensemble, each once, in the order of [`MODELS`].
#[derive(Clone)]
pub struct ModelSet {
    models: Vec<&'static dyn VolatilityModel>,
    /// Whether somebody named them.
    named: bool,
}

impl ModelSet {
    /// The models of these names.
    ///
    /// # Errors
    /// [`Error::UnknownName`], or [`Error::InvalidArgument`] for an empty list.
    pub fn new<S: AsRef<str>>(names: &[S]) -> Result<ModelSet> {
        let named =
            names.iter().map(|name| volatility::by_name(name.as_ref())).collect::<Result<Vec<_>>>()?;
        if named.is_empty() {
            return Err(Error::InvalidArgument {
                argument: "models",
                value: "{}".to_owned(),
                expected: format!("at least one of {}", ModelSet::all().names().join(", ")),
            });
        }
        let is_named =
            |model: &&&'static dyn VolatilityModel| named.iter().any(|other| other.name() == model.name());
        Ok(ModelSet { models: MODELS.iter().filter(is_named).copied().collect(), named: true })
    }

    /// Every model; those that read ranges take part where there are some.
    pub fn all() -> ModelSet {
        ModelSet { models: MODELS.to_vec(), named: false }
    }

    /// The models for a ticker with ranges, or without.
    pub(super) fn of(&self, ranges: bool) -> impl Iterator<Item = &'static dyn VolatilityModel> {
        let all = self.named || ranges;
        self.models.iter().copied().filter(move |model| all || !model.needs_ranges())
    }

    /// Their names.
    pub fn names(&self) -> Vec<&'static str> {
        self.models.iter().map(|model| model.name()).collect()
    }
}

impl std::fmt::Debug for ModelSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// A validated request.
#[derive(Debug, Clone)]
pub struct Request {
    /// How many steps ahead.
    pub horizon: Horizon,
    /// The share of realised volatilities that an interval is meant to hold.
    pub level: Level,
    /// The ensemble's models.
    pub models: ModelSet,
    /// What variances are annualised by.
    pub periods: PeriodsPerYear,
    /// What members' times are measured with.
    pub clock: Clock,
}
