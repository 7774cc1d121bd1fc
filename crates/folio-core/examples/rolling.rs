//! Rolling out-of-sample errors of the models relative to `naive`, and their CPU time.
//!
//! ```text
//! cargo run --release -p folio-core --example rolling -- FILE HISTORY ADVANCE [MODEL...]
//! ```
//!
//! FILE is CSV: a header of tickers after the date, a row of prices a day. Each model is fitted to HISTORY days and
//! forecasts 1, 5 and 21 days from every fifth of the next ADVANCE days; then both move on by ADVANCE. The long table
//! behind the models' documentation is skfolio 1.12's `sp500_dataset.csv` with `1000 250`, the short one
//! `tests/golden/prices.csv` with `500 100`.

use folio_core::model::{MODELS, Model, by_name};
use folio_core::task::{Cancel, Seed, Task};

const STEPS: [usize; 3] = [1, 5, 21];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, history, advance, names @ ..] = arguments.as_slice() else {
        return Err("usage: rolling FILE HISTORY ADVANCE [MODEL...]".into());
    };
    let columns = log_prices(&std::fs::read_to_string(file)?)?;
    let (history, advance) = (history.parse()?, advance.parse()?);
    let models: Vec<&dyn Model> = match names {
        [] => MODELS.to_vec(),
        names => names.iter().map(|name| by_name(name)).collect::<Result<_, _>>()?,
    };
    println!(
        "model      relative MAE at 1, 5, 21   relative RMSE at 1, 5, 21   ms to fit, to forecast 300 origins"
    );
    for model in models {
        let errors = roll(model, &columns, history, advance)?;
        println!("{:10} {errors}", model.name());
    }
    Ok(())
}

fn log_prices(text: &str) -> Result<Vec<Vec<f64>>, std::num::ParseFloatError> {
    let mut columns = Vec::new();
    for line in text.lines().skip(1) {
        for (column, price) in line.split(',').skip(1).enumerate() {
            columns.resize_with(columns.len().max(column + 1), Vec::new);
            columns[column].push(price.parse::<f64>()?.ln());
        }
    }
    Ok(columns)
}

/// Sums over all forecasts, of the model and of the last price, by step.
#[derive(Default)]
struct Errors {
    absolute: [[f64; 3]; 2],
    squared: [[f64; 3]; 2],
    fit_ms: f64,
    fits: f64,
    forecast_ms: f64,
    forecasts: f64,
}

fn roll(model: &dyn Model, columns: &[Vec<f64>], history: usize, advance: usize) -> Result<Errors, String> {
    let task = Task { cancel: Cancel::default(), seed: Seed(1) };
    let mut errors = Errors::default();
    let horizon = STEPS[2];
    for y in columns {
        for start in (0..).step_by(advance).take_while(|start| start + history + advance + horizon <= y.len())
        {
            let y = &y[start..];
            let train = &y[..history];
            let origins: Vec<usize> = (history..history + advance).step_by(5).collect();
            let began = cpu_ms();
            let fit = model.fit(train, horizon, &task).map_err(|failure| failure.to_string())?;
            let fitted = cpu_ms();
            let paths = fit
                .forecast(&y[..history + advance], &origins, horizon, &task)
                .map_err(|failure| failure.to_string())?;
            errors.forecast_ms += cpu_ms() - fitted;
            errors.fit_ms += fitted - began;
            errors.fits += 1.0;
            errors.forecasts += origins.len() as f64;
            // In units of the ticker's volatility, so that all tickers count.
            let changes = train.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum::<f64>();
            let unit = (changes / (history - 1) as f64).sqrt();
            for (origin, path) in origins.iter().zip(&paths) {
                for (column, step) in STEPS.into_iter().enumerate() {
                    let actual = y[origin - 1 + step];
                    for (who, forecast) in [path.mean[step - 1], y[origin - 1]].into_iter().enumerate() {
                        let error = (actual - forecast) / unit;
                        errors.absolute[who][column] += error.abs();
                        errors.squared[who][column] += error * error;
                    }
                }
            }
        }
    }
    Ok(errors)
}

/// The CPU time of this thread in milliseconds; zero where Linux' `schedstat` is not there.
fn cpu_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0) / 1e6
}

impl std::fmt::Display for Errors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for column in 0..3 {
            write!(f, "{:.4} ", self.absolute[0][column] / self.absolute[1][column])?;
        }
        write!(f, "      ")?;
        for column in 0..3 {
            write!(f, "{:.4} ", (self.squared[0][column] / self.squared[1][column]).sqrt())?;
        }
        let per_300 = 300.0 / self.forecasts;
        write!(f, "       {:.2} {:.2}", self.fit_ms / self.fits, self.forecast_ms * per_300)?;
        write!(f, "   ({} fits, {} forecasts)", self.fits, self.forecasts)
    }
}
