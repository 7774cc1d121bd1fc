//! Student's t with a mean, a scale and degrees of freedom by maximum likelihood.
//!
//! With q the quantile of 1 - level and f the density of t with v degrees of freedom, m the location and s the scale
//! (McNeil, Frey & Embrechts, Quantitative Risk Management, 2015, 2.2.4),
//!
//! ```text
//! value at risk      = -(h m + sqrt h s q)
//! expected shortfall = -h m + sqrt h s f(q) / (1 - level) (v + q^2) / (v - 1)
//! ```
//!
//! The sum of h such returns is no t; its scale by the root of time is what is usually taken for it.

use std::f64::consts::PI;

use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};
use statrs::function::gamma::ln_gamma;

use super::moments::Moments;
use super::{Asked, Refusal, Tail, TailMethod};
use crate::Result;
use crate::model::Failure;
use crate::model::nelder_mead::minimise;
use crate::task::Cancel;
use crate::work;

/// Degrees of freedom: the mean of the tail is finite from 1 on, and beyond 500 it is the normal distribution.
const FEWEST_DEGREES: f64 = 1.05;
const MOST_DEGREES: f64 = 500.0;

/// Where the search begins, and its first step and end in units of the log likelihood.
const FIRST_DEGREES: f64 = 6.0;
const STEP: f64 = 0.3;
const TOLERANCE: f64 = 1e-9;

/// Units of [`work`] for a return's likelihood.
const LOGARITHM: usize = 12;

/// A location-scale t.
pub(super) struct StudentT;

impl TailMethod for StudentT {
    fn name(&self) -> &'static str {
        "student_t"
    }

    fn tail(&self, returns: &[f64], asked: Asked, cancel: &Cancel) -> Result<Tail, Refusal> {
        let [location, scale, degrees] = fit(returns, cancel)?;
        let t = StudentsT::new(0.0, 1.0, degrees).map_err(|_| Failure::NotFinite("degrees of freedom"))?;
        let q = t.inverse_cdf(1.0 - asked.level);
        let periods = asked.horizon as f64;
        let (centre, spread) = (periods * location, periods.sqrt() * scale);
        let beyond = t.pdf(q) / (1.0 - asked.level) * (degrees + q * q) / (degrees - 1.0);
        Ok(Tail {
            value_at_risk: -(centre + spread * q),
            expected_shortfall: spread * beyond - centre,
            n: returns.len(),
        })
    }
}

/// Location, scale and degrees of freedom.
fn fit(returns: &[f64], cancel: &Cancel) -> Result<[f64; 3], Refusal> {
    let Moments { mean, deviation, .. } = Moments::of(returns, cancel)?;
    let n = returns.len() as f64;
    let unit = |[place, scale, degrees]: &[f64; 3]| {
        let degrees = FEWEST_DEGREES + (MOST_DEGREES - FEWEST_DEGREES) / (1.0 + (-degrees).exp());
        (*place, scale.exp(), degrees)
    };
    // In units of the deviation, so that the search is the same for any returns.
    let loss = |free: &[f64; 3]| {
        let (place, scale, v) = unit(free);
        let mut sum = 0.0;
        for value in work::watched(returns, LOGARITHM, cancel) {
            let z = ((value? - mean) / deviation - place) / scale;
            sum += (z * z / v).ln_1p();
        }
        let constant = ln_gamma((v + 1.0) / 2.0) - ln_gamma(v / 2.0) - 0.5 * (PI * v).ln() - scale.ln();
        Ok((v + 1.0) / 2.0 * sum - n * constant)
    };
    let share = (FIRST_DEGREES - FEWEST_DEGREES) / (MOST_DEGREES - FEWEST_DEGREES);
    let start = [0.0, (1.0 - 2.0 / FIRST_DEGREES).sqrt().ln(), (share / (1.0 - share)).ln()];
    let (free, _) = minimise(start, STEP, TOLERANCE, loss)?;
    let (place, scale, degrees) = unit(&free);
    Ok([mean + deviation * place, deviation * scale, degrees])
}
