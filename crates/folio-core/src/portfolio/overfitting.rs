//! Whether the best of the strategies that were tried is more than the luckiest.
//!
//! Whoever tries many strategies and shows the best shows a maximum. Three tests take that into account:
//!
//! - The deflated Sharpe ratio (Bailey and Lopez de Prado 2014, The Deflated Sharpe Ratio, formulas 1 and 2): the probability that
//!   the best one's Sharpe ratio is over the largest that as many without any skill would be expected to have.
//! - The probability of backtest overfitting, by combinatorially symmetric cross-validation (Bailey, Borwein, Lopez de Prado and
//!   Zhu 2017): of all ways to call half of the blocks of time the past, the share in which the best of the past is not
//!   in the better half of what came beside it.
//! - The reality check (White 2000, A Reality Check for Data Snooping), with the stationary bootstrap (Politis and Romano
//!   1994): the probability that the largest mean would be as large if all true means were zero.

use ndarray::{Array1, ArrayView2};
use rand_core::Rng;
use rand_pcg::Pcg64;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::task::{Cancel, Seed};
use crate::{Result, input, work};

/// The blocks of time if nothing is said, as in the paper: 12,870 ways to halve them.
pub const DEFAULT_BLOCKS: i64 = 16;

/// The most: twice as many would have 601 million ways.
const MAX_BLOCKS: usize = 16;

/// The fewest periods of a block: a Sharpe ratio needs two, and says nothing of so few.
const BLOCK_PERIODS: usize = 5;

/// The most strategies: 10,000 take half a second for each thousand of samples and periods.
const MAX_STRATEGIES: usize = 10_000;

/// Samples of the bootstrap: a probability of 5 % is then known to 0.7 %.
const SAMPLES: usize = 1000;

/// Deviations under this are rounding.
const ROUNDING: f64 = 1e-12;

/// What the tests say of the best strategy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overfitting {
    /// Which it is: the largest Sharpe ratio's column.
    pub strategy: usize,
    /// How many were tried.
    pub strategies: usize,
    /// How many periods there are.
    pub periods: usize,
    /// Its Sharpe ratio, a period.
    pub sharpe_ratio: f64,
    /// The largest that as many without skill would be expected to have, a period.
    pub expected_maximum: f64,
    /// The deflated Sharpe ratio: the probability that the true one is over that.
    pub deflated_sharpe_ratio: f64,
    /// The probability of backtest overfitting.
    pub backtest_overfitting: f64,
    /// White's p-value: over 0.05 the largest mean may be chance.
    pub reality_check: f64,
}

/// Tests the returns of strategies, a row a period, over what they are to beat: the risk-free rate, or a benchmark.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] for `blocks` that are not even and from 2 to 16, fewer than five periods a block, fewer
/// than two strategies, or one that does not vary; [`crate::Error::Cancelled`].
pub fn overfitting(returns: ArrayView2<'_, f64>, blocks: i64, cancel: &Cancel) -> Result<Overfitting> {
    let blocks = checked(returns, blocks)?;
    let sharpes = sharpe_ratios(returns)?;
    let strategy = position_of_largest(&sharpes);
    let (periods, strategies) = returns.dim();
    let expected_maximum = expected_maximum(variance(&sharpes), strategies);
    let best: Vec<f64> = returns.column(strategy).to_vec();
    Ok(Overfitting {
        strategy,
        strategies,
        periods,
        sharpe_ratio: sharpes[strategy],
        expected_maximum,
        deflated_sharpe_ratio: deflated(&best, sharpes[strategy], expected_maximum),
        backtest_overfitting: backtest_overfitting(returns, blocks, cancel)?,
        reality_check: reality_check(returns, cancel)?,
    })
}

