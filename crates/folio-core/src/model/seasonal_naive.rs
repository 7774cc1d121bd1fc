//! The last season again: the yardstick of series that have one.

use serde_json::{Value, json};

use super::{Failure, Fitted, Model, Path, require_observations};
use crate::task::Task;
use crate::work::{self, watched};

/// The value of the same phase in the last season; without a season the last price.
#[derive(Debug, Clone, Copy)]
pub struct SeasonalNaive;

impl Model for SeasonalNaive {
    fn name(&self) -> &'static str {
        "seasonal_naive"
    }

    fn min_observations(&self) -> usize {
        2
    }

    fn needs_season(&self) -> bool {
        true
    }

    fn fit(&self, y: &[f64], _horizon: usize, task: &Task) -> Result<Box<dyn Fitted>, Failure> {
        self.fit_length(y, 1, task)
    }

    fn fit_seasonal(
        &self,
        y: &[f64],
        seasons: &[usize],
        _horizon: usize,
        task: &Task,
    ) -> Option<Result<Box<dyn Fitted>, Failure>> {
        // The longest holds the shorter ones.
        Some(self.fit_length(y, seasons.iter().copied().max().unwrap_or(1), task))
    }
}

impl SeasonalNaive {
    fn fit_length(&self, y: &[f64], length: usize, task: &Task) -> Result<Box<dyn Fitted>, Failure> {
        require_observations(self, y)?;
        task.cancel.check()?;
        work::count(y.len());
        if y.len() <= length {
            return Err(Failure::TooShort { need: length + 1, got: y.len() });
        }
        let squares = y.iter().zip(&y[length..]).map(|(before, after)| (after - before).powi(2)).sum::<f64>();
        Ok(Box::new(Fit { length, sigma: (squares / (y.len() - length) as f64).sqrt() }))
    }
}

struct Fit {
    length: usize,
    /// Of a change over a season.
    sigma: f64,
}

impl Fitted for Fit {
    fn forecast(
        &self,
        y: &[f64],
        origins: &[usize],
        horizon: usize,
        task: &Task,
    ) -> Result<Vec<Path>, Failure> {
        let seasons = |step: usize| (step / self.length + 1) as f64;
        let sd: Vec<f64> = (0..horizon).map(|step| self.sigma * seasons(step).sqrt()).collect();
        let from = |origin: usize| {
            let first = origin
                .checked_sub(self.length)
                .ok_or(Failure::TooShort { need: self.length, got: origin })?;
            let mean = (0..horizon).map(|step| y[first + step % self.length]).collect();
            Ok(Path { mean, sd: sd.clone() })
        };
        watched(origins, horizon, &task.cancel).map(|origin| from(*origin?)).collect()
    }

    fn detail(&self) -> Value {
        json!({ "season": self.length, "sigma": self.sigma })
    }
}
