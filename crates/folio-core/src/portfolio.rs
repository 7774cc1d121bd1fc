//! Portfolio construction: covariance, views, Black-Litterman, optimisation.
