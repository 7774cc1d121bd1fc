//! What a caller asks of a forecast, validated once: past these constructors nothing checks again.

use std::time::Duration;

use super::names::NAIVE;
use crate::frequency::Frequency;
use crate::model::{self, MAX_HORIZON, MODELS, Model};
use crate::task::Seed;
use crate::{Error, Result};

/// The default horizon: one trading month.
pub const DEFAULT_HORIZON: usize = 21;

/// The default level of intervals.
pub const DEFAULT_LEVEL: f64 = 0.8;

/// The default levels where several are asked for: the middle half, the default, and nearly all.
pub const DEFAULT_LEVELS: [f64; 3] = [0.5, DEFAULT_LEVEL, 0.95];

/// How many steps ahead: 1 to [`MAX_HORIZON`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon(usize);

impl Horizon {
    /// A horizon of `steps` trading days.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] outside 1 to [`MAX_HORIZON`].
    pub fn new(steps: i64) -> Result<Horizon> {
        match usize::try_from(steps) {
            Ok(steps @ 1..=MAX_HORIZON) => Ok(Horizon(steps)),
            _ => Err(Error::InvalidArgument {
                argument: "horizon",
                value: steps.to_string(),
                expected: format!("a number of trading days from 1 to {MAX_HORIZON}"),
            }),
        }
    }

    /// The number of steps.
    pub fn steps(self) -> usize {
        self.0
    }
}

/// The share of outcomes that an interval is meant to hold, strictly between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level(f64);

impl Level {
    /// A level such as 0.8.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] outside 0.01 to 0.99: beyond it a few hundred errors say nothing of the quantile.
    pub fn new(level: f64) -> Result<Level> {
        if (0.01..=0.99).contains(&level) {
            return Ok(Level(level));
        }
        let hint = if (1.0..=99.0).contains(&level) {
            format!("; write {} for {level} %", level / 100.0)
        } else {
            String::new()
        };
        Err(Error::InvalidArgument {
            argument: "level",
            value: level.to_string(),
            expected: format!("a share from 0.01 to 0.99{hint}"),
        })
    }

    /// Several levels, rising, each once.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an empty list or a level that is none.
    pub fn several(levels: &[f64]) -> Result<Vec<Level>> {
        if levels.is_empty() {
            return Err(Error::InvalidArgument {
                argument: "levels",
                value: "{}".to_owned(),
                expected: "at least one share from 0.01 to 0.99".to_owned(),
            });
        }
        let mut levels = levels.iter().map(|&level| Level::new(level)).collect::<Result<Vec<Level>>>()?;
        levels.sort_by(|a, b| a.0.total_cmp(&b.0));
        levels.dedup();
        Ok(levels)
    }

    /// The share.
    pub fn share(self) -> f64 {
        self.0
    }
}

/// Which seasons a series may have: those that its time stamps show, or those that are told, by their lengths in prices.
/// Either takes part only where it is found in the prices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeasonLengths(Option<Vec<usize>>);

/// The longest season, and the most of them.
const MAX_SEASON_LENGTH: i64 = 10_000;
const MAX_SEASONS: usize = 4;

impl SeasonLengths {
    /// These lengths, rising, each once; of an empty list no season is looked for.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a length outside 2 to 10,000, or more than four.
    pub fn told(lengths: &[i64]) -> Result<SeasonLengths> {
        let is_one = |length: &i64| (2..=MAX_SEASON_LENGTH).contains(length);
        let wrong = lengths.iter().find(|length| !is_one(length)).map(i64::to_string);
        let many = (lengths.len() > MAX_SEASONS).then(|| format!("{} lengths", lengths.len()));
        if let Some(value) = wrong.or(many) {
            return Err(Error::InvalidArgument {
                argument: "season_lengths",
                value,
                expected: format!("up to {MAX_SEASONS} numbers of prices from 2 to {MAX_SEASON_LENGTH}"),
            });
        }
        let mut lengths: Vec<usize> = lengths.iter().map(|&length| length as usize).collect();
        lengths.sort_unstable();
        lengths.dedup();
        Ok(SeasonLengths(Some(lengths)))
    }

    /// What was told; None leaves it to the time stamps.
    pub fn lengths(&self) -> Option<&[usize]> {
        self.0.as_deref()
    }

    /// Those that a series of this frequency may have.
    pub fn of(&self, frequency: &Frequency) -> Vec<usize> {
        self.0.clone().unwrap_or_else(|| frequency.season_lengths())
    }
}

/// The models of an ensemble, each once, in the order of [`MODELS`].
#[derive(Clone)]
pub struct ModelSet {
    models: Vec<&'static dyn Model>,
    /// Whether somebody named them, rather than taking all.
    named: bool,
}

impl ModelSet {
    /// The models of these names; naive takes part in every run as the yardstick, in the ensemble only if named.
    ///
    /// # Errors
    /// [`Error::UnknownName`], or [`Error::InvalidArgument`] for an empty list.
    pub fn new<S: AsRef<str>>(names: &[S]) -> Result<ModelSet> {
        let named = names.iter().map(|name| model::by_name(name.as_ref())).collect::<Result<Vec<_>>>()?;
        if named.is_empty() {
            return Err(Error::InvalidArgument {
                argument: "models",
                value: "{}".to_owned(),
                expected: format!("at least one of {}", ModelSet::all().names().join(", ")),
            });
        }
        let is_named = |model: &&&'static dyn Model| named.iter().any(|other| other.name() == model.name());
        Ok(ModelSet { models: MODELS.iter().filter(is_named).copied().collect(), named: true })
    }

    /// Every model.
    pub fn all() -> ModelSet {
        ModelSet { models: MODELS.to_vec(), named: false }
    }

    /// A set of models that are not in the list, for tests of what models may do.
    #[cfg(test)]
    pub(super) fn of(models: &[&'static dyn Model]) -> ModelSet {
        ModelSet { models: models.to_vec(), named: true }
    }

    /// The models.
    pub fn models(&self) -> &[&'static dyn Model] {
        &self.models
    }

    /// Whether there is one among them that a season makes a difference to.
    pub fn know_seasons(&self) -> bool {
        self.models.iter().any(|model| model.name() != NAIVE)
    }

    /// Those for a series with seasons or without: without one, a model that needs one stays away unless it was named.
    pub fn of_series(&self, seasonal: bool) -> Vec<&'static dyn Model> {
        let takes_part = |model: &&&'static dyn Model| seasonal || self.named || !model.needs_season();
        self.models.iter().filter(takes_part).copied().collect()
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

/// Reads the CPU time of the calling thread; the engine has no clock of its own.
pub type Clock = fn() -> Duration;

/// A validated request.
#[derive(Debug, Clone)]
pub struct Request {
    /// How many steps ahead.
    pub horizon: Horizon,
    /// The levels of the intervals, at least one.
    pub levels: Vec<Level>,
    /// The ensemble's models.
    pub models: ModelSet,
    /// The seasons that the series may have.
    pub season_lengths: SeasonLengths,
    /// The seed from which those of the tickers and models are derived.
    pub seed: Seed,
    /// What members' times are measured with.
    pub clock: Clock,
}

impl Request {
    /// The lengths of the seasons to look for in a series of this frequency: none where no model is asked that knows any.
    pub(crate) fn season_lengths_of(&self, frequency: &Frequency) -> Vec<usize> {
        if self.models.know_seasons() { self.season_lengths.of(frequency) } else { Vec::new() }
    }
}
