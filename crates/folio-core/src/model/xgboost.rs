//! Gradient boosted trees: the real XGBoost (Chen & Guestrin, KDD 2016), its C++ linked statically without OpenMP.
//!
//! Daily returns are nearly all noise, so everything is set against learning it: shallow trees, small steps, many rows
//! a leaf, half of the rows and features a tree, the number of rounds stopped by a later stretch of the history, and
//! no tree at all where that stretch is not predicted better than by the mean.

use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, ArrayView2};
use serde_json::{Value, json};
use xgb::parameters::BoosterParameters;
use xgb::{Booster, DMatrix, XGBError};

use super::features::NAMES;
use super::tabular::{self, MIN_GAIN, Predictor, Regression, Sample, by_feature, mean_squared_error};
use super::{Failure, Fitted, Model};
use crate::task::{Seed, Task};

/// Gradient boosted trees on the features, direct for each of a few steps.
#[derive(Debug, Clone, Copy)]
pub struct XgBoost;

/// The most boosting rounds. With steps of 0.05 the best number on daily returns is nearly always under 40.
const MAX_ROUNDS: usize = 60;
/// The search ends when so many rounds have not lowered the validation error.
const PATIENCE: usize = 12;

/// What is not the default of XGBoost's documentation, by its names there.
const PARAMETERS: [(&str, &str); 15] = [
    ("verbosity", "0"),
    ("nthread", "1"),
    ("objective", "reg:squarederror"),
    // The targets are in excess of the mean: no tree, no excess.
    ("base_score", "0"),
    ("tree_method", "hist"),
    ("max_bin", "32"),
    ("max_depth", "2"),
    ("eta", "0.05"),
    ("lambda", "10"),
    ("min_child_weight", "20"),
    ("subsample", "0.5"),
    ("colsample_bytree", "0.5"),
    ("colsample_bylevel", "1"),
    ("gamma", "0"),
    // Draws depend on the seed and the round alone, not on what else this thread has drawn.
    ("seed_per_iteration", "1"),
];

impl Model for XgBoost {
    fn name(&self) -> &'static str {
        "xgboost"
    }

    fn min_observations(&self) -> usize {
        tabular::MIN_OBSERVATIONS
    }

    fn fit(&self, y: &[f64], horizon: usize, task: &Task) -> Result<Box<dyn Fitted>, Failure> {
        tabular::fit(self, self, y, horizon, task)
    }
}

impl Regression for XgBoost {
    fn fit(&self, sample: &Sample, task: &Task) -> Result<Option<Box<dyn Predictor>>, Failure> {
        let rounds = best_rounds(sample, task)?;
        if rounds == 0 {
            return Ok(None);
        }
        // Once more, on all rows: the latest know the most of the present.
        let data = labelled(sample.x.view(), &sample.target)?;
        let mut booster = booster(&[&data], task.seed)?;
        for round in 0..rounds {
            task.cancel.check()?;
            booster.update(&data, round as i32)?;
        }
        let gain = gain(&booster)?;
        Ok(Some(Box::new(Fit { booster: Mutex::new(booster), rounds, gain })))
    }
}

/// The number of rounds with the least error on the validation rows; zero where the mean is as good.
fn best_rounds(sample: &Sample, task: &Task) -> Result<usize, Failure> {
    let train = labelled(sample.rows(&sample.train), &sample.target[sample.train.clone()])?;
    // Its predictions are cached with it: a round adds one tree to them.
    let validation = matrix(sample.rows(&sample.validation))?;
    let target = &sample.target[sample.validation.clone()];
    let mut booster = booster(&[&train, &validation], task.seed)?;
    let (mut best, mut least) = (0, sample.error_of_mean() * (1.0 - MIN_GAIN));
    let mut least_of_all = f64::INFINITY;
    let mut since = 0;
    for round in 0..MAX_ROUNDS {
        task.cancel.check()?;
        booster.update(&train, round as i32)?;
        let predictions = booster.predict(&validation)?;
        let error = mean_squared_error(target, |row| f64::from(predictions[row]));
        since += 1;
        if error < least_of_all {
            (least_of_all, since) = (error, 0);
        }
        if error < least {
            (best, least) = (round + 1, error);
        }
        if since >= PATIENCE {
            break;
        }
    }
    Ok(best)
}

/// A booster without trees. `matrices` are those that it will be trained on and evaluated at every round.
fn booster(matrices: &[&DMatrix], seed: Seed) -> Result<Booster, Failure> {
    let mut booster = Booster::new_with_cached_dmats(&BoosterParameters::default(), matrices)?;
    for (name, value) in PARAMETERS {
        booster.set_param(name, value)?;
    }
    // XGBoost keeps the seed as a non-negative 32-bit number.
    booster.set_param("seed", &(seed.0 >> 33).to_string())?;
    Ok(booster)
}

/// XGBoost's matrix of single precision.
fn matrix(x: ArrayView2<'_, f64>) -> Result<DMatrix, XGBError> {
    let values: Vec<f32> = x.iter().map(|&value| value as f32).collect();
    DMatrix::from_dense(&values, x.nrows())
}

fn labelled(x: ArrayView2<'_, f64>, target: &[f64]) -> Result<DMatrix, XGBError> {
    let mut matrix = matrix(x)?;
    matrix.set_labels(&target.iter().map(|&value| value as f32).collect::<Vec<f32>>())?;
    Ok(matrix)
}

impl From<XGBError> for Failure {
    fn from(error: XGBError) -> Self {
        Failure::Library { library: "xgboost", message: error.to_string() }
    }
}

/// Each feature's share of the gain of all splits, from the text dump of the trees: the only place where the crate
/// shows it.
fn gain(booster: &Booster) -> Result<Vec<f64>, Failure> {
    let mut gain = vec![0.0; NAMES.len()];
    for line in booster.dump_model_vec(true)?.iter().flat_map(|tree| tree.lines()) {
        // 0:[f3<0.5] yes=1,no=2,missing=2,gain=12.5,cover=600
        let feature = line.split_once("[f").and_then(|(_, rest)| rest.split_once('<'));
        let feature = feature.and_then(|(index, _)| index.parse::<usize>().ok());
        let value =
            line.split_once("gain=").and_then(|(_, rest)| rest.split(',').next()?.parse::<f64>().ok());
        if let (Some(feature), Some(value)) = (feature, value)
            && let Some(total) = gain.get_mut(feature)
        {
            *total += value;
        }
    }
    let total: f64 = gain.iter().sum();
    if total > 0.0 {
        gain.iter_mut().for_each(|value| *value /= total);
    }
    Ok(gain)
}

struct Fit {
    /// A booster may be used by any thread, but by one at a time.
    booster: Mutex<Booster>,
    rounds: usize,
    gain: Vec<f64>,
}

impl Predictor for Fit {
    fn predict(&self, x: &Array2<f64>) -> Result<Vec<f64>, Failure> {
        let rows = matrix(x.view())?;
        let booster = self.booster.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(booster.predict(&rows)?.into_iter().map(f64::from).collect())
    }

    fn detail(&self) -> Value {
        json!({ "rounds": self.rounds, "gain": by_feature(&self.gain) })
    }
}
