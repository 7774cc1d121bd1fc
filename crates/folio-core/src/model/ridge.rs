//! Ridge regression (Hoerl & Kennard, Technometrics 12, 1970) on the features: the linear counterpart of `xgboost`.
//! The crate `smartcore` solves the normal equations by Cholesky. Its `RidgeRegression` would multiply them out anew
//! for each penalty, which took most of the time.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde_json::{Value, json};
use smartcore::linalg::traits::cholesky::CholeskyDecomposable;

use super::tabular::{self, Predictor, Regression, Sample, by_feature, mean_squared_error};
use super::{Failure, Fitted, Model};
use crate::task::Task;
use crate::work;

/// Ridge regression on the features, direct for each of a few steps.
#[derive(Debug, Clone, Copy)]
pub struct Ridge;

/// The penalties tried, a row of data. The features have unit variance, so a penalty of 1 halves the coefficient of a
/// lone feature; under it a fit on daily returns is mostly noise.
const PENALTIES: [f64; 3] = [1.0, 3.0, 10.0];

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
        let train = Equations::new(sample.rows(&sample.train), &sample.target[sample.train.clone()]);
        let target = &sample.target[sample.validation.clone()];
        let (mut least, mut chosen) = (sample.error_of_mean(), None);
        for penalty in PENALTIES {
            task.cancel.check()?;
            work::count(4 * sample.x.len());
            let predictions = train.solve(penalty)?.predictions(sample.rows(&sample.validation));
            let error = mean_squared_error(target, |row| predictions[row]);
            if error < least {
                (least, chosen) = (error, Some(penalty));
            }
        }
        task.cancel.check()?;
        let Some(penalty) = chosen else { return Ok(None) };
        // Once more, on all rows: the latest know the most of the present.
        Ok(Some(Box::new(Equations::new(sample.x.view(), &sample.target).solve(penalty)?)))
    }
}

/// The normal equations of standardised features.
struct Equations {
    rows: f64,
    center: Array1<f64>,
    scale: Array1<f64>,
    /// X'X.
    squares: Array2<f64>,
    /// X'y.
    products: Array1<f64>,
}

impl Equations {
    fn new(x: ArrayView2<'_, f64>, target: &[f64]) -> Equations {
        work::count(x.len() * (4 + x.ncols() / 8));
        let rows = x.nrows() as f64;
        let center = x.sum_axis(Axis(0)) / rows;
        let mut standardised = &x - &center;
        // A feature that is constant here says nothing; its standardised column is zero, and so is its coefficient.
        let scale = standardised.map_axis(Axis(0), |column| {
            let sd = (column.dot(&column) / rows).sqrt();
            if sd > 1e-9 { sd } else { f64::INFINITY }
        });
        standardised /= &scale;
        let transposed = standardised.t();
        let (squares, products) = (transposed.dot(&standardised), transposed.dot(&ArrayView1::from(target)));
        Equations { rows, center, scale, squares, products }
    }

    /// The minimum of the squared errors plus `penalty` times the rows times the squared coefficients. There is no
    /// intercept: at the mean of the features the prediction is zero, the mean return.
    fn solve(&self, penalty: f64) -> Result<Fit, Failure> {
        let mut squares = self.squares.clone();
        squares.diag_mut().mapv_inplace(|value| value + penalty * self.rows);
        let solution = squares
            .cholesky_solve_mut(self.products.clone().insert_axis(Axis(1)))
            .map_err(|error| Failure::Library { library: "smartcore", message: error.to_string() })?;
        let coefficients = &solution.column(0) / &self.scale;
        if coefficients.iter().any(|coefficient| !coefficient.is_finite()) {
            return Err(Failure::NotFinite("coefficients"));
        }
        Ok(Fit { penalty, center: self.center.clone(), coefficients })
    }
}

struct Fit {
    penalty: f64,
    /// The mean of each feature where it was fitted.
    center: Array1<f64>,
    /// What a unit of each feature adds to the standardised excess return.
    coefficients: Array1<f64>,
}

impl Fit {
    fn predictions(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        (&x - &self.center).dot(&self.coefficients).to_vec()
    }
}

impl Predictor for Fit {
    fn predict(&self, x: &Array2<f64>) -> Result<Vec<f64>, Failure> {
        Ok(self.predictions(x.view()))
    }

    fn detail(&self) -> Value {
        json!({ "penalty": self.penalty, "coefficients": by_feature(self.coefficients.iter().copied()) })
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
        let fit = Equations::new(x.view(), &target).solve(penalty).unwrap();
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
