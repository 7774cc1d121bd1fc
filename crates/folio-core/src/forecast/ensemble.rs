//! The plan and the combination: a job per ticker and model, then per ticker weights, a path and an interval.

use std::sync::Arc;

use super::dates::Dates;
use super::interval::History;
use super::member::{Member, MemberFit};
use super::names::NAIVE;
use super::plan::{self, Plan};
use super::request::{Level, Request};
use crate::panel::{PricePanel, Series, Timestamp};
use crate::price::price_of_log;
use crate::task::{self, Cancel, Executor, Outcome, Panicked};
use crate::{Error, Result};

/// The fewest prices that give a change to forecast from.
const MIN_PRICES: usize = 2;

/// The logarithm up to which a factor between two prices, and its reciprocal, are ordinary doubles.
const LARGEST_FACTOR: f64 = 700.0;

/// A step of a forecast, in prices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When it falls, if that can be known: [`Dates`].
    pub ts: Option<Timestamp>,
    /// The median: the exponential of the forecast log price.
    pub forecast: f64,
    /// The lower bound of the interval.
    pub lower: f64,
    /// The upper bound of the interval.
    pub upper: f64,
}

impl Step {
    /// `moved` is by how much the log price is forecast to differ from that of the last price, which a forecast of no
    /// change then gives to the bit.
    fn new(ts: Option<Timestamp>, last_close: f64, moved: f64, width: f64) -> Step {
        // A factor that is no double may still lead from one price to another.
        let price = |moved: f64| {
            if moved.abs() < LARGEST_FACTOR {
                (last_close * moved.exp()).min(f64::MAX)
            } else {
                price_of_log(last_close.ln() + moved)
            }
        };
        let [forecast, lower, upper] = [moved, moved - width, moved + width].map(price);
        Step { ts, forecast, lower, upper }
    }
}

/// How a ticker's forecast came about.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// Every model took part, weighted by its errors out of sample.
    Complete,
    /// Some models could not; the others were weighted by their errors out of sample.
    Partial {
        /// The models that failed.
        missing: Vec<&'static str>,
    },
    /// Too few prices to validate on: the last price, or equal weights where it is not among the models, and the interval
    /// of a random walk.
    ShortHistory {
        /// How many prices there are.
        prices: usize,
        /// Whether the last price is the forecast.
        last_price: bool,
    },
}

/// One ticker's forecast.
#[derive(Debug, Clone)]
pub struct Ensemble {
    /// The price that the forecasts start from.
    pub last_close: f64,
    /// The steps 1, 2, ..., horizon, with the interval of the first level.
    pub steps: Vec<Step>,
    /// The models, in the order of [`crate::model::MODELS`].
    pub members: Vec<Member>,
    /// How it came about.
    pub status: Status,
    series: Series,
    dates: Dates,
    levels: Vec<Level>,
    /// The seasons that were found, and those that were told.
    season_lengths: Vec<usize>,
    told_lengths: Vec<usize>,
    /// The steps at the levels after the first.
    further: Vec<Vec<Step>>,
}

impl Ensemble {
    /// The prices that it was forecast from.
    pub fn history(&self) -> &Series {
        &self.series
    }

    /// The lengths of its seasons in prices, rising.
    pub fn season_lengths(&self) -> &[usize] {
        &self.season_lengths
    }

    /// What a reader has to know of its seasons.
    pub fn season_remark(&self) -> Option<String> {
        let written = |lengths: Vec<usize>| {
            let texts: Vec<String> = lengths.iter().map(usize::to_string).collect();
            texts.join(" and ")
        };
        let missing = self.told_lengths.iter().filter(|length| !self.season_lengths.contains(length));
        let missing: Vec<usize> = missing.copied().collect();
        let (found, missing) = (written(self.season_lengths.clone()), written(missing));
        match (found.is_empty(), missing.is_empty()) {
            (true, true) => None,
            (false, true) => Some(format!("season of {found} prices")),
            (true, false) => Some(format!("no season of {missing} prices")),
            (false, false) => Some(format!("season of {found} prices, none of {missing}")),
        }
    }

    /// When its steps fall.
    pub fn dates(&self) -> &Dates {
        &self.dates
    }

    /// The steps with the interval of one of the levels that were asked for.
    pub fn steps_at(&self, level: Level) -> Option<&[Step]> {
        match self.levels.iter().position(|&other| other == level)? {
            0 => Some(&self.steps),
            later => self.further.get(later - 1).map(Vec::as_slice),
        }
    }
}

impl Outcome for Result<Ensemble> {
    fn succeeded(&self) -> bool {
        self.is_ok()
    }
}

/// A ticker with its forecast, or why it has none.
#[derive(Debug, Clone)]
pub struct Report {
    /// The ticker.
    pub ticker: String,
    /// The forecast.
    pub outcome: Result<Ensemble>,
}

