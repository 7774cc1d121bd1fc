//! Historical simulation: what was lost will be lost again, each stretch as likely as any other.

use super::{Asked, Refusal, Tail, TailMethod, worst};
use crate::Result;
use crate::task::Cancel;

/// The losses of all stretches of the horizon, which overlap.
pub(super) struct Historical;

impl TailMethod for Historical {
    fn name(&self) -> &'static str {
        "historical"
    }

    fn tail(&self, returns: &[f64], asked: Asked, cancel: &Cancel) -> Result<Tail, Refusal> {
        let growths = worst::growths(returns, asked.horizon, cancel)?;
        worst::tail(growths.into_iter().map(|growth| 1.0 - growth).collect(), asked, cancel)
    }
}
