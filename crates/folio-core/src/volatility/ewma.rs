//! The exponentially weighted variance of RiskMetrics (J.P. Morgan & Reuters, RiskMetrics Technical Document, 1996, section
//! 5.2): the yardstick of the others.

use serde_json::{Value, json};

use super::{FittedVolatility, Observed, VolatilityModel, require, require_variances};
use crate::model::Failure;
use crate::task::Cancel;
use crate::work;

/// The weight of yesterday that RiskMetrics found for days.
const DECAY: f64 = 0.94;

/// h(t) = 0.94 h(t-1) + 0.06 r(t-1)^2, the same for every step.
#[derive(Debug, Clone, Copy)]
pub struct Ewma;

impl VolatilityModel for Ewma {
    fn name(&self) -> &'static str {
        "ewma"
    }

    fn min_observations(&self) -> usize {
        2
    }

    fn fit(
        &self,
        observed: &Observed<'_>,
        _start: Option<&[f64]>,
        cancel: &Cancel,
    ) -> Result<Box<dyn FittedVolatility>, Failure> {
        cancel.check()?;
        require(self, observed)?;
        Ok(Box::new(Fit))
    }
}

struct Fit;

impl FittedVolatility for Fit {
    fn forecast(
        &self,
        observed: &Observed<'_>,
        origins: &[usize],
        horizon: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f64>>, Failure> {
        // Divided by the weights that there are, so that the first days are no guess and nothing later is read.
        let (mut sum, mut weights) = (0.0, 0.0);
        let mut variances = vec![f64::NAN];
        for value in work::watched(observed.returns, 8, cancel) {
            sum = DECAY * sum + value?.powi(2);
            weights = DECAY * weights + 1.0;
            variances.push(sum / weights);
        }
        let path = |origin: Result<&usize, _>| origin.map(|&origin| vec![variances[origin]; horizon]);
        let paths: Vec<Vec<f64>> =
            work::watched(origins, horizon, cancel).map(path).collect::<Result<_, _>>()?;
        require_variances(&paths)?;
        Ok(paths)
    }

    fn detail(&self) -> Value {
        json!({ "decay": DECAY })
    }
}
