//! What is held, what it is worth, and what it should be: the account before any order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::decimal::{LARGEST_MONEY, Money, Price, Shares};
use super::terms::{Terms, TradeTo};
use crate::panel::{PricePanel, Series};
use crate::portfolio::universe::MAX_ASSETS;
use crate::price::Timestamp;
use crate::rate::{self, Kind};
use crate::{Error, Result, input, stale};

/// How far weights that were rounded may miss a sum of one, and still invest the whole value.
const ROUNDED: f64 = 1e-3;

/// Differences of weights under this are rounding.
const ROUNDING: f64 = 1e-12;

/// The least price: of a lower one too few of the twelve decimals are left.
const LEAST_PRICE: f64 = 1e-9;

/// What an account and its target are.
#[derive(Debug, Clone)]
pub struct OrderRequest {
    weights: BTreeMap<String, f64>,
    positions: BTreeMap<String, Shares>,
    cash: Money,
    pub(super) terms: Terms,
}

/// Why nothing is traded, or not all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Status {
    Ok,
    AtTarget,
    InBand,
    BelowTicket,
    BuyOnly,
    CostOverAmount,
    NoCash,
    PartlyNoCash,
    Stale(Timestamp),
}

/// A ticker of the account.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) ticker: String,
    pub(super) price: Price,
    pub(super) held: Shares,
    /// What is held, in money.
    pub(super) worth: Money,
    /// The share of the value that it has, and the one that it is to have.
    pub(super) weight: f64,
    pub(super) target: f64,
    /// The money that orders aim at.
    pub(super) goal: f64,
    pub(super) lot: Shares,
    pub(super) lot_worth: Money,
    /// Why it is not traded, whatever the others are.
    pub(super) stays: Option<Status>,
}

/// The account.
#[derive(Debug, Clone)]
pub(super) struct Account<'a> {
    pub(super) lines: Vec<Line>,
    pub(super) cash: Money,
    pub(super) value: Money,
    pub(super) terms: &'a Terms,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Status::Ok => "ok",
            Status::AtTarget => "at the target within a lot",
            Status::InBand => "within its band",
            Status::BelowTicket => "below minimum_ticket",
            Status::BuyOnly => "over its target, and buy_only",
            Status::CostOverAmount => "costs more than it brings",
            Status::NoCash => "no cash for a lot",
            Status::PartlyNoCash => "ok, as far as cash goes",
            Status::Stale(last) => {
                return write!(f, "stale: its last price is of {}", last.iso_date());
            }
        })
    }
}

impl OrderRequest {
    /// Reads weights `{"AAPL": 0.6}`, positions in shares `{"AAPL": 10, "MSFT": "2.5"}` and cash.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]: weights or shares under zero, weights over one in all, something that is no number, nothing
    /// at all, cash under zero.
    pub fn new(weights: &Value, positions: &Value, cash: f64, terms: Terms) -> Result<OrderRequest> {
        let weights = rate::by_name("weights", Kind::Weight, weights)?;
        let long_only = "weights of 0 or over: orders hold no short positions";
        if let Some((ticker, weight)) = weights.iter().find(|(_, weight)| **weight < 0.0) {
            return Err(input::invalid("weights", format!("{ticker}: {weight}"), long_only));
        }
        let sum: f64 = weights.values().sum();
        let expected = "a sum of at most 1: for what is over it there is no money";
        input::within("weights", sum, |sum| sum <= 1.0 + ROUNDED, expected)?;
        let expected = "an object of numbers of shares, like {\"AAPL\": 10, \"MSFT\": 2.5}";
        let mut held = BTreeMap::new();
        for (ticker, shares) in input::object("positions", positions, expected)? {
            let count = Shares::read("positions", ticker, shares)?;
            if count < Shares::ZERO {
                let expected = "0 shares or over: orders hold no short positions";
                return Err(input::invalid("positions", format!("{ticker}: {shares}"), expected));
            }
            held.insert(ticker.clone(), count);
        }
        let request = OrderRequest { weights, positions: held, cash: Money::of("cash", cash)?, terms };
        let tickers = request.tickers().len();
        if tickers == 0 || tickers > MAX_ASSETS {
            let given = format!("{tickers} tickers with the positions");
            return Err(input::invalid("weights", given, format!("1 to {MAX_ASSETS} tickers")));
        }
        Ok(request)
    }

    /// The tickers of weights and positions, sorted by name.
    pub fn tickers(&self) -> Vec<String> {
        let tickers: BTreeSet<&String> = self.weights.keys().chain(self.positions.keys()).collect();
        tickers.into_iter().cloned().collect()
    }

