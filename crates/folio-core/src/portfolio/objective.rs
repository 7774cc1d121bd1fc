//! What weights can be best at.

pub mod clustered;
pub mod hierarchical;
pub mod problem;
pub mod risk_parity;
pub(crate) mod tail_risk;
