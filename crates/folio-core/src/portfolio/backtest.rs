//! What an objective would have earned: weights chosen anew on past returns only, held until the next time.
//!
//! On each rebalance date the weights are chosen at the close from the returns of the window that ends there, and bought
//! at that close; the first return that they earn is the next day's. Between two dates they drift with prices. Trades
//! cost a share of the money traded: what the argument says, or the constraints, ticker by ticker, which then also weigh it in
//! the choice. Money that is in no ticker earns the risk-free rate.

use std::sync::Arc;

use ndarray::{Array1, ArrayView1};

use super::benchmark::Benchmark;
use super::market;
use super::request::{self, Request};
use super::universe::{PerTicker, Universe};
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
    /// On the last trading day of each so many months of a year, which begin at midnight in the market's zone.
    Months(i32),
}

impl Default for Rebalance {
    /// Each month.
    fn default() -> Rebalance {
        Rebalance::Months(1)
    }
}

impl Rebalance {
    /// The ends of periods by their names in SQL.
    const ENDS: [(&'static str, Rebalance); 3] = [
        ("month_end", Rebalance::Months(1)),
        ("quarter_end", Rebalance::Months(3)),
        ("year_end", Rebalance::Months(12)),
    ];

    /// Reads `month_end`, `quarter_end`, `year_end`, or a number of trading days.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn parse(text: &str) -> Result<Rebalance> {
        if let Some((_, end)) = Rebalance::ENDS.iter().find(|(name, _)| *name == text.trim()) {
            return Ok(*end);
        }
        let days = text.trim().parse().ok().filter(|days: &usize| *days > 0);
        days.map(Rebalance::Days).ok_or_else(|| Error::InvalidArgument {
            argument: "rebalance",
            value: text.to_owned(),
            expected:
                "month_end, quarter_end, year_end, or a number of trading days as text, '21' for instance"
                    .to_owned(),
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
            Rebalance::Months(count) => {
                let period = |row: usize| month(row).div_euclid(count.into());
                rows.filter(|&row| period(row) != period(row + 1)).collect()
            }
        }
    }
}

/// The returns that are looked back at if nothing is said: a year of trading days.
pub const DEFAULT_LOOKBACK: usize = 252;

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

/// What becomes of a date on which no weights can be chosen, because nothing keeps to the constraints then or the solver
/// fails. What is wrong with the call itself is an error whatever this says, and so is a test of which every date fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The test ends with the error of that date.
    #[default]
    Error,
    /// What is held stays; before the first purchase that is cash.
    Hold,
    /// Equal weights are bought.
    Equal,
}

impl OnFailure {
    /// The names in SQL.
    const ALL: [(&'static str, OnFailure); 3] =
        [("error", OnFailure::Error), ("hold", OnFailure::Hold), ("equal", OnFailure::Equal)];

    /// Reads `error`, `hold` or `equal`.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the valid names.
    pub fn parse(name: &str) -> Result<OnFailure> {
        input::choose("on_failure", name, &OnFailure::ALL)
    }

    /// Whether a date may fail so, and the test goes on.
    fn bears(self, error: &Error) -> bool {
        let of_the_date = match error {
            Error::OnDate { error, .. } => return self.bears(error),
            Error::Infeasible { .. } | Error::SolverFailed { .. } | Error::NotPositiveSemidefinite { .. } => {
                true
            }
            // A price that does not move in the window, which has no share in the risk.
            Error::InvalidArgument { argument, .. } => *argument == "tickers",
            _ => false,
        };
        of_the_date && self != OnFailure::Error
    }
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
    /// What a trade costs, as a share of the money traded; where it is 0, what the constraints say.
    pub transaction_cost: f64,
    /// A ticker of the panel, or weights, which are bought without cost on the same dates; without it the market weights.
    pub benchmark: Option<Benchmark>,
    /// Whether a benchmark that is a ticker is one of those that may be held.
    pub hold_benchmark: bool,
    /// What becomes of a date on which no weights can be chosen.
    pub on_failure: OnFailure,
}

/// What was traded on a date.
#[derive(Debug, Clone, PartialEq)]
pub struct Trade {
    /// The date.
    pub ts: Timestamp,
    /// What was held just before, as prices had moved it, in the order of the tickers.
    pub held: Array1<f64>,
    /// What was bought.
    pub weights: Array1<f64>,
    /// Why no weights could be chosen, where none could, and what was done instead.
    pub remark: Option<String>,
}

/// A backtest that was run.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// The tickers that were held.
    pub tickers: Vec<String>,
    /// A row for each day from the first rebalance date on.
    pub days: Vec<Day>,
    /// The rebalance dates.
    pub trades: Vec<Trade>,
    /// Periods a year.
    pub periods_per_year: f64,
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
    /// The value over its highest so far, less one: 0 or under.
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
        let limits = &self.request.constraints.limits;
        if let Some(chosen_by) = &limits.trades.transaction_cost
            && self.transaction_cost != 0.0
            && *chosen_by != PerTicker::All(self.transaction_cost)
        {
            let given = format!("{} beside another one in the constraints", self.transaction_cost);
            let expected = "one of them: the constraints' is charged too, and counts in the choice";
            return Err(input::invalid("transaction_cost", given, expected));
        }
        Ok(self)
    }

