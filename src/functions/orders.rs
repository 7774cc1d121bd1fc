//! The function from weights to orders.

use folio_core::orders::{Terms, TermsInput};
use pgrx::prelude::*;

use crate::arguments::required;
use crate::backend::datum::{Json, Numeric, Regclass, Text};

sql_function! {
    /// What to buy and sell so that positions and cash come to target weights: a row per ticker and one of cash.
    #[pg_extern(stable, parallel_unsafe, cost = 100000)]
    fn rebalance_orders(
        weights: Json, positions: Json, cash: f64, lot_size: f64 = "NULL", minimum_ticket: f64 = "NULL",
        fee_fixed: f64 = "NULL", fee_per_share: f64 = "NULL", fee_bps: f64 = "NULL", cash_kept: f64 = "NULL",
        band: f64 = "NULL", relative_band: f64 = "NULL", bands: Json = "NULL", trade_to: Text = "NULL",
        fractional: bool = "NULL", buy_only: bool = "NULL", lot_sizes: Json = "NULL", method: Text = "NULL", source,
        periods_per_year
    ) given arguments
    -> rows of order {
        ticker: Option<Text> = order.ticker.map(Text),
        side: Option<Text> = order.side.map(|side| Text(side.to_owned())),
        shares: Option<Numeric> = order.shares.map(|shares| Numeric(shares.to_string())),
        price: Option<Numeric> = order.price.map(|price| Numeric(price.to_string())),
        amount: Numeric = Numeric(order.amount.to_string()), cost: Numeric = Numeric(order.cost.to_string()),
        shares_after: Option<Numeric> = order.shares_after.map(|shares| Numeric(shares.to_string())),
        value: Numeric = Numeric(order.value.to_string()), weight_before: f64, weight: f64, target_weight: f64,
        tracking_error: Option<f64>, status: Text = Text(order.status), method: Text = Text(order.method.to_owned()),
    } {
        let terms = Terms::new(&TermsInput {
            lot_size,
            lot_sizes: lot_sizes.map(|Json(sizes)| sizes),
            fractional,
            minimum_ticket,
            fee_fixed,
            fee_per_share,
            fee_bps,
            cash_kept,
            band,
            relative_band,
            bands: bands.map(|Json(bands)| bands),
            trade_to: trade_to.map(|Text(name)| name),
            buy_only,
            method: method.map(|Text(name)| name),
        })?;
        let (weights, positions) = (required("weights", weights)?.0, required("positions", positions)?.0);
        arguments.orders(&weights, &positions, required("cash", cash)?, terms)
    }
}
