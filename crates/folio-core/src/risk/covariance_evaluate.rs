//! What covariances would have been worth: estimated from many days of the past, beside the returns that came. From each origin
//! nothing after it is read.
//!
//! Each covariance is judged by QLIKE ([`crate::portfolio::covariance::Spectrum`]), by its condition, and by two portfolios that
//! it makes, long only: the one of the least variance, and that of equal parts in the risk. Weights are those of the beginning of
//! each period, so that a portfolio's return is w' r. With the weights w of an origin and the returns of the h periods after it,
//!
//! ```text
//! volatility = sqrt(mean over origins of the mean of (w' r)^2, times the periods of a year)
//! turnover   = mean of sum |w - w0|, w0 the weights of the origin before as prices have moved them
//! coverage   = the share of losses over h periods up to z sqrt(h w' H w), z the normal quantile of the level
//! ```
//!
//! The statistics of Diebold and Mariano are those of the differences in QLIKE, and in the mean of (w' r)^2 of the portfolio of
//! the least variance (Engle, Ledoit & Wolf 2019), against `ledoit_wolf`: under zero the covariance is better.

use std::sync::Arc;

use ndarray::{Array1, ArrayView2, Axis, s};
use statrs::distribution::{ContinuousCDF, Normal};

use super::tail::checked_level;
use crate::forecast::{DieboldMariano, Differences, Horizon, overlap};
use crate::frequency::PeriodsPerYear;
use crate::panel::ReturnPanel;
use crate::portfolio::covariance::{Covariance, CovarianceMethod, Spectrum};
use crate::portfolio::market::{Market, RiskAversion};
use crate::portfolio::objective::{Constraints, MIN_VOLATILITY, Objective, by_name, optimize};
use crate::task::{self, Cancel, Executor, Outcome, Panicked};
use crate::{Error, Result, input, work};

/// How many origins there are if nothing is said: at the default stride, two years and a half of months.
pub const DEFAULT_COVARIANCE_ORIGINS: i64 = 30;

/// How many periods ahead if nothing is said: a month of days.
pub const DEFAULT_COVARIANCE_HORIZON: i64 = 21;

/// The most origins, and the most days between them.
const MOST: i64 = 10_000;

/// The fewest returns that a covariance is judged on.
const FEWEST: usize = 60;

/// From where to evaluate, as a caller writes it.
#[derive(Debug, Clone, Copy)]
pub struct CovarianceSchedule {
    /// How many periods a forecast is for.
    pub horizon: i64,
    /// How many origins, counted back from the last that has an outcome.
    pub origins: i64,
    /// Periods from one origin to the next; None takes the horizon.
    pub stride: Option<i64>,
    /// How many of the newest prices before it a covariance sees.
    pub history: usize,
}

/// A validated request.
#[derive(Debug, Clone)]
pub struct CovarianceEvaluation {
    methods: Vec<CovarianceMethod>,
    /// Losses up to so many standard deviations are covered.
    quantile: f64,
    horizon: usize,
    origins: usize,
    stride: usize,
    history: usize,
}

/// What one covariance was worth.
#[derive(Debug, Clone, PartialEq)]
pub struct CovarianceScore {
    /// Its name, with its number.
    pub covariance: String,
    /// From how many origins there is one.
    pub n: usize,
    /// The mean loss, over the origins where it is not singular.
    pub qlike: Option<f64>,
    /// Against `ledoit_wolf`.
    pub against_qlike: Option<DieboldMariano>,
    /// The portfolio of the least variance.
    pub least_variance: PortfolioScore,
    /// The difference of its variance to that with `ledoit_wolf`.
    pub against_variance: Option<DieboldMariano>,
    /// The portfolio of equal risks.
    pub equal_risk: PortfolioScore,
    /// The median of the condition numbers, where it is not singular.
    pub condition: Option<f64>,
    /// From how many origins it is singular.
    pub singular: usize,
    /// From how many origins there is none, and why the first time.
    pub missing: Option<(usize, String)>,
}

