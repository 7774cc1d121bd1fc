//! Trades and leverage: what changing the weights may come to and what it costs, and how far long and short positions
//! together may reach.
//!
//! Each weight becomes w0 plus what is bought less what is sold, in pieces that end where |w| has its kink. The sums of
//! |w - w0| and of |w| are then linear in the pieces. One more variable is held at 1 and carries w0: variances and
//! returns stay plain forms x'Hx and e'x, and everything that solves the problem without trades solves this one.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2};
use serde_json::Value;

use super::feasibility;
use super::{Limit, Scope};
use crate::input;
use crate::portfolio::solver::cone::ConeProgram;
use crate::portfolio::solver::polytope::{Polytope, Row};
use crate::portfolio::solver::unsolved::Unsolved;
use crate::portfolio::universe::{PerTicker, Universe};
use crate::rate::{self, Kind};
use crate::task::Cancel;
use crate::work::{self, watched};
use crate::{Error, Result};

/// What an element of a form over the variables takes: each is looked up by its piece.
const SPREAD: usize = 4;

/// What trades and leverage may come to; no limit by default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TradeLimits {
    /// The weights held now; those that are not named are 0.
    pub current_weights: Option<BTreeMap<String, f64>>,
    /// The most that all weights together may change from the current ones, the sum of |w - w0|.
    pub max_turnover: Option<f64>,
    /// What a change of a weight costs, as a share of the money traded; it is taken off the expected return.
    pub transaction_cost: Option<PerTicker>,
    /// The most that long and short positions together may come to, the sum of |w|.
    pub max_gross: Option<f64>,
}

impl Limit for TradeLimits {
    fn keys(&self) -> &'static [(&'static str, Scope)] {
        &[
            ("current_weights", Scope::Weights),
            ("max_turnover", Scope::Weights),
            ("max_gross", Scope::Weights),
            ("transaction_cost", Scope::Returns),
        ]
    }

    fn read(&mut self, key: &'static str, value: &Value) -> Result<()> {
        let number = |valid: fn(f64) -> bool, expected: &str| {
            input::within(key, rate::read(key, Kind::Sum, value)?, valid, expected)
        };
        match key {
            "current_weights" => self.current_weights = Some(rate::by_name(key, Kind::Weight, value)?),
            "max_turnover" => self.max_turnover = Some(number(|turnover| turnover >= 0.0, "0 or over")?),
            "max_gross" => self.max_gross = Some(number(|gross| gross > 0.0, "over 0; 1.6 is 130/30")?),
            _ => {
                let costs = PerTicker::from_json(key, Kind::Part, value)?;
                let expected = "0 or over and under 1; 10 basis points are 0.001";
                costs.require(key, |cost| (0.0..1.0).contains(&cost), expected)?;
                self.transaction_cost = Some(costs);
            }
        }
        Ok(())
    }

    fn complete(&self) -> Result<()> {
        let argument = match self {
            TradeLimits { current_weights: Some(_), .. } => return Ok(()),
            TradeLimits { max_turnover: Some(_), .. } => "max_turnover",
            TradeLimits { transaction_cost: Some(_), .. } => "transaction_cost",
            _ => return Ok(()),
        };
        let expected = "current_weights beside it, {} where nothing is held yet";
        Err(input::invalid(argument, "no current_weights", expected))
    }
}

/// What the trades from the current weights cost.
pub(crate) struct TradeCosts {
    current: Array1<f64>,
    costs: Vec<f64>,
}

impl TradeCosts {
    /// Nothing, where the limits price no trade.
    pub(crate) fn of(limits: &TradeLimits, universe: &Universe) -> Result<TradeCosts> {
        let TradeLimits { current_weights, transaction_cost, .. } = limits;
        let costs = transaction_cost.as_ref().map_or(Ok(Vec::new()), |costs| costs.join(universe, 0.0))?;
        let current = universe.join_or(current_weights.as_ref().unwrap_or(&BTreeMap::new()), 0.0)?;
        Ok(TradeCosts { current: Array1::from(current), costs })
    }

    /// As a share of the value.
    pub(crate) fn of_trades_to(&self, weights: &Array1<f64>) -> f64 {
        let changes = weights.iter().zip(&self.current).map(|(weight, current)| (weight - current).abs());
        self.costs.iter().zip(changes).map(|(cost, change)| cost * change).sum()
    }
}

/// A stretch of buying or selling of one ticker, from one distance to w0 to another.
struct Piece {
    ticker: usize,
    /// 1 where it is bought, -1 where it is sold.
    sign: f64,
    from: f64,
    to: f64,
    /// What a unit of it adds to |w|.
    gross: f64,
}

