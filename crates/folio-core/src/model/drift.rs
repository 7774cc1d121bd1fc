//! The random walk with drift: the last price, moved on by the mean daily change.
//! (Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 5.2, on log prices.)

use serde_json::{Value, json};

use super::{Failure, Fitted, Model, Path, require_observations};
use crate::task::Task;
use crate::work::{self, watched};

/// The random walk whose daily change has the mean that it had in the fitted history.
#[derive(Debug, Clone, Copy)]
pub struct Drift;

impl Model for Drift {
    fn name(&self) -> &'static str {
        "drift"
    }

    fn min_observations(&self) -> usize {
        3
    }

    fn fit(&self, y: &[f64], _horizon: usize, task: &Task) -> Result<Box<dyn Fitted>, Failure> {
        require_observations(self, y)?;
        task.cancel.check()?;
        work::count(y.len());
        let changes = (y.len() - 1) as f64;
        let drift = (y[y.len() - 1] - y[0]) / changes;
        let squares = y.windows(2).map(|pair| (pair[1] - pair[0] - drift).powi(2)).sum::<f64>();
        Ok(Box::new(Fit { drift, sigma: (squares / (changes - 1.0)).sqrt(), changes }))
    }
}

struct Fit {
    drift: f64,
    sigma: f64,
    changes: f64,
}

impl Fitted for Fit {
    fn forecast(
        &self,
        y: &[f64],
        origins: &[usize],
        horizon: usize,
        task: &Task,
    ) -> Result<Vec<Path>, Failure> {
        // The variance of the h-step error: h innovations, and h times the error of the estimated drift.
        let sd: Vec<f64> = (1..=horizon)
            .map(|step| step as f64)
            .map(|step| self.sigma * (step * (1.0 + step / self.changes)).sqrt())
            .collect();
        watched(origins, horizon, &task.cancel)
            .map(|origin| {
                let last = y[*origin? - 1];
                let mean = (1..=horizon).map(|step| last + step as f64 * self.drift).collect();
                Ok(Path { mean, sd: sd.clone() })
            })
            .collect()
    }

    fn detail(&self) -> Value {
        json!({ "drift": self.drift, "sigma": self.sigma })
    }
}
