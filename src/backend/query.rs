//! Every statement that the shell sends, by SPI, as the current user.
//!
//! Rows go to a function as the executor makes them: none is kept, so a query takes no more memory than its longest row, and
//! it can stop after any of them. How errors pass is said in [`super::server`].

use std::any::Any;
use std::ffi::{CString, c_int};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

use super::encoding;
use super::inject::{self, Point};
use super::memory;
use super::report::{Report, Result};
use super::server::{self, raw};
use super::snapshot::with_snapshot;

/// The most columns of a query of ours.
const MAX_COLUMNS: usize = 16;

/// Reads what the current user sees with the caller's snapshot; `each` gets every row until it breaks. Columns are text
/// (cast what else has no fixed length), booleans, numbers and times.
pub fn read(
    statement: &str,
    arguments: &[DatumWithOid<'_>],
    each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    with_snapshot(|| run(statement, arguments, true, each))
}

/// The first row that a query reads, as `row` makes it.
pub fn first<T>(
    statement: &str,
    arguments: &[DatumWithOid<'_>],
    mut row: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut first = None;
    read(statement, arguments, |found| {
        first = Some(row(found)?);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(first)
}

/// Every row that a query reads, as `row` makes it.
pub fn all<T>(
    statement: &str,
    arguments: &[DatumWithOid<'_>],
    mut row: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    read(statement, arguments, |found| {
        all.push(row(found)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(all)
}

/// Runs a statement that writes.
pub fn write(statement: &str, arguments: &[DatumWithOid<'_>]) -> Result<()> {
    with_snapshot(|| run(statement, arguments, false, |_| Ok(ControlFlow::Continue(()))))
}

/// How the server would run a query, for `look`, which keeps nothing of the plan. Nothing is run, and so no right is asked
/// for.
pub fn plan<T>(
    statement: &str,
    arguments: &[DatumWithOid<'_>],
    look: impl FnOnce(*mut pg_sys::Plan) -> Result<T>,
) -> Result<T> {
    with_snapshot(|| {
        let text = encoding::to_server(statement)?;
        inject::point(Point::Spi);
        let parameters = parameters(arguments);
        // SAFETY: on the main thread inside a transaction, with an active snapshot. The calls own nothing; SPI's level is one
        // for the memory that they take, and after an error it is left to the end of the (sub)transaction.
        let plan = unsafe { server::call(|| connect_and_plan(&text, parameters))? };
        let seen = look(plan)?;
        // SAFETY: as above.
        unsafe { server::call(|| raw::SPI_finish())? };
        Ok(seen)
    })
}

/// # Safety
/// As in [`plan`]; the statement is a query, which no rule makes several of.
unsafe fn connect_and_plan(text: &CString, parameters: pg_sys::ParamListInfo) -> *mut pg_sys::Plan {
    // SAFETY: as the caller promises: each list has one element.
    unsafe {
        raw::SPI_connect();
        let first = |list: *mut pg_sys::List| (*(*list).elements).ptr_value;
        let (setup, argument) = ((*parameters).parserSetup, (*parameters).parserSetupArg);
        let (text, parsed) = (text.as_ptr(), raw::pg_parse_query(text.as_ptr()));
        let nothing = std::ptr::null_mut();
        let queries =
            raw::pg_analyze_and_rewrite_withcb(first(parsed).cast(), text, setup, argument, nothing);
        let planned = raw::pg_plan_queries(queries, text, 0, parameters);
        (*first(planned).cast::<pg_sys::PlannedStmt>()).planTree
    }
}

fn run(
    statement: &str,
    arguments: &[DatumWithOid<'_>],
    read_only: bool,
    mut each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let text = encoding::to_server(statement)?;
    inject::point(Point::Spi);
    let mut receiver = Receiver::new(&mut each);
    let mut options =
        pg_sys::SPIExecuteOptions { params: parameters(arguments), read_only, ..Default::default() };
    options.dest = (&raw mut receiver).cast();
    // SAFETY: on the main thread inside a transaction, with an active snapshot. The calls own nothing; text, options and
    // receiver outlive them. After an error SPI's level is left to the end of the (sub)transaction.
    let code = unsafe { server::call(|| connect_and_execute(&text, &options)) };
    let code = code.map_err(|report| without_statement(report, statement))?;
    if let Some(panic) = receiver.panic.take() {
        resume_unwind(panic);
    }
    receiver.outcome?;
    // SAFETY: as above; the level is that of this function.
    let finished = unsafe { server::call(|| raw::SPI_finish())? };
    if code < 0 || finished < 0 {
        return Err(Report::internal("cannot run a statement", format!("SPI: {code}, {finished}.")));
    }
    Ok(())
}

/// Of where an error came from the user's functions are of use, not the statement that we sent: SPI's line about that is the
/// last one.
fn without_statement(report: Report, statement: &str) -> Report {
    let ours = format!("SQL statement \"{statement}\"");
    let theirs = |context: String| {
        let context = context.strip_suffix(&ours).unwrap_or(&context).trim_end();
        (!context.is_empty()).then(|| context.to_owned())
    };
    Report { context: report.context.and_then(theirs), ..report }
}

unsafe fn connect_and_execute(text: &CString, options: &pg_sys::SPIExecuteOptions) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        let code = raw::SPI_connect();
        if code < 0 { code } else { raw::SPI_execute_extended(text.as_ptr(), options) }
    }
}

fn parameters(arguments: &[DatumWithOid<'_>]) -> pg_sys::ParamListInfo {
    // SAFETY: the list has room for as many parameters as are written; their datums live as long as the arguments.
    unsafe {
        let list = pg_sys::makeParamList(arguments.len() as c_int);
        for (index, argument) in arguments.iter().enumerate() {
            let datum = argument.datum().map(|datum| datum.sans_lifetime());
            (*list).params.as_mut_ptr().add(index).write(pg_sys::ParamExternData {
                value: datum.unwrap_or(pg_sys::Datum::null()),
                isnull: datum.is_none(),
                pflags: pg_sys::PARAM_FLAG_CONST as u16,
                ptype: argument.oid(),
            });
        }
        list
    }
}

/// What `each` is, for the receiver.
type Each<'a> = &'a mut dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>>;

/// What the executor gives the rows to. The server sees the first field only.
#[repr(C)]
struct Receiver<'a> {
    base: pg_sys::DestReceiver,
    each: Each<'a>,
    outcome: Result<()>,
    panic: Option<Box<dyn Any + Send>>,
}

impl<'a> Receiver<'a> {
    fn new(each: Each<'a>) -> Receiver<'a> {
        unsafe extern "C-unwind" fn start(_: *mut pg_sys::DestReceiver, _: c_int, _: pg_sys::TupleDesc) {}
        unsafe extern "C-unwind" fn end(_: *mut pg_sys::DestReceiver) {}
        let base = pg_sys::DestReceiver {
            receiveSlot: Some(receive),
            rStartup: Some(start),
            rShutdown: Some(end),
            rDestroy: Some(end),
            mydest: pg_sys::CommandDest::DestNone,
        };
        Receiver { base, each, outcome: Ok(()), panic: None }
    }

    /// Gives a row to `each`; false when it wants no more.
    fn take(&mut self, row: &Row<'_>) -> bool {
        match catch_unwind(AssertUnwindSafe(|| (self.each)(row))) {
            Ok(Ok(_)) if memory::exhausted() => {
                self.outcome = Err(Report::out_of_memory());
                false
            }
            Ok(Ok(flow)) => flow.is_continue(),
            Ok(Err(report)) => {
                self.outcome = Err(report);
                false
            }
            Err(panic) => {
                self.panic = Some(panic);
                false
            }
        }
    }
}

/// A row arrives. Whatever may raise an ERROR comes before [`Receiver::take`], while nothing is there to be dropped.
unsafe extern "C-unwind" fn receive(
    slot: *mut pg_sys::TupleTableSlot,
    receiver: *mut pg_sys::DestReceiver,
) -> bool {
    let mut cells = [Cell::EMPTY; MAX_COLUMNS];
    // SAFETY: the executor's slot with as many attributes as its descriptor says; the receiver is the one of `run`.
    unsafe {
        let descriptor = (*slot).tts_tupleDescriptor;
        let count = (*descriptor).natts.min(MAX_COLUMNS as c_int);
        if c_int::from((*slot).tts_nvalid) < count {
            raw::slot_getsomeattrs_int(slot, count);
        }
        for (index, cell) in cells.iter_mut().take(count as usize).enumerate() {
            #[cfg(not(feature = "pg18"))]
            let attribute = (*descriptor).attrs.as_ptr().add(index);
            #[cfg(feature = "pg18")]
            let attribute = (*descriptor).compact_attrs.as_ptr().add(index);
            let (value, is_null) = (*(*slot).tts_values.add(index), *(*slot).tts_isnull.add(index));
            *cell = Cell::new(value, is_null, (*attribute).attlen == -1);
        }
        inject::point_in_executor();
        let goes_on = (*receiver.cast::<Receiver<'_>>()).take(&Row(&cells[..count as usize]));
        for cell in cells.iter().filter(|cell| cell.copied) {
            raw::pfree(cell.text.cast_mut().cast());
        }
        goes_on
    }
}

/// A value of a row: by value, or the bytes of a text.
#[derive(Clone, Copy)]
struct Cell {
    value: pg_sys::Datum,
    is_null: bool,
    text: *const pg_sys::varlena,
    copied: bool,
}

impl Cell {
    const EMPTY: Cell =
        Cell { value: pg_sys::Datum::null(), is_null: true, text: std::ptr::null(), copied: false };

    /// # Safety
    /// The datum is of a variable length if it is said to be. May raise an ERROR.
    unsafe fn new(value: pg_sys::Datum, is_null: bool, is_varlena: bool) -> Cell {
        let mut cell = Cell { value, is_null, ..Cell::EMPTY };
        if is_varlena && !is_null {
            let datum = value.cast_mut_ptr::<pg_sys::varlena>();
            // SAFETY: as the caller promises; the result is the datum itself or a copy.
            cell.text = unsafe { raw::pg_detoast_datum_packed(datum) };
            cell.copied = cell.text != datum.cast_const();
        }
        cell
    }
}

/// A row, whose columns count from 1.
pub struct Row<'a>(&'a [Cell]);

impl<'a> Row<'a> {
    /// A column without its NULL.
    fn cell(&self, column: usize) -> Option<&'a Cell> {
        self.0.get(column - 1).filter(|cell| !cell.is_null)
    }

    /// The bytes of a text, in the server's encoding.
    pub fn bytes(&self, column: usize) -> Option<&'a [u8]> {
        let cell = self.cell(column).filter(|cell| !cell.text.is_null())?;
        // SAFETY: detoasted, and alive until the row has been taken.
        unsafe {
            let (start, length) = (pgrx::vardata_any(cell.text), pgrx::varsize_any_exhdr(cell.text));
            Some(std::slice::from_raw_parts(start.cast(), length))
        }
    }

    /// A text.
    pub fn text(&self, column: usize) -> Result<Option<String>> {
        self.bytes(column).map(|bytes| Ok(encoding::from_server(bytes)?.into_owned())).transpose()
    }

    /// A number of type float8.
    pub fn float8(&self, column: usize) -> Option<f64> {
        self.cell(column).map(|cell| f64::from_bits(cell.value.value() as u64))
    }

    /// A bigint, or a time in microseconds as the server counts them.
    pub fn bigint(&self, column: usize) -> Option<i64> {
        self.cell(column).map(|cell| cell.value.value() as i64)
    }

    /// A boolean.
    pub fn boolean(&self, column: usize) -> Option<bool> {
        self.cell(column).map(|cell| cell.value.value() & 1 == 1)
    }

    /// An oid.
    pub fn oid(&self, column: usize) -> Option<pg_sys::Oid> {
        self.cell(column).map(|cell| pg_sys::Oid::from_u32(cell.value.value() as u32))
    }
}
