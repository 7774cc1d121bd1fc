//! GARCH(1,1) (Bollerslev, Journal of Econometrics 31, 1986), normal innovations.

use super::recursion::{Family, Fit, MIN_OBSERVATIONS};
use super::{FittedVolatility, Observed, VolatilityModel};
use crate::model::Failure;
use crate::task::Cancel;

/// The model; see [`super::recursion`] for its likelihood.
#[derive(Debug, Clone, Copy)]
pub struct Garch;

impl VolatilityModel for Garch {
    fn name(&self) -> &'static str {
        "garch"
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
        let family = Family { asymmetric: false, student: false };
        Ok(Box::new(Fit::new(self, family, observed, start, cancel)?))
    }
}
