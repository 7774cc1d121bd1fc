//! What is said of the periods a year by which numbers were annualised: a user must see that they were not 252.

use folio_core::frequency::Remark;
use pgrx::prelude::*;

/// Says it to the client.
pub fn say(remarks: impl IntoIterator<Item = Remark>) {
    for remark in remarks {
        match remark {
            Remark::Inferred(name, periods) => notice!(
                "{name} prices: annualised by {} periods a year; periods_per_year says otherwise",
                number(periods)
            ),
            Remark::Counted(periods) => warning!(
                "prices at irregular times: annualised by {} a year, as counted; periods_per_year says otherwise",
                number(periods)
            ),
        }
    }
}

fn number(periods: f64) -> String {
    if periods.fract() == 0.0 { periods.to_string() } else { format!("{periods:.1}") }
}
