//! The ensemble: weights from out-of-sample errors, calibrated intervals.
