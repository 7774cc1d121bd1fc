//! The ARMA polynomials: stationarity and invertibility, autocovariances, psi weights, and the unconstrained
//! coordinates in which the likelihood is maximised.
//!
//! Signs are those of Brockwell & Davis (1991) and of statsforecast:
//! x(t) = phi1 x(t-1) + ... + phip x(t-p) + e(t) + theta1 e(t-1) + ... + thetaq e(t-q).

/// The largest p and the largest q.
pub const MAX_LAG: usize = 5;

/// The most ARMA coefficients of a model.
pub(super) const MAX_PARAMETERS: usize = 2 * MAX_LAG;

/// A vector over the parameters: phi1..phip, theta1..thetaq, then zeros.
pub(super) type Vector = [f64; MAX_PARAMETERS];

/// A square matrix over the parameters, in the order of [`Vector`].
pub(super) type Matrix = [Vector; MAX_PARAMETERS];

/// The coefficients of an ARMA(p, q) without its mean and variance.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Arma {
    p: usize,
    q: usize,
    phi: [f64; MAX_LAG],
    theta: [f64; MAX_LAG],
}

impl Arma {
    /// An ARMA with these coefficients; at most [`MAX_LAG`] of either kind.
    pub fn new(phi: &[f64], theta: &[f64]) -> Arma {
        let mut arma = Arma { p: phi.len(), q: theta.len(), ..Arma::default() };
        arma.phi[..phi.len()].copy_from_slice(phi);
        arma.theta[..theta.len()].copy_from_slice(theta);
        arma
    }

    pub fn phi(&self) -> &[f64] {
        &self.phi[..self.p]
    }

    pub fn theta(&self) -> &[f64] {
        &self.theta[..self.q]
    }

    /// max(p, q): from this observation on, phi(B) x is a plain moving average.
    pub fn order(&self) -> usize {
        self.p.max(self.q)
    }

    /// The same process written with room for `p` and `q` coefficients: the new ones are zero, surplus ones are cut.
    pub fn resized(&self, p: usize, q: usize) -> Arma {
        let mut arma = Arma { p, q, ..Arma::default() };
        let (keep_p, keep_q) = (p.min(self.p), q.min(self.q));
        arma.phi[..keep_p].copy_from_slice(&self.phi[..keep_p]);
        arma.theta[..keep_q].copy_from_slice(&self.theta[..keep_q]);
        arma
    }

    /// The process whose polynomials are the products of these two's; the orders must not add up to over [`MAX_LAG`].
    pub fn times(&self, other: &Arma) -> Arma {
        Arma {
            p: self.p + other.p,
            q: self.q + other.q,
            phi: multiply(self.phi(), other.phi(), -1.0),
            theta: multiply(self.theta(), other.theta(), 1.0),
        }
    }

    /// Whether every root of both polynomials has a modulus over `radius`; with 1, whether the process is
    /// stationary and invertible.
    pub fn roots_beyond(&self, radius: f64) -> bool {
        let scaled = |coefficients: &[f64], sign: f64| {
            let mut scaled = [0.0; MAX_LAG];
            let mut power = sign;
            for (out, value) in scaled.iter_mut().zip(coefficients) {
                power *= radius;
                *out = value * power;
            }
            partial_autocorrelations(&scaled[..coefficients.len()]).is_some()
        };
        scaled(self.phi(), 1.0) && scaled(self.theta(), -1.0)
    }

    /// The process with every root moved outward, so that all their moduli are over `radius`: coefficient k is
    /// multiplied by the k-th power of a number under one. Leaves a process alone that has them there.
    pub fn pulled_inside(mut self, radius: f64) -> Arma {
        /// By how much a step moves the roots; 256 steps reach any root that a regression can give.
        const SHRINK: f64 = 0.97;
        for _ in 0..256 {
            if self.roots_beyond(radius) {
                return self;
            }
            let mut power = 1.0;
            for lag in 0..MAX_LAG {
                power *= SHRINK;
                self.phi[lag] *= power;
                self.theta[lag] *= power;
            }
        }
        Arma { p: self.p, q: self.q, ..Arma::default() }
    }

    /// The process at unconstrained coordinates `u`. Each coordinate is a partial autocorrelation r = u / sqrt(1 +
    /// u^2) of its polynomial (Monahan 1984, A note on enforcing stationarity in ARMA models), so that every `u`
    /// gives a stationary and invertible process.
    pub fn from_unconstrained(p: usize, q: usize, u: &Vector) -> Arma {
        let mut arma = Arma { p, q, ..Arma::default() };
        let partial = |u: &[f64]| {
            let mut r = [0.0; MAX_LAG];
            for (r, u) in r.iter_mut().zip(u) {
                *r = u / (1.0 + u * u).sqrt();
            }
            r
        };
        arma.phi = from_partial_autocorrelations(&partial(&u[..p])[..p]);
        arma.theta = from_partial_autocorrelations(&partial(&u[p..p + q])[..q]).map(|value| -value);
        arma
    }

