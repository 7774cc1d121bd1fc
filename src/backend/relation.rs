//! Which relation prices are read from, and whether it has the right columns. The relation is looked up and locked, never
//! opened: nothing has to be closed when an error passes.

use std::ffi::CString;

use folio_core::panel::Times;
use pgrx::pg_sys;

use super::encoding;
use super::report::{Report, Result, SqlState};
use super::server::{self, raw};

/// A relation whose columns were checked.
#[derive(Debug, Clone)]
pub struct PriceRelation {
    /// Its oid.
    pub oid: pg_sys::Oid,
    /// Its name, qualified and quoted where it must be.
    pub name: String,
    /// What its column ts has.
    pub times: Times,
}

/// A column that the relation must have, and what its type may be.
struct Column {
    name: &'static str,
    expected: &'static str,
    accepts: fn(pg_sys::Oid) -> bool,
}

const COLUMNS: [Column; 3] = [
    Column { name: "ticker", expected: "text, varchar, char, name or an enum", accepts: is_text_like },
    Column { name: "ts", expected: "date, timestamp or timestamptz", accepts: is_time },
    Column { name: "close", expected: "a number", accepts: is_number },
];

const LOCK: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;

impl PriceRelation {
    /// The relation with this oid, or else the one of this name in the caller's search_path, locked against changes.
    pub fn find(oid: Option<pg_sys::Oid>, default_name: &str) -> Result<PriceRelation> {
        let oid = match oid {
            Some(oid) => {
                // SAFETY: on the main thread inside a transaction; the lock goes with the transaction.
                unsafe { server::call(|| raw::LockRelationOid(oid, LOCK))? };
                oid
            }
            None => named(default_name)?,
        };
        let name = qualified_name(oid).ok_or_else(|| missing_oid(oid))?;
        check_kind(oid, &name)?;
        COLUMNS.iter().try_for_each(|column| column.check(oid, &name))?;
        Ok(PriceRelation { oid, name, times: times_of(oid) })
    }
}

/// What the column ts of a relation has that is known to have it.
fn times_of(oid: pg_sys::Oid) -> Times {
    // SAFETY: catalog look-ups on the main thread inside a transaction.
    let found = unsafe {
        let number = pg_sys::get_attnum(oid, c"ts".as_ptr());
        pg_sys::getBaseType(pg_sys::get_atttype(oid, number))
    };
    if found == pg_sys::TIMESTAMPTZOID { Times::Instants } else { Times::Written }
}

/// The relation that folio.prices names, in the search_path.
fn named(name: &str) -> Result<pg_sys::Oid> {
    look_up(name)?.ok_or_else(|| missing_relation(name))
}

/// The relation whose name a portfolio or a run has stored.
pub fn stored(name: &str) -> Result<pg_sys::Oid> {
    look_up(name)?.ok_or_else(|| missing_stored_relation(name))
}

/// The relation of this name, locked against changes, if there is one.
fn look_up(name: &str) -> Result<Option<pg_sys::Oid>> {
    let text = encoding::to_server(name)?;
    // SAFETY: on the main thread inside a transaction; catalog look-ups of a NUL-terminated name. A name that is not one
    // raises an error that says so.
    unsafe {
        let parts = pg_sys::textToQualifiedNameList(pg_sys::cstring_to_text(text.as_ptr()));
        let range = pg_sys::makeRangeVarFromNameList(parts);
        let missing_ok = pg_sys::RVROption::RVR_MISSING_OK;
        let oid = server::call(|| {
            raw::RangeVarGetRelidExtended(range, LOCK, missing_ok, None, std::ptr::null_mut())
        })?;
        Ok((oid != pg_sys::InvalidOid).then_some(oid))
    }
}

fn qualified_name(oid: pg_sys::Oid) -> Option<String> {
    // SAFETY: catalog look-ups on the main thread inside a transaction; NULL where there is no such relation.
    unsafe {
        let name = pg_sys::get_rel_name(oid);
        if name.is_null() {
            return None;
        }
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(oid));
        encoding::lossy(pg_sys::quote_qualified_identifier(schema, name))
    }
}

/// What rows can be read from: indexes, sequences and types are no relations of prices.
fn check_kind(oid: pg_sys::Oid, name: &str) -> Result<()> {
    // SAFETY: a catalog look-up on the main thread inside a transaction.
    let kind = unsafe { pg_sys::get_rel_relkind(oid) } as u8;
    if b"rpvmf".contains(&kind) {
        return Ok(());
    }
    Err(Report::new(
        SqlState::WRONG_OBJECT_TYPE,
        format!("{name} is no relation of prices"),
        "It is an index, a sequence or a type.",
        "Name a table, a view, a materialized view or a foreign table with the columns ticker, ts and close.",
    ))
}

