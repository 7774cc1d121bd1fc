//! The calls that forecast many tickers.

use folio_core::Error;
use folio_core::forecast::{
    self, Batches, Clock, DEFAULT_HORIZON, DEFAULT_LEVEL, Ensemble, Horizon, Level, Member, ModelSet, Report,
    Request, SeasonLengths, Status, Step,
};
use folio_core::frequency::PeriodsPerYear;
use folio_core::panel::{PricePanel, Times, Timestamp};
use folio_core::stale::Ends;
use folio_core::task::Seed;
use pgrx::prelude::*;

use super::stale;
use crate::arguments::{Arguments, not_null};
use crate::backend::budget::{self, Held, HeldBy};
use crate::backend::datum::{Json, Text};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::report::{self, Result};
use crate::backend::server;
use crate::backend::settings::Settings;
use crate::backend::timestamp::with_time_zone;

impl Arguments {
    /// The arguments of a forecast validated, with the settings in the place of NULLs.
    pub fn plan(mut self) -> Result<Plan> {
        let settings = Settings::read();
        let request = self.forecast_request(&settings)?;
        let selection = self.selection(&settings)?;
        let periods = settings.periods_per_year(self.periods_per_year)?;
        Ok(Plan { settings, request, periods, selection, estimate: Batches::new })
    }

    /// What is asked for of each ticker.
    pub fn forecast_request(&self, settings: &Settings) -> Result<Request> {
        let models = match &self.models {
            Some(names) => ModelSet::new(&not_null("models", names.clone())?),
            None if settings.models.is_empty() => Ok(ModelSet::all()),
            None => ModelSet::new(&settings.models),
        };
        Ok(Request {
            horizon: Horizon::new(self.horizon.unwrap_or(DEFAULT_HORIZON as i64))?,
            levels: vec![Level::new(self.level.unwrap_or(DEFAULT_LEVEL))?],
            models: models?,
            season_lengths: SeasonLengths::default(),
            seed: Seed(settings.seed),
            clock: pool::thread_cpu_time as Clock,
        })
    }
}

/// What is to be forecast.
pub struct Plan {
    settings: Settings,
    pub request: Request,
    /// What views of the forecasts are annualised by.
    pub periods: PeriodsPerYear,
    selection: Selection,
    estimate: Estimate,
}

/// What a forecast takes: of the panel, all tickers, the request, threads and the limit.
type Estimate = fn(&PricePanel, usize, &Request, usize, usize) -> folio_core::Result<Batches>;

impl Plan {
    /// Keeps a row for each model instead of the steps.
    pub fn of_members(self) -> Plan {
        Plan { estimate: Batches::of_members, ..self }
    }

    /// Reads the prices alone, in panels that fit into folio.memory_limit.
    pub fn read(&self, mut look: impl FnMut(&PricePanel) -> Result<()>) -> Result<()> {
        prices::read_in_batches(&self.selection, &self.settings, |panel, _| look(&panel))
    }

    /// With intervals of these levels.
    pub fn at(mut self, levels: &[Level]) -> Plan {
        self.request.levels = levels.to_vec();
        self
    }

    /// From prices to the rows of all tickers.
    pub fn rows<Row>(self, rows: impl FnMut(Report) -> Result<Rows<Row>>) -> Result<RowsOfAll<Row>> {
        let (all, held) = self.forecast(|_| Ok(()), rows)?;
        Ok(held.by(all.into_iter().flatten()))
    }

    /// From prices to what `each` keeps of a ticker, in batches that fit into folio.memory_limit. A model's numbers do not
    /// depend on what else is computed, so neither do the results depend on the batches. `look` sees the prices before
    /// they are used. What is kept counts until the second value is gone.
    pub fn forecast<T>(
        self,
        mut look: impl FnMut(&PricePanel) -> Result<()>,
        mut each: impl FnMut(Report) -> Result<T>,
    ) -> Result<(Vec<T>, Held)> {
        let Plan { settings, request, selection, estimate, .. } = self;
        let mut pool = Pool::start(settings.threads_per_call)?;
        let cancel = pool::cancel_flag();
        let (mut all, mut result_bytes, mut ends) = (Vec::new(), 0, Ends::default());
        prices::read_in_batches(&selection, &settings, |panel, tickers| {
            look(&panel)?;
            ends.add(&panel);
            pool.announce(tickers * (request.models.models().len() + 1));
            let batches = pool.plan(settings.memory_limit, |threads, limit| {
                estimate(&panel, tickers, &request, threads, limit)
            })?;
            result_bytes = batches.result_bytes;
            for batch in panel.into_batches(batches.tickers) {
                for report in forecast::forecast(batch, &request, &pool, &cancel)? {
                    server::check_interrupts()?;
                    all.push(each(report)?);
                }
            }
            pool.reading();
            Ok(())
        })?;
        stale::remark_on(&ends);
        Ok((all, budget::hold(result_bytes)?))
    }
}

