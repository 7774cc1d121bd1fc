//! A long short-term memory (Hochreiter and Schmidhuber 1997) on standardised log returns.
//!
//! Four small networks of one layer are trained many-to-many: a loss at every step of long segments, truncated
//! back-propagation through time, instead of overlapping windows that compute every step as often as a window is long.
//! Each leaves out a quarter of the history. What they forecast there, exactly as they will be served, decides when
//! training stops, how far the forecast at each step ahead is taken in place of the mean return, and the standard
//! deviation. So on returns that nothing predicts, which is what daily returns mostly are, the forecast is the drift;
//! `detail` says so.
//!
//! Against Keras with two layers of 32 units, windows of 60 and 20 epochs (`bench/golden/lstm.py`) the squared error on
//! held out data is 0.5 % lower on autoregressions, 5 % on sines in noise and 3 % on threshold autoregressions, for 0.06
//! instead of 10 CPU seconds; `tests/lstm.rs` asserts that it is not higher.

mod adam;
mod calibrate;
mod lanes;
mod network;
mod rollout;
mod train;

use serde_json::{Value, json};

use self::calibrate::{Calibration, calibrate};
use self::network::SHAPE;
use self::rollout::rollout;
use self::train::{Sample, Trained, train};
use super::{Failure, Fitted, Model, Path, require_observations};
use crate::task::Task;

/// The fewest log prices: each network then has more than two segments to learn from.
const MIN_OBSERVATIONS: usize = 201;

/// Inputs are kept within so many standard deviations: beyond, a network would be extrapolating.
const INPUT_LIMIT: f64 = 6.0;

/// Returns further from the median than so many standard deviations, as the median absolute deviation estimates them,
/// are pulled in to there. A market's crash is within; a split that the prices were not adjusted for is beyond, and left
/// as it is it would make the standard deviation of 1,000 days several times too large.
const OUTLIER: f64 = 20.0;

/// Daily returns that vary less than this are rounding.
const MIN_SPREAD: f64 = 1e-10;

/// Long short-term memory networks: the mean of the next returns from the last 80 ones, as far as it was better
/// than the drift out of sample.
#[derive(Debug, Clone, Copy)]
pub struct Lstm;

impl Model for Lstm {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn min_observations(&self) -> usize {
        MIN_OBSERVATIONS
    }

    fn fit(&self, y: &[f64], horizon: usize, task: &Task) -> Result<Box<dyn Fitted>, Failure> {
        require_observations(self, y)?;
        if !y.iter().all(|value| value.is_finite()) {
            return Err(Failure::NotFinite("a log price"));
        }
        let returns: Vec<f64> = y.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (scale, targets) = Scale::of(&returns)?;
        let inputs = scale.inputs(y);
        let sample = Sample { x: &inputs, y: &targets };
        let trained = train(sample, task)?;
        let calibration = calibrate(sample, &trained, horizon, task)?;
        Ok(Box::new(Fit { scale, trained, calibration }))
    }
}

/// What standardises returns.
#[derive(Debug, Clone, Copy)]
struct Scale {
    mean: f64,
    spread: f64,
}

