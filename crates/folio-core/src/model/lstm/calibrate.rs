//! How far the networks are to be trusted at each step ahead, and how far off they are: both measured by forecasts, made
//! exactly as they will be served, from origins that the network had not seen.

use std::ops::Range;

use super::rollout::rollout;
use super::train::{Sample, Trained};
use crate::model::Failure;
use crate::task::Task;

/// The furthest step ahead, a quarter of a year, at which the networks may differ from the mean.
const MAX_STEPS: usize = 63;

/// A held out block is at least so many times longer than the path measured in it.
const BLOCKS_PER_PATH: usize = 4;

/// The most origins; longer histories are sampled evenly.
const MAX_ORIGINS: usize = 512;

/// What was measured, in units of a standardised return.
#[derive(Debug, Clone)]
pub(super) struct Calibration {
    /// Per step ahead the share of the networks' forecast that is taken, and the forecast's mean, which is taken off.
    /// Iterating a nonlinear network has a bias that grows with the path: on a threshold autoregression 21 steps
    /// ahead, its squared error was 1.23 times that of the mean without this, and is 0.84 times with it. No steps where
    /// the networks are worth nothing; the forecast is the mean from there on.
    pub gains: Vec<(f64, f64)>,
    /// Per step ahead the variance of the path's error over that of as many independent errors of one step; the last
    /// one holds for all later steps.
    pub ratios: Vec<f64>,
    /// The standard deviation of the one-step error.
    pub sigma: f64,
}

/// A forecast path and what came.
struct Path {
    forecast: Vec<f64>,
    actual: Vec<f64>,
}

/// Measures the trained networks over paths of up to `horizon` steps.
pub(super) fn calibrate(
    sample: Sample<'_>,
    trained: &Trained,
    horizon: usize,
    task: &Task,
) -> Result<Calibration, Failure> {
    let block = trained.members.iter().map(|(_, held_out)| held_out.len()).min().unwrap_or(0);
    let steps = horizon.min(block / BLOCKS_PER_PATH).clamp(1, MAX_STEPS);
    let every = sample.y.len().div_ceil(MAX_ORIGINS).max(1);
    let mut paths = Vec::new();
    for (parameters, held_out) in &trained.members {
        let origins: Vec<usize> = held_out.clone().step_by(every).collect();
        let forecasts = if trained.updates == 0 {
            vec![vec![0.0; steps]; origins.len()]
        } else {
            rollout(parameters, sample.x, &origins, steps, task)?
        };
        paths.extend(origins.iter().zip(&forecasts).map(|(&origin, forecast)| Path {
            forecast: forecast.iter().map(|&value| f64::from(value)).collect(),
            actual: actual(sample.y, origin..(origin + steps).min(held_out.end)),
        }));
    }
    let gains: Vec<(f64, f64)> =
        (0..steps).map(|step| gain(&paths, step)).take_while(|(gain, _)| *gain > 0.0).collect();
    let variances: Vec<f64> = (1..=steps).map(|step| path_variance(&paths, &gains, step)).collect();
    let ratios = (1..=steps).map(|step| ratio(&variances, step, sample.y.len())).collect();
    Ok(Calibration { gains, ratios, sigma: variances[0].sqrt() })
}

fn actual(y: &[f32], range: Range<usize>) -> Vec<f64> {
    y[range].iter().map(|&value| f64::from(value)).collect()
}

/// How much of a measured effect to believe: nothing unless its squared t-value is over log n, Schwarz's (1978) price of
/// one parameter, and nearly all of it where that is far exceeded.
fn believed(t_squared: f64, n: f64) -> f64 {
    if t_squared.is_finite() { (1.0 - n.ln() / t_squared).max(0.0) } else { 0.0 }
}

