//! Why a program has no solution.

use crate::Error;
use crate::task::Cancelled;

/// What a solver gives where it has no solution. That there is none is all that it knows; who wrote the program finds
/// out which of its constraints clash.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unsolved {
    /// No point keeps to the constraints.
    Infeasible,
    /// The solver gave up or was asked to stop, or the call itself fails.
    Failed(Error),
}

impl Unsolved {
    /// The error of a program that was known to have points.
    pub(crate) fn unexpected(self) -> Error {
        match self {
            Unsolved::Infeasible => Error::SolverFailed { status: "infeasible".to_owned() },
            Unsolved::Failed(error) => error,
        }
    }
}

impl From<Error> for Unsolved {
    fn from(error: Error) -> Unsolved {
        Unsolved::Failed(error)
    }
}

impl From<Cancelled> for Unsolved {
    fn from(cancelled: Cancelled) -> Unsolved {
        Unsolved::Failed(cancelled.into())
    }
}
