//! Covariance matrices of the returns of one period, annualised: the trait of an estimator, the list of all of them, and
//! the matrix with its tickers.
//!
//! A new covariance is a file in `covariance/` that implements [`Estimator`], its `mod` line, and its line in the list
//! below. The SQL functions, their errors and the tests over all covariances find it in the list.

#![deny(dead_code, reason = "a covariance that is not in the list")]

mod best;
mod constant_correlation;
mod constant_variance;
mod dcc;
mod dcc_nl;
mod denoised;
mod exponential;
mod gerber;
mod loss;
mod moments;
mod nonlinear_shrinkage;
mod oas;
mod sample;
mod semi;
mod semidefinite;
mod shrinkage;
mod single_factor;

use ndarray::{Array1, Array2};

pub(crate) use loss::Spectrum;
pub(crate) use semidefinite::semidefinite;
pub use semidefinite::{FixMethod, Fixed, fix_nonpositive_semidefinite};

use super::universe::Universe;
use crate::panel::ReturnPanel;
use crate::task::Cancel;
use crate::work::watched;
use crate::{Error, Result, input};

/// How a covariance is estimated. Stateless: it stands in a static list.
trait Estimator: Send + Sync {
    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// The number that it takes in parentheses after its name.
    fn number(&self) -> Option<Number> {
        None
    }

    /// The fewest returns that it can be estimated from.
    fn min_returns(&self) -> usize {
        2
    }

    /// Whether what it gives is positive semidefinite by construction; else it is checked.
    fn is_semidefinite(&self) -> bool {
        true
    }

    /// The covariance of one period from returns, a row a period and a column a ticker, two rows or more, all finite.
    /// `number` is the number of [`Estimator::number`], and means nothing without.
    ///
    /// # Errors
    /// [`Error::SolverFailed`], [`Error::Cancelled`].
    fn estimate(&self, returns: &Array2<f64>, number: f64, cancel: &Cancel) -> Result<Estimate>;
}

/// A number that an estimator takes.
struct Number {
    default: f64,
    valid: fn(f64) -> bool,
    /// What is valid, in words.
    expected: &'static str,
    /// Whether it is for how many periods the covariance is.
    is_horizon: bool,
}

/// What an estimator gives: N x N, and the weight of the target of one that shrinks.
struct Estimate {
    matrix: Array2<f64>,
    shrinkage: Option<f64>,
    /// What was chosen, of one that chooses.
    chosen: Option<CovarianceMethod>,
}

impl Estimate {
    fn plain(matrix: Array2<f64>) -> Estimate {
        Estimate { matrix, shrinkage: None, chosen: None }
    }

    fn shrunk(matrix: Array2<f64>, shrinkage: f64) -> Estimate {
        Estimate { matrix, shrinkage: Some(shrinkage), chosen: None }
    }
}

/// Every estimator, in the order in which errors list them.
static ESTIMATORS: &[&dyn Estimator] = &[
    DEFAULT,
    &sample::Sample,
    &constant_variance::ConstantVariance,
    &constant_correlation::ConstantCorrelation,
    &single_factor::SingleFactor,
    &oas::Oas,
    &exponential::Exponential,
    &semi::Semi,
    &denoised::Denoised,
    &gerber::Gerber,
    &nonlinear_shrinkage::NonlinearShrinkage,
    &dcc::Dcc,
    &dcc_nl::DccNl,
    &best::Best,
];

/// The estimator where none is named.
static DEFAULT: &dyn Estimator = &constant_variance::LedoitWolf;

/// An estimator, and the number that it was given.
#[derive(Clone, Copy)]
pub struct CovarianceMethod {
    estimator: &'static dyn Estimator,
    number: f64,
}

impl Default for CovarianceMethod {
    fn default() -> CovarianceMethod {
        CovarianceMethod { estimator: DEFAULT, number: 0.0 }
    }
}

impl PartialEq for CovarianceMethod {
    fn eq(&self, other: &CovarianceMethod) -> bool {
        (self.estimator.name(), self.number) == (other.estimator.name(), other.number)
    }
}

impl std::fmt::Debug for CovarianceMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.estimator.name(), self.number)
    }
}

/// As it is written in SQL.
impl std::fmt::Display for CovarianceMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.estimator.name())?;
        if self.estimator.number().is_some() { write!(f, "({})", self.number) } else { Ok(()) }
    }
}

