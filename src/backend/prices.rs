//! From a relation to a panel: any table or view with ticker, ts and close, read once as the calling user.

use std::collections::HashMap;
use std::ops::ControlFlow;

use folio_core::Error;
use folio_core::calendar::zone::Zone;
use folio_core::panel::{PricePanel, PriceRow, Series, Times};

use super::bounded::bounded;
use super::budget;
use super::collected::{Collected, TICKER_BYTES};
use super::encoding;
use super::newest;
use super::pool;
use super::query;
use super::relation::{PriceRelation, no_privilege};
use super::report::{Report, Result, SqlState};
pub use super::selection::Selection;
use super::selection::Statement;
use super::server;
use super::settings::Settings;
use super::snapshot::with_snapshot;
use super::timestamp::from_micros;

/// The longest ticker, in bytes: longer than the longest identifiers of instruments, short enough that names need no memory
/// to speak of.
const MAX_TICKER_BYTES: usize = 1024;

/// How much of one that is longer an error shows.
const SHOWN_OF_TICKER: usize = 40;

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
        let selection = selection.of(batch.to_vec());
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
    let mut columns: Vec<(String, folio_core::Result<Series>)> = Vec::with_capacity(tickers.len());
    let mut good: Option<usize> = None;
    for ticker in tickers {
        server::check_interrupts()?;
        let beside = good.and_then(|place| columns[place].1.as_ref().ok());
        let series = match rows.remove(&ticker) {
            Some(rows) => Series::beside(beside, ticker.clone(), rows, selection.history, zone, &cancel)
                .map(|series| series.with_times(source.times)),
            None => Err(Error::UnknownTicker { ticker: ticker.clone() }),
        };
        match series {
            Err(Error::Cancelled) => return Err(Error::Cancelled.into()),
            series => {
                good = if series.is_ok() { Some(columns.len()) } else { good };
                columns.push((ticker, series));
            }
        }
    }
    Ok(PricePanel::new(columns))
}

/// The rows of each ticker.
type Rows = HashMap<String, Vec<PriceRow>>;

/// The rows take more than the limit.
struct TooMany {
    /// What was read of them until then.
    bytes: usize,
}

/// How many bytes the rows of one ticker take at most while they are read: twice its history, see [`Collected`], in a
/// vector that may have room for twice as many, and its name.
fn most_bytes(history: usize) -> usize {
    4 * history * size_of::<PriceRow>() + TICKER_BYTES + MAX_TICKER_BYTES
}

/// What the names of the tickers that are asked for take.
fn names_bytes(selection: &Selection) -> usize {
    let names = selection.tickers.iter().flatten();
    names.map(|name| TICKER_BYTES + name.len()).sum()
}

fn too_much_memory(need_bytes: usize, limit_bytes: usize) -> Report {
    Error::MemoryLimit { need_bytes, limit_bytes }.into()
}

/// The rows of each ticker, at least as many of the newest as the history where there are, or that they take more than
/// `limit` bytes.
fn fetch(
    source: &PriceRelation,
    selection: &Selection,
    limit: usize,
) -> Result<std::result::Result<Rows, TooMany>> {
    // One snapshot for all statements.
    let rows = with_snapshot(|| {
        if newest::by_index(source, selection)? {
            return fetch_newest(source, selection, limit);
        }
        let mut rows = Collected::new(selection.history, names_bytes(selection));
        collect(source, selection.rows(source), &mut rows, limit)?;
        Ok(rows)
    })?;
    Ok(if rows.bytes() <= limit { Ok(rows.by_ticker()?) } else { Err(TooMany { bytes: rows.bytes() }) })
}

/// The same by an index, so that no older rows are read, except those of tickers whose newest do not show which they are.
fn fetch_newest(source: &PriceRelation, selection: &Selection, limit: usize) -> Result<Collected> {
    let selection = match &selection.tickers {
        Some(_) => selection.clone(),
        None => match names_of(source, Selection::names_by_index(source), limit)? {
            Ok(names) => selection.of(names),
            Err(TooMany { bytes }) => return Ok(Collected::new(selection.history, bytes)),
        },
    };
    let mut rows = Collected::new(selection.history, names_bytes(&selection));
    collect(source, selection.newest(source), &mut rows, limit)?;
    if rows.bytes() <= limit {
        let odd = rows.settle()?;
        if !odd.is_empty() {
            collect(source, selection.of(odd).rows(source), &mut rows, limit)?;
        }
    }
    Ok(rows)
}

/// Reads rows, until they take more than `limit` bytes.
fn collect(source: &PriceRelation, statement: Statement, rows: &mut Collected, limit: usize) -> Result<()> {
    budget::reserve(rows.bytes().min(limit))?;
    let cancel = pool::cancel_flag();
    let (statement, arguments) = statement;
    let read = query::read(&statement, &arguments, |row| {
        let Some(ticker) = row.bytes(1) else { return Ok(ControlFlow::Continue(())) };
        let price = PriceRow { ts: from_micros(row.bigint(2)), close: row.float8(3).unwrap_or(f64::NAN) };
        let place = match rows.place(ticker) {
            Some(place) => place,
            None => rows.insert(ticker, name_bytes(source, &encoding::from_server(ticker)?)?),
        };
        rows.push(place, price, &cancel)?;
        budget::reserve(rows.bytes().min(limit))?;
        Ok(if rows.bytes() <= limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    });
    as_reader(source, read)
}

/// The tickers that have rows, sorted by name.
fn tickers_of(source: &PriceRelation, selection: &Selection, limit: usize) -> Result<Vec<String>> {
    let by_index = selection.tickers.is_none() && newest::by_index(source, selection)?;
    let statement = if by_index { Selection::names_by_index(source) } else { selection.names(source) };
    let names = names_of(source, statement, limit)?;
    let mut names = names.map_err(|TooMany { bytes }| too_much_memory(bytes, limit))?;
    names.sort_unstable();
    Ok(names)
}

/// The names that a statement reads.
fn names_of(
    source: &PriceRelation,
    statement: Statement,
    limit: usize,
) -> Result<std::result::Result<Vec<String>, TooMany>> {
    let (mut names, mut bytes) = (Vec::new(), 0);
    let (statement, arguments) = statement;
    let read = query::read(&statement, &arguments, |row| {
        let Some(name) = row.text(1)? else { return Ok(ControlFlow::Continue(())) };
        bytes += TICKER_BYTES + name_bytes(source, &name)?;
        if bytes > limit {
            return Ok(ControlFlow::Break(()));
        }
        budget::reserve(bytes)?;
        names.push(name);
        Ok(ControlFlow::Continue(()))
    });
    as_reader(source, read)?;
    Ok(if bytes > limit { Err(TooMany { bytes }) } else { Ok(names) })
}

/// What a name takes in memory, if it may be one.
fn name_bytes(source: &PriceRelation, ticker: &str) -> Result<usize> {
    if ticker.len() <= MAX_TICKER_BYTES {
        return Ok(2 * ticker.len());
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