/// Forecasts every ticker of the panel; one that fails costs its own report only.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn forecast(
    panel: PricePanel,
    request: &Request,
    executor: &dyn Executor,
    cancel: &Cancel,
) -> Result<Vec<Report>> {
    let mut tickers = Vec::with_capacity(panel.columns().len());
    for (ticker, series) in panel.into_columns() {
        cancel.check()?;
        let serving = match series {
            Ok(series) => Serving::new(series, request, cancel),
            Err(error) => Err(error),
        };
        tickers.push((ticker, serving));
    }
    let servings = || tickers.iter().filter_map(|(_, serving)| serving.as_ref().ok());
    let plans: Vec<Arc<Plan>> = servings().map(|serving| Arc::clone(&serving.plan)).collect();
    let mut members = plan::run(&plans, request, executor, cancel)?.into_iter();
    drop(plans);
    let (mut names, mut items) = (Vec::with_capacity(tickers.len()), Vec::new());
    for (ticker, serving) in tickers {
        names
            .push((ticker, serving.map(|serving| items.push((serving, members.next().unwrap_or_default())))));
    }
    let (settings, flag) = (request.clone(), cancel.clone());
    let mut combined = task::map(executor, cancel, items, move |(serving, members)| {
        serving.combine(members, &settings, &flag)
    })?
    .into_iter();
    let mut next = || match combined.next() {
        Some(Ok(outcome)) => outcome,
        Some(Err(Panicked(message))) => Err(Error::Internal { message }),
        None => Err(Error::Cancelled),
    };
    let report =
        |(ticker, planned): (String, Result<()>)| Report { ticker, outcome: planned.and_then(|()| next()) };
    Ok(names.into_iter().map(report).collect())
}

/// A ticker to forecast: its prices, and the plan that ends with them.
#[derive(Debug)]
struct Serving {
    series: Series,
    plan: Arc<Plan>,
}

impl Serving {
    fn new(series: Series, request: &Request, cancel: &Cancel) -> Result<Serving> {
        let got = series.close().len();
        if got < MIN_PRICES {
            let found = vec![(series.ticker().to_owned(), got)];
            return Err(Error::TooShort { need: MIN_PRICES, found });
        }
        let log_prices = plan::log_prices(&series, cancel)?;
        let lengths = request.season_lengths_of(series.frequency());
        let plan = Plan::new(series.ticker(), log_prices, 0..got, &[got], &lengths, cancel)?;
        Ok(Serving { series, plan: Arc::new(plan) })
    }

    /// A job: what only the combination needs, such as the members' errors, is freed where it ends.
    fn combine(self, mut members: Vec<Member>, request: &Request, cancel: &Cancel) -> Result<Ensemble> {
        let Serving { series, plan } = self;
        let horizon = request.horizon.steps();
        if plan::fits(&members).next().is_none() {
            return Err(no_model(series.ticker(), &members));
        }
        plan::weigh(&plan, &mut members, horizon, cancel)?;
        let (path, dates) =
            (plan::path(&plan, &members, 0, horizon), Dates::after(&series, horizon, cancel)?);
        let base = plan.base(0, horizon, cancel)?;
        let (history, base_path) = (History::new(&base.y, cancel)?, base.path(&path));
        let scores = history.scores(plan::combined_errors(&plan, &members, cancel)?, horizon, cancel)?;
        let last_close = series.close().last().copied().unwrap_or(f64::NAN);
        let last = plan.before(0).last().copied().unwrap_or(f64::NAN);
        let at_level = |level: &Level| {
            let last_price = history.last_price(*level, horizon, cancel)?;
            let widths = history.half_widths(&last_price, &scores, *level, &base_path, cancel)?;
            let times = dates.ts().iter().zip(&path).zip(widths);
            Ok(times.map(|((&ts, &mean), width)| Step::new(ts, last_close, mean - last, width)).collect())
        };
        let mut levels = request.levels.iter().map(at_level).collect::<Result<Vec<Vec<Step>>>>()?.into_iter();
        members
            .iter_mut()
            .filter_map(|member| member.outcome.as_mut().ok())
            .for_each(MemberFit::forget_errors);
        Ok(Ensemble {
            last_close,
            steps: levels.next().unwrap_or_default(),
            status: status(&plan, &members),
            levels: request.levels.clone(),
            further: levels.collect(),
            season_lengths: plan.season_lengths().to_vec(),
            told_lengths: request.season_lengths.lengths().unwrap_or_default().to_vec(),
            members,
            series,
            dates,
        })
    }
}

fn status(plan: &Plan, members: &[Member]) -> Status {
    let missing: Vec<&'static str> =
        members.iter().filter(|member| member.outcome.is_err()).map(|member| member.model).collect();
    match (plan.validates(), missing.is_empty()) {
        (false, _) => Status::ShortHistory {
            prices: plan.fitted().len(),
            last_price: plan.season_lengths().is_empty()
                && members.iter().any(|member| member.model == NAIVE && member.outcome.is_ok()),
        },
        (true, true) => Status::Complete,
        (true, false) => Status::Partial { missing },
    }
}

