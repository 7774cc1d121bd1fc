//! Texts of the server and of Rust: a database may have another encoding than UTF-8, which is all that Rust knows.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int};

use pgrx::pg_sys;

const UTF8: c_int = pg_sys::pg_enc::PG_UTF8 as c_int;

/// The longest a character becomes in any of the server's encodings (MAX_CONVERSION_GROWTH in pg_wchar.h).
const MAX_GROWTH: usize = 4;

/// Whether texts have to be converted at all.
fn is_utf8() -> bool {
    // SAFETY: a plain read of a global that is set before any query runs.
    unsafe { pg_sys::GetDatabaseEncoding() == UTF8 }
}

/// A text of the server.
pub fn from_server(bytes: &[u8]) -> Result<Cow<'_, str>, NotText> {
    if is_utf8() || bytes.is_ascii() {
        return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| not_a_text(bytes));
    }
    let length = c_int::try_from(bytes.len()).map_err(|_| not_a_text(bytes))?;
    // SAFETY: on the main thread; the result is the argument or a NUL-terminated copy, which lives as long as the context.
    let converted = unsafe {
        let copy = pg_sys::pg_server_to_any(bytes.as_ptr().cast(), length, UTF8);
        if copy.cast_const() == bytes.as_ptr().cast() {
            return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| not_a_text(bytes));
        }
        let text = CStr::from_ptr(copy).to_string_lossy().into_owned();
        pg_sys::pfree(copy.cast());
        text
    };
    Ok(Cow::Owned(converted))
}

/// A text of the server in which what cannot be read is replaced: for what a user reads only.
pub fn from_server_lossy(bytes: &[u8]) -> String {
    let text = if is_utf8() { Cow::Borrowed(bytes) } else { Cow::Owned(converted(bytes, true).0) };
    String::from_utf8_lossy(&text).into_owned()
}

/// A text for the server in which what its encoding does not have becomes a question mark. Ends at the first NUL.
pub fn to_server_lossy(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    let bytes = if is_utf8() || text.is_ascii() { text.into() } else { convert_to_server(text) };
    CString::new(bytes).unwrap_or_default()
}

/// A text for the server.
pub fn to_server(text: &str) -> Result<CString, NotText> {
    let server = to_server_lossy(text);
    let kept = !text.contains('\0')
        && (is_utf8() || text.is_ascii() || from_server_lossy(server.as_bytes()) == text);
    if kept { Ok(server) } else { Err(not_a_text(text.as_bytes())) }
}

fn convert_to_server(text: &str) -> Vec<u8> {
    let mut server = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (bytes, read) = converted(rest.as_bytes(), false);
        server.extend(bytes);
        rest = rest.get(read..).unwrap_or_default();
        let mut letters = rest.chars();
        if letters.next().is_some() {
            server.push(b'?');
        }
        rest = letters.as_str();
    }
    server
}

/// As much of a text as can be converted, and how many of its bytes that are. Raises nothing for a bad text.
fn converted(bytes: &[u8], from_server: bool) -> (Vec<u8>, usize) {
    // SAFETY: on the main thread; the buffers are as long as they are said to be.
    unsafe {
        let server = pg_sys::GetDatabaseEncoding();
        let (from, to) = if from_server { (server, UTF8) } else { (UTF8, server) };
        let procedure = pg_sys::FindDefaultConversionProc(from, to);
        if procedure == pg_sys::InvalidOid {
            // SQL_ASCII: bytes without a meaning.
            return (bytes.to_vec(), bytes.len());
        }
        let mut source = bytes.to_vec();
        source.push(0);
        let mut target = vec![0_u8; MAX_GROWTH * bytes.len() + 1];
        let read = pg_sys::pg_do_encoding_conversion_buf(
            procedure,
            from,
            to,
            source.as_mut_ptr(),
            c_int::try_from(bytes.len()).unwrap_or(c_int::MAX),
            target.as_mut_ptr(),
            c_int::try_from(target.len()).unwrap_or(c_int::MAX),
            true,
        );
        let length = target.iter().position(|byte| *byte == 0).unwrap_or(0);
        target.truncate(length);
        (target, usize::try_from(read).unwrap_or(0))
    }
}

/// The pointer of a C string as a text that a user reads.
///
/// # Safety
/// NULL, or a NUL-terminated string.
pub unsafe fn lossy(text: *const c_char) -> Option<String> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| from_server_lossy(unsafe { CStr::from_ptr(text) }.to_bytes()))
}

/// A text that cannot be converted between the server's encoding and UTF-8.
#[derive(Debug)]
pub struct NotText {
    /// How it begins.
    pub begin: String,
    /// Its length.
    pub bytes: usize,
}

fn not_a_text(bytes: &[u8]) -> NotText {
    let begin = String::from_utf8_lossy(bytes).chars().take(MAX_SHOWN).collect();
    NotText { begin, bytes: bytes.len() }
}

/// How much of a bad text an error shows.
const MAX_SHOWN: usize = 40;
