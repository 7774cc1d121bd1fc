//! A backtest in one row: what it earned, at what risk and cost, and beside its benchmark.
//!
//! A period lies between two rows. The first row has a cost and no period: its cost counts in the returns, and what is
//! measured over periods (volatilities and the ratios of them) begins with the second. Ratios are of arithmetic means, as
//! Sharpe (1994) has them: n mean(e) / (sqrt(n) deviation(e)), with e the return over the risk-free rate, or over the
//! benchmark, and n the periods of a year. Sortino's has the root of mean(min(e, 0)^2) below (Sortino and Price 1994).

use super::backtest::{Day, Track};
use crate::panel::Timestamp;

/// Deviations under this are rounding: a portfolio of cash has no ratio.
const ROUNDING: f64 = 1e-12;

/// What a backtest comes to. What is a year says so; all numbers are shares of one.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackRecord {
    /// The first rebalance date.
    pub first: Timestamp,
    /// The last row.
    pub last: Timestamp,
    /// How many periods lie between them.
    pub periods: usize,
    /// Periods a year.
    pub periods_per_year: f64,
    /// The last value less one.
    pub total_return: f64,
    /// The same a year, compounded.
    pub annual_return: f64,
    /// The sample deviation of the periods' returns, a year; `None` of a single period, as are the other moments.
    pub volatility: Option<f64>,
    /// Over the risk-free rate, a year; `None` where nothing varies.
    pub sharpe_ratio: Option<f64>,
    /// The same over the deviation of losses alone; `None` where there are none.
    pub sortino_ratio: Option<f64>,
    /// The annual return over the largest drawdown; `None` without one.
    pub calmar_ratio: Option<f64>,
    /// The least of the drawdowns, 0 or under.
    pub max_drawdown: f64,
    /// Where it began: the last time at the highest value before.
    pub drawdown_from: Timestamp,
    /// Where it was deepest.
    pub drawdown_to: Timestamp,
    /// The most periods in a row that ended under the highest value before.
    pub longest_drawdown: usize,
    /// The share of periods that gained.
    pub hit_rate: f64,
    /// The third standardised moment of the periods' returns.
    pub skewness: Option<f64>,
    /// The fourth less three, that of a normal distribution.
    pub excess_kurtosis: Option<f64>,
    /// Rebalance dates.
    pub rebalances: usize,
    /// Those on which no weights could be chosen.
    pub failures: usize,
    /// What was traded, a year: the sum of abs(w - held) over all dates.
    pub turnover: f64,
    /// What all of it cost, in units of the first value.
    pub cost: f64,
    /// The benchmark's return a year, compounded.
    pub benchmark_return: f64,
    /// The deviation of the difference to the benchmark, a year.
    pub tracking_error: Option<f64>,
    /// The mean of that difference over its deviation, a year.
    pub information_ratio: Option<f64>,
}

impl TrackRecord {
    /// Of a test's days, of which there are at least two.
    pub fn of(track: &Track) -> TrackRecord {
        let (days, n) = (&track.days, track.periods_per_year);
        let (first, last) = (&days[0], &days[days.len() - 1]);
        let periods = days.len() - 1;
        let years = periods as f64 / n;
        let annual = |growth: f64| (growth.ln() / years).exp_m1();
        let gains: Vec<f64> = days[1..].iter().map(|day| day.gain).collect();
        let over = |value: fn(&Day) -> f64| -> Vec<f64> {
            days.windows(2).map(|pair| pair[1].gain - (value(&pair[1]) / value(&pair[0]) - 1.0)).collect()
        };
        let (excess, active) = (over(|day| day.risk_free_value), over(|day| day.benchmark_value));
        let ratio = |returns: &[f64], deviation: f64| {
            (deviation > ROUNDING).then(|| mean(returns) * n.sqrt() / deviation)
        };
        let losses = mean_of(&excess, |gain| gain.min(0.0).powi(2)).sqrt();
        let annual_return = annual(last.value);
        let drawdown = Drawdown::of(days);
        TrackRecord {
            first: first.ts,
            last: last.ts,
            periods,
            periods_per_year: n,
            total_return: last.value - 1.0,
            annual_return,
            volatility: deviation(&gains).map(|deviation| deviation * n.sqrt()),
            sharpe_ratio: deviation(&excess).and_then(|deviation| ratio(&excess, deviation)),
            sortino_ratio: ratio(&excess, losses),
            calmar_ratio: (drawdown.depth < -ROUNDING).then(|| annual_return / -drawdown.depth),
            max_drawdown: drawdown.depth,
            drawdown_from: drawdown.from,
            drawdown_to: drawdown.to,
            longest_drawdown: drawdown.longest,
            hit_rate: mean_of(&gains, |gain| f64::from(gain > 0.0)),
            skewness: standardised(&gains, 3),
            excess_kurtosis: standardised(&gains, 4).map(|kurtosis| kurtosis - 3.0),
            rebalances: track.trades.len(),
            failures: track.trades.iter().filter(|trade| trade.remark.is_some()).count(),
            turnover: days.iter().filter_map(|day| day.turnover).sum::<f64>() / years,
            cost: days.iter().map(|day| day.cost).sum(),
            benchmark_return: annual(last.benchmark_value / first.benchmark_value),
            tracking_error: deviation(&active).map(|deviation| deviation * n.sqrt()),
            information_ratio: deviation(&active).and_then(|deviation| ratio(&active, deviation)),
        }
    }
}

