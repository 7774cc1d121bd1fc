//! From a relation to a panel: any table or view with ticker, ts and close, read once as the calling user.

use std::collections::HashMap;
use std::ops::ControlFlow;

use folio_core::Error;
use folio_core::calendar::zone::Zone;
use folio_core::panel::{PricePanel, PriceRow, Series, Times};
use folio_core::sort;
use folio_core::task::Cancel;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::bounded::bounded;
use super::budget;
use super::datum::Text;
use super::encoding;
use super::pool;
use super::query;
use super::relation::{PriceRelation, no_privilege};
use super::report::{Report, Result, SqlState};
use super::server;
use super::settings::Settings;
use super::timestamp::from_micros;

/// The longest ticker, in bytes: longer than the longest identifiers of instruments, short enough that names need no memory
/// to speak of.
const MAX_TICKER_BYTES: usize = 1024;

/// How much of one that is longer an error shows.
const SHOWN_OF_TICKER: usize = 40;

/// What a ticker takes while its prices are read beside its letters and rows: its place in the map.
const TICKER_BYTES: usize = 128;

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
/// [`Error::MemoryLimit`] where they take more than `limit` bytes, names included.
pub fn read(selection: &Selection, settings: &Settings) -> Result<PricePanel> {
    let (zone, limit) = (settings.zone()?, settings.price_bytes());
    let source = PriceRelation::find(selection.relation, &settings.prices)?;
    match fetch(&source, selection, limit)? {
        Ok(rows) => panel(rows, selection, &source, zone.as_ref()),
        Err(TooMany { bytes }) => Err(too_much_memory(bytes, limit)),
    }
}

/// The rows of each ticker as they are, whatever is wrong with them.
pub struct RawPrices {
    /// The tickers with their newest rows, in no order, at least as many as the history where there are.
    pub tickers: Vec<(String, Vec<PriceRow>)>,
    /// What their times mean.
    pub times: Times,
    /// The zone that they are to be read in, if one was told.
    pub zone: Option<Zone>,
}

/// Reads the rows and checks nothing.
///
/// # Errors
/// [`Error::MemoryLimit`] where they take more than the limit, names included.
pub fn read_raw(selection: &Selection, settings: &Settings) -> Result<RawPrices> {
    let limit = settings.price_bytes();
    let source = PriceRelation::find(selection.relation, &settings.prices)?;
    let rows = fetch(&source, selection, limit)?;
    let mut rows = rows.map_err(|TooMany { bytes }| too_much_memory(bytes, limit))?;
    let tickers = tickers_in_order(&rows, selection);
    let with_rows = |ticker: String| {
        let rows = rows.remove(&ticker).unwrap_or_default();
        (ticker, rows)
    };
    Ok(RawPrices {
        tickers: tickers.into_iter().map(with_rows).collect(),
        times: source.times,
        zone: settings.zone()?.filter(|_| source.times == Times::Instants),
    })
}

/// Reads the prices and gives them to `each`: in one panel if they fit into half of what the call may take and all calls
/// have left, else in several, one after the other, each with the number of tickers in all.
pub fn read_in_batches(
    selection: &Selection,
    settings: &Settings,
    mut each: impl FnMut(PricePanel, usize) -> Result<()>,
) -> Result<()> {
    let (zone, limit) = (settings.zone()?, budget::room(settings.memory_limit) / 2);
    let source = PriceRelation::find(selection.relation, &settings.prices)?;
    if let Ok(rows) = fetch(&source, selection, limit)? {
        let panel = panel(rows, selection, &source, zone.as_ref())?;
        let tickers = panel.columns().len();
        return each(panel, tickers);
    }
    let tickers = match &selection.tickers {
        Some(tickers) => tickers.clone(),
        None => tickers_of(&source, selection, limit)?,
    };
    for batch in tickers.chunks((limit / most_bytes(selection.history)).max(1)) {
        let selection = Selection { tickers: Some(batch.to_vec()), ..selection.clone() };
        let rows = fetch(&source, &selection, usize::MAX)?.unwrap_or_default();
        each(panel(rows, &selection, &source, zone.as_ref())?, tickers.len())?;
    }
    Ok(())
}

