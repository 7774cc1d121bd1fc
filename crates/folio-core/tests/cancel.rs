//! How much each computation does before it looks again whether it was cancelled. Work is counted (`folio_core::work`), not
//! timed, so that the answer is the same on every machine and beside whatever else runs; `benches/looks.rs` has the clock
//! beside it.

mod looks;

use std::cell::RefCell;
use std::panic::Location;

use folio_core::task::Cancel;
use folio_core::work::{self, LONGEST_WAIT};

/// The looks of a computation.
struct Looks {
    /// How many there were.
    count: u64,
    /// The work that was done at the last one, and where it was.
    last: u64,
    place: String,
    /// The most work between two, and which two.
    longest: u64,
    between: String,
}

impl Looks {
    fn look(&mut self, place: String) {
        let done = work::done();
        let since = done - self.last;
        if since > self.longest {
            self.longest = since;
            self.between = format!("{} and {place}", self.place);
        }
        (self.count, self.last, self.place) = (self.count + 1, done, place);
    }
}

thread_local! {
    static LOOKS: RefCell<Looks> = const {
        RefCell::new(Looks { count: 0, last: 0, place: String::new(), longest: 0, between: String::new() })
    };
}

fn watch(place: &'static Location<'static>) {
    LOOKS.with_borrow_mut(|looks| looks.look(place.to_string()));
}

#[test]
fn every_computation_looks_often() {
    let mut long = Vec::new();
    for looks::Computation { name, run } in looks::computations() {
        let start = work::done();
        let (place, between) = ("the start".to_owned(), String::new());
        LOOKS.set(Looks { count: 0, last: start, place, longest: 0, between });
        run(&Cancel::watched(watch));
        LOOKS.with_borrow_mut(|looks| {
            looks.look("the end".to_owned());
            let Looks { count, longest, between, .. } = looks;
            let done = work::done() - start;
            println!("{name}: {longest} of {done} units in {count} looks");
            assert!(*count > 1, "{name} never looks");
            if *longest > LONGEST_WAIT {
                long.push(format!("{name} does {longest} between {between}"));
            }
        });
    }
    assert!(long.is_empty(), "over {LONGEST_WAIT} units between two looks: {}", long.join("; "));
}
