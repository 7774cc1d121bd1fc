//! The calls that forecast the volatility of many tickers, or evaluate such forecasts, and their rows.

use folio_core::Error;
use folio_core::forecast::{Batches, Clock, DEFAULT_HORIZON, DEFAULT_LEVEL, Horizon, Level};
use folio_core::frequency::Remark;
use folio_core::panel::PricePanel;
use folio_core::risk::{
    self, Bars, DEFAULT_ORIGINS, Ensemble, Evaluation, Member, ModelSet, Report, Request, Row, Schedule,
    Status, Step, Summary,
};
use folio_core::task::{self, Cancel};
use pgrx::prelude::*;

use super::periods;
use crate::arguments::{Arguments, not_null};
use crate::backend::budget::{self, Held, HeldBy};
use crate::backend::datum::{Json, Text};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::report::{self, Result};
use crate::backend::server;
use crate::backend::settings::Settings;
use crate::backend::timestamp::with_time_zone;

/// Rows of one ticker, made as the executor asks for them.
pub type Rows<Row> = Box<dyn Iterator<Item = Row>>;

/// The rows of many tickers.
pub type RowsOfAll<Row> = HeldBy<std::iter::Flatten<std::vec::IntoIter<Rows<Row>>>>;

/// What a forecast takes: of the panel, all tickers, the request, threads and the limit.
type Estimate = fn(&PricePanel, usize, &Request, usize, usize) -> folio_core::Result<Batches>;

impl Arguments {
    /// What is asked for of each ticker.
    fn volatility_request(&self, settings: &Settings) -> Result<Request> {
        let models = match &self.models {
            Some(names) => ModelSet::new(&not_null("models", names.clone())?)?,
            None => ModelSet::all(),
        };
        Ok(Request {
            horizon: Horizon::new(self.horizon.unwrap_or(DEFAULT_HORIZON as i64))?,
            level: Level::new(self.level.unwrap_or(DEFAULT_LEVEL))?,
            models,
            periods: settings.periods_per_year(self.periods_per_year)?,
            clock: pool::thread_cpu_time as Clock,
        })
    }

    /// The rows that `each` makes of every ticker's forecast.
    pub fn volatility<Row: 'static>(
        mut self,
        estimate: Estimate,
        mut each: impl FnMut(Report) -> Rows<Row>,
    ) -> Result<RowsOfAll<Row>> {
        let settings = Settings::read();
        let request = self.volatility_request(&settings)?;
        let selection = self.selection(&settings)?;
        let (mut all, mut said): (_, Vec<Remark>) = (Vec::new(), Vec::new());
        let plan =
            |panel: &PricePanel, tickers, threads, limit| estimate(panel, tickers, &request, threads, limit);
        let (_, held) = in_batches(&selection, &settings, plan, |panel, pool, cancel| {
            for report in risk::forecast(Bars::of(panel), &request, pool, cancel)? {
                server::check_interrupts()?;
                let remark = report.outcome.as_ref().ok().and_then(|ensemble| ensemble.remark.clone());
                said.extend(remark.filter(|remark| !said.contains(remark)));
                all.push(each(report));
            }
            Ok(())
        })?;
        periods::say(said);
        Ok(held.by(all.into_iter().flatten()))
    }

    /// The rows of an evaluation over all tickers.
    pub fn evaluate_volatility(mut self) -> Result<HeldBy<std::vec::IntoIter<ScoreRow>>> {
        let settings = Settings::read();
        let request = self.volatility_request(&settings)?;
        let mut selection = self.selection(&settings)?;
        let schedule = Schedule {
            origins: self.origins.unwrap_or(DEFAULT_ORIGINS),
            stride: self.stride,
            refit_every: self.refit_every.unwrap_or(1),
            history: selection.history,
        };
        let evaluation = Evaluation::new(request, &schedule)?;
        selection.history = evaluation.prices();
        // The measures' own part of what all calls may take: they grow with days that tickers do not share.
        let (mut summary, mut measures, mut counted) = (Summary::default(), Held::default(), 0);
        let plan = |panel: &PricePanel, tickers, threads, limit| {
            risk::of_evaluation(panel, tickers, &evaluation, threads, limit)
        };
        let (pool, held) = in_batches(&selection, &settings, plan, |panel, pool, cancel| {
            let before = std::mem::take(&mut summary);
            summary = risk::evaluate(Bars::of(panel), &evaluation, before, pool, cancel)?;
            let (need_bytes, limit_bytes) = (summary.bytes(), settings.memory_limit / 2);
            if need_bytes > limit_bytes {
                return Err(Error::MemoryLimit { need_bytes, limit_bytes }.into());
            }
            measures.grow(need_bytes.saturating_sub(counted))?;
            counted = counted.max(need_bytes);
            Ok(())
        })?;
        let (stride, cancel) = (evaluation.stride(), pool::cancel_flag());
        let (summary, rows) = task::one(&pool, &cancel, move |cancel| {
            let rows = summary.rows(stride, cancel)?;
            Ok((summary, rows))
        })?;
        drop(measures);
        Ok(held.by(ScoreRow::of_all(&summary, rows).into_iter()))
    }
}

