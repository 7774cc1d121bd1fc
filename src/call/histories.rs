//! What is said of tickers whose histories differ: which were completed, and which cut the others.

use folio_core::portfolio::alignment::{Differing, Part};
use pgrx::prelude::*;

/// The most tickers that a notice names.
const MOST_NAMED: usize = 10;

/// Says it to the client.
pub fn say(differing: Option<Differing>) {
    match differing {
        None => (),
        Some(Differing::Completed(tickers)) => {
            let all = tickers.first().map_or(0, |first| first.all);
            notice!("of {all} returns {}: what they lack is completed from the others", named(&tickers));
        }
        Some(Differing::Cut { shared, tickers }) => {
            let all = tickers.first().map_or(0, |first| first.all);
            notice!("{shared} days are shared by all tickers; of the newest {all} days {}", named(&tickers));
        }
    }
}

fn named(tickers: &[Part]) -> String {
    let has = |part: &Part| format!("{} has {}", part.ticker, part.own);
    let mut named: Vec<String> = tickers.iter().take(MOST_NAMED).map(has).collect();
    if tickers.len() > MOST_NAMED {
        named.push(format!("{} more tickers have fewer than all", tickers.len() - MOST_NAMED));
    }
    named.join(", ")
}
