//! ARIMA against statsforecast on real prices, and its properties on series that are hard.

use folio_core::model::arima::{Estimate, Order, fit_auto, fit_order, log_likelihood};
use folio_core::model::{Failure, Fitted, Model, arima::Arima};
use folio_core::task::{Cancel, Seed, Task};
use serde_json::Value;

fn task() -> Task {
    Task { cancel: Cancel::default(), seed: Seed(1) }
}

/// The log prices of one ticker of the golden file.
fn log_prices(ticker: &str) -> Vec<f64> {
    let mut lines = include_str!("golden/prices.csv").lines();
    let column = lines.next().unwrap().split(',').position(|name| name == ticker).unwrap();
    lines.map(|line| line.split(',').nth(column).unwrap().parse::<f64>().unwrap().ln()).collect()
}

/// A model of statsforecast's from the golden file, which bench/golden/arima.py makes.
struct Golden {
    order: Order,
    ar: Vec<f64>,
    ma: Vec<f64>,
    mean: f64,
    sigma2: f64,
    log_likelihood: f64,
    aicc: f64,
}

fn golden(value: &Value) -> Golden {
    let number = |key: &str| value[key].as_f64().unwrap();
    let numbers = |key: &str| value[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let order = |i: usize| value["order"][i].as_u64().unwrap() as usize;
    let constant = value["constant"].as_bool().unwrap();
    Golden {
        order: Order { p: order(0), d: order(1), q: order(2), constant },
        ar: numbers("ar"),
        ma: numbers("ma"),
        mean: number("mean"),
        sigma2: number("sigma2"),
        log_likelihood: number("loglik"),
        aicc: number("aicc"),
    }
}

/// Every series with the log prices and what statsforecast makes of them.
fn series() -> Vec<(String, Vec<f64>, Value)> {
    let file: Value = serde_json::from_str(include_str!("golden/arima.json")).unwrap();
    let series = file["series"].as_object().unwrap();
    series.iter().map(|(ticker, value)| (ticker.clone(), log_prices(ticker), value.clone())).collect()
}

#[test]
fn explore() {
    for (ticker, y, value) in series() {
        let g = golden(&value["auto"]);
        let t0 = std::time::Instant::now();
        let f = fit_auto(&y, &task()).unwrap();
        let ms = t0.elapsed().as_secs_f64() * 1e3;
        let at = log_likelihood(&y, g.order.d, &g.ar, &g.ma, g.mean);
        let refit = fit_order(&y, g.order, &task()).unwrap();
        println!("{ticker} {:?} ours {:?} {:.3} theirs {:.3} diff {:.3}  ll theirs {:.4} at {:?} refit {:.4} {ms:.1} ms",
            (g.order.p, g.order.d, g.order.q, g.order.constant), (f.order().p, f.order().d, f.order().q, f.order().constant), f.aicc(), g.aicc, f.aicc() - g.aicc, g.log_likelihood, at, refit.log_likelihood());
        for v in value["fixed"].as_array().unwrap() {
            if v.get("error").is_some() { println!("   error {v}"); continue; }
            let g = golden(v);
            let f = fit_order(&y, g.order, &task());
            let at = log_likelihood(&y, g.order.d, &g.ar, &g.ma, g.mean).unwrap_or(f64::NAN);
            match f {
                Ok(f) => if (f.log_likelihood() - g.log_likelihood).abs() > 0.1 || (at-g.log_likelihood).abs() > 0.01 || (f.sigma2()/g.sigma2-1.0).abs()>1e-3 {
            println!("   {:?} ours {:.4} theirs {:.4} at {:.4} sigma2 {:.3e} {:.3e} {:?} {:?} {:?} / {:?} {:?}", g.order, f.log_likelihood(), g.log_likelihood, at, f.sigma2(), g.sigma2, f.ar(), f.ma(), f.mean(), g.ar, g.ma);},
                Err(e) => println!("  {:?} {e}", g.order),
            }
        }
    }
}
#[test]
fn timing() {
    let all = series();
    let mut each = vec![];
    for (t, y, _) in &all {
        let cpu = || { let s = std::fs::read_to_string("/proc/self/schedstat").unwrap(); s.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6 };
        let cpu = || { let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default(); s.split(' ').next().and_then(|v| v.parse::<f64>().ok()).map_or_else(cpu, |v| v / 1e6) };
        let t0 = cpu();
        for _ in 0..3 { fit_auto(y, &task()).unwrap(); }
        each.push(((cpu() - t0) / 3.0, t.clone()));
    }
    each.sort_by(|a, b| a.0.total_cmp(&b.0));
    println!("CPU ms: mean {:.2} median {:.2} max {:.2} {}", each.iter().map(|e| e.0).sum::<f64>() / 20.0, each[10].0, each[19].0, each[19].1);
}
