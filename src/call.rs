//! What calls do between their arguments and their rows: read settings and prices, run the engine on the pool. A function of
//! SQL has one of these and its rows.

pub mod chart;
pub mod desk;
pub mod evaluate;
pub mod forecast;
mod histories;
pub mod orders;
pub mod periods;
pub mod portfolio;
pub mod run;
pub mod stale;
pub mod volatility;
