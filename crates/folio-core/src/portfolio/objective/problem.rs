//! Mean-variance objectives over constraints.
//!
//! All of them lie on one line of quadratic programs ([`crate::portfolio::solver::quadratic`]): each is the program of some lambda,
//! which is known (minimum variance, quadratic utility) or is the root of a function of the solution (the tangency
//! portfolio, a target risk, a target return). The root is found from the solution's own line, so that a few
//! programs give it to the last bits.

use ndarray::{Array1, Array2};

use super::clustered;
use super::hierarchical;
use super::risk_parity;
use super::tail_risk::{self, Tail, Within};
use crate::portfolio::covariance::Covariance;
use crate::portfolio::limit::cardinality;
use crate::portfolio::limit::constraint::{Constraints, PerTicker, Polytope};
use crate::portfolio::limit::feasibility;
use crate::portfolio::limit::tracking::{Programs, Tracking};
use crate::portfolio::limit::turnover::Trades;
use crate::portfolio::market::{self, RiskAversion};
use crate::portfolio::solver::cone::ConeProgram;
use crate::portfolio::solver::quadratic::{self, ActiveSet, Family, Point, variance};
use crate::portfolio::universe;
use crate::task::Cancel;
use crate::{Error, Result};

/// The most programs that the search for a lambda solves; each halves the interval at the worst, and a double has
/// 64 bits.
pub(crate) const MAX_PROGRAMS: usize = 200;

/// How close a target must be met, relative to its size.
pub(crate) const TARGET: f64 = 1e-10;

/// Lambdas that differ by less are the same.
const ROUNDING: f64 = 1e-14;

/// By how much the search for a lambda grows it while nothing bounds it from above.
const GROWTH: f64 = 8.0;

/// The search ends at this multiple of the lambda at which returns and risks weigh the same: beyond it the risks are
/// lost in the rounding of the returns.
const LARGEST_LAMBDA: f64 = 1e10;

/// At this multiple the risks count for less than the optimality conditions may be missed by.
const END: f64 = 1e8;

/// What a portfolio is to be best at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Objective {
    /// The largest excess return for its volatility.
    MaxSharpe,
    /// The least volatility.
    MinVolatility,
    /// The largest return less half the risk aversion times the variance.
    MaxQuadraticUtility,
    /// The largest return with at most the volatility `target_volatility`.
    EfficientRisk,
    /// The least volatility with at least the return `target_return`.
    EfficientReturn,
    /// Equal shares in the risk, or those of `risk_budgets`; long only.
    RiskParity,
    /// Hierarchical risk parity; long only.
    Hrp,
    /// Hierarchical equal risk contribution; long only.
    Herc,
    /// Nested clustered optimisation of the least volatility; long only.
    Nco,
    /// The least conditional value at risk of a day.
    MinCvar,
    /// The least conditional drawdown at risk.
    MinCdar,
    /// The largest ratio of the mean of the volatilities to the volatility of the whole (Choueifaty and Coignard
    /// 2008).
    MaxDiversification,
}

/// The constraints that every objective with bounds looks at.
const BOUNDS: [&str; 5] = ["min_weight", "max_weight", "groups", "group_min", "group_max"];

/// What the objectives over a polytope look at beside [`BOUNDS`].
const LIMITS: [&str; 6] =
    ["current_weights", "max_turnover", "max_gross", "max_assets", "max_tracking_error", "benchmark"];

/// What the mean-variance objectives look at beside those.
const MEAN_VARIANCE: [&str; 1] = ["l2_penalty"];

/// What those of them that look at returns take off them.
const COST: &str = "transaction_cost";

impl Objective {
    /// Every objective with its name in SQL.
    pub const ALL: [(&'static str, Objective); 12] = [
        ("max_sharpe", Objective::MaxSharpe),
        ("min_volatility", Objective::MinVolatility),
        ("max_quadratic_utility", Objective::MaxQuadraticUtility),
        ("efficient_risk", Objective::EfficientRisk),
        ("efficient_return", Objective::EfficientReturn),
        ("risk_parity", Objective::RiskParity),
        ("hrp", Objective::Hrp),
        ("herc", Objective::Herc),
        ("nco", Objective::Nco),
        ("min_cvar", Objective::MinCvar),
        ("min_cdar", Objective::MinCdar),
        ("max_diversification", Objective::MaxDiversification),
    ];

    /// The objective of this name.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the valid names.
    pub fn parse(name: &str) -> Result<Objective> {
        let found = Objective::ALL.iter().find(|(known, _)| *known == name.trim());
        found.map(|(_, objective)| *objective).ok_or_else(|| Error::UnknownName {
            kind: "objective",
            name: name.to_owned(),
            valid: Objective::ALL.iter().map(|(name, _)| (*name).to_owned()).collect(),
        })
    }

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        Objective::ALL.iter().find(|(_, objective)| *objective == self).map_or("", |(name, _)| name)
    }

