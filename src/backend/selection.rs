//! Which prices to read, and the statements that read them. Every operator and type is Postgres' own, whatever somebody has
//! put into a schema of the search_path; an index on a ticker of type varchar serves all the same.

use folio_core::panel::Times;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::datum::Text;
use super::relation::PriceRelation;

/// Which prices to read.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The relation; None takes the one that folio.prices names.
    pub relation: Option<pg_sys::Oid>,
    /// The tickers, each once, in the order of the result; None takes all, sorted by name.
    pub tickers: Option<Vec<String>>,
    /// Only rows up to this time.
    pub as_of: Option<TimestampWithTimeZone>,
    /// How many of the newest rows of each ticker are kept.
    pub history: usize,
}

/// A statement with its arguments.
pub type Statement = (String, Vec<DatumWithOid<'static>>);

impl Selection {
    /// The same of these tickers.
    pub fn of(&self, tickers: Vec<String>) -> Selection {
        Selection { tickers: Some(tickers), ..self.clone() }
    }

    /// Every row, in any order: ticker, ts and close.
    pub fn rows(&self, source: &PriceRelation) -> Statement {
        self.every(source, &columns(source))
    }

    /// The tickers that have rows.
    pub fn names(&self, source: &PriceRelation) -> Statement {
        self.every(source, &format!("DISTINCT {TICKER}"))
    }

    fn every(&self, source: &PriceRelation, columns: &str) -> Statement {
        let mut arguments: Vec<DatumWithOid<'static>> = Vec::new();
        let mut conditions = vec!["price.ticker IS NOT NULL".to_owned()];
        if let Some(tickers) = &self.tickers {
            arguments.push(texts(tickers));
            conditions.push(format!("{TICKER} OPERATOR(pg_catalog.=) ANY ($1)"));
        }
        conditions.extend(self.until(&mut arguments));
        let (name, conditions) = (&source.name, conditions.join(" AND "));
        (format!("SELECT {columns} FROM {name} AS price WHERE {conditions}"), arguments)
    }

    /// The newest rows of each of its tickers, those of one ticker together and newest first; rows without a time come
    /// before them. One more than the history, which shows whether the oldest shares its time with the one before.
    ///
    /// The tickers are DISTINCT, which they are anyway: the planner then knows that no result is worth being kept for a
    /// ticker that comes again.
    pub fn newest(&self, source: &PriceRelation) -> Statement {
        let mut arguments = vec![texts(self.tickers.as_deref().unwrap_or_default())];
        let newest = self.newest_of("asked.name", source, &mut arguments);
        let asked = "(SELECT DISTINCT name FROM pg_catalog.unnest($1) AS name) AS asked";
        (format!("SELECT newest.* FROM {asked} CROSS JOIN LATERAL ({newest}) AS newest"), arguments)
    }

    /// The part of [`Selection::newest`] that reads the rows of one ticker, whichever that is.
    pub fn newest_of_one(&self, source: &PriceRelation) -> Statement {
        let mut arguments = vec![Text::default().into()];
        (self.newest_of("(SELECT $1)", source, &mut arguments), arguments)
    }

    fn newest_of(
        &self,
        ticker: &str,
        source: &PriceRelation,
        arguments: &mut Vec<DatumWithOid<'static>>,
    ) -> String {
        let until = self.until(arguments).map(|until| format!(" AND {until}")).unwrap_or_default();
        format!(
            "SELECT {} FROM {} AS price WHERE {TICKER} OPERATOR(pg_catalog.=) {ticker}{until} \
             ORDER BY price.ts DESC LIMIT {}",
            columns(source),
            source.name,
            self.history.saturating_add(1)
        )
    }

    /// The tickers that there are, each found in an index from the one before it: an index of as many rows as there are
    /// days and tickers is not read whole for the names in it.
    pub fn names_by_index(source: &PriceRelation) -> Statement {
        let first = format!(
            "SELECT {TICKER} FROM {} AS price WHERE price.ticker IS NOT NULL ORDER BY {TICKER} LIMIT 1",
            source.name
        );
        let next = format!(
            "SELECT {TICKER} FROM {} AS price WHERE {TICKER} OPERATOR(pg_catalog.>) found.name ORDER BY {TICKER} LIMIT 1",
            source.name
        );
        let statement = format!(
            "WITH RECURSIVE found(name) AS (({first}) UNION ALL \
             SELECT ({next}) FROM found WHERE found.name IS NOT NULL) \
             SELECT found.name FROM found WHERE found.name IS NOT NULL"
        );
        (statement, Vec::new())
    }

    /// The condition on the time, if there is one.
    fn until(&self, arguments: &mut Vec<DatumWithOid<'static>>) -> Option<String> {
        arguments.push(self.as_of?.into());
        Some(format!("price.ts OPERATOR(pg_catalog.<=) ${}", arguments.len()))
    }
}

/// The ticker of a row as the engine knows it.
const TICKER: &str = "price.ticker::pg_catalog.text";

/// What is read of a row.
fn columns(source: &PriceRelation) -> String {
    let time = match source.times {
        Times::Instants => "pg_catalog.timestamptz",
        Times::Written => "pg_catalog.timestamp",
    };
    format!("{TICKER}, price.ts::{time}, price.close::pg_catalog.float8")
}

fn texts(tickers: &[String]) -> DatumWithOid<'static> {
    tickers.iter().cloned().map(Text).collect::<Vec<_>>().into()
}
