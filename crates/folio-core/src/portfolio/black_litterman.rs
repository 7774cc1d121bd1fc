//! The Black-Litterman model: prior and views become the posterior.
//!
//! Formulas by number are those of He and Litterman, 'The Intuition Behind Black-Litterman Model Portfolios' (1999);
//! confidences follow Idzorek, 'A Step-by-Step Guide to the Black-Litterman Model' (2005), in the closed form of
//! Walters (2014). Everything is solved in the space of the views, from P tau Sigma P' + Omega, so that views that
//! hold with certainty (Omega = 0) need no division by zero.

use faer::Mat;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::covariance;
use super::market::{RiskAversion, Tau};
use super::solver::linalg::{self, Cholesky};
use super::views::{ResolvedViews, Uncertainty};
use crate::input::LARGEST;
use crate::task::Cancel;
use crate::{Error, Result};

/// A singular value under this share of the largest is zero where views that repeat each other are made certain.
const DEPENDENT_VIEW: f64 = 1e-12;

/// The uncertainty of the views.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Omega {
    /// From each view's own confidence or variance.
    #[default]
    PerView,
    /// The variance of each view's error.
    Diagonal(Vec<f64>),
    /// The covariance of the views' errors.
    Full(Array2<f64>),
}

/// The posterior distribution of the returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// The posterior mean of each ticker's return (formula 8).
    pub mean: Array1<f64>,
    /// M, the uncertainty of that mean (formula 9).
    pub uncertainty: Array2<f64>,
    /// Sigma + M, the covariance of the returns (formula 10).
    pub covariance: Array2<f64>,
}

/// The posterior of a prior and views on plain matrices, all in one order of N assets and K views.
///
/// `covariance` N x N, positive semidefinite; `prior` N; `p` K x N; `q` K; `omega` K x K, positive semidefinite, zero
/// for views that hold with certainty. Without views the posterior is the prior with Sigma (1 + tau).
///
/// # Errors
/// [`Error::InvalidArgument`] where shapes disagree or a number is not finite,
/// [`Error::NotPositiveSemidefinite`] for the covariance, [`Error::InvalidView`] where certain
/// views contradict or repeat each other, or are on something without variance; [`Error::Cancelled`].
pub fn bl_posterior(
    covariance: ArrayView2<'_, f64>,
    prior: ArrayView1<'_, f64>,
    p: ArrayView2<'_, f64>,
    q: ArrayView1<'_, f64>,
    omega: ArrayView2<'_, f64>,
    tau: Tau,
    cancel: &Cancel,
) -> Result<Posterior> {
    let (n, k) = (prior.len(), q.len());
    let covariance = covariance::semidefinite("covariance", covariance, n, cancel)?;
    // P and Omega of no views may come as 0 x 0.
    if k > 0 && p.dim() != (k, n) {
        return Err(Error::InvalidArgument {
            argument: "p",
            value: format!("{} x {}", p.nrows(), p.ncols()),
            expected: format!("{k} x {n}, a row for each view and a column for each asset"),
        });
    }
    let omega = if k > 0 { check_omega(omega, k, cancel)? } else { Array2::zeros((0, 0)) };
    let is_beyond = |value: &&f64| value.is_nan() || value.abs() > LARGEST;
    for (argument, bad) in [
        ("prior", prior.iter().find(is_beyond)),
        ("p", p.iter().find(is_beyond)),
        ("q", q.iter().find(is_beyond)),
    ] {
        if let Some(bad) = bad {
            let expected = format!("finite numbers of at most {LARGEST:e}");
            return Err(Error::InvalidArgument { argument, value: bad.to_string(), expected });
        }
    }
    posterior(covariance.view(), prior, p, q, omega.view(), tau, cancel)?.map_err(|clash| {
        Error::InvalidView {
            view: clash.views.iter().map(|view| format!("view {}", view + 1)).collect::<Vec<_>>().join(", "),
            reason: clash.reason.to_owned(),
        }
    })
}

/// A full Omega, checked.
fn check_omega(omega: ArrayView2<'_, f64>, k: usize, cancel: &Cancel) -> Result<Array2<f64>> {
    covariance::semidefinite("omega", omega, k, cancel).map_err(|error| match error {
        Error::NotPositiveSemidefinite { smallest_eigenvalue } => Error::InvalidArgument {
            argument: "omega",
            value: format!("a matrix with the eigenvalue {smallest_eigenvalue}"),
            expected: "a covariance: no eigenvalue under 0".to_owned(),
        },
        other => other,
    })
}

