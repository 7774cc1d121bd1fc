//! Covariances from past days beside what came: measured once more by plain loops, and without a look at what came after.

mod portfolio_support;

use folio_core::Error;
use folio_core::panel::ReturnPanel;
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::portfolio::objective::by_name;
use folio_core::portfolio::request::{Request, optimize_portfolio};
use folio_core::risk::{CovarianceEvaluation, CovarianceSchedule, CovarianceScore};
use folio_core::task::{Cancel, Inline};
use ndarray::{Array1, Array2};
use portfolio_support::*;

const TICKERS: [&str; 4] = ["AAPL", "KO", "XOM", "PG"];

fn schedule(horizon: i64, origins: i64, stride: Option<i64>, history: usize) -> CovarianceSchedule {
    CovarianceSchedule { horizon, origins, stride, history }
}

fn scores(names: &[&str], schedule: CovarianceSchedule, panel: &ReturnPanel) -> Vec<CovarianceScore> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let evaluation = CovarianceEvaluation::new(Some(&names), 0.9, &schedule).unwrap();
    evaluation.scores(panel, &Inline, &Cancel::default()).unwrap()
}

/// r' H^-1 r and log det H, by elimination.
fn solved(matrix: &Array2<f64>, r: &[f64]) -> (f64, f64) {
    let (mut a, mut b) = (matrix.clone(), r.to_vec());
    let (n, mut determinant, mut square) = (r.len(), 0.0, 0.0);
    for k in 0..n {
        determinant += a[[k, k]].ln();
        square += b[k] * b[k] / a[[k, k]];
        for i in k + 1..n {
            let share = a[[i, k]] / a[[k, k]];
            b[i] -= share * b[k];
            for j in 0..n {
                a[[i, j]] -= share * a[[k, j]];
            }
        }
    }
    (square, determinant)
}

/// The weights that a whole call gives on these days.
fn weights(past: &ReturnPanel, covariance: CovarianceMethod, objective: &str) -> Array1<f64> {
    let request = Request { covariance, objective: by_name(objective).unwrap(), ..Request::default() };
    let allocation = optimize_portfolio(&request, past, &Cancel::default()).unwrap();
    allocation.holdings.iter().map(|holding| holding.weight).collect()
}

#[test]
fn measures_are_those_of_plain_loops() {
    let panel = returns_of(&TICKERS);
    let n = panel.days().len();
    for (horizon, stride) in [(1, 3), (5, 5)] {
        let found = scores(
            &["sample_cov", "dcc", "ledoit_wolf"],
            schedule(horizon as i64, 12, Some(stride as i64), 301),
            &panel,
        );
        let names: Vec<&str> = found.iter().map(|score| score.covariance.as_str()).collect();
        assert_eq!(names, ["ledoit_wolf", "sample_cov", &format!("dcc({horizon})")]);
        for score in &found {
            let method = CovarianceMethod::parse(&score.covariance).unwrap();
            let (mut loss, mut turnover) = (0.0, [0.0; 2]);
            let (mut square, mut covered, mut before) = ([0.0; 2], [0.0; 2], [None, None]);
            for back in (0..12).rev() {
                let origin = n - horizon - back * stride;
                let past = panel.during(origin - 300..origin);
                let matrix = method.estimate(&past, &Cancel::default()).unwrap().matrix() / 252.0;
                let came: Vec<Array1<f64>> =
                    (origin..origin + horizon).map(|day| panel.returns().row(day).to_owned()).collect();
                for r in &came {
                    let (of_r, determinant) = solved(&matrix, &r.to_vec());
                    loss += (of_r + determinant) / 4.0 / horizon as f64 - 1.0 / horizon as f64;
                }
                for column in past.returns().columns() {
                    loss -= (column.dot(&column) / 300.0).ln() / 4.0;
                }
                for (k, objective) in ["min_volatility", "risk_parity"].into_iter().enumerate() {
                    let w = weights(&past, method, objective);
                    square[k] += came.iter().map(|r| r.dot(&w).powi(2)).sum::<f64>() / horizon as f64;
                    let value: f64 = came.iter().map(|r| 1.0 + r.dot(&w)).product();
                    // The normal quantile of 0.9.
                    let risk = 1.281_551_565_544_6 * (horizon as f64 * w.dot(&matrix.dot(&w))).sqrt();
                    covered[k] += f64::from(u8::from(1.0 - value <= risk));
                    if let Some(mut held) = before[k].replace(w.clone()) {
                        for day in origin - stride..origin {
                            held = &held * &(1.0 + &panel.returns().row(day));
                        }
                        turnover[k] += (&held / held.sum() - w).mapv(f64::abs).sum() / 11.0;
                    }
                }
            }
            let near = |found: Option<f64>, plain: f64, what: &str| {
                let found = found.unwrap();
                assert!((found - plain).abs() < 1e-9, "{} {what}: {found} {plain}", score.covariance);
            };
            near(score.qlike, loss / 12.0, "qlike");
            for (k, portfolio) in [score.least_variance, score.equal_risk].into_iter().enumerate() {
                near(portfolio.volatility, (square[k] / 12.0 * 252.0).sqrt(), "volatility");
                near(portfolio.turnover, turnover[k], "turnover");
                near(portfolio.coverage, covered[k] / 12.0, "coverage");
            }
            assert_eq!((score.n, score.singular, &score.missing), (12, 0, &None));
            assert_eq!(score.against_qlike.is_some(), score.covariance != "ledoit_wolf");
        }
    }
}

