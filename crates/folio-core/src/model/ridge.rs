//! Ridge regression (Hoerl & Kennard, Technometrics 12, 1970) on the features: the linear counterpart of `xgboost`.
//! The crate `smartcore` solves the normal equations by Cholesky.

use ndarray::{Array2, ArrayView2, Axis};
use serde_json::{Value, json};
use smartcore::linear::ridge_regression::{RidgeRegression, RidgeRegressionParameters};

use super::tabular::{self, MIN_GAIN, Predictor, Regression, Sample, by_feature, mean_squared_error};
use super::{Failure, Fitted, Model};
use crate::task::Task;

/// Ridge regression on the features, direct for each of a few steps.
#[derive(Debug, Clone, Copy)]
pub struct Ridge;

/// The penalties tried, a row of data; the features have unit variance, so a penalty of 1 halves the coefficient of a
/// lone feature. Under 0.1 a fit on daily returns is noise.
const PENALTIES: [f64; 5] = [0.1, 0.3, 1.0, 3.0, 10.0];

impl Model for Ridge {
    fn name(&self) -> &'static str {
        "ridge"
    }

    fn min_observations(&self) -> usize {
        tabular::MIN_OBSERVATIONS
    }

    fn fit(&self, y: &[f64], horizon: usize, task: &Task) -> Result<Box<dyn Fitted>, Failure> {
        tabular::fit(self, self, y, horizon, task)
    }
}

impl Regression for Ridge {
    fn fit(&self, sample: &Sample, task: &Task) -> Result<Option<Box<dyn Predictor>>, Failure> {
        let mut least = sample.error_of_mean() * (1.0 - MIN_GAIN);
        let mut chosen = None;
        for penalty in PENALTIES {
            task.cancel.check()?;
            let fit = solve(sample.rows(&sample.train), &sample.target[sample.train.clone()], penalty)?;
            let predictions = fit.predictions(sample.rows(&sample.validation));
            let error = mean_squared_error(&sample.target[sample.validation.clone()], |row| predictions[row]);
            if error < least {
                (least, chosen) = (error, Some(penalty));
            }
        }
        let Some(penalty) = chosen else { return Ok(None) };
        Ok(Some(Box::new(solve(sample.x.view(), &sample.target, penalty)?)))
    }
}

struct Fit {
    penalty: f64,
    /// The mean of each feature where it was fitted: there the prediction is zero, the mean return.
    center: Vec<f64>,
    /// What a unit of each feature adds to the standardised return.
    coefficients: Vec<f64>,
}

/// The minimum of the squared errors plus `penalty` times the rows times the squared coefficients of standardised
/// features.
fn solve(x: ArrayView2<'_, f64>, target: &[f64], penalty: f64) -> Result<Fit, Failure> {
    let rows = x.nrows() as f64;
    let center = x.sum_axis(Axis(0)) / rows;
    let mut standardised = &x - &center;
    // A feature that is constant here says nothing; its standardised column is zero, and so is its coefficient.
    let scale = standardised.map_axis(Axis(0), |column| {
        let sd = (column.dot(&column) / rows).sqrt();
        if sd > 1e-9 { sd } else { f64::INFINITY }
    });
    standardised /= &scale;
    let parameters = RidgeRegressionParameters::default().with_alpha(penalty * rows).with_normalize(false);
    let fit: RidgeRegression<f64, f64, Array2<f64>, Vec<f64>> =
        RidgeRegression::fit(&standardised, &target.to_vec(), parameters)
            .map_err(|error| Failure::Library { library: "smartcore", message: error.to_string() })?;
    let coefficients: Vec<f64> =
        fit.coefficients().iter().zip(&scale).map(|(coefficient, scale)| coefficient / scale).collect();
    if coefficients.iter().any(|coefficient| !coefficient.is_finite()) {
        return Err(Failure::NotFinite("coefficients"));
    }
    Ok(Fit { penalty, center: center.to_vec(), coefficients })
}

impl Fit {
    fn predictions(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        let terms = |row: ndarray::ArrayView1<'_, f64>| {
            row.iter()
                .zip(&self.center)
                .zip(&self.coefficients)
                .map(|((value, center), coefficient)| (value - center) * coefficient)
                .sum()
        };
        x.rows().into_iter().map(terms).collect()
    }
}

impl Predictor for Fit {
    fn predict(&self, x: &Array2<f64>) -> Result<Vec<f64>, Failure> {
        Ok(self.predictions(x.view()))
    }

    fn detail(&self) -> Value {
        json!({ "penalty": self.penalty, "coefficients": by_feature(&self.coefficients) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    #[test]
    fn the_solution_is_where_the_gradient_vanishes() {
        let x =
            arr2(&[[1.0, 2.0, 7.0], [2.0, -1.0, 7.0], [4.0, 0.5, 7.0], [-3.0, 1.0, 7.0], [0.5, 0.1, 7.0]]);
        let target = [0.3, -0.2, 0.9, -0.7, 0.1];
        let penalty = 0.3;
        let fit = solve(x.view(), &target, penalty).unwrap();
        assert_eq!(fit.coefficients[2], 0.0, "a constant column has no say");
        let predictions = fit.predictions(x.view());
        for feature in 0..2 {
            let column = x.column(feature).mapv(|value| value - fit.center[feature]);
            let variance = column.dot(&column) / 5.0;
            let residuals: f64 = (0..5).map(|row| column[row] * (target[row] - predictions[row])).sum();
            // d/dw of sum (y - Xw)^2 / 2 + penalty n (w sd)^2 / 2
            let gradient = residuals - penalty * 5.0 * variance * fit.coefficients[feature];
            assert!(gradient.abs() < 1e-12, "{gradient}");
        }
    }
}