    /// The inverse of [`Arma::from_unconstrained`]; none where the process is not stationary and invertible.
    pub fn to_unconstrained(self) -> Option<Vector> {
        let negative = self.theta.map(|value| -value);
        let (ar, ma) =
            (partial_autocorrelations(self.phi())?, partial_autocorrelations(&negative[..self.q])?);
        let mut u = Vector::default();
        for (u, r) in u.iter_mut().zip(ar[..self.p].iter().chain(&ma[..self.q])) {
            *u = r / (1.0 - r * r).sqrt();
        }
        u.iter().all(|value| value.is_finite()).then_some(u)
    }

    /// d coefficient / d u, row by coefficient and column by coordinate.
    pub fn jacobian(p: usize, q: usize, u: &Vector) -> Matrix {
        let mut jacobian = Matrix::default();
        for (from, count, sign) in [(0, p, 1.0), (p, q, -1.0)] {
            let block = partial_jacobian(&u[from..from + count]);
            for row in 0..count {
                for column in 0..count {
                    jacobian[from + row][from + column] = sign * block[row][column];
                }
            }
        }
        jacobian
    }

    /// psi(1), psi(2), ..., psi(count) of the process cumulated `d` times: the weights of the innovations in
    /// x(t) = e(t) + psi(1) e(t-1) + ... (Brockwell & Davis 3.3.3).
    pub fn psi(&self, d: usize, count: usize) -> Vec<f64> {
        let mut psi = vec![0.0; count];
        for k in 1..=count {
            let mut value = self.theta().get(k - 1).copied().unwrap_or(0.0);
            for (lag, phi) in (1..=k).zip(self.phi()) {
                value += phi * if lag == k { 1.0 } else { psi[k - lag - 1] };
            }
            psi[k - 1] = value;
        }
        for _ in 0..d {
            let mut sum = 1.0;
            for value in &mut psi {
                sum += *value;
                *value = sum;
            }
        }
        psi
    }

    /// The autocovariances at lags 0, 1, ..., m - 1 for innovations of variance 1, m = [`Arma::order`]; none where
    /// the process is not stationary.
    pub fn autocovariances(&self) -> Option<[f64; MAX_LAG]> {
        const LAGS: usize = 2 * MAX_LAG;
        let ar = ar_autocovariances::<LAGS>(self.phi())?;
        let theta = |lag: usize| if lag == 0 { 1.0 } else { self.theta[lag - 1] };
        let mut gamma = [0.0; MAX_LAG];
        for (k, out) in gamma.iter_mut().enumerate().take(self.order()) {
            // x = theta(B) z with z the pure autoregression.
            for i in 0..=self.q {
                for j in 0..=self.q {
                    *out += theta(i) * theta(j) * ar[(k + i).abs_diff(j)];
                }
            }
        }
        gamma.iter().all(|value| value.is_finite()).then_some(gamma)
    }

    /// Sum over r = lag..=q of theta(r) weight(r - lag): the covariance of theta(B) e(t + lag) with the process at t
    /// whose innovation weights are `weights`.
    pub fn moving_average_covariance(&self, lag: usize, weights: &[f64; MAX_LAG + 1]) -> f64 {
        let theta = |lag: usize| if lag == 0 { 1.0 } else { self.theta[lag - 1] };
        (lag..=self.q).map(|r| theta(r) * weights[r - lag]).sum()
    }
}

/// The coefficients after the 1 of the product of 1 + sign (a1 z + a2 z^2 + ...) and 1 + sign (b1 z + ...), times `sign`.
fn multiply(a: &[f64], b: &[f64], sign: f64) -> [f64; MAX_LAG] {
    let mut product = [0.0; MAX_LAG];
    for (i, a) in a.iter().enumerate() {
        product[i] += a;
        for (j, b) in b.iter().enumerate() {
            product[i + j + 1] += sign * a * b;
        }
    }
    for (product, b) in product.iter_mut().zip(b) {
        *product += b;
    }
    product
}

/// The coefficients a1..ak of 1 - a1 z - ... - ak z^k from its partial autocorrelations (Durbin 1960, Levinson).
fn from_partial_autocorrelations(r: &[f64]) -> [f64; MAX_LAG] {
    let mut a = [0.0; MAX_LAG];
    for (k, &r) in r.iter().enumerate() {
        let previous = a;
        for i in 0..k {
            a[i] = previous[i] - r * previous[k - 1 - i];
        }
        a[k] = r;
    }
    a
}

/// The partial autocorrelations of 1 - a1 z - ... - ak z^k by the step-down recursion; none where one of them is not
/// under 1 in modulus, that is where a root lies on or inside the unit circle (Schur, Cohn).
fn partial_autocorrelations(a: &[f64]) -> Option<[f64; MAX_LAG]> {
    let mut r = [0.0; MAX_LAG];
    let mut a: [f64; MAX_LAG] = std::array::from_fn(|i| a.get(i).copied().unwrap_or(0.0));
    for k in (0..MAX_LAG).rev() {
        r[k] = a[k];
        if r[k].is_nan() || r[k].abs() >= 1.0 {
            return None;
        }
        let previous = a;
        for i in 0..k {
            a[i] = (previous[i] + r[k] * previous[k - 1 - i]) / (1.0 - r[k] * r[k]);
        }
    }
    Some(r)
}

