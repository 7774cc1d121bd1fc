//! When the steps of a forecast fall: on the times at which the series will have its next prices.

use crate::Result;
use crate::calendar::{Calendar, Told};
use crate::panel::{Series, Timestamp};
use crate::task::Cancel;

/// The times of a forecast's steps, and what is to be said about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dates {
    ts: Vec<Option<Timestamp>>,
    remark: Option<String>,
}

impl Dates {
    /// The times of the `horizon` steps after the last price. Those of a series without a pattern nobody can know, nor
    /// those after the end of time.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub(crate) fn after(series: &Series, horizon: usize, cancel: &Cancel) -> Result<Dates> {
        let zone = Some(series.frequency().zone());
        let calendar = Calendar::of(series.ts(), zone, Told::Nothing, cancel)?;
        let steps = series.ts().last().map_or_else(Default::default, |&last| calendar.next(last, horizon));
        let remark = match calendar.name() {
            _ if series.frequency().is_irregular() => Some("irregular times: steps without dates".to_owned()),
            _ if steps.ts.len() < horizon => Some(format!("no dates from step {} on", steps.ts.len() + 1)),
            Some((name, _)) if steps.known < horizon => {
                Some(format!("from step {} on beyond the calendar of {name}: no holidays", steps.known + 1))
            }
            _ => None,
        };
        let mut ts: Vec<Option<Timestamp>> = steps.ts.into_iter().map(Some).collect();
        ts.resize(horizon, None);
        Ok(Dates { ts, remark })
    }

    /// The time of each step, where it can be known.
    pub fn ts(&self) -> &[Option<Timestamp>] {
        &self.ts
    }

    /// What a reader of these times has to know.
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }
}
