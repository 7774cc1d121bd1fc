//! A forecast of bare numbers: what it may be told beside them, and the series that they make.

use serde_json::Value;

use super::request::{Clock, DEFAULT_LEVEL, Horizon, Level, ModelSet, Request, SeasonLengths};
use crate::panel::{PriceRow, Series, Timestamp};
use crate::task::Seed;
use crate::{Error, Result};

/// The default seed, of bare numbers and of the setting.
pub const DEFAULT_SEED: u64 = 42;

/// What an anonymous series is called; its seed comes from this name.
const ANONYMOUS: &str = "the series";

/// What a forecast of bare numbers may be told. Nothing else has a say in it, no setting and no clock, so that the same
/// call has the same result everywhere and for ever.
#[derive(Debug, Clone)]
pub struct ValueOptions {
    models: ModelSet,
    level: Level,
    seed: Seed,
    history: usize,
    season_lengths: SeasonLengths,
    ticker: String,
}

impl ValueOptions {
    /// The keys, each of which may be left out.
    const KEYS: [&str; 6] = ["models", "level", "history", "season_lengths", "seed", "ticker"];

    /// Reads `{"models": ["naive", "theta"], "level": 0.9, "history": 1000, "season_lengths": [12], "seed": 7, "ticker": "AAPL"}`.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for a key that is none, [`Error::InvalidArgument`] for a value of the wrong kind.
    pub fn from_json(value: &Value) -> Result<ValueOptions> {
        let mut options = ValueOptions {
            models: ModelSet::all(),
            level: Level::new(DEFAULT_LEVEL)?,
            seed: Seed(DEFAULT_SEED),
            history: usize::MAX,
            season_lengths: SeasonLengths::told(&[])?,
            ticker: ANONYMOUS.to_owned(),
        };
        if value.is_null() {
            return Ok(options);
        }
        let object =
            value.as_object().ok_or_else(|| wrong("options", value, "an object, like {\"level\": 0.9}"))?;
        for (key, value) in object {
            options.set(key, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<()> {
        let expected = |argument, expected| move || wrong(argument, value, expected);
        match key {
            "models" => {
                let names: Option<Vec<&str>> =
                    value.as_array().and_then(|names| names.iter().map(Value::as_str).collect());
                self.models = ModelSet::new(&names.ok_or_else(expected("models", "an array of names"))?)?;
            }
            "level" => {
                let level = value.as_f64().ok_or_else(expected("level", "a share from 0.01 to 0.99"))?;
                self.level = Level::new(level)?;
            }
            "history" => {
                let count = value.as_u64().filter(|count| *count >= 2);
                let count = count.ok_or_else(expected("history", "at least 2 prices"))?;
                self.history = usize::try_from(count).unwrap_or(usize::MAX);
            }
            "season_lengths" => {
                let lengths: Option<Vec<i64>> =
                    value.as_array().and_then(|lengths| lengths.iter().map(Value::as_i64).collect());
                let lengths = lengths.ok_or_else(expected("season_lengths", "an array of whole numbers"))?;
                self.season_lengths = SeasonLengths::told(&lengths)?;
            }
            "seed" => self.seed = Seed(value.as_u64().ok_or_else(expected("seed", "a number from 0"))?),
            "ticker" => self.ticker = value.as_str().ok_or_else(expected("ticker", "a name"))?.to_owned(),
            _ => {
                return Err(Error::UnknownName {
                    kind: "option",
                    name: key.to_owned(),
                    valid: ValueOptions::KEYS.map(str::to_owned).to_vec(),
                });
            }
        }
        Ok(())
    }

    /// The name of the series.
    pub fn ticker(&self) -> &str {
        &self.ticker
    }

    /// What is asked of the forecast.
    pub fn request(&self, horizon: Horizon, clock: Clock) -> Request {
        Request {
            horizon,
            levels: vec![self.level],
            models: self.models.clone(),
            season_lengths: self.season_lengths.clone(),
            seed: self.seed,
            clock,
        }
    }

    /// The series of these prices, oldest first.
    ///
    /// # Errors
    /// [`Error::BadValue`] for the first that is no price.
    pub fn series(&self, prices: &[f64]) -> Result<Series> {
        let is_price = |price: f64| price.is_finite() && price > 0.0;
        if let Some(index) = prices.iter().position(|&price| !is_price(price)) {
            return Err(Error::BadValue { position: index + 1, value: prices[index] });
        }
        // Times that stand for the order.
        let row = |(day, &close): (i64, &f64)| PriceRow { ts: Timestamp(day), close };
        self.series_of_rows((0..).zip(prices).map(row).collect())
    }

    /// The series of these rows, in any order.
    ///
    /// # Errors
    /// [`Error::BadPrices`].
    pub fn series_of_rows(&self, rows: Vec<PriceRow>) -> Result<Series> {
        Series::new(self.ticker.clone(), rows, self.history)
    }
}

fn wrong(argument: &'static str, value: &Value, expected: &str) -> Error {
    Error::InvalidArgument { argument, value: value.to_string(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_key_is_read_and_no_other() {
        let all = json!({"models": ["naive"], "level": 0.9, "history": 10, "season_lengths": [7], "seed": 7, "ticker": "A"});
        assert_eq!(all.as_object().unwrap().len(), ValueOptions::KEYS.len());
        let options = ValueOptions::from_json(&all).unwrap();
        let request = options.request(Horizon::new(3).unwrap(), || std::time::Duration::ZERO);
        assert_eq!(
            (request.models.names(), request.seed, request.levels[0].share()),
            (vec!["naive"], Seed(7), 0.9)
        );
        assert_eq!(options.series(&[1.0; 30]).unwrap().close().len(), 10);
        assert_eq!((options.ticker(), request.season_lengths.lengths()), ("A", Some([7].as_slice())));
        for wrong in [
            json!({"models": "naive"}),
            json!({"models": [1]}),
            json!({"level": "x"}),
            json!({"level": 80}),
            json!({"history": 1}),
            json!({"season_lengths": 12}),
            json!({"season_lengths": [1]}),
            json!({"season_lengths": [2.5]}),
            json!({"season_lengths": [2, 3, 4, 5, 6]}),
            json!({"seed": -1}),
            json!({"ticker": 5}),
            json!([]),
        ] {
            let error = ValueOptions::from_json(&wrong).unwrap_err();
            assert!(matches!(error, Error::InvalidArgument { .. }), "{wrong}: {error}");
        }
        let error = ValueOptions::from_json(&json!({"levels": 0.9})).unwrap_err();
        assert!(matches!(error, Error::UnknownName { valid, .. } if valid == ValueOptions::KEYS));
    }

    #[test]
    fn a_number_that_is_no_price_is_named_by_its_position() {
        let options = ValueOptions::from_json(&Value::Null).unwrap();
        for bad in [0.0, -1.0, f64::INFINITY] {
            let error = options.series(&[1.0, 2.0, bad]).unwrap_err();
            assert_eq!(error, Error::BadValue { position: 3, value: bad });
        }
        assert!(matches!(options.series(&[f64::NAN]), Err(Error::BadValue { position: 1, .. })));
    }
}
