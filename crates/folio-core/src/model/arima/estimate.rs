//! What a fit is: an order and its coefficients.

use super::arma::Arma;

/// The order of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    /// Autoregressive coefficients, at most [`MAX_LAG`](super::MAX_LAG).
    pub p: usize,
    /// Differences, 0 or 1.
    pub d: usize,
    /// Moving-average coefficients, at most [`MAX_LAG`](super::MAX_LAG).
    pub q: usize,
    /// Whether there is a constant: the mean with d = 0, the drift with d = 1.
    pub constant: bool,
}

impl Order {
    /// The number of estimated coefficients: p + q and the constant; sigma^2 is not one of them.
    pub fn coefficients(&self) -> usize {
        self.p + self.q + usize::from(self.constant)
    }
}

/// A fitted ARIMA.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    pub(super) order: Order,
    pub(super) arma: Arma,
    pub(super) mean: f64,
    pub(super) sigma2: f64,
    pub(super) log_likelihood: f64,
    pub(super) aicc: f64,
    pub(super) observations: usize,
}

impl Estimate {
    /// The order.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The autoregressive coefficients phi1, ..., phip.
    pub fn ar(&self) -> &[f64] {
        self.arma.phi()
    }

    /// The moving-average coefficients theta1, ..., thetaq.
    pub fn ma(&self) -> &[f64] {
        self.arma.theta()
    }

    /// The mean of the log price (d = 0) or of its daily change (d = 1, the drift); 0 without a constant.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The variance of the innovations: their sum of squares over the number of observations less the number of
    /// coefficients, as statsforecast reports it. The likelihood itself is taken at the sum of squares over n.
    pub fn sigma2(&self) -> f64 {
        self.sigma2
    }

    /// The maximum of the exact Gaussian log-likelihood of the differenced series.
    pub fn log_likelihood(&self) -> f64 {
        self.log_likelihood
    }

    /// -2 loglik + 2 k + 2 k (k + 1) / (n - k - 1): k counts the ARMA coefficients, the constant and sigma^2, n the
    /// observations after differencing.
    pub fn aicc(&self) -> f64 {
        self.aicc
    }
}
