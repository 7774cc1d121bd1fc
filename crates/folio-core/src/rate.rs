//! Rates and shares as people write them: returns, volatilities, weights and the sums of weights.
//!
//! Each is a share of one: 0.05, or, as a text, `5 %`. Who forgets the percent sign writes a hundred times as much. From a
//! size on that no return, risk or weight has, a number can be nothing else, and is refused with what to write instead;
//! with its sign a number means what it says, however large. Here alone stand the sizes and the words.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Result;
use crate::input::{self, LARGEST};

/// What is written as a rate or a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A return a year.
    Return,
    /// A volatility or a tracking error a year, and the interest on cash.
    Risk,
    /// The weight of a ticker or of a group.
    Weight,
    /// A sum of weights by their size: turnover, leverage.
    Sum,
    /// What has a range of its own, which whoever reads it checks: a confidence, a cost, a budget.
    Part,
}

impl Kind {
    /// The size from which on a number without a percent sign has lost it.
    fn limit(self) -> f64 {
        match self {
            // 1 % would be 100 % a year, more than any portfolio is held for.
            Kind::Risk => 1.0,
            // Single stocks have doubled in a year, and a leveraged position is over one.
            Kind::Return | Kind::Weight => 2.0,
            // All bought anew is a turnover of two, a fund of 200 % long and 100 % short a leverage of three.
            Kind::Sum => 5.0,
            Kind::Part => f64::INFINITY,
        }
    }

    /// The number, or why it is none.
    ///
    /// # Errors
    /// The number without its percent sign.
    pub(crate) fn require(self, written: Written) -> Result<f64, Forgotten> {
        let too_large = written.number.abs() >= self.limit() && !written.has_sign;
        if too_large { Err(Forgotten(written.number)) } else { Ok(written.number) }
    }
}

/// A number as it is written, the percent sign worked in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Written {
    number: f64,
    has_sign: bool,
}

impl Written {
    /// The same, known to be what it says without a sign.
    pub(crate) fn meant(self) -> Written {
        Written { has_sign: true, ..self }
    }

    /// The number, whatever it is of.
    pub(crate) fn number(self) -> f64 {
        self.number
    }
}

/// A number that has lost its percent sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Forgotten(f64);

impl Forgotten {
    /// What to write instead where texts stand.
    pub(crate) fn in_text(self) -> String {
        let Forgotten(number) = self;
        format!("{number} alone is {} %; write {number} % or {}", number * PERCENT, number / PERCENT)
    }

    /// What to write instead in JSON, where a percent sign makes a text.
    fn in_json(self) -> String {
        let Forgotten(number) = self;
        format!("\"{number} %\" or {} ({number} alone is {} %)", number / PERCENT, number * PERCENT)
    }

    /// What to write instead where only a number can stand.
    fn as_number(self) -> String {
        let Forgotten(number) = self;
        format!("{} for {number} % ({number} alone is {} %)", number / PERCENT, number * PERCENT)
    }
}

const PERCENT: f64 = 100.0;

/// Reads a number that can be computed with, with a percent sign or without.
pub(crate) fn parse(text: &str) -> Option<Written> {
    // The typographic minus too, since texts are pasted from documents.
    let text = text.trim().replace('\u{2212}', "-");
    // Divided, not multiplied by 0.01: so 7% is the same double as 0.07.
    let (digits, divisor) = match text.strip_suffix('%') {
        Some(digits) => (digits.trim_end(), PERCENT),
        None => (text.as_str(), 1.0),
    };
    // Rust also reads "inf" and "nan", which are names.
    let is_number = digits.contains(|letter: char| letter.is_ascii_digit());
    let number = digits.parse().ok().filter(|number: &f64| is_number && number.abs() <= LARGEST)?;
    Some(Written { number: number / divisor, has_sign: divisor != 1.0 })
}

/// What a number or a text of JSON says.
pub(crate) fn written(value: &Value) -> Option<Written> {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| number.abs() <= LARGEST)?;
            Some(Written { number, has_sign: false })
        }
        Value::String(text) => parse(text),
        _ => None,
    }
}

/// What a value that is none of these should have been.
const EXPECTED: &str = "a number like 0.05 of at most 1e150, or a text like \"5 %\"";

