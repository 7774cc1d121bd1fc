//! The call from weights to orders.

use folio_core::orders::{self, Order, OrderRequest, Terms};
use folio_core::portfolio::memory;
use folio_core::task;
use serde_json::Value;

use super::periods;
use crate::arguments::Arguments;
use crate::backend::budget;
use crate::backend::datum::Names;
use crate::backend::pool::{self, Pool};
use crate::backend::prices;
use crate::backend::report::Result;
use crate::backend::settings::Settings;

impl Arguments {
    /// The orders from positions and cash to weights. What is traded and what is held is read, whatever `tickers` says.
    pub fn orders(
        mut self,
        weights: &Value,
        positions: &Value,
        cash: f64,
        terms: Terms,
    ) -> Result<Vec<Order>> {
        let request = OrderRequest::new(weights, positions, cash, terms)?;
        self.tickers = Some(Names(request.tickers().into_iter().map(Some).collect()));
        let settings = Settings::read();
        let selection = self.selection(&settings)?;
        let periods = settings.periods_per_year(self.periods_per_year)?;
        let pool = Pool::start(1)?;
        let panel = prices::read(&selection, &settings)?;
        budget::reserve(memory::check(&panel, memory::longest(&panel), settings.memory_limit)?)?;
        let list = task::one(&pool, &pool::cancel_flag(), move |cancel| {
            orders::rebalance(&request, &panel, selection.history, periods, cancel)
        })?;
        periods::say(list.remark);
        Ok(list.orders)
    }
}