fn checked(returns: ArrayView2<'_, f64>, blocks: i64) -> Result<usize> {
    let (periods, strategies) = returns.dim();
    let even = |blocks: &usize| (2..=MAX_BLOCKS).contains(blocks) && blocks.is_multiple_of(2);
    let Some(blocks) = usize::try_from(blocks).ok().filter(even) else {
        return Err(input::invalid("blocks", blocks, format!("an even number from 2 to {MAX_BLOCKS}")));
    };
    let wrong = |value: String, expected: String| Err(input::invalid("returns", value, expected));
    if !(2..=MAX_STRATEGIES).contains(&strategies) {
        return wrong(
            format!("{strategies} strategies"),
            format!("2 to {MAX_STRATEGIES}, a column each: all that were tried, not only the best"),
        );
    }
    if periods < blocks * BLOCK_PERIODS {
        let expected = format!("at least {BLOCK_PERIODS} for each of {blocks} blocks, a row each");
        return wrong(format!("{periods} periods"), expected);
    }
    match returns.indexed_iter().find(|(_, value)| !value.is_finite() || value.abs() > input::LARGEST) {
        Some(((row, column), value)) => wrong(
            format!("{value} in row {}, column {}", row + 1, column + 1),
            "returns, as shares".to_owned(),
        ),
        None => Ok(blocks),
    }
}

fn sharpe_ratios(returns: ArrayView2<'_, f64>) -> Result<Vec<f64>> {
    let ratio = |(column, values): (usize, ndarray::ArrayView1<'_, f64>)| {
        let mean = values.sum() / values.len() as f64;
        let deviation = values.std(1.0);
        (deviation > ROUNDING).then(|| mean / deviation).ok_or_else(|| {
            let value = format!("{mean} in each row of column {}", column + 1);
            input::invalid("returns", value, "strategies whose returns vary")
        })
    };
    returns.columns().into_iter().enumerate().map(ratio).collect()
}

fn position_of_largest(values: &[f64]) -> usize {
    let larger = |best: usize, at: usize| if values[at] > values[best] { at } else { best };
    (0..values.len()).fold(0, larger)
}

fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

/// The expected maximum of so many Sharpe ratios around zero: formula 1.
fn expected_maximum(variance: f64, trials: usize) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    let (normal, trials) = (Normal::standard(), trials as f64);
    let quantile = |of: f64| normal.inverse_cdf(1.0 - 1.0 / of);
    variance.sqrt() * ((1.0 - EULER) * quantile(trials) + EULER * quantile(trials * std::f64::consts::E))
}

/// The probability that the true Sharpe ratio is over `threshold`: formula 2, with the moments of the returns.
fn deflated(returns: &[f64], sharpe: f64, threshold: f64) -> f64 {
    let n = returns.len() as f64;
    let mean = returns.iter().sum::<f64>() / n;
    let moment = |power: i32| returns.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / n;
    let deviation = moment(2).sqrt();
    probability(sharpe, threshold, n, moment(3) / deviation.powi(3), moment(4) / deviation.powi(4))
}

fn probability(sharpe: f64, threshold: f64, periods: f64, skewness: f64, kurtosis: f64) -> f64 {
    // Not under zero, as a kurtosis is at least one and the square of the skewness.
    let variance = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe;
    let statistic = (sharpe - threshold) * (periods - 1.0).sqrt() / variance.max(f64::MIN_POSITIVE).sqrt();
    Normal::standard().cdf(statistic)
}

/// The sums of a strategy's returns and of their squares in a block, around its mean of all periods.
struct Blocks {
    sums: Vec<Array1<f64>>,
    squares: Vec<Array1<f64>>,
    means: Array1<f64>,
    periods: usize,
}

impl Blocks {
    /// Blocks of the same length; what is left over is left out at the beginning.
    fn new(returns: ArrayView2<'_, f64>, blocks: usize) -> Blocks {
        let (rows, strategies) = returns.dim();
        let periods = rows / blocks;
        let means = returns.mean_axis(ndarray::Axis(0)).unwrap_or_else(|| Array1::zeros(strategies));
        let (mut sums, mut squares) = (Vec::new(), Vec::new());
        for block in 0..blocks {
            let first = rows % blocks + block * periods;
            let (mut sum, mut square) = (Array1::zeros(strategies), Array1::zeros(strategies));
            for row in first..first + periods {
                let centred = &returns.row(row) - &means;
                square += &(&centred * &centred);
                sum += &centred;
            }
            sums.push(sum);
            squares.push(square);
        }
        Blocks { sums, squares, means, periods }
    }

