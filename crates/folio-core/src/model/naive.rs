//! The last price: a random walk. The yardstick of every other model, and the hardest to beat on daily prices.

use serde_json::{Value, json};

use super::{Failure, Fitted, Model, Path, require_observations};
use crate::task::Task;
use crate::work::{self, watched};

/// The random walk without drift: the forecast is the last log price, its variance grows with the step.
#[derive(Debug, Clone, Copy)]
pub struct Naive;

impl Model for Naive {
    fn name(&self) -> &'static str {
        "naive"
    }

    fn min_observations(&self) -> usize {
        2
    }

    /// The last price it stays, whatever the season: all else is compared with it.
    fn fit_seasonal(
        &self,
        y: &[f64],
        _seasons: &[usize],
        horizon: usize,
        task: &Task,
    ) -> Option<Result<Box<dyn Fitted>, Failure>> {
        Some(self.fit(y, horizon, task))
    }

    fn fit(&self, y: &[f64], _horizon: usize, task: &Task) -> Result<Box<dyn Fitted>, Failure> {
        require_observations(self, y)?;
        task.cancel.check()?;
        work::count(y.len());
        let changes = y.len() - 1;
        let variance = y.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum::<f64>() / changes as f64;
        Ok(Box::new(Fit { sigma: variance.sqrt() }))
    }
}

struct Fit {
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
        let sd: Vec<f64> = (1..=horizon).map(|step| self.sigma * (step as f64).sqrt()).collect();
        watched(origins, horizon, &task.cancel)
            .map(|origin| Ok(Path { mean: vec![y[*origin? - 1]; horizon], sd: sd.clone() }))
            .collect()
    }

    fn detail(&self) -> Value {
        json!({ "sigma": self.sigma })
    }
}