/// Views that no posterior can satisfy, by their places.
struct Clash {
    views: Vec<usize>,
    reason: &'static str,
}

fn posterior(
    covariance: ArrayView2<'_, f64>,
    prior: ArrayView1<'_, f64>,
    p: ArrayView2<'_, f64>,
    q: ArrayView1<'_, f64>,
    omega: ArrayView2<'_, f64>,
    tau: Tau,
    cancel: &Cancel,
) -> Result<Result<Posterior, Clash>> {
    let (n, k) = (prior.len(), q.len());
    let tau = tau.value();
    if k == 0 {
        let uncertainty = &covariance * tau;
        let covariance = &covariance + &uncertainty;
        return Ok(Ok(Posterior { mean: prior.to_owned(), covariance, uncertainty }));
    }
    // P tau Sigma, and the covariance of the views under the prior.
    let reach = linalg::product(p, covariance, cancel)? * tau;
    let system = linalg::product(reach.view(), p.t(), cancel)? + omega;
    let Some(factor) = Cholesky::new(linalg::to_faer(system.view()), cancel)? else {
        return Ok(Err(clash(&system)));
    };
    // With L L' = P tau Sigma P' + Omega: half = L^-1 P tau Sigma, so that half' half is what the views explain.
    let mut half = linalg::to_faer(reach.view());
    factor.solve_lower(half.as_mut(), cancel)?;
    let surprise = &q - &p.dot(&prior);
    let mut scaled = Mat::from_fn(k, 1, |i, _| surprise[i]);
    factor.solve_lower(scaled.as_mut(), cancel)?;
    let half = Array2::from_shape_fn((k, n), |(i, j)| half[(i, j)]);
    let scaled = Array1::from_shape_fn(k, |i| scaled[(i, 0)]);
    let uncertainty = &covariance * tau - linalg::gram(&half, cancel)?;
    Ok(Ok(Posterior {
        mean: &prior + &half.t().dot(&scaled),
        covariance: &covariance + &uncertainty,
        uncertainty,
    }))
}

/// Finds the views that make the system singular: one without variance, or a set that fixes the same thing twice.
fn clash(system: &Array2<f64>) -> Clash {
    let scale = system.diag().iter().fold(0.0_f64, |scale, value| scale.max(*value));
    match (0..system.nrows()).find(|&view| system[[view, view]] <= DEPENDENT_VIEW * scale) {
        Some(view) => Clash {
            views: vec![view],
            reason: "what it is about has no variance, so no evidence can move it; drop it or give it a variance",
        },
        None => Clash {
            views: dependent(system),
            reason: "these views hold with certainty and fix the same thing twice, so they contradict or repeat \
                     each other; drop one or lower a confidence under 1",
        },
    }
}

/// The first view that is a combination of earlier ones, with those of them that it is made of.
fn dependent(system: &Array2<f64>) -> Vec<usize> {
    let k = system.nrows();
    let mut rest = system.clone();
    for pivot in 0..k {
        if rest[[pivot, pivot]] <= 1e-10 * system[[pivot, pivot]] {
            let mut views = combination(&rest, pivot);
            views.push(pivot);
            return views;
        }
        for i in pivot + 1..k {
            let factor = rest[[i, pivot]] / rest[[pivot, pivot]];
            for j in pivot..k {
                let explained = factor * rest[[pivot, j]];
                rest[[i, j]] -= explained;
            }
        }
    }
    (0..k).collect()
}

/// The rows before `pivot` whose coefficient in it is not zero, from an elimination that came to it: back
/// substitution in the upper triangle above it.
fn combination(eliminated: &Array2<f64>, pivot: usize) -> Vec<usize> {
    let mut coefficients = vec![0.0; pivot];
    for row in (0..pivot).rev() {
        let later: f64 = (row + 1..pivot).map(|j| eliminated[[row, j]] * coefficients[j]).sum();
        coefficients[row] = (eliminated[[row, pivot]] - later) / eliminated[[row, row]];
    }
    (0..pivot).filter(|&row| coefficients[row].abs() > 1e-6).collect()
}

