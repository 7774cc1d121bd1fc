//! From a relation to a panel: any table or view with ticker, ts and close, read once by SPI as the calling user.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;

use folio_core::Error;
use folio_core::panel::{PricePanel, PriceRow, Series};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;
use pgrx::{PgRelation, PgTryBuilder, check_for_interrupts, pg_sys, spi};

use super::report::{Report, Result, SqlState};
use super::timestamp::from_postgres;

/// Rows fetched from the cursor at a time: enough to make the calls' cost small, few enough to keep memory flat.
const FETCH_ROWS: i64 = 10_000;

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

/// Reads the prices. The panel has a column per ticker asked for, also for those that have no rows.
///
/// # Errors
/// [`Error::MemoryLimit`] where they take more than `limit` bytes.
pub fn read(selection: &Selection, default_relation: &str, limit: usize) -> Result<PricePanel> {
    let rows = Source::open(selection.relation, default_relation)?.fetch(selection, limit)?;
    rows.map(|rows| panel(rows, selection)).map_err(|TooMany { bytes }| too_much_memory(bytes, limit))
}

/// Reads the prices and gives them to `each`: in one panel if they fit into `limit` bytes, else in several, one after the
/// other, each with the number of tickers in all.
pub fn read_in_batches(
    selection: &Selection,
    default_relation: &str,
    limit: usize,
    mut each: impl FnMut(PricePanel, usize) -> Result<()>,
) -> Result<()> {
    let source = Source::open(selection.relation, default_relation)?;
    if let Ok(rows) = source.fetch(selection, limit)? {
        let panel = panel(rows, selection);
        let tickers = panel.columns().len();
        return each(panel, tickers);
    }
    let tickers = match &selection.tickers {
        Some(tickers) => tickers.clone(),
        None => source.tickers(selection)?,
    };
    for batch in tickers.chunks((limit / most_bytes(selection.history)).max(1)) {
        let selection = Selection { tickers: Some(batch.to_vec()), ..selection.clone() };
        let rows = source.fetch(&selection, usize::MAX)?.unwrap_or_default();
        each(panel(rows, &selection), tickers.len())?;
    }
    Ok(())
}

fn panel(mut rows: Rows, selection: &Selection) -> PricePanel {
    let tickers = selection.tickers.clone().unwrap_or_else(|| {
        let mut all: Vec<String> = rows.keys().cloned().collect();
        all.sort_unstable();
        all
    });
    let column = |ticker: String| {
        let series = match rows.remove(&ticker) {
            Some(rows) => Series::new(ticker.clone(), rows, selection.history),
            None => Err(Error::UnknownTicker { ticker: ticker.clone() }),
        };
        (ticker, series)
    };
    PricePanel::new(tickers.into_iter().map(column).collect())
}

/// The rows of each ticker, as they come.
type Rows = HashMap<String, Vec<PriceRow>>;

/// The rows take more than the limit.
struct TooMany {
    /// What was read of them until then.
    bytes: usize,
}

/// How many bytes the rows of one ticker take at most while they are read: twice its history, see [`trim`], in a vector
/// that may have room for twice as many.
fn most_bytes(history: usize) -> usize {
    4 * history * size_of::<PriceRow>()
}

/// Drops the rows that are older than the newest `history` once there are twice as many, so that a long table does not
/// have to fit into memory. Gives the number of rows that it dropped.
fn trim(rows: &mut Vec<PriceRow>, history: usize) -> usize {
    if rows.len() < 2 * history {
        return 0;
    }
    // Stable, so that of two rows of one time the same are kept as by sorting all rows at the end.
    rows.sort_by_key(|row| row.ts);
    rows.drain(..rows.len() - history).len()
}

fn too_much_memory(need_bytes: usize, limit_bytes: usize) -> Report {
    Error::MemoryLimit { need_bytes, limit_bytes }.into()
}

/// A relation whose columns were checked.
struct Source {
    /// Its name, qualified and quoted.
    name: String,
    /// Whether the ticker column compares with text as it is, so that an index on it can be used.
    ticker_is_text: bool,
}

/// A column that the relation must have, and what its type may be.
struct Column {
    name: &'static str,
    expected: &'static str,
    accepts: fn(pg_sys::Oid) -> bool,
}

const COLUMNS: [Column; 3] = [
    Column { name: "ticker", expected: "text, varchar, char, name or an enum", accepts: is_text_like },
    Column { name: "ts", expected: "date, timestamp or timestamptz", accepts: is_time },
    Column { name: "close", expected: "a number", accepts: is_number },
];