    /// What a trade costs, ticker by ticker.
    fn costs(&self, universe: &Universe) -> Result<Costs> {
        Ok(match &self.request.constraints.limits.trades.transaction_cost {
            Some(PerTicker::Each(costs)) => {
                Costs::Each(Array1::from(PerTicker::Each(costs.clone()).join(universe, 0.0)?))
            }
            Some(PerTicker::All(cost)) => Costs::All(*cost),
            None => Costs::All(self.transaction_cost),
        })
    }

    /// The benchmark's weights, for one that is no ticker.
    fn benchmark_weights(&self, universe: &Universe) -> Result<Array1<f64>> {
        match (&self.benchmark, &self.request.market_caps) {
            (Some(Benchmark::Weights(weights)), _) => universe.join_or(weights, 0.0).map(Array1::from),
            (_, Some(caps)) => caps.weights(universe),
            _ => Ok(market::equal_weights(universe.len())),
        }
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
        let call = if request.views.views().is_empty() {
            request::optimize_portfolio
        } else {
            request::black_litterman
        };
        let allocation = call(&request, &past, cancel).map_err(|error| error.on(returns.days()[row]))?;
        Ok(allocation.holdings.iter().map(|holding| holding.weight).collect())
    }

    /// What is bought where `chosen` could not be: the weights, and why.
    fn instead(&self, error: Error, held: &Array1<f64>) -> Result<(Array1<f64>, Option<String>)> {
        if !self.on_failure.bears(&error) {
            return Err(error);
        }
        Ok(match self.on_failure {
            OnFailure::Equal => {
                (market::equal_weights(held.len()), Some(format!("equal weights: {}", reason(&error))))
            }
            _ => (held.clone(), Some(format!("held: {}", reason(&error)))),
        })
    }
}

/// Why a date failed, without the date.
fn reason(error: &Error) -> String {
    match error {
        Error::OnDate { error, .. } => reason(error),
        Error::Infeasible { reason, .. } => reason.clone(),
        error => error.to_string(),
    }
}

/// What a trade costs, as a share of the money traded.
enum Costs {
    All(f64),
    Each(Array1<f64>),
}

