//! What SQL sees, one file per family: each function's arguments, the call that it is, and its rows.

mod backtest;
mod chart;
mod desk;
mod evaluate;
mod forecast;
mod market;
mod orders;
mod overfitting;
mod portfolio;
mod portfolio_risk;
mod price_report;
mod status;
mod values;
mod volatility;