    /// The keys of the constraints that it looks at.
    pub fn constraint_keys(self) -> Vec<&'static str> {
        use Objective::{
            EfficientReturn, EfficientRisk, Herc, Hrp, MaxDiversification, MaxQuadraticUtility, MaxSharpe,
            MinCdar, MinCvar, MinVolatility, Nco, RiskParity,
        };
        match self {
            MinVolatility => [&BOUNDS[..], &LIMITS, &MEAN_VARIANCE].concat(),
            MaxSharpe => [&BOUNDS[..], &LIMITS, &MEAN_VARIANCE, &[COST]].concat(),
            MaxQuadraticUtility => [&BOUNDS[..], &LIMITS, &MEAN_VARIANCE, &[COST, "market_neutral"]].concat(),
            EfficientRisk => {
                [&BOUNDS[..], &LIMITS, &MEAN_VARIANCE, &[COST, "market_neutral", "target_volatility"]]
                    .concat()
            }
            EfficientReturn => {
                [&BOUNDS[..], &LIMITS, &MEAN_VARIANCE, &[COST, "market_neutral", "target_return"]].concat()
            }
            RiskParity => vec!["groups", "risk_budgets"],
            Herc | Nco => vec!["groups", "linkage", "distance", "clusters"],
            Hrp => vec!["groups", "linkage", "distance", "leaf_order"],
            MinCvar | MinCdar => [&BOUNDS[..], &LIMITS, &["confidence"]].concat(),
            MaxDiversification => [&BOUNDS[..], &LIMITS].concat(),
        }
    }
}

/// What is known of the assets when weights are chosen.
#[derive(Debug, Clone, Copy)]
pub struct Market<'a> {
    /// The covariance of the returns, a year.
    pub covariance: &'a Covariance,
    /// The expected total return of each ticker, a year.
    pub returns: &'a Array1<f64>,
    /// The price of risk, for `max_quadratic_utility`.
    pub risk_aversion: RiskAversion,
    /// The risk-free rate a year, for `max_sharpe`.
    pub risk_free_rate: f64,
    /// The market's weights, from which the tracking error is measured where no benchmark is named.
    pub market_weights: Option<&'a Array1<f64>>,
    /// The daily returns, a row for each day and a column for each ticker, for `min_cvar` and `min_cdar`.
    pub history: Option<&'a Array2<f64>>,
}

/// The best weights, in the order of the tickers. They satisfy the constraints to 1e-9 and the optimality conditions
/// to 1e-7 of the gradient's size, which is checked here.
///
/// # Errors
/// [`Error::Infeasible`] with the constraints that clash, or where no portfolio beats the risk-free rate, or a target
/// is out of reach; [`Error::InvalidArgument`] for a missing target or an objective that means nothing for a
/// market-neutral portfolio; [`Error::SolverFailed`]; [`Error::Cancelled`].
pub fn optimize(
    market: &Market<'_>,
    objective: Objective,
    constraints: &Constraints,
    cancel: &Cancel,
) -> Result<Array1<f64>> {
    if let Some(bad) = market.returns.iter().find(|value| !value.is_finite()) {
        return Err(Error::InvalidArgument {
            argument: "expected returns",
            value: bad.to_string(),
            expected: "finite numbers".to_owned(),
        });
    }
    constraints.require_only(objective.name(), &objective.constraint_keys())?;
    let solve = |excluded: &[usize]| {
        let search = Search::new(market, constraints, excluded, cancel)?;
        search.finish(search.require_tracking().and_then(|()| search.best(objective, constraints)))
    };
    match constraints.max_assets {
        Some(most) => cardinality::few(most, &constraints.polytope(market.covariance.universe())?, solve),
        None => solve(&[]),
    }
}

