//! Orders whose positions are nearest to the goals: the least sum of |position - goal| in money of all lots that the cash pays
//! for, costs included.
//!
//! It is the integer program of [`whole_shares`], where a lot takes another sum of cash than it is worth: a lot bought its
//! costs more, a lot that is not sold its costs less. Which tickers are traded, and so pay the fixed fee, is what the greedy
//! orders say.

use super::account::{Account, Line};
use super::decimal::{Money, Price, Shares};
use super::greedy::{refusal, wanted};
use crate::Result;
use crate::portfolio::whole_shares::{self, Lots};
use crate::task::Cancel;

/// What rounding an order's cost to the cent may add to it.
const HALF_A_CENT: f64 = 0.005;

/// What a basis point is.
const POINT: f64 = 1e-4;

/// A ticker in the search, as lots that are bought, or kept of what is held.
struct Traded {
    index: usize,
    /// The shares without any of these lots.
    base: Shares,
}

/// The nearest orders; None where the search came to no end, or cannot see what the terms ask for.
pub(super) fn nearest(
    account: &Account<'_>,
    known: &[Shares],
    cancel: &Cancel,
) -> Result<Option<Vec<Shares>>> {
    let fees = account.terms.fees;
    let rounding = if fees.points > 0.0 || fees.per_share > Price::ZERO { HALF_A_CENT } else { 0.0 };
    let (mut traded, mut lots, mut start) = (Vec::new(), Lots::default(), Vec::new());
    let mut money = (account.cash - account.terms.cash_kept).to_f64();
    for (index, line) in account.lines.iter().enumerate() {
        let order = known[index];
        let sells = line.goal < line.worth.to_f64();
        let untouched = order == Shares::ZERO && (fees.fixed > Money::ZERO || is_refused(account, line));
        if line.stays.is_some() || untouched || (sells && line.goal <= 0.0) {
            let (amount, cost) = account.amount_and_cost(line, order);
            money -= (amount + cost).to_f64();
            continue;
        }
        let lot = line.lot_worth.to_f64();
        let cost = lot * fees.points * POINT + fees.per_share.to_f64() * line.lot.to_f64();
        let (base, cash) = if sells {
            let whole = line.held.whole(line.lot);
            let kept = line.lot.times(whole).unwrap_or_default();
            money += whole as f64 * (lot - cost);
            (line.held - kept, lot - cost)
        } else {
            (line.held, lot + cost)
        };
        if cash <= 0.0 {
            return Ok(None);
        }
        money -= fees.fixed.to_f64() + rounding;
        let worth = base.at(line.price).unwrap_or_default().to_f64();
        lots.push(lot, cash, (line.goal - worth).max(0.0));
        start.push((line.held + order - base).whole(line.lot));
        traded.push(Traded { index, base });
    }
    let Some(found) = whole_shares::nearest_lots(&lots, money.max(0.0), &start, cancel)? else {
        return Ok(None);
    };
    let mut orders = known.to_vec();
    for (traded, count) in traded.iter().zip(found) {
        let line = &account.lines[traded.index];
        let Some(lots) = line.lot.times(count) else { return Ok(None) };
        orders[traded.index] = traded.base + lots - line.held;
    }
    Ok(is_valid(account, &orders).then_some(orders))
}

/// Whether the terms leave out what would take a ticker to its goal.
fn is_refused(account: &Account<'_>, line: &Line) -> bool {
    let order = wanted(line);
    order != Shares::ZERO && refusal(account, line, order).is_some()
}

/// Whether these orders may be placed: paid for to the last digit, none of them too small.
fn is_valid(account: &Account<'_>, orders: &[Shares]) -> bool {
    let may = |(line, order): (&Line, &Shares)| {
        *order == Shares::ZERO
            || refusal(account, line, *order).is_none() && line.held + *order >= Shares::ZERO
    };
    account.pays_for(orders) && account.lines.iter().zip(orders).all(may)
}
