//! Work with the rights of another role: what reads the prices that somebody else has named.
//!
//! The way of VACUUM and REFRESH MATERIALIZED VIEW: the user is switched in a restricted operation, in which nothing can
//! switch it back or leave something behind that runs later as the session's own user, and the settings that code of that
//! role's has changed are taken back. After an error, ours too, the abort of the transaction or subtransaction restores the
//! user and the settings, so nothing here runs while one passes.

use pgrx::pg_sys;

use super::report::{Report, Result, SqlState};

/// Does the work as `role`, of which the current user must be a member.
pub fn as_role<T>(role: pg_sys::Oid, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let name = name_of(role).ok_or_else(|| no_such_role(role))?;
    // SAFETY: catalog lookups on the main thread inside a transaction.
    if !unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), role) } {
        return Err(Report::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied to act as role \"{name}\""),
            "Prices are read with the rights of the role that owns the portfolio, or made the forecasts.",
            format!("A member of that role may: GRANT \"{name}\" TO the user."),
        ));
    }
    // SAFETY: the role exists, and the user may act as it.
    unsafe { switched_to(role, work) }
}

/// Does the work as `role`, whoever the current user is.
///
/// # Safety
/// The caller has to know that the current user may have done to him what the work does.
pub unsafe fn switched_to<T>(role: pg_sys::Oid, work: impl FnOnce() -> Result<T>) -> Result<T> {
    const RESTRICTED: i32 =
        (pg_sys::SECURITY_RESTRICTED_OPERATION | pg_sys::SECURITY_LOCAL_USERID_CHANGE) as i32;
    let (mut user, mut context) = (pg_sys::InvalidOid, 0);
    // SAFETY: on the main thread inside a transaction; both pointers are valid, and the ordinary way out restores both.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::SetUserIdAndSecContext(role, context | RESTRICTED);
        let result = work().map_err(Report::unmasked)?;
        pg_sys::AtEOXact_GUC(false, level);
        pg_sys::SetUserIdAndSecContext(user, context);
        Ok(result)
    }
}

/// The role's name, if there is one.
fn name_of(role: pg_sys::Oid) -> Option<String> {
    // SAFETY: a catalog lookup on the main thread; the name is a palloc'd C string or NULL.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        (!name.is_null()).then(|| std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

fn no_such_role(role: pg_sys::Oid) -> Report {
    Report::new(
        SqlState::UNDEFINED_OBJECT,
        format!("role with OID {} does not exist", role.to_u32()),
        "It owned the portfolio, or made the forecasts, and was dropped.",
        "As a superuser: UPDATE folio.portfolio SET owner = 'another_role' WHERE name = ...",
    )
}
