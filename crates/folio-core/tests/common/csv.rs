//! Prices from a file, for examples: a header of tickers after `Date`, a row of prices a day; an empty field is a day without.

use std::error::Error;

use folio_core::panel::{PricePanel, PriceRow, Series, Timestamp};
use jiff::civil::{Date, date};

const DAY: i64 = 86_400_000_000;

/// The prices.
pub fn prices(text: &str) -> Result<PricePanel, Box<dyn Error>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().ok_or("no header")?.split(',').skip(1).collect();
    let mut rows: Vec<Vec<PriceRow>> = vec![Vec::new(); names.len()];
    for line in lines {
        let mut fields = line.split(',');
        let field = fields.next().and_then(|field| field.get(..10)).ok_or("no date")?;
        let day: Date = field.parse().map_err(|error| format!("{field}: {error}"))?;
        let ts = Timestamp(i64::from((day - date(1970, 1, 1)).get_days()) * DAY);
        for (rows, field) in rows.iter_mut().zip(fields) {
            if let Ok(close) = field.parse() {
                rows.push(PriceRow { ts, close });
            }
        }
    }
    let column = |(name, rows): (&str, Vec<PriceRow>)| {
        (name.to_owned(), Series::new(name.to_owned(), rows, usize::MAX))
    };
    Ok(PricePanel::new(names.into_iter().zip(rows).map(column).collect()))
}