    /// Sharpe ratios in the blocks whose bit is set.
    fn sharpe_ratios(&self, chosen: u32) -> Vec<f64> {
        let mut sum = Array1::<f64>::zeros(self.means.len());
        let mut square = Array1::<f64>::zeros(self.means.len());
        for block in (0..self.sums.len()).filter(|block| chosen & (1 << block) != 0) {
            sum += &self.sums[block];
            square += &self.squares[block];
        }
        let n = (self.periods * chosen.count_ones() as usize) as f64;
        let ratio = |at: usize| {
            let centred = sum[at] / n;
            let deviation = ((square[at] / n - centred * centred).max(0.0) * n / (n - 1.0)).sqrt();
            // What does not move there earned its mean without risk.
            (centred + self.means[at]) / deviation.max(ROUNDING)
        };
        (0..self.means.len()).map(ratio).collect()
    }
}

/// The share of halvings in which the best of the one half is at or under the median of the other.
fn backtest_overfitting(returns: ArrayView2<'_, f64>, blocks: usize, cancel: &Cancel) -> Result<f64> {
    let strategies = returns.ncols();
    let sums = Blocks::new(returns, blocks);
    let all = (1_u32 << blocks) - 1;
    let halves = (0..=all).filter(|chosen| chosen.count_ones() as usize * 2 == blocks);
    let (mut overfitted, mut count) = (0_usize, 0_usize);
    for chosen in work::watched(halves, 4 * blocks * strategies, cancel) {
        let chosen = chosen?;
        let best = position_of_largest(&sums.sharpe_ratios(chosen));
        let after = sums.sharpe_ratios(all & !chosen);
        let under = after.iter().filter(|ratio| **ratio < after[best]).count() as f64;
        let same = after.iter().filter(|ratio| **ratio == after[best]).count() as f64;
        // Its rank from 1 to N, the mean one among equals.
        let rank = under + (same + 1.0) / 2.0;
        overfitted += usize::from(rank / (strategies + 1) as f64 <= 0.5);
        count += 1;
    }
    Ok(overfitted as f64 / count as f64)
}

/// White's p-value by the stationary bootstrap, whose blocks have the mean length of the cube root of the periods.
fn reality_check(returns: ArrayView2<'_, f64>, cancel: &Cancel) -> Result<f64> {
    let (periods, strategies) = returns.dim();
    let means = returns.mean_axis(ndarray::Axis(0)).unwrap_or_else(|| Array1::zeros(strategies));
    let largest = means.fold(f64::MIN, |largest, mean| largest.max(*mean));
    let length = (periods as f64).cbrt();
    // The same numbers give the same answer: values in, values out.
    let mut rng = Seed(0).derive("reality check").rng();
    let mut as_large = 0_usize;
    let mut row = 0;
    for _ in 0..SAMPLES {
        let mut sum = Array1::<f64>::zeros(strategies);
        for period in work::watched(0..periods, strategies, cancel) {
            let begins = period? == 0 || uniform(&mut rng) * length < 1.0;
            row = if begins { (uniform(&mut rng) * periods as f64) as usize } else { (row + 1) % periods };
            sum += &returns.row(row.min(periods - 1));
        }
        let over = sum.iter().zip(&means).map(|(sum, mean)| sum / periods as f64 - mean);
        as_large += usize::from(over.fold(f64::MIN, f64::max) >= largest);
    }
    // The sample that was seen is one of them.
    Ok((as_large + 1) as f64 / (SAMPLES + 1) as f64)
}

