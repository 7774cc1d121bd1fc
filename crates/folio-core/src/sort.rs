//! Sorting what may be long, with looks at the cancel flag.

use crate::task::{Cancel, Cancelled};
use crate::work;

/// How many items are sorted at once: a few milliseconds of work.
const RUN: usize = 1 << 16;

/// Work for an item of a run that is sorted, of one that is merged, and of one that is only looked at.
const UNITS_SORTED: usize = 60;
const UNITS_MERGED: usize = 8;
const UNITS_SEEN: usize = 2;

/// Sorts by a key; items of one key keep their order.
///
/// # Errors
/// [`Cancelled`]; the items are all there then, in some order.
pub fn by_key<T: Copy, K: Ord>(
    items: &mut Vec<T>,
    key: impl Fn(&T) -> K,
    cancel: &Cancel,
) -> Result<(), Cancelled> {
    if is_sorted(items, &key, cancel)? {
        return Ok(());
    }
    for run in items.chunks_mut(RUN) {
        cancel.check()?;
        work::count(run.len() * UNITS_SORTED);
        run.sort_by_key(&key);
    }
    let mut width = RUN;
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        for pair in items.chunks(2 * width) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(left, right, &key, &mut merged, cancel)?;
        }
        *items = merged;
        width *= 2;
    }
    Ok(())
}

fn is_sorted<T, K: Ord>(items: &[T], key: impl Fn(&T) -> K, cancel: &Cancel) -> Result<bool, Cancelled> {
    for pair in work::watched(items.windows(2), UNITS_SEEN, cancel) {
        let pair = pair?;
        if key(&pair[0]) > key(&pair[1]) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Puts two sorted runs behind `merged`; of one key, those of the left run come first.
fn merge<'a, T: Copy, K: Ord>(
    mut left: &'a [T],
    mut right: &'a [T],
    key: impl Fn(&T) -> K,
    merged: &mut Vec<T>,
    cancel: &Cancel,
) -> Result<(), Cancelled> {
    for step in work::watched(0..left.len() + right.len(), UNITS_MERGED, cancel) {
        step?;
        let from = match (left.first(), right.first()) {
            (Some(l), Some(r)) if key(r) < key(l) => &mut right,
            (Some(_), _) => &mut left,
            (None, _) => &mut right,
        };
        if let Some((first, rest)) = from.split_first() {
            merged.push(*first);
            *from = rest;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scattered(count: usize) -> Vec<(u64, usize)> {
        (0..count).map(|i| ((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 50, i)).collect()
    }

    #[test]
    fn it_sorts_as_the_standard_library_does() {
        for count in [0, 1, 2, 3, 1_000, RUN - 1, RUN, RUN + 1, 3 * RUN + 7, 5 * RUN] {
            let mut items = scattered(count);
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            by_key(&mut items, |item| item.0, &Cancel::default()).expect("nobody cancels");
            assert!(items == expected, "{count} items");
        }
    }

    #[test]
    fn it_stops_when_it_is_asked_to_and_loses_nothing() {
        let mut items = scattered(3 * RUN);
        let cancel = Cancel::default();
        cancel.cancel();
        assert_eq!(by_key(&mut items, |item| item.0, &cancel), Err(Cancelled));
        items.sort_by_key(|item| item.1);
        assert!(items.iter().enumerate().all(|(i, item)| item.1 == i));
    }
}