/// The tickers asked for, or all that there are, sorted by name.
fn tickers_in_order(rows: &Rows, selection: &Selection) -> Vec<String> {
    selection.tickers.clone().unwrap_or_else(|| {
        let mut all: Vec<String> = rows.keys().cloned().collect();
        all.sort_unstable();
        all
    })
}

/// The panel of these rows. Instants are read in the zone that was told; what has no zone is its own calendar.
fn panel(
    mut rows: Rows,
    selection: &Selection,
    source: &PriceRelation,
    zone: Option<&Zone>,
) -> Result<PricePanel> {
    let zone = zone.filter(|_| source.times == Times::Instants);
    let cancel = pool::cancel_flag();
    let tickers = tickers_in_order(&rows, selection);
    let column = |ticker: String| {
        server::check_interrupts()?;
        let series = match rows.remove(&ticker) {
            Some(rows) => Series::in_zone(ticker.clone(), rows, selection.history, zone, &cancel)
                .map(|series| series.with_times(source.times)),
            None => Err(Error::UnknownTicker { ticker: ticker.clone() }),
        };
        match series {
            Err(Error::Cancelled) => Err(Error::Cancelled.into()),
            series => Ok((ticker, series)),
        }
    };
    Ok(PricePanel::new(tickers.into_iter().map(column).collect::<Result<_>>()?))
}

/// The rows of each ticker, as they come.
type Rows = HashMap<String, Vec<PriceRow>>;

/// The rows take more than the limit.
struct TooMany {
    /// What was read of them until then.
    bytes: usize,
}

/// How many bytes the rows of one ticker take at most while they are read: twice its history, see [`trim`], in a vector
/// that may have room for twice as many, and its name.
fn most_bytes(history: usize) -> usize {
    4 * history * size_of::<PriceRow>() + TICKER_BYTES + MAX_TICKER_BYTES
}

/// What the names of the tickers that are asked for take.
fn names_bytes(selection: &Selection) -> usize {
    let names = selection.tickers.iter().flatten();
    names.map(|name| TICKER_BYTES + name.len()).sum()
}

/// Drops the rows that are older than the newest `history` once there are twice as many, so that a long table does not
/// have to fit into memory. Gives the number of rows that it dropped.
fn trim(rows: &mut Vec<PriceRow>, history: usize, cancel: &Cancel) -> Result<usize> {
    if rows.len() < 2 * history {
        return Ok(0);
    }
    // Stable, so that of two rows of one time the same are kept as by sorting all rows at the end.
    sort::by_key(rows, |row| row.ts, cancel).map_err(Error::from)?;
    Ok(rows.drain(..rows.len() - history).len())
}

fn too_much_memory(need_bytes: usize, limit_bytes: usize) -> Report {
    Error::MemoryLimit { need_bytes, limit_bytes }.into()
}

/// A query of what is selected, as a statement with its arguments. Every operator and type is Postgres' own, whatever
/// somebody has put into a schema of the search_path; an index on a ticker of type varchar serves all the same.
fn statement(
    source: &PriceRelation,
    selection: &Selection,
    columns: &str,
) -> (String, Vec<DatumWithOid<'static>>) {
    let mut arguments: Vec<DatumWithOid<'static>> = Vec::new();
    let mut conditions = vec!["ticker IS NOT NULL".to_owned()];
    if let Some(tickers) = &selection.tickers {
        arguments.push(tickers.iter().cloned().map(Text).collect::<Vec<_>>().into());
        let position = arguments.len();
        conditions.push(format!("ticker::pg_catalog.text OPERATOR(pg_catalog.=) ANY (${position})"));
    }
    if let Some(as_of) = selection.as_of {
        arguments.push(as_of.into());
        conditions.push(format!("ts OPERATOR(pg_catalog.<=) ${}", arguments.len()));
    }
    (format!("SELECT {columns} FROM {} WHERE {}", source.name, conditions.join(" AND ")), arguments)
}

