//! A fingerprint of all that a forecast depends on, so that a stored one can be known to be that of a request.

use sha2::{Digest, Sha256};

use super::request::Request;
use crate::panel::PricePanel;
use crate::task::{Cancel, Cancelled};
use crate::work;

/// Units of [`work`] for eight bytes.
const UNITS: usize = 30;

/// The hash over a request and its prices while it is taken. Panels may come in pieces.
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// A fingerprint of a request; `context` is what else its results depend on and the engine does not know. The
    /// engine's version is part of it, since another one may compute something else.
    pub fn new(request: &Request, context: &str) -> Fingerprint {
        let mut fingerprint = Fingerprint(Sha256::new());
        fingerprint.text(env!("CARGO_PKG_VERSION"));
        fingerprint.text(context);
        fingerprint.number(request.horizon.steps() as u64);
        request.levels.iter().for_each(|level| fingerprint.number(level.share().to_bits()));
        fingerprint.number(request.seed.0);
        fingerprint.text(&request.models.names().join(","));
        if let Some(lengths) = request.season_lengths.lengths() {
            fingerprint.text("season_lengths");
            lengths.iter().for_each(|length| fingerprint.number(*length as u64));
        }
        fingerprint
    }

    /// Adds the prices of a panel, or what is wrong with them.
    ///
    /// # Errors
    /// [`Cancelled`].
    pub fn add(&mut self, panel: &PricePanel, cancel: &Cancel) -> Result<(), Cancelled> {
        for (ticker, series) in panel.columns() {
            cancel.check()?;
            self.text(ticker);
            match series {
                Ok(series) => {
                    self.number(series.times() as u64);
                    self.number(series.close().len() as u64);
                    for ts in work::watched(series.ts(), UNITS, cancel) {
                        self.0.update(ts?.0.to_le_bytes());
                    }
                    for close in work::watched(series.close(), UNITS, cancel) {
                        self.0.update(close?.to_le_bytes());
                    }
                }
                Err(error) => self.text(&format!("{error:?}")),
            }
        }
        Ok(())
    }

    /// The fingerprint as 64 hexadecimal digits.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn number(&mut self, value: u64) {
        self.0.update(value.to_le_bytes());
    }

    /// With its length first: without it "ab", "c" and "a", "bc" would be the same.
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::forecast::{Horizon, Level, ModelSet, SeasonLengths};
    use crate::panel::{PriceRow, Series, Timestamp};
    use crate::task::Seed;

    fn request() -> Request {
        Request {
            horizon: Horizon::new(5).unwrap(),
            levels: vec![Level::new(0.8).unwrap()],
            models: ModelSet::all(),
            season_lengths: SeasonLengths::default(),
            seed: Seed(1),
            clock: || Duration::ZERO,
        }
    }

    fn panel(tickers: &[(&str, &[f64])]) -> PricePanel {
        let column = |&(ticker, closes): &(&str, &[f64])| {
            let row = |(day, &close): (usize, &f64)| PriceRow { ts: Timestamp(day as i64), close };
            let rows = closes.iter().enumerate().map(row).collect();
            (ticker.to_owned(), Series::new(ticker.to_owned(), rows, usize::MAX))
        };
        PricePanel::new(tickers.iter().map(column).collect())
    }

    fn of(request: &Request, context: &str, panels: &[PricePanel]) -> String {
        let mut fingerprint = Fingerprint::new(request, context);
        panels.iter().for_each(|panel| fingerprint.add(panel, &Cancel::default()).unwrap());
        fingerprint.finish()
    }

    #[test]
    fn whatever_changes_the_forecast_changes_the_fingerprint() {
        let prices = [panel(&[("A", &[1.0, 2.0]), ("B", &[3.0])])];
        let reference = of(&request(), "UTC", &prices);
        assert_eq!(reference.len(), 64);
        let others = [
            of(&Request { horizon: Horizon::new(6).unwrap(), ..request() }, "UTC", &prices),
            of(&Request { levels: vec![Level::new(0.9).unwrap()], ..request() }, "UTC", &prices),
            of(&Request { seed: Seed(2), ..request() }, "UTC", &prices),
            of(&Request { season_lengths: SeasonLengths::told(&[]).unwrap(), ..request() }, "UTC", &prices),
            of(&Request { season_lengths: SeasonLengths::told(&[5]).unwrap(), ..request() }, "UTC", &prices),
            of(&Request { models: ModelSet::new(&["naive"]).unwrap(), ..request() }, "UTC", &prices),
            of(&request(), "Asia/Tokyo", &prices),
            of(&request(), "UTC", &[panel(&[("A", &[1.0, 2.0]), ("B", &[3.5])])]),
            of(&request(), "UTC", &[panel(&[("A", &[1.0]), ("B", &[2.0, 3.0])])]),
            of(&request(), "UTC", &[panel(&[("A", &[1.0, 2.0]), ("B", &[-3.0])])]),
            of(&request(), "UTC", &[panel(&[("A", &[1.0, 2.0])])]),
        ];
        for (index, other) in others.iter().enumerate() {
            assert!(*other != reference && !others[..index].contains(other), "change {index}");
        }
    }

    #[test]
    fn pieces_of_a_panel_have_the_fingerprint_of_the_whole() {
        let whole = panel(&[("A", &[1.0, 2.0]), ("B", &[3.0])]);
        let pieces: Vec<PricePanel> = whole.clone().into_batches(1).collect();
        assert_eq!(of(&request(), "", &[whole]), of(&request(), "", &pieces));
    }
}