impl Source {
    fn open(relation: Option<pg_sys::Oid>, default_relation: &str) -> Result<Source> {
        let relation = match relation {
            // SAFETY: on the main thread inside a transaction; the lock is held while the relation is open.
            Some(oid) => unsafe { PgRelation::with_lock(oid, pg_sys::AccessShareLock as pg_sys::LOCKMODE) },
            None => PgRelation::open_with_name_and_share_lock(default_relation)
                .map_err(|_| missing_relation(default_relation))?,
        };
        let name = spi::quote_qualified_identifier(relation.namespace(), relation.name());
        let columns = relation.tuple_desc();
        let mut ticker_is_text = false;
        for Column { name: column, expected, accepts } in COLUMNS {
            let found =
                columns.iter().find(|attribute| !attribute.attisdropped && attribute.name() == column);
            let found = found.ok_or_else(|| missing_column(&name, column))?;
            // SAFETY: a catalog lookup on the main thread inside a transaction.
            let type_oid = unsafe { pg_sys::getBaseType(found.atttypid) };
            if !accepts(type_oid) {
                return Err(wrong_type(&name, column, expected, found.atttypid));
            }
            ticker_is_text |= column == "ticker" && [pg_sys::TEXTOID, pg_sys::VARCHAROID].contains(&type_oid);
        }
        Ok(Source { name, ticker_is_text })
    }

    /// A query of what is selected, as a statement with its arguments.
    fn query(&self, selection: &Selection, columns: &str) -> (String, Vec<DatumWithOid<'static>>) {
        let mut arguments: Vec<DatumWithOid<'static>> = Vec::new();
        let mut conditions = vec!["ticker IS NOT NULL".to_owned()];
        if let Some(tickers) = &selection.tickers {
            arguments.push(tickers.clone().into());
            let ticker = if self.ticker_is_text { "ticker" } else { "ticker::text" };
            conditions.push(format!("{ticker} = ANY (${})", arguments.len()));
        }
        if let Some(as_of) = selection.as_of {
            arguments.push(as_of.into());
            conditions.push(format!("ts <= ${}", arguments.len()));
        }
        let select = format!("SELECT {columns} FROM {} WHERE {}", self.name, conditions.join(" AND "));
        (select, arguments)
    }

    /// The rows of each ticker, as they come, or that they take more than `limit` bytes.
    fn fetch(&self, selection: &Selection, limit: usize) -> Result<std::result::Result<Rows, TooMany>> {
        let (query, arguments) = self.query(selection, "ticker::text, ts::timestamp, close::float8");
        let history = selection.history;
        self.as_caller(|| fetch_rows(&query, &arguments, history, limit))
    }

    /// The tickers that have rows, sorted by name.
    fn tickers(&self, selection: &Selection) -> Result<Vec<String>> {
        let (query, arguments) = self.query(selection, "DISTINCT ticker::text");
        let mut tickers = self.as_caller(|| {
            let mut tickers = Vec::new();
            for_each_row(&query, &arguments, |row| {
                tickers.extend(row.get::<String>(1)?);
                Ok(true)
            });
            tickers
        })?;
        tickers.sort_unstable();
        Ok(tickers)
    }

    /// Runs a query; that the user may not read is reported with what to do.
    fn as_caller<T>(&self, query: impl FnOnce() -> T) -> Result<T> {
        let name = self.name.clone();
        let _snapshot = Snapshot::ensure();
        PgTryBuilder::new(AssertUnwindSafe(|| Ok(query())))
            .catch_when(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, move |cause| {
                Err(no_privilege(&name, cause))
            })
            .execute()
    }
}

/// A snapshot for a query where the caller has none: a procedure after COMMIT. It goes with the value, and with it what
/// the session holds back from VACUUM, so that models can train for long without doing that.
pub struct Snapshot {
    pushed: bool,
}

impl Snapshot {
    /// The caller's snapshot, or else a new one.
    pub fn ensure() -> Snapshot {
        // SAFETY: on the main thread inside a transaction; Drop takes off what is pushed here.
        unsafe {
            let pushed = !pg_sys::ActiveSnapshotSet();
            if pushed {
                pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            }
            Snapshot { pushed }
        }
    }

    /// Gives up the snapshot that a CALL has for as long as it runs, where it is the only one: whatever runs after it in
    /// the procedure takes a new one, since a COMMIT takes it away in the same manner. Not so a query's, for it goes on
    /// reading with it, and that of a CALL in a subtransaction is its own.
    pub fn release_that_of_call() {
        // SAFETY: on the main thread inside a statement. The server checks that no other snapshots are active.
        unsafe {
            let portal = pg_sys::ActivePortal;
            if !portal.is_null()
                && pg_sys::ActiveSnapshotSet()
                && (*portal).portalSnapshot == pg_sys::GetActiveSnapshot()
            {
                pg_sys::ForgetPortalSnapshots();
                pg_sys::InvalidateCatalogSnapshotConditionally();
            }
        }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // After an error the transaction's end takes off every snapshot, those on top of this one too.
        if self.pushed && !std::thread::panicking() {
            // SAFETY: on the main thread; what was pushed later is off again, as the values that did it are gone.
            unsafe {
                pg_sys::PopActiveSnapshot();
                // The catalogs' own snapshot would otherwise stay until the session is idle.
                pg_sys::InvalidateCatalogSnapshotConditionally();
            }
        }
    }
}

