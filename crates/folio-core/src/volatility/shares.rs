//! Numbers over zero that sum to one, as squares on a sphere: what a search without bounds can move along, and whose
//! borders it can reach.
//!
//! p(i) = x(i)^2 / sum x^2. The size of x means nothing; the gradient has no part along it.

/// The shares at a point.
pub(crate) fn at<const K: usize>(x: [f64; K]) -> [f64; K] {
    let total: f64 = x.iter().map(|x| x * x).sum();
    x.map(|x| x * x / total)
}

/// A point whose shares these are.
pub(crate) fn point<const K: usize>(shares: [f64; K]) -> [f64; K] {
    shares.map(|share| share.max(0.0).sqrt())
}

/// The gradient over x of what has this gradient over the shares.
pub(crate) fn gradient<const K: usize>(x: [f64; K], over_shares: [f64; K]) -> [f64; K] {
    let total: f64 = x.iter().map(|x| x * x).sum();
    let mean: f64 = x.iter().zip(&over_shares).map(|(x, slope)| x * x * slope).sum::<f64>() / total;
    std::array::from_fn(|i| 2.0 * x[i] / total * (over_shares[i] - mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_differences() {
        let slopes = [1.5, -0.3, 2.0];
        let value = |x: [f64; 3]| at(x).iter().zip(slopes).map(|(share, slope)| share * slope).sum::<f64>();
        let x = [0.3, -0.9, 0.5];
        let exact = gradient(x, slopes);
        for i in 0..3 {
            let mut aside = [x, x];
            aside[0][i] += 1e-6;
            aside[1][i] -= 1e-6;
            let quotient = (value(aside[0]) - value(aside[1])) / 2e-6;
            assert!((quotient - exact[i]).abs() < 1e-9, "{quotient} {}", exact[i]);
        }
        let back = at(point([0.25, 0.75]));
        assert!((back[0] - 0.25).abs() < 1e-15 && (back[1] - 0.75).abs() < 1e-15, "{back:?}");
    }
}
