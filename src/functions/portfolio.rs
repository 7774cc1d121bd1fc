//! The portfolio functions.

use std::rc::Rc;

use folio_core::portfolio::allocation::{self, Method};
use folio_core::portfolio::black_litterman::bl_posterior as posterior;
use folio_core::portfolio::covariance::{self, FixMethod};
use folio_core::portfolio::market::Tau;
use folio_core::portfolio::memory;
use folio_core::portfolio::request;
use folio_core::portfolio::weight_report;
use folio_core::task;
use pgrx::Array;
use pgrx::prelude::*;

use crate::arguments::required;
use crate::backend::array::{self, MatrixDatum};
use crate::backend::budget;
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::report::or_raise;
use crate::backend::settings::Settings;
use crate::call::portfolio::{by_ticker, noticed};

sql_function! {
    /// Weights from market, views and constraints: a row per ticker. Returns and volatilities are a year.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn black_litterman(tickers, views, market, objective, constraints, source, later) given arguments
    -> rows of holding {
        ticker: Text, market_weight: f64, prior_return: f64, view_return: Option<f64>, posterior_return: f64,
        posterior_volatility: f64, weight: f64, active_weight: f64, risk_contribution: Option<f64>,
    } {
        Ok(noticed(arguments.allocate(request::black_litterman)?).holdings)
    }
}

sql_function! {
    /// What each view did: a row per view of the same call of black_litterman.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn view_report(tickers, views, market, objective, constraints, source, later) given arguments
    -> rows of view, contribution {
        view: Text, view_return: f64, prior_return: f64, posterior_return: f64, pull: f64,
        variance: Option<f64> = view.omega, implied_confidence: Option<f64>, contribution: Json = contribution,
        confidence: f64, remark: Option<Text> = view.remark.map(|remark| Text(remark.to_owned())),
    } {
        let allocation = arguments.allocate(request::black_litterman)?;
        let tickers: Vec<String> = allocation.holdings.into_iter().map(|holding| holding.ticker).collect();
        Ok(allocation.views.into_iter().map(move |view| {
            let contribution = by_ticker(&tickers, &view.contribution);
            (view, contribution)
        }))
    }
}

sql_function! {
    /// Why each weight of the same call of black_litterman is what it is: a row per ticker.
    #[pg_extern(stable, parallel_unsafe, cost = 10000000)]
    fn weight_report(tickers, views, market, objective, constraints, source, later) given arguments
    -> rows of report {
        ticker: Text, weight: f64, market_weight: f64, prior_return: f64, view_pull: f64, risk_contribution: Option<f64>,
        limits: Option<Text> = (!report.limits.is_empty()).then(|| Text(report.limits.join("; "))),
        weight_without: Option<f64> = report.without.map(|without| without.weight),
        return_without: Option<f64> = report.without.map(|without| without.expected_return),
        volatility_without: Option<f64> = report.without.map(|without| without.volatility),
    } {
        let request = arguments.request()?;
        arguments.compute(move |returns, cancel| weight_report::weight_report(&request, returns, cancel))
    }
}

sql_function! {
    /// Weights from the prior alone, without views: a row per ticker. Returns and volatilities are a year.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn optimize_portfolio(
        tickers, objective, constraints, prior, market_caps, risk_aversion, risk_free_rate, covariance, source, later
    ) given arguments
    -> rows of holding {
        ticker: Text, market_weight: f64, expected_return: f64 = holding.prior_return,
        volatility: f64 = holding.posterior_volatility, weight: f64, active_weight: f64,
        risk_contribution: Option<f64>,
    } {
        Ok(noticed(arguments.allocate(request::optimize_portfolio)?).holdings)
    }
}

