//! Orders by a rule of thumb: every ticker to its goal in whole lots, less bought where cash is short, then lot by lot.

use super::account::{Account, Line, Status};
use super::decimal::{Money, Shares};
use crate::task::Cancel;
use crate::{Result, work};

/// Halvings of the share of the goals that is bought: the shares of money are then known to a billionth.
const HALVINGS: usize = 50;

/// The most single lots for each ticker after all were rounded down; a ticker that needs more of them is not short of one.
const MAX_EXTRA: usize = 4;

/// How often the tickers whose orders are too small are left out and their money given to the others.
const ROUNDS: usize = 8;

/// What an order of a ticker takes.
const ORDER: usize = 60;

/// Lots that are this near to a whole number are that number: the goal was computed from it.
const ROUNDING: f64 = 1e-9;

/// What share of its goal each ticker is bought up to, and what share of it a ticker keeps.
#[derive(Clone, Copy)]
struct Shrunk {
    bought: f64,
    kept: f64,
}

const WHOLE: Shrunk = Shrunk { bought: 1.0, kept: 1.0 };

/// Why this order is not placed, if it is not.
pub(super) fn refusal(account: &Account<'_>, line: &Line, order: Shares) -> Option<Status> {
    let (amount, cost) = account.amount_and_cost(line, order);
    if order == Shares::ZERO {
        return Some(Status::AtTarget);
    }
    if amount.abs() < account.terms.minimum_ticket {
        return Some(Status::BelowTicket);
    }
    (amount < Money::ZERO && cost >= -amount).then_some(Status::CostOverAmount)
}

/// The order that takes a ticker to its goal, whatever the cash and the smallest order.
pub(super) fn wanted(line: &Line) -> Shares {
    toward(line, WHOLE)
}

fn toward(line: &Line, shrunk: Shrunk) -> Shares {
    if line.stays.is_some() {
        return Shares::ZERO;
    }
    let (worth, lot) = (line.worth.to_f64(), line.lot_worth.to_f64());
    let keep = shrunk.kept * line.goal;
    if keep < worth {
        if keep <= 0.0 {
            // Odd lots too.
            return -line.held;
        }
        let lots = (worth - keep) / lot;
        // Where cash has to be raised, to the next lot above.
        let lots = if shrunk.kept < 1.0 { (lots - ROUNDING).ceil() } else { lots.round() };
        return -line.lot.times(lots as i64).filter(|sold| *sold < line.held).unwrap_or(line.held);
    }
    let lots = (shrunk.bought * line.goal - worth) / lot;
    let lots = (lots + ROUNDING * lots.max(1.0)).floor().max(0.0);
    line.lot.times(lots as i64).unwrap_or_default()
}

/// The orders of all tickers, those left out that are not placed.
fn orders(account: &Account<'_>, shrunk: Shrunk) -> Vec<Shares> {
    work::count(ORDER * account.lines.len());
    let order = |line: &Line| {
        let order = toward(line, shrunk);
        if refusal(account, line, order).is_some() { Shares::ZERO } else { order }
    };
    account.lines.iter().map(order).collect()
}

/// The orders with the largest share that the cash pays for: between one that it does and one that it does not.
fn largest(account: &Account<'_>, shrunk: impl Fn(f64) -> Shrunk, cancel: &Cancel) -> Result<Vec<Shares>> {
    let (mut low, mut high) = (0.0, 1.0);
    let mut best = orders(account, shrunk(low));
    for _ in 0..HALVINGS {
        cancel.check()?;
        let middle = (low + high) / 2.0;
        let tried = orders(account, shrunk(middle));
        if account.pays_for(&tried) {
            (low, best) = (middle, tried);
        } else {
            high = middle;
        }
    }
    Ok(best)
}

