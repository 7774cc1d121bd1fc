//! From an account and target weights to orders: what to buy and sell, what it costs, and what is left.
//!
//! Money, shares and prices are exact decimals ([`decimal`]): cash and positions before are cash and positions after and the
//! costs, to the last digit. [`terms`] has lots, costs and bands, [`account`] what each ticker is to be worth, [`greedy`] and
//! [`exact`] find the orders, [`list`] writes them down.

mod account;
mod decimal;
mod exact;
mod greedy;
mod list;
mod terms;

pub use account::OrderRequest;
pub use decimal::{Decimal, Money, Price, Shares};
pub use list::{Order, OrderList, rebalance};
pub use terms::{Terms, TermsInput};
