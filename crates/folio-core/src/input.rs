//! How arguments are read: names from a list, finite numbers in a range, the keys of an object. Whoever validates an
//! argument does it with these, so that every error names it, what was given and what would be accepted.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::{Error, Result};

/// The largest number whose square, in a sum of many, is a number: what is computed from larger ones may be infinite.
pub(crate) const LARGEST: f64 = 1e150;

/// The error of an argument that is not what it should be.
pub(crate) fn invalid(argument: &'static str, value: impl ToString, expected: impl Into<String>) -> Error {
    Error::InvalidArgument { argument, value: value.to_string(), expected: expected.into() }
}

/// The error of a name that is not in its list.
pub(crate) fn unknown<'a>(kind: &'static str, name: &str, valid: impl IntoIterator<Item = &'a str>) -> Error {
    Error::UnknownName { kind, name: name.to_owned(), valid: valid.into_iter().map(str::to_owned).collect() }
}

/// What this name stands for in a list of names.
///
/// # Errors
/// [`Error::UnknownName`] with the valid names.
pub(crate) fn choose<T: Copy>(kind: &'static str, name: &str, all: &[(&str, T)]) -> Result<T> {
    let found = all.iter().find(|(known, _)| *known == name.trim()).map(|(_, value)| *value);
    found.ok_or_else(|| unknown(kind, name, all.iter().map(|(name, _)| *name)))
}

/// The key of a list that this one is.
///
/// # Errors
/// [`Error::UnknownName`] with the valid keys.
pub(crate) fn key(kind: &'static str, key: &str, valid: &[&'static str]) -> Result<&'static str> {
    let known = valid.iter().find(|known| **known == key).copied();
    known.ok_or_else(|| unknown(kind, key, valid.iter().copied()))
}

/// Fails for an object with a key that is not in the list.
///
/// # Errors
/// [`Error::UnknownName`] with the valid keys.
pub(crate) fn only_keys(
    kind: &'static str,
    object: &Map<String, Value>,
    valid: &[&'static str],
) -> Result<()> {
    object.keys().try_for_each(|name| key(kind, name, valid).map(drop))
}

/// An object; `expected` says what it should look like.
pub(crate) fn object<'a>(
    argument: &'static str,
    value: &'a Value,
    expected: &str,
) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| invalid(argument, value, expected))
}

/// A finite number.
pub(crate) fn finite(argument: &'static str, value: &Value) -> Result<f64> {
    let number = value.as_f64().filter(|number| number.is_finite());
    number.ok_or_else(|| invalid(argument, value, "a finite number"))
}

/// An object of finite numbers by ticker.
pub(crate) fn numbers(argument: &'static str, value: &Value) -> Result<BTreeMap<String, f64>> {
    let object = object(argument, value, "an object of numbers, like {\"AAPL\": 0.1}")?;
    let named = |(key, value): (&String, &Value)| {
        let number = value.as_f64().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| invalid(argument, format!("{key}: {value}"), "a finite number"));
        Ok((key.clone(), number?))
    };
    object.iter().map(named).collect()
}

/// A number that must be finite and valid; `expected` says what that is.
pub(crate) fn within(
    argument: &'static str,
    value: f64,
    valid: impl Fn(f64) -> bool,
    expected: &str,
) -> Result<f64> {
    if value.is_finite() && valid(value) { Ok(value) } else { Err(invalid(argument, value, expected)) }
}

/// A whole number of `unit` in a range, from the wider type in which callers pass it.
pub(crate) fn whole(
    argument: &'static str,
    value: i64,
    range: RangeInclusive<i64>,
    unit: &str,
) -> Result<usize> {
    let number = usize::try_from(value).ok().filter(|_| range.contains(&value));
    let (low, high) = range.into_inner();
    number.ok_or_else(|| invalid(argument, value, format!("{low} to {high}{unit}")))
}

/// A name.
pub(crate) fn name<'a>(argument: &'static str, value: &'a Value) -> Result<&'a str> {
    value.as_str().ok_or_else(|| invalid(argument, value, "a name"))
}

/// A whole number, 1 or over.
pub(crate) fn count(argument: &'static str, value: &Value) -> Result<usize> {
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok()).filter(|&count| count > 0);
    count.ok_or_else(|| invalid(argument, value, "a whole number, 1 or over"))
}

/// True or false.
pub(crate) fn boolean(argument: &'static str, value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| invalid(argument, value, "true or false"))
}

/// The first few names, for a message.
pub(crate) fn listed(names: &[String]) -> String {
    const LISTED: usize = 10;
    let mut text = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(", ...");
    }
    text
}