/// Runs a backtest: a row for each day from the first rebalance date on. Dates are jobs on the executor, but where a limit
/// or a cost of trades makes each depend on the one before.
///
/// # Errors
/// [`Error::TooShort`] where the returns do not reach a rebalance date, [`Error::UnknownTicker`] for a benchmark outside
/// the panel, [`Error::OnDate`] with the first date on which weights cannot be chosen, where that is no reason to go on,
/// [`Error::Cancelled`].
pub fn run(
    backtest: Backtest,
    returns: &ReturnPanel,
    executor: &dyn Executor,
    cancel: &Cancel,
) -> Result<Track> {
    let backtest = backtest.validated()?;
    let (index, assets) = match &backtest.benchmark {
        None | Some(Benchmark::Weights(_)) => (None, returns.clone()),
        Some(Benchmark::Ticker(ticker)) => {
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
    let start = match &backtest.request.constraints.limits.trades.current_weights {
        Some(current) => Array1::from(universe.join_or(current, 0.0)?),
        None => Array1::zeros(universe.len()),
    };
    let ground = Ground {
        market: backtest.benchmark_weights(&universe)?,
        costs: backtest.costs(&universe)?,
        start,
        index,
        dates,
    };
    if backtest.follows_its_path() {
        return task::one(executor, cancel, move |cancel| {
            let choose = |row: usize, held: &Array1<f64>| backtest.choose(&assets, row, held, cancel);
            simulate(&backtest, &assets, &ground, choose)
        });
    }
    let shared = Arc::new((backtest, assets));
    let (work, flag) = (Arc::clone(&shared), cancel.clone());
    let chosen = task::map(executor, cancel, ground.dates.clone(), move |row| {
        let (backtest, assets) = &*work;
        Chosen(backtest.choose(assets, row, &Array1::zeros(0), &flag))
    })?;
    let (backtest, assets) = &*shared;
    let mut weights = Vec::with_capacity(chosen.len());
    for (outcome, row) in chosen.into_iter().zip(&ground.dates) {
        let panicked = |Panicked(message)| Error::Internal { message }.on(assets.days()[*row]);
        weights.push(outcome.map_err(panicked)?.0);
    }
    let mut weights = weights.into_iter();
    // One for each date, in their order.
    let choose = |_: usize, held: &Array1<f64>| weights.next().unwrap_or_else(|| Ok(held.clone()));
    simulate(backtest, assets, &ground, choose)
}

/// What a test stands on beside the prices.
struct Ground {
    /// The rows of the rebalance dates.
    dates: Vec<usize>,
    /// What is held before the first.
    start: Array1<f64>,
    /// The benchmark's weights, and its returns where it is a ticker.
    market: Array1<f64>,
    index: Option<Vec<f64>>,
    costs: Costs,
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
    fn trade(&mut self, weights: &Array1<f64>, costs: &Costs) -> (f64, f64) {
        let changes = (weights - &self.weights()).mapv(f64::abs);
        let turnover = changes.iter().sum::<f64>();
        let cost = self.value()
            * match costs {
                Costs::All(rate) => rate * turnover,
                Costs::Each(rates) => rates.dot(&changes),
            };
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
    ground: &Ground,
    mut choose: impl FnMut(usize, &Array1<f64>) -> Result<Array1<f64>>,
) -> Result<Track> {
    let Ground { dates, start, market, index, costs } = ground;
    let interest = (backtest.request.risk_free_rate.value().ln_1p() / returns.periods_per_year()).exp_m1();
    let mut account = Account::new(start);
    let mut benchmark = Account::new(market);
    let (mut followed, mut risk_free, mut highest, mut before) = (1.0, 1.0, 1.0_f64, 1.0);
    let mut days = Vec::with_capacity(returns.days().len() - dates[0]);
    let (mut trades, mut failure) = (Vec::with_capacity(dates.len()), None);
    for row in dates[0]..returns.days().len() {
        let ts = returns.days()[row];
        if row > dates[0] {
            account.earn(returns.returns().row(row), interest);
            benchmark.earn(returns.returns().row(row), interest);
            followed *= 1.0 + index.as_ref().map_or(0.0, |index| index[row]);
            risk_free *= 1.0 + interest;
        }
        let traded = if dates.binary_search(&row).is_ok() {
            let held = account.weights();
            let (weights, remark) = match choose(row, &held) {
                Ok(weights) => (weights, None),
                Err(error) => {
                    failure.get_or_insert_with(|| error.clone());
                    backtest.instead(error, &held)?
                }
            };
            benchmark.trade(market, &Costs::All(0.0));
            let traded = account.trade(&weights, costs);
            trades.push(Trade { ts, held, weights, remark });
            Some(traded)
        } else {
            None
        };
        let value = account.value();
        if value <= 0.0 || value.is_nan() {
            return Err(ruined(ts, value));
        }
        highest = highest.max(value);
        days.push(Day {
            ts,
            value,
            gain: value / before - 1.0,
            turnover: traded.map(|(turnover, _)| turnover),
            cost: traded.map_or(0.0, |(_, cost)| cost),
            drawdown: value / highest - 1.0,
            benchmark_value: if index.is_some() { followed } else { benchmark.value() },
            risk_free_value: risk_free,
        });
        before = value;
    }
    // What fails on every date is wrong with the call.
    if let Some(error) = failure.filter(|_| trades.iter().all(|trade| trade.remark.is_some())) {
        return Err(error);
    }
    let (tickers, periods_per_year) = (returns.tickers().to_vec(), returns.periods_per_year());
    Ok(Track { tickers, days, trades, periods_per_year })
}

fn ruined(ts: Timestamp, value: f64) -> Error {
    let (year, month, day) = ts.date();
    Error::InvalidArgument {
        argument: "constraints",
        value: format!("a portfolio worth {value} on {year}-{month:02}-{day:02}"),
        expected: "less leverage: max_gross, or a higher min_weight".to_owned(),
    }
}
