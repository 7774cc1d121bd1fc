//! Exact decimal numbers of money, shares and prices: sums of them are right to the last digit, whatever their order.
//!
//! A share has nine decimals, a price twelve, so that money, the product of both, has twenty-one and is never rounded. 128
//! bits hold 1.7e17 of it; [`LARGEST_MONEY`] leaves room for sums.

use serde_json::Value;

use crate::Result;
use crate::input;

/// A decimal number with so many decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Decimal<const SCALE: usize>(i128);

/// Shares.
pub type Shares = Decimal<SHARES>;
/// The price of a share.
pub type Price = Decimal<PRICE>;
/// Money.
pub type Money = Decimal<MONEY>;

const SHARES: usize = 9;
const PRICE: usize = 12;
const MONEY: usize = SHARES + PRICE;

/// The most money in one place: a thousand such amounts can still be added.
pub(super) const LARGEST_MONEY: f64 = 1e14;

/// The decimals of a cent.
const CENT: u32 = 2;

/// Basis points of a whole.
const POINTS: i128 = 10_000;

/// Decimals of a basis point that count.
const POINT_DECIMALS: u32 = 4;

/// What a number has to be, for an error.
const NUMBER: &str = "a number like 12345.67, at most 1e14 and without more than 9 decimals";

impl<const SCALE: usize> Decimal<SCALE> {
    /// Nothing.
    pub const ZERO: Self = Decimal(0);

    const ONE: i128 = 10_i128.pow(SCALE as u32);

    /// The decimal that a double stands for: the shortest one that is read as this double, 0.1 for 0.1, rounded to the decimals
    /// that there are.
    pub(super) fn from_f64(value: f64) -> Option<Self> {
        (value.abs() <= LARGEST_MONEY).then(|| Self::parse(&value.to_string(), true)).flatten()
    }

    /// Reads digits with a sign and a point; what is over the decimals is rounded, half away from zero, or refused.
    fn parse(text: &str, round: bool) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + part.len() == 0 || !all_digits(whole) || !all_digits(part) {
            return None;
        }
        let part = if round { part } else { part.trim_end_matches('0') };
        if part.len() > SCALE && !round {
            return None;
        }
        let kept = &part[..part.len().min(SCALE)];
        let up = part.as_bytes().get(SCALE).is_some_and(|digit| *digit >= b'5');
        let number = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
        let fraction = number(kept)?.checked_mul(10_i128.pow((SCALE - kept.len()) as u32))?;
        let size = number(whole)?.checked_mul(Self::ONE)?.checked_add(fraction + i128::from(up))?;
        Some(Decimal(if negative { -size } else { size }))
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / Self::ONE as f64
    }

    /// Its size.
    pub(super) fn abs(self) -> Self {
        Decimal(self.0.abs())
    }

    /// So many times as much; None where that is too much to be counted.
    pub(super) fn times(self, count: i64) -> Option<Self> {
        self.0.checked_mul(i128::from(count)).map(Decimal)
    }

    /// How many whole parts of a size it has.
    pub(super) fn whole(self, part: Self) -> i64 {
        i64::try_from(self.0 / part.0.max(1)).unwrap_or(i64::MAX)
    }
}

impl Shares {
    /// What they cost; None where that is too much to be counted.
    pub(super) fn at(self, price: Price) -> Option<Money> {
        self.0.checked_mul(price.0).map(Decimal)
    }

    /// The number of shares that a JSON number, or a text, says.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`].
    pub(super) fn read(argument: &'static str, ticker: &str, value: &Value) -> Result<Shares> {
        let shares = match value {
            Value::Number(number) => number.as_f64().and_then(|value| Self::parse(&value.to_string(), false)),
            Value::String(text) => Self::parse(text, false),
            _ => None,
        };
        let shares = shares.filter(|shares| shares.to_f64().abs() <= LARGEST_MONEY);
        shares.ok_or_else(|| input::invalid(argument, format!("{ticker}: {value}"), NUMBER))
    }
}

