//! Why a chart cannot be drawn.

/// The result of drawing.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure. The texts for users of SQL live in the shell.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// An argument lies outside what it may be.
    #[error("invalid {argument}: {value}")]
    InvalidArgument {
        /// The argument's name as users write it.
        argument: &'static str,
        /// What was given.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// There is nothing to draw.
    #[error("nothing to draw: no {what}")]
    Empty {
        /// What there is none of.
        what: &'static str,
    },
    /// A number that has no place on an axis.
    #[error("cannot draw {what} of {value:e}")]
    NotDrawable {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: f64,
    },
    /// The plotting library failed.
    #[error("drawing failed: {message}")]
    Drawing {
        /// What it said.
        message: String,
    },
}

/// The largest number that is drawn: differences and margins of numbers up to it stay finite.
const LARGEST: f64 = 1e100;

/// The number, if it has a place on an axis.
pub(crate) fn drawable(what: &'static str, value: f64) -> Result<f64> {
    // Not a number compares false.
    if value.abs() <= LARGEST { Ok(value) } else { Err(Error::NotDrawable { what, value }) }
}