fn fetch_rows(
    query: &str,
    arguments: &[DatumWithOid<'static>],
    history: usize,
    limit: usize,
) -> std::result::Result<Rows, TooMany> {
    let mut rows = Rows::new();
    // A vector that grows may have room for twice its rows.
    let mut bytes: usize = 0;
    let row_bytes = 2 * size_of::<PriceRow>();
    for_each_row(query, arguments, |row| {
        let Some(ticker) = row.get::<&str>(1)? else { return Ok(true) };
        let price = PriceRow { ts: from_postgres(row.get(2)?), close: row.get(3)?.unwrap_or(f64::NAN) };
        match rows.get_mut(ticker) {
            Some(series) => {
                series.push(price);
                bytes -= row_bytes * trim(series, history);
            }
            None => drop(rows.insert(ticker.to_owned(), vec![price])),
        }
        bytes += row_bytes;
        Ok(bytes <= limit)
    });
    if bytes <= limit { Ok(rows) } else { Err(TooMany { bytes }) }
}

/// Calls `each` with every row of a query, until it says that it has enough.
fn for_each_row(
    query: &str,
    arguments: &[DatumWithOid<'static>],
    mut each: impl FnMut(&spi::SpiHeapTupleData<'_>) -> spi::Result<bool>,
) {
    Spi::connect(|client| {
        let mut cursor = client.open_cursor(query, arguments);
        loop {
            let batch = cursor.fetch(FETCH_ROWS)?;
            if batch.is_empty() {
                return Ok::<_, spi::Error>(());
            }
            for row in batch {
                if !each(&row)? {
                    return Ok(());
                }
            }
            // SAFETY: the batch was consumed and nothing borrowed from it is left; pgrx would keep it to the end.
            unsafe { pg_sys::SPI_freetuptable(pg_sys::SPI_tuptable) };
            check_for_interrupts!();
        }
    })
    .unwrap_or_else(|error: spi::Error| {
        let hint = "Please report it with this text.";
        Report::new(SqlState::INTERNAL_ERROR, "cannot read prices", error.to_string(), hint).raise()
    });
}

fn is_text_like(type_oid: pg_sys::Oid) -> bool {
    let (mut category, mut preferred) = (0, false);
    // SAFETY: a catalog lookup on the main thread; both pointers are valid.
    unsafe { pg_sys::get_type_category_preferred(type_oid, &mut category, &mut preferred) };
    [pg_sys::TYPCATEGORY_STRING, pg_sys::TYPCATEGORY_ENUM].contains(&(category as u8))
}

fn is_time(type_oid: pg_sys::Oid) -> bool {
    [pg_sys::DATEOID, pg_sys::TIMESTAMPOID, pg_sys::TIMESTAMPTZOID].contains(&type_oid)
}

fn is_number(type_oid: pg_sys::Oid) -> bool {
    use pg_sys::{FLOAT4OID, FLOAT8OID, INT2OID, INT4OID, INT8OID, NUMERICOID};
    [INT2OID, INT4OID, INT8OID, FLOAT4OID, FLOAT8OID, NUMERICOID].contains(&type_oid)
}

/// The way out of every problem with the relation.
fn view_hint(relation: &str) -> String {
    format!(
        "Make a view with the right names and types, for instance: CREATE VIEW my_prices AS SELECT symbol AS ticker, \
         day AS ts, adjusted_close AS close FROM {relation}; and set folio.prices = 'my_prices', or pass prices => 'my_prices'."
    )
}

fn missing_relation(relation: &str) -> Report {
    Report::new(
        SqlState::UNDEFINED_TABLE,
        format!("price relation \"{relation}\" does not exist"),
        "folio.prices names it; it must have the columns ticker, ts and close.",
        view_hint("my_table"),
    )
}

fn missing_column(relation: &str, column: &str) -> Report {
    Report::new(
        SqlState::UNDEFINED_COLUMN,
        format!("column \"{column}\" of price relation {relation} does not exist"),
        "A price relation has the columns ticker, ts and close.",
        view_hint(relation),
    )
}

fn wrong_type(relation: &str, column: &str, expected: &str, found: pg_sys::Oid) -> Report {
    // SAFETY: format_type_be returns a palloc'd C string for any oid.
    let found =
        unsafe { std::ffi::CStr::from_ptr(pg_sys::format_type_be(found)) }.to_string_lossy().into_owned();
    Report::new(
        SqlState::DATATYPE_MISMATCH,
        format!("column \"{column}\" of price relation {relation} has type {found}"),
        format!("Expected: {expected}."),
        view_hint(relation),
    )
}

fn no_privilege(relation: &str, cause: CaughtError) -> Report {
    let message = match cause {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report.message().to_owned(),
        CaughtError::RustPanic { ereport, .. } => ereport.message().to_owned(),
    };
    Report::new(
        SqlState::INSUFFICIENT_PRIVILEGE,
        message,
        format!("Prices are read as the calling user, from {relation}."),
        format!("GRANT SELECT ON {relation} to this role. {}", view_hint(relation)),
    )
}

/// The number of prices to keep of each ticker.
pub fn history(days: i32) -> Result<usize> {
    match usize::try_from(days) {
        Ok(days @ 2..) => Ok(days),
        _ => Err(Error::InvalidArgument {
            argument: "history",
            value: days.to_string(),
            expected: "at least 2 trading days".to_owned(),
        }
        .into()),
    }
}
