//! The stepwise search over orders of Hyndman & Khandakar (2008), Automatic time series forecasting: the forecast
//! package for R, Journal of Statistical Software 27(3), section 3.2.

use super::arma::MAX_LAG;
use super::estimate::{Estimate, Order};
use super::fit::{Fitter, Working};
use crate::task::{Cancel, Cancelled};

/// The largest p + q.
const MAX_ORDER: usize = 5;

/// A maximum of the likelihood is rejected where a root of either polynomial has a modulus under this, as in
/// auto.arima: it is too near to a model of another order, and its forecasts are unstable.
const MIN_ROOT: f64 = 1.01;

/// The most models that are fitted, as in auto.arima. The orders allowed here are fewer.
const MAX_MODELS: usize = 94;

/// The search's state.
struct Search<'a> {
    d: usize,
    /// The largest p and q that the length of the series allows.
    max_lag: usize,
    /// The series for models without and with a constant.
    working: [Option<Working>; 2],
    fitter: Fitter,
    seen: Vec<Order>,
    best: Option<Estimate>,
    cancel: &'a Cancel,
}

/// The best model of the series `w`, which is already differenced `d` times; none where no order converges.
pub(super) fn stepwise(w: &[f64], d: usize, cancel: &Cancel) -> Result<Option<Estimate>, Cancelled> {
    let mut search = Search {
        d,
        max_lag: MAX_LAG.min(w.len() / 3),
        working: [Working::new(w, false, cancel)?, Working::new(w, true, cancel)?],
        fitter: Fitter::default(),
        seen: Vec::new(),
        best: None,
        cancel,
    };
    // The four starts of the paper with a constant, then white noise without one.
    for (p, q, constant) in [(2, 2, true), (0, 0, true), (1, 0, true), (0, 1, true), (0, 0, false)] {
        search.improves(p, q, constant)?;
    }
    while search.step()? {}
    Ok(search.best)
}

impl Search<'_> {
    /// Tries the neighbours of the best model in turn; true at the first that is better.
    fn step(&mut self) -> Result<bool, Cancelled> {
        /// One of p and q by one, then both.
        const MOVES: [(isize, isize); 8] =
            [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)];
        let Some(best) = &self.best else { return Ok(false) };
        let Order { p, q, constant, .. } = best.order;
        for (dp, dq) in MOVES {
            let (Some(p), Some(q)) = (p.checked_add_signed(dp), q.checked_add_signed(dq)) else { continue };
            if self.improves(p, q, constant)? {
                return Ok(true);
            }
        }
        Ok(self.improves(p, q, !constant)? || self.sweep(constant)?)
    }

    /// Tries every order that the neighbours have not reached; true at the first that is better. The steps alone end
    /// in a local minimum now and then (on one of 20 stocks, by 2.8), and few orders are left when they end.
    fn sweep(&mut self, constant: bool) -> Result<bool, Cancelled> {
        for p in 0..=MAX_LAG {
            for q in 0..=MAX_LAG {
                if self.improves(p, q, constant)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Fits this order, unless it was seen or is not allowed; true where it becomes the best.
    fn improves(&mut self, p: usize, q: usize, constant: bool) -> Result<bool, Cancelled> {
        let order = Order { p, d: self.d, q, constant };
        let allowed = p.max(q) <= self.max_lag && p + q <= MAX_ORDER && self.seen.len() < MAX_MODELS;
        if !allowed || self.seen.contains(&order) {
            return Ok(false);
        }
        self.seen.push(order);
        let Some(working) = &self.working[usize::from(constant)] else { return Ok(false) };
        let near = self.best.as_ref().map(|best| &best.arma);
        let Some(found) = self.fitter.fit(working, order, near, MIN_ROOT, self.cancel)? else {
            return Ok(false);
        };
        if !found.aicc.is_finite() || self.best.as_ref().is_some_and(|best| best.aicc <= found.aicc) {
            return Ok(false);
        }
        self.best = Some(found);
        Ok(true)
    }
}
