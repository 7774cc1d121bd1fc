//! The portfolio functions.

use folio_core::panel::ReturnPanel;
use folio_core::portfolio::black_litterman::{Omega, bl_posterior as posterior};
use folio_core::portfolio::constraint::Constraints;
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::portfolio::market::{MarketCaps, Prior, RiskAversion, Tau};
use folio_core::portfolio::memory;
use folio_core::portfolio::optimize::Objective;
use folio_core::portfolio::request::{self, Allocation, Request, RiskFreeRate};
use folio_core::portfolio::views::Views;
use folio_core::task;
use pgrx::prelude::*;
use pgrx::{Array, JsonB, PgRelation};

use super::arguments::{self, Names};
use crate::backend::array::{self, MatrixDatum};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::report::{Result, or_raise};
use crate::backend::settings::Settings;

/// The fewest common returns that a covariance is estimated from.
const MIN_RETURNS: usize = 2;

/// Weights from market, views and constraints: a row per ticker. Returns and volatilities are a year.
#[pg_extern(stable, parallel_safe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn black_litterman(
    tickers: default!(Option<Names>, "NULL"),
    views: default!(Option<JsonB>, "'[]'"),
    market_caps: default!(Option<JsonB>, "NULL"),
    prior: default!(Option<String>, "NULL"),
    risk_aversion: default!(Option<f64>, "NULL"),
    tau: default!(Option<f64>, "NULL"),
    risk_free_rate: default!(Option<f64>, "NULL"),
    covariance: default!(Option<String>, "NULL"),
    objective: default!(Option<String>, "NULL"),
    constraints: default!(Option<JsonB>, "NULL"),
    history: default!(Option<i32>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<PgRelation>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, String),
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
    let source = Source { tickers, history, as_of, relation: prices.map(|relation| relation.oid()) };
    let inputs =
        Inputs { market_caps, prior, risk_aversion, tau, risk_free_rate, covariance, objective, constraints };
    let allocation =
        inputs.request(views).and_then(|request| source.allocate(request, request::black_litterman));
    TableIterator::new(or_raise(allocation).holdings.into_iter().map(|holding| {
        (
            holding.ticker,
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
#[pg_extern(stable, parallel_safe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn view_report(
    tickers: default!(Option<Names>, "NULL"),
    views: default!(Option<JsonB>, "'[]'"),
    market_caps: default!(Option<JsonB>, "NULL"),
    prior: default!(Option<String>, "NULL"),
    risk_aversion: default!(Option<f64>, "NULL"),
    tau: default!(Option<f64>, "NULL"),
    risk_free_rate: default!(Option<f64>, "NULL"),
    covariance: default!(Option<String>, "NULL"),
    objective: default!(Option<String>, "NULL"),
    constraints: default!(Option<JsonB>, "NULL"),
    history: default!(Option<i32>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<PgRelation>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(view, String),
        name!(view_return, f64),
        name!(prior_return, f64),
        name!(posterior_return, f64),
        name!(pull, f64),
        name!(variance, Option<f64>),
        name!(implied_confidence, Option<f64>),
        name!(contribution, JsonB),
    ),
> {
    let source = Source { tickers, history, as_of, relation: prices.map(|relation| relation.oid()) };
    let inputs =
        Inputs { market_caps, prior, risk_aversion, tau, risk_free_rate, covariance, objective, constraints };
    let allocation =
        inputs.request(views).and_then(|request| source.allocate(request, request::black_litterman));
    let Allocation { views, holdings, .. } = or_raise(allocation);
    TableIterator::new(views.into_iter().map(move |view| {
        let tickers = holdings.iter().map(|holding| holding.ticker.clone());
        let contribution = tickers.zip(view.contribution.iter().map(|share| (*share).into())).collect();
        (
            view.view,
            view.view_return,
            view.prior_return,
            view.posterior_return,
            view.pull,
            view.omega,
            view.implied_confidence,
            JsonB(serde_json::Value::Object(contribution)),
        )
    }))
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
        Ok(task::one(&pool, &pool::cancel_flag(), move |cancel| {
            posterior(covariance.view(), prior.view(), p.view(), q.view(), omega.view(), tau, cancel)
        })?)
    })();
    let posterior = or_raise(result);
    TableIterator::once((posterior.mean.to_vec(), MatrixDatum(posterior.covariance)))
}

/// Which returns a portfolio is built from.
struct Source {
    tickers: Option<Names>,
    history: Option<i32>,
    as_of: Option<TimestampWithTimeZone>,
    relation: Option<pg_sys::Oid>,
}

/// What a portfolio function computes from returns.
type Construct = fn(&Request, &ReturnPanel, &folio_core::task::Cancel) -> folio_core::Result<Allocation>;

impl Source {
    /// Reads the prices and computes on the pool.
    fn allocate(self, request: Request, construct: Construct) -> Result<Allocation> {
        let settings = Settings::read();
        let history = prices::history(self.history.unwrap_or(settings.history))?;
        let tickers = self.tickers.map(arguments::unique_tickers).transpose()?;
        let selection = Selection { relation: self.relation, tickers, as_of: self.as_of, history };
        let pool = Pool::start(1)?;
        let panel = prices::read(&selection, &settings.prices, settings.price_bytes())?;
        memory::check(&panel, settings.memory_limit)?;
        Ok(task::one(&pool, &pool::cancel_flag(), move |cancel| {
            let returns = ReturnPanel::aligned(&panel, history - 1, MIN_RETURNS)?;
            construct(&request, &returns, cancel)
        })?)
    }
}

/// The arguments that say how a portfolio is built; NULL takes the default.
struct Inputs {
    market_caps: Option<JsonB>,
    prior: Option<String>,
    risk_aversion: Option<f64>,
    tau: Option<f64>,
    risk_free_rate: Option<f64>,
    covariance: Option<String>,
    objective: Option<String>,
    constraints: Option<JsonB>,
}

impl Inputs {
    fn request(self, views: Option<JsonB>) -> Result<Request> {
        let default = Request::default();
        Ok(Request {
            views: views.map(|JsonB(views)| Views::parse(&views)).transpose()?.unwrap_or_default(),
            omega: Omega::PerView,
            market_caps: self.market_caps.map(|JsonB(caps)| MarketCaps::from_json(&caps)).transpose()?,
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
            objective: self.objective.map_or(Ok(default.objective), |name| Objective::parse(&name))?,
            constraints: self
                .constraints
                .map(|JsonB(constraints)| Constraints::from_json(&constraints))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}