/// The deepest drawdown and the longest.
struct Drawdown {
    depth: f64,
    from: Timestamp,
    to: Timestamp,
    longest: usize,
}

impl Drawdown {
    fn of(days: &[Day]) -> Drawdown {
        let ts = days[0].ts;
        let mut deepest = Drawdown { depth: 0.0, from: ts, to: ts, longest: 0 };
        let (mut highest, mut since) = (ts, 0);
        for day in days {
            if day.drawdown < 0.0 {
                since += 1;
            } else {
                (highest, since) = (day.ts, 0);
            }
            deepest.longest = deepest.longest.max(since);
            if day.drawdown < deepest.depth {
                (deepest.depth, deepest.from, deepest.to) = (day.drawdown, highest, day.ts);
            }
        }
        deepest
    }
}

fn mean(values: &[f64]) -> f64 {
    mean_of(values, |value| value)
}

fn mean_of(values: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    values.iter().map(|value| of(*value)).sum::<f64>() / values.len() as f64
}

/// The sample deviation, of two values or more.
fn deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// A central moment over that power of the deviation, both of the population; `None` where nothing varies.
fn standardised(values: &[f64], power: i32) -> Option<f64> {
    let centre = mean(values);
    let deviation = mean_of(values, |value| (value - centre).powi(2)).sqrt();
    (deviation > ROUNDING).then(|| mean_of(values, |value| ((value - centre) / deviation).powi(power)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(values: &[f64]) -> Track {
        let mut highest = 1.0_f64;
        let mut before = 1.0;
        let day = |(row, value): (usize, &f64)| {
            highest = highest.max(*value);
            let gain = value / std::mem::replace(&mut before, *value) - 1.0;
            Day {
                ts: Timestamp(row as i64),
                value: *value,
                gain,
                turnover: (row % 2 == 0).then_some(0.5),
                cost: if row % 2 == 0 { 0.01 } else { 0.0 },
                drawdown: value / highest - 1.0,
                benchmark_value: 1.01_f64.powi(row as i32),
                risk_free_value: 1.001_f64.powi(row as i32),
            }
        };
        let days = values.iter().enumerate().map(day).collect();
        Track { tickers: Vec::new(), days, trades: Vec::new(), periods_per_year: 4.0 }
    }

    #[test]
    fn five_rows_by_hand() {
        let record = TrackRecord::of(&track(&[0.99, 1.1, 0.88, 1.0, 1.2]));
        let near =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        // Four quarters: a year.
        near(record.total_return, 0.2);
        near(record.annual_return, 0.2);
        let gains = [1.1 / 0.99 - 1.0, -0.2, 1.0 / 0.88 - 1.0, 0.2];
        let mean = gains.iter().sum::<f64>() / 4.0;
        let squares: f64 = gains.iter().map(|gain| (gain - mean).powi(2)).sum();
        near(record.volatility.unwrap(), (squares / 3.0).sqrt() * 2.0);
        near(record.sharpe_ratio.unwrap(), 4.0 * (mean - 0.001) / (2.0 * (squares / 3.0).sqrt()));
        // One loss, of 20 % and the 0.1 % that cash earned.
        near(record.sortino_ratio.unwrap(), 4.0 * (mean - 0.001) / (2.0 * (0.201_f64.powi(2) / 4.0).sqrt()));
        near(record.max_drawdown, -0.2);
        near(record.calmar_ratio.unwrap(), 1.0);
        assert_eq!((record.drawdown_from, record.drawdown_to), (Timestamp(1), Timestamp(2)));
        assert_eq!((record.longest_drawdown, record.periods), (2, 4));
        near(record.hit_rate, 0.75);
        let cubes: f64 = gains.iter().map(|gain| (gain - mean).powi(3)).sum();
        near(record.skewness.unwrap(), cubes / 4.0 / (squares / 4.0).powf(1.5));
        near(record.turnover, 1.5);
        near(record.cost, 0.03);
        near(record.benchmark_return, 1.01_f64.powi(4) - 1.0);
        near(record.tracking_error.unwrap(), (squares / 3.0).sqrt() * 2.0);
        near(record.information_ratio.unwrap(), 4.0 * (mean - 0.01) / (2.0 * (squares / 3.0).sqrt()));
    }

    #[test]
    fn what_does_not_vary_has_no_ratio() {
        let record = TrackRecord::of(&track(&[1.0, 1.001, 1.002001]));
        assert_eq!((record.sharpe_ratio, record.sortino_ratio, record.calmar_ratio), (None, None, None));
        assert_eq!((record.max_drawdown, record.longest_drawdown, record.skewness), (0.0, 0, None));
        let record = TrackRecord::of(&track(&[0.99, 1.0]));
        assert_eq!((record.volatility, record.sharpe_ratio, record.tracking_error), (None, None, None));
        assert_eq!(record.longest_drawdown, 1, "the first purchase cost something");
    }
}
