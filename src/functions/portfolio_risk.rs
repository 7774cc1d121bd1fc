//! The functions of the risk of given weights.

use folio_core::portfolio::group::Groups;
use folio_core::risk::{
    DEFAULT_TAIL_HORIZON, DEFAULT_TAIL_LEVEL, DEFAULT_TAIL_ORIGINS, Stress, TailEvaluation, TailRequest,
    TailSchedule, TailScore, Test, Weights, attribute,
};
use pgrx::prelude::*;

use crate::arguments::{Arguments, required};
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::report::Result;
use crate::backend::settings::Settings;
use crate::backend::timestamp::with_time_zone;

sql_function! {
    /// What given weights may lose over the horizon: value at risk and expected shortfall as shares of the portfolio's value, a
    /// row per method.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn value_at_risk(weights: Json, level, horizon, method: Text = "NULL", source) given arguments
    -> rows of row, tail, status {
        method: Text = Text(row.method.to_owned()),
        value_at_risk: Option<f64> = tail.map(|tail| tail.value_at_risk),
        expected_shortfall: Option<f64> = tail.map(|tail| tail.expected_shortfall),
        n: i64 = tail.map_or(0, |tail| tail.n as i64),
        status: Text = Text(status),
    } {
        let request = arguments.tail_request(weights, method)?;
        let arguments = arguments.of_weights(request.tickers());
        let rows = arguments.compute(move |returns, cancel| request.rows(returns, cancel))?;
        Ok(rows.into_iter().map(|row| {
            let tail = row.outcome.as_ref().ok().copied();
            let status = row.outcome.as_ref().err().cloned().unwrap_or_else(|| "ok".to_owned());
            (row, tail, status)
        }))
    }
}

sql_function! {
    /// How good values at risk and expected shortfalls of given weights would have been from many past days: a row per method.
    #[pg_extern(stable, parallel_unsafe, cost = 10000000)]
    fn var_evaluate(weights: Json, level, horizon, method: Text = "NULL", origins, stride, source) given arguments
    -> rows of score, status {
        method: Text = Text(score.method.to_owned()), n: i64 = score.n as i64,
        exceedances: i64 = score.exceedances as i64, expected: f64,
        kupiec: Option<f64> = statistic(score.kupiec), p_value_kupiec: Option<f64> = p_value(score.kupiec),
        christoffersen: Option<f64> = statistic(score.christoffersen),
        p_value_christoffersen: Option<f64> = p_value(score.christoffersen),
        conditional_coverage: Option<f64> = statistic(score.conditional_coverage),
        p_value_conditional_coverage: Option<f64> = p_value(score.conditional_coverage),
        acerbi_szekely: Option<f64> = statistic(score.acerbi_szekely),
        p_value_acerbi_szekely: Option<f64> = p_value(score.acerbi_szekely),
        quantile_loss: Option<f64>, status: Text = Text(status),
    } {
        let schedule = TailSchedule {
            origins: arguments.origins.unwrap_or(DEFAULT_TAIL_ORIGINS),
            stride: arguments.stride,
            history: arguments.history(&Settings::read())?,
        };
        let evaluation = TailEvaluation::new(arguments.tail_request(weights, method)?, &schedule)?;
        let history = Some(evaluation.prices() as i64);
        let arguments = Arguments { history, ..arguments.of_weights(evaluation.tickers()) };
        let scores = arguments.compute(move |returns, cancel| evaluation.scores(returns, cancel))?;
        Ok(scores.into_iter().map(|score| {
            let status = missing(&score);
            (score, status)
        }))
    }
}

fn statistic(test: Option<Test>) -> Option<f64> {
    test.map(|test| test.statistic)
}

fn p_value(test: Option<Test>) -> Option<f64> {
    test.map(|test| test.p_value)
}

/// What there is to say of a method's forecasts.
fn missing(score: &TailScore) -> String {
    score.missing.as_ref().map_or("ok".to_owned(), |(origins, reason)| {
        let origins = if *origins == 1 { "1 origin".to_owned() } else { format!("{origins} origins") };
        format!("no forecast from {origins}: {reason}")
    })
}

impl Arguments {
    /// What is asked of the tail.
    fn tail_request(&self, weights: Option<Json>, method: Option<Text>) -> Result<TailRequest> {
        let Json(weights) = required("weights", weights)?;
        let level = self.level.unwrap_or(DEFAULT_TAIL_LEVEL);
        let horizon = self.horizon.unwrap_or(DEFAULT_TAIL_HORIZON);
        Ok(TailRequest::new(&weights, level, horizon, method.as_deref())?)
    }

    /// Those of weights whose losses are not annualised, so that there is nothing to say of the periods of a year. They are losses
    /// that were, and none that are made up for a ticker that was not there.
    fn of_weights(self, tickers: Vec<String>) -> Arguments {
        let alignment = Some(Text("common".to_owned()));
        Arguments { periods_per_year: Some(1.0), alignment, ..self.with_tickers(tickers) }
    }

    fn with_tickers(self, tickers: Vec<String>) -> Arguments {
        Arguments { tickers: Some(Names(tickers.into_iter().map(Some).collect())), ..self }
    }
}

sql_function! {
    /// Where the risk of given weights comes from: a row of the total, one per ticker and one per group, each kind of which sums
    /// to the total.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn risk_attribution(weights: Json, groups: Json = "NULL", covariance, source, later, universe) given arguments
    -> rows of part {
        kind: Text = Text(part.kind), name: Option<Text> = part.name.map(Text), weight: f64, volatility: f64,
        marginal: Option<f64>, contribution: f64, share: Option<f64>,
    } {
        let weights = Weights::from_json(&required("weights", weights)?.0)?;
        let groups = groups.map_or(Ok(Groups::default()), |Json(groups)| Groups::from_json(&groups))?;
        let method = arguments.request()?.covariance;
        let (parts, held) = arguments
            .with_tickers(weights.tickers())
            .compute_and_hold(move |returns, cancel| attribute(&weights, &groups, method, returns, cancel))?;
        Ok(held.by(parts.into_iter()))
    }
}

sql_function! {
    /// What given weights would lose in a scenario: a row of the whole and one per ticker.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn stress(weights: Json, scenario: Json, covariance, source) given arguments
    -> rows of row, first, last {
        ticker: Option<Text> = row.ticker.map(Text), weight: f64, change: f64, contribution: f64, lowest: Option<f64>,
        origin: Text = Text(row.origin.to_owned()), first_ts: Option<TimestampWithTimeZone> = first,
        last_ts: Option<TimestampWithTimeZone> = last,
    } {
        let (Json(weights), Json(scenario)) = (required("weights", weights)?, required("scenario", scenario)?);
        let stress = Stress::new(&weights, &scenario, arguments.request()?.covariance)?;
        // A stretch of the past lies where it lies: without a word all prices are read.
        let all = stress.is_past().then_some(i64::MAX);
        let arguments = Arguments { history: arguments.history.or(all), ..arguments.of_weights(stress.tickers()) };
        let ((rows, times), held) = arguments.compute_and_hold(move |returns, cancel| {
            Ok((stress.rows(returns, cancel)?, returns.times()))
        })?;
        Ok(held.by(rows.into_iter().map(move |row| {
            let [first, last] = [0, 1].map(|end| row.times.map(|both| with_time_zone(both[end], times)));
            (row, first, last)
        })))
    }
}