#[test]
fn what_follows_the_market_is_better_where_it_changes() {
    // Volatility that swings by the month: what remembers two weeks knows it, what remembers all does not.
    let wave = |t: usize, seed: usize| (1.7 * (t * t + seed * t) as f64).sin();
    let swing = |t: usize| 0.01 * (1.2 + (t as f64 / 25.0).sin());
    let column = |seed: usize| (0..900).map(|t| swing(t) * wave(t, seed)).collect::<Vec<f64>>();
    let panel = panel_of(&[("A", column(1)), ("B", column(2)), ("C", column(3))]);
    let found = scores(&["exp_cov(10)", "dcc"], schedule(1, 300, None, 400), &panel);
    for score in &found[1..] {
        let test = score.against_qlike.unwrap();
        assert!(test.statistic < -3.0 && test.p_value < 0.01, "{score:?}");
        assert!(score.qlike < found[0].qlike, "{found:?}");
    }
}

#[test]
fn what_never_moves_and_too_many_tickers_are_singular() {
    let wave = |seed: usize| (0..200).map(move |t| 0.01 * (1.7 * (t * t + seed * t) as f64).sin()).collect();
    let still = panel_of(&[("A", wave(1)), ("CASH", vec![0.0; 200]), ("B", wave(2))]);
    let found = scores(&["sample_cov", "dcc"], schedule(1, 5, None, 100), &still);
    for score in &found[1..] {
        assert_eq!((score.n, score.singular, score.qlike, score.condition), (5, 5, None, None), "{score:?}");
        assert!(score.least_variance.volatility.unwrap() < 1e-9 && score.equal_risk.volatility.is_none());
        assert_eq!(score.against_qlike, None);
    }
    let many: Vec<(String, Vec<f64>)> = (0..70).map(|i| (format!("T{i:02}"), wave(i))).collect();
    let many: Vec<(&str, Vec<f64>)> = many.iter().map(|(name, own)| (name.as_str(), own.clone())).collect();
    let found = scores(&["sample_cov", "dcc_nl"], schedule(1, 3, None, 65), &panel_of(&many));
    assert_eq!((found[0].singular, found[1].singular, found[2].singular), (0, 3, 0), "{found:?}");
    // What moves so far that its square is no number.
    let mut leaps = vec![0.01; 200];
    leaps[198] = 1e200;
    let leaping = panel_of(&[("A", wave(1)), ("B", leaps)]);
    let evaluation = CovarianceEvaluation::new(Some(&[]), 0.9, &schedule(1, 3, None, 100)).unwrap();
    let refused = evaluation.scores(&leaping, &Inline, &Cancel::default());
    assert!(matches!(refused, Err(Error::InvalidArgument { argument: "prices", .. })), "{refused:?}");
    // Fewer returns than one needs: the others are not without it.
    let found = scores(&["dcc", "oas"], schedule(1, 3, None, 50), &still);
    assert!(matches!(&found[1].missing, Some((3, _))) && found[1].n == 0 && found[2].n == 3, "{found:?}");
}

#[test]
fn what_makes_no_sense_is_refused_and_enough_is_read() {
    for (horizon, origins, stride) in [(0, 3, None), (1, 0, None), (1, 10_001, None), (1, 3, Some(0))] {
        let refused = CovarianceEvaluation::new(None, 0.95, &schedule(horizon, origins, stride, 100));
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{horizon} {origins} {stride:?}");
    }
    let level = CovarianceEvaluation::new(None, 95.0, &schedule(1, 3, None, 100));
    assert!(matches!(level, Err(Error::InvalidArgument { argument: "level", .. })));
    let named = CovarianceEvaluation::new(Some(&["none".to_owned()]), 0.95, &schedule(1, 3, None, 100));
    assert!(matches!(named, Err(Error::UnknownName { kind: "covariance", .. })));
    let all = returns_of(&TICKERS);
    for history in [2, 60, 61, 62, 200] {
        let evaluation =
            CovarianceEvaluation::new(Some(&[]), 0.95, &schedule(5, 3, Some(7), history)).unwrap();
        // So many prices have one return less.
        let read = all.during(all.days().len() + 1 - evaluation.prices()..all.days().len());
        let found = evaluation.scores(&read, &Inline, &Cancel::default()).unwrap().remove(0);
        assert_eq!(found.n + found.missing.map_or(0, |(origins, _)| origins), 3, "history {history}");
        let short = evaluation.scores(&all.during(0..64), &Inline, &Cancel::default());
        assert!(matches!(short, Err(Error::TooShort { need: 66, .. })), "{short:?}");
        let cancelled = Cancel::default();
        cancelled.cancel();
        assert!(matches!(evaluation.scores(&read, &Inline, &cancelled), Err(Error::Cancelled)));
    }
}
