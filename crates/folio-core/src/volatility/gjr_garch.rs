//! GJR-GARCH(1,1): falls move the variance otherwise than rises (Glosten, Jagannathan & Runkle, Journal of Finance 48, 1993).

use super::recursion::{Family, Fit, MIN_OBSERVATIONS};
use super::{FittedVolatility, Observed, VolatilityModel};
use crate::model::Failure;
use crate::task::Cancel;

/// The model; see [`super::recursion`] for its likelihood.
#[derive(Debug, Clone, Copy)]
pub struct GjrGarch;

impl VolatilityModel for GjrGarch {
    fn name(&self) -> &'static str {
        "gjr_garch"
    }

    fn min_observations(&self) -> usize {
        MIN_OBSERVATIONS
    }

    fn fit(
        &self,
        observed: &Observed<'_>,
        start: Option<&[f64]>,
        cancel: &Cancel,
    ) -> Result<Box<dyn FittedVolatility>, Failure> {
        let family = Family { asymmetric: true, student: false };
        Ok(Box::new(Fit::new(self, family, observed, start, cancel)?))
    }
}
