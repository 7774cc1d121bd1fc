//! Values at risk from past days beside what came: counted by hand, and without a look at what came after.

mod portfolio_support;

use folio_core::Error;
use folio_core::panel::ReturnPanel;
use folio_core::risk::{TailEvaluation, TailRequest, TailSchedule, TailScore};
use folio_core::task::Cancel;
use portfolio_support::*;
use serde_json::json;

fn request(level: f64, horizon: i64, method: Option<&str>) -> TailRequest {
    TailRequest::new(&json!({ "AAPL": 0.6, "KO": "40 %" }), level, horizon, method).unwrap()
}

fn scores(request: TailRequest, schedule: TailSchedule, panel: &ReturnPanel) -> Vec<TailScore> {
    TailEvaluation::new(request, &schedule).unwrap().scores(panel, &Cancel::default()).unwrap()
}

#[test]
fn forecasts_are_those_of_the_day() {
    let panel = returns_of(&["AAPL", "KO"]);
    let n = panel.days().len();
    for (level, horizon, stride) in [(0.95, 1, None), (0.9, 5, Some(7))] {
        let schedule = TailSchedule { origins: 60, stride, history: 301 };
        let found = scores(request(level, horizon as i64, None), schedule, &panel);
        assert_eq!(
            found.iter().map(|score| score.method).collect::<Vec<_>>(),
            ["historical", "filtered_historical", "student_t", "cornish_fisher"]
        );
        for score in found {
            let method = request(level, horizon as i64, Some(score.method));
            let (mut n_of, mut hits, mut quantile) = (0, 0, 0.0);
            for back in 0..60 {
                let origin = n - horizon - back * stride.map_or(horizon, |stride| stride as usize);
                let past = panel.during(origin - 300..origin);
                let row = method.rows(&past, &Cancel::default()).unwrap().remove(0);
                let Ok(tail) = row.outcome else { continue };
                let came = panel.returns().rows().into_iter().skip(origin).take(horizon);
                let loss = 1.0 - came.map(|row| 1.0 + 0.6 * row[0] + 0.4 * row[1]).product::<f64>();
                let beyond = loss - tail.value_at_risk;
                n_of += 1;
                hits += usize::from(beyond > 0.0);
                quantile += if beyond > 0.0 { level * beyond } else { (level - 1.0) * beyond };
            }
            assert_eq!((score.n, score.exceedances), (n_of, hits), "{}", score.method);
            assert_eq!(score.missing.map_or(0, |(origins, _)| origins), 60 - n_of, "{}", score.method);
            assert!(
                (score.quantile_loss.unwrap() - quantile / n_of as f64).abs() < 1e-12,
                "{}",
                score.method
            );
            assert!((score.expected - (1.0 - level) * n_of as f64).abs() < 1e-9);
            assert!(score.kupiec.is_some() && score.acerbi_szekely.is_some());
        }
    }
}

#[test]
fn too_little_is_found_out_and_what_is_right_passes() {
    // A third of the moves before the origins: what is seen says nothing of what comes.
    let wave = |t: usize| (1.7 * (t * t) as f64).sin();
    let calm: Vec<f64> = (0..800).map(|t| if t < 400 { 0.005 } else { 0.015 } * wave(t)).collect();
    let even: Vec<f64> = (0..800).map(|t| 0.01 * wave(t)).collect();
    let of = |returns: Vec<f64>| {
        let request = TailRequest::new(&json!({ "A": 1 }), 0.95, 1, Some("historical")).unwrap();
        let schedule = TailSchedule { origins: 399, stride: None, history: 401 };
        scores(request, schedule, &panel_of(&[("A", returns)])).remove(0)
    };
    let (right, wrong) = (of(even), of(calm));
    assert!(
        right.kupiec.unwrap().p_value > 0.05 && right.acerbi_szekely.unwrap().p_value > 0.05,
        "{right:?}"
    );
    assert!(wrong.kupiec.unwrap().p_value < 1e-4, "{wrong:?}");
    let shortfall = wrong.acerbi_szekely.unwrap();
    assert!(shortfall.statistic < -1.0 && shortfall.p_value < 0.001, "{wrong:?}");
    assert!(wrong.conditional_coverage.unwrap().p_value < 1e-4, "{wrong:?}");
    // A portfolio that cannot lose has no expected shortfall to be tested.
    assert_eq!(of((0..800).map(|t| 0.01 + 0.001 * wave(t)).collect()).acerbi_szekely, None);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let schedule = |origins, stride| TailSchedule { origins, stride, history: 300 };
    for (origins, stride) in [(0, None), (10_001, None), (10, Some(4)), (10, Some(0)), (10, Some(i64::MAX))] {
        let refused = TailEvaluation::new(request(0.95, 5, None), &schedule(origins, stride));
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{origins} {stride:?}");
    }
    let panel = returns_of(&["AAPL", "KO"]).during(0..100);
    let evaluation = TailEvaluation::new(request(0.95, 1, None), &schedule(10, None)).unwrap();
    let short = evaluation.scores(&panel, &Cancel::default());
    assert!(matches!(short, Err(Error::TooShort { need: 102, .. })), "{short:?}");
    let cancelled = Cancel::default();
    cancelled.cancel();
    let panel = returns_of(&["AAPL", "KO"]);
    assert!(matches!(evaluation.scores(&panel, &cancelled), Err(Error::Cancelled)));
    assert_eq!(evaluation.prices(), 300 + 9 + 1);
}

#[test]
fn however_short_the_history_enough_is_read_for_every_origin() {
    let all = returns_of(&["AAPL", "KO"]);
    for history in [2, 50, 100, 101, 102, 300] {
        let schedule = TailSchedule { origins: 3, stride: Some(7), history };
        let evaluation = TailEvaluation::new(request(0.9, 5, Some("historical")), &schedule).unwrap();
        // So many prices have one return less.
        let read = all.during(all.days().len() + 1 - evaluation.prices()..all.days().len());
        let found = evaluation.scores(&read, &Cancel::default()).unwrap().remove(0);
        assert_eq!(found.n + found.missing.map_or(0, |(origins, _)| origins), 3, "history {history}");
    }
}
