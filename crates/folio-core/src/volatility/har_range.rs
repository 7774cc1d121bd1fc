//! HAR on the variances that the ranges of the days show: see [`super::regression`].
//!
//! A range says five to seven times as much of its day's variance as the squared return, so the lags are known better. What
//! is forecast is the range's variance; returns have more or less of it (prices are discrete, and some days have gaps that
//! are not in them), so forecasts are multiplied by the mean squared return over the mean of the ranges.

use serde_json::{Value, json};

use super::regression::{MIN_OBSERVATIONS, Regression};
use super::{FittedVolatility, Observed, VolatilityModel, require, require_variances};
use crate::model::Failure;
use crate::task::Cancel;

/// The heterogeneous autoregression of range variances.
#[derive(Debug, Clone, Copy)]
pub struct HarRange;

impl VolatilityModel for HarRange {
    fn name(&self) -> &'static str {
        "har_range"
    }

    fn min_observations(&self) -> usize {
        MIN_OBSERVATIONS
    }

    fn needs_ranges(&self) -> bool {
        true
    }

    fn fit(
        &self,
        observed: &Observed<'_>,
        _start: Option<&[f64]>,
        cancel: &Cancel,
    ) -> Result<Box<dyn FittedVolatility>, Failure> {
        require(self, observed)?;
        let ranges = ranges(observed)?;
        let regression = Regression::fit(ranges, cancel)?;
        let squares = observed.returns.iter().map(|value| value * value).sum::<f64>();
        let factor = squares / ranges.iter().sum::<f64>();
        Ok(Box::new(Fit { regression, factor }))
    }
}

fn ranges<'a>(observed: &Observed<'a>) -> Result<&'a [f64], Failure> {
    observed.ranges.ok_or(Failure::Diverged("no open, high and low"))
}

struct Fit {
    regression: Regression,
    factor: f64,
}

impl FittedVolatility for Fit {
    fn forecast(
        &self,
        observed: &Observed<'_>,
        origins: &[usize],
        horizon: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f64>>, Failure> {
        let paths = self.regression.forecast(ranges(observed)?, self.factor, origins, horizon, cancel)?;
        require_variances(&paths)?;
        Ok(paths)
    }

    fn detail(&self) -> Value {
        let [constant, day, week, month] = self.regression.coefficients;
        json!({ "constant": constant * 1e4, "day": day, "week": week, "month": month, "factor": self.factor })
    }
}