/// The largest expected return, net of costs, that the constraints allow.
///
/// # Errors
/// Those of [`optimize`].
pub(crate) fn largest_return(market: &Market<'_>, constraints: &Constraints, cancel: &Cancel) -> Result<f64> {
    Search::new(market, constraints, &[], cancel).and_then(|search| search.largest(&search.returns))
}

fn target(argument: &'static str, target: Option<f64>) -> Result<f64> {
    target.ok_or_else(|| Error::InvalidArgument {
        argument,
        value: "none".to_owned(),
        expected: format!("a number: constraints => '{{\"{argument}\": 0.15}}'"),
    })
}

/// A problem over its variables: the weights, or what is bought and sold.
struct Search<'a> {
    market: &'a Market<'a>,
    /// Tickers that must not be held.
    excluded: &'a [usize],
    /// The constraints on the weights.
    plain: Polytope,
    trades: Option<Trades>,
    tracking: Option<Tracking>,
    /// The constraints on the variables.
    set: Polytope,
    returns: Array1<f64>,
    sigma: Array2<f64>,
    l2: f64,
    cancel: &'a Cancel,
}

/// Which way lambda has to go.
enum Step {
    Done,
    Up(Option<f64>),
    Down(Option<f64>),
}

/// The side on which a search whose root lies in a jump that doubles do not resolve keeps to its target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Safe {
    Low,
    High,
}

