//! GARCH(1,1) with Student t innovations (Bollerslev, Review of Economics and Statistics 69, 1987).

use super::recursion::{Family, Fit, MIN_OBSERVATIONS};
use super::{FittedVolatility, Observed, VolatilityModel};
use crate::model::Failure;
use crate::task::Cancel;

/// The model; see [`super::recursion`] for its likelihood.
#[derive(Debug, Clone, Copy)]
pub struct GarchT;

impl VolatilityModel for GarchT {
    fn name(&self) -> &'static str {
        "garch_t"
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
        let family = Family { asymmetric: false, student: true };
        Ok(Box::new(Fit::new(self, family, observed, start, cancel)?))
    }
}
