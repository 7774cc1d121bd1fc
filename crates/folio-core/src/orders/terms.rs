//! On what terms orders are made: lots, the smallest order, costs, cash that is kept, bands in which nothing is traded.

use std::collections::BTreeMap;

use serde_json::Value;

use super::decimal::{LARGEST_MONEY, Money, Price, Shares};
use crate::Result;
use crate::input;
use crate::portfolio::allocation::Method;
use crate::rate::{self, Kind};

/// The lot of fractional shares: a millionth, what brokers who sell parts of shares count in.
const FRACTION: f64 = 1e-6;

/// The most basis points: all of an order.
const MOST_POINTS: f64 = 10_000.0;

/// What a lot has to be.
const LOT: &str = "shares, over 0 and at most 1e14, without more than 9 decimals";

/// How far a trade goes once a weight is outside of its band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum TradeTo {
    /// To the target.
    #[default]
    Target,
    /// To the edge of the band, no further.
    Band,
}

const TRADE_TO: [(&str, TradeTo); 2] = [("target", TradeTo::Target), ("band", TradeTo::Band)];

/// What was said of the terms; None is the default.
#[derive(Debug, Clone, Default)]
pub struct TermsInput {
    /// Shares of a lot, one if nothing is said.
    pub lot_size: Option<f64>,
    /// The same by ticker.
    pub lot_sizes: Option<Value>,
    /// Whether parts of shares are traded.
    pub fractional: Option<bool>,
    /// The least amount of an order.
    pub minimum_ticket: Option<f64>,
    /// Money for each order.
    pub fee_fixed: Option<f64>,
    /// Money for each share.
    pub fee_per_share: Option<f64>,
    /// Basis points of an order's amount.
    pub fee_bps: Option<f64>,
    /// The least cash that is left.
    pub cash_kept: Option<f64>,
    /// How far a weight may be from its target, as a share of the value.
    pub band: Option<f64>,
    /// How far a weight may be from its target, as a share of the target.
    pub relative_band: Option<f64>,
    /// Bands by ticker, `{"AAPL": 0.02, "MSFT": {"relative": "25 %"}}`.
    pub bands: Option<Value>,
    /// `target` or `band`.
    pub trade_to: Option<String>,
    /// Whether nothing is sold.
    pub buy_only: Option<bool>,
    /// `greedy` or `exact`.
    pub method: Option<String>,
}

/// Validated terms.
#[derive(Debug, Clone)]
pub struct Terms {
    lot: Shares,
    lots: BTreeMap<String, Shares>,
    pub(super) minimum_ticket: Money,
    pub(super) fees: Fees,
    pub(super) cash_kept: Money,
    band: Band,
    bands: BTreeMap<String, Band>,
    pub(super) trade_to: TradeTo,
    pub(super) buy_only: bool,
    pub(super) method: Method,
}

/// What an order costs: `fixed + per_share shares + points / 10,000 amount`, rounded to the cent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fees {
    pub(super) fixed: Money,
    pub(super) per_share: Price,
    pub(super) points: f64,
}

/// How far a weight may be from its target; no distance if nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Band {
    absolute: Option<f64>,
    relative: Option<f64>,
}

impl Terms {
    /// # Errors
    /// [`crate::Error::InvalidArgument`], [`crate::Error::UnknownName`].
    pub fn new(input: &TermsInput) -> Result<Terms> {
        let money = |argument, value: Option<f64>| Money::of(argument, value.unwrap_or(0.0));
        let share = |argument, value: Option<f64>| value.map(|value| band_share(argument, value)).transpose();
        Ok(Terms {
            lot: lot(input)?,
            lots: lots(input.lot_sizes.as_ref())?,
            minimum_ticket: money("minimum_ticket", input.minimum_ticket)?,
            fees: Fees::new(input)?,
            cash_kept: money("cash_kept", input.cash_kept)?,
            band: Band {
                absolute: share("band", input.band)?,
                relative: share("relative_band", input.relative_band)?,
            },
            bands: input.bands.as_ref().map_or(Ok(BTreeMap::new()), bands)?,
            trade_to: match &input.trade_to {
                Some(name) => input::choose("trade_to", name, &TRADE_TO)?,
                None => TradeTo::default(),
            },
            buy_only: input.buy_only.unwrap_or(false),
            method: input.method.as_deref().map_or(Ok(Method::default()), Method::parse)?,
        })
    }

