//! Historical simulation at today's volatility (Hull & White, 'Incorporating volatility updating into the historical
//! simulation method', Journal of Risk 1, 1998).
//!
//! The log return of a stretch that began at t is taken times s(T) / s(t), s the volatility by EWMA
//! ([`crate::volatility::ewma`]), which is the same at every step, known at the beginning and now. Logarithms, so that
//! nothing loses more than all.

use super::{Asked, Refusal, Tail, TailMethod, require, worst};
use crate::Result;
use crate::model::Failure;
use crate::task::Cancel;
use crate::volatility::{Observed, VolatilityModel, ewma::Ewma};
use crate::work;

/// The returns before the first stretch: by then the first of them has a weight of 2 % in the variance.
const BEFORE: usize = 60;

/// Units of [`work`] for a logarithm and an exponential.
const POWERS: usize = 30;

/// The losses of all stretches at the volatility of now.
pub(super) struct FilteredHistorical;

impl TailMethod for FilteredHistorical {
    fn name(&self) -> &'static str {
        "filtered_historical"
    }

    fn tail(&self, returns: &[f64], asked: Asked, cancel: &Cancel) -> Result<Tail, Refusal> {
        require(BEFORE + worst::fewest(asked.level) + asked.horizon - 1, returns.len())?;
        let observed = Observed::of(returns);
        let origins: Vec<usize> = (BEFORE..=returns.len()).collect();
        let paths = Ewma.fit(&observed, None, cancel)?.forecast(&observed, &origins, 1, cancel)?;
        let now = paths.last().map_or(f64::NAN, |path| path[0]);
        let growths = worst::growths(&returns[BEFORE..], asked.horizon, cancel)?;
        let mut losses = Vec::with_capacity(growths.len());
        for pair in work::watched(growths.iter().zip(&paths), POWERS, cancel) {
            let (growth, then) = pair?;
            if *growth <= 0.0 {
                return Err(Refusal::Reason("a stretch of the past lost all".to_owned()));
            }
            if then[0] <= 0.0 {
                return Err(Failure::Constant.into());
            }
            losses.push(-(growth.ln() * (now / then[0]).sqrt()).exp_m1());
        }
        worst::tail(losses, asked, cancel)
    }
}
