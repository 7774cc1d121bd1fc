//! Portfolios of least tail risk, from the days of the history themselves: linear programs, with a second-order cone where
//! the tracking error is limited.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array1, Array2, ArrayView2};

use super::Constraints;
use super::parameter::Parameter;
use super::problem::{self, Problem};
use crate::input;
use crate::portfolio::limit::tracking::{Ball, Tracking};
use crate::portfolio::market::{self, Market};
use crate::portfolio::solver::cone::{ConeProgram, SparseRow};
use crate::portfolio::solver::polytope::{FEASIBILITY, Polytope};
use crate::portfolio::solver::unsolved::Unsolved;
use crate::rate::{self, Kind};
use crate::task::Cancel;
use crate::work::{self, watched};
use crate::{Error, Result};

/// The share of days that are not in the tail.
pub(super) const CONFIDENCE: Parameter<f64> = Parameter {
    key: "confidence",
    read: |key, value| {
        let expected = "over 0 and under 1; 95 % is 0.95";
        input::within(key, rate::read(key, Kind::Part, value)?, |c| c > 0.0 && c < 1.0, expected)
    },
};

/// The confidence where none is given: the worst 5 % of the days.
const DEFAULT_CONFIDENCE: f64 = 0.95;

/// How far the value of the weights may lie from the value of the program, as a share of it.
const GAP: f64 = 1e-6;

/// The first program has this many times the days of the tail. More make it larger, fewer make more rounds.
const START_TAILS: usize = 2;

/// The slack, as a share of the whole, from which on a day's measure leaves the program. Ten times as much makes the
/// matrices four times as costly, and saves no round.
const SLACK: f64 = 0.05;

/// The most rounds; a handful is usual for losses, one or two dozen for drawdowns.
const MAX_ROUNDS: usize = 500;

/// How far a day's excess may pass what the program says, as a share of the whole: what the solver's tolerance leaves.
const BROKEN: f64 = 1e-9;

/// What is measured over the worst days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// The loss of a day (Rockafellar and Uryasev 2000).
    Loss,
    /// The drawdown at a day, of uncompounded cumulative returns (Chekhlov, Uryasev and Zabarankin 2005).
    Drawdown,
}

/// The weights of least tail risk in a market with a history.
///
/// # Errors
/// Those of [`super::optimize`].
pub(super) fn least(
    tail: Tail,
    market: &Market<'_>,
    constraints: &Constraints,
    cancel: &Cancel,
) -> Result<Array1<f64>> {
    let confidence = constraints.parameters.get(&CONFIDENCE)?.unwrap_or(DEFAULT_CONFIDENCE);
    let history = market.history.ok_or_else(|| {
        input::invalid("objective", "a tail risk without a history of returns", "daily returns")
    })?;
    problem::solve(market, &constraints.limits, cancel, |problem| {
        of_problem(tail, history, confidence, problem)
    })
}

fn of_problem(
    tail: Tail,
    history: &Array2<f64>,
    confidence: f64,
    problem: &Problem<'_>,
) -> Result<Array1<f64>, Unsolved> {
    let (mapped, start) = match &problem.trades {
        Some(trades) => (Some(trades.forms(history, problem.cancel)?), trades.start()),
        None => (None, market::equal_weights(problem.set.len())),
    };
    let history = mapped.as_ref().unwrap_or(history);
    let ball = |tracking: &Tracking| tracking.ball(problem.trades.as_ref(), problem.cancel);
    let within = Within { set: &problem.set, ball: problem.tracking.as_ref().map(ball).transpose()? };
    minimise(tail, history.view(), confidence, &start, &within, problem.cancel)
}

/// What weights keep to.
pub(super) struct Within<'a> {
    pub(super) set: &'a Polytope,
    /// Around the benchmark, as far as the tracking error reaches.
    pub(super) ball: Option<Ball>,
}

impl Within<'_> {
    /// By how much x breaks the worst of the constraints; that of the tracking error as a share of it.
    fn violation(&self, x: &Array1<f64>) -> f64 {
        let broken = self.set.violation(x.as_slice().unwrap_or_default());
        broken.max(self.ball.as_ref().map_or(0.0, |ball| ball.distance(x) - 1.0))
    }
}

