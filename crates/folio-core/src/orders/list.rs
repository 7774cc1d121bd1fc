//! The list of orders: a row for each ticker, and one for the cash that is left.

use super::account::{Account, Line, OrderRequest, Status};
use super::decimal::{Money, Price, Shares};
use super::exact::nearest;
use super::greedy::{greedy, refusal, wanted};
use crate::frequency::{PeriodsPerYear, Remark};
use crate::panel::{PricePanel, ReturnPanel};
use crate::portfolio::allocation::Method;
use crate::task::Cancel;
use crate::{Error, Result, work};

/// The fewest returns that say how positions move.
const MIN_RETURNS: usize = 2;

/// What is said where exact orders were asked for and there are none.
const NO_PROOF: &str = "greedy: exact found none that it could prove";

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The ticker; None for cash.
    pub ticker: Option<String>,
    /// `buy` or `sell`; None where nothing is traded, and for cash.
    pub side: Option<&'static str>,
    /// How many shares are bought, negative for sold; None for cash.
    pub shares: Option<Shares>,
    /// The last price; None for cash.
    pub price: Option<Price>,
    /// What goes into the position, negative where it comes out; of cash what goes into it.
    pub amount: Money,
    /// What the order costs.
    pub cost: Money,
    /// The shares afterwards; None for cash.
    pub shares_after: Option<Shares>,
    /// What the position is worth afterwards, or the cash.
    pub value: Money,
    /// The share of the value before.
    pub weight_before: f64,
    /// The share of the value afterwards.
    pub weight: f64,
    /// The share that it is to have.
    pub target_weight: f64,
    /// Of the row of cash alone: the tracking error a year that remains against the target; None without prices for it.
    pub tracking_error: Option<f64>,
    /// `ok`, or why nothing is traded, or not all.
    pub status: String,
    /// How the orders were found.
    pub method: &'static str,
}

/// All rows, by ticker, cash last, and what there is to say of the periods a year.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderList {
    /// The rows.
    pub orders: Vec<Order>,
    /// What is said of the annual number.
    pub remark: Option<Remark>,
}

/// The orders that take an account to its target at the last prices of the panel, which has exactly its tickers.
///
/// Of `history` prices comes the tracking error that remains: the standard deviation of what the weights miss their targets
/// by times the returns, a year.
///
/// # Errors
/// A ticker's own where it has no good prices, [`Error::InvalidArgument`], [`Error::Cancelled`].
pub fn rebalance(
    request: &OrderRequest,
    panel: &PricePanel,
    history: usize,
    periods: PeriodsPerYear,
    cancel: &Cancel,
) -> Result<OrderList> {
    let mut account = request.account(panel)?;
    let found = greedy(&mut account, cancel)?;
    let (orders, method) = match request.terms.method {
        Method::Greedy => (found, "greedy"),
        Method::Exact => match nearest(&account, &found, cancel)? {
            Some(orders) => (orders, "exact"),
            None => (found, NO_PROOF),
        },
    };
    let mut rows = rows(&account, &orders, method);
    let mut remark = None;
    if let Some(returns) = returns(panel, history, cancel)? {
        let returns = returns.with_periods(periods);
        let missed: Vec<f64> = rows.iter().map(|row| row.weight - row.target_weight).collect();
        let error = tracking_error(&returns, &missed, cancel)?;
        if let Some(cash) = rows.last_mut() {
            cash.tracking_error = Some(error).filter(|error| error.is_finite());
        }
        remark = periods.remark(returns.frequency());
    }
    Ok(OrderList { orders: rows, remark })
}

/// The returns on days that all tickers have, if there are any.
fn returns(panel: &PricePanel, history: usize, cancel: &Cancel) -> Result<Option<ReturnPanel>> {
    cancel.check()?;
    match ReturnPanel::aligned(panel, history.saturating_sub(1), MIN_RETURNS) {
        Ok(returns) => Ok(Some(returns)),
        Err(Error::TooShort { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The standard deviation a year of what the weights miss times the returns; cash has none.
fn tracking_error(returns: &ReturnPanel, missed: &[f64], cancel: &Cancel) -> Result<f64> {
    let (mut sum, mut squares, mut days) = (0.0, 0.0, 0.0);
    for row in work::watched(returns.returns().rows(), missed.len(), cancel) {
        let off: f64 = row?.iter().zip(missed).map(|(earned, missed)| earned * missed).sum();
        (sum, squares, days) = (sum + off, squares + off * off, days + 1.0);
    }
    let variance = (squares - sum * sum / days) / (days - 1.0);
    Ok((variance.max(0.0) * returns.periods_per_year()).sqrt())
}

fn rows(account: &Account<'_>, orders: &[Shares], method: &'static str) -> Vec<Order> {
    let cash = account.cash_after(orders);
    let costs = account.lines.iter().zip(orders);
    let costs: Money = costs.map(|(line, order)| account.amount_and_cost(line, *order).1).sum();
    let (before, after) = (account.value.to_f64(), (account.value - costs).to_f64());
    let row = |(line, order): (&Line, &Shares)| {
        let (amount, cost) = account.amount_and_cost(line, *order);
        let value = line.worth + amount;
        Order {
            ticker: Some(line.ticker.clone()),
            side: (*order != Shares::ZERO).then_some(if *order > Shares::ZERO { "buy" } else { "sell" }),
            shares: Some(*order),
            price: Some(line.price),
            amount,
            cost,
            shares_after: Some(line.held + *order),
            value,
            weight_before: line.weight,
            weight: value.to_f64() / after,
            target_weight: line.target,
            tracking_error: None,
            status: status(account, line, *order).to_string(),
            method,
        }
    };
    let mut rows: Vec<Order> = account.lines.iter().zip(orders).map(row).collect();
    let invested: f64 = account.lines.iter().map(|line| line.target).sum();
    let kept = cash >= account.terms.cash_kept;
    rows.push(Order {
        ticker: None,
        side: None,
        shares: None,
        price: None,
        amount: cash - account.cash,
        cost: Money::ZERO,
        shares_after: None,
        value: cash,
        weight_before: account.cash.to_f64() / before,
        weight: cash.to_f64() / after,
        target_weight: (1.0 - invested).max(0.0),
        tracking_error: None,
        status: if kept { "ok" } else { "below cash_kept" }.to_owned(),
        method,
    });
    rows
}

fn status(account: &Account<'_>, line: &Line, order: Shares) -> Status {
    let short_of_lots = |order: Shares| {
        let after = (line.held + order).at(line.price).unwrap_or_default().to_f64();
        line.goal - after >= line.lot_worth.to_f64()
    };
    if let Some(status) = line.stays {
        return status;
    }
    if order != Shares::ZERO {
        return if short_of_lots(order) { Status::PartlyNoCash } else { Status::Ok };
    }
    match wanted(line) {
        Shares::ZERO => Status::AtTarget,
        wanted => refusal(account, line, wanted).unwrap_or(Status::NoCash),
    }
}
