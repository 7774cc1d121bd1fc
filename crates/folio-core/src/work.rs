//! Work, counted: how much was computed on this thread, in numbers that are the same on every machine.
//!
//! A promise about time, such as the one of [`crate::task::Cancel::check`], cannot be tested by a clock: on another
//! processor, or beside somebody else's work, the clock says something else. So every loop that can be long, and every
//! call of a library that is, says how much it does; tests bound what is done between two looks at the flag.
//!
//! A unit is what takes about a nanosecond on the machine on which the costs were measured, in the dev profile;
//! `benches/looks.rs` has the clock beside the count.

use std::cell::Cell;

use crate::task::{Cancel, Cancelled};

/// The units between two looks at a cancel flag that are promised for portfolios of 500 tickers and forecasts of 1,000
/// days: 20 ms.
pub const LONGEST_WAIT: u64 = 20_000_000;

/// Multiply-adds of a product of matrices, or of a factorisation in blocks, that are a unit.
pub(crate) const PRODUCTS: usize = 8;

/// What is done between two looks of [`watched`].
const STRIDE: usize = 1_000_000;

thread_local! {
    static DONE: Cell<u64> = const { Cell::new(0) };
}

/// The units that were counted on this thread since it began.
pub fn done() -> u64 {
    DONE.get()
}

/// Counts work that is about to be done.
#[inline]
pub(crate) fn count(units: usize) {
    DONE.set(DONE.get().wrapping_add(units as u64));
}

/// Units for the multiply-adds of a product of matrices.
pub(crate) fn count_products(multiply_adds: usize) {
    count(multiply_adds / PRODUCTS);
}

/// The items of a loop that takes so many units for each, with a look at the flag before every millionth unit or so.
pub(crate) fn watched<I: IntoIterator>(
    items: I,
    units: usize,
    cancel: &Cancel,
) -> impl Iterator<Item = Result<I::Item, Cancelled>> {
    let mut since = STRIDE;
    items.into_iter().map(move |item| {
        if since >= STRIDE {
            cancel.check()?;
            since = 0;
        }
        since = since.saturating_add(units);
        count(units);
        Ok(item)
    })
}
