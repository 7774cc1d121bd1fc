//! Portfolio construction: covariance, views, Black-Litterman, optimisation.
//!
//! [`request`] has the whole calls. Beneath it every step stands alone: [`covariance`] estimates, [`market`] has the
//! prior, [`views`] reads what somebody expects, [`black_litterman`] joins the two, [`limit`] and [`objective`]
//! make weights of it, [`allocation`] whole shares.

pub mod allocation;
pub mod backtest;
pub mod benchmark;
pub mod black_litterman;
pub(crate) mod conditional;
pub mod covariance;
pub mod frontier;
pub mod group;
pub mod limit;
pub mod market;
pub mod memory;
pub mod objective;
pub mod overfitting;
pub mod request;
mod scenario;
mod solver;
pub mod track_record;
pub mod universe;
pub mod view_input;
pub mod view_of_forecast;
pub mod views;
pub mod weight_report;
pub(crate) mod whole_shares;
