//! What an objective would have earned: weights chosen anew on past returns only, held until the next time.
//!
//! On each rebalance date the weights are chosen at the close from the returns of the window that ends there, and bought
//! at that close; the first return that they earn is the next day's. Between two dates they drift with prices. Trades
//! cost a share of the money traded. Money that is in no ticker earns the risk-free rate.

use std::sync::Arc;

use ndarray::{Array1, ArrayView1};

use super::market;
use super::request::{self, Request};
use super::universe::Universe;
use crate::calendar::zone::month_of;
use crate::input;
use crate::panel::{ReturnPanel, Timestamp};
use crate::task::{self, Cancel, Executor, Outcome, Panicked};
use crate::{Error, Result};

/// The fewest returns to look back at: a covariance needs two.
pub const MIN_LOOKBACK: usize = 2;

/// When weights are chosen anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebalance {
    /// Every so many trading days.
    Days(usize),
    /// On the last trading day of each month, which begins at midnight in the market's zone.
    MonthEnd,
}

impl Rebalance {
    /// Reads `month_end` or a number of trading days.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn parse(text: &str) -> Result<Rebalance> {
        if text.trim() == "month_end" {
            return Ok(Rebalance::MonthEnd);
        }
        let days = text.trim().parse().ok().filter(|days: &usize| *days > 0);
        days.map(Rebalance::Days).ok_or_else(|| Error::InvalidArgument {
            argument: "rebalance",
            value: text.to_owned(),
            expected: "month_end, or a number of trading days, 1 or over".to_owned(),
        })
    }

    /// The rows at whose close weights are chosen, once there are enough returns to look back at. The last row is never one: there
    /// nothing is left to earn, and whether a month ends there is not known.
    fn dates(self, returns: &ReturnPanel, lookback: usize) -> Vec<usize> {
        let zone = returns.frequency().zone();
        let month = |row: usize| month_of(zone.wall(returns.days()[row]).day()).0;
        let rows = lookback - 1..returns.days().len() - 1;
        match self {
            Rebalance::Days(count) => rows.step_by(count).collect(),
            Rebalance::MonthEnd => rows.filter(|&row| month(row) != month(row + 1)).collect(),
        }
    }
}

/// How many daily returns weights are chosen from.
///
/// # Errors
/// [`Error::InvalidArgument`] under [`MIN_LOOKBACK`].
pub fn lookback(returns: i64) -> Result<usize> {
    usize::try_from(returns).ok().filter(|&returns| returns >= MIN_LOOKBACK).ok_or_else(|| {
        Error::InvalidArgument {
            argument: "lookback",
            value: returns.to_string(),
            expected: format!("at least {MIN_LOOKBACK} returns"),
        }
    })
}

/// What is tested.
#[derive(Debug, Clone, PartialEq)]
pub struct Backtest {
    /// How weights are chosen, from the prior alone.
    pub request: Request,
    /// When.
    pub rebalance: Rebalance,
    /// From how many daily returns.
    pub lookback: usize,
    /// What a trade costs, as a share of the money traded.
    pub transaction_cost: f64,
    /// The ticker of the panel that is the benchmark; without it the market weights, which are bought without cost on
    /// the same dates.
    pub benchmark: Option<String>,
    /// Whether the benchmark is one of the tickers that may be held.
    pub hold_benchmark: bool,
}

/// A day of a backtest, at its close. Values begin at 1 before the first trade.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Day {
    /// The day.
    pub ts: Timestamp,
    /// What the portfolio is worth, after costs.
    pub value: f64,
    /// Its return on the day, after costs.
    pub gain: f64,
    /// The sum of |w - w0| that was traded; `None` on days without a rebalance.
    pub turnover: Option<f64>,
    /// What that cost, in units of value.
    pub cost: f64,
    /// How far the value is under its highest so far, as a share of that.
    pub drawdown: f64,
    /// What the benchmark is worth.
    pub benchmark_value: f64,
    /// What money at the risk-free rate is worth.
    pub risk_free_value: f64,
}

