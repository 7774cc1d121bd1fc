//! The types of SQL's arguments and results that pgrx' own do not serve: theirs panic at a database that is not in UTF-8, at
//! jsonb that serde cannot read, and copy whatever comes before anybody has counted it.

use std::ffi::{CStr, CString, c_int};

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::{Datum, FromDatum, IntoDatum};
use pgrx::nullable::Nullable;
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use serde_json::Value;

use super::bounded::bounded;
use super::encoding;
use super::report::{Report, Result, SqlState, or_raise};
use super::settings::Settings;

/// How much memory a jsonb takes once it is read, in its own size: a digit and a comma become a number of 32 bytes.
const JSON_GROWTH: usize = 16;

/// What a name takes beside its letters: the string, its place in the list, in a set and in a panel.
const NAME_BYTES: usize = 160;

/// A text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(pub String);

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(text)
    }
}

/// A list of names, which may be NULL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names(pub Vec<Option<String>>);

/// A jsonb.
#[derive(Debug, Clone, PartialEq)]
pub struct Json(pub Value);

/// A numeric, as its digits: exact, and of any length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numeric(pub String);

/// A regclass: the relation is not opened, so that nothing has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Regclass(pub pg_sys::Oid);

/// The bytes of a value of variable length, detoasted.
///
/// # Safety
/// The datum is such a value; the bytes live as long as the memory context.
unsafe fn bytes<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: as the caller promises.
    unsafe {
        let varlena = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
        std::slice::from_raw_parts(pgrx::vardata_any(varlena).cast(), pgrx::varsize_any_exhdr(varlena))
    }
}

/// Fails where something would take more than folio.memory_limit.
pub fn limited(need_bytes: usize) -> Result<()> {
    let limit_bytes = Settings::read().memory_limit;
    if need_bytes > limit_bytes {
        return Err(folio_core::Error::MemoryLimit { need_bytes, limit_bytes }.into());
    }
    Ok(())
}

impl FromDatum for Text {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Text> {
        (!is_null).then(|| {
            // SAFETY: a text, as the function is declared.
            let text = encoding::from_server(unsafe { bytes(datum) });
            Text(or_raise(text.map_err(Report::from)).into_owned())
        })
    }
}

impl FromDatum for Names {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Names> {
        // SAFETY: a text[], as the function is declared.
        (!is_null).then(|| or_raise(unsafe { names(datum) }))
    }
}

/// # Safety
/// The datum is a text[].
unsafe fn names(datum: pg_sys::Datum) -> Result<Names> {
    // SAFETY: as the caller promises; deconstruct_array makes as many elements as it says.
    unsafe {
        let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
        let dimensions = array.add(1).cast::<c_int>();
        let count = pg_sys::ArrayGetNItems((*array).ndim, dimensions);
        let count = usize::try_from(count).unwrap_or(0);
        limited(count * NAME_BYTES + pgrx::varsize_any(array.cast()))?;
        let (mut elements, mut nulls, mut length) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
        pg_sys::deconstruct_array(
            array,
            pg_sys::TEXTOID,
            -1,
            false,
            pg_sys::TYPALIGN_INT as _,
            &mut elements,
            &mut nulls,
            &mut length,
        );
        let name = |index: usize| {
            if *nulls.add(index) {
                return Ok(None);
            }
            Ok(Some(encoding::from_server(bytes(*elements.add(index)))?.into_owned()))
        };
        let names = (0..count).map(name).collect::<Result<_>>()?;
        if count > 0 {
            pg_sys::pfree(elements.cast());
            pg_sys::pfree(nulls.cast());
        }
        Ok(Names(names))
    }
}

impl FromDatum for Json {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Json> {
        // SAFETY: a jsonb, as the function is declared.
        (!is_null).then(|| or_raise(unsafe { json(datum) }))
    }
}

/// # Safety
/// The datum is a jsonb.
unsafe fn json(datum: pg_sys::Datum) -> Result<Json> {
    // SAFETY: as the caller promises; JsonbToCString makes a NUL-terminated text.
    let text = unsafe {
        let jsonb = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::Jsonb>();
        let size = pgrx::varsize_any(jsonb.cast());
        limited(size.saturating_mul(JSON_GROWTH))?;
        let container = &raw mut (*jsonb).root;
        CStr::from_ptr(pg_sys::JsonbToCString(std::ptr::null_mut(), container, size as c_int))
    };
    let text_of_json = encoding::from_server(text.to_bytes())?;
    let value = serde_json::from_str(&text_of_json).map_err(|cause| unreadable(&cause, &text_of_json));
    // SAFETY: made above, and not used any more.
    unsafe { pg_sys::pfree(text.as_ptr().cast_mut().cast()) };
    Ok(Json(value?))
}