/// Reads the prices and gives them to `each` in panels of as many tickers as the plan says, with the pool to compute on. Each
/// is a task for every ticker. What is kept of the results counts until the last value is gone.
fn in_batches(
    selection: &Selection,
    settings: &Settings,
    plan: impl Fn(&PricePanel, usize, usize, usize) -> folio_core::Result<Batches>,
    mut each: impl FnMut(PricePanel, &Pool, &Cancel) -> Result<()>,
) -> Result<(Pool, Held)> {
    let mut pool = Pool::start(settings.threads_per_call)?;
    let (cancel, mut result_bytes) = (pool::cancel_flag(), 0);
    prices::read_in_batches(selection, settings, |panel, tickers| {
        pool.announce(tickers);
        let batches =
            pool.plan(settings.memory_limit, |threads, limit| plan(&panel, tickers, threads, limit))?;
        result_bytes = batches.result_bytes;
        for batch in panel.into_batches(batches.tickers) {
            each(batch, &pool, &cancel)?;
        }
        pool.reading();
        Ok(())
    })?;
    Ok((pool, budget::hold(result_bytes)?))
}

/// The only row of a ticker.
fn one<Row: 'static>(row: Row) -> Rows<Row> {
    Box::new(std::iter::once(row))
}

/// The status of a ticker that could not be forecast.
fn failed(error: Error) -> Text {
    Text(report::Report::from(error).status())
}

/// A row of forecast_volatility; of a ticker without a forecast it says why, and no more.
#[derive(Debug, Default)]
pub struct VolatilityRow {
    pub ticker: Text,
    pub step: Option<i32>,
    pub ts: Option<TimestampWithTimeZone>,
    pub volatility: Option<f64>,
    pub mean_volatility: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub status: Text,
}

impl VolatilityRow {
    /// The rows of a ticker.
    pub fn all(Report { ticker, outcome }: Report) -> Rows<VolatilityRow> {
        let ensemble = match outcome {
            Ok(ensemble) => ensemble,
            Err(error) => {
                let (ticker, status) = (Text(ticker), failed(error));
                return one(VolatilityRow { ticker, status, ..VolatilityRow::default() });
            }
        };
        let (ticker, status) = (Text(ticker), Text(status(&ensemble)));
        let times = ensemble.series.times();
        let row = move |(number, step): (i32, Step)| VolatilityRow {
            ticker: ticker.clone(),
            step: Some(number),
            ts: step.ts.map(|ts| with_time_zone(ts, times)),
            volatility: Some(step.volatility),
            mean_volatility: Some(step.mean_volatility),
            lower: Some(step.lower),
            upper: Some(step.upper),
            status: status.clone(),
        };
        Box::new((1..).zip(ensemble.steps).map(row))
    }
}

/// How a forecast came about, and what is to be said of its dates.
fn status(ensemble: &Ensemble) -> String {
    let models = match &ensemble.status {
        Status::Complete => "ok".to_owned(),
        Status::Partial { missing } => {
            let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
            format!("ok without {}", names.join(", "))
        }
        Status::ShortHistory { prices } => {
            format!("short history: {prices} prices; equal weights and the interval of normal returns")
        }
    };
    ensemble.dates.remark().map_or(models.clone(), |remark| format!("{models}; {remark}"))
}

/// A row of volatility_members.
#[derive(Debug, Default)]
pub struct VolatilityMemberRow {
    pub ticker: Text,
    pub model: Option<Text>,
    pub weight: Option<f64>,
    pub status: Text,
    pub validation_qlike: Option<f64>,
    pub fit_ms: Option<f64>,
    pub detail: Option<Json>,
}