/// The weights with the least mean over the worst 1 - `confidence` of the days: of losses, CVaR; of drawdowns, CDaR.
///
/// minimise a + sum of z / ((1 - confidence) T) with z >= 0 and z >= what is measured - a, where `returns` has a row
/// for each day, over the variables of `within`. What is measured of a day is the largest of some sums of returns (one
/// for a loss, one for each peak that a drawdown can have), and at the optimum few of all those count. So the program
/// begins with the worst days of `start`, and each round adds the worst of what its solution breaks, until that is
/// nothing: the same optimum, from matrices that are small where days and assets are many.
///
/// # Errors
/// [`Unsolved::Infeasible`]; [`Error::SolverFailed`]; [`Error::Cancelled`].
pub(super) fn minimise(
    tail: Tail,
    returns: ArrayView2<'_, f64>,
    confidence: f64,
    start: &Array1<f64>,
    within: &Within<'_>,
    cancel: &Cancel,
) -> Result<Array1<f64>, Unsolved> {
    let days = returns.nrows();
    let history = History { tail, cumulative: cumulative(returns, cancel)? };
    let share = 1.0 / ((1.0 - confidence) * days as f64);
    let mut worst = history.measure(start, cancel)?;
    worst.sort_by(|a, b| b.value.total_cmp(&a.value));
    // Fewer days than the tail has would leave the threshold without a bound.
    let count = START_TAILS * (1.0 / share).ceil() as usize + 1;
    let mut spans: BTreeSet<Span> = worst.iter().take(count).map(|day| day.span).collect();
    let mut best = f64::NEG_INFINITY;
    for _ in 0..MAX_ROUNDS {
        let point = solve(&history, &spans, share, within, cancel)?;
        let tolerance = BROKEN * point.value.abs();
        let mut broken = history.measure(&point.weights, cancel)?;
        broken.retain(|day| {
            let excess = point.excess.get(&day.span.end).copied().unwrap_or(0.0);
            day.value - point.threshold > excess + tolerance && !spans.contains(&day.span)
        });
        broken.sort_by(|a, b| b.value.total_cmp(&a.value));
        if broken.is_empty() {
            return Ok(verified(tail, returns, confidence, within, point)?);
        }
        // What does not bind can go without a change of the optimum; that it rises in each round keeps it from coming back
        // for ever.
        if point.value > best + tolerance {
            best = point.value;
            work::count(4 * spans.len() * returns.ncols());
            let slack = |span: &Span| {
                point.threshold + point.excess[&span.end] - history.row(*span).dot(&point.weights)
            };
            spans.retain(|span| slack(span) <= SLACK * point.value.abs());
        }
        spans.extend(broken.iter().take(count).map(|day| day.span));
    }
    Err(Error::SolverFailed { status: format!("no optimum after {MAX_ROUNDS} rounds") }.into())
}

/// The days from `start` to before `end`, whose returns are summed: the loss of the day `end` - 1, or its drawdown from
/// the peak after `start` days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    end: usize,
    start: usize,
}

/// What is measured of a day under some weights, and the span that gives it.
struct Day {
    value: f64,
    span: Span,
}

struct History {
    tail: Tail,
    /// The sums of the returns of the first 0, 1, ... days, a row each.
    cumulative: Array2<f64>,
}

fn cumulative(returns: ArrayView2<'_, f64>, cancel: &Cancel) -> Result<Array2<f64>> {
    let mut sums = Array2::zeros((returns.nrows() + 1, returns.ncols()));
    for row in watched(returns.rows().into_iter().enumerate(), 2 * returns.ncols(), cancel) {
        let (day, row) = row?;
        let next = &sums.row(day) + &row;
        sums.row_mut(day + 1).assign(&next);
    }
    Ok(sums)
}

impl History {
    /// What is measured of each day.
    fn measure(&self, weights: &Array1<f64>, cancel: &Cancel) -> Result<Vec<Day>> {
        cancel.check()?;
        work::count(self.cumulative.len());
        let path = self.cumulative.dot(weights);
        let mut peak = 0;
        let day = |end: usize| {
            if path[end] > path[peak] {
                peak = end;
            }
            // At its own peak a day has no drawdown: an empty span.
            let start = if self.tail == Tail::Loss { end - 1 } else { peak };
            Day { value: path[start] - path[end], span: Span { end, start } }
        };
        Ok((1..path.len()).map(day).collect())
    }

    /// What the weights are multiplied with to give what the span measures.
    fn row(&self, span: Span) -> Array1<f64> {
        &self.cumulative.row(span.start) - &self.cumulative.row(span.end)
    }
}