/// A rate or a share of JSON, `0.05` or `"5 %"`.
///
/// # Errors
/// [`crate::Error::InvalidArgument`].
pub(crate) fn read(argument: &'static str, kind: Kind, value: &Value) -> Result<f64> {
    let written = written(value).ok_or_else(|| input::invalid(argument, value, EXPECTED))?;
    kind.require(written).map_err(|forgotten| input::invalid(argument, value, forgotten.in_json()))
}

/// Rates or shares by ticker or by group, `{"AAPL": 0.05, "MSFT": "5 %"}`.
///
/// # Errors
/// [`crate::Error::InvalidArgument`].
pub(crate) fn by_name(argument: &'static str, kind: Kind, value: &Value) -> Result<BTreeMap<String, f64>> {
    let object = input::object(argument, value, "an object of numbers, like {\"AAPL\": 0.1}")?;
    let named = |(name, value): (&String, &Value)| {
        let given = || format!("{name}: {value}");
        let written = written(value).ok_or_else(|| input::invalid(argument, given(), EXPECTED))?;
        let number = kind.require(written);
        let number = number.map_err(|forgotten| input::invalid(argument, given(), forgotten.in_json()))?;
        Ok((name.clone(), number))
    };
    object.iter().map(named).collect()
}

/// A rate or a share that is given as a number.
///
/// # Errors
/// [`crate::Error::InvalidArgument`].
pub(crate) fn number(argument: &'static str, kind: Kind, value: f64) -> Result<f64> {
    let value = input::within(argument, value, |_| true, "a finite number like 0.05")?;
    let written = Written { number: value, has_sign: false };
    kind.require(written).map_err(|forgotten| input::invalid(argument, value, forgotten.as_number()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Error;

    #[test]
    fn numbers_are_shares_and_texts_may_have_a_percent_sign() {
        for (value, expected) in [
            (json!(0.05), Some(0.05)),
            (json!("0.05"), Some(0.05)),
            (json!("7%"), Some(0.07)),
            (json!(" -5 % "), Some(-0.05)),
            (json!("\u{2212}5 %"), Some(-0.05)),
            (json!("1e-2"), Some(0.01)),
            (json!("900 %"), Some(9.0)),
            (json!("1 2 %"), None),
            (json!("5 % %"), None),
            (json!("%"), None),
            (json!("inf"), None),
            (json!("1e999"), None),
            (json!(1e200), None),
            (json!(null), None),
            (json!(true), None),
        ] {
            assert_eq!(read("a", Kind::Weight, &value).ok(), expected, "{value}");
        }
    }

    #[test]
    fn a_forgotten_percent_sign_is_refused_with_what_to_write() {
        let hint = |kind: Kind, value: f64| match read("max_weight", kind, &json!(value)) {
            Err(Error::InvalidArgument { argument: "max_weight", expected, .. }) => Some(expected),
            Ok(number) => {
                assert_eq!(number, value);
                None
            }
            other => panic!("{other:?}"),
        };
        let wanted = "\"40 %\" or 0.4 (40 alone is 4000 %)";
        assert_eq!(hint(Kind::Weight, 40.0).as_deref(), Some(wanted));
        for (kind, good, bad) in [
            (Kind::Return, 1.9, 2.0),
            (Kind::Risk, 0.99, 1.0),
            (Kind::Weight, -1.5, -2.0),
            (Kind::Sum, 3.0, 5.0),
        ] {
            assert!(hint(kind, good).is_none() && hint(kind, bad).is_some(), "{kind:?}");
        }
        assert!(hint(Kind::Part, 1e9).is_none());
        let named = by_name("prior", Kind::Return, &json!({ "AAPL": 10, "MSFT": "10 %" }));
        let wanted =
            |value: &str, expected: &str| value == "AAPL: 10" && expected.starts_with("\"10 %\" or 0.1 ");
        assert!(
            matches!(&named, Err(Error::InvalidArgument { value, expected, .. }) if wanted(value, expected))
        );
        let rate = number("risk_free_rate", Kind::Risk, 2.0);
        assert!(
            matches!(rate, Err(Error::InvalidArgument { expected, .. }) if expected.starts_with("0.02 for 2 %"))
        );
        assert!(number("risk_free_rate", Kind::Risk, f64::NAN).is_err());
    }
}
