//! Two names that stand in every result beside those of the models.

/// The name of the ensemble, beside those of the models.
pub const ENSEMBLE: &str = "ensemble";

/// The last price's name: the yardstick stands in every result.
pub const NAIVE: &str = "naive";