/// The solution of a round's program.
struct Point {
    weights: Array1<f64>,
    threshold: f64,
    /// The excess over the threshold of each day that is in the program.
    excess: BTreeMap<usize, f64>,
    value: f64,
}

/// Solves the program of these spans alone.
fn solve(
    history: &History,
    spans: &BTreeSet<Span>,
    share: f64,
    within: &Within<'_>,
    cancel: &Cancel,
) -> Result<Point, Unsolved> {
    let n = history.cumulative.ncols();
    let mut days: Vec<usize> = spans.iter().map(|span| span.end).collect();
    days.dedup();
    // The variables: weights, a, the excesses z.
    let (threshold, excess) = (n, n + 1);
    let mut cost = vec![0.0; n];
    cost.push(1.0);
    cost.extend(std::iter::repeat_n(share, days.len()));
    let mut program = ConeProgram::new(cost);
    program.within(within.set);
    if let Some(ball) = &within.ball {
        program.ball(ball.root.view(), ball.centre.view());
    }
    let mut position = 0;
    for span in watched(spans, 4 * n, cancel) {
        let span = span?;
        while days[position] < span.end {
            position += 1;
        }
        let mut row: SparseRow = history.row(*span).iter().map(|value| -value).enumerate().collect();
        row.extend([(threshold, 1.0), (excess + position, 1.0)]);
        program.at_least(row, 0.0);
    }
    for position in 0..days.len() {
        program.at_least(vec![(excess + position, 1.0)], 0.0);
    }
    let x = program.solve(cancel)?.x;
    Ok(Point {
        weights: (0..n).map(|i| x[i].clamp(within.set.lower[i], within.set.upper[i])).collect(),
        threshold: x[threshold],
        value: x[threshold] + share * x[excess..].iter().sum::<f64>(),
        excess: days.into_iter().zip(x[excess..].iter().copied()).collect(),
    })
}

/// The weights, if what they give is what the last program says.
fn verified(
    tail: Tail,
    returns: ArrayView2<'_, f64>,
    confidence: f64,
    within: &Within<'_>,
    point: Point,
) -> Result<Array1<f64>> {
    work::count(returns.len());
    let value = measure(tail, returns, &point.weights, confidence);
    let broken = within.violation(&point.weights);
    if (value - point.value).abs() <= GAP * value.abs().max(GAP) && broken <= FEASIBILITY {
        return Ok(point.weights);
    }
    Err(Error::SolverFailed {
        status: format!(
            "constraints broken by {broken:e}, the weights' tail risk is {value}, the program's {}",
            point.value
        ),
    })
}

/// The mean over the worst 1 - `confidence` of the days of the loss or the drawdown of these weights, a share of a
/// day counted as a share.
pub(super) fn measure(
    tail: Tail,
    returns: ArrayView2<'_, f64>,
    weights: &Array1<f64>,
    confidence: f64,
) -> f64 {
    let gains = returns.dot(weights);
    let mut measured: Vec<f64> = match tail {
        Tail::Loss => gains.iter().map(|gain| -gain).collect(),
        Tail::Drawdown => {
            let mut drawdown = 0.0_f64;
            gains
                .iter()
                .map(|gain| {
                    drawdown = (drawdown - gain).max(0.0);
                    drawdown
                })
                .collect()
        }
    };
    measured.sort_by(|a, b| b.total_cmp(a));
    let count = (1.0 - confidence) * measured.len() as f64;
    let whole = count.floor() as usize;
    let part = measured.get(whole).map_or(0.0, |next| (count - whole as f64) * next);
    (measured.iter().take(whole).sum::<f64>() + part) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_means_of_the_worst_days() {
        let returns = ndarray::arr2(&[[0.01], [-0.03], [0.02], [-0.01], [-0.02]]);
        let one = ndarray::arr1(&[1.0]);
        let loss = |confidence| measure(Tail::Loss, returns.view(), &one, confidence);
        assert!((loss(0.6) - 0.025).abs() < 1e-15);
        // One and a half days of five.
        assert!((loss(0.7) - (0.03 + 0.01) / 1.5).abs() < 1e-15);
        // Drawdowns: 0, 3, 1, 2, 4 %.
        let drawdown = measure(Tail::Drawdown, returns.view(), &one, 0.6);
        assert!((drawdown - 0.035).abs() < 1e-15);
    }
}