/// Orders that the cash pays for, near to the goals.
///
/// Where there is not enough, what is bought goes up to the same share of each goal, so that those furthest below theirs get
/// most. Where even without buying less is left than is to be kept, positions are sold down to the same share of theirs.
pub(super) fn greedy(account: &mut Account<'_>, cancel: &Cancel) -> Result<Vec<Shares>> {
    for _ in 0..ROUNDS {
        let all = orders(account, WHOLE);
        if account.pays_for(&all) {
            return top_up(account, all, cancel);
        }
        let sold = orders(account, Shrunk { bought: 0.0, kept: 1.0 });
        if !account.pays_for(&sold) {
            return raise(account, sold, cancel);
        }
        let found = largest(account, |bought| Shrunk { bought, kept: 1.0 }, cancel)?;
        // What is now too small an order would leave its money to nobody.
        let left_out = left_out(account, &found);
        if left_out.is_empty() {
            return top_up(account, found, cancel);
        }
        left_out.into_iter().for_each(|index| account.lines[index].stays = Some(Status::NoCash));
    }
    let found = largest(account, |bought| Shrunk { bought, kept: 1.0 }, cancel)?;
    top_up(account, found, cancel)
}

/// The tickers that would be bought, but with the cash that there is in too small an order.
fn left_out(account: &Account<'_>, found: &[Shares]) -> Vec<usize> {
    let is_left_out = |(line, order): (&Line, &Shares)| {
        let wanted = wanted(line);
        *order == Shares::ZERO && wanted > Shares::ZERO && refusal(account, line, wanted).is_none()
    };
    if account.terms.minimum_ticket == Money::ZERO {
        return Vec::new();
    }
    let lines = account.lines.iter().zip(found).enumerate();
    lines.filter(|(_, line)| is_left_out(*line)).map(|(index, _)| index).collect()
}

/// Sells until the cash is there that is to be kept; where all that may be sold does not bring it, no more than is over the
/// goals.
fn raise(account: &Account<'_>, sold: Vec<Shares>, cancel: &Cancel) -> Result<Vec<Shares>> {
    let shrunk = |kept| Shrunk { bought: 0.0, kept };
    if account.pays_for(&orders(account, shrunk(0.0))) { largest(account, shrunk, cancel) } else { Ok(sold) }
}

/// Buys a lot at a time where that takes most off what is missing, as long as there is cash for it.
fn top_up(account: &Account<'_>, mut orders: Vec<Shares>, cancel: &Cancel) -> Result<Vec<Shares>> {
    let mut left = account.cash_after(&orders) - account.terms.cash_kept;
    let mut spent: Vec<Money> = Vec::with_capacity(orders.len());
    let spends = |line: &Line, order: Shares| {
        let (amount, cost) = account.amount_and_cost(line, order);
        amount + cost
    };
    spent.extend(account.lines.iter().zip(&orders).map(|(line, order)| spends(line, *order)));
    for _ in 0..MAX_EXTRA * orders.len() {
        cancel.check()?;
        work::count(ORDER * orders.len());
        let mut best: Option<(usize, f64)> = None;
        for (index, line) in account.lines.iter().enumerate() {
            let more = orders[index] + line.lot;
            let missing = line.goal - (line.held + orders[index]).at(line.price).unwrap_or_default().to_f64();
            let gain = 2.0 * missing - line.lot_worth.to_f64();
            let is_better = gain > 0.0 && best.is_none_or(|(_, known)| gain > known);
            // A seller is as near as it gets.
            let may =
                line.stays.is_none() && orders[index] >= Shares::ZERO && line.goal >= line.worth.to_f64();
            if is_better
                && may
                && spends(line, more) - spent[index] <= left
                && refusal(account, line, more).is_none()
            {
                best = Some((index, gain));
            }
        }
        let Some((index, _)) = best else { break };
        orders[index] = orders[index] + account.lines[index].lot;
        let now = spends(&account.lines[index], orders[index]);
        left = left - (now - spent[index]);
        spent[index] = now;
    }
    Ok(orders)
}
