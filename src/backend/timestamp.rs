//! Times of the engine, microseconds from 1970-01-01, and those of Postgres, from 2000-01-01.

use folio_core::panel::{Times, Timestamp};
use pgrx::prelude::*;

/// Microseconds from 1970-01-01, the engine's origin, to 2000-01-01, Postgres'.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// The engine's time as Postgres' timestamp.
pub fn to_postgres(ts: Timestamp) -> pgrx::datum::Timestamp {
    pgrx::datum::Timestamp::saturating_from_raw(ts.0.saturating_sub(POSTGRES_EPOCH))
}

/// The time as a reader of this session sees it: an instant as it is, a day or a time without a zone as it is written, so
/// that a day stays that day in every session.
pub fn with_time_zone(ts: Timestamp, times: Times) -> TimestampWithTimeZone {
    match times {
        Times::Instants => in_utc(ts),
        Times::Written => to_postgres(ts).into(),
    }
}

/// The time as an instant; one without a zone is taken for UTC.
pub fn in_utc(ts: Timestamp) -> TimestampWithTimeZone {
    TimestampWithTimeZone::try_from(to_postgres(ts).into_inner())
        .unwrap_or_else(|_| TimestampWithTimeZone::positive_infinity())
}

/// The engine's time of Postgres' microseconds; NULL and the ends of the range stand for the one that no price may have.
pub fn from_micros(micros: Option<i64>) -> Timestamp {
    match micros {
        None | Some(i64::MIN) => Timestamp::MIN,
        Some(i64::MAX) => Timestamp::MAX,
        // Beyond the engine's range it saturates to the time that no price may have.
        Some(micros) => Timestamp(micros.saturating_add(POSTGRES_EPOCH)),
    }
}