impl Backtest {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn validated(self) -> Result<Backtest> {
        lookback(i64::try_from(self.lookback).unwrap_or(i64::MAX))?;
        let share = |cost: f64| (0.0..1.0).contains(&cost);
        let expected = "0 or over and under 1; 10 basis points are 0.001";
        input::within("transaction_cost", self.transaction_cost, share, expected)?;
        Ok(self)
    }

    /// Whether the weights of one date depend on what was held before it.
    fn follows_its_path(&self) -> bool {
        let trades = &self.request.constraints.limits.trades;
        trades.max_turnover.is_some() || trades.transaction_cost.is_some()
    }

    /// The weights that are chosen at the close of `row`, coming from those in `held`.
    fn choose(
        &self,
        returns: &ReturnPanel,
        row: usize,
        held: &Array1<f64>,
        cancel: &Cancel,
    ) -> Result<Array1<f64>> {
        let mut request = self.request.clone();
        if self.follows_its_path() {
            let named = returns.tickers().iter().cloned().zip(held.iter().copied());
            request.constraints.limits.trades.current_weights = Some(named.collect());
            // Nothing is held before the first trade, which no limit on turnover would let in.
            if held.iter().all(|weight| *weight == 0.0) {
                request.constraints.limits.trades.max_turnover = None;
            }
        }
        let past = returns.during(row + 1 - self.lookback..row + 1);
        let allocation = request::optimize_portfolio(&request, &past, cancel)
            .map_err(|error| error.on(returns.days()[row]))?;
        Ok(allocation.holdings.iter().map(|holding| holding.weight).collect())
    }
}

/// Runs a backtest: a row for each day from the first rebalance date on. Dates are jobs on the executor, but where a limit
/// or a cost of trades makes each depend on the one before.
///
/// # Errors
/// [`Error::TooShort`] where the returns do not reach a rebalance date, [`Error::UnknownTicker`] for a benchmark outside
/// the panel, [`Error::OnDate`] with the first date on which weights cannot be chosen, [`Error::Cancelled`].
pub fn run(
    backtest: Backtest,
    returns: &ReturnPanel,
    executor: &dyn Executor,
    cancel: &Cancel,
) -> Result<Vec<Day>> {
    let backtest = backtest.validated()?;
    let (index, assets) = match &backtest.benchmark {
        None => (None, returns.clone()),
        Some(ticker) => {
            let (index, others) = returns.without(ticker)?;
            (Some(index), if backtest.hold_benchmark { returns.clone() } else { others })
        }
    };
    let universe = Universe::new(assets.tickers())?;
    let days = assets.days().len();
    let dates = if days > backtest.lookback {
        backtest.rebalance.dates(&assets, backtest.lookback)
    } else {
        Vec::new()
    };
    if dates.is_empty() {
        let found = vec![("days that all tickers share".to_owned(), days + 1)];
        // A window, the price before it, and a day to earn something.
        return Err(Error::TooShort { need: backtest.lookback + 2, found });
    }
    let caps = backtest.request.market_caps.as_ref().map(|caps| caps.weights(&universe)).transpose()?;
    let market = caps.unwrap_or_else(|| market::equal_weights(universe.len()));
    let start = match &backtest.request.constraints.limits.trades.current_weights {
        Some(current) => Array1::from(universe.join_or(current, 0.0)?),
        None => Array1::zeros(universe.len()),
    };
    if backtest.follows_its_path() {
        return task::one(executor, cancel, move |cancel| {
            let choose = |row: usize, held: &Array1<f64>| backtest.choose(&assets, row, held, cancel);
            simulate(&backtest, &assets, &dates, start, &market, index.as_deref(), choose)
        });
    }
    let shared = Arc::new((backtest, assets));
    let (work, flag) = (Arc::clone(&shared), cancel.clone());
    let chosen = task::map(executor, cancel, dates.clone(), move |row| {
        let (backtest, assets) = &*work;
        Chosen(backtest.choose(assets, row, &Array1::zeros(0), &flag))
    })?;
    let (backtest, assets) = &*shared;
    let mut weights = Vec::with_capacity(chosen.len());
    for (outcome, row) in chosen.into_iter().zip(&dates) {
        let panicked = |Panicked(message)| Error::Internal { message }.on(assets.days()[*row]);
        weights.push(outcome.map_err(panicked)?.0?);
    }
    let mut weights = weights.into_iter();
    // One for each date, in their order.
    let choose = |_: usize, held: &Array1<f64>| Ok(weights.next().unwrap_or_else(|| held.clone()));
    simulate(backtest, assets, &dates, start, &market, index.as_deref(), choose)
}

