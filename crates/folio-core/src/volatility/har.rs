//! HAR on squared returns: see [`super::regression`].

use serde_json::{Value, json};

use super::regression::{MIN_OBSERVATIONS, Regression};
use super::{FittedVolatility, Observed, VolatilityModel, require, require_variances};
use crate::model::Failure;
use crate::task::Cancel;
use crate::work;

/// The heterogeneous autoregression of squared returns.
#[derive(Debug, Clone, Copy)]
pub struct Har;

impl VolatilityModel for Har {
    fn name(&self) -> &'static str {
        "har"
    }

    fn min_observations(&self) -> usize {
        MIN_OBSERVATIONS
    }

    fn fit(
        &self,
        observed: &Observed<'_>,
        _start: Option<&[f64]>,
        cancel: &Cancel,
    ) -> Result<Box<dyn FittedVolatility>, Failure> {
        require(self, observed)?;
        Ok(Box::new(Fit(Regression::fit(&squares(observed), cancel)?)))
    }
}

fn squares(observed: &Observed<'_>) -> Vec<f64> {
    work::count(observed.returns.len());
    observed.returns.iter().map(|value| value * value).collect()
}

struct Fit(Regression);

impl FittedVolatility for Fit {
    fn forecast(
        &self,
        observed: &Observed<'_>,
        origins: &[usize],
        horizon: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f64>>, Failure> {
        let paths = self.0.forecast(&squares(observed), 1.0, origins, horizon, cancel)?;
        require_variances(&paths)?;
        Ok(paths)
    }

    fn detail(&self) -> Value {
        let [constant, day, week, month] = self.0.coefficients;
        json!({ "constant": constant * 1e4, "day": day, "week": week, "month": month })
    }
}