    /// The lot of a ticker.
    pub(super) fn lot_of(&self, ticker: &str) -> Shares {
        self.lots.get(ticker).copied().unwrap_or(self.lot)
    }

    /// How far the weight of a ticker may be from this target. Of an absolute and a relative band the narrower one holds, as
    /// in the rule of 5 and 25 per cent.
    pub(super) fn band_of(&self, ticker: &str, target: f64) -> f64 {
        let band = self.bands.get(ticker).unwrap_or(&self.band);
        match (band.absolute, band.relative.map(|relative| relative * target)) {
            (Some(absolute), Some(relative)) => absolute.min(relative),
            (Some(band), None) | (None, Some(band)) => band,
            (None, None) => 0.0,
        }
    }
}

impl Fees {
    fn new(input: &TermsInput) -> Result<Fees> {
        let expected = "money, 0 or over and at most 1e14";
        let per_share = input.fee_per_share.unwrap_or(0.0);
        let exact = Price::from_f64(per_share).filter(|_| per_share >= 0.0);
        let points = input::within(
            "fee_bps",
            input.fee_bps.unwrap_or(0.0),
            |points| (0.0..=MOST_POINTS).contains(&points),
            "basis points, 0 to 10000: 10 is 0.1 % of the amount",
        )?;
        Ok(Fees {
            fixed: Money::of("fee_fixed", input.fee_fixed.unwrap_or(0.0))?,
            per_share: exact.ok_or_else(|| input::invalid("fee_per_share", per_share, expected))?,
            points,
        })
    }

    /// What an order of these shares and of this amount costs; nothing for no shares.
    pub(super) fn of(&self, shares: Shares, amount: Money) -> Money {
        if shares == Shares::ZERO {
            return Money::ZERO;
        }
        // More than can be counted is more than any account has.
        let by_share = shares.abs().at(self.per_share);
        let by_share = by_share.or_else(|| Money::from_f64(LARGEST_MONEY)).unwrap_or_default();
        (self.fixed + by_share + amount.abs().points(self.points)).to_the_cent()
    }
}

fn lot(input: &TermsInput) -> Result<Shares> {
    let fractional = input.fractional.unwrap_or(false);
    if let (Some(size), true) = (input.lot_size, fractional) {
        let expected = "lot_size or fractional, not both: fractional is lot_size => 0.000001";
        return Err(input::invalid("lot_size", size, expected));
    }
    let size = input.lot_size.unwrap_or(if fractional { FRACTION } else { 1.0 });
    let lot = Shares::from_f64(size).filter(|lot| *lot > Shares::ZERO && lot.to_f64() == size);
    lot.ok_or_else(|| input::invalid("lot_size", size, LOT))
}

fn lots(sizes: Option<&Value>) -> Result<BTreeMap<String, Shares>> {
    let Some(sizes) = sizes else { return Ok(BTreeMap::new()) };
    let object = input::object("lot_sizes", sizes, "an object of numbers of shares, like {\"7203.T\": 100}")?;
    let named = |(ticker, size): (&String, &Value)| {
        let lot = Shares::read("lot_sizes", ticker, size)?;
        let invalid = || input::invalid("lot_sizes", format!("{ticker}: {size}"), LOT);
        Ok((ticker.clone(), Some(lot).filter(|lot| *lot > Shares::ZERO).ok_or_else(invalid)?))
    };
    object.iter().map(named).collect()
}

