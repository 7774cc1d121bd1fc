//! Arrays of float8 and of text between SQL and the engine, with their shapes checked.

use std::ptr::NonNull;

use ndarray::{Array1, Array2};
use pgrx::array::RawArray;
use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::prelude::*;
use pgrx::{Array, pg_sys};

use super::datum::limited;
use super::report::{Report, Result, SqlState};

/// A vector from a one-dimensional array.
pub fn vector(argument: &str, array: Array<'_, f64>) -> Result<Array1<f64>> {
    let (values, shape) = values_and_shape(argument, array)?;
    match shape[..] {
        [] | [_] => Ok(Array1::from(values)),
        _ => Err(wrong_shape(argument, &shape, "one dimension")),
    }
}

/// A matrix from a two-dimensional array, each inner array a row. An empty array is a matrix without rows.
pub fn matrix(argument: &str, array: Array<'_, f64>, columns: usize) -> Result<Array2<f64>> {
    let (values, shape) = values_and_shape(argument, array)?;
    let wrong = || wrong_shape(argument, &shape, &format!("two dimensions, each row with {columns} numbers"));
    match shape[..] {
        [] => Ok(Array2::zeros((0, columns))),
        [rows, found] if found == columns => {
            Array2::from_shape_vec((rows, found), values).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

/// A matrix from a two-dimensional array with rows of any length.
pub fn table(argument: &str, array: Array<'_, f64>) -> Result<Array2<f64>> {
    let (values, shape) = values_and_shape(argument, array)?;
    let wrong = || wrong_shape(argument, &shape, "two dimensions");
    match shape[..] {
        [] => Ok(Array2::zeros((0, 0))),
        [rows, columns] => Array2::from_shape_vec((rows, columns), values).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// A square matrix, given as one or by its diagonal.
pub fn matrix_or_diagonal(argument: &str, array: Array<'_, f64>) -> Result<Array2<f64>> {
    let (values, shape) = values_and_shape(argument, array)?;
    let wrong = || wrong_shape(argument, &shape, "one dimension (a diagonal), or two of the same length");
    match shape[..] {
        [] => Ok(Array2::zeros((0, 0))),
        [_] => Ok(Array2::from_diag(&Array1::from(values))),
        [rows, columns] if rows == columns => {
            Array2::from_shape_vec((rows, columns), values).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

/// That an array was not given.
pub fn missing(argument: &str) -> Report {
    Report::new(
        SqlState::NULL_VALUE_NOT_ALLOWED,
        format!("{argument} must not be NULL"),
        "There is nothing to compute from.",
        "Leave out the rows without one: WHERE ... IS NOT NULL.",
    )
}

fn values_and_shape(argument: &str, array: Array<'_, f64>) -> Result<(Vec<f64>, Vec<usize>)> {
    limited(ARRAY_COPIES * size_of::<f64>() * array.len())?;
    let values: Option<Vec<f64>> = array.iter().collect();
    let values = values.ok_or_else(|| {
        let hint = "Leave out what is unknown, or estimate it.";
        let message = format!("{argument} must not contain NULL");
        Report::new(SqlState::NULL_VALUE_NOT_ALLOWED, message, "An element of the array is NULL.", hint)
    })?;
    // SAFETY: the pointer is that of the array argument, which lives as long as the call.
    let dimensions = NonNull::new(array.into_array_type().cast_mut())
        .map(|array| unsafe { RawArray::from_ptr(array) }.dims().to_vec())
        .unwrap_or_default();
    Ok((values, dimensions.into_iter().map(|length| usize::try_from(length).unwrap_or(0)).collect()))
}

/// An array of numbers, its vector and its matrix.
const ARRAY_COPIES: usize = 3;

fn wrong_shape(argument: &str, shape: &[usize], expected: &str) -> Report {
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    Report::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("{argument} has the wrong shape"),
        format!("Given: {}. Expected: {expected}.", lengths.join(" x ")),
        "Write a matrix as an array of rows: ARRAY[[0.04, 0.01], [0.01, 0.09]].",
    )
}

/// A matrix on its way out: float8[][], each inner array a row.
pub struct MatrixDatum(pub Array2<f64>);

impl IntoDatum for MatrixDatum {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let (rows, columns) = self.0.dim();
        let mut elements: Vec<pg_sys::Datum> = self.0.iter().filter_map(|value| value.into_datum()).collect();
        let mut lengths = [i32::try_from(rows).ok()?, i32::try_from(columns).ok()?];
        let mut lower_bounds = [1, 1];
        // SAFETY: the pointers are to as many elements as the lengths say; float8 has 8 bytes, is passed by value and
        // is aligned to doubles on every platform with 64-bit datums, the only ones pgrx supports.
        let array = unsafe {
            pg_sys::construct_md_array(
                elements.as_mut_ptr(),
                std::ptr::null_mut(),
                2,
                lengths.as_mut_ptr(),
                lower_bounds.as_mut_ptr(),
                pg_sys::FLOAT8OID,
                8,
                true,
                b'd' as std::ffi::c_char,
            )
        };
        Some(pg_sys::Datum::from(array))
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::FLOAT8ARRAYOID
    }
}

// SAFETY: hands on the datum that into_datum makes.
unsafe impl BoxRet for MatrixDatum {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        match self.into_datum() {
            // SAFETY: the datum is a float8 array in the current memory context.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

// SAFETY: into_datum makes what the declared SQL type says.
unsafe impl SqlTranslatable for MatrixDatum {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(MatrixDatum);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: std::result::Result<SqlMappingRef, ArgumentError> =
        Ok(SqlMappingRef::literal("float8[]"));
    const RETURN_SQL: std::result::Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("float8[]")));
}
