//! What forecasts would have been worth: the functions over past origins.

use folio_core::Error;
use folio_core::forecast::{
    self, Batches, DEFAULT_ORIGINS, DieboldMariano, Evaluated, Evaluation, FitWindow, Measured, Missing,
    Schedule, Score, Summary,
};
use folio_core::task::Cancel;
use pgrx::prelude::*;

use super::forecast::Arguments;
use crate::backend::budget::{self, Held};
use crate::backend::datum::{Names, Regclass, Text};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::report::{Report, Result, or_raise};
use crate::backend::server;
use crate::backend::settings::Settings;

/// How good the forecasts of each ticker would have been from many days of its past: a row per ticker, model and step.
/// A ticker that cannot be evaluated is one row whose status says why.
#[pg_extern(stable, parallel_unsafe, cost = 10000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn forecast_evaluate(
    tickers: default!(Option<Names>, "NULL"),
    horizon: default!(Option<i64>, "NULL"),
    origins: default!(Option<i64>, "NULL"),
    stride: default!(Option<i64>, "NULL"),
    gap: default!(Option<i64>, "NULL"),
    fit_window: default!(Option<Text>, "NULL"),
    refit_every: default!(Option<i64>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, Text),
        name!(model, Option<Text>),
        name!(step, Option<i32>),
        name!(n, i64),
        name!(mae, Option<f64>),
        name!(rmse, Option<f64>),
        name!(mase, Option<f64>),
        name!(relative_mae, Option<f64>),
        name!(direction, Option<f64>),
        name!(coverage_80, Option<f64>),
        name!(coverage_95, Option<f64>),
        name!(mean_width_80, Option<f64>),
        name!(mean_width_95, Option<f64>),
        name!(interval_score_80, Option<f64>),
        name!(interval_score_95, Option<f64>),
        name!(status, Text),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    let arguments = Arguments { tickers: None, horizon, models, level: None, as_of, history, relation };
    let schedule = RawSchedule { origins, stride, gap, fit_window, refit_every };
    let mut rows = Vec::new();
    let held = or_raise(arguments.with_tickers(tickers).and_then(|arguments| {
        let batch = |evaluated: Vec<Evaluated>, pool: &Pool, cancel: &Cancel| {
            for measured in forecast::measure(evaluated, pool, cancel)? {
                server::check_interrupts()?;
                rows.push(ticker_rows(measured));
            }
            Ok(())
        };
        evaluate(arguments, schedule, batch).map(|(_, _, held)| held)
    }));
    TableIterator::new(held.by(rows.into_iter().flatten()))
}

/// The same over all tickers: a row per model and step, with the statistic of Diebold and Mariano against the last price,
/// clustered by date.
#[pg_extern(stable, parallel_unsafe, cost = 10000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn forecast_evaluate_summary(
    tickers: default!(Option<Names>, "NULL"),
    horizon: default!(Option<i64>, "NULL"),
    origins: default!(Option<i64>, "NULL"),
    stride: default!(Option<i64>, "NULL"),
    gap: default!(Option<i64>, "NULL"),
    fit_window: default!(Option<Text>, "NULL"),
    refit_every: default!(Option<i64>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(model, Option<Text>),
        name!(step, Option<i32>),
        name!(tickers, i32),
        name!(n, i64),
        name!(mae, Option<f64>),
        name!(rmse, Option<f64>),
        name!(mase, Option<f64>),
        name!(relative_mae, Option<f64>),
        name!(dm_statistic, Option<f64>),
        name!(p_value, Option<f64>),
        name!(direction, Option<f64>),
        name!(coverage_80, Option<f64>),
        name!(coverage_95, Option<f64>),
        name!(mean_width_80, Option<f64>),
        name!(mean_width_95, Option<f64>),
        name!(interval_score_80, Option<f64>),
        name!(interval_score_95, Option<f64>),
        name!(status, Text),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    let arguments = Arguments { tickers: None, horizon, models, level: None, as_of, history, relation };
    let schedule = RawSchedule { origins, stride, gap, fit_window, refit_every };
    TableIterator::new(or_raise(arguments.with_tickers(tickers).and_then(|arguments| {
        let mut summary = Summary::default();
        let batch = |evaluated: Vec<Evaluated>, pool: &Pool, cancel: &Cancel| {
            summary = std::mem::take(&mut summary).with(evaluated, pool, cancel)?;
            Ok(())
        };
        let (evaluation, pool, held) = evaluate(arguments, schedule, batch)?;
        let (summary, tests) = summary.diebold_mariano(evaluation.stride(), &pool, &pool::cancel_flag())?;
        Ok(held.by(summary_rows(&summary, tests).into_iter()))
    })))
}