/// The rows of each ticker, as they come, or that they take more than `limit` bytes.
fn fetch(
    source: &PriceRelation,
    selection: &Selection,
    limit: usize,
) -> Result<std::result::Result<Rows, TooMany>> {
    let time = match source.times {
        Times::Instants => "pg_catalog.timestamptz",
        Times::Written => "pg_catalog.timestamp",
    };
    let columns = format!("ticker::pg_catalog.text, ts::{time}, close::pg_catalog.float8");
    let (statement, arguments) = statement(source, selection, &columns);
    let mut rows = Rows::new();
    // A vector that grows may have room for twice its rows.
    let (mut bytes, row_bytes) = (names_bytes(selection), 2 * size_of::<PriceRow>());
    budget::reserve(bytes.min(limit))?;
    let cancel = pool::cancel_flag();
    let read = query::read(&statement, &arguments, |row| {
        let Some(ticker) = row.bytes(1) else { return Ok(ControlFlow::Continue(())) };
        let ticker = encoding::from_server(ticker)?;
        let price = PriceRow { ts: from_micros(row.bigint(2)), close: row.float8(3).unwrap_or(f64::NAN) };
        match rows.get_mut(&*ticker) {
            Some(series) => {
                series.push(price);
                bytes -= row_bytes * trim(series, selection.history, &cancel)?;
            }
            None => {
                bytes += name_bytes(source, &ticker)?;
                drop(rows.insert(ticker.into_owned(), vec![price]));
            }
        }
        bytes += row_bytes;
        budget::reserve(bytes.min(limit))?;
        Ok(if bytes <= limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    });
    as_reader(source, read)?;
    Ok(if bytes <= limit { Ok(rows) } else { Err(TooMany { bytes }) })
}

/// The tickers that have rows, sorted by name.
fn tickers_of(source: &PriceRelation, selection: &Selection, limit: usize) -> Result<Vec<String>> {
    let (statement, arguments) = statement(source, selection, "DISTINCT ticker::pg_catalog.text");
    let (mut tickers, mut bytes) = (Vec::new(), 0);
    let read = query::read(&statement, &arguments, |row| {
        let Some(ticker) = row.text(1)? else { return Ok(ControlFlow::Continue(())) };
        bytes += name_bytes(source, &ticker)?;
        if bytes > limit {
            return Err(too_much_memory(bytes, limit));
        }
        budget::reserve(bytes)?;
        tickers.push(ticker);
        Ok(ControlFlow::Continue(()))
    });
    as_reader(source, read)?;
    tickers.sort_unstable();
    Ok(tickers)
}

/// What a name takes in memory, if it may be one.
fn name_bytes(source: &PriceRelation, ticker: &str) -> Result<usize> {
    if ticker.len() <= MAX_TICKER_BYTES {
        return Ok(TICKER_BYTES + 2 * ticker.len());
    }
    Err(Report::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("a ticker of price relation {} is too long", source.name),
        format!(
            "Found: \"{}\". At most {MAX_TICKER_BYTES} bytes are allowed.",
            bounded(ticker, SHOWN_OF_TICKER, 0)
        ),
        "Read from a view with a shorter ticker: an exchange's symbol, an ISIN or another identifier.",
    ))
}

/// That the user may not read is reported with what to do.
fn as_reader(source: &PriceRelation, read: Result<()>) -> Result<()> {
    read.map_err(|report| match report.state {
        SqlState::INSUFFICIENT_PRIVILEGE => no_privilege(&source.name, report),
        _ => report,
    })
}

/// More prices than memory has room for.
const MAX_HISTORY: usize = 1 << 40;

/// The number of prices to keep of each ticker.
pub fn history(days: i64) -> Result<usize> {
    match usize::try_from(days) {
        Ok(days @ 2..) => Ok(days.min(MAX_HISTORY)),
        _ => Err(Error::InvalidArgument {
            argument: "history",
            value: days.to_string(),
            expected: "at least 2 trading days".to_owned(),
        }
        .into()),
    }
}