impl CovarianceMethod {
    /// The names in SQL.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ESTIMATORS.iter().map(|estimator| estimator.name())
    }

    /// The method of this name. Some take a number: `exp_cov(90)` has a span of 90 days, `semicovariance(0.0001)` counts
    /// days under 0.01 %.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the valid names, [`Error::InvalidArgument`] for a number that makes no sense.
    pub fn parse(text: &str) -> Result<CovarianceMethod> {
        CovarianceMethod::parse_with(text, None)
    }

    /// The same, where one that forecasts over a horizon and is given none takes this one.
    ///
    /// # Errors
    /// As [`CovarianceMethod::parse`].
    pub fn parse_over(text: &str, horizon: usize) -> Result<CovarianceMethod> {
        CovarianceMethod::parse_with(text, Some(horizon))
    }

    fn parse_with(text: &str, horizon: Option<usize>) -> Result<CovarianceMethod> {
        let (name, given) = match text.trim().strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, number)) => (name.trim(), Some(parse_number(number)?)),
            None => (text.trim(), None),
        };
        let found = ESTIMATORS.iter().copied().find(|estimator| estimator.name() == name);
        let estimator = found.ok_or_else(|| input::unknown("covariance", name, CovarianceMethod::names()))?;
        let written = |number: f64| format!("{name}({number})");
        let number = match (estimator.number(), given) {
            (None, None) => 0.0,
            (None, Some(number)) => {
                return Err(input::invalid(
                    "covariance",
                    written(number),
                    format!("{name} without a number"),
                ));
            }
            (Some(takes), given) => {
                let told = horizon.filter(|_| takes.is_horizon);
                let default = told.map_or(takes.default, |horizon| horizon as f64);
                let number = given.unwrap_or(default);
                if !(takes.valid)(number) {
                    return Err(input::invalid("covariance", written(number), takes.expected));
                }
                number
            }
        };
        Ok(CovarianceMethod { estimator, number })
    }

    /// The annualised covariance of these returns.
    ///
    /// A ticker whose price never moves has zero variance and zero covariances (the shrinkage estimators give it
    /// the variance that they shrink to); with fewer returns than tickers the sample estimators are singular, the
    /// shrunk ones are not.
    ///
    /// # Errors
    /// [`Error::TooShort`] under two returns, or what the estimator needs, [`Error::InvalidArgument`] for a return that is not finite,
    /// [`Error::NotPositiveSemidefinite`] for a Gerber matrix that is not, [`Error::Cancelled`].
    pub fn estimate(self, panel: &ReturnPanel, cancel: &Cancel) -> Result<Covariance> {
        let universe = Universe::new(panel.tickers())?;
        let (returns, periods) = (panel.returns(), panel.periods_per_year());
        let need = self.estimator.min_returns();
        if returns.nrows() < need {
            let found = panel.tickers().iter().map(|ticker| (ticker.clone(), returns.nrows())).collect();
            return Err(Error::TooShort { need, found });
        }
        for pair in watched(panel.tickers().iter().zip(returns.columns()), returns.nrows(), cancel) {
            let (ticker, column) = pair?;
            if let Some(bad) = column.iter().find(|value| !value.is_finite()) {
                return Err(input::invalid("returns", format!("{bad} of {ticker}"), "finite returns"));
            }
        }
        let Estimate { matrix, shrinkage, chosen } = self.estimator.estimate(returns, self.number, cancel)?;
        let matrix = matrix * periods;
        if !self.estimator.is_semidefinite() {
            return Covariance::new(universe, matrix, cancel);
        }
        Ok(Covariance { universe, matrix, shrinkage, chosen })
    }
}

fn parse_number(text: &str) -> Result<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| input::invalid("covariance", text, "a number in the parentheses"))
}

/// A covariance that is known to be finite, symmetric and positive semidefinite, with its tickers.
#[derive(Debug, Clone, PartialEq)]
pub struct Covariance {
    universe: Universe,
    matrix: Array2<f64>,
    shrinkage: Option<f64>,
    chosen: Option<CovarianceMethod>,
}

impl Covariance {
    /// A covariance that somebody else estimated. The unit is that of the caller; with returns a year it is
    /// variance a year.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where it is not square of the universe's size, not finite or not symmetric,
    /// [`Error::NotPositiveSemidefinite`] for an eigenvalue under zero by more than rounding;
    /// [`fix_nonpositive_semidefinite`] makes a matrix without.
    pub fn new(universe: Universe, matrix: Array2<f64>, cancel: &Cancel) -> Result<Covariance> {
        let matrix = semidefinite("covariance", matrix.view(), universe.len(), cancel)?;
        Ok(Covariance { universe, matrix, shrinkage: None, chosen: None })
    }

    /// A covariance computed from a positive semidefinite one by a rule that keeps it so.
    pub(crate) fn derived(universe: Universe, matrix: Array2<f64>) -> Covariance {
        Covariance { universe, matrix, shrinkage: None, chosen: None }
    }

    /// The tickers.
    pub fn universe(&self) -> &Universe {
        &self.universe
    }

    /// The matrix, in the order of the tickers.
    pub fn matrix(&self) -> &Array2<f64> {
        &self.matrix
    }

    /// The weight of the shrinkage target, 0 to 1, for a method that shrinks.
    pub fn shrinkage(&self) -> Option<f64> {
        self.shrinkage
    }

    /// Which covariance was chosen, by one that chooses.
    pub fn chosen(&self) -> Option<CovarianceMethod> {
        self.chosen
    }

    /// The correlation of two tickers by their places; `None` where one of them does not vary.
    pub fn correlation(&self, row: usize, column: usize) -> Option<f64> {
        let scale = (self.matrix[[row, row]] * self.matrix[[column, column]]).sqrt();
        (scale > 0.0).then(|| self.matrix[[row, column]] / scale)
    }

    /// The standard deviation of each ticker.
    pub fn volatility(&self) -> Array1<f64> {
        self.matrix.diag().mapv(|variance| variance.max(0.0).sqrt())
    }
}
