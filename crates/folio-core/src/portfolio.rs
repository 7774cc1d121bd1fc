//! Portfolio construction: covariance, views, Black-Litterman, optimisation.
//!
//! [`request`] has the whole calls. Beneath it every step stands alone: [`covariance`] estimates, [`market`] has the
//! prior, [`views`] reads what somebody expects, [`black_litterman`] joins the two, [`constraint`] and [`optimize`]
//! make weights of it, [`allocation`] whole shares.

pub mod allocation;
pub mod backtest;
pub mod black_litterman;
mod cardinality;
pub mod clustered;
mod cone;
pub mod constraint;
pub mod covariance;
mod dual;
mod eigen;
mod feasibility;
pub mod frontier;
pub mod hierarchical;
mod linalg;
pub mod market;
pub mod memory;
pub mod optimize;
mod polled;
mod quadratic;
pub mod request;
pub mod risk_parity;
mod tail_risk;
mod tracking;
mod turnover;
pub mod universe;
pub mod view_input;
pub mod views;
mod whole_shares;
