//! The prices that came after forecasts and weights, of somebody's relation.

use std::ops::ControlFlow;

use folio_core::panel::Times;
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;

use crate::backend::as_role::as_role;
use crate::backend::budget::{Held, HeldBy};
use crate::backend::datum::{Names, Text, limited};
use crate::backend::query::{self, Row};
use crate::backend::relation::{PriceRelation, stored};
use crate::backend::report::Result;

/// A ticker, a time and a price.
pub type PastPrice = (Text, Option<TimestampWithTimeZone>, Option<f64>);

/// Which prices, both ends included.
pub struct Span {
    pub tickers: Names,
    pub first: Option<TimestampWithTimeZone>,
    pub last: Option<TimestampWithTimeZone>,
    pub time_zone: Text,
}

/// Reads them with the rights of `role`, of which the caller must be a member.
///
/// # Errors
/// Where they take more than folio.memory_limit: a relation may have rows without end.
pub fn between(
    role: pg_sys::Oid,
    relation: &str,
    span: Span,
) -> Result<HeldBy<std::vec::IntoIter<PastPrice>>> {
    as_role(role, || {
        let statement = statement(&PriceRelation::find(Some(stored(relation)?), "")?);
        let Span { tickers, first, last, time_zone } = span;
        let tickers = tickers.0.into_iter().map(|ticker| ticker.map(Text)).collect::<Vec<_>>();
        // Instants have no use for the zone.
        let arguments: [DatumWithOid<'_>; 4] = [tickers.into(), first.into(), last.into(), time_zone.into()];
        let mut kept = Kept::default();
        query::read(&statement, &arguments, |row| kept.take(row).map(ControlFlow::Continue))?;
        Ok(kept.held.by(kept.rows.into_iter()))
    })
}

/// The rows, counted while they are read.
#[derive(Default)]
struct Kept {
    rows: Vec<PastPrice>,
    /// The letters of their tickers.
    letters: usize,
    /// The bytes that `held` has.
    counted: usize,
    held: Held,
}

/// The bytes that are counted at once.
const STEP: usize = 1 << 18;

impl Kept {
    fn take(&mut self, row: &Row<'_>) -> Result<()> {
        let ts = row.bigint(2).and_then(|ts| TimestampWithTimeZone::try_from(ts).ok());
        let ticker = row.text(1)?.unwrap_or_default();
        self.letters += ticker.len();
        // A vector that grows may have room for twice its rows.
        let bytes = 2 * (self.rows.len() + 1) * size_of::<PastPrice>() + self.letters;
        if bytes > self.counted {
            limited(bytes)?;
            let next = bytes.next_multiple_of(STEP);
            self.held.grow(next - self.counted)?;
            self.counted = next;
        }
        self.rows.push((Text(ticker), ts, row.float8(3)));
        Ok(())
    }
}

fn statement(PriceRelation { name, times, .. }: &PriceRelation) -> String {
    let ts = match times {
        Times::Instants => "ts::pg_catalog.timestamptz",
        Times::Written => "pg_catalog.timezone($4, ts::pg_catalog.timestamp)",
    };
    format!(
        "SELECT ticker::pg_catalog.text, {ts}, close::pg_catalog.float8 FROM {name}
         WHERE ticker::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1)
           AND ($2 IS NULL OR {ts} OPERATOR(pg_catalog.>=) $2) AND ($3 IS NULL OR {ts} OPERATOR(pg_catalog.<=) $3)"
    )
}