/// What a portfolio by a covariance did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PortfolioScore {
    /// Realised, a year.
    pub volatility: Option<f64>,
    /// From an origin to the next; None where no two follow each other.
    pub turnover: Option<f64>,
    /// The share of losses up to the value at risk.
    pub coverage: Option<f64>,
}

/// What a covariance showed from one origin.
struct Shown {
    qlike: Option<f64>,
    condition: Option<f64>,
    /// That of the least variance, and that of equal risks where there is one.
    portfolios: [Option<Held>; 2],
}

/// A portfolio over the periods after an origin.
struct Held {
    weights: Array1<f64>,
    mean_square: f64,
    is_covered: bool,
}

/// Of each covariance what it showed, or why it showed nothing.
type FromOrigin = Vec<Result<Shown, String>>;

struct Judged(Result<FromOrigin>);

impl Outcome for Judged {
    fn succeeded(&self) -> bool {
        self.0.is_ok()
    }
}

impl CovarianceEvaluation {
    /// Evaluates the covariances of these names, or all, by this schedule, and values at risk at the level. Beside them there is
    /// always `ledoit_wolf`. One that takes a horizon takes the schedule's, unless it has a number of its own.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::UnknownName`].
    pub fn new(
        names: Option<&[String]>,
        level: f64,
        schedule: &CovarianceSchedule,
    ) -> Result<CovarianceEvaluation> {
        let horizon = Horizon::new(schedule.horizon)?.steps();
        let all: Vec<String> = CovarianceMethod::names().map(str::to_owned).collect();
        let mut methods = vec![CovarianceMethod::default()];
        for name in names.unwrap_or(&all) {
            let method = CovarianceMethod::parse_over(name, horizon)?;
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        Ok(CovarianceEvaluation {
            methods,
            quantile: Normal::standard().inverse_cdf(checked_level(level)?),
            horizon,
            origins: input::whole("origins", schedule.origins, 1..=MOST, "")?,
            stride: input::whole("stride", schedule.stride.unwrap_or(horizon as i64), 1..=MOST, "")?,
            history: schedule.history,
        })
    }

    /// How many of the newest prices it reads: however few a covariance sees, the first origin lies behind enough returns.
    pub fn prices(&self) -> usize {
        let first = self.history.max(FEWEST + 1);
        first.saturating_add((self.origins - 1) * self.stride + self.horizon)
    }

    /// How many prices a covariance sees.
    pub fn history(&self) -> usize {
        self.history
    }

    /// Numbers that are kept of all origins, for so many tickers: the weights of both portfolios.
    pub fn kept(&self, tickers: usize) -> usize {
        let each = 2 * tickers + size_of::<Result<Shown, String>>() / size_of::<f64>();
        self.methods.len().saturating_mul(self.origins).saturating_mul(each)
    }

    /// The origins of `n` returns, rising.
    fn origins(&self, n: usize) -> Result<Vec<usize>> {
        let last = n.saturating_sub(self.horizon);
        let mut origins: Vec<usize> = (FEWEST..=last).rev().step_by(self.stride).take(self.origins).collect();
        origins.reverse();
        if origins.is_empty() {
            let found = vec![("days that all tickers share".to_owned(), n + 1)];
            return Err(Error::TooShort { need: FEWEST + self.horizon + 1, found });
        }
        Ok(origins)
    }

    /// What each covariance was worth, `ledoit_wolf` first. Origins are jobs on the executor.
    ///
    /// # Errors
    /// [`Error::TooShort`] without an origin, [`Error::InvalidArgument`] for a return that is not finite,
    /// [`Error::Internal`], [`Error::Cancelled`].
    pub fn scores(
        &self,
        panel: &ReturnPanel,
        executor: &dyn Executor,
        cancel: &Cancel,
    ) -> Result<Vec<CovarianceScore>> {
        let origins = self.origins(panel.days().len())?;
        let periods = panel.periods_per_year();
        // Of one period, as the returns are.
        let panel = Arc::new(panel.clone().with_periods(PeriodsPerYear::new(1.0)?));
        let (work, flag) = (Arc::new((self.clone(), Arc::clone(&panel))), cancel.clone());
        let judged = task::map(executor, cancel, origins.clone(), move |origin| {
            let (evaluation, panel) = &*work;
            Judged(evaluation.from(origin, panel, &flag))
        })?;
        let mut scored: Vec<Scored> = self.methods.iter().map(|_| Scored::default()).collect();
        for (outcome, origin) in judged.into_iter().zip(origins) {
            let all = outcome.map_err(|Panicked(message)| Error::Internal { message })?.0?;
            cancel.check()?;
            work::count(all.len() * panel.tickers().len() * (self.stride + 2));
            self.add(&mut scored, all, origin, &panel);
        }
        let named = self.methods.iter().zip(scored);
        Ok(named
            .map(|(method, scored)| scored.score(method, periods, overlap(self.horizon, self.stride)))
            .collect())
    }

    /// What every covariance shows from an origin.
    fn from(&self, origin: usize, panel: &ReturnPanel, cancel: &Cancel) -> Result<FromOrigin> {
        // So many prices have one return less.
        let start = origin.saturating_sub(self.history.saturating_sub(1));
        let past = panel.during(start..origin);
        let came = panel.returns().slice(s![origin..origin + self.horizon, ..]);
        cancel.check()?;
        work::count(2 * past.returns().len());
        let mean_squares =
            past.returns().mapv(|earned| earned * earned).mean_axis(Axis(0)).unwrap_or_default();
        let mut all = Vec::with_capacity(self.methods.len());
        for method in &self.methods {
            all.push(match method.estimate(&past, cancel) {
                Ok(covariance) => Ok(self.show(&covariance, came, &mean_squares, cancel)?),
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => Err(error.to_string()),
            });
        }
        Ok(all)
    }

    fn show(
        &self,
        covariance: &Covariance,
        came: ArrayView2<'_, f64>,
        mean_squares: &Array1<f64>,
        cancel: &Cancel,
    ) -> Result<Shown> {
        let spectrum = Spectrum::of(covariance.matrix().view(), cancel)?;
        let mut portfolios = [None, None];
        for (held, objective) in portfolios.iter_mut().zip([MIN_VOLATILITY, by_name("risk_parity")?]) {
            *held = self.hold(objective, covariance, came, cancel)?;
        }
        let qlike = spectrum.qlike(came, mean_squares, cancel)?;
        Ok(Shown { qlike, condition: spectrum.condition(), portfolios })
    }

    /// The portfolio of an objective; None where it finds no weights, as of equal risks where a price does not move.
    fn hold(
        &self,
        objective: &dyn Objective,
        covariance: &Covariance,
        came: ArrayView2<'_, f64>,
        cancel: &Cancel,
    ) -> Result<Option<Held>> {
        let none = Array1::zeros(covariance.universe().len());
        let market = Market {
            covariance,
            returns: &none,
            risk_aversion: RiskAversion::default(),
            risk_free_rate: 0.0,
            market_weights: None,
            history: None,
        };
        let weights = match optimize(&market, objective, &Constraints::default(), cancel) {
            Ok(weights) => weights,
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(_) => return Ok(None),
        };
        cancel.check()?;
        work::count(work::PRODUCTS * (came.len() + covariance.matrix().len()));
        let variance = weights.dot(&covariance.matrix().dot(&weights));
        let earned = came.dot(&weights);
        let loss = 1.0 - earned.iter().map(|earned| 1.0 + earned).product::<f64>();
        let mean_square = earned.iter().map(|earned| earned * earned).sum::<f64>() / earned.len() as f64;
        let is_covered = loss <= self.quantile * (self.horizon as f64 * variance.max(0.0)).sqrt();
        Ok(Some(Held { weights, mean_square, is_covered }))
    }

    /// Counts in what an origin showed.
    fn add(&self, scored: &mut [Scored], mut all: FromOrigin, origin: usize, panel: &ReturnPanel) {
        let yardstick = all.first().and_then(|shown| shown.as_ref().ok());
        let of_yardstick =
            yardstick.map(|shown| (shown.qlike, shown.portfolios[0].as_ref().map(|held| held.mean_square)));
        // The close at the end of the last return that was read.
        let day = panel.days()[origin - 1].day();
        let moved = panel.returns().slice(s![origin - self.stride.min(origin)..origin, ..]);
        for (scored, shown) in scored.iter_mut().zip(all.drain(..)) {
            match shown {
                Ok(shown) => scored.add(shown, of_yardstick.unwrap_or_default(), day, moved),
                Err(reason) => {
                    scored.missing.get_or_insert((0, reason)).0 += 1;
                    scored.portfolios.iter_mut().for_each(|portfolio| portfolio.before = None);
                }
            }
        }
    }
}

/// A mean in the making.
#[derive(Default)]
struct Mean {
    count: f64,
    sum: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
    }

