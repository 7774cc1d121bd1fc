//! What weights must keep to, and why nothing does where nothing does.

pub(crate) mod cardinality;
pub mod constraint;
pub(crate) mod feasibility;
pub(crate) mod tracking;
pub(crate) mod turnover;
