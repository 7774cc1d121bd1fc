//! Prediction intervals: split conformal on the forecaster's own errors, scaled by volatility.
//!
//! A forecast's error at step h is compared with the volatility that was expected at its origin,
//!
//! ```text
//! s(o, h)^2 = h v + k (e(o)^2 - v) (1 - phi^h) / (1 - phi)
//! ```
//!
//! where e(o) is the exponentially weighted volatility at the origin (RiskMetrics 1996), v the variance of the history, to
//! which it reverts at the rate phi, and k from 0 to 1 how much of it helps: that of [`TRUSTS`] with the largest Laplace
//! likelihood of the history's changes. The half-width at step h is today's s times
//!
//! ```text
//! r(h)^(b / (b + 4)) ((1 - w) q0(h) + w m0(h) q(h)),   w = b / (b + 60)
//! ```
//!
//! q0 is the quantile of the last price's scores |error| / s, which needs no fit and so has an out-of-sample error for
//! every day of the history, and m0 their mean; r the forecaster's mean score over the last price's at the same origins
//! and steps; q the quantile of the forecaster's scores over their mean. Quantiles have the finite-sample correction of
//! split conformal prediction (Lei et al. 2018, section 2.2). r and q pool a step with the four before it; b is the number
//! of independent errors at the step, so a forecaster with few of them has the last price's interval. Those are few as well
//! at long steps: q0 of b0 independent blocks weighs b0 against ten of Student's t, whose degrees of freedom are those of
//! a variance estimated from fat tails. Where prices repeat, the interval reaches the next atom (`atoms.rs`).
//!
//! `bench/calibration.py` and `examples/families.rs` show what the constants do; 4, 60 and the pooling were set by judgement and
//! checked on the families, not searched over.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::atoms::Atoms;
use super::request::Level;
use super::weight::{POOLED_STEPS, independent};
use crate::task::{Cancel, Cancelled};
use crate::work;

/// The weight of yesterday in the exponentially weighted variance.
const DECAY: f64 = 0.94;

/// The daily rate at which that variance reverts to the history's.
const REVERSION: f64 = 0.95;

/// How much of today's volatility may count.
const TRUSTS: [f64; 5] = [1.0, 0.75, 0.5, 0.25, 0.0];

/// Days after which the exponentially weighted variance has forgotten its start enough to score errors with.
const WARM_UP: usize = 30;

/// A quantile of b independent blocks weighs b against this many of Student's.
const STUDENT_BLOCKS: f64 = 10.0;

/// Student's degrees of freedom for each change that the variance is estimated from: 2 / (kurtosis - 1), with a daily
/// kurtosis of 6; and no fewer than have a variance.
const FREEDOM: f64 = 0.4;
const LEAST_FREEDOM: f64 = 2.5;

/// The mean absolute value of a standard normal number.
const NORMAL_MEAN: f64 = 0.797_884_560_802_865_4;

/// b independent errors weigh b against these many of the last price's: for how large errors are, and for their shape.
const SIZE_BLOCKS: f64 = 4.0;
const SHAPE_BLOCKS: f64 = 60.0;

/// How far a forecaster's errors may scale the scores of the last price.
const ERROR_RATIO: std::ops::RangeInclusive<f64> = 0.01..=10.0;

/// Units of [`work`] for the score of one error, found and ranked, and for a change of the history in its volatility.
const SCORE: usize = 30;
const CHANGE: usize = 100;

/// A history with its volatility: what the intervals of every forecaster at its end have in common.
pub(super) struct History<'a> {
    y: &'a [f64],
    volatility: Volatility,
    atoms: Atoms,
}

/// The last price's scores at one step, and how far repeating prices make an interval reach: for one level.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastPrice {
    quantile: f64,
    mean: f64,
    reach: Option<f64>,
}

