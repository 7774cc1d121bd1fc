//! Portfolio construction: covariance, views, Black-Litterman, optimisation.

pub mod black_litterman;
mod cone;
pub mod constraint;
pub mod covariance;
mod feasibility;
mod linalg;
pub mod market;
pub mod optimize;
mod quadratic;
pub mod request;
pub mod universe;
pub mod views;
