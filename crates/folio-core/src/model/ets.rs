//! Exponential smoothing chosen by AICc among simple (ANN), with trend (AAN) and with damped trend (AAdN)
//! (Hyndman, Koehler, Snyder & Grose, International Journal of Forecasting 18, 2002; the parameter bounds and the
//! count of parameters are theirs).
//!
//! Errors are additive: on log prices that is a multiplicative error of the price, and the forecast does not depend on
//! the currency's unit, which a multiplicative error of the log price would. On the 20 test series a search over both
//! kinds of error (ZZN) chooses additive ones everywhere.
//!
//! The kernel is our own. The crate `augurs` 0.10.3 has the same models, but keeps their parameters private, so a
//! rolling origin would have to be fitted anew, cannot be cancelled, and sums phi + phi + phi^2 + ... in the forecasts
//! of its damped trend. Solving for the initial state leaves one to three parameters to search instead of five.

use serde_json::{Value, json};

use super::nelder_mead::minimise;
use super::smoothing::{InitialSlope, Smoothing, State, between, require_movement};
use super::{Failure, Fitted, Model, Path, require_observations};
use crate::task::{Cancelled, Task};

/// Exponential smoothing, its form chosen by AICc.
#[derive(Debug, Clone, Copy)]
pub struct Ets;

/// The bounds of alpha; beta lies between the lower one and alpha.
const ALPHA: (f64, f64) = (1e-4, 0.9999);
/// The bounds of phi: under 0.8 the slope is gone at once, over 0.98 it is not told from an undamped one.
const PHI: (f64, f64) = (0.8, 0.98);
/// Where the searches start, in the coordinates of [`Form::smoothing`]: alpha and beta. The likelihood has local optima:
/// a level that follows the series, with a slope that follows too or hardly moves, and a stable level.
const STARTS: [(f64, f64); 3] = [(2.0, -4.0), (2.0, -9.0), (-1.5, -4.0)];
/// When the simplex' values of -2 log L differ by less than this it is small enough.
const TOLERANCE: f64 = 1e-7;

impl Model for Ets {
    fn name(&self) -> &'static str {
        "ets"
    }

    fn min_observations(&self) -> usize {
        10
    }

    fn fit(&self, y: &[f64], _horizon: usize, task: &Task) -> Result<Box<dyn Fitted>, Failure> {
        require_observations(self, y)?;
        require_movement(y)?;
        let mut best: Option<Fit> = None;
        for form in [Form::Simple, Form::Trend, Form::DampedTrend] {
            let fit = form.fit(y, task)?;
            if fit.is_finite() && best.as_ref().is_none_or(|best| fit.aicc < best.aicc) {
                best = Some(fit);
            }
        }
        best.map(|fit| Box::new(fit) as Box<dyn Fitted>).ok_or(Failure::NotFinite("every form of ETS"))
    }
}

/// The forms among which AICc chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Simple,
    Trend,
    DampedTrend,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Form::Simple => "ANN",
            Form::Trend => "AAN",
            Form::DampedTrend => "AAdN",
        }
    }

    /// The estimated parameters without the error's variance: the smoothing parameters and the initial states.
    fn parameters(self) -> usize {
        match self {
            Form::Simple => 2,
            Form::Trend => 4,
            Form::DampedTrend => 5,
        }
    }

    fn initial_slope(self) -> InitialSlope {
        if self == Form::Simple { InitialSlope::Fixed(0.0) } else { InitialSlope::Free }
    }

    /// The smoothing parameters at a point of the search.
    fn smoothing(self, x: &[f64]) -> Smoothing {
        let alpha = between(ALPHA.0, ALPHA.1, x[0]);
        let beta = x.get(1).map_or(0.0, |&x| between(ALPHA.0, alpha, x));
        let phi = x.get(2).map_or(1.0, |&x| between(PHI.0, PHI.1, x));
        Smoothing { alpha, beta, phi }
    }

    fn fit(self, y: &[f64], task: &Task) -> Result<Fit, Cancelled> {
        let mut best: Option<(Smoothing, f64)> = None;
        for (alpha, beta) in STARTS {
            let (smoothing, value) = match self {
                Form::Simple => self.search([alpha], y, task)?,
                Form::Trend => self.search([alpha, beta], y, task)?,
                Form::DampedTrend => self.search([alpha, beta, 0.0], y, task)?,
            };
            if best.is_none_or(|(_, least)| value < least) {
                best = Some((smoothing, value));
            }
        }
        // There is always a start, so this is the default of no run.
        let (smoothing, twice_negative_log_likelihood) =
            best.unwrap_or((self.smoothing(&[0.0]), f64::INFINITY));
        let (initial, squares) = smoothing.best_initial_state(y, self.initial_slope());
        let (count, parameters) = (y.len() as f64, self.parameters() as f64 + 1.0);
        let aicc = twice_negative_log_likelihood
            + 2.0 * parameters
            + 2.0 * parameters * (parameters + 1.0) / (count - parameters - 1.0);
        let sigma = (squares.max(f64::MIN_POSITIVE) / (count - parameters)).sqrt();
        let last = smoothing.last_state(y, initial);
        Ok(Fit { form: self, smoothing, initial, last, sigma, aicc })
    }

    fn search<const N: usize>(
        self,
        start: [f64; N],
        y: &[f64],
        task: &Task,
    ) -> Result<(Smoothing, f64), Cancelled> {
        let (at, value) = minimise(start, 1.0, TOLERANCE, |x| {
            task.cancel.check()?;
            let (_, squares) = self.smoothing(x).best_initial_state(y, self.initial_slope());
            Ok(y.len() as f64 * squares.max(f64::MIN_POSITIVE).ln())
        })?;
        Ok((self.smoothing(&at), value))
    }
}

struct Fit {
    form: Form,
    smoothing: Smoothing,
    initial: State,
    /// Level and slope after the last price.
    last: State,
    sigma: f64,
    aicc: f64,
}

impl Fit {
    fn is_finite(&self) -> bool {
        [self.aicc, self.sigma, self.initial.level, self.initial.slope].iter().all(|value| value.is_finite())
    }
}

impl Fitted for Fit {
    fn forecast(
        &self,
        y: &[f64],
        origins: &[usize],
        horizon: usize,
        _task: &Task,
    ) -> Result<Vec<Path>, Failure> {
        self.smoothing.paths(y, origins, horizon, self.initial, self.sigma)
    }

    fn detail(&self) -> Value {
        let Smoothing { alpha, beta, phi } = self.smoothing;
        let mut detail = json!({
            "form": self.form.name(),
            "alpha": alpha,
            "level": self.last.level.exp(),
            "sigma": self.sigma,
            "aicc": self.aicc,
        });
        if self.form != Form::Simple {
            detail["beta"] = json!(beta);
            detail["trend"] = json!(self.last.slope);
            detail["initial_trend"] = json!(self.initial.slope);
        }
        if self.form == Form::DampedTrend {
            detail["phi"] = json!(phi);
        }
        detail
    }
}