/// A forecaster's scores.
pub(super) struct Scores {
    /// A row for each origin, a column for each step that has an outcome, over the mean of the step.
    shapes: Vec<Vec<f64>>,
    /// By step, the factor of the last price's scores, and how many independent errors say so.
    ratios: Vec<(f64, f64)>,
}

impl History<'_> {
    /// The history of these log prices.
    pub fn new<'a>(y: &'a [f64], cancel: &Cancel) -> Result<History<'a>, Cancelled> {
        Ok(History { y, volatility: Volatility::of(y, cancel)?, atoms: Atoms::of(y) })
    }

    /// What the last price's errors say at steps 1 to `horizon`.
    pub fn last_price(
        &self,
        level: Level,
        horizon: usize,
        cancel: &Cancel,
    ) -> Result<Vec<LastPrice>, Cancelled> {
        let freedom = (FREEDOM * self.y.len().saturating_sub(1) as f64).max(LEAST_FREEDOM);
        let student = StudentsT::new(0.0, 1.0, freedom);
        let student = student.map_or(f64::NAN, |t| t.inverse_cdf(0.5 + level.share() / 2.0));
        let at = |step: usize| {
            let reach = self.atoms.reach(&self.atoms.changes(step), step, level.share());
            LastPrice { reach, ..self.quantile(step, level, student) }
        };
        work::watched(1..=horizon, 2 * SCORE * self.y.len(), cancel).map(|step| step.map(at)).collect()
    }

    /// The quantile of the last price's scores at `step`, shrunk to Student's.
    fn quantile(&self, step: usize, level: Level, student: f64) -> LastPrice {
        let n = self.y.len();
        let origins = WARM_UP.min(n / 2).max(1)..(n + 1).saturating_sub(step);
        let change = |origin: usize| self.y[origin + step - 1] - self.y[origin - 1];
        let mut scores: Vec<f64> = origins
            .filter_map(|origin| score(change(origin), self.volatility.expected(origin, step)))
            .collect();
        let count = scores.len();
        let blocks = count as f64 / step as f64;
        let shrunk =
            |own: f64, prior: f64| (blocks * own + STUDENT_BLOCKS * prior) / (blocks + STUDENT_BLOCKS);
        let mean = shrunk(scores.iter().sum::<f64>() / count.max(1) as f64, NORMAL_MEAN);
        // Too few scores for this level: split conformal would answer infinity.
        let quantile = conformal(&mut scores, count, level.share()).map_or_else(
            || scores.iter().copied().fold(student, f64::max),
            |quantile| shrunk(quantile, student),
        );
        LastPrice { quantile, mean, reach: None }
    }

    /// The scores of a forecaster with these validated errors, each row with its origin; none where nothing was
    /// validated.
    pub fn scores(
        &self,
        errors: Vec<(usize, Vec<f64>)>,
        horizon: usize,
        cancel: &Cancel,
    ) -> Result<Scores, Cancelled> {
        let stride = errors.windows(2).map(|pair| pair[1].0 - pair[0].0).min().unwrap_or(1);
        let mut sums = vec![Sums::default(); errors.first().map_or(0, |(_, row)| row.len())];
        let mut shapes = Vec::with_capacity(errors.len());
        for row in work::watched(errors, SCORE * sums.len(), cancel) {
            let (origin, mut row) = row?;
            for (index, error) in row.iter_mut().enumerate() {
                let scale = self.volatility.expected(origin, index + 1);
                let last_price = self.y[origin + index] - self.y[origin - 1];
                *error = score(*error, scale).unwrap_or(0.0);
                sums[index].forecaster += *error;
                sums[index].last_price += score(last_price, scale).unwrap_or(0.0);
                sums[index].count += 1;
            }
            shapes.push(row);
        }
        for (index, sum) in sums.iter().enumerate() {
            if sum.forecaster > 0.0 {
                let mean = sum.forecaster / sum.count as f64;
                shapes.iter_mut().filter_map(|row| row.get_mut(index)).for_each(|score| *score /= mean);
            }
        }
        let ratios = (0..horizon).map(|index| ratio(&sums, stride, index)).collect();
        Ok(Scores { shapes, ratios })
    }

    /// Half-widths of the interval of the log price around a path, not decreasing.
    pub fn half_widths(
        &self,
        last_price: &[LastPrice],
        scores: &Scores,
        level: Level,
        path: &[f64],
        cancel: &Cancel,
    ) -> Result<Vec<f64>, Cancelled> {
        let mut widest = 0.0f64;
        let last = self.y.last().copied().unwrap_or(0.0);
        let units = SCORE * (1 + (POOLED_STEPS + 1) * scores.shapes.len());
        let mut at = |(index, (last_price, mean)): (usize, (&LastPrice, &f64))| {
            let scale = self.volatility.expected(self.y.len(), index + 1);
            let width = scale * scores.quantile(index, *last_price, level);
            let reach = last_price.reach.map_or(0.0, |reach| (mean - last).abs() + reach);
            widest = widest.max(width).max(reach);
            widest
        };
        work::watched(last_price.iter().zip(path).enumerate(), units, cancel)
            .map(|step| step.map(&mut at))
            .collect()
    }
}

