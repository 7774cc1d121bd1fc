//! From a forecast to a Black-Litterman view.
//!
//! A prior is arithmetic: the mean of simple returns, times the periods of a year. So is the view. The median forecast of the
//! log price h periods ahead, of which a year has n, over the last one, says that the log price grows by
//! g = (n / h) (log forecast - log last) a year. With the standard deviation s of the log price a year, the mean of simple
//! returns that belongs to it is
//!
//! ```text
//! r = g + s^2 / 2
//! ```
//!
//! (Hull, Options, Futures and Other Derivatives, chapter 15: a log price of drift mu - s^2 / 2 has the expected return mu). s is that of
//! the calibrated interval: with the half-width w of the log price at a level whose normal quantile is z, the standard
//! deviation at h is d = w / z, and s^2 = d^2 n / h. The uncertainty of r is that of g, (n / h) d; the view's variance is its
//! square. It is large, as the error of a forecast of a month is when it is taken for a year, and so the posterior moves
//! little: that is what the out-of-sample errors say.

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
    let normal = Normal::standard().inverse_cdf(0.5 + level / 2.0);
    let deviation = (upper / forecast).ln() / normal;
    let annual = ((forecast / last_close).ln() + deviation * deviation / 2.0) / years;
    let variance = (deviation / years).powi(2);
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
    fn a_percent_in_a_month_is_twelve_and_half_the_variance_in_a_year() {
        let view = view_of(100.0, 101.0, 101.0 * 1.1, 21).unwrap();
        let number = |key: &str| view[key].as_f64().unwrap();
        // z(0.8) = 1.281551..., so the log price has a standard deviation of ln 1.1 / 1.281551 at 21 days.
        let deviation = 1.1f64.ln() / 1.281_551_565_544_6;
        let expected = 12.0 * 1.01f64.ln() + 12.0 * deviation * deviation / 2.0;
        assert!((number("return") - expected).abs() < 1e-12);
        assert!((number("variance").sqrt() / (12.0 * deviation) - 1.0).abs() < 1e-9);
        assert_eq!(view["assets"], json!({ "A": 1.0 }));
    }

    #[test]
    fn a_fall_and_a_rise_of_a_day_are_views_alike() {
        // 3 % a day is 1,700 times a year compounded, which no view may say; the two moves differ by their sign alone.
        let of = |forecast: f64| view_of(100.0, forecast, forecast * 1.05, 1).unwrap();
        let (rise, fall) = (of(103.0), of(100.0 / 1.03));
        let variance = (1.05f64.ln() / 1.281_551_565_544_6).powi(2) * TRADING_DAYS;
        let sum = rise["return"].as_f64().unwrap() + fall["return"].as_f64().unwrap();
        assert!((sum - variance).abs() < 1e-9, "{sum} {variance}");
    }

    #[test]
    fn a_forecast_without_uncertainty_is_no_view() {
        assert_eq!(view_of(100.0, 100.0, 100.0, 1), None);
    }
}
