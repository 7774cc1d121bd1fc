//! The rows of each ticker while they are read: found without hashing their names again and again, and no more kept than
//! the history needs.

use std::collections::HashMap;

use folio_core::Error;
use folio_core::panel::{PriceRow, Timestamp};
use folio_core::sort;
use folio_core::task::Cancel;

use super::encoding;
use super::report::Result;
use super::server;

/// What a ticker takes beside its letters and rows: its places in the list and in the map.
pub const TICKER_BYTES: usize = 192;

/// What a row takes: a vector that grows may have room for twice its rows.
const ROW_BYTES: usize = 2 * size_of::<PriceRow>();

/// The rows of each ticker, as they come.
pub struct Collected {
    tickers: Vec<Ticker>,
    places: HashMap<Box<[u8]>, usize>,
    /// Whose row came last.
    last: usize,
    /// How many of the newest rows of each ticker are needed.
    history: usize,
    bytes: usize,
}

struct Ticker {
    /// Its name in the server's encoding.
    name: Box<[u8]>,
    rows: Vec<PriceRow>,
    /// Rows before this time are older than the history.
    from: Timestamp,
    /// Whose row came after this ticker's last one. Tables are sorted by ticker or by time, so it mostly comes again.
    next: usize,
}

impl Collected {
    /// Nothing yet, beside `bytes` that the names take which are asked for.
    pub fn new(history: usize, bytes: usize) -> Collected {
        Collected { tickers: Vec::new(), places: HashMap::new(), last: 0, history, bytes }
    }

    /// How many bytes all of it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The place of a ticker that has had a row.
    pub fn place(&mut self, name: &[u8]) -> Option<usize> {
        let guess = self.tickers.get(self.last)?.next;
        if *self.tickers[guess].name == *name {
            return Some(guess);
        }
        self.places.get(name).copied()
    }

    /// The place of a new ticker, whose name takes so many bytes.
    pub fn insert(&mut self, name: &[u8], bytes: usize) -> usize {
        let place = self.tickers.len();
        self.bytes += TICKER_BYTES + bytes;
        self.places.insert(name.into(), place);
        self.tickers.push(Ticker { name: name.into(), rows: Vec::new(), from: Timestamp::MIN, next: place });
        place
    }

    /// Adds a row of the ticker at a place.
    pub fn push(&mut self, place: usize, row: PriceRow, cancel: &Cancel) -> Result<()> {
        self.tickers[self.last].next = place;
        self.last = place;
        let ticker = &mut self.tickers[place];
        if row.ts >= ticker.from {
            ticker.rows.push(row);
            self.bytes += ROW_BYTES;
            self.bytes -= ROW_BYTES * ticker.trim(self.history, cancel)?;
        }
        Ok(())
    }

    /// Of rows that came newest first, one more than the history: puts them in order, and forgets those of the tickers that
    /// have a row without a time, or two of one. Which of two rows of a time is the newer is known to nobody who has not
    /// seen all; those tickers are named.
    pub fn settle(&mut self) -> Result<Vec<String>> {
        let mut odd = Vec::new();
        for ticker in &mut self.tickers {
            server::check_interrupts()?;
            let is_odd = |pair: &[PriceRow]| pair[0].ts == pair[1].ts;
            let timeless = ticker.rows.iter().any(|row| row.ts == Timestamp::MIN);
            if timeless || ticker.rows.windows(2).any(is_odd) {
                odd.push(encoding::from_server(&ticker.name)?.into_owned());
                self.bytes -= ROW_BYTES * std::mem::take(&mut ticker.rows).len();
            }
            ticker.rows.reverse();
        }
        Ok(odd)
    }

    /// The rows by ticker.
    pub fn by_ticker(self) -> Result<HashMap<String, Vec<PriceRow>>> {
        let named = |ticker: Ticker| Ok((encoding::from_server(&ticker.name)?.into_owned(), ticker.rows));
        self.tickers.into_iter().map(named).collect()
    }
}

impl Ticker {
    /// Drops the rows that are older than the newest `history` once there are twice as many, so that a long table does not
    /// have to fit into memory. Gives the number of rows that it dropped.
    fn trim(&mut self, history: usize, cancel: &Cancel) -> Result<usize> {
        if self.rows.len() < 2 * history {
            return Ok(0);
        }
        // Stable, so that of two rows of one time the same are kept as by sorting all rows at the end.
        sort::by_key(&mut self.rows, |row| row.ts, cancel).map_err(Error::from)?;
        let dropped = self.rows.drain(..self.rows.len() - history).len();
        self.from = self.rows.first().map_or(Timestamp::MIN, |row| row.ts);
        Ok(dropped)
    }
}