    fn value(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

/// The measures of one covariance in the making.
#[derive(Default)]
struct Scored {
    n: usize,
    qlike: Mean,
    conditions: Vec<f64>,
    portfolios: [ScoredPortfolio; 2],
    /// In QLIKE, and in the variance of the first portfolio.
    against: [Differences; 2],
    missing: Option<(usize, String)>,
}

#[derive(Default)]
struct ScoredPortfolio {
    square: Mean,
    turnover: Mean,
    covered: Mean,
    /// The weights of the origin before.
    before: Option<Array1<f64>>,
}

impl Scored {
    fn add(
        &mut self,
        shown: Shown,
        yardstick: (Option<f64>, Option<f64>),
        day: i64,
        moved: ArrayView2<'_, f64>,
    ) {
        self.n += 1;
        self.conditions.extend(shown.condition);
        if let Some(own) = shown.qlike {
            self.qlike.add(own);
        }
        let own = (shown.qlike, shown.portfolios[0].as_ref().map(|held| held.mean_square));
        for (against, (own, other)) in
            self.against.iter_mut().zip([(own.0, yardstick.0), (own.1, yardstick.1)])
        {
            if let (Some(own), Some(other)) = (own, other) {
                against.add_difference(day, own - other);
            }
        }
        for (portfolio, held) in self.portfolios.iter_mut().zip(shown.portfolios) {
            portfolio.add(held, moved);
        }
    }

    fn score(mut self, method: &CovarianceMethod, periods: f64, overlap: usize) -> CovarianceScore {
        self.conditions.sort_by(f64::total_cmp);
        let [against_qlike, against_variance] =
            [0, 1].map(|index| self.against[index].diebold_mariano(overlap));
        let [least_variance, equal_risk] = [0, 1].map(|index| self.portfolios[index].score(periods));
        CovarianceScore {
            covariance: method.to_string(),
            n: self.n,
            qlike: self.qlike.value(),
            against_qlike,
            least_variance,
            against_variance,
            equal_risk,
            condition: self.conditions.get(self.conditions.len() / 2).copied(),
            singular: self.n - self.conditions.len(),
            missing: self.missing,
        }
    }
}

impl ScoredPortfolio {
    fn add(&mut self, held: Option<Held>, moved: ArrayView2<'_, f64>) {
        let before = self.before.take();
        let Some(Held { weights, mean_square, is_covered }) = held else { return };
        self.square.add(mean_square);
        self.covered.add(f64::from(u8::from(is_covered)));
        if let Some(mut drifted) = before {
            for row in moved.rows() {
                drifted.zip_mut_with(&row, |amount, earned| *amount *= 1.0 + earned);
            }
            let value = drifted.sum();
            self.turnover.add(drifted.iter().zip(&weights).map(|(w0, w)| (w - w0 / value).abs()).sum());
        }
        self.before = Some(weights);
    }

    fn score(&self, periods: f64) -> PortfolioScore {
        PortfolioScore {
            volatility: self.square.value().map(|square| (square * periods).sqrt()),
            turnover: self.turnover.value(),
            coverage: self.covered.value(),
        }
    }
}