impl Scores {
    /// The quantile of the scores at the step of this index.
    fn quantile(&self, index: usize, last_price: LastPrice, level: Level) -> f64 {
        let LastPrice { quantile, mean, .. } = last_price;
        let (ratio, independent) = self.ratios[index];
        let weight = independent / (independent + SHAPE_BLOCKS);
        if weight == 0.0 {
            return ratio * quantile;
        }
        let low = index.saturating_sub(POOLED_STEPS);
        let near = self.shapes.iter().filter_map(|row| row.get(low..=index));
        let count = near.clone().count();
        let mut shapes: Vec<f64> = near.flatten().copied().collect();
        // Where there are too few scores for the level, the largest of them and of the last price's quantile.
        let own = conformal(&mut shapes, count, level.share())
            .unwrap_or_else(|| shapes.iter().copied().fold(quantile / mean, f64::max));
        ratio * ((1.0 - weight) * quantile + weight * mean * own)
    }
}

/// The sums of a forecaster's scores and of the last price's at a step.
#[derive(Clone, Default)]
struct Sums {
    forecaster: f64,
    last_price: f64,
    count: usize,
}

/// How much larger the forecaster's scores are, as far as so many errors say, and how many independent ones do.
fn ratio(sums: &[Sums], stride: usize, index: usize) -> (f64, f64) {
    let Some(at) = sums.get(index) else { return (1.0, 0.0) };
    let near = &sums[index.saturating_sub(POOLED_STEPS)..=index];
    let total = |sum: fn(&Sums) -> f64| near.iter().map(sum).sum::<f64>();
    let (own, last_price) = (total(|sum| sum.forecaster), total(|sum| sum.last_price));
    let blocks = independent(at.count, stride, index + 1);
    if last_price == 0.0 {
        return (1.0, blocks);
    }
    let ratio = (own / last_price).clamp(*ERROR_RATIO.start(), *ERROR_RATIO.end());
    (ratio.powf(blocks / (blocks + SIZE_BLOCKS)), blocks)
}

/// The quantile of split conformal prediction of scores that are worth `count`; None where that is too few.
fn conformal(scores: &mut [f64], count: usize, share: f64) -> Option<f64> {
    let share = (count + 1) as f64 * share / count as f64;
    let rank = (scores.len() as f64 * share).ceil();
    if scores.is_empty() || share > 1.0 || rank < 1.0 {
        return None;
    }
    let index = (rank as usize).min(scores.len()) - 1;
    Some(*scores.select_nth_unstable_by(index, f64::total_cmp).1)
}