impl Column {
    fn check(&self, relation: pg_sys::Oid, name: &str) -> Result<()> {
        let column = CString::new(self.name).unwrap_or_default();
        // SAFETY: catalog look-ups on the main thread inside a transaction.
        let found = unsafe {
            let number = pg_sys::get_attnum(relation, column.as_ptr());
            if number == 0 {
                return Err(missing_column(name, self.name));
            }
            pg_sys::get_atttype(relation, number)
        };
        // SAFETY: as above.
        if (self.accepts)(unsafe { pg_sys::getBaseType(found) }) {
            return Ok(());
        }
        Err(wrong_type(name, self, found))
    }
}

fn is_text_like(type_oid: pg_sys::Oid) -> bool {
    let (mut category, mut preferred) = (0, false);
    // SAFETY: a catalog lookup on the main thread; both pointers are valid.
    unsafe { pg_sys::get_type_category_preferred(type_oid, &mut category, &mut preferred) };
    [pg_sys::TYPCATEGORY_STRING, pg_sys::TYPCATEGORY_ENUM].contains(&(category as u8))
}

fn is_time(type_oid: pg_sys::Oid) -> bool {
    [pg_sys::DATEOID, pg_sys::TIMESTAMPOID, pg_sys::TIMESTAMPTZOID].contains(&type_oid)
}

fn is_number(type_oid: pg_sys::Oid) -> bool {
    use pg_sys::{FLOAT4OID, FLOAT8OID, INT2OID, INT4OID, INT8OID, NUMERICOID};
    [INT2OID, INT4OID, INT8OID, FLOAT4OID, FLOAT8OID, NUMERICOID].contains(&type_oid)
}

/// The way out of every problem with the relation.
fn view_hint(relation: &str) -> String {
    format!(
        "Make a view with the right names and types, for instance: CREATE VIEW my_prices AS SELECT symbol AS ticker, \
         day AS ts, adjusted_close AS close FROM {relation}; and set folio.prices = 'my_prices', or pass prices => 'my_prices'."
    )
}

fn missing_relation(relation: &str) -> Report {
    let path = search_path();
    let path = if path.is_empty() { "empty".to_owned() } else { path };
    let mut report = Report::new(
        SqlState::UNDEFINED_TABLE,
        format!("price relation \"{relation}\" does not exist"),
        format!(
            "folio.prices names it; it must have the columns ticker, ts and close. The search_path is {path}."
        ),
        view_hint("my_table"),
    );
    if !relation.contains('.') {
        report.hint = report.hint.map(|hint| {
            format!("If it is in a schema that is not in the search_path, name that too: folio.prices = 'schema.{relation}'. {hint}")
        });
    }
    report
}

fn missing_stored_relation(relation: &str) -> Report {
    let literal = relation.replace('\'', "''");
    Report::new(
        SqlState::UNDEFINED_TABLE,
        format!("price relation \"{relation}\" does not exist"),
        "A portfolio keeps the name of the relation that it was made with, and stored forecasts do; it was dropped or renamed.",
        format!(
            "Make it again, or name another with its schema: UPDATE folio.portfolio SET prices = 'schema.relation' WHERE \
             prices = '{literal}'. For forecasts without a portfolio pass prices => to folio.refresh_forecasts."
        ),
    )
}

fn search_path() -> String {
    // SAFETY: on the main thread; the setting exists in every server, and its text is copied at once.
    unsafe {
        let path = pg_sys::GetConfigOptionByName(c"search_path".as_ptr(), std::ptr::null_mut(), true);
        encoding::lossy(path).unwrap_or_default()
    }
}

fn missing_oid(oid: pg_sys::Oid) -> Report {
    Report::new(
        SqlState::UNDEFINED_TABLE,
        format!("price relation with OID {} does not exist", oid.to_u32()),
        "It was dropped, or the number was never one of a relation.",
        "Pass a relation by its name: prices => 'my_prices'.",
    )
}

fn missing_column(relation: &str, column: &str) -> Report {
    Report::new(
        SqlState::UNDEFINED_COLUMN,
        format!("column \"{column}\" of price relation {relation} does not exist"),
        "A price relation has the columns ticker, ts and close.",
        view_hint(relation),
    )
}

fn wrong_type(relation: &str, column: &Column, found: pg_sys::Oid) -> Report {
    // SAFETY: format_type_be returns a palloc'd C string for any oid.
    let found = unsafe { encoding::lossy(pg_sys::format_type_be(found)) }.unwrap_or_default();
    Report::new(
        SqlState::DATATYPE_MISMATCH,
        format!("column \"{}\" of price relation {relation} has type {found}", column.name),
        format!("Expected: {}.", column.expected),
        view_hint(relation),
    )
}

/// That the user may not read, with what to do.
pub fn no_privilege(relation: &str, cause: Report) -> Report {
    Report {
        detail: Some(format!("Prices are read as the calling user, from {relation}.")),
        hint: Some(format!("GRANT SELECT ON {relation} to this role. {}", view_hint(relation))),
        ..cause
    }
}