/// The weights held now with the cost of a trade in each, and the limits.
pub(crate) struct Trades {
    current: Vec<f64>,
    costs: Vec<f64>,
    /// The variables but for the last; the first are what is bought, one for each ticker.
    pieces: Vec<Piece>,
    largest_turnover: f64,
    largest_gross: f64,
}

impl Trades {
    /// The trades that limits speak of, if they limit or price any, or limit the leverage.
    pub(crate) fn of(limits: &TradeLimits, universe: &Universe) -> Result<Option<Trades>> {
        let n = universe.len();
        let costs = match &limits.transaction_cost {
            Some(costs) => costs.join(universe, 0.0)?,
            None => vec![0.0; n],
        };
        let largest_turnover = limits.max_turnover.unwrap_or(f64::INFINITY);
        let largest_gross = limits.max_gross.unwrap_or(f64::INFINITY);
        let traded = largest_turnover.is_finite() || costs.iter().any(|cost| *cost != 0.0);
        let current = match &limits.current_weights {
            Some(current) => universe.join_or(current, 0.0)?,
            None => vec![0.0; n],
        };
        if !traded && largest_gross.is_infinite() {
            return Ok(None);
        }
        // Without trades any reference will do for the leverage, and at 0 no weight has two pieces on one side.
        let current = if traded { current } else { vec![0.0; n] };
        let pieces = pieces(&current, largest_gross.is_finite());
        Ok(Some(Trades { current, costs, pieces, largest_turnover, largest_gross }))
    }

    /// w of the variables.
    pub(crate) fn weights(&self, x: &Array1<f64>) -> Array1<f64> {
        let mut weights = Array1::from(self.current.clone());
        for (piece, x) in self.pieces.iter().zip(x) {
            weights[piece.ticker] += piece.sign * x;
        }
        weights
    }

    /// Variables from which a search may start: a little of everything is bought.
    pub(crate) fn start(&self) -> Array1<f64> {
        let n = self.current.len();
        (0..=self.pieces.len())
            .map(|i| match i {
                _ if i < n => 1.0 / n as f64,
                _ if i < self.pieces.len() => 0.0,
                _ => 1.0,
            })
            .collect()
    }

    /// A linear form of the weights as one of the variables.
    fn spread(&self, values: impl Fn(usize) -> f64) -> Vec<f64> {
        let carried = self.current.iter().enumerate().map(|(i, current)| values(i) * current).sum();
        self.pieces.iter().map(|piece| piece.sign * values(piece.ticker)).chain([carried]).collect()
    }

    /// The form over the variables of a linear form over the weights.
    pub(crate) fn linear(&self, form: &Array1<f64>) -> Array1<f64> {
        Array1::from(self.spread(|i| form[i]))
    }

    /// The returns less the costs.
    pub(crate) fn gain(&self, returns: &Array1<f64>) -> Array1<f64> {
        let mut gain = self.linear(returns);
        for (gain, piece) in gain.iter_mut().zip(&self.pieces) {
            *gain -= self.costs[piece.ticker];
        }
        gain
    }

    /// H over the variables.
    pub(crate) fn hessian(&self, hessian: &Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
        let current = Array1::from(self.current.clone());
        work::count(hessian.len());
        let carried = hessian.dot(&current);
        let constant = current.dot(&carried);
        let size = self.pieces.len() + 1;
        let mut spread = Array2::zeros((size, size));
        for row in watched(spread.rows_mut().into_iter().enumerate(), SPREAD * size, cancel) {
            let (i, mut row) = row?;
            for (j, value) in row.iter_mut().enumerate() {
                *value = match (self.pieces.get(i), self.pieces.get(j)) {
                    (Some(a), Some(b)) => a.sign * b.sign * hessian[[a.ticker, b.ticker]],
                    (Some(piece), None) | (None, Some(piece)) => piece.sign * carried[piece.ticker],
                    (None, None) => constant,
                };
            }
        }
        Ok(spread)
    }

    /// Forms over the weights, a row each, as forms over the variables.
    pub(crate) fn forms(&self, forms: &Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
        let size = self.pieces.len() + 1;
        let mut spread = Array2::zeros((forms.nrows(), size));
        for pair in watched(spread.rows_mut().into_iter().zip(forms.rows()), SPREAD * size, cancel) {
            let (mut row, form) = pair?;
            row.assign(&Array1::from(self.spread(|i| form[i])));
        }
        Ok(spread)
    }

    /// The constraints over the variables.
    pub(crate) fn polytope(&self, set: &Polytope) -> Polytope {
        let limits =
            [self.turnover().at_most(self.largest_turnover), self.gross().at_most(self.largest_gross)];
        self.without_limits(set, limits.into_iter().filter(|row| row.upper.is_finite()).collect())
    }