/// A share of weight, 0 or over.
fn band_share(argument: &'static str, value: f64) -> Result<f64> {
    let value = rate::number(argument, Kind::Risk, value)?;
    input::within(argument, value, |value| value >= 0.0, "a share, 0 or over")
}

fn bands(value: &Value) -> Result<BTreeMap<String, Band>> {
    let expected = "an object of shares, like {\"AAPL\": 0.02, \"MSFT\": {\"relative\": \"25 %\"}}";
    let share = |value: &Value| {
        let share = rate::read("bands", Kind::Risk, value)?;
        input::within("bands", share, |share| share >= 0.0, "shares, 0 or over")
    };
    let band = |(ticker, value): (&String, &Value)| {
        let band = match value {
            Value::Object(kinds) => {
                input::only_keys("key of a band", kinds, &["absolute", "relative"])?;
                let kind = |name| kinds.get(name).map(share).transpose();
                Band { absolute: kind("absolute")?, relative: kind("relative")? }
            }
            value => Band { absolute: Some(share(value)?), relative: None },
        };
        Ok((ticker.clone(), band))
    };
    input::object("bands", value, expected)?.iter().map(band).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Error;

    fn terms(change: impl FnOnce(&mut TermsInput)) -> Result<Terms> {
        let mut input = TermsInput::default();
        change(&mut input);
        Terms::new(&input)
    }

    #[test]
    fn the_narrower_band_holds_and_a_tickers_own_before_all() {
        let bands = json!({ "A": "1 %", "B": { "relative": 0.5 } });
        let terms = terms(|input| {
            (input.band, input.relative_band, input.bands) = (Some(0.05), Some(0.25), Some(bands));
        })
        .unwrap();
        for (ticker, target, band) in
            [("A", 0.4, 0.01), ("B", 0.4, 0.2), ("C", 0.1, 0.025), ("C", 0.4, 0.05), ("C", 0.0, 0.0)]
        {
            assert_eq!(terms.band_of(ticker, target), band, "{ticker} {target}");
        }
    }

    #[test]
    fn costs_have_three_parts() {
        let terms = terms(|input| {
            (input.fee_fixed, input.fee_per_share, input.fee_bps) = (Some(1.0), Some(0.005), Some(10.0));
        })
        .unwrap();
        let shares = Shares::from_f64(-100.0).unwrap();
        assert_eq!(terms.fees.of(shares, Money::from_f64(-2000.0).unwrap()).to_string(), "3.5");
        assert_eq!(terms.fees.of(Shares::ZERO, Money::ZERO), Money::ZERO);
    }

    #[test]
    fn what_no_terms_can_be_is_refused_by_name() {
        type Change = fn(&mut TermsInput);
        let refused: [(&str, Change); 10] = [
            ("lot_size", |input| input.lot_size = Some(0.0)),
            ("lot_size", |input| input.lot_size = Some(1e-10)),
            ("lot_size", |input| (input.lot_size, input.fractional) = (Some(10.0), Some(true))),
            ("lot_sizes", |input| input.lot_sizes = Some(json!({ "A": -1 }))),
            ("minimum_ticket", |input| input.minimum_ticket = Some(-1.0)),
            ("fee_fixed", |input| input.fee_fixed = Some(f64::NAN)),
            ("fee_per_share", |input| input.fee_per_share = Some(-0.1)),
            ("fee_bps", |input| input.fee_bps = Some(10_001.0)),
            ("band", |input| input.band = Some(5.0)),
            ("bands", |input| input.bands = Some(json!({ "A": null }))),
        ];
        for (name, change) in refused {
            assert!(
                matches!(terms(change), Err(Error::InvalidArgument { argument, .. }) if argument == name),
                "{name}"
            );
        }
        assert!(matches!(
            terms(|input| input.trade_to = Some("edge".into())),
            Err(Error::UnknownName { .. })
        ));
    }
}
