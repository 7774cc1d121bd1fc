//! What SQL sees, one file per family: arguments to a request, the work, rows.

mod arguments;
mod backtest;
mod chart;
mod desk;
mod evaluate;
mod forecast;
mod market;
mod periods;
mod portfolio;
mod price_report;
mod status;
mod values;