    fn without_limits(&self, set: &Polytope, limits: Vec<Row>) -> Polytope {
        let spread = |row: &Row| Row { coefficients: self.spread(|i| row.coefficients[i]), ..row.clone() };
        let rows = set.rows.iter().map(spread).chain(limits).collect();
        // A weight outside its bounds has to be traded at least back to them.
        let bounds = |piece: &Piece| {
            let (i, current) = (piece.ticker, self.current[piece.ticker]);
            let (near, far) = if piece.sign > 0.0 {
                (set.lower[i] - current, set.upper[i] - current)
            } else {
                (current - set.upper[i], current - set.lower[i])
            };
            let part = |distance: f64| distance.clamp(piece.from, piece.to) - piece.from;
            (part(near), part(far))
        };
        let bounds: Vec<(f64, f64)> = self.pieces.iter().map(bounds).collect();
        Polytope {
            lower: bounds.iter().map(|(low, _)| *low).chain([1.0]).collect(),
            upper: bounds.iter().map(|(_, high)| *high).chain([1.0]).collect(),
            rows,
        }
    }

    /// The sum of |w - w0|.
    fn turnover(&self) -> Sum {
        let coefficients = self.pieces.iter().map(|_| 1.0).chain([0.0]).collect();
        Sum { name: "max_turnover", coefficients }
    }

    /// The sum of |w|.
    fn gross(&self) -> Sum {
        let carried = self.current.iter().map(|current| current.abs()).sum();
        let coefficients = self.pieces.iter().map(|piece| piece.gross).chain([carried]).collect();
        Sum { name: "max_gross", coefficients }
    }

    /// The error of limits that are too small for the constraints, which without them can be met.
    pub(crate) fn explain(&self, set: &Polytope, cancel: &Cancel) -> Result<Error> {
        let within_gross: Vec<Row> = [self.gross().at_most(self.largest_gross)]
            .into_iter()
            .filter(|row| row.upper.is_finite())
            .collect();
        let error = |sum: &Sum, limit: f64, least: f64, what: &str| Error::Infeasible {
            reason: format!(
                "{} {limit} is too small for {what} that keep to the other constraints",
                sum.name
            ),
            feasible: format!("{} at least {:.6}", sum.name, feasibility::no_less(least)),
        };
        let turnover = self.turnover();
        if let Some(least) = turnover.least(&self.without_limits(set, within_gross), cancel)? {
            let what = "coming from the current weights to any";
            return Ok(error(&turnover, self.largest_turnover, least, what));
        }
        let gross = self.gross();
        match gross.least(&self.without_limits(set, Vec::new()), cancel)? {
            Some(least) => Ok(error(&gross, self.largest_gross, least, "any weights")),
            None => Err(Error::SolverFailed { status: "infeasible".to_owned() }),
        }
    }
}

/// Each weight's pieces: bought and sold, and where a limit on |w| asks for it, beyond 0 another one.
fn pieces(current: &[f64], kinks: bool) -> Vec<Piece> {
    let side = |sign: f64| {
        current.iter().enumerate().map(move |(ticker, current)| {
            let to_zero = -sign * current;
            let split = kinks && to_zero > 0.0;
            let (to, gross) = if split { (to_zero, -1.0) } else { (f64::INFINITY, 1.0) };
            Piece { ticker, sign, from: 0.0, to, gross }
        })
    };
    let mut pieces: Vec<Piece> = side(1.0).chain(side(-1.0)).collect();
    let beyond = |piece: &Piece| {
        piece.to.is_finite().then_some(Piece { from: piece.to, to: f64::INFINITY, gross: 1.0, ..*piece })
    };
    pieces.extend(pieces.iter().filter_map(beyond).collect::<Vec<_>>());
    pieces
}

/// A sum over the variables that may be limited.
struct Sum {
    name: &'static str,
    coefficients: Vec<f64>,
}

impl Sum {
    fn at_most(self, upper: f64) -> Row {
        let Sum { name, coefficients } = self;
        Row { name: name.to_owned(), coefficients, lower: f64::NEG_INFINITY, upper }
    }

    /// The least that it can be; `None` where the set has no points.
    fn least(&self, set: &Polytope, cancel: &Cancel) -> Result<Option<f64>> {
        let mut program = ConeProgram::new(self.coefficients.clone());
        program.within(set);
        let sum =
            |x: Vec<f64>| self.coefficients.iter().zip(&x).map(|(coefficient, x)| coefficient * x).sum();
        match program.solve(cancel) {
            Ok(solution) => Ok(Some(sum(solution.x))),
            Err(Unsolved::Infeasible) => Ok(None),
            Err(Unsolved::Failed(error)) => Err(error),
        }
    }
}