/// d a / d u for a = from_partial_autocorrelations(u / sqrt(1 + u^2)), row by a and column by u.
fn partial_jacobian(u: &[f64]) -> [[f64; MAX_LAG]; MAX_LAG] {
    let mut a = [0.0; MAX_LAG];
    let mut jacobian = [[0.0; MAX_LAG]; MAX_LAG];
    for (k, u) in u.iter().enumerate() {
        let root = (1.0 + u * u).sqrt();
        let (r, slope) = (u / root, 1.0 / (root * root * root));
        let (old_a, old) = (a, jacobian);
        for i in 0..k {
            a[i] = old_a[i] - r * old_a[k - 1 - i];
            for column in 0..k {
                jacobian[i][column] = old[i][column] - r * old[k - 1 - i][column];
            }
            jacobian[i][k] = -old_a[k - 1 - i] * slope;
        }
        a[k] = r;
        jacobian[k][k] = slope;
    }
    jacobian
}

/// The autocovariances of the pure autoregression at lags 0..N for innovations of variance 1. Going through the
/// partial autocorrelations needs no linear system and stays accurate near a unit root.
fn ar_autocovariances<const N: usize>(phi: &[f64]) -> Option<[f64; N]> {
    let r = partial_autocorrelations(phi)?;
    let mut rho = [0.0; N];
    rho[0] = 1.0;
    let mut variance = 1.0;
    let mut a = [0.0; MAX_LAG];
    for k in 0..phi.len() {
        let mut value = r[k] * variance;
        for i in 0..k {
            value += a[i] * rho[k - i];
        }
        rho[k + 1] = value;
        variance *= 1.0 - r[k] * r[k];
        a = from_partial_autocorrelations(&r[..=k]);
    }
    for k in phi.len() + 1..N {
        rho[k] = phi.iter().enumerate().map(|(i, phi)| phi * rho[k - 1 - i]).sum();
    }
    Some(rho.map(|rho| rho / variance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_go_there_and_back() {
        let arma = Arma::new(&[0.5, -0.3, 0.1], &[-0.4, 0.2]);
        let back = Arma::from_unconstrained(3, 2, &arma.to_unconstrained().unwrap());
        for (a, b) in arma.phi().iter().chain(arma.theta()).zip(back.phi().iter().chain(back.theta())) {
            assert!((a - b).abs() < 1e-14, "{arma:?} {back:?}");
        }
        assert_eq!(Arma::new(&[1.0], &[]).to_unconstrained(), None);
        assert_eq!(Arma::new(&[], &[f64::NAN]).to_unconstrained(), None);
    }

    #[test]
    fn roots_are_found_where_they_are() {
        // (1 - z / 1.05) (1 - z / 2): roots 1.05 and 2.
        let ar = Arma::new(&[1.0 / 1.05 + 0.5, -0.5 / 1.05], &[]);
        assert!(ar.roots_beyond(1.0) && ar.roots_beyond(1.0499) && !ar.roots_beyond(1.0501));
        // 1 + 0.8 z^2: roots of modulus 1.118.
        let ma = Arma::new(&[], &[0.0, 0.8]);
        assert!(ma.roots_beyond(1.118) && !ma.roots_beyond(1.1181));
        assert!(Arma::new(&[1.4, 0.2], &[3.0]).pulled_inside(1.05).roots_beyond(1.05));
    }

    #[test]
    fn the_jacobian_is_the_difference_quotient() {
        let u: Vector = [0.3, -1.2, 0.7, 0.4, -0.6, 2.0, 0.0, 0.0, 0.0, 0.0];
        let jacobian = Arma::jacobian(3, 3, &u);
        for column in 0..6 {
            let at = |step: f64| {
                let mut u = u;
                u[column] += step;
                let arma = Arma::from_unconstrained(3, 3, &u);
                let values: Vec<f64> = arma.phi().iter().chain(arma.theta()).copied().collect();
                values
            };
            for (row, (up, down)) in at(1e-6).iter().zip(at(-1e-6)).enumerate() {
                assert!(((up - down) / 2e-6 - jacobian[row][column]).abs() < 1e-8, "{row} {column}");
            }
        }
    }

    #[test]
    fn autocovariances_and_psi_weights_agree() {
        // gamma(k) is the sum of psi(j) psi(j + k) (Brockwell & Davis 3.3.1).
        let arma = Arma::new(&[0.5, -0.3, 0.2], &[-0.4, 0.25, 0.1, 0.3]);
        let mut psi = arma.psi(0, 400);
        psi.insert(0, 1.0);
        for (k, gamma) in arma.autocovariances().unwrap()[..4].iter().enumerate() {
            let sum: f64 = psi.iter().zip(&psi[k..]).map(|(a, b)| a * b).sum();
            assert!((gamma - sum).abs() < 1e-13, "{k}: {gamma} {sum}");
        }
        // Of the cumulated process: partial sums.
        let cumulated = arma.psi(1, 3);
        assert!((cumulated[2] - (1.0 + psi[1] + psi[2] + psi[3])).abs() < 1e-15);
    }
}