fn unreadable(cause: &serde_json::Error, text: &str) -> Report {
    Report::new(
        SqlState::INVALID_PARAMETER_VALUE,
        "a jsonb argument cannot be read",
        format!("{cause} of {}.", bounded(text, MAX_SHOWN, 0)),
        "Numbers must be within the range of float8, and values at most 127 levels deep.",
    )
}

/// How much of a jsonb an error shows.
const MAX_SHOWN: usize = 80;

impl IntoDatum for Text {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let text = or_raise(encoding::to_server(&self.0).map_err(Report::from));
        // SAFETY: the bytes are as many as are said; the result is a copy.
        let text = unsafe {
            pg_sys::cstring_to_text_with_len(text.as_ptr(), c_int::try_from(text.as_bytes().len()).ok()?)
        };
        Some(pg_sys::Datum::from(text))
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

impl IntoDatum for Json {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let text = or_raise(encoding::to_server(&self.0.to_string()).map_err(Report::from));
        // SAFETY: jsonb_in takes a C string.
        unsafe { pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(text.as_ptr().into())]) }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

impl IntoDatum for Numeric {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let digits = CString::new(self.0).ok()?;
        let (any_type, any_length) = (pg_sys::Datum::from(pg_sys::InvalidOid), pg_sys::Datum::from(-1));
        let arguments = [Some(digits.as_ptr().into()), Some(any_type), Some(any_length)];
        // SAFETY: numeric_in takes a C string, an oid that it does not look at, and the type's modifier.
        unsafe { pgrx::direct_function_call_as_datum(pg_sys::numeric_in, &arguments) }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::NUMERICOID
    }
}

// SAFETY: into_datum makes a numeric.
unsafe impl SqlTranslatable for Numeric {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Numeric);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: std::result::Result<SqlMappingRef, ArgumentError> =
        Ok(SqlMappingRef::literal("numeric"));
    const RETURN_SQL: std::result::Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("numeric")));
}

impl FromDatum for Regclass {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        _: pg_sys::Oid,
    ) -> Option<Regclass> {
        (!is_null).then(|| Regclass(pg_sys::Oid::from_u32(datum.value() as u32)))
    }
}

/// Lets a type be an argument of a SQL function, of this type in SQL.
macro_rules! argument {
    ($($type:ident: $sql:literal),*) => {$(
        // SAFETY: takes the datum of the SQL type that it is declared with.
        unsafe impl<'fcx> ArgAbi<'fcx> for $type {
            unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
                // SAFETY: as the caller promises.
                match unsafe { arg.unbox_arg_using_from_datum() } {
                    Some(value) => value,
                    None => or_raise(Err(null_argument())),
                }
            }

            unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
                // SAFETY: as the caller promises.
                unsafe { arg.unbox_arg_using_from_datum() }.into()
            }
        }

        // SAFETY: from_datum and into_datum are of this SQL type.
        unsafe impl SqlTranslatable for $type {
            const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!($type);
            const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
            const ARGUMENT_SQL: std::result::Result<SqlMappingRef, ArgumentError> =
                Ok(SqlMappingRef::literal($sql));
            const RETURN_SQL: std::result::Result<ReturnsRef, ReturnsError> =
                Ok(ReturnsRef::One(SqlMappingRef::literal($sql)));
        }
    )*};
}

/// Lets a type be the result of a SQL function.
macro_rules! result {
    ($($type:ident),*) => {$(
        // SAFETY: hands on the datum that into_datum makes.
        unsafe impl BoxRet for $type {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
                match self.into_datum() {
                    // SAFETY: the datum is of the declared type, in the current memory context.
                    Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
                    None => fcinfo.return_null(),
                }
            }
        }
    )*};
}

argument!(Text: "text", Names: "text[]", Json: "jsonb", Regclass: "regclass");
result!(Text, Json, Numeric);

fn null_argument() -> Report {
    Report::new(
        SqlState::NULL_VALUE_NOT_ALLOWED,
        "an argument must not be NULL",
        "Given: NULL.",
        "Give a value: the argument has no default.",
    )
}