impl Scale {
    /// The mean and standard deviation of the returns, outliers pulled in, and the returns so standardised.
    fn of(returns: &[f64]) -> Result<(Scale, Vec<f32>), Failure> {
        let middle = median(returns.to_vec());
        let deviation = median(returns.iter().map(|value| (value - middle).abs()).collect());
        // 1.4826 makes the deviation of a normal distribution its standard deviation. Where more than half of the
        // returns are the same it is 0 and tells nothing.
        let limit = if deviation > 0.0 { OUTLIER * 1.4826 * deviation } else { f64::INFINITY };
        let kept: Vec<f64> =
            returns.iter().map(|value| middle + (value - middle).clamp(-limit, limit)).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let spread = (kept.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        if spread < MIN_SPREAD {
            return Err(Failure::Constant);
        }
        let targets = kept.iter().map(|value| ((value - mean) / spread) as f32).collect();
        Ok((Scale { mean, spread }, targets))
    }

    /// What the networks see of log prices: one number per return.
    fn inputs(self, y: &[f64]) -> Vec<f32> {
        let input = |pair: &[f64]| {
            ((pair[1] - pair[0] - self.mean) / self.spread).clamp(-INPUT_LIMIT, INPUT_LIMIT) as f32
        };
        y.windows(2).map(input).collect()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

struct Fit {
    scale: Scale,
    trained: Trained,
    calibration: Calibration,
}

impl Fit {
    /// The mean of the networks' forecasts, per origin and step that has a gain.
    fn network_paths(&self, x: &[f32], origins: &[usize], task: &Task) -> Result<Vec<Vec<f64>>, Failure> {
        task.cancel.check()?;
        let steps = self.calibration.gains.len();
        let mut sums = vec![vec![0.0; steps]; origins.len()];
        if steps == 0 {
            return Ok(sums);
        }
        let members = &self.trained.members;
        for (parameters, _) in members {
            for (sums, path) in sums.iter_mut().zip(rollout(parameters, x, origins, steps, task)?) {
                for (sum, value) in sums.iter_mut().zip(path) {
                    *sum += f64::from(value) / members.len() as f64;
                }
            }
        }
        Ok(sums)
    }

    /// The standard deviation of the path: not decreasing, although a measured ratio may fall faster than the path grows.
    fn sd(&self, horizon: usize) -> Vec<f64> {
        let Calibration { ratios, sigma, .. } = &self.calibration;
        let mut largest: f64 = 0.0;
        let sd = |step: usize| {
            let ratio = ratios.get(step - 1).or(ratios.last()).copied().unwrap_or(1.0);
            largest = largest.max(self.scale.spread * sigma * (step as f64 * ratio).sqrt());
            largest
        };
        (1..=horizon).map(sd).collect()
    }
}

impl Fitted for Fit {
    fn forecast(
        &self,
        y: &[f64],
        origins: &[usize],
        horizon: usize,
        task: &Task,
    ) -> Result<Vec<Path>, Failure> {
        if let Some(&origin) = origins.iter().find(|&&origin| origin == 0 || origin > y.len()) {
            return Err(Failure::TooShort { need: origin.max(1), got: y.len().min(origin) });
        }
        let inputs = self.scale.inputs(y);
        // The log price at an origin is made by the return before it.
        let returns: Vec<usize> = origins.iter().map(|origin| origin - 1).collect();
        let networks = self.network_paths(&inputs, &returns, task)?;
        let sd = self.sd(horizon);
        let path = |(&origin, network): (&usize, Vec<f64>)| {
            let mut level = y[origin - 1];
            let mut gains = network.iter().zip(&self.calibration.gains);
            let mean: Vec<f64> = (0..horizon)
                .map(|_| {
                    let moved = gains.next().map_or(0.0, |(value, (gain, mean))| gain * (value - mean));
                    level += self.scale.mean + self.scale.spread * moved;
                    level
                })
                .collect();
            Path { mean, sd: sd.clone() }
        };
        let paths: Vec<Path> = origins.iter().zip(networks).map(path).collect();
        if paths.iter().any(|path| path.mean.iter().any(|value| !value.is_finite())) {
            return Err(Failure::NotFinite("the forecast"));
        }
        Ok(paths)
    }

    fn detail(&self) -> Value {
        let Trained { members, updates, loss, loss_of_mean } = &self.trained;
        let gains: Vec<f64> = self.calibration.gains.iter().map(|(gain, _)| *gain).collect();
        json!({
            "networks": members.len(),
            "layers": SHAPE.layers,
            "hidden": SHAPE.hidden,
            "updates": updates,
            "out_of_fold_mse": loss,
            "out_of_fold_mse_of_mean": loss_of_mean,
            "gain_by_step": gains,
            "drift": self.scale.mean,
            "sigma": self.scale.spread * self.calibration.sigma,
        })
    }
}
