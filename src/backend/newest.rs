//! Whether an index gives the newest prices of each ticker, so that a long table is not read whole.
//!
//! The planner is asked how it would read those of one ticker: it knows what views stand on, which partitions there are, what
//! row security adds, and how many rows a ticker has. Whatever the answer, the rows are the same.

use pgrx::pg_sys;

use super::query;
use super::relation::PriceRelation;
use super::report::Result;
use super::selection::Selection;
use super::server::{self, raw};

/// A table of fewer rows is read whole in less time than a plan takes.
const FEW_ROWS: f32 = 10_000.0;

/// What a row costs that an index finds, in rows that come one after the other: it is read once for all rows where the
/// tickers' rows lie together, and from a page of its own where days do.
const COST_OF_A_ROW: f64 = 3.0;

/// What it costs to begin with a ticker, or to look for the next one, in an index, in the same rows.
const COST_OF_A_TICKER: f64 = 100.0;

/// Whether it is worth while to read each ticker's newest rows by an index.
pub fn by_index(source: &PriceRelation, selection: &Selection) -> Result<bool> {
    if !may_have_one(source.oid) {
        return Ok(false);
    }
    let (statement, arguments) = selection.newest_of_one(source);
    query::plan(&statement, &arguments, |plan| {
        // SAFETY: the planner's own tree.
        let Some(scan) = (unsafe { scan_of(plan) }) else { return Ok(false) };
        let read = scan.rows.min(selection.history as f64);
        let worth_while = COST_OF_A_ROW * read + COST_OF_A_TICKER * scan.indexes <= scan.rows;
        // Elsewhere a ticker may equal another, whose rows are not its own.
        // SAFETY: a catalog lookup on the main thread.
        Ok(worth_while && unsafe { server::call(|| raw::get_collation_isdeterministic(scan.collation))? })
    })
}

/// Whether a relation may have an index and enough rows for it: what can be known without a plan.
fn may_have_one(oid: pg_sys::Oid) -> bool {
    // SAFETY: a lookup in the catalog's cache on the main thread; the tuple is given back.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as _, oid.into());
        if tuple.is_null() {
            return false;
        }
        let class = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
        let is_table = b"rm".contains(&(class.relkind as u8)) && !class.relhassubclass;
        let has_few_rows = (0.0..FEW_ROWS).contains(&class.reltuples);
        let may = match class.relkind as u8 {
            b'f' => false,
            _ if is_table => class.relhasindex && !has_few_rows,
            _ => true,
        };
        pg_sys::ReleaseSysCache(tuple);
        may
    }
}

/// How the rows of a ticker are found, newest first, in indexes alone.
struct Scan {
    /// How many rows the planner thinks a ticker has.
    rows: f64,
    /// How many indexes there are: one for each partition.
    indexes: f64,
    /// The collation by which tickers are equal.
    collation: pg_sys::Oid,
}

/// Whether partitions are left out as soon as a ticker is known.
macro_rules! is_pruned {
    ($append:ident) => {{
        #[cfg(not(feature = "pg18"))]
        let pruned = !(*$append).part_prune_info.is_null();
        #[cfg(feature = "pg18")]
        let pruned = (*$append).part_prune_index >= 0;
        pruned
    }};
}

/// The scan below a plan's LIMIT; None where something else is needed to find the newest rows, a sort or all rows.
///
/// # Safety
/// A tree of the planner's.
unsafe fn scan_of(plan: *mut pg_sys::Plan) -> Option<Scan> {
    // SAFETY: a node's tag says which type it is of.
    unsafe {
        match (*plan).type_ {
            pg_sys::NodeTag::T_Limit => scan_of((*plan).lefttree),
            pg_sys::NodeTag::T_Result if !(*plan).lefttree.is_null() => scan_of((*plan).lefttree),
            pg_sys::NodeTag::T_IndexScan => of_index(plan, (*plan.cast::<pg_sys::IndexScan>()).indexqual),
            pg_sys::NodeTag::T_IndexOnlyScan => {
                of_index(plan, (*plan.cast::<pg_sys::IndexOnlyScan>()).indexqual)
            }
            pg_sys::NodeTag::T_Append => {
                let append = plan.cast::<pg_sys::Append>();
                of_all((*append).appendplans, is_pruned!(append))
            }
            pg_sys::NodeTag::T_MergeAppend => {
                let append = plan.cast::<pg_sys::MergeAppend>();
                of_all((*append).mergeplans, is_pruned!(append))
            }
            _ => None,
        }
    }
}

/// The scans of partitions together. Where they are pruned as a ticker is known, its rows are in one of them.
unsafe fn of_all(plans: *mut pg_sys::List, pruned: bool) -> Option<Scan> {
    // SAFETY: a list of plans.
    let scans = unsafe { elements(plans).iter().map(|plan| scan_of(plan.ptr_value.cast())) };
    let together = |all: Scan, scan: Scan| Scan {
        rows: if pruned { all.rows.max(scan.rows) } else { all.rows + scan.rows },
        indexes: all.indexes + scan.indexes,
        ..all
    };
    let scans: Vec<Scan> = scans.collect::<Option<_>>()?;
    let same = scans.windows(2).all(|pair| pair[0].collation == pair[1].collation);
    scans.into_iter().reduce(together).filter(|_| same)
}

/// The scan of an index whose first column is the ticker. Another, on time and ticker, would be read whole for each.
unsafe fn of_index(plan: *mut pg_sys::Plan, conditions: *mut pg_sys::List) -> Option<Scan> {
    // SAFETY: a list of expressions, of which operators have two arguments here.
    unsafe {
        let ticker = elements(conditions).iter().find_map(|condition| {
            let condition = condition.ptr_value.cast::<pg_sys::OpExpr>();
            if (*condition).xpr.type_ != pg_sys::NodeTag::T_OpExpr {
                return None;
            }
            let [column, value] = elements((*condition).args) else { return None };
            let column = column.ptr_value.cast::<pg_sys::Var>();
            let value = value.ptr_value.cast::<pg_sys::Param>();
            let is_first =
                (*column).xpr.type_ == pg_sys::NodeTag::T_Var && (*column).varattno == FIRST_COLUMN;
            let is_asked = (*value).xpr.type_ == pg_sys::NodeTag::T_Param
                && (*value).paramkind == pg_sys::ParamKind::PARAM_EXEC;
            (is_first && is_asked).then_some((*condition).inputcollid)
        });
        Some(Scan { rows: (*plan).plan_rows, indexes: 1.0, collation: ticker? })
    }
}

/// The first column of an index, in its scan's conditions.
const FIRST_COLUMN: pg_sys::AttrNumber = 1;

/// The elements of a list, which may be the empty one.
///
/// # Safety
/// A list of the server's, or NULL.
unsafe fn elements<'a>(list: *mut pg_sys::List) -> &'a [pg_sys::ListCell] {
    if list.is_null() {
        return &[];
    }
    // SAFETY: as long as it says.
    unsafe { std::slice::from_raw_parts((*list).elements, (*list).length as usize) }
}
