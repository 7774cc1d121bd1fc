//! The clock beside the count of `tests/cancel.rs`: how long each computation works between two looks at the cancel flag, and
//! what a unit of its counted work takes. A part that forgets to count shows as a unit of many nanoseconds.

#[path = "../tests/looks/mod.rs"]
mod looks;

use std::cell::Cell;
use std::time::Duration;

use cpu_time::ThreadTime;
use folio_core::task::Cancel;
use folio_core::work;

thread_local! {
    static LAST: Cell<Option<ThreadTime>> = const { Cell::new(None) };
    static LONGEST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Notes the work since the last look. Never says that it is cancelled.
fn look() -> bool {
    if let Some(last) = LAST.replace(Some(ThreadTime::now())) {
        LONGEST.set(LONGEST.get().max(last.elapsed()));
    }
    false
}

fn main() {
    println!("{:34} {:>12} {:>12} {:>12}", "", "in all", "longest wait", "ns a unit");
    for looks::Computation { name, run } in looks::computations() {
        LONGEST.set(Duration::ZERO);
        LAST.set(Some(ThreadTime::now()));
        let (start, done) = (ThreadTime::now(), work::done());
        run(&Cancel::polling(look));
        look();
        let (all, units) = (start.elapsed(), work::done() - done);
        let unit = all.as_nanos() as f64 / units.max(1) as f64;
        let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        println!("{name:34} {:>12} {:>12} {unit:>12.2}", ms(all), ms(LONGEST.get()));
    }
}
