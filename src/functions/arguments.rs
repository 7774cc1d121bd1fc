//! Arguments that several functions have.

use crate::backend::datum::Names;
use crate::backend::report::{Report, Result, SqlState};

/// The tickers in the order given, each once.
pub fn unique_tickers(tickers: Names) -> Result<Vec<String>> {
    let mut seen = std::collections::HashSet::new();
    let tickers = not_null("tickers", tickers)?;
    Ok(tickers.into_iter().filter(|ticker| seen.insert(ticker.clone())).collect())
}

/// The names, none of them NULL.
pub fn not_null(argument: &str, names: Names) -> Result<Vec<String>> {
    names.0.into_iter().collect::<Option<Vec<String>>>().ok_or_else(|| {
        Report::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            format!("{argument} must not contain NULL"),
            "An element of the array is NULL.",
            format!("Leave it out, or pass {argument} => NULL to take all."),
        )
    })
}

/// The value of an argument that has no default.
pub fn required<T>(argument: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| {
        Report::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            format!("{argument} must not be NULL"),
            "Given: NULL.",
            format!("Give a value: {argument} has no default."),
        )
    })
}
