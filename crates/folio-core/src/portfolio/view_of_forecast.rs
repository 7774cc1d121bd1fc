//! From a forecast to a Black-Litterman view.
//!
//! A forecast of the log price h periods ahead, of which a year has n, relative to the last one, is the annual simple
//! return
//!
//! ```text
//! r = exp((n / h) (log forecast - log last)) - 1
//! ```
//!
//! Its uncertainty is that of the calibrated interval: with the half-width w of the log price at a level whose normal
//! quantile is z, the standard deviation of the log price is w / z, that of the annual log return n / h times as
//! much, and that of r by the delta method (1 + r) times that. The view's variance is its square. It is large, as the
//! error of a forecast of a month is when it is taken for a year, and so the posterior moves little: that is what the
//! out-of-sample errors say.

use serde_json::{Value, json};
use statrs::distribution::{ContinuousCDF, Normal};

use super::views::MAX_VIEW_RETURN;

/// The view that a step of a forecast amounts to, as `black_litterman` reads it: assets, return and variance. The step
/// lies `steps` periods, of `periods_per_year`, after the price `last_close`, and the interval under `upper` holds a share `level` of the outcomes.
/// `None` where it says nothing: an interval without width, or an annual return beyond what a view may state.
pub fn view_of_step(
    ticker: &str,
    last_close: f64,
    forecast: f64,
    upper: f64,
    steps: usize,
    periods_per_year: f64,
    level: f64,
) -> Option<Value> {
    let years = steps as f64 / periods_per_year;
    let annual = ((forecast / last_close).ln() / years).exp() - 1.0;
    let normal = Normal::standard().inverse_cdf(0.5 + level / 2.0);
    let deviation = (1.0 + annual) * (upper / forecast).ln() / normal / years;
    let variance = deviation * deviation;
    let usable = annual.abs() <= MAX_VIEW_RETURN && variance.is_finite() && variance > 0.0;
    usable.then(|| json!({ "assets": { ticker: 1.0 }, "return": annual, "variance": variance }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frequency::TRADING_DAYS;

    fn view_of(last_close: f64, forecast: f64, upper: f64, steps: usize) -> Option<Value> {
        view_of_step("A", last_close, forecast, upper, steps, TRADING_DAYS, 0.8)
    }

    #[test]
    fn a_percent_in_a_month_is_twelve_and_a_half_in_a_year() {
        let view = view_of(100.0, 101.0, 101.0 * 1.1, 21).unwrap();
        let number = |key: &str| view[key].as_f64().unwrap();
        assert!((number("return") - (1.01f64.powi(12) - 1.0)).abs() < 1e-12);
        // z(0.8) = 1.281551..., so the log price has a standard deviation of ln 1.1 / 1.281551 at 21 days.
        let deviation = 1.01f64.powi(12) * 1.1f64.ln() / 1.281_551_565_544_6 * 12.0;
        assert!((number("variance").sqrt() / deviation - 1.0).abs() < 1e-9);
        assert_eq!(view["assets"], json!({ "A": 1.0 }));
    }

    #[test]
    fn a_forecast_without_uncertainty_is_no_view() {
        assert_eq!(view_of(100.0, 100.0, 100.0, 1), None);
    }
}
