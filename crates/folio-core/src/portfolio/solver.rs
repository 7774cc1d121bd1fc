//! The mathematics of programs, which knows no market and no JSON: polytopes, quadratic and conic programs, and the
//! linear algebra under them.

pub(crate) mod active_set;
pub(crate) mod cone;
pub(crate) mod dual;
pub(crate) mod eigen;
pub(crate) mod linalg;
pub(crate) mod line_search;
pub(crate) mod polled;
pub(crate) mod polytope;
pub(crate) mod quadratic;
pub(crate) mod unsolved;
