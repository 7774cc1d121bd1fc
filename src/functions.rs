//! What SQL sees, one file per family: arguments to a request, the work, rows.

mod arguments;
mod backtest;
mod forecast;
mod portfolio;
mod status;
