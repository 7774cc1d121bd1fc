//! The downhill simplex of Nelder & Mead (Computer Journal 7, 1965), for likelihoods of one to five parameters whose
//! derivatives are not worth writing down.

use crate::task::Cancelled;

/// The evaluations after which a search ends with the best point found. Two or three parameters need about a hundred.
const MAX_EVALUATIONS: usize = 600;

/// Minimises `f` from `start`, with a first simplex of edge `step`, until the values at its vertices differ by less
/// than `tolerance`. The caller maps bounded parameters to the whole line. A value that is not a number counts as
/// worse than any other.
///
/// # Errors
/// What `f` returns: it polls the cancel flag.
pub(crate) fn minimise<const N: usize>(
    start: [f64; N],
    step: f64,
    tolerance: f64,
    mut f: impl FnMut(&[f64; N]) -> Result<f64, Cancelled>,
) -> Result<([f64; N], f64), Cancelled> {
    let mut f = |point: &[f64; N]| f(point).map(|value| if value.is_nan() { f64::INFINITY } else { value });
    let mut simplex = vec![(start, f(&start)?)];
    for axis in 0..N {
        let mut vertex = start;
        vertex[axis] += step;
        simplex.push((vertex, f(&vertex)?));
    }
    let mut evaluations = simplex.len();
    loop {
        simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (best, worst, next_worst) = (simplex[0].1, simplex[N].1, simplex[N - 1].1);
        if worst - best < tolerance || evaluations >= MAX_EVALUATIONS {
            return Ok(simplex[0]);
        }
        let centroid: [f64; N] = std::array::from_fn(|axis| {
            simplex[..N].iter().map(|(vertex, _)| vertex[axis]).sum::<f64>() / N as f64
        });
        // The line from the worst vertex through the centroid of the others: 1 reflects, 2 expands, +-1/2 contract.
        let on_line = |t: f64| -> [f64; N] {
            std::array::from_fn(|axis| centroid[axis] + t * (centroid[axis] - simplex[N].0[axis]))
        };
        let mut try_at = |t: f64| {
            let point = on_line(t);
            f(&point).map(|value| (point, value))
        };
        let reflected = try_at(1.0)?;
        evaluations += 1;
        let candidate = if reflected.1 < best {
            let expanded = try_at(2.0)?;
            if expanded.1 < reflected.1 { expanded } else { reflected }
        } else if reflected.1 < next_worst {
            reflected
        } else {
            try_at(if reflected.1 < worst { 0.5 } else { -0.5 })?
        };
        evaluations += 1;
        if candidate.1 < worst && candidate.1 <= reflected.1 {
            simplex[N] = candidate;
        } else {
            let anchor = simplex[0].0;
            for vertex in &mut simplex[1..] {
                vertex.0 = std::array::from_fn(|axis| (anchor[axis] + vertex.0[axis]) / 2.0);
                vertex.1 = f(&vertex.0)?;
            }
            evaluations += N;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_minimum_of_rosenbrocks_valley() {
        let valley = |p: &[f64; 2]| Ok((1.0 - p[0]).powi(2) + 100.0 * (p[1] - p[0] * p[0]).powi(2));
        let (at, value) = minimise([-1.2, 1.0], 0.5, 1e-14, valley).unwrap();
        assert!((at[0] - 1.0).abs() < 1e-5 && (at[1] - 1.0).abs() < 1e-5, "{at:?}");
        assert!(value < 1e-11);
    }

    #[test]
    fn one_dimension_and_not_a_number() {
        let (at, _) =
            minimise([3.0], 1.0, 1e-14, |p| Ok(if p[0] < 0.0 { f64::NAN } else { (p[0] - 0.1).powi(2) }))
                .unwrap();
        assert!((at[0] - 0.1).abs() < 1e-5, "{at:?}");
    }

    #[test]
    fn stops_when_cancelled() {
        let mut calls = 0;
        let outcome = minimise([0.0, 0.0], 1.0, 0.0, |_| {
            calls += 1;
            if calls > 5 { Err(Cancelled) } else { Ok(1.0 / f64::from(calls)) }
        });
        assert_eq!(outcome, Err(Cancelled));
        assert_eq!(calls, 6);
    }
}