fn no_model(ticker: &str, members: &[Member]) -> Error {
    let reason =
        |member: &Member| member.outcome.as_ref().err().map(|failure| (member.model, failure.to_string()));
    Error::NoModel { ticker: ticker.to_owned(), failures: members.iter().filter_map(reason).collect() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::forecast::{Horizon, ModelSet, SeasonLengths};
    use crate::model::{Failure, Fitted, Model, Path, by_name};
    use crate::panel::PriceRow;
    use crate::task::{Inline, Seed, Task};

    /// What a badly written model may do.
    enum Bad {
        PanicsInFit,
        PanicsInForecast,
        Diverges,
        /// Fits the part that validates, not the whole history.
        FailsOnAll(AtomicUsize),
        IsNotFinite,
        /// A finite logarithm of a price that is none.
        Overflows,
        Underflows,
    }

    impl Model for Bad {
        fn name(&self) -> &'static str {
            "bad"
        }

        fn min_observations(&self) -> usize {
            2
        }

        fn fit(&self, _y: &[f64], _horizon: usize, _task: &Task) -> Result<Box<dyn Fitted>, Failure> {
            let mean = match self {
                Bad::PanicsInFit => panic!("a defect in a fit"),
                Bad::Diverges => return Err(Failure::Diverged("a reason")),
                Bad::FailsOnAll(fits) if fits.fetch_add(1, Ordering::Relaxed) > 0 => {
                    return Err(Failure::Constant);
                }
                Bad::PanicsInForecast => None,
                Bad::FailsOnAll(_) => Some(4.6),
                Bad::IsNotFinite => Some(f64::NAN),
                Bad::Overflows => Some(710.0),
                Bad::Underflows => Some(-746.0),
            };
            Ok(Box::new(BadFit(mean)))
        }
    }

    struct BadFit(Option<f64>);

    impl Fitted for BadFit {
        fn forecast(
            &self,
            _y: &[f64],
            origins: &[usize],
            horizon: usize,
            _task: &Task,
        ) -> Result<Vec<Path>, Failure> {
            let mean = self.0.expect("a defect in a forecast");
            Ok(vec![Path { mean: vec![mean; horizon], sd: vec![1.0; horizon] }; origins.len()])
        }

        fn detail(&self) -> serde_json::Value {
            serde_json::Value::Null
        }
    }

    fn ensemble_of(models: &[&'static dyn Model]) -> Result<Ensemble> {
        let row = |day: i64| PriceRow {
            ts: Timestamp(day * 86_400_000_000),
            close: 100.0 + 5.0 * (day as f64 / 7.0).sin() + 0.01 * day as f64,
        };
        let series = Series::new("A".to_owned(), (0..200).map(row).collect(), usize::MAX);
        let request = Request {
            horizon: Horizon::new(5)?,
            levels: vec![Level::new(0.8)?],
            models: ModelSet::of(models),
            season_lengths: SeasonLengths::default(),
            seed: Seed(1),
            clock: || Duration::ZERO,
        };
        let panel = PricePanel::new(vec![("A".to_owned(), series)]);
        forecast(panel, &request, &Inline, &Cancel::default())?.remove(0).outcome
    }

    #[test]
    fn a_bad_member_is_named_and_costs_itself_only() {
        static BAD: [(Bad, &str); 7] = [
            (Bad::PanicsInFit, "panicked: a defect in a fit"),
            (Bad::PanicsInForecast, "panicked: a defect in a forecast"),
            (Bad::Diverges, "diverged: a reason"),
            (Bad::FailsOnAll(AtomicUsize::new(0)), "constant series"),
            (Bad::IsNotFinite, "not finite: forecast"),
            (Bad::Overflows, "not finite: price"),
            (Bad::Underflows, "not finite: price"),
        ];
        let [naive, drift] = ["naive", "drift"].map(|name| by_name(name).unwrap());
        let good = ensemble_of(&[naive, drift]).unwrap();
        assert_eq!(good.status, Status::Complete);
        for (bad, reason) in &BAD {
            let ensemble = ensemble_of(&[naive, bad, drift]).unwrap();
            assert_eq!(ensemble.steps, good.steps, "{reason}");
            assert_eq!(ensemble.status, Status::Partial { missing: vec!["bad"] });
            let [first, member, last] = ensemble.members.as_slice() else { panic!() };
            assert!(first.outcome.is_ok() && last.outcome.is_ok() && member.model == "bad");
            assert_eq!(member.outcome.as_ref().unwrap_err().to_string(), *reason);
        }
    }

    #[test]
    fn without_a_good_member_the_error_names_each() {
        static PANICS: Bad = Bad::PanicsInFit;
        static DIVERGES: Bad = Bad::Diverges;
        let Error::NoModel { ticker, failures } = ensemble_of(&[&PANICS, &DIVERGES]).unwrap_err() else {
            panic!()
        };
        assert_eq!((ticker.as_str(), failures.len()), ("A", 2));
        assert_eq!(failures[1], ("bad", "diverged: a reason".to_owned()));
    }
}
