//! A model of the seasonally adjusted series: what every model becomes that knows no seasons of its own.
//!
//! From each origin the series is decomposed anew with what is known there, the model forecasts the adjusted series, and
//! the seasons to come are added.

use serde_json::Value;

use super::season::Seasons;
use super::{Failure, Fitted, Model, Path};
use crate::task::Task;

/// Fits a model to `y`, which has seasons of these lengths: in its own way, or to the series without them.
///
/// # Errors
/// Those of [`Model::fit`]; [`Failure::TooShort`] under two seasons.
pub fn fit(
    model: &dyn Model,
    y: &[f64],
    lengths: &[usize],
    horizon: usize,
    task: &Task,
) -> Result<Box<dyn Fitted>, Failure> {
    if let Some(own) = model.fit_seasonal(y, lengths, horizon, task) {
        return own;
    }
    require_seasons(y.len(), lengths)?;
    let seasons = Seasons::of(y, lengths, &task.cancel)?;
    let model = model.fit(&seasons.decompose(y, &task.cancel)?.adjusted, horizon, task)?;
    Ok(Box::new(Adjusted { lengths: lengths.to_vec(), seasons, model }))
}

/// A decomposition needs two of the longest season.
fn require_seasons(got: usize, lengths: &[usize]) -> Result<(), Failure> {
    let need = lengths.iter().max().map_or(0, |length| 2 * length);
    if got < need { Err(Failure::TooShort { need, got }) } else { Ok(()) }
}

struct Adjusted {
    lengths: Vec<usize>,
    seasons: Seasons,
    model: Box<dyn Fitted>,
}

impl Fitted for Adjusted {
    fn forecast(
        &self,
        y: &[f64],
        origins: &[usize],
        horizon: usize,
        task: &Task,
    ) -> Result<Vec<Path>, Failure> {
        let from = |&origin: &usize| {
            require_seasons(origin, &self.lengths)?;
            let parts = self.seasons.decompose(&y[..origin], &task.cancel)?;
            let paths = self.model.forecast(&parts.adjusted, &[origin], horizon, task)?;
            let Some(Path { mut mean, sd }) = paths.into_iter().next() else {
                return Err(Failure::NotFinite("forecast"));
            };
            mean.iter_mut().zip(1..).for_each(|(mean, step)| *mean += parts.ahead(step));
            Ok(Path { mean, sd })
        };
        origins.iter().map(from).collect()
    }

    fn detail(&self) -> Value {
        let mut detail = self.model.detail();
        if let Some(object) = detail.as_object_mut() {
            object.insert("seasons".to_owned(), self.seasons.detail());
        }
        detail
    }
}
