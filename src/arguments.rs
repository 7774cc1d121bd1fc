//! The arguments that several SQL functions have, each written once, and how a SQL function is written with them.
//!
//! An argument more is one line in the table at the end: put it into a group, and every function that names the group has
//! it, there and in SQL. What a function alone has is written in its own list.

use pgrx::prelude::*;

use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::prices::{self, Selection};
use crate::backend::report::{Report, Result, SqlState};
use crate::backend::settings::Settings;

/// Writes a SQL function.
///
/// ```text
/// sql_function! {
///     /// Its doc.
///     #[pg_extern(stable, parallel_unsafe, cost = 10000)]
///     fn name(own: Text, tickers, own_with_default: i64 = "20", source) given arguments
///     -> rows of row { column: Text, other: Option<f64> = row.number() } {
///         Ok(rows)
///     }
/// }
/// ```
///
/// The list of arguments is in SQL's order: names and groups of the table below, and own ones with their type and SQL's
/// default, if they have one; all of them may be NULL. The body has the shared ones in one [`Arguments`], here `arguments`,
/// and its own by their names. It brings a [`Result`] of rows, each of which becomes a row of SQL: a column takes the field
/// of its name, or what stands behind the sign. Rows that come with something beside them are `rows of row, beside`. A
/// function of one value has `-> Type` instead.
macro_rules! sql_function {
    (
        $(#$attribute:tt)*
        fn $function:ident($($list:tt)*) given $arguments:ident
        -> rows of $row:ident $(, $beside:ident)* {
            $($column:ident: $type:ident $(<$inner:ident>)? $(= $value:expr)?),* $(,)?
        } { $($body:tt)* }
    ) => {
        sql_function! { @list {
            [$(#$attribute)*] $function $arguments
            [TableIterator<'static, ($(name!($column, $type $(<$inner>)?),)*)>]
            {
                TableIterator::new(
                    crate::backend::report::or_raise_of(|| { $($body)* })
                        .into_iter()
                        .map(move |($row $(, $beside)*)| ($(column!($row $column $($value)?),)*)),
                )
            }
        } [] [] $($list)*, }
    };
    (
        $(#$attribute:tt)*
        fn $function:ident($($list:tt)*) given $arguments:ident
        -> $type:ident $(<$inner:ident>)? { $($body:tt)* }
    ) => {
        sql_function! { @list {
            [$(#$attribute)*] $function $arguments
            [$type $(<$inner>)?]
            { crate::backend::report::or_raise_of(|| { $($body)* }) }
        } [] [] $($list)*, }
    };

    // Takes one entry of the list after the other: what is known, the arguments of the Rust function, the shared among them.
    (@list { [$($attribute:tt)*] $function:ident $arguments:ident [$($type:tt)*] $body:tt }
     [$($taken:tt)*] [$($shared:ident)*] $(,)?) => {
        $($attribute)*
        #[allow(clippy::too_many_arguments, clippy::type_complexity, unused_parens, reason = "of the SQL function")]
        fn $function($($taken)*) -> $($type)* {
            let $arguments = crate::arguments::Arguments { $($shared,)* ..Default::default() };
            $body
        }
    };
    (@list $known:tt [$($taken:tt)*] $shared:tt $own:ident: Array = $default:tt, $($rest:tt)*) => {
        sql_function! {
            @list $known [$($taken)* $own: default!(Option<Array<'_, f64>>, $default),] $shared $($rest)*
        }
    };
    (@list $known:tt [$($taken:tt)*] $shared:tt $own:ident: $type:ident = $default:tt, $($rest:tt)*) => {
        sql_function! { @list $known [$($taken)* $own: default!(Option<$type>, $default),] $shared $($rest)* }
    };
    (@list $known:tt [$($taken:tt)*] $shared:tt $own:ident: $type:ident, $($rest:tt)*) => {
        sql_function! { @list $known [$($taken)* $own: Option<$type>,] $shared $($rest)* }
    };
    (@list $known:tt $taken:tt $shared:tt $name:ident, $($rest:tt)*) => {
        shared! { $name $known $taken $shared $($rest)* }
    };
}

/// The value of a column: the field of its name, or an expression.
macro_rules! column {
    ($row:ident $column:ident) => {
        $row.$column.into()
    };
    ($row:ident $column:ident $value:expr) => {
        $value
    };
}

/// Makes [`Arguments`], and `shared!`, which puts an argument or a group of them into a function's list.
macro_rules! arguments {
    (($d:tt) $($group:ident { $($(#$doc:tt)* $name:ident: $type:ident = $default:tt,)* })*) => {
        /// The arguments that several functions have; None is SQL's NULL, and what a function does not have.
        #[derive(Debug, Default)]
        pub struct Arguments {
            $($($(#$doc)* pub $name: Option<$type>,)*)*
        }

        macro_rules! shared {
            $(
                ($group $known:tt [$d($d taken:tt)*] [$d($d shared:ident)*] $d($d rest:tt)*) => {
                    sql_function! {
                        @list $known [$d($d taken)* $($name: default!(Option<$type>, $default),)*]
                        [$d($d shared)* $($name)*] $d($d rest)*
                    }
                };
                $(
                    ($name $known:tt [$d($d taken:tt)*] [$d($d shared:ident)*] $d($d rest:tt)*) => {
                        sql_function! {
                            @list $known [$d($d taken)* $name: default!(Option<$type>, $default),]
                            [$d($d shared)* $name] $d($d rest)*
                        }
                    };
                )*
            )*
        }
    };
}

// A group is what functions name together; a single name takes a single one.
arguments! { ($)
    of_all {
        /// Which tickers, in the order of the result, each once; NULL takes all that there are, by name.
        tickers: Names = "NULL",
        /// How many steps ahead a forecast looks.
        horizon: i64 = "NULL",
        /// The models of a forecast, by name.
        models: Names = "NULL",
        /// The share of outcomes that an interval is to contain.
        level: f64 = "NULL",
        /// Views as JSON.
        views: Json = "'[]'",
        /// What the weights are to be best at, by name.
        objective: Text = "NULL",
        /// What they must keep to.
        constraints: Json = "NULL",
        /// The width of a chart in pixels.
        width: i64 = "NULL",
        /// The theme of a chart, by name.
        theme: Text = "NULL",
    }
    market {
        /// Market capitalisations by ticker.
        market_caps: Json = "NULL",
        /// The prior, by name or as returns.
        prior: Text = "NULL",
        /// The price of risk.
        risk_aversion: f64 = "NULL",
        /// The uncertainty of the prior.
        tau: f64 = "NULL",
        /// The risk-free rate a year.
        risk_free_rate: f64 = "NULL",
        /// How the covariance is estimated, by name.
        covariance: Text = "NULL",
    }
    testing {
        /// When a backtest chooses weights anew.
        rebalance: Text = "'month_end'",
        /// From how many returns.
        lookback: i64 = "252",
        /// What its trades cost.
        transaction_cost: f64 = "0",
        /// What it is compared with: a ticker, or weights as JSON.
        benchmark: Text = "NULL",
        /// What becomes of a date on which no weights can be chosen.
        on_failure: Text = "'error'",
    }
    schedule {
        /// From how many past days is forecast.
        origins: i64 = "NULL",
        /// How many days there are from one origin to the next.
        stride: i64 = "NULL",
        /// How many days are left out before each origin.
        gap: i64 = "NULL",
        /// Whether models are fitted to the newest prices or to all, by name.
        fit_window: Text = "NULL",
        /// At how many origins one fit serves.
        refit_every: i64 = "NULL",
    }
    source {
        /// How many of the newest prices count.
        history: i64 = "NULL",
        /// Up to when prices count.
        as_of: TimestampWithTimeZone = "NULL",
        /// The relation that prices are read from.
        prices: Regclass = "NULL",
    }
    // What came after the first version stands at the end, so that calls by position mean what they meant.
    later {
        /// What annual numbers are annualised by.
        periods_per_year: f64 = "NULL",
    }
}

impl Arguments {
    /// How many of the newest prices count; NULL takes the setting.
    pub fn history(&self, settings: &Settings) -> Result<usize> {
        prices::history(self.history.unwrap_or(settings.history))
    }

    /// Which prices are read; NULL takes the setting.
    pub fn selection(&mut self, settings: &Settings) -> Result<Selection> {
        let history = self.history(settings)?;
        Ok(Selection {
            relation: self.prices.map(|relation| relation.0),
            tickers: self.tickers.take().map(unique_tickers).transpose()?,
            as_of: self.as_of,
            history,
        })
    }
}

/// The tickers in the order given, each once.
pub fn unique_tickers(tickers: Names) -> Result<Vec<String>> {
    let mut seen = std::collections::HashSet::new();
    let tickers = not_null("tickers", tickers)?;
    Ok(tickers.into_iter().filter(|ticker| seen.insert(ticker.clone())).collect())
}

/// The names, none of them NULL.
pub fn not_null(argument: &str, names: Names) -> Result<Vec<String>> {
    names.0.into_iter().collect::<Option<Vec<String>>>().ok_or_else(|| {
        Report::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            format!("{argument} must not contain NULL"),
            "An element of the array is NULL.",
            format!("Leave it out, or pass {argument} => NULL to take all."),
        )
    })
}

/// The value of an argument that has no default.
pub fn required<T>(argument: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| {
        Report::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            format!("{argument} must not be NULL"),
            "Given: NULL.",
            format!("Give a value: {argument} has no default."),
        )
    })
}
