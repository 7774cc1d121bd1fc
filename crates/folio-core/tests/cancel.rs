//! How much each computation does before it looks again whether it was cancelled. Work is counted (`folio_core::work`), not
//! timed, so that the answer is the same on every machine and beside whatever else runs; `benches/looks.rs` has the clock
//! beside it.

mod common;
mod portfolio_support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::Location;

use folio_core::model::{MODELS, Model};
use folio_core::panel::ReturnPanel;
use folio_core::portfolio::request::{Request, efficient_frontier, optimize_portfolio};
use folio_core::task::{Cancel, Seed, Task};
use folio_core::work::{self, LONGEST_WAIT};
use portfolio_support::{every_request, large_market, leveraged};

/// Assets of the largest portfolios that the promise is made for, and their days.
const ASSETS: usize = 500;
const DAYS: usize = 750;

/// A look's place in the code.
type Place = (&'static str, u32);

/// What is known of the looks of a computation.
#[derive(Default)]
struct Looks {
    /// The work that was done at the last look.
    last: u64,
    longest: u64,
    /// Of each place: the work since the last look elsewhere, and the longest that it came to. It is what the computation
    /// would do without a look if this one were not there.
    without: BTreeMap<Place, (u64, u64)>,
}

impl Looks {
    fn look(&mut self, place: Option<Place>) {
        let done = work::done();
        let since = done - std::mem::replace(&mut self.last, done);
        self.longest = self.longest.max(since);
        if let Some(place) = place {
            self.without.entry(place).or_default();
        }
        for (other, (waited, longest)) in &mut self.without {
            *waited += since;
            *longest = (*longest).max(*waited);
            if place != Some(*other) {
                *waited = 0;
            }
        }
    }
}

thread_local! {
    static LOOKS: RefCell<Looks> = RefCell::default();
}

/// The looks of a computation, its start and its end included.
fn looks(work: impl FnOnce(Cancel)) -> Looks {
    LOOKS.set(Looks { last: work::done(), ..Looks::default() });
    work(Cancel::watched(|at: &'static Location<'static>| {
        LOOKS.with_borrow_mut(|looks| looks.look(Some((at.file(), at.line()))));
    }));
    LOOKS.with_borrow_mut(|looks| looks.look(None));
    LOOKS.take()
}

fn of_model(model: &dyn Model) -> (String, Looks) {
    let (_, y) = &common::log_prices()[0];
    let origins: Vec<usize> = (y.len() - 120..=y.len()).collect();
    let looks = looks(|cancel| {
        let task = Task { cancel, seed: Seed(1) };
        let fitted = model.fit(y, 21, &task).unwrap();
        fitted.forecast(y, &origins, 21, &task).unwrap();
    });
    (model.name().to_owned(), looks)
}

/// Every portfolio of many assets.
fn of_portfolios() -> Vec<(String, Looks)> {
    let market = large_market(ASSETS, DAYS);
    let returns = ReturnPanel::aligned(&market, DAYS, 2).unwrap();
    let of_request = |(name, request): (&str, Request)| {
        let looks = looks(|cancel| {
            optimize_portfolio(&request, &returns, &cancel).unwrap_or_else(|error| panic!("{name}: {error}"));
        });
        (name.to_owned(), looks)
    };
    let mut all: Vec<_> =
        every_request().into_iter().chain([("max_gross", leveraged())]).map(of_request).collect();
    all.push((
        "efficient_frontier".to_owned(),
        looks(|cancel| {
            efficient_frontier(&Request::default(), &returns, 20, &cancel).unwrap();
        }),
    ));
    all
}

#[test]
fn every_computation_looks_often() {
    let all: Vec<_> = MODELS.iter().map(|model| of_model(*model)).chain(of_portfolios()).collect();
    let mut without: BTreeMap<Place, (u64, &str)> = BTreeMap::new();
    for (name, looks) in &all {
        println!("{name}: {}", looks.longest);
        for (place, (_, longest)) in &looks.without {
            let most = without.entry(*place).or_default();
            *most = (*most).max((*longest, name));
        }
    }
    for (place, most) in &without {
        println!("{place:?}: {most:?}");
    }
    let long = all.iter().filter(|(_, looks)| looks.longest > LONGEST_WAIT);
    let long: Vec<String> = long.map(|(name, looks)| format!("{name} does {}", looks.longest)).collect();
    assert!(long.is_empty(), "over {LONGEST_WAIT} units between two looks: {}", long.join("; "));
}