/// w* = (delta (Sigma + M))^-1 (mean - r_f) (formula 13 on excess returns): the weights without any constraint,
/// which do not sum to one. `None` where the covariance is singular.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn unconstrained_weights(
    mean: ArrayView1<'_, f64>,
    covariance: ArrayView2<'_, f64>,
    risk_aversion: RiskAversion,
    risk_free_rate: f64,
    cancel: &Cancel,
) -> Result<Option<Array1<f64>>> {
    let excess = &mean - risk_free_rate;
    Ok(linalg::solve(covariance, excess.view(), cancel)?.map(|weights| weights / risk_aversion.value()))
}

/// What one view did.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewReport {
    /// The view as its author wrote it.
    pub view: String,
    /// What it says: q.
    pub view_return: f64,
    /// What the prior said of the same: p pi.
    pub prior_return: f64,
    /// What the posterior says: p mu.
    pub posterior_return: f64,
    /// How far the posterior moved: posterior less prior.
    pub pull: f64,
    /// The variance of the view's error; `None` for a view with confidence 0, which is ignored.
    pub omega: Option<f64>,
    /// The confidence that its variance amounts to, taken by itself: v / (v + omega) with v = tau p Sigma p', which is the
    /// one that was stated, where one was (Walters 2014). 0 for a view that is ignored.
    pub confidence: f64,
    /// Idzorek's implied confidence: the tilt that the view causes over the tilt that it would cause if all views
    /// held with certainty. It is the confidence of a view alone, and depends on the others beside them. `None` where it is
    /// no share: `remark` says why.
    pub implied_confidence: Option<f64>,
    /// Why there is no implied confidence.
    pub remark: Option<&'static str>,
    /// He and Litterman's lambda: how much of the view's portfolio p the unconstrained weights hold (formula 18).
    pub lambda: f64,
    /// What the view adds to each unconstrained weight: p lambda / (1 + tau), in the order of the tickers. The
    /// contributions of all views and w_eq / (1 + tau) add up to w*.
    pub contribution: Array1<f64>,
}

/// Prior and views with everything that is known of them: the model ready to be solved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model<'a> {
    pub(crate) covariance: &'a Array2<f64>,
    pub(crate) prior: &'a Array1<f64>,
    pub(crate) views: &'a ResolvedViews,
    pub(crate) omega: &'a Omega,
    pub(crate) tau: Tau,
    pub(crate) risk_aversion: RiskAversion,
    pub(crate) risk_free_rate: f64,
}

/// The solved model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) posterior: Posterior,
    pub(crate) reports: Vec<ViewReport>,
    /// For each ticker that a view touches its return if all views held with certainty.
    pub(crate) view_returns: Vec<Option<f64>>,
}