/// Rows of one ticker. They are made as the executor asks for them: all at once would take more memory than the numbers,
/// and time without a look at interrupts.
pub type Rows<Row> = Box<dyn Iterator<Item = Row>>;

/// The rows of many tickers.
pub type RowsOfAll<Row> = HeldBy<std::iter::Flatten<std::vec::IntoIter<Rows<Row>>>>;

/// A row of forecast_ensemble or forecast_intervals; of a ticker without a forecast it says why, and no more.
#[derive(Debug, Default)]
pub struct StepRow {
    pub ticker: Text,
    pub step: Option<i32>,
    pub ts: Option<TimestampWithTimeZone>,
    pub level: Option<f64>,
    pub forecast: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub status: Text,
}

impl StepRow {
    pub fn failed(ticker: String, error: Error) -> StepRow {
        StepRow { ticker: Text(ticker), status: failed(error), ..StepRow::default() }
    }

    /// The rows of a ticker.
    pub fn all(
        ticker: String,
        ensemble: Ensemble,
        stamp: fn(Timestamp, Times) -> TimestampWithTimeZone,
    ) -> Rows<StepRow> {
        let (ticker, status) = (Text(ticker), Text(dated_status(&ensemble)));
        let times = ensemble.history().times();
        let row = move |(number, step): (i32, Step)| StepRow {
            ticker: ticker.clone(),
            step: Some(number),
            ts: step.ts.map(|ts| stamp(ts, times)),
            level: None,
            forecast: Some(step.forecast),
            lower: Some(step.lower),
            upper: Some(step.upper),
            status: status.clone(),
        };
        Box::new((1..).zip(ensemble.steps).map(row))
    }

    /// The rows of a ticker with intervals of several levels, level by level at each step.
    pub fn at_levels(ticker: &str, ensemble: &Ensemble, levels: &[Level]) -> Rows<StepRow> {
        let (ticker, status) = (Text(ticker.to_owned()), Text(dated_status(ensemble)));
        let times = ensemble.history().times();
        let steps_at = |&level: &Level| Some((level.share(), ensemble.steps_at(level)?.to_vec()));
        let by_level: Vec<(f64, Vec<Step>)> = levels.iter().filter_map(steps_at).collect();
        let count = by_level.len();
        let row = move |index: usize| {
            let (number, (level, steps)) = (index / count, &by_level[index % count]);
            let step = steps[number];
            StepRow {
                ticker: ticker.clone(),
                step: Some(number as i32 + 1),
                ts: step.ts.map(|ts| with_time_zone(ts, times)),
                level: Some(*level),
                forecast: Some(step.forecast),
                lower: Some(step.lower),
                upper: Some(step.upper),
                status: status.clone(),
            }
        };
        Box::new((0..count * ensemble.steps.len()).map(row))
    }
}

/// A row of forecast_members.
#[derive(Debug, Default)]
pub struct MemberRow {
    pub ticker: Text,
    pub model: Option<Text>,
    pub weight: Option<f64>,
    pub status: Text,
    pub validation_rmse: Option<f64>,
    pub relative_mae: Option<f64>,
    pub fit_ms: Option<f64>,
    pub detail: Option<Json>,
}

impl MemberRow {
    pub fn failed(ticker: String, error: Error) -> MemberRow {
        MemberRow { ticker: Text(ticker), status: failed(error), ..MemberRow::default() }
    }

    pub fn new(ticker: &str, member: Member) -> MemberRow {
        let row = MemberRow {
            ticker: Text(ticker.to_owned()),
            model: Some(Text(member.model.to_owned())),
            fit_ms: Some(member.elapsed.as_secs_f64() * 1e3),
            ..MemberRow::default()
        };
        match member.outcome {
            Ok(fit) => MemberRow {
                weight: Some(fit.weight()),
                status: Text("ok".to_owned()),
                validation_rmse: fit.validation_rmse,
                relative_mae: fit.relative_mae,
                detail: Some(Json(fit.detail)),
                ..row
            },
            Err(failure) => MemberRow { status: Text(failure.to_string()), ..row },
        }
    }
}

/// The status of a ticker that could not be forecast.
fn failed(error: Error) -> Text {
    Text(report::Report::from(error).status())
}

/// How a forecast came about, and what is to be said of its dates.
pub fn dated_status(ensemble: &Ensemble) -> String {
    let status = status(ensemble);
    ensemble.dates().remark().map_or(status.clone(), |remark| format!("{status}; {remark}"))
}

/// How a forecast came about, and what is to be said of its seasons.
pub fn status(ensemble: &Ensemble) -> String {
    let status = match &ensemble.status {
        Status::Complete => "ok".to_owned(),
        Status::Partial { missing } => format!("ok without {}", missing.join(", ")),
        Status::ShortHistory { prices, last_price } => {
            let forecast = if *last_price { "the last price" } else { "equal weights" };
            format!("short history: {prices} prices; {forecast} and the interval of a random walk")
        }
    };
    ensemble.season_remark().map_or(status.clone(), |remark| format!("{status}; {remark}"))
}
