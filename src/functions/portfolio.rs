//! The portfolio functions.

use folio_core::panel::ReturnPanel;
use folio_core::portfolio::allocation::{self, Method, Position};
use folio_core::portfolio::black_litterman::bl_posterior as posterior;
use folio_core::portfolio::covariance::{self, CovarianceMethod, FixMethod};
use folio_core::portfolio::market::{MarketCaps, Prior, RiskAversion, RiskFreeRate, Tau};
use folio_core::portfolio::memory;
use folio_core::portfolio::objective::{self, Constraints};
use folio_core::portfolio::request::{self, Allocation, Request};
use folio_core::portfolio::view_input;
use folio_core::task::{self, Cancel};
use pgrx::Array;
use pgrx::prelude::*;

use super::{arguments, periods};
use crate::backend::array::{self, MatrixDatum};
use crate::backend::budget::{self, Held};
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::report::{Report, Result, or_raise};
use crate::backend::settings::Settings;

/// The fewest common returns that a covariance is estimated from.
pub(super) const MIN_RETURNS: usize = 2;

/// Weights from market, views and constraints: a row per ticker. Returns and volatilities are a year.
#[pg_extern(stable, parallel_unsafe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn black_litterman(
    tickers: default!(Option<Names>, "NULL"),
    views: default!(Option<Json>, "'[]'"),
    market_caps: default!(Option<Json>, "NULL"),
    prior: default!(Option<Text>, "NULL"),
    risk_aversion: default!(Option<f64>, "NULL"),
    tau: default!(Option<f64>, "NULL"),
    risk_free_rate: default!(Option<f64>, "NULL"),
    covariance: default!(Option<Text>, "NULL"),
    objective: default!(Option<Text>, "NULL"),
    constraints: default!(Option<Json>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
    periods_per_year: default!(Option<f64>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, Text),
        name!(market_weight, f64),
        name!(prior_return, f64),
        name!(view_return, Option<f64>),
        name!(posterior_return, f64),
        name!(posterior_volatility, f64),
        name!(weight, f64),
        name!(active_weight, f64),
        name!(risk_contribution, Option<f64>),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    let source = Source { tickers, history, as_of, relation, periods_per_year };
    let inputs =
        Inputs { market_caps, prior, risk_aversion, tau, risk_free_rate, covariance, objective, constraints };
    let allocation = inputs.request(views).and_then(|request| {
        source.compute(move |returns, cancel| request::black_litterman(&request, returns, cancel))
    });
    TableIterator::new(noticed(or_raise(allocation)).holdings.into_iter().map(|holding| {
        (
            Text(holding.ticker),
            holding.market_weight,
            holding.prior_return,
            holding.view_return,
            holding.posterior_return,
            holding.posterior_volatility,
            holding.weight,
            holding.active_weight,
            holding.risk_contribution,
        )
    }))
}