impl VolatilityMemberRow {
    /// A row for each model of a ticker, or one that says why there is no forecast.
    pub fn all(Report { ticker, outcome }: Report) -> Rows<VolatilityMemberRow> {
        let ticker = Text(ticker);
        match outcome {
            Ok(ensemble) => Box::new(
                ensemble.members.into_iter().map(move |member| VolatilityMemberRow::new(&ticker, member)),
            ),
            Err(error) => {
                one(VolatilityMemberRow { ticker, status: failed(error), ..VolatilityMemberRow::default() })
            }
        }
    }

    fn new(ticker: &Text, member: Member) -> VolatilityMemberRow {
        let row = VolatilityMemberRow {
            ticker: ticker.clone(),
            model: Some(Text(member.model.to_owned())),
            fit_ms: Some(member.elapsed.as_secs_f64() * 1e3),
            ..VolatilityMemberRow::default()
        };
        match member.outcome {
            Ok(fit) => VolatilityMemberRow {
                weight: Some(fit.weight()),
                status: Text("ok".to_owned()),
                validation_qlike: fit.validation_qlike,
                detail: Some(Json(fit.detail)),
                ..row
            },
            Err(failure) => VolatilityMemberRow { status: Text(failure.to_string()), ..row },
        }
    }
}

/// A row of volatility_evaluate; of what could not be evaluated it says why, and no more.
#[derive(Debug, Default)]
pub struct ScoreRow {
    pub model: Option<Text>,
    pub step: Option<i32>,
    pub tickers: i32,
    pub n: i64,
    pub qlike: Option<f64>,
    pub mse: Option<f64>,
    pub mz_constant: Option<f64>,
    pub mz_slope: Option<f64>,
    pub mz_r_squared: Option<f64>,
    pub coverage: Option<f64>,
    pub dm_ewma: Option<f64>,
    pub p_value_ewma: Option<f64>,
    pub dm_sample: Option<f64>,
    pub p_value_sample: Option<f64>,
    pub status: Text,
}

impl ScoreRow {
    fn of(row: Row) -> ScoreRow {
        let regression = row.mincer_zarnowitz;
        ScoreRow {
            model: Some(Text(row.model.to_owned())),
            step: Some(row.step as i32),
            tickers: row.tickers as i32,
            n: row.n as i64,
            qlike: Some(row.qlike),
            mse: Some(row.mse),
            mz_constant: regression.map(|[constant, ..]| constant),
            mz_slope: regression.map(|[_, slope, _]| slope),
            mz_r_squared: regression.map(|[.., share]| share),
            coverage: row.coverage,
            dm_ewma: row.against_ewma.map(|test| test.statistic),
            p_value_ewma: row.against_ewma.map(|test| test.p_value),
            dm_sample: row.against_sample.map(|test| test.statistic),
            p_value_sample: row.against_sample.map(|test| test.p_value),
            status: Text::default(),
        }
    }

    /// A row for each model and step, and one for each model that could forecast nothing.
    fn of_all(summary: &Summary, rows: Vec<Row>) -> Vec<ScoreRow> {
        let silent: Vec<ScoreRow> = summary
            .failures()
            .filter(|(model, ..)| rows.iter().all(|row| row.model != *model))
            .map(|(model, ..)| ScoreRow { model: Some(Text(model.to_owned())), ..ScoreRow::default() })
            .collect();
        let mut rows: Vec<ScoreRow> = rows.into_iter().map(ScoreRow::of).chain(silent).collect();
        if rows.is_empty() && !summary.failed().is_empty() {
            rows.push(ScoreRow::default());
        }
        for row in &mut rows {
            row.status = Text(status_of(summary, row.model.as_deref().unwrap_or_default()));
        }
        rows
    }
}

/// What there is to say of a model's rows: the tickers that are not in them, and the origins.
fn status_of(summary: &Summary, model: &str) -> String {
    let without = summary.failed().first().map(|(ticker, error)| {
        let reason = report::Report::from(error.clone()).status();
        match summary.failed().len() {
            1 => format!("without {ticker}: {reason}"),
            count => format!("without {count} tickers, the first {ticker}: {reason}"),
        }
    });
    let missing = summary.failures().find(|(name, ..)| *name == model).map(|(_, origins, reason)| {
        let origins = if origins == 1 { "1 origin".to_owned() } else { format!("{origins} origins") };
        format!("no forecast from {origins}: {reason}")
    });
    let parts: Vec<String> = without.into_iter().chain(missing).collect();
    if parts.is_empty() { "ok".to_owned() } else { parts.join("; ") }
}
