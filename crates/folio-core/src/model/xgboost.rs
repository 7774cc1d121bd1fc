//! Gradient boosted trees: the real XGBoost (Chen & Guestrin, KDD 2016), its C++ linked statically without OpenMP.
//!
//! Daily returns are nearly all noise, so everything is set against learning it: shallow trees, small steps, many rows
//! a leaf, half of the rows and features a tree, the number of rounds stopped by a later stretch of the history, and
//! no tree at all where that stretch is not predicted better than by the mean. Depths of 1 to 3, steps of 0.03 to 0.1
//! and leaves of 20 to 50 rows differ by less than 0.0004 in the relative RMSE of `tabular`'s table.

use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, ArrayView2};
use serde_json::{Value, json};
use xgb::parameters::BoosterParameters;
use xgb::{Booster, DMatrix, XGBError};

use super::features::NAMES;
use super::tabular::{self, Predictor, Regression, Sample, by_feature, mean_squared_error};
use super::{Failure, Fitted, Model};
use crate::task::{Seed, Task};
use crate::work;

/// Gradient boosted trees on the features, direct for each of a few steps.
#[derive(Debug, Clone, Copy)]
pub struct XgBoost;

/// The most boosting rounds.
const MAX_ROUNDS: usize = 60;
/// The search ends when so many rounds have not lowered the validation error.
const PATIENCE: usize = 12;

/// What a round takes, and what each row takes in it.
const ROUND: usize = 100_000;
const ROUND_ROW: usize = 100;

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
    ("eta", "0.03"),
    ("lambda", "10"),
    ("min_child_weight", "30"),
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
            work::count(ROUND + ROUND_ROW * sample.x.nrows());
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
    let (mut best, mut least) = (0, sample.error_of_mean());
    for round in 0..MAX_ROUNDS {
        task.cancel.check()?;
        work::count(ROUND + ROUND_ROW * sample.x.nrows());
        booster.update(&train, round as i32)?;
        let predictions = booster.predict(&validation)?;
        let error = mean_squared_error(target, |row| f64::from(predictions[row]));
        if error < least {
            (best, least) = (round + 1, error);
        } else if round + 1 - best >= PATIENCE {
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
        json!({ "rounds": self.rounds, "gain": by_feature(self.gain.iter().copied()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../tests/golden/xgboost.json")).unwrap()
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    fn train(golden: &Value) -> (Booster, DMatrix) {
        let (x, y) = (numbers(&golden["x"]), numbers(&golden["y"]));
        let x = ArrayView2::from_shape((y.len(), x.len() / y.len()), &x).unwrap();
        let data = labelled(x, &y).unwrap();
        let seed = golden["parameters"]["seed"].as_u64().unwrap();
        let mut booster = booster(&[&data], Seed(seed << 33)).unwrap();
        for round in 0..golden["rounds"].as_i64().unwrap() {
            booster.update(&data, round as i32).unwrap();
        }
        (booster, data)
    }

    /// `bench/golden/xgboost_.py` makes the numbers with the Python package.
    #[test]
    fn predicts_and_explains_as_the_python_package() {
        let golden = golden();
        for (name, value) in PARAMETERS {
            assert_eq!(golden["parameters"][name], value, "make the golden file anew");
        }
        let (booster, data) = train(&golden);
        let predictions = booster.predict(&data).unwrap();
        for (ours, theirs) in predictions.iter().zip(numbers(&golden["predictions"])) {
            assert!((f64::from(*ours) - theirs).abs() < 1e-6, "{ours} for {theirs}");
        }
        let total_gain = numbers(&golden["total_gain"]);
        let sum: f64 = total_gain.iter().sum();
        for (ours, theirs) in gain(&booster).unwrap().iter().zip(&total_gain) {
            assert!((ours - theirs / sum).abs() < 1e-5, "{ours} for {}", theirs / sum);
        }
    }

    #[test]
    fn two_boosters_in_turn_draw_as_each_alone() {
        let golden = golden();
        let (x, y) = (numbers(&golden["x"]), numbers(&golden["y"]));
        let data = labelled(ArrayView2::from_shape((300, 8), &x).unwrap(), &y).unwrap();
        let train = |seeds: &[u64]| -> Vec<Vec<f32>> {
            let mut boosters: Vec<Booster> =
                seeds.iter().map(|seed| booster(&[&data], Seed(seed << 33)).unwrap()).collect();
            for round in 0..10 {
                boosters.iter_mut().for_each(|booster| booster.update(&data, round).unwrap());
            }
            boosters.iter().map(|booster| booster.predict(&data).unwrap()).collect()
        };
        let together = train(&[1, 2]);
        assert_eq!(together[0], train(&[1])[0]);
        assert_eq!(together[1], train(&[2])[0]);
        assert_ne!(together[0], together[1], "the seed decides the draws");
    }

    /// Where there is something to learn it is learned, and where there is nothing no tree is grown.
    #[test]
    fn finds_a_signal_and_refuses_noise() {
        let golden = golden();
        let task = Task { cancel: crate::task::Cancel::default(), seed: Seed(5) };
        let (x, y) = (numbers(&golden["x"]), numbers(&golden["y"]));
        let x = Array2::from_shape_vec((300, 8), x).unwrap();
        let mut sample = Sample { x, target: y, train: 0..200, validation: 201..300 };
        assert!(best_rounds(&sample, &task).unwrap() > 10);
        // Trees learn from the first rows what is the reverse in the later ones.
        sample.target[201..].iter_mut().for_each(|value| *value = -*value);
        assert_eq!(best_rounds(&sample, &task).unwrap(), 0);
        assert!(Regression::fit(&XgBoost, &sample, &task).unwrap().is_none());
    }
}
