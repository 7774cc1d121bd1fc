//! Which constraints of a program bind.

/// On which side of its interval a weight or a row is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Inside,
    Lower,
    Upper,
}

/// Which bounds and rows bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActiveSet {
    pub(crate) bounds: Vec<Held>,
    pub(crate) rows: Vec<Held>,
}

/// A side of a bound or a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Bound(usize, Held),
    Row(usize, Held),
}