impl<'a> Search<'a> {
    fn new(
        market: &'a Market<'a>,
        constraints: &Constraints,
        excluded: &'a [usize],
        cancel: &'a Cancel,
    ) -> Result<Search<'a>> {
        let universe = market.covariance.universe();
        let mut plain = constraints.polytope(universe)?;
        for &ticker in excluded {
            (plain.lower[ticker], plain.upper[ticker]) = (0.0, 0.0);
        }
        let trades = Trades::of(constraints, universe)?;
        let sigma = market.covariance.matrix();
        let tracking = Tracking::of(constraints, universe, market.market_weights, sigma, trades.as_ref())?;
        let mut search = Search {
            market,
            excluded,
            set: trades.as_ref().map_or_else(|| plain.clone(), |trades| trades.polytope(&plain)),
            plain,
            trades,
            tracking,
            returns: Array1::zeros(0),
            sigma: Array2::zeros((0, 0)),
            l2: constraints.l2_penalty,
            cancel,
        };
        search.returns = search.gain(market.returns);
        search.sigma = search.penalised(0.0);
        cancel.check()?;
        Ok(search)
    }

    fn best(&self, objective: Objective, constraints: &Constraints) -> Result<Array1<f64>> {
        let (market, cancel) = (self.market, self.cancel);
        match objective {
            Objective::MinVolatility => self.min_volatility(),
            Objective::MaxQuadraticUtility => self.quadratic_utility(),
            Objective::MaxSharpe => self.max_sharpe(),
            Objective::EfficientReturn => {
                self.efficient_return(target("target_return", constraints.target_return)?)
            }
            Objective::EfficientRisk => {
                self.efficient_risk(target("target_volatility", constraints.target_volatility)?)
            }
            Objective::MinCvar => self.min_tail(Tail::Loss, constraints.confidence),
            Objective::MinCdar => self.min_tail(Tail::Drawdown, constraints.confidence),
            Objective::MaxDiversification => {
                // The Sharpe ratio of returns that are the volatilities.
                let volatilities = market.covariance.volatility();
                let market = Market { returns: &volatilities, risk_free_rate: 0.0, ..*market };
                Search::new(&market, constraints, self.excluded, cancel)?.max_sharpe()
            }
            Objective::RiskParity => {
                let budgets = constraints.risk_budgets.clone().unwrap_or(PerTicker::All(1.0));
                let budgets = budgets.join(market.covariance.universe(), 1.0)?;
                risk_parity::risk_parity(market.covariance, &budgets, cancel)
            }
            Objective::Hrp => hierarchical::hrp(market.covariance, constraints.hierarchical, cancel),
            Objective::Herc => clustered::herc(market.covariance, constraints.hierarchical, cancel),
            Objective::Nco => clustered::nco(market.covariance, constraints.hierarchical, cancel),
        }
    }

    /// The weights of a solution, or the reasons why there is none.
    fn finish(&self, outcome: Result<Array1<f64>>) -> Result<Array1<f64>> {
        match outcome {
            // The solver only says that there is no portfolio; here the reasons are found.
            Err(Error::Infeasible { reason, .. }) if reason.is_empty() => Err(self.explain()?),
            Ok(x) => Ok(self.weights(&x)),
            Err(error) => Err(error),
        }
    }

    /// Where the search begins: every weight free, nothing sold.
    fn start(&self, family: &Family<'_>) -> ActiveSet {
        family.start(self.plain.len())
    }

    fn weights(&self, x: &Array1<f64>) -> Array1<f64> {
        self.trades.as_ref().map_or_else(|| x.clone(), |trades| trades.weights(x))
    }

    fn explain(&self) -> Result<Error> {
        if let Some(trades) = &self.trades
            && feasibility::is_feasible(&self.plain, self.cancel)?
        {
            return trades.explain(&self.plain, self.cancel);
        }
        feasibility::explain(&self.plain, self.market.covariance.universe(), self.cancel)
    }

    /// Returns over the variables, net of costs.
    fn gain(&self, returns: &Array1<f64>) -> Array1<f64> {
        self.trades.as_ref().map_or_else(|| returns.clone(), |trades| trades.gain(returns))
    }

    /// Sigma with the penalty's share on the diagonal, over the variables.
    fn penalised(&self, penalty: f64) -> Array2<f64> {
        let mut hessian = self.market.covariance.matrix().clone();
        hessian.diag_mut().mapv_inplace(|value| value + penalty);
        match &self.trades {
            Some(trades) => trades.hessian(&hessian),
            None => hessian,
        }
    }

    /// The programs of a Hessian, which is Sigma or not, within the tracking error.
    fn programs<'h>(&'h self, hessian: &'h Array2<f64>, gain: &Array1<f64>) -> Result<Programs<'h>> {
        let plain = std::ptr::eq(hessian, &raw const self.sigma) || self.l2 == 0.0;
        Ok(Programs {
            family: Family::new(hessian, gain, &self.set, self.cancel)?,
            hessian,
            sigma: (!plain).then_some(&self.sigma),
            set: &self.set,
            trades: self.trades.as_ref(),
            tracking: self.tracking.as_ref(),
            cancel: self.cancel,
        })
    }

    /// Fails where no portfolio is as near to the benchmark as it has to be.
    fn require_tracking(&self) -> Result<()> {
        let Some(tracking) = &self.tracking else { return Ok(()) };
        let nearest = self.towards(tracking, &self.returns)?;
        let least = tracking.error(&self.weights(&nearest.at(0.0, &self.start(&nearest), self.cancel)?.x));
        if least <= tracking.largest * (1.0 + TARGET) {
            return Ok(());
        }
        Err(Error::Infeasible {
            reason: format!(
                "max_tracking_error {} is under the least tracking error that the constraints allow",
                tracking.largest
            ),
            feasible: format!("max_tracking_error at least {least}"),
        })
    }

    /// From the portfolio that is nearest to the benchmark to the one of the largest return.
    fn towards(&self, tracking: &Tracking, gain: &Array1<f64>) -> Result<Family<'_>> {
        let family = Family::new(&self.sigma, gain, &self.set, self.cancel)?;
        Ok(family.along(tracking.pull().clone(), gain.clone()))
    }

    /// The largest sum of these gains that the constraints allow.
    fn largest(&self, gain: &Array1<f64>) -> Result<f64> {
        let best = max_return(&self.set, gain, self.cancel)?;
        let Some(tracking) = &self.tracking else { return Ok(best) };
        let family = self.towards(tracking, gain)?;
        let step = |point: &Point, _: f64| {
            let weights = self.weights(&point.x);
            let root = point.line.as_ref().and_then(|line| {
                let base = self.weights(&line.base);
                let slope = self.weights(&(&line.base + &line.slope)) - &base;
                tracking.root(&base, &slope)
            });
            match tracking.error(&weights) - tracking.largest {
                distance if distance.abs() <= TARGET * tracking.largest => Step::Done,
                distance if distance < 0.0 && gain.dot(&point.x) >= best - TARGET * best.abs() => Step::Done,
                distance if distance < 0.0 => Step::Up(root),
                _ => Step::Down(root),
            }
        };
        let at = |lambda: f64, near: &ActiveSet| family.at(lambda, near, self.cancel);
        Ok(gain.dot(&self.bisect(at(0.0, &self.start(&family))?, Safe::Low, at, step)?.x))
    }

    fn min_volatility(&self) -> Result<Array1<f64>> {
        let hessian = self.penalised(self.l2);
        let programs = self.programs(&hessian, &self.returns)?;
        programs.at(0.0, &self.start(&programs.family)).map(|point| point.x)
    }

    fn min_tail(&self, tail: Tail, confidence: Option<f64>) -> Result<Array1<f64>> {
        let confidence = confidence.unwrap_or(tail_risk::DEFAULT_CONFIDENCE);
        let history = self.market.history.ok_or_else(|| Error::InvalidArgument {
            argument: "objective",
            value: "a tail risk without a history of returns".to_owned(),
            expected: "daily returns".to_owned(),
        })?;
        let (mapped, start) = match &self.trades {
            Some(trades) => (Some(trades.forms(history)), trades.start()),
            None => (None, market::equal_weights(self.set.len())),
        };
        let history = mapped.as_ref().unwrap_or(history);
        let ball = |tracking: &Tracking| tracking.ball(self.trades.as_ref(), self.cancel);
        let within = Within { set: &self.set, ball: self.tracking.as_ref().map(ball).transpose()? };
        tail_risk::minimise(tail, history.view(), confidence, &start, &within, self.cancel)
    }

    /// The most mu'w - delta/2 w'Sigma w - gamma w'w: lambda is 1 / delta on Sigma + 2 gamma / delta.
    fn quadratic_utility(&self) -> Result<Array1<f64>> {
        let delta = self.market.risk_aversion.value();
        let hessian = self.penalised(2.0 * self.l2 / delta);
        let programs = self.programs(&hessian, &self.returns)?;
        programs.at(1.0 / delta, &self.start(&programs.family)).map(|point| point.x)
    }

    /// Where the Sharpe ratio is largest, its gradient vanishes along the constraints: e - (e'w / w'Hw) Hw, which is
    /// that of the program with lambda = w'Hw / e'w. On a line x = a + lambda b that is lambda = a'Ha / e'a, since
    /// a'Hb = 0 and b'Hb = e'b.
    fn max_sharpe(&self) -> Result<Array1<f64>> {
        let excess = self.gain(&(self.market.returns - self.market.risk_free_rate));
        let hessian = self.penalised(self.l2);
        let programs = self.programs(&hessian, &excess)?;
        let first = programs.at(0.0, &self.start(&programs.family))?;
        if excess.dot(&first.x) <= 0.0 {
            self.require_excess(&excess)?;
        }
        let step = |point: &Point, lambda: f64| {
            let (risk, gain) = (variance(&hessian, point.x.view()), excess.dot(&point.x));
            let root = point.line.as_ref().and_then(|line| {
                let gain = excess.dot(&line.base);
                (gain > 0.0).then(|| variance(&hessian, line.base.view()) / gain)
            });
            let distance = risk - lambda * gain;
            if distance.abs() <= TARGET * TARGET.sqrt() * risk {
                Step::Done
            } else if distance > 0.0 {
                Step::Up(root)
            } else {
                Step::Down(root)
            }
        };
        self.search(&programs, first, Safe::Low, step).map(|point| point.x)
    }

    /// No portfolio of these constraints beats the risk-free rate, or there is one.
    fn require_excess(&self, excess: &Array1<f64>) -> Result<()> {
        let best = self.largest(excess)?;
        if best > 0.0 {
            return Ok(());
        }
        let universe = self.market.covariance.universe();
        let mut ranked: Vec<usize> = (0..universe.len()).collect();
        ranked.sort_by(|&a, &b| self.market.returns[b].total_cmp(&self.market.returns[a]));
        let named: Vec<String> = ranked
            .iter()
            .map(|&i| format!("{} {:.4}", universe.tickers()[i], self.market.returns[i]))
            .collect();
        let rate = self.market.risk_free_rate;
        Err(Error::Infeasible {
            reason: format!(
                "no portfolio returns more than the risk-free rate of {rate}: the expected returns are {}",
                universe::listed(&named)
            ),
            feasible: format!(
                "a risk-free rate under {}, or the objective min_volatility",
                // The best weights sum to one, so this is their total return.
                rate + best
            ),
        })
    }

    fn efficient_return(&self, target: f64) -> Result<Array1<f64>> {
        let returns = &self.returns;
        let hessian = self.penalised(self.l2);
        let programs = self.programs(&hessian, returns)?;
        let first = programs.at(0.0, &self.start(&programs.family))?;
        if returns.dot(&first.x) >= target {
            return Ok(first.x);
        }
        let best = self.largest(returns)?;
        let near = TARGET * target.abs().max(best.abs());
        if target > best + near {
            return Err(Error::Infeasible {
                reason: format!(
                    "target_return {target} is over the largest return that the constraints allow"
                ),
                feasible: format!("target_return at most {best}"),
            });
        }
        let step = |point: &Point, _: f64| {
            let reached = returns.dot(&point.x);
            let root = point.line.as_ref().and_then(|line| {
                let slope = returns.dot(&line.slope);
                (slope > 0.0).then(|| (target - returns.dot(&line.base)) / slope)
            });
            match reached - target {
                distance if distance.abs() <= near * 1e-3 || (distance < 0.0 && reached >= best - near) => {
                    Step::Done
                }
                distance if distance < 0.0 => Step::Up(root),
                _ => Step::Down(root),
            }
        };
        self.search(&programs, first, Safe::High, step).map(|point| point.x)
    }

    /// The most mu'w - gamma w'w with w'Sigma w at most the target's square. With a penalty the program of each
    /// lambda has its own Hessian, Sigma + 2 gamma lambda, and no line to read lambda from.
    fn efficient_risk(&self, target: f64) -> Result<Array1<f64>> {
        let returns = &self.returns;
        let plain = self.programs(&self.sigma, returns)?;
        let first = plain.at(0.0, &self.start(&plain.family))?;
        let least = variance(&self.sigma, first.x.view()).max(0.0).sqrt();
        if least > target * (1.0 + TARGET) {
            return Err(Error::Infeasible {
                reason: format!(
                    "target_volatility {target} is under the least volatility that the constraints allow"
                ),
                feasible: format!("target_volatility at least {least}"),
            });
        }
        let best = self.largest(returns)?;
        // The end of a polytope is reached; that of a ball only comes nearer.
        let end = if self.tracking.is_some() { END * self.unit() } else { 0.0 };
        let step = |point: &Point, lambda: f64| {
            let risk = variance(&self.sigma, point.x.view()).max(0.0).sqrt();
            let at_end = lambda >= end && returns.dot(&point.x) >= best - TARGET * best.abs();
            let root = point.line.as_ref().filter(|_| self.l2 == 0.0).and_then(|line| {
                let slope = variance(&self.sigma, line.slope.view());
                let rest = target * target - variance(&self.sigma, line.base.view());
                (slope > 0.0 && rest >= 0.0).then(|| (rest / slope).sqrt())
            });
            match risk - target {
                distance if distance.abs() <= TARGET * 1e-2 * target => Step::Done,
                distance if distance < 0.0 && at_end => Step::Done,
                distance if distance < 0.0 => Step::Up(root),
                _ => Step::Down(root),
            }
        };
        if self.l2 == 0.0 {
            return self.search(&plain, first, Safe::Low, step).map(|point| point.x);
        }
        let at = |lambda: f64, near: &ActiveSet| {
            let hessian = self.penalised(2.0 * self.l2 * lambda);
            self.programs(&hessian, returns)?.at(lambda, near)
        };
        // With a penalty the line ends at the most mu'w - gamma w'w, which may need less risk than is allowed.
        let end = self.penalised(2.0 * self.l2) - &self.sigma;
        let end = self.programs(&end, returns)?.at(1.0, &first.active)?.x;
        if variance(&self.sigma, end.view()) <= target * target {
            return Ok(end);
        }
        self.bisect(first, Safe::Low, at, step).map(|point| point.x)
    }

    fn search(
        &self,
        programs: &Programs<'_>,
        first: Point,
        safe: Safe,
        step: impl Fn(&Point, f64) -> Step,
    ) -> Result<Point> {
        self.bisect(first, safe, |lambda, near| programs.at(lambda, near), step)
    }

    /// Moves lambda until `step` is done: to the root that a point's line gives if it lies between the bounds known
    /// so far, else to the middle of them.
    fn bisect(
        &self,
        first: Point,
        safe: Safe,
        at: impl Fn(f64, &ActiveSet) -> Result<Point>,
        step: impl Fn(&Point, f64) -> Step,
    ) -> Result<Point> {
        let (mut low, mut high) = (0.0_f64, f64::INFINITY);
        let (mut lambda, mut point) = (0.0, first);
        let mut kept = None;
        let largest = LARGEST_LAMBDA * self.unit();
        for _ in 0..MAX_PROGRAMS {
            let (root, side) = match step(&point, lambda) {
                Step::Done => return Ok(point),
                Step::Up(root) => {
                    low = low.max(lambda);
                    (root, Safe::Low)
                }
                Step::Down(root) => {
                    high = high.min(lambda);
                    (root, Safe::High)
                }
            };
            if side == safe {
                kept = Some(point.clone());
            }
            let next = match root {
                // A root that is this lambda already is as exact as doubles are.
                Some(root) if (root - lambda).abs() <= ROUNDING * lambda => return Ok(point),
                // A root beyond the largest lambda is that of a line that only rounding keeps from being flat.
                Some(root) if root > low && root < high && root < largest => root,
                _ if high.is_finite() => low + (high - low) / 2.0,
                _ => GROWTH * low.max(self.unit()),
            };
            if next == lambda || next == low || next == high {
                return Ok(kept.unwrap_or(point));
            }
            if next > largest {
                break;
            }
            point = at(next, &point.active)?;
            lambda = next;
        }
        Err(Error::SolverFailed { status: "no point of the frontier meets the objective".to_owned() })
    }

    /// A lambda of the right size to begin with: at it returns and risks weigh the same.
    fn unit(&self) -> f64 {
        let mean = self.sigma.diag().sum() / self.set.len() as f64;
        let largest = self.returns.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        if mean > 0.0 && largest > 0.0 { 0.1 * mean / largest } else { 1.0 }
    }
}