/// A number from 0 to under 1.
fn uniform(rng: &mut Pcg64) -> f64 {
    const BITS: u32 = f64::MANTISSA_DIGITS;
    (rng.next_u64() >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::Error;

    /// Independent normal returns, one strategy with this Sharpe ratio more than the others.
    fn panel(seed: u64, periods: usize, strategies: usize, skill: f64) -> Array2<f64> {
        let normal = Normal::standard();
        let mut rng = Seed(seed).rng();
        Array2::from_shape_fn((periods, strategies), |(_, column)| {
            let more = if column == 0 { skill } else { 0.0 };
            0.01 * (normal.inverse_cdf(uniform(&mut rng).max(1e-15)) + more)
        })
    }

    #[test]
    fn the_papers_example() {
        // Bailey and Lopez de Prado 2014, a numerical example: 100 trials whose annual Sharpe ratios have the variance 1/2,
        // the best of 2.5 over five years of 250 days, skewness -3 and kurtosis 10. They print 0.1132 and 0.9004.
        let threshold = expected_maximum(0.5 / 250.0, 100);
        assert!((threshold - 0.1132).abs() < 5e-5, "{threshold}");
        let deflated = probability(2.5 / 250_f64.sqrt(), threshold, 1250.0, -3.0, 10.0);
        assert!((deflated - 0.9004).abs() < 5e-4, "{deflated}");
    }

    #[test]
    fn the_best_of_a_hundred_without_skill_is_refused() {
        let mut refused = [0; 3];
        let mut overfitting_of_all = 0.0;
        for seed in 0..100 {
            let found = overfitting(panel(seed, 250, 100, 0.0).view(), 8, &Cancel::default()).unwrap();
            refused[0] += usize::from(found.deflated_sharpe_ratio < 0.95);
            refused[1] += usize::from(found.reality_check > 0.05);
            refused[2] += usize::from(found.deflated_sharpe_ratio < 0.95 || found.reality_check > 0.05);
            overfitting_of_all += found.backtest_overfitting / 100.0;
        }
        assert!(refused[0] >= 95 && refused[2] >= 95, "{refused:?}");
        // Its level is 5 %, of which a hundred panels are a sample.
        assert!(refused[1] >= 90, "{refused:?}");
        assert!((overfitting_of_all - 0.5).abs() < 0.05, "{overfitting_of_all}");
    }

    #[test]
    fn skill_is_seen() {
        let found = overfitting(panel(1, 1000, 20, 0.25).view(), 16, &Cancel::default()).unwrap();
        assert_eq!((found.strategy, found.strategies, found.periods), (0, 20, 1000));
        assert!(found.deflated_sharpe_ratio > 0.95, "{found:?}");
        assert!(found.backtest_overfitting < 0.05 && found.reality_check < 0.01, "{found:?}");
        assert!((found.sharpe_ratio - 0.25).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn two_blocks_by_hand() {
        // The first is the best of the first half and the worst of the second, and the other way around.
        let half = [0.02, 0.01, 0.03, 0.02, 0.01];
        let first = half.iter().chain([-0.02, -0.01, -0.03, -0.02, -0.01].iter());
        let returns: Vec<f64> = first.flat_map(|value| [*value, -*value]).collect();
        let returns = Array2::from_shape_vec((10, 2), returns).unwrap();
        assert_eq!(backtest_overfitting(returns.view(), 2, &Cancel::default()), Ok(1.0));
        // What is always better is never overfitted.
        let steady = Array2::from_shape_fn((10, 2), |(row, column)| {
            half[row % 5] - if column == 1 { 0.015 } else { 0.0 }
        });
        assert_eq!(backtest_overfitting(steady.view(), 2, &Cancel::default()), Ok(0.0));
    }

    #[test]
    fn what_cannot_be_tested_says_why() {
        let good = panel(1, 80, 3, 0.0);
        let of = |returns: &Array2<f64>, blocks: i64| overfitting(returns.view(), blocks, &Cancel::default());
        assert!(of(&good, 16).is_ok());
        for blocks in [0, 3, 18, -2, i64::MAX] {
            assert!(matches!(of(&good, blocks), Err(Error::InvalidArgument { argument: "blocks", .. })));
        }
        let mut bad = good.clone();
        bad[[4, 1]] = f64::NAN;
        for wrong in
            [bad, panel(1, 79, 3, 0.0), panel(1, 80, 1, 0.0), Array2::zeros((80, 2)), Array2::zeros((0, 0))]
        {
            assert!(matches!(of(&wrong, 16), Err(Error::InvalidArgument { argument: "returns", .. })));
        }
        let cancel = Cancel::default();
        cancel.cancel();
        assert_eq!(overfitting(good.view(), 16, &cancel), Err(Error::Cancelled));
    }
}