impl Model<'_> {
    pub(crate) fn solve(&self, cancel: &Cancel) -> Result<Outcome> {
        let (kept, omega) = self.omega(cancel)?;
        let p = self.views.p.select(ndarray::Axis(0), &kept);
        let q = self.views.q.select(ndarray::Axis(0), &kept);
        let (covariance, prior) = (self.covariance.view(), self.prior.view());
        let quote = |clash: Clash| Error::InvalidView {
            view: clash
                .views
                .iter()
                .map(|&at| self.views.text[kept[at]].as_str())
                .collect::<Vec<_>>()
                .join("; "),
            reason: clash.reason.to_owned(),
        };
        let posterior = posterior(covariance, prior, p.view(), q.view(), omega.view(), self.tau, cancel)?
            .map_err(quote)?;
        let certain = self.certain(&p, &q, cancel)?;
        let view_returns = self.view_returns(&p, &certain);
        let reports = self.reports(&kept, &p, &q, &omega, &posterior, &certain, cancel)?;
        Ok(Outcome { posterior, reports, view_returns })
    }

    /// The views that are not ignored, and Omega among them.
    fn omega(&self, cancel: &Cancel) -> Result<(Vec<usize>, Array2<f64>)> {
        let k = self.views.q.len();
        let invalid =
            |value: String, expected: String| Error::InvalidArgument { argument: "omega", value, expected };
        let own = self.views.uncertainty.iter().any(|own| *own != Uncertainty::Proportional);
        if own && *self.omega != Omega::PerView {
            return Err(invalid(
                "omega beside confidences or variances".to_owned(),
                "one of them: an omega for all views, or a confidence or variance in a view".to_owned(),
            ));
        }
        match self.omega {
            Omega::PerView => Ok(self.omega_per_view()),
            Omega::Diagonal(variances) => {
                if variances.len() != k || variances.iter().any(|v| !v.is_finite() || *v < 0.0) {
                    return Err(invalid(
                        format!("{variances:?}"),
                        format!("{k} variances, 0 or over, one for each view"),
                    ));
                }
                Ok(((0..k).collect(), Array2::from_diag(&Array1::from(variances.clone()))))
            }
            Omega::Full(matrix) => {
                let checked = check_omega(matrix.view(), k, cancel)?;
                Ok(((0..k).collect(), checked))
            }
        }
    }

    fn omega_per_view(&self) -> (Vec<usize>, Array2<f64>) {
        let mut kept = Vec::new();
        let mut variances = Vec::new();
        for (view, uncertainty) in self.views.uncertainty.iter().enumerate() {
            let row = self.views.p.row(view);
            let prior_variance = self.tau.value() * linalg::quadratic_form(self.covariance.view(), row);
            let variance = match *uncertainty {
                Uncertainty::Proportional => prior_variance,
                // A confidence of 0 is an infinite variance: the view says nothing.
                Uncertainty::Confidence(0.0) => continue,
                Uncertainty::Confidence(c) => (1.0 - c) / c * prior_variance,
                Uncertainty::Variance(variance) => variance,
            };
            kept.push(view);
            variances.push(variance);
        }
        (kept, Array2::from_diag(&Array1::from(variances)))
    }

    /// (P Sigma P')^+ (Q - P pi): what moves the prior onto views that all hold. The pseudo-inverse averages views
    /// that contradict each other.
    fn certain(&self, p: &Array2<f64>, q: &Array1<f64>, cancel: &Cancel) -> Result<Array1<f64>> {
        if q.is_empty() {
            return Ok(Array1::zeros(0));
        }
        let system = self.under_prior(p, cancel)?;
        let (values, vectors) = linalg::eigen(system.view(), cancel)?;
        let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(*value));
        let inverse = values.mapv(|value| if value > DEPENDENT_VIEW * largest { 1.0 / value } else { 0.0 });
        let surprise = q - &p.dot(self.prior);
        Ok(vectors.dot(&(vectors.t().dot(&surprise) * &inverse)))
    }

    /// P Sigma P'.
    fn under_prior(&self, p: &Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
        let reach = linalg::product(p.view(), self.covariance.view(), cancel)?;
        linalg::product(reach.view(), p.t(), cancel)
    }

    fn view_returns(&self, p: &Array2<f64>, certain: &Array1<f64>) -> Vec<Option<f64>> {
        let moved = self.prior + &self.covariance.dot(&p.t().dot(certain));
        p.columns()
            .into_iter()
            .zip(&moved)
            .map(|(column, &moved)| column.iter().any(|coefficient| *coefficient != 0.0).then_some(moved))
            .collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one solved system, used once")]
    fn reports(
        &self,
        kept: &[usize],
        p: &Array2<f64>,
        q: &Array1<f64>,
        omega: &Array2<f64>,
        posterior: &Posterior,
        certain: &Array1<f64>,
        cancel: &Cancel,
    ) -> Result<Vec<ViewReport>> {
        let (tau, delta) = (self.tau.value(), self.risk_aversion.value());
        let prior_views = self.under_prior(p, cancel)?;
        let surprise = q - &p.dot(self.prior);
        let excess = p.dot(&(&posterior.mean - self.risk_free_rate));
        let solve = |matrix: Array2<f64>, rhs: &Array1<f64>| -> Result<Array1<f64>> {
            Ok(linalg::solve(matrix.view(), rhs.view(), cancel)?.unwrap_or_else(|| Array1::zeros(rhs.len())))
        };
        // tilt: the views' part of (delta Sigma)^-1 mu (Idzorek's formula 2); lambda: that of w* (formula 18, in
        // the form that needs no inverse of Omega: Woodbury on Sigma + M).
        let tilt = solve(&prior_views * tau + omega, &surprise)? * (tau / delta);
        let wide = solve(&prior_views * (tau / (1.0 + tau)) + omega, &excess)?;
        let lambda = &tilt + &(wide * (tau * tau / (1.0 + tau) / delta));
        let report = |view: usize| {
            let row = self.views.p.row(view);
            let at = kept.iter().position(|&kept| kept == view);
            let prior_return = row.dot(self.prior);
            let posterior_return = row.dot(&posterior.mean);
            let lambda = at.map_or(0.0, |at| lambda[at]);
            let implied = at.map_or(Ok(0.0), |at| implied_confidence(tilt[at], certain[at] / delta));
            let confidence = at.map_or(0.0, |at| {
                let variance = tau * prior_views[[at, at]];
                variance / (variance + omega[[at, at]])
            });
            ViewReport {
                view: self.views.text[view].clone(),
                view_return: self.views.q[view],
                prior_return,
                posterior_return,
                pull: posterior_return - prior_return,
                omega: at.map(|at| omega[[at, at]]),
                confidence,
                implied_confidence: implied.ok(),
                remark: implied.err(),
                lambda,
                contribution: &row * (lambda / (1.0 + tau)),
            }
        };
        Ok((0..self.views.q.len()).map(report).collect())
    }
}