sql_function! {
    /// The efficient frontier from the least volatility to the largest return: a row per point, in equal steps of return.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn efficient_frontier(
        tickers, points: i64 = "20", views, market, constraints, source, later
    ) given arguments
    -> rows of point, number, weights {
        point: i32 = number, expected_return: f64, volatility: f64, sharpe_ratio: Option<f64>, weights: Json = weights,
    } {
        let (request, points) = (arguments.request()?, points.unwrap_or(DEFAULT_POINTS));
        let ((tickers, frontier), held) = arguments.compute_and_hold(move |returns, cancel| {
            let frontier = request::efficient_frontier(&request, returns, points, cancel)?;
            Ok((returns.tickers().to_vec(), frontier))
        })?;
        Ok(held.by((1..).zip(frontier).map(move |(number, point)| {
            let weights = by_ticker(&tickers, &point.weights);
            (point, number, weights)
        })))
    }
}

/// The points of a frontier if nothing is said, as the default of the argument.
const DEFAULT_POINTS: i64 = 20;

sql_function! {
    /// What prior and views expect of given weights, beside a benchmark if there is one.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn portfolio_performance(
        weights: Json, benchmark: Json = "NULL", tickers, views, market, source, later
    ) given arguments
    -> rows of performance, periods {
        expected_return: f64, volatility: f64, sharpe_ratio: Option<f64>, tracking_error: Option<f64>,
        turnover: Option<f64>, periods_per_year: f64 = periods,
    } {
        let (request, Json(weights)) = (arguments.request()?, required("weights", weights)?);
        arguments
            .compute(move |returns, cancel| {
                let benchmark = benchmark.as_ref().map(|Json(benchmark)| benchmark);
                let performance = request::portfolio_performance(&request, returns, &weights, benchmark, cancel)?;
                Ok((performance, returns.periods_per_year()))
            })
            .map(Some)
    }
}

sql_function! {
    /// The annual covariance of returns: a row per pair of tickers.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn covariance_matrix(tickers, covariance, source, later) given arguments
    -> rows of covariance, i, j {
        ticker: Text = Text(covariance.universe().tickers()[i].clone()),
        other_ticker: Text = Text(covariance.universe().tickers()[j].clone()),
        covariance: f64 = covariance.matrix()[[i, j]], correlation: Option<f64> = covariance.correlation(i, j),
    } {
        let method = arguments.request()?.covariance;
        let (covariance, held) =
            arguments.compute_and_hold(move |returns, cancel| method.estimate(returns, cancel))?;
        let covariance = Rc::new(covariance);
        let size = covariance.universe().len();
        let pairs = (0..size).flat_map(move |i| (0..size).map(move |j| (i, j)));
        Ok(held.by(pairs.map(move |(i, j)| (covariance.clone(), i, j))))
    }
}

sql_function! {
    /// Whole shares for a sum of money, as near to the weights as the last prices allow: a row per ticker and one of cash.
    #[pg_extern(stable, parallel_unsafe, cost = 10000)]
    fn discrete_allocation(weights: Json, value: f64, method: Text = "NULL", as_of, prices) given arguments
    -> rows of position {
        ticker: Option<Text> = position.ticker.map(Text), shares: Option<i64>, price: Option<f64>, amount: f64,
        weight: f64, method: Text = Text(position.method.to_owned()),
    } {
        let weights = allocation::parse_weights(&required("weights", weights)?.0)?;
        let value = required("value", value)?;
        let method = method.map_or(Ok(Method::default()), |method| Method::parse(&method))?;
        let selection = Selection {
            relation: arguments.prices.map(|relation| relation.0),
            tickers: Some(weights.keys().cloned().collect()),
            as_of: arguments.as_of,
            // Only the last price counts.
            history: 1,
        };
        let pool = Pool::start(1)?;
        let panel = prices::read(&selection, &Settings::read())?;
        Ok(task::one(&pool, &pool::cancel_flag(), move |cancel| {
            allocation::positions(&weights, &panel, value, method, cancel)
        })?)
    }
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
    matrix: Option<Array<'_, f64>>,
    fix_method: default!(Option<Text>, "'spectral'"),
) -> TableIterator<
    'static,
    (name!(fixed_matrix, MatrixDatum), name!(smallest_eigenvalue, f64), name!(largest_change, f64)),
> {
    let result = (|| {
        let matrix = array::matrix_or_diagonal("matrix", matrix.ok_or_else(|| array::missing("matrix"))?)?;
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