/// The volatility that was expected at each origin of a history.
struct Volatility {
    /// The exponentially weighted variance that each origin knows: origin o has seen `y[..o]`.
    weighted: Vec<f64>,
    /// The mean squared change of the history.
    mean: f64,
    /// How much of the weighted variance's departure from the mean counts.
    trust: f64,
}

impl Volatility {
    fn of(y: &[f64], cancel: &Cancel) -> Result<Volatility, Cancelled> {
        let square = |pair: Result<&[f64], Cancelled>| pair.map(|pair| (pair[1] - pair[0]).powi(2));
        let squares = work::watched(y.windows(2), CHANGE, cancel).map(square);
        let squares: Vec<f64> = squares.collect::<Result<_, _>>()?;
        let mean = squares.iter().sum::<f64>() / squares.len().max(1) as f64;
        // Origins 0 and 1 have seen no change.
        let mut weighted = vec![mean; 2];
        for square in &squares {
            weighted.push(DECAY * weighted[weighted.len() - 1] + (1.0 - DECAY) * square);
        }
        let mut found = Volatility { weighted, mean, trust: TRUSTS[0] };
        // Of a history that says nothing of it yet, the volatility of today is what stocks have.
        if y.len() > 2 * WARM_UP && mean > 0.0 {
            let losses = TRUSTS.map(|trust| found.loss(&squares, trust));
            let least = (0..TRUSTS.len()).min_by(|a, b| losses[*a].total_cmp(&losses[*b]));
            found.trust = TRUSTS[least.unwrap_or(0)];
        }
        Ok(found)
    }

    /// Less the mean logarithm of the Laplace likelihood of the changes, with the best scale, up to a constant.
    fn loss(&self, squares: &[f64], trust: f64) -> f64 {
        let (mut logs, mut scores) = (0.0, 0.0);
        for (square, weighted) in squares.iter().zip(&self.weighted[1..]).skip(WARM_UP) {
            let scale = (self.mean + trust * (weighted - self.mean)).max(1e-12 * self.mean).sqrt();
            logs += scale.ln();
            scores += square.sqrt() / scale;
        }
        let count = (squares.len() - WARM_UP) as f64;
        logs / count + (scores / count).ln()
    }

    /// The standard deviation of the change over `step` days that was expected at `origin`.
    fn expected(&self, origin: usize, step: usize) -> f64 {
        let decayed = self.trust * (1.0 - REVERSION.powi(step as i32)) / (1.0 - REVERSION);
        (step as f64 * self.mean + (self.weighted[origin] - self.mean) * decayed).max(0.0).sqrt()
    }
}

fn score(error: f64, scale: f64) -> Option<f64> {
    (scale > 0.0).then(|| error.abs() / scale)
}

#[cfg(test)]
mod tests {
    use rand_core::Rng;

    use super::*;
    use crate::task::Seed;