    /// The account at the last prices.
    pub(super) fn account(&self, panel: &PricePanel) -> Result<Account<'_>> {
        let newest = panel.newest().unwrap_or(Timestamp(0));
        let lines = panel.series()?.into_iter().map(|series| self.line(series, newest));
        let lines: Vec<Line> = lines.collect::<Result<_>>()?;
        let value = self.cash + lines.iter().map(|line| line.worth).sum();
        let mut account = Account { lines, cash: self.cash, value, terms: &self.terms };
        account.set_goals()?;
        Ok(account)
    }

    fn line(&self, series: &Series, newest: Timestamp) -> Result<Line> {
        let ticker = series.ticker().to_owned();
        let Some(close) = series.close().last() else {
            return Err(Error::UnknownTicker { ticker });
        };
        let price = Price::from_f64(*close).filter(|_| *close >= LEAST_PRICE);
        let invalid = |argument, given: String| {
            let expected = "prices of 1e-9 to 1e14, and positions and lots of at most 1e14 in money";
            input::invalid(argument, format!("{ticker}: {given}"), expected)
        };
        let price = price.ok_or_else(|| invalid("prices", close.to_string()))?;
        let held = self.positions.get(&ticker).copied().unwrap_or_default();
        let lot = self.terms.lot_of(&ticker);
        let worth = |shares: Shares| shares.at(price).filter(|worth| worth.to_f64() <= LARGEST_MONEY);
        let in_money = |argument, shares: Shares| {
            worth(shares).ok_or_else(|| invalid(argument, format!("{shares} shares at {price}")))
        };
        let (worth, lot_worth) = (in_money("positions", held)?, in_money("lot_size", lot)?);
        Ok(Line {
            price,
            held,
            worth,
            weight: 0.0,
            target: self.weights.get(&ticker).copied().unwrap_or(0.0),
            goal: 0.0,
            lot,
            lot_worth,
            stays: stale::since(series, newest).map(Status::Stale),
            ticker,
        })
    }
}

impl Account<'_> {
    /// Sets what each ticker is to be worth, and which ones stay as they are.
    ///
    /// The value is before costs. Where the weights leave less cash than is to be kept, all of them shrink alike.
    fn set_goals(&mut self) -> Result<()> {
        let (value, kept) = (self.value.to_f64(), self.terms.cash_kept);
        if value <= 0.0 || value > LARGEST_MONEY {
            return Err(input::invalid(
                "cash",
                value,
                "cash and positions of over 0 and at most 1e14 in all",
            ));
        }
        if kept > self.value {
            let expected = format!("at most {}, what cash and positions are worth", self.value);
            return Err(input::invalid("cash_kept", kept, expected));
        }
        let sum: f64 = self.lines.iter().map(|line| line.target).sum();
        let all = if (sum - 1.0).abs() <= ROUNDED { value / sum } else { value };
        let each = if sum > 0.0 { all.min((self.value - kept).to_f64() / sum) } else { all };
        for line in &mut self.lines {
            line.weight = line.worth.to_f64() / value;
            // What is not in the target any more is sold, however little it is.
            let band = if line.target > 0.0 { self.terms.band_of(&line.ticker, line.target) } else { 0.0 };
            let off = line.weight - line.target;
            if line.stays.is_none() && band > 0.0 && off.abs() <= band + ROUNDING {
                line.stays = Some(Status::InBand);
            }
            let edge = match self.terms.trade_to {
                TradeTo::Target => 0.0,
                TradeTo::Band => band.min(off.abs()).copysign(off),
            };
            line.goal = (line.target + edge).max(0.0) * each;
            let over = line.goal < line.worth.to_f64();
            if line.stays.is_none() && over && self.terms.buy_only {
                line.stays = Some(Status::BuyOnly);
            }
        }
        Ok(())
    }

    /// What an order of this line is worth and costs.
    pub(super) fn amount_and_cost(&self, line: &Line, order: Shares) -> (Money, Money) {
        // Orders are at most the account's value and a lot beyond it, so they can be counted.
        let amount = order.at(line.price).unwrap_or_default();
        (amount, self.terms.fees.of(order, amount))
    }

    /// The cash that orders leave.
    pub(super) fn cash_after(&self, orders: &[Shares]) -> Money {
        let spent = self.lines.iter().zip(orders).map(|(line, order)| {
            let (amount, cost) = self.amount_and_cost(line, *order);
            amount + cost
        });
        self.cash - spent.sum()
    }

    /// Whether orders leave the cash that is to be kept.
    pub(super) fn pays_for(&self, orders: &[Shares]) -> bool {
        self.cash_after(orders) >= self.terms.cash_kept
    }
}