/// The largest e'w over the constraints.
pub(crate) fn max_return(set: &Polytope, gain: &Array1<f64>, cancel: &Cancel) -> Result<f64> {
    if let [budget] = set.rows.as_slice()
        && budget.coefficients.iter().all(|coefficient| *coefficient == 1.0)
        && let Some(best) = fill(set, gain, budget.lower)
    {
        return Ok(best);
    }
    let mut program = ConeProgram::new(gain.iter().map(|value| -value).collect());
    quadratic::add_polytope(&mut program, set);
    let x = program.solution(cancel)?;
    Ok(gain.iter().zip(&x).map(|(gain, x)| gain * x).sum())
}

/// With only a budget the best is to fill the best tickers first; `None` where the budget cannot be met.
fn fill(set: &Polytope, gain: &Array1<f64>, budget: f64) -> Option<f64> {
    let mut order: Vec<usize> = (0..set.len()).collect();
    order.sort_by(|&a, &b| gain[b].total_cmp(&gain[a]));
    let mut left = budget - set.lower.iter().sum::<f64>();
    let mut best = gain.iter().zip(&set.lower).map(|(gain, low)| gain * low).sum::<f64>();
    for i in order {
        let add = (set.upper[i] - set.lower[i]).min(left).max(0.0);
        best += add * gain[i];
        left -= add;
    }
    (left.abs() <= quadratic::FEASIBILITY).then_some(best)
}

/// The volatility of weights.
pub(crate) fn volatility(covariance: &Covariance, weights: &Array1<f64>) -> f64 {
    variance(covariance.matrix(), weights.view()).max(0.0).sqrt()
}

/// The share of each ticker in the variance, w_i (Sigma w)_i / w'Sigma w; they sum to one. `None` for weights without
/// risk.
pub fn risk_contributions(covariance: &Covariance, weights: &Array1<f64>) -> Option<Array1<f64>> {
    let marginal = covariance.matrix().dot(weights);
    let total = weights.dot(&marginal);
    (total > 0.0).then(|| weights * &marginal / total)
}
