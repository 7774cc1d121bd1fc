//! What the worst of some losses say: value at risk and expected shortfall of the distribution that has them.

use super::{Asked, Refusal, Tail, require};
use crate::model::Failure;
use crate::task::Cancel;
use crate::work;

/// A share of a loss under this is what rounding makes of none.
const ROUNDING: f64 = 1e-9;

/// Units of [`work`] for a loss in the order of losses.
const SORTED: usize = 20;

/// What stretches of the horizon lose, each from one period to the next, if what each period brings is earned upon the last.
pub(super) fn growths(returns: &[f64], horizon: usize, cancel: &Cancel) -> Result<Vec<f64>, Refusal> {
    work::watched(returns.windows(horizon), horizon, cancel)
        .map(|stretch| Ok(stretch?.iter().map(|earned| 1.0 + earned).product::<f64>()))
        .collect()
}

/// The fewest stretches of which one is beyond the level.
pub(super) fn fewest(level: f64) -> usize {
    (1.0 / (1.0 - level) - ROUNDING).ceil() as usize
}

/// The tail of these losses, each as likely as any other: with m = (1 - level) n of them beyond the level, the worst whole
/// ones and the share of the next that is left.
pub(super) fn tail(mut losses: Vec<f64>, asked: Asked, cancel: &Cancel) -> Result<Tail, Refusal> {
    let n = losses.len();
    require(fewest(asked.level), n)?;
    if losses.iter().any(|loss| !loss.is_finite()) {
        return Err(Failure::NotFinite("loss").into());
    }
    cancel.check()?;
    work::count(SORTED * n);
    losses.sort_unstable_by(|a, b| b.total_cmp(a));
    let beyond = (1.0 - asked.level) * n as f64;
    let whole = ((beyond + ROUNDING).floor() as usize).min(n - 1);
    let value_at_risk = losses[whole];
    let left = (beyond - whole as f64).max(0.0) * value_at_risk;
    let expected_shortfall = (losses[..whole].iter().sum::<f64>() + left) / beyond.max(whole as f64);
    Ok(Tail { value_at_risk, expected_shortfall, n })
}
