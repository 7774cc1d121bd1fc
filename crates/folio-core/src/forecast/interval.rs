//! Prediction intervals: split conformal, scaled by volatility.
//!
//! A forecast's error at step h is compared with the volatility that was expected at its origin,
//!
//! ```text
//! s(o, h)^2 = h v + (e(o)^2 - v) (1 - phi^h) / (1 - phi)
//! ```
//!
//! where e(o) is the exponentially weighted volatility at the origin (RiskMetrics 1996) and v the variance of the
//! history, to which it reverts at the rate phi. The half-width at a level is that quantile of the scores
//! |error| / s, with the finite-sample correction of split conformal prediction (Lei et al. 2018, section 2.2), times
//! the s of today. Scores overlap, so a quantile of few independent blocks is shrunk to the normal one.
//!
//! The scores are those of the last price, which needs no fit and so has an out-of-sample error for every day of the
//! history; the ensemble's errors, known on the validation days only, scale them as a whole.
//!
//! The constants were chosen on 20 US stocks, 1990 to 2022, histories of 1,000 days (`bench/calibration.py`).

use statrs::distribution::{ContinuousCDF, Normal};

use super::request::Level;
use crate::task::{Cancel, Cancelled};
use crate::work;

/// The weight of yesterday in the exponentially weighted variance.
const DECAY: f64 = 0.94;

/// The daily rate at which that variance reverts to the history's.
const REVERSION: f64 = 0.95;

/// Days after which the exponentially weighted variance has forgotten its start enough to score errors with.
const WARM_UP: usize = 30;

/// A quantile of b independent blocks weighs b against this many of the normal quantile.
const NORMAL_BLOCKS: f64 = 10.0;

/// Units of [`work`] for the score of one error, found and ranked, and for the square of one change.
const SCORE: usize = 30;
const SQUARE: usize = 3;

/// How far the ensemble's own errors may scale the scores of the last price.
const ERROR_RATIO: std::ops::RangeInclusive<f64> = 0.8..=3.0;

/// A history with its volatility: what the intervals of every forecaster at its end have in common.
pub(super) struct History<'a> {
    y: &'a [f64],
    volatility: Volatility,
}

impl History<'_> {
    /// The history of these log prices.
    pub fn new<'a>(y: &'a [f64], cancel: &Cancel) -> Result<History<'a>, Cancelled> {
        Ok(History { y, volatility: Volatility::of(y, cancel)? })
    }

    /// Half-widths of the interval of the log price around the last one at steps 1 to `horizon`, not decreasing.
    pub fn half_widths(&self, level: Level, horizon: usize, cancel: &Cancel) -> Result<Vec<f64>, Cancelled> {
        let normal = Normal::standard().inverse_cdf(0.5 + level.share() / 2.0);
        let mut widest = 0.0f64;
        work::watched(1..=horizon, SCORE * self.y.len(), cancel)
            .map(|step| {
                let step = step?;
                let quantile = score_quantile(self.y, &self.volatility, step, level, normal);
                widest = widest.max(quantile * self.volatility.expected(self.y.len(), step));
                Ok(widest)
            })
            .collect()
    }

    /// How much wider the interval of a forecaster with these errors is: its mean score over the last price's, at the
    /// same origins and steps. `errors` are its validated errors, each row with its origin; empty where nothing was
    /// validated.
    pub fn error_ratio(&self, errors: &[(usize, Vec<f64>)], cancel: &Cancel) -> Result<f64, Cancelled> {
        let (mut forecaster, mut last_price) = (0.0, 0.0);
        let units = SCORE * errors.first().map_or(0, |(_, row)| row.len());
        for row in work::watched(errors, units, cancel) {
            let (origin, row) = row?;
            for (index, error) in row.iter().enumerate() {
                let scale = self.volatility.expected(*origin, index + 1);
                forecaster += score(*error, scale).unwrap_or(0.0);
                last_price += score(self.y[origin + index] - self.y[origin - 1], scale).unwrap_or(0.0);
            }
        }
        Ok(if last_price > 0.0 {
            (forecaster / last_price).clamp(*ERROR_RATIO.start(), *ERROR_RATIO.end())
        } else {
            1.0
        })
    }
}

/// The volatility that was expected at each origin of a history.
struct Volatility {
    /// The exponentially weighted variance that each origin knows: origin o has seen `y[..o]`.
    weighted: Vec<f64>,
    /// The mean squared change of the history.
    mean: f64,
}

impl Volatility {
    fn of(y: &[f64], cancel: &Cancel) -> Result<Volatility, Cancelled> {
        let square = |pair: Result<&[f64], Cancelled>| pair.map(|pair| (pair[1] - pair[0]).powi(2));
        let squares = work::watched(y.windows(2), SQUARE, cancel).map(square);
        let squares: Vec<f64> = squares.collect::<Result<_, _>>()?;
        let mean = squares.iter().sum::<f64>() / squares.len().max(1) as f64;
        // Origins 0 and 1 have seen no change.
        let mut weighted = vec![mean; 2];
        for square in work::watched(squares, SQUARE, cancel) {
            let square = square?;
            weighted.push(DECAY * weighted[weighted.len() - 1] + (1.0 - DECAY) * square);
        }
        Ok(Volatility { weighted, mean })
    }