/// When to evaluate, as SQL says it; NULL takes the default.
struct RawSchedule {
    origins: Option<i64>,
    stride: Option<i64>,
    gap: Option<i64>,
    fit_window: Option<Text>,
    refit_every: Option<i64>,
}

impl RawSchedule {
    fn with_history(self, history: usize) -> Result<Schedule> {
        Ok(Schedule {
            origins: self.origins.unwrap_or(DEFAULT_ORIGINS),
            stride: self.stride,
            gap: self.gap.unwrap_or(0),
            refit_every: self.refit_every.unwrap_or(1),
            window: self.fit_window.as_deref().map_or(Ok(FitWindow::Rolling), FitWindow::new)?,
            history,
        })
    }
}

/// The whole way from SQL's arguments to evaluated tickers, in batches that fit into folio.memory_limit: `each` gets one
/// after the other, with the pool to compute on. What is kept of them counts until the last value is gone.
fn evaluate(
    arguments: Arguments,
    schedule: RawSchedule,
    mut each: impl FnMut(Vec<Evaluated>, &Pool, &Cancel) -> Result<()>,
) -> Result<(Evaluation, Pool, Held)> {
    let settings = Settings::read();
    let request = arguments.request(&settings)?;
    let history = prices::history(arguments.history.unwrap_or(settings.history))?;
    let evaluation = Evaluation::new(request, &schedule.with_history(history)?)?;
    let selection = Selection {
        relation: arguments.relation,
        tickers: arguments.tickers,
        as_of: arguments.as_of,
        history: evaluation.prices(),
    };
    let mut pool = Pool::start(settings.threads_per_call)?;
    let (cancel, mut result_bytes) = (pool::cancel_flag(), 0);
    prices::read_in_batches(&selection, &settings, |panel, tickers| {
        pool.announce(tickers * evaluation.tasks());
        let batches = pool.plan(settings.memory_limit, |threads, limit| {
            Batches::of_evaluation(&panel, tickers, &evaluation, threads, limit)
        })?;
        result_bytes = batches.result_bytes;
        for batch in panel.into_batches(batches.tickers) {
            each(forecast::evaluate(batch, &evaluation, &pool, &cancel)?, &pool, &cancel)?;
        }
        pool.reading();
        Ok(())
    })?;
    let held = budget::hold(result_bytes)?;
    Ok((evaluation, pool, held))
}

/// The measures as columns, from n on.
type Measures = (i64, [Option<f64>; 4], [Option<f64>; 7]);

fn measures(score: &Score<'_>) -> Measures {
    let metrics = score.metrics;
    let errors = [Some(metrics.mae()), Some(metrics.rmse()), metrics.mase(), metrics.relative_mae()];
    let ([c80, c95], [w80, w95]) = (metrics.coverage(), metrics.mean_width());
    let [s80, s95] = metrics.interval_score();
    let rest = [metrics.direction(), Some(c80), Some(c95), Some(w80), Some(w95), Some(s80), Some(s95)];
    (i64::try_from(metrics.count()).unwrap_or(i64::MAX), errors, rest)
}

/// A row without measures, of what could not be evaluated.
const NOTHING: Measures = (0, [None; 4], [None; 7]);

type TickerRow = (
    Text,
    Option<Text>,
    Option<i32>,
    i64,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Text,
);