/// What each view did: a row per view of the same call of black_litterman.
#[pg_extern(stable, parallel_unsafe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn view_report(
    tickers: default!(Option<Names>, "NULL"),
    views: default!(Option<Json>, "'[]'"),
    market_caps: default!(Option<Json>, "NULL"),
    prior: default!(Option<Text>, "NULL"),
    risk_aversion: default!(Option<f64>, "NULL"),
    tau: default!(Option<f64>, "NULL"),
    risk_free_rate: default!(Option<f64>, "NULL"),
    covariance: default!(Option<Text>, "NULL"),
    objective: default!(Option<Text>, "NULL"),
    constraints: default!(Option<Json>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
    periods_per_year: default!(Option<f64>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(view, Text),
        name!(view_return, f64),
        name!(prior_return, f64),
        name!(posterior_return, f64),
        name!(pull, f64),
        name!(variance, Option<f64>),
        name!(implied_confidence, Option<f64>),
        name!(contribution, Json),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    let source = Source { tickers, history, as_of, relation, periods_per_year };
    let inputs =
        Inputs { market_caps, prior, risk_aversion, tau, risk_free_rate, covariance, objective, constraints };
    let allocation = inputs.request(views).and_then(|request| {
        source.compute(move |returns, cancel| request::black_litterman(&request, returns, cancel))
    });
    let Allocation { views, holdings, .. } = or_raise(allocation);
    TableIterator::new(views.into_iter().map(move |view| {
        let tickers = holdings.iter().map(|holding| holding.ticker.clone());
        let contribution = by_ticker(tickers, view.contribution.iter());
        (
            Text(view.view),
            view.view_return,
            view.prior_return,
            view.posterior_return,
            view.pull,
            view.omega,
            view.implied_confidence,
            contribution,
        )
    }))
}

/// Weights from the prior alone, without views: a row per ticker. Returns and volatilities are a year.
#[pg_extern(stable, parallel_unsafe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn optimize_portfolio(
    tickers: default!(Option<Names>, "NULL"),
    objective: default!(Option<Text>, "NULL"),
    constraints: default!(Option<Json>, "NULL"),
    prior: default!(Option<Text>, "NULL"),
    market_caps: default!(Option<Json>, "NULL"),
    risk_aversion: default!(Option<f64>, "NULL"),
    risk_free_rate: default!(Option<f64>, "NULL"),
    covariance: default!(Option<Text>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
    periods_per_year: default!(Option<f64>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, Text),
        name!(market_weight, f64),
        name!(expected_return, f64),
        name!(volatility, f64),
        name!(weight, f64),
        name!(active_weight, f64),
        name!(risk_contribution, Option<f64>),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    let source = Source { tickers, history, as_of, relation, periods_per_year };
    let tau = None;
    let inputs =
        Inputs { market_caps, prior, risk_aversion, tau, risk_free_rate, covariance, objective, constraints };
    let allocation = inputs.request(None).and_then(|request| {
        source.compute(move |returns, cancel| request::optimize_portfolio(&request, returns, cancel))
    });
    TableIterator::new(noticed(or_raise(allocation)).holdings.into_iter().map(|holding| {
        (
            Text(holding.ticker),
            holding.market_weight,
            holding.prior_return,
            holding.posterior_volatility,
            holding.weight,
            holding.active_weight,
            holding.risk_contribution,
        )
    }))
}

/// The efficient frontier from the least volatility to the largest return: a row per point, in equal steps of return.
#[pg_extern(stable, parallel_unsafe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn efficient_frontier(
    tickers: default!(Option<Names>, "NULL"),
    points: default!(Option<i64>, "20"),
    views: default!(Option<Json>, "'[]'"),
    market_caps: default!(Option<Json>, "NULL"),
    prior: default!(Option<Text>, "NULL"),
    risk_aversion: default!(Option<f64>, "NULL"),
    tau: default!(Option<f64>, "NULL"),
    risk_free_rate: default!(Option<f64>, "NULL"),
    covariance: default!(Option<Text>, "NULL"),
    constraints: default!(Option<Json>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
    periods_per_year: default!(Option<f64>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(point, i32),
        name!(expected_return, f64),
        name!(volatility, f64),
        name!(sharpe_ratio, Option<f64>),
        name!(weights, Json),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    let source = Source { tickers, history, as_of, relation, periods_per_year };
    let objective = None;
    let inputs =
        Inputs { market_caps, prior, risk_aversion, tau, risk_free_rate, covariance, objective, constraints };
    let frontier = inputs.request(views).and_then(|request| {
        let points = points.unwrap_or(DEFAULT_POINTS);
        source.compute_and_hold(move |returns, cancel| {
            let frontier = request::efficient_frontier(&request, returns, points, cancel)?;
            Ok((returns.tickers().to_vec(), frontier))
        })
    });
    let ((tickers, frontier), held) = or_raise(frontier);
    TableIterator::new(held.by((1..).zip(frontier).map(move |(number, point)| {
        let weights = by_ticker(tickers.iter().cloned(), point.weights.iter());
        (number, point.expected_return, point.volatility, point.sharpe_ratio, weights)
    })))
}

/// What prior and views expect of given weights, beside a benchmark if there is one.
#[pg_extern(stable, parallel_unsafe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn portfolio_performance(
    weights: Option<Json>,
    benchmark: default!(Option<Json>, "NULL"),
    tickers: default!(Option<Names>, "NULL"),
    views: default!(Option<Json>, "'[]'"),
    market_caps: default!(Option<Json>, "NULL"),
    prior: default!(Option<Text>, "NULL"),
    risk_aversion: default!(Option<f64>, "NULL"),
    tau: default!(Option<f64>, "NULL"),
    risk_free_rate: default!(Option<f64>, "NULL"),
    covariance: default!(Option<Text>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
    periods_per_year: default!(Option<f64>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(expected_return, f64),
        name!(volatility, f64),
        name!(sharpe_ratio, Option<f64>),
        name!(tracking_error, Option<f64>),
        name!(turnover, Option<f64>),
        name!(periods_per_year, f64),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    let source = Source { tickers, history, as_of, relation, periods_per_year };
    let (objective, constraints) = (None, None);
    let inputs =
        Inputs { market_caps, prior, risk_aversion, tau, risk_free_rate, covariance, objective, constraints };
    let performance = inputs.request(views).and_then(|request| {
        let Json(weights) = arguments::required("weights", weights)?;
        source.compute(move |returns, cancel| {
            let benchmark = benchmark.as_ref().map(|Json(benchmark)| benchmark);
            let performance = request::portfolio_performance(&request, returns, &weights, benchmark, cancel)?;
            Ok((performance, returns.periods_per_year()))
        })
    });
    let (performance, periods_per_year) = or_raise(performance);
    TableIterator::once((
        performance.expected_return,
        performance.volatility,
        performance.sharpe_ratio,
        performance.tracking_error,
        performance.turnover,
        periods_per_year,
    ))
}

/// The annual covariance of returns: a row per pair of tickers.
#[pg_extern(stable, parallel_unsafe, cost = 1000000)]
fn covariance_matrix(
    tickers: default!(Option<Names>, "NULL"),
    covariance: default!(Option<Text>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
    periods_per_year: default!(Option<f64>, "NULL"),
) -> TableIterator<
    'static,
    (name!(ticker, Text), name!(other_ticker, Text), name!(covariance, f64), name!(correlation, Option<f64>)),
> {
    let relation = prices.map(|relation| relation.0);
    let source = Source { tickers, history, as_of, relation, periods_per_year };
    let method = covariance.map_or(Ok(CovarianceMethod::default()), |name| CovarianceMethod::parse(&name));
    let covariance = method
        .map_err(Report::from)
        .and_then(|method| source.compute_and_hold(move |returns, cancel| method.estimate(returns, cancel)));
    let (covariance, held) = or_raise(covariance);
    let size = covariance.universe().len();
    let pairs = (0..size).flat_map(move |row| (0..size).map(move |column| (row, column)));
    TableIterator::new(held.by(pairs.map(move |(row, column)| {
        let name = |index: usize| Text(covariance.universe().tickers()[index].clone());
        (name(row), name(column), covariance.matrix()[[row, column]], covariance.correlation(row, column))
    })))
}

/// Whole shares for a sum of money, as near to the weights as the last prices allow: a row per ticker and one of cash.
#[pg_extern(stable, parallel_unsafe, cost = 10000)]
fn discrete_allocation(
    weights: Option<Json>,
    value: Option<f64>,
    method: default!(Option<Text>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, Option<Text>),
        name!(shares, Option<i64>),
        name!(price, Option<f64>),
        name!(amount, f64),
        name!(weight, f64),
        name!(method, Text),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    let positions = or_raise(buy(weights, value, method, as_of, relation));
    TableIterator::new(positions.into_iter().map(|position| {
        let method = Text(position.method.to_owned());
        (position.ticker.map(Text), position.shares, position.price, position.amount, position.weight, method)
    }))
}

fn buy(
    weights: Option<Json>,
    value: Option<f64>,
    method: Option<Text>,
    as_of: Option<TimestampWithTimeZone>,
    relation: Option<pg_sys::Oid>,
) -> Result<Vec<Position>> {
    let weights = allocation::parse_weights(&arguments::required("weights", weights)?.0)?;
    let value = arguments::required("value", value)?;
    let method = method.map_or(Ok(Method::default()), |method| Method::parse(&method))?;
    let tickers = Some(weights.keys().cloned().collect());
    // Only the last price counts.
    let selection = Selection { relation, tickers, as_of, history: 1 };
    let settings = Settings::read();
    let pool = Pool::start(1)?;
    let panel = prices::read(&selection, &settings)?;
    Ok(task::one(&pool, &pool::cancel_flag(), move |cancel| {
        allocation::positions(&weights, &panel, value, method, cancel)
    })?)
}

/// The posterior of plain arrays: N x N covariance, N prior returns, K x N views p, K view returns q, the views'
/// covariance omega (K x K or its diagonal), and tau.
#[pg_extern(immutable, parallel_safe, cost = 10000)]
fn bl_posterior(
    covariance: Array<'_, f64>,
    prior: Array<'_, f64>,
    p: Array<'_, f64>,
    q: Array<'_, f64>,
    omega: Array<'_, f64>,
    tau: f64,
) -> TableIterator<'static, (name!(mean, Vec<f64>), name!(covariance, MatrixDatum))> {
    let result = (|| {
        let prior = array::vector("prior", prior)?;
        let covariance = array::matrix("covariance", covariance, prior.len())?;
        let p = array::matrix("p", p, prior.len())?;
        let (q, omega) = (array::vector("q", q)?, array::matrix_or_diagonal("omega", omega)?);
        let tau = Tau::new(tau)?;
        let pool = Pool::start(1)?;
        budget::reserve(memory::check_posterior(prior.len(), q.len(), Settings::read().memory_limit)?)?;
        Ok(task::one(&pool, &pool::cancel_flag(), move |cancel| {
            posterior(covariance.view(), prior.view(), p.view(), q.view(), omega.view(), tau, cancel)
        })?)
    })();
    let posterior = or_raise(result);
    TableIterator::once((posterior.mean.to_vec(), MatrixDatum(posterior.covariance)))
}

/// A symmetric matrix made positive semidefinite: the matrix, the smallest eigenvalue that it had, and the largest change.
#[pg_extern(immutable, parallel_safe, cost = 10000)]
fn fix_nonpositive_semidefinite(
    matrix: Array<'_, f64>,
    fix_method: default!(Option<Text>, "'spectral'"),
) -> TableIterator<
    'static,
    (name!(fixed_matrix, MatrixDatum), name!(smallest_eigenvalue, f64), name!(largest_change, f64)),
> {
    let result = (|| {
        let matrix = array::matrix_or_diagonal("matrix", matrix)?;
        let method = fix_method.map_or(Ok(FixMethod::default()), |name| FixMethod::parse(&name))?;
        let pool = Pool::start(1)?;
        budget::reserve(memory::check_posterior(matrix.nrows(), 0, Settings::read().memory_limit)?)?;
        Ok(task::one(&pool, &pool::cancel_flag(), move |cancel| {
            covariance::fix_nonpositive_semidefinite(matrix.view(), method, cancel)
        })?)
    })();
    let fixed = or_raise(result);
    TableIterator::once((MatrixDatum(fixed.matrix), fixed.smallest_eigenvalue, fixed.largest_change))
}

/// Tells the user what there is to know of how the weights were found.
pub(super) fn noticed(allocation: Allocation) -> Allocation {
    if let Some(notice) = &allocation.notice {
        notice!("{notice}");
    }
    allocation
}

/// The points of a frontier if nothing is said, as the default of the argument.
const DEFAULT_POINTS: i64 = 20;

/// Numbers as a JSON object by ticker.
pub(super) fn by_ticker<'a>(
    tickers: impl Iterator<Item = String>,
    values: impl Iterator<Item = &'a f64>,
) -> Json {
    Json(
        tickers
            .zip(values.map(|value| serde_json::Value::from(*value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    )
}

/// Which returns a portfolio is built from.
pub(super) struct Source {
    pub tickers: Option<Names>,
    pub history: Option<i64>,
    pub as_of: Option<TimestampWithTimeZone>,
    pub relation: Option<pg_sys::Oid>,
    pub periods_per_year: Option<f64>,
}

impl Source {
    /// Reads the prices and computes on the pool, from returns on the days that all tickers have.
    pub fn compute<T: Send + 'static>(
        self,
        work: impl FnOnce(&ReturnPanel, &Cancel) -> folio_core::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.compute_and_hold(work).map(|(result, _)| result)
    }

    /// The same of a result that waits to be asked for: it counts until the second value is gone.
    fn compute_and_hold<T: Send + 'static>(
        self,
        work: impl FnOnce(&ReturnPanel, &Cancel) -> folio_core::Result<T> + Send + 'static,
    ) -> Result<(T, Held)> {
        let settings = Settings::read();
        let history = prices::history(self.history.unwrap_or(settings.history))?;
        let periods = settings.periods_per_year(self.periods_per_year)?;
        let tickers = self.tickers.map(arguments::unique_tickers).transpose()?;
        let selection = Selection { relation: self.relation, tickers, as_of: self.as_of, history };
        let pool = Pool::start(1)?;
        let panel = prices::read(&selection, &settings)?;
        budget::reserve(memory::check(&panel, settings.memory_limit)?)?;
        let result_bytes = memory::result_bytes(&panel);
        let (result, remark) = task::one(&pool, &pool::cancel_flag(), move |cancel| {
            let returns = ReturnPanel::aligned(&panel, history - 1, MIN_RETURNS)?.with_periods(periods);
            Ok((work(&returns, cancel)?, periods.remark(returns.frequency())))
        })?;
        periods::say(remark);
        Ok((result, budget::hold(result_bytes)?))
    }
}

/// The arguments that say how a portfolio is built; NULL takes the default.
pub(super) struct Inputs {
    pub market_caps: Option<Json>,
    pub prior: Option<Text>,
    pub risk_aversion: Option<f64>,
    pub tau: Option<f64>,
    pub risk_free_rate: Option<f64>,
    pub covariance: Option<Text>,
    pub objective: Option<Text>,
    pub constraints: Option<Json>,
}

impl Inputs {
    pub fn request(self, views: Option<Json>) -> Result<Request> {
        let default = Request::default();
        let (views, omega) =
            views.map(|Json(views)| view_input::parse(&views)).transpose()?.unwrap_or_default();
        Ok(Request {
            views,
            omega,
            market_caps: self.market_caps.map(|Json(caps)| MarketCaps::from_json(&caps)).transpose()?,
            prior: self.prior.map(|prior| Prior::parse(&prior)).transpose()?,
            risk_aversion: self
                .risk_aversion
                .map(RiskAversion::new)
                .transpose()?
                .unwrap_or(default.risk_aversion),
            tau: self.tau.map(Tau::new).transpose()?.unwrap_or(default.tau),
            risk_free_rate: self
                .risk_free_rate
                .map(RiskFreeRate::new)
                .transpose()?
                .unwrap_or(default.risk_free_rate),
            covariance: self
                .covariance
                .map_or(Ok(default.covariance), |name| CovarianceMethod::parse(&name))?,
            objective: self.objective.map_or(Ok(default.objective), |name| objective::by_name(&name))?,
            constraints: self
                .constraints
                .map(|Json(constraints)| Constraints::from_json(&constraints))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}