    /// The standard deviation of the change over `step` days that was expected at `origin`.
    fn expected(&self, origin: usize, step: usize) -> f64 {
        let decayed = (1.0 - REVERSION.powi(step as i32)) / (1.0 - REVERSION);
        (step as f64 * self.mean + (self.weighted[origin] - self.mean) * decayed).max(0.0).sqrt()
    }
}

/// The quantile of the last price's scores at `step`, shrunk to the normal one.
fn score_quantile(y: &[f64], volatility: &Volatility, step: usize, level: Level, normal: f64) -> f64 {
    let origins = WARM_UP.min(y.len())..(y.len() + 1).saturating_sub(step);
    let mut scores: Vec<f64> = origins
        .filter_map(|origin| score(y[origin + step - 1] - y[origin - 1], volatility.expected(origin, step)))
        .collect();
    let n = scores.len();
    let rank = ((n + 1) as f64 * level.share()).ceil() as usize;
    if rank == 0 || rank > n {
        // Too few scores for this level: split conformal would answer infinity.
        return normal.max(scores.into_iter().fold(0.0, f64::max));
    }
    let (_, &mut quantile, _) = scores.select_nth_unstable_by(rank - 1, f64::total_cmp);
    let blocks = n as f64 / step as f64;
    (blocks * quantile + NORMAL_BLOCKS * normal) / (blocks + NORMAL_BLOCKS)
}

fn score(error: f64, scale: f64) -> Option<f64> {
    (scale > 0.0).then(|| error.abs() / scale)
}

#[cfg(test)]
mod tests {
    use rand_core::Rng;

    use super::*;
    use crate::task::Seed;

    /// The half-widths of a forecaster with these errors.
    fn half_widths(y: &[f64], errors: &[(usize, Vec<f64>)], level: Level, horizon: usize) -> Vec<f64> {
        let cancel = Cancel::default();
        let history = History::new(y, &cancel).unwrap();
        let ratio = history.error_ratio(errors, &cancel).unwrap();
        history.half_widths(level, horizon, &cancel).unwrap().into_iter().map(|width| ratio * width).collect()
    }

    /// A random walk with normal changes, as sums of uniform ones.
    fn walk(seed: u64, n: usize) -> Vec<f64> {
        let mut rng = Seed(seed).rng();
        let mut uniform = || rng.next_u64() as f64 / u64::MAX as f64 - 0.5;
        let mut level = 0.0;
        (0..n)
            .map(|_| {
                level += 0.01 * (0..12).map(|_| uniform()).sum::<f64>();
                level
            })
            .collect()
    }

    #[test]
    fn intervals_hold_what_they_say_on_random_walks() {
        let (horizon, trials) = (5, 600);
        for share in [0.8, 0.95] {
            let mut inside = [0usize; 5];
            for trial in 0..trials {
                let y = walk(trial, 400 + horizon);
                let (seen, coming) = y.split_at(400);
                let widths = half_widths(seen, &[], Level::new(share).unwrap(), horizon);
                for step in 0..horizon {
                    inside[step] += usize::from((coming[step] - seen[399]).abs() <= widths[step]);
                }
            }
            for count in inside {
                let coverage = count as f64 / trials as f64;
                assert!((coverage - share).abs() < 0.04, "level {share}: {inside:?}");
            }
        }
    }

    #[test]
    fn a_wider_level_and_a_further_step_are_not_narrower() {
        let y = walk(7, 120);
        let widths = |share| half_widths(&y, &[], Level::new(share).unwrap(), 40);
        let (narrow, wide) = (widths(0.5), widths(0.95));
        assert!(narrow.iter().zip(&wide).all(|(narrow, wide)| narrow <= wide));
        assert!(wide.is_sorted() && narrow.is_sorted());
    }

    #[test]
    fn short_and_constant_histories_have_finite_intervals() {
        let level = Level::new(0.95).unwrap();
        for n in [2, 3, 10, 31, 60] {
            assert!(
                half_widths(&walk(1, n), &[], level, 21)
                    .iter()
                    .all(|width| width.is_finite() && *width > 0.0)
            );
        }
        assert_eq!(half_widths(&[1.0; 50], &[], level, 3), [0.0; 3]);
    }

    #[test]
    fn larger_errors_of_the_ensemble_widen_its_interval() {
        let y = walk(3, 300);
        let naive: Vec<(usize, Vec<f64>)> =
            (200..295).map(|o| (o, (0..5).map(|h| y[o + h] - y[o - 1]).collect())).collect();
        let doubled = naive
            .iter()
            .map(|(o, row)| (*o, row.iter().map(|error| 2.0 * error).collect()))
            .collect::<Vec<_>>();
        let level = Level::new(0.8).unwrap();
        let (same, wider) = (half_widths(&y, &naive, level, 5), half_widths(&y, &doubled, level, 5));
        assert!(same.iter().zip(&wider).all(|(same, wider)| (wider / same - 2.0).abs() < 1e-9));
    }
}