fn ticker_rows(measured: Measured) -> Vec<TickerRow> {
    let ticker = &measured.ticker;
    let row = |model: Option<&str>, step: Option<i32>, measures: Measures, status: String| {
        let (n, [mae, rmse, mase, relative], [right, c80, c95, w80, w95, s80, s95]) = measures;
        let (ticker, model) = (Text(ticker.clone()), model.map(|model| Text(model.to_owned())));
        let status = Text(status);
        (ticker, model, step, n, mae, rmse, mase, relative, right, c80, c95, w80, w95, s80, s95, status)
    };
    let (scores, failures) = match measured.outcome {
        Ok(measures) => measures,
        Err(error) => return vec![row(None, None, NOTHING, Report::from(error).status())],
    };
    let status = |model: &str| missing(&failures, model).unwrap_or_else(|| "ok".to_owned());
    let mut rows: Vec<TickerRow> = scores
        .iter()
        .map(|score| row(Some(score.model), Some(score.step as i32), measures(&score), status(score.model)))
        .collect();
    // A model without any forecast has no score.
    let silent = |failed: &&Missing| scores.iter().all(|score| score.model != failed.model);
    let nothing = |failed: &Missing| row(Some(failed.model), None, NOTHING, status(failed.model));
    rows.extend(failures.iter().filter(silent).map(nothing));
    rows
}

/// What a row says of the origins that its model could not forecast from; None where there are none.
fn missing(failures: &[Missing], model: &str) -> Option<String> {
    let failed = failures.iter().find(|failed| failed.model == model)?;
    let origins =
        if failed.origins == 1 { "1 origin".to_owned() } else { format!("{} origins", failed.origins) };
    Some(format!("no forecast from {origins}: {}", failed.reason))
}

type SummaryRow = (
    Option<Text>,
    Option<i32>,
    i32,
    i64,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Text,
);

fn summary_rows(summary: &Summary, tests: Vec<Option<DieboldMariano>>) -> Vec<SummaryRow> {
    let row = |model: Option<&str>, score: Option<Score<'_>>, test: Option<DieboldMariano>| -> SummaryRow {
        let (n, [mae, rmse, mase, relative], [right, c80, c95, w80, w95, s80, s95]) =
            score.as_ref().map_or(NOTHING, measures);
        let step = score.map(|score| score.step as i32);
        let (dm, p) = (test.map(|test| test.statistic), test.map(|test| test.p_value));
        let tickers = model.map_or(0, |model| summary.tickers(model)) as i32;
        let status = Text(summary_status(summary, model.unwrap_or_default()));
        let model = model.map(|model| Text(model.to_owned()));
        (
            model, step, tickers, n, mae, rmse, mase, relative, dm, p, right, c80, c95, w80, w95, s80, s95,
            status,
        )
    };
    let scores = summary.scores();
    let of_score =
        |(score, test): (Score<'_>, Option<DieboldMariano>)| row(Some(score.model), Some(score), test);
    let mut rows: Vec<SummaryRow> = scores.iter().zip(tests).map(of_score).collect();
    let silent = |failed: &&Missing| scores.iter().all(|score| score.model != failed.model);
    rows.extend(summary.failures().iter().filter(silent).map(|failed| row(Some(failed.model), None, None)));
    if rows.is_empty() && !summary.failed().is_empty() {
        rows.push(row(None, None, None));
    }
    rows
}

fn summary_status(summary: &Summary, model: &str) -> String {
    let without = summary.failed().first().map(|(ticker, error): &(String, Error)| {
        let reason = Report::from(error.clone()).status();
        match summary.failed().len() {
            1 => format!("without {ticker}: {reason}"),
            count => format!("without {count} tickers, the first {ticker}: {reason}"),
        }
    });
    let parts: Vec<String> = without.into_iter().chain(missing(summary.failures(), model)).collect();
    if parts.is_empty() { "ok".to_owned() } else { parts.join("; ") }
}
