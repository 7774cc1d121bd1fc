//! What the targets share. Each of them gives the engine what a stranger could, and holds it to what it promises of every
//! input: an answer of finite numbers or an error with a name and a text, no panic, and looks at the cancel flag as often
//! as `work.rs` says.

use std::cell::Cell;
use std::panic::Location;

use folio_core::Error;
use folio_core::task::Cancel;
use folio_core::work::{self, LONGEST_WAIT};

thread_local! {
    static LAST_LOOK: Cell<u64> = const { Cell::new(0) };
}

/// A flag that nobody sets and whose looks are never further apart than is promised.
pub fn watched() -> Cancel {
    LAST_LOOK.set(work::done());
    Cancel::watched(looked)
}

fn looked(place: &'static Location<'static>) {
    let (now, before) = (work::done(), LAST_LOOK.get());
    assert!(now - before <= LONGEST_WAIT, "{} units before the look at {place}", now - before);
    LAST_LOOK.set(now);
}

/// The value, if there is one. An error must be one that a user can read and act upon.
pub fn answer<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(!matches!(error, Error::Internal { .. } | Error::Cancelled), "{error:?}");
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

/// Every one of them is a number.
pub fn assert_finite<'a>(what: &str, values: impl IntoIterator<Item = &'a f64>) {
    for value in values {
        assert!(value.is_finite(), "{what}: {value}");
    }
}
