//! What is said of last prices that are too old.

use folio_core::panel::{PricePanel, Timestamp};
use folio_core::stale::{self, Ends};
use pgrx::prelude::*;

use crate::backend::prices::{self, Selection};
use crate::backend::report::Result;
use crate::backend::settings::Settings;

/// The most tickers that a warning names.
const MOST_NAMED: usize = 10;

/// Says which last prices of a panel are too old beside the newest one. More prices are read only of those that seem so.
pub fn say(panel: &PricePanel, selection: Selection, settings: &Settings) -> Result<()> {
    let Some(newest) = panel.newest() else { return Ok(()) };
    let mut old = stale::candidates(panel, newest);
    if old.is_empty() {
        return Ok(());
    }
    let tickers = Some(old.iter().map(|(ticker, _)| ticker.clone()).collect());
    let more = prices::read(&Selection { tickers, history: stale::PRICES, ..selection }, settings)?;
    // Where older prices are bad nothing says how far apart they are, and the last one is old all the same.
    old.retain(|(ticker, _)| {
        let column = more.columns().iter().find(|(name, _)| name == ticker);
        !matches!(column, Some((_, Ok(series))) if stale::since(series, newest).is_none())
    });
    if let Some(remark) = remark(&old, newest) {
        warning!("{remark}");
    }
    Ok(())
}

/// Says it of what is not bought but forecast or estimated.
pub fn remark_on(ends: &Ends) {
    if let Some(remark) = ends.newest().and_then(|newest| remark(&ends.stale(), newest)) {
        notice!("{remark}");
    }
}

fn remark(old: &[(String, Timestamp)], newest: Timestamp) -> Option<String> {
    let of = |(ticker, last): &(String, Timestamp)| format!("{ticker} of {}", last.iso_date());
    let mut named: Vec<String> = old.iter().take(MOST_NAMED).map(of).collect();
    if old.len() > MOST_NAMED {
        named.push(format!("those of {} more tickers", old.len() - MOST_NAMED));
    }
    let named = (!named.is_empty()).then(|| named.join(", "))?;
    Some(format!("stale prices: {named}; the newest is of {}", newest.iso_date()))
}