/// The weights of a date.
struct Chosen(Result<Array1<f64>>);

impl Outcome for Chosen {
    fn succeeded(&self) -> bool {
        self.0.is_ok()
    }
}

/// Money in tickers and out of them.
struct Account {
    amounts: Array1<f64>,
    cash: f64,
}

impl Account {
    fn new(weights: &Array1<f64>) -> Account {
        Account { amounts: weights.clone(), cash: 1.0 - weights.sum() }
    }

    fn value(&self) -> f64 {
        self.amounts.sum() + self.cash
    }

    fn weights(&self) -> Array1<f64> {
        &self.amounts / self.value()
    }

    fn earn(&mut self, returns: ArrayView1<'_, f64>, interest: f64) {
        self.amounts.zip_mut_with(&returns, |amount, gain| *amount *= 1.0 + gain);
        self.cash *= 1.0 + interest;
    }

    /// Trades to these weights of what is left after the cost; gives the turnover and the cost.
    fn trade(&mut self, weights: &Array1<f64>, rate: f64) -> (f64, f64) {
        let turnover = (weights - &self.weights()).iter().map(|change| change.abs()).sum::<f64>();
        let cost = rate * turnover * self.value();
        let value = self.value() - cost;
        self.amounts = weights * value;
        self.cash = value - self.amounts.sum();
        (turnover, cost)
    }
}

/// Day by day from the first date on.
fn simulate(
    backtest: &Backtest,
    returns: &ReturnPanel,
    dates: &[usize],
    start: Array1<f64>,
    market: &Array1<f64>,
    index: Option<&[f64]>,
    mut choose: impl FnMut(usize, &Array1<f64>) -> Result<Array1<f64>>,
) -> Result<Vec<Day>> {
    let interest = (backtest.request.risk_free_rate.value().ln_1p() / returns.periods_per_year()).exp_m1();
    let mut account = Account::new(&start);
    let mut benchmark = Account::new(market);
    let (mut followed, mut risk_free, mut highest, mut before) = (1.0, 1.0, 1.0_f64, 1.0);
    let mut rows = Vec::with_capacity(returns.days().len() - dates[0]);
    for row in dates[0]..returns.days().len() {
        if row > dates[0] {
            account.earn(returns.returns().row(row), interest);
            benchmark.earn(returns.returns().row(row), interest);
            followed *= 1.0 + index.map_or(0.0, |index| index[row]);
            risk_free *= 1.0 + interest;
        }
        let rebalanced = dates.binary_search(&row).is_ok();
        let traded = if rebalanced {
            let weights = choose(row, &account.weights())?;
            benchmark.trade(market, 0.0);
            Some(account.trade(&weights, backtest.transaction_cost))
        } else {
            None
        };
        let value = account.value();
        if value <= 0.0 || value.is_nan() {
            return Err(ruined(returns.days()[row], value));
        }
        highest = highest.max(value);
        rows.push(Day {
            ts: returns.days()[row],
            value,
            gain: value / before - 1.0,
            turnover: traded.map(|(turnover, _)| turnover),
            cost: traded.map_or(0.0, |(_, cost)| cost),
            drawdown: 1.0 - value / highest,
            benchmark_value: if index.is_some() { followed } else { benchmark.value() },
            risk_free_value: risk_free,
        });
        before = value;
    }
    Ok(rows)
}

fn ruined(ts: Timestamp, value: f64) -> Error {
    let (year, month, day) = ts.date();
    Error::InvalidArgument {
        argument: "constraints",
        value: format!("a portfolio worth {value} on {year}-{month:02}-{day:02}"),
        expected: "less leverage: max_gross, or a higher min_weight".to_owned(),
    }
}