    /// The half-widths of a forecaster with these errors around the last price.
    fn half_widths(y: &[f64], errors: &[(usize, Vec<f64>)], level: Level, horizon: usize) -> Vec<f64> {
        let cancel = Cancel::default();
        let history = History::new(y, &cancel).unwrap();
        let last_price = history.last_price(level, horizon, &cancel).unwrap();
        let scores = history.scores(errors.to_vec(), horizon, &cancel).unwrap();
        let path = vec![y[y.len() - 1]; horizon];
        history.half_widths(&last_price, &scores, level, &path, &cancel).unwrap()
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

    /// The errors of the last price from these origins, times a number by step.
    fn errors_of(y: &[f64], horizon: usize, factor: impl Fn(usize) -> f64) -> Vec<(usize, Vec<f64>)> {
        let row = |o: usize| (o, (0..horizon).map(|h| factor(h) * (y[o + h] - y[o - 1])).collect());
        (200..y.len() - horizon).step_by(2).map(row).collect()
    }

    #[test]
    fn intervals_hold_what_they_say_on_random_walks() {
        let (horizon, trials) = (5, 600);
        for (share, validated) in [(0.8, false), (0.95, false), (0.8, true), (0.95, true)] {
            let mut inside = [0usize; 5];
            for trial in 0..trials {
                let y = walk(trial, 400 + horizon);
                let (seen, coming) = y.split_at(400);
                let errors = if validated { errors_of(seen, horizon, |_| 1.0) } else { vec![] };
                let widths = half_widths(seen, &errors, Level::new(share).unwrap(), horizon);
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
        let y = walk(7, 320);
        for errors in [vec![], errors_of(&y, 40, |step| 0.5 + 0.01 * step as f64)] {
            let widths = |share| half_widths(&y, &errors, Level::new(share).unwrap(), 40);
            for pair in [0.01, 0.5, 0.8, 0.95, 0.99].windows(2) {
                let (narrow, wide) = (widths(pair[0]), widths(pair[1]));
                assert!(narrow.iter().zip(&wide).all(|(narrow, wide)| narrow <= wide), "{pair:?}");
                assert!(wide.is_sorted() && narrow.is_sorted(), "{pair:?}");
            }
        }
    }

    #[test]
    fn short_and_constant_histories_have_finite_intervals() {
        let level = Level::new(0.95).unwrap();
        for n in [2, 3, 10, 31, 60] {
            let widths = half_widths(&walk(1, n), &[], level, 21);
            assert!(widths.iter().all(|width| width.is_finite() && *width > 0.0), "{n}: {widths:?}");
        }
        assert_eq!(half_widths(&[7.0f64.ln(); 50], &[], level, 3), [0.0; 3]);
    }

    /// By step, and as far as so few errors are believed.
    #[test]
    fn a_forecasters_own_errors_scale_its_interval() {
        let y = walk(3, 400);
        let level = Level::new(0.8).unwrap();
        let widths = |factor: fn(usize) -> f64| half_widths(&y, &errors_of(&y, 5, factor), level, 5);
        let same = widths(|_| 1.0);
        for (factor, least, most) in [(2.0, 1.8, 2.0), (0.25, 0.25, 0.32)] {
            let errors = errors_of(&y, 5, |_| factor);
            for (own, same) in half_widths(&y, &errors, level, 5).iter().zip(&same) {
                assert!((least..=most).contains(&(own / same)), "{factor}: {}", own / same);
            }
        }
        let first = widths(|step| if step == 0 { 0.5 } else { 1.0 });
        assert!(first[0] < 0.6 * same[0] && first[4] > 0.9 * same[4], "{first:?} {same:?}");
    }

    /// What a step's interval is does not depend on the steps that are asked for after it.
    #[test]
    fn later_steps_change_no_interval() {
        let y = walk(5, 500);
        let level = Level::new(0.8).unwrap();
        let errors = errors_of(&y, 60, |step| 1.0 + 0.1 * (step as f64).sin());
        let short: Vec<_> = errors.iter().map(|(origin, row)| (*origin, row[..7].to_vec())).collect();
        assert_eq!(half_widths(&y, &errors, level, 60)[..7], half_widths(&y, &short, level, 7));
    }

    /// Changes of one size on every day have no volatility of today; those that come in bursts do.
    #[test]
    fn todays_volatility_counts_where_it_helps() {
        let trust = |y: &[f64]| Volatility::of(y, &Cancel::default()).unwrap().trust;
        assert!(trust(&walk(4, 1000)) <= 0.5);
        let steps = walk(4, 1000);
        let burst =
            |(day, pair): (usize, &[f64])| (pair[1] - pair[0]) * if day / 60 % 2 == 0 { 4.0 } else { 1.0 };
        let mut level = 0.0;
        let add = |day| {
            level += burst(day);
            level
        };
        let bursts: Vec<f64> = steps.windows(2).enumerate().map(add).collect();
        assert!(trust(&bursts) >= 0.75);
    }
}
