//! What can go wrong in a call, one variant per named failure.
//!
//! A model that cannot fit is not an error of the call but a [`crate::model::Failure`], a value in its report.

/// The result of an engine call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of a call. Each variant carries the values that a message needs; the texts for users of SQL live in
/// the shell, where each variant has its SQLSTATE, DETAIL and HINT. It is exhaustive on purpose: a new variant does not
/// compile there before it has them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// An argument lies outside what it may be.
    #[error("invalid {argument}: {value}")]
    InvalidArgument {
        /// The argument's name as users write it.
        argument: &'static str,
        /// What was given.
        value: String,
        /// What would be accepted, as a sentence.
        expected: String,
    },
    /// A name that is not in its list: a model, an objective, an option, a ticker in a view.
    #[error("unknown {kind} \"{name}\"")]
    UnknownName {
        /// What kind of name it is: "model", "objective", ...
        kind: &'static str,
        /// The name given.
        name: String,
        /// The valid names.
        valid: Vec<String>,
    },
    /// A view that cannot be read as one.
    #[error("invalid view \"{view}\"")]
    InvalidView {
        /// The view as given.
        view: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Prices that no model may see: NaN, infinite, zero, negative, or two rows of one time.
    #[error("bad prices of {ticker}")]
    BadPrices {
        /// The ticker.
        ticker: String,
        /// The first few bad rows, each with its reason.
        rows: Vec<crate::price::BadPrice>,
        /// How many bad rows there are in all.
        total: usize,
    },
    /// A number in an array of prices that is no price.
    #[error("bad price at position {position}")]
    BadValue {
        /// Its position, counted from 1.
        position: usize,
        /// The number.
        value: f64,
    },
    /// Fewer observations than the computation needs.
    #[error("history too short")]
    TooShort {
        /// How many are needed.
        need: usize,
        /// The tickers that have fewer, each with how many it has.
        found: Vec<(String, usize)>,
    },
    /// No row of the price relation has this ticker.
    #[error("no prices of {ticker}")]
    UnknownTicker {
        /// The ticker.
        ticker: String,
    },
    /// Every model of a ticker failed.
    #[error("no model could forecast {ticker}")]
    NoModel {
        /// The ticker.
        ticker: String,
        /// Each model with the reason of its failure.
        failures: Vec<(&'static str, String)>,
    },
    /// Constraints that no portfolio satisfies.
    #[error("infeasible constraints")]
    Infeasible {
        /// Which constraints clash, with their values.
        reason: String,
        /// The nearest values that can be satisfied.
        feasible: String,
    },
    /// A covariance with a negative eigenvalue.
    #[error("the covariance is not positive semidefinite: smallest eigenvalue {smallest_eigenvalue}")]
    NotPositiveSemidefinite {
        /// The smallest eigenvalue.
        smallest_eigenvalue: f64,
    },
    /// An error of one rebalance date of a backtest.
    #[error("{error}")]
    OnDate {
        /// The date.
        ts: crate::price::Timestamp,
        /// What went wrong on it.
        error: Box<Error>,
    },
    /// The optimiser stopped without a solution that satisfies its optimality conditions.
    #[error("the solver failed: {status}")]
    SolverFailed {
        /// The solver's own status.
        status: String,
    },
    /// The computation would need more memory than its limit.
    #[error("{need_bytes} bytes needed, limit {limit_bytes}")]
    MemoryLimit {
        /// The estimate.
        need_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// A defect of the engine itself: a job panicked outside a model.
    #[error("internal error: {message}")]
    Internal {
        /// The panic's message.
        message: String,
    },
}

impl Error {
    /// The same with the date on which it arose; a cancel has none.
    pub(crate) fn on(self, ts: crate::price::Timestamp) -> Error {
        match self {
            Error::Cancelled => Error::Cancelled,
            error => Error::OnDate { ts, error: Box::new(error) },
        }
    }
}