/// The share of the tilt of certain views that a view causes, or why it is none.
fn implied_confidence(tilt: f64, certain: f64) -> Result<f64, &'static str> {
    const ROUNDING: f64 = 1e-9;
    match tilt / certain {
        _ if certain == 0.0 => {
            Err("with all views certain it would not tilt the weights: the others say it already")
        }
        share if share < 0.0 => {
            Err("beside the other views it tilts the weights the other way than with all of them certain")
        }
        share if share > 1.0 + ROUNDING => {
            Err("beside the other views it tilts the weights further than with all of them certain")
        }
        share => Ok(share),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vector(value: &Value) -> Array1<f64> {
        value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    }

    fn matrix(value: &Value) -> Array2<f64> {
        let rows: Vec<Array1<f64>> = value.as_array().unwrap().iter().map(vector).collect();
        Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
    }

    fn solve(
        covariance: &Array2<f64>,
        prior: &Array1<f64>,
        case: &Value,
        omega: Omega,
        delta: f64,
        tau: f64,
    ) -> Outcome {
        let (p, q) = (matrix(&case["P"]), vector(&case["Q"]));
        let k = q.len();
        let views = ResolvedViews {
            text: (1..=k).map(|view| format!("view {view}")).collect(),
            p,
            q,
            uncertainty: vec![Uncertainty::Proportional; k],
        };
        let model = Model {
            covariance,
            prior,
            views: &views,
            omega: &omega,
            tau: Tau::new(tau).unwrap(),
            risk_aversion: RiskAversion::new(delta).unwrap(),
            risk_free_rate: 0.0,
        };
        model.solve(&Cancel::default()).unwrap()
    }

    #[test]
    fn lambdas_are_those_of_he_and_litterman() {
        let golden: Value =
            serde_json::from_str(include_str!("../../tests/golden/portfolio/he_litterman_1999.json"))
                .unwrap();
        let (covariance, prior) = (matrix(&golden["derived"]["cov"]), vector(&golden["derived"]["pi"]));
        for case in golden["cases"].as_array().unwrap() {
            let omega = Omega::Diagonal(vector(&case["omega_diag"]).to_vec());
            let outcome = solve(&covariance, &prior, case, omega, 2.5, 0.05);
            for (report, expected) in outcome.reports.iter().zip(vector(&case["expected"]["lambda"])) {
                assert!((report.lambda - expected).abs() < 1e-12, "{} {}", case["name"], report.lambda);
            }
            let built = outcome
                .reports
                .iter()
                .fold(vector(&golden["inputs"]["w_eq"]) / 1.05, |sum, report| sum + &report.contribution);
            let difference = built - vector(&case["expected"]["w_star"]);
            assert!(difference.iter().all(|d| d.abs() < 1e-12), "{}: {difference}", case["name"]);
        }
    }

    #[test]
    fn implied_confidences_are_those_of_idzorek() {
        let golden: Value =
            serde_json::from_str(include_str!("../../tests/golden/portfolio/idzorek_2005.json")).unwrap();
        let inputs = &golden["inputs"];
        let covariance = matrix(&inputs["cov"]);
        let prior = covariance.dot(&vector(&inputs["w_mkt"])) * 3.07;
        let outcome = solve(&covariance, &prior, inputs, Omega::PerView, 3.07, 0.025);
        let expected = vector(&golden["expected_default_omega"]["implied_confidence_by_view"]);
        for (report, expected) in outcome.reports.iter().zip(expected) {
            assert!((report.implied_confidence.unwrap() - expected).abs() < 1e-12, "{report:?}");
        }
        let certain = vector(&golden["expected_default_omega"]["posterior_mean_100pct"]);
        for (view_return, certain) in outcome.view_returns.iter().zip(certain).take(7) {
            assert!((view_return.unwrap() - certain).abs() < 1e-12);
        }
        // No view touches the last asset.
        assert_eq!(outcome.view_returns[7], None);
    }
}
