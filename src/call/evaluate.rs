//! The calls that evaluate forecasts from past days, and their rows.

use folio_core::Error;
use folio_core::forecast::{
    self, Batches, DEFAULT_ORIGINS, DieboldMariano, Evaluated, Evaluation, FitWindow, Measured, Missing,
    Schedule, Score, Summary,
};
use folio_core::task::Cancel;

use crate::arguments::Arguments;
use crate::backend::datum::Text;
use crate::backend::pool::{self, Pool};
use crate::backend::prices;
use crate::backend::report::{Report, Result};
use crate::backend::settings::Settings;

impl Arguments {
    /// When to evaluate.
    fn schedule(&self, history: usize) -> Result<Schedule> {
        Ok(Schedule {
            origins: self.origins.unwrap_or(DEFAULT_ORIGINS),
            stride: self.stride,
            gap: self.gap.unwrap_or(0),
            refit_every: self.refit_every.unwrap_or(1),
            window: self.fit_window.as_deref().map_or(Ok(FitWindow::Rolling), FitWindow::new)?,
            history,
        })
    }

    /// The whole way from SQL's arguments to evaluated tickers, in batches that fit into folio.memory_limit: `each` gets
    /// one after the other, with the pool to compute on.
    pub fn evaluate(
        mut self,
        mut each: impl FnMut(Vec<Evaluated>, &Pool, &Cancel) -> Result<()>,
    ) -> Result<(Evaluation, Pool)> {
        let settings = Settings::read();
        let request = self.forecast_request(&settings)?;
        let mut selection = self.selection(&settings)?;
        let evaluation = Evaluation::new(request, &self.schedule(selection.history)?)?;
        selection.history = evaluation.prices();
        let mut pool = Pool::start(settings.threads_per_call)?;
        let cancel = pool::cancel_flag();
        prices::read_in_batches(&selection, &settings, |panel, tickers| {
            pool.announce(tickers * evaluation.tasks());
            let threads = pool.threads();
            let batches =
                Batches::of_evaluation(&panel, tickers, &evaluation, threads, settings.memory_limit)?;
            pool.limit_threads(batches.threads);
            for batch in panel.into_batches(batches.tickers) {
                each(forecast::evaluate(batch, &evaluation, &pool, &cancel)?, &pool, &cancel)?;
            }
            pool.reading();
            Ok(())
        })?;
        Ok((evaluation, pool))
    }
}

/// A row of forecast_evaluate or forecast_evaluate_summary; of what could not be evaluated it says why, and no more.
#[derive(Debug, Default)]
pub struct ScoreRow {
    pub ticker: Text,
    pub tickers: i32,
    pub model: Option<Text>,
    pub step: Option<i32>,
    pub n: i64,
    pub mae: Option<f64>,
    pub rmse: Option<f64>,
    pub mase: Option<f64>,
    pub relative_mae: Option<f64>,
    pub dm_statistic: Option<f64>,
    pub p_value: Option<f64>,
    pub direction: Option<f64>,
    pub coverage_80: Option<f64>,
    pub coverage_95: Option<f64>,
    pub mean_width_80: Option<f64>,
    pub mean_width_95: Option<f64>,
    pub interval_score_80: Option<f64>,
    pub interval_score_95: Option<f64>,
    pub status: Text,
}

impl ScoreRow {
    fn of(score: &Score<'_>) -> ScoreRow {
        let metrics = score.metrics;
        let [coverage_80, coverage_95] = metrics.coverage().map(Some);
        let [mean_width_80, mean_width_95] = metrics.mean_width().map(Some);
        let [interval_score_80, interval_score_95] = metrics.interval_score().map(Some);
        ScoreRow {
            model: Some(Text(score.model.to_owned())),
            step: Some(score.step as i32),
            n: i64::try_from(metrics.count()).unwrap_or(i64::MAX),
            mae: Some(metrics.mae()),
            rmse: Some(metrics.rmse()),
            mase: metrics.mase(),
            relative_mae: metrics.relative_mae(),
            direction: metrics.direction(),
            coverage_80,
            coverage_95,
            mean_width_80,
            mean_width_95,
            interval_score_80,
            interval_score_95,
            ..ScoreRow::default()
        }
    }

    /// Of a model without any forecast, which has no score.
    fn without_score(missing: &Missing) -> ScoreRow {
        ScoreRow { model: Some(Text(missing.model.to_owned())), ..ScoreRow::default() }
    }

    /// A row for each model and step of a ticker, or one that says why it has none.
    pub fn of_ticker(measured: Measured) -> Vec<ScoreRow> {
        let ticker = Text(measured.ticker);
        let (scores, failures) = match measured.outcome {
            Ok(measures) => measures,
            Err(error) => {
                let status = Text(Report::from(error).status());
                return vec![ScoreRow { ticker, status, ..ScoreRow::default() }];
            }
        };
        let mut rows: Vec<ScoreRow> = scores.iter().map(|score| ScoreRow::of(&score)).collect();
        let silent = failures.iter().filter(|failed| scores.iter().all(|score| score.model != failed.model));
        rows.extend(silent.map(ScoreRow::without_score));
        for row in &mut rows {
            row.ticker = ticker.clone();
            let status = missing(&failures, row.model.as_deref().unwrap_or_default());
            row.status = Text(status.unwrap_or_else(|| "ok".to_owned()));
        }
        rows
    }

    /// A row for each model and step over all tickers.
    pub fn of_all(summary: &Summary, tests: Vec<Option<DieboldMariano>>) -> Vec<ScoreRow> {
        let scores = summary.scores();
        let silent: Vec<&Missing> = summary
            .failures()
            .iter()
            .filter(|failed| scores.iter().all(|score| score.model != failed.model))
            .collect();
        let tested = |(score, test): (Score<'_>, Option<DieboldMariano>)| ScoreRow {
            dm_statistic: test.map(|test| test.statistic),
            p_value: test.map(|test| test.p_value),
            ..ScoreRow::of(&score)
        };
        let mut rows: Vec<ScoreRow> = scores.iter().zip(tests).map(tested).collect();
        rows.extend(silent.into_iter().map(ScoreRow::without_score));
        if rows.is_empty() && !summary.failed().is_empty() {
            rows.push(ScoreRow::default());
        }
        for row in &mut rows {
            row.tickers = row.model.as_deref().map_or(0, |model| summary.tickers(model)) as i32;
            row.status = Text(summary_status(summary, row.model.as_deref().unwrap_or_default()));
        }
        rows
    }
}

/// What a row says of the origins that its model could not forecast from; None where there are none.
fn missing(failures: &[Missing], model: &str) -> Option<String> {
    let failed = failures.iter().find(|failed| failed.model == model)?;
    let origins =
        if failed.origins == 1 { "1 origin".to_owned() } else { format!("{} origins", failed.origins) };
    Some(format!("no forecast from {origins}: {}", failed.reason))
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