impl Money {
    /// Money as a number says it, 0 or over.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`].
    pub(super) fn of(argument: &'static str, value: f64) -> Result<Money> {
        let expected = "money, 0 or over and at most 1e14";
        let invalid = || input::invalid(argument, value, expected);
        Money::from_f64(value).filter(|money| *money >= Money::ZERO).ok_or_else(invalid)
    }

    /// The same, rounded to the cent, half away from zero.
    pub(super) fn to_the_cent(self) -> Money {
        self.rounded(10_i128.pow(MONEY as u32 - CENT))
    }

    fn rounded(self, unit: i128) -> Money {
        let half = unit / 2 * self.0.signum();
        Decimal((self.0 + half) / unit * unit)
    }

    /// So many basis points of it. Digits of a price's last decimal do not count, so that the product can be counted.
    pub(super) fn points(self, points: f64) -> Money {
        let shift = 10_i128.pow(SHARES as u32);
        let points = (points * 10_f64.powi(POINT_DECIMALS as i32)).round() as i128;
        Decimal(self.0 / shift * points / (POINTS * 10_i128.pow(POINT_DECIMALS)) * shift)
    }
}

impl<const SCALE: usize> std::ops::Add for Decimal<SCALE> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Decimal(self.0.saturating_add(other.0))
    }
}

impl<const SCALE: usize> std::ops::Sub for Decimal<SCALE> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Decimal(self.0.saturating_sub(other.0))
    }
}

impl<const SCALE: usize> std::ops::Neg for Decimal<SCALE> {
    type Output = Self;

    fn neg(self) -> Self {
        Decimal(-self.0)
    }
}

impl<const SCALE: usize> std::iter::Sum for Decimal<SCALE> {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, |sum, item| sum + item)
    }
}

/// All digits, without zeros at the end.
impl<const SCALE: usize> std::fmt::Display for Decimal<SCALE> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (size, one) = (self.0.unsigned_abs(), Self::ONE.unsigned_abs());
        let sign = if self.0 < 0 { "-" } else { "" };
        let part = format!("{:0width$}", size % one, width = SCALE);
        let part = part.trim_end_matches('0');
        write!(f, "{sign}{}{}{part}", size / one, if part.is_empty() { "" } else { "." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        Money::parse(text, false).unwrap()
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (value, text) in
            [(12345.67, "12345.67"), (0.1, "0.1"), (-3.0, "-3"), (1e-7, "0.0000001"), (0.0, "0")]
        {
            assert_eq!(Money::from_f64(value).unwrap().to_string(), text);
        }
        assert_eq!(Price::from_f64("19.739999999999998".parse().unwrap()).unwrap().to_string(), "19.74");
        for value in [f64::NAN, f64::INFINITY, 1e15] {
            assert_eq!(Money::from_f64(value), None);
        }
        for text in ["", ".", "-", "1e5", "1.2.3", "1 2", "0.0000000001", "NaN"] {
            assert_eq!(Shares::parse(text, false), None, "{text}");
        }
        assert_eq!(Shares::parse("2.50", false).unwrap().to_string(), "2.5");
    }

    #[test]
    fn a_tenth_thirty_times_is_three() {
        let sum: Money = std::iter::repeat_n(money("0.1"), 30).sum();
        assert_eq!(sum, money("3"));
        let shares = Shares::parse("0.333333333", false).unwrap();
        let price = Price::from_f64(0.000_000_000_003).unwrap();
        assert_eq!(shares.at(price).unwrap().to_string(), "0.000000000000999999999");
    }

    #[test]
    fn costs_are_rounded_to_the_cent_half_away_from_zero() {
        for (amount, points, cents) in [
            ("1005", 10.0, "1.01"),
            ("1004.9", 10.0, "1"),
            ("100", 0.5, "0.01"),
            ("99999999999999.99", 10_000.0, "99999999999999.99"),
        ] {
            assert_eq!(money(amount).points(points).to_the_cent().to_string(), cents, "{amount}");
        }
        assert_eq!((-money("0.005")).to_the_cent().to_string(), "-0.01");
    }
}