/// The regression of what came on what was forecast at this step: its slope, from 0 to 1 and as far as believed, and
/// the mean forecast.
fn gain(paths: &[Path], step: usize) -> (f64, f64) {
    let pairs = || paths.iter().filter_map(|path| Some((path.forecast[step], *path.actual.get(step)?)));
    let n = pairs().count() as f64;
    let mean = pairs().map(|(forecast, _)| forecast).sum::<f64>() / n;
    let mean_actual = pairs().map(|(_, actual)| actual).sum::<f64>() / n;
    let [mut ff, mut fa, mut aa] = [0.0; 3];
    for (forecast, actual) in pairs() {
        let (f, a) = (forecast - mean, actual - mean_actual);
        ff += f * f;
        fa += f * a;
        aa += a * a;
    }
    let slope = fa / ff;
    let t_squared = slope * fa / ((aa - slope * fa) / (n - 2.0));
    // A network without any spread has no slope; the comparison is false for NaN.
    if slope > 0.0 { (slope.min(1.0) * believed(t_squared, n), mean) } else { (0.0, 0.0) }
}

/// The mean square of the sum of the first `steps` errors.
fn path_variance(paths: &[Path], gains: &[(f64, f64)], steps: usize) -> f64 {
    let whole = || paths.iter().filter(|path| path.actual.len() >= steps);
    let square = |path: &Path| {
        let actual: f64 = path.actual[..steps].iter().sum();
        let forecasts = path.forecast.iter().zip(gains).take(steps);
        let forecast: f64 = forecasts.map(|(forecast, (gain, mean))| gain * (forecast - mean)).sum();
        (actual - forecast).powi(2)
    };
    whole().map(square).sum::<f64>() / whole().count() as f64
}

/// The variance ratio of a path, as far as its departure from 1 is believed: its standard error where nothing is
/// correlated is Lo and MacKinlay's (1988, equation 14).
fn ratio(variances: &[f64], steps: usize, n: usize) -> f64 {
    if steps == 1 {
        return 1.0;
    }
    let (q, n) = (steps as f64, n as f64);
    let excess = variances[steps - 1] / (q * variances[0]) - 1.0;
    let error = 2.0 * (2.0 * q - 1.0) * (q - 1.0) / (3.0 * q * n);
    1.0 + excess * believed(excess * excess / error, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(forecast: impl Fn(usize) -> f64, actual: impl Fn(usize) -> f64) -> Vec<Path> {
        (0..400).map(|i| Path { forecast: vec![forecast(i)], actual: vec![actual(i)] }).collect()
    }

    /// Numbers without a pattern, of mean 0 and variance 1/12.
    fn noise(i: usize) -> f64 {
        ((i * i) as f64 * 0.754_877_666_2).fract() - 0.5
    }

    #[test]
    fn a_biased_forecast_is_centred_and_scaled() {
        // What came is half of what was forecast, less the bias.
        let paths = paths(|i| 3.0 + noise(i), |i| 0.5 * noise(i) + 0.05 * noise(i + 7_000));
        let (gain, mean) = gain(&paths, 0);
        assert!((gain - 0.5).abs() < 0.01 && (mean - 3.0).abs() < 0.05, "{gain} {mean}");
    }

    #[test]
    fn worthless_forecasts_get_nothing() {
        for (forecast, actual) in [
            (noise as fn(usize) -> f64, (|i| noise(i + 7_000)) as fn(usize) -> f64),
            (noise, |i| -noise(i)),
            (|_| 0.0, noise),
        ] {
            assert_eq!(gain(&paths(forecast, actual), 0).0, 0.0);
        }
    }

    #[test]
    fn a_forecast_is_never_stretched() {
        let (gain, _) = gain(&paths(noise, |i| 2.0 * noise(i) + 0.1 * noise(i + 7_000)), 0);
        assert!(gain > 0.99 && gain <= 1.0, "{gain}");
    }

    #[test]
    fn small_variance_ratios_are_not_believed() {
        assert_eq!(ratio(&[1.0, 2.1], 2, 1_000), 1.0);
        // 1.5 is 15.8 standard errors of 1 / sqrt(1000) from 1: all but 2.8 % of the excess is believed.
        let expected = 1.0 + 0.5 * (1.0 - 1_000f64.ln() / 250.0);
        assert!((ratio(&[1.0, 3.0], 2, 1_000) - expected).abs() < 1e-12);
    }
}
