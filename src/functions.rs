//! What SQL sees, one file per family: arguments to a request, the work, rows.

mod forecast;
mod status;
