//! What is done to the desk's rows for whoever calls, as the role that owns them.

use pgrx::prelude::*;

use crate::backend::as_role::switched_to;
use crate::backend::query::{self, Row};
use crate::backend::report::{Report, Result, SqlState};
use crate::backend::run_lock;

const OWN_LOCK: &str = "
    SELECT CASE WHEN $1 IS NULL THEN 'folio.run'::pg_catalog.regclass ELSE 'folio.portfolio'::pg_catalog.regclass END::pg_catalog.oid,
           $1 IS NULL OR EXISTS (
               SELECT FROM folio.portfolio AS p
               WHERE p.portfolio_id OPERATOR(pg_catalog.=) $1 AND pg_catalog.pg_has_role(p.owner, 'USAGE'))";

/// The lock of the runs of a portfolio that the caller may run, or of his forecasts.
pub fn lock_of(portfolio_id: Option<i32>) -> Result<run_lock::Key> {
    let found = query::first(OWN_LOCK, &[portfolio_id.into()], |row| Ok((row.oid(1), row.boolean(2))))?;
    let Some((Some(table), Some(true))) = found else {
        return Err(Report::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            "permission denied for the lock of a portfolio",
            "There is no such portfolio that you own.",
            "Its owner runs it; folio.portfolio lists those that you see.",
        ));
    };
    // SAFETY: a plain read.
    let user = unsafe { pg_sys::GetUserId() };
    Ok(run_lock::Key { table, number: portfolio_id.map_or(user.to_u32(), i32::cast_unsigned) })
}

const DELETE_PORTFOLIO: &str = "
    DELETE FROM folio.portfolio
    WHERE portfolio_id OPERATOR(pg_catalog.=) $1 AND pg_catalog.pg_has_role($2, owner, 'USAGE')";

/// Deletes a portfolio of the caller's with all that it has.
pub fn delete_portfolio(portfolio_id: i32) -> Result<()> {
    as_desk(|user| query::write(DELETE_PORTFOLIO, &[portfolio_id.into(), user.into()]))
}

/// The runs of a portfolio of a role's, or of its forecasts, that started before a time.
const OLD_RUNS: &str = "
    FROM folio.run
    WHERE started_at OPERATOR(pg_catalog.<) $3
      AND CASE WHEN $1 IS NULL THEN portfolio_id IS NULL AND pg_catalog.pg_has_role($2, run_by, 'USAGE')
               ELSE portfolio_id OPERATOR(pg_catalog.=) $1 AND EXISTS (
                   SELECT FROM folio.portfolio AS p
                   WHERE p.portfolio_id OPERATOR(pg_catalog.=) $1 AND pg_catalog.pg_has_role($2, p.owner, 'USAGE')) END";

/// Deletes such runs of the caller's; gives their number.
pub fn delete_runs(portfolio_id: Option<i32>, before: TimestampWithTimeZone) -> Result<i64> {
    as_desk(|user| {
        let arguments = [portfolio_id.into(), user.into(), before.into()];
        let count = format!("SELECT pg_catalog.count(*) {OLD_RUNS}");
        let count = query::first(&count, &arguments, |row| Ok(row.bigint(1)))?.flatten();
        query::write(&format!("DELETE {OLD_RUNS}"), &arguments)?;
        Ok(count.unwrap_or(0))
    })
}

/// The jobs of a role's portfolios, whoever made them.
const OWN_JOBS: &str = "
    FROM folio_internal.visible_jobs() AS job
    JOIN folio.portfolio AS p ON job.name OPERATOR(pg_catalog.=) folio_internal.job_name(p.portfolio_id)
    WHERE pg_catalog.pg_has_role($1, p.owner, 'USAGE')";

/// The jobs of the caller's portfolios: id, portfolio, schedule, user, whether it is active.
pub fn jobs<T>(each: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    let columns = "job.job_id, p.portfolio_id::pg_catalog.int8, job.schedule, job.username, job.active";
    as_desk(|user| query::all(&format!("SELECT {columns} {OWN_JOBS}"), &[user.into()], each))
}

/// Ends every job of a portfolio of the caller's; gives their number.
pub fn unschedule(portfolio_id: i32) -> Result<i64> {
    as_desk(|user| {
        let arguments = [user.into(), portfolio_id.into()];
        let own = format!("{OWN_JOBS} AND p.portfolio_id OPERATOR(pg_catalog.=) $2");
        let count = format!("SELECT pg_catalog.count(*) {own}");
        let count = query::first(&count, &arguments, |row| Ok(row.bigint(1)))?.flatten().unwrap_or(0);
        if count > 0 {
            query::write("SELECT folio_internal.unschedule($1)", &[portfolio_id.into()])?;
        }
        Ok(count)
    })
}

const DESK: &str = "
    SELECT relowner FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) 'folio.portfolio'::pg_catalog.regclass";

/// Works as the role that owns the desk's tables; the work gets the user who called. A user has no DELETE of his own, since
/// whoever may delete from a table may also lock it against everybody, and no sight of others' jobs.
fn as_desk<T>(work: impl FnOnce(pg_sys::Oid) -> Result<T>) -> Result<T> {
    let owner = query::first(DESK, &[], |row| Ok(row.oid(1)))?.flatten();
    let owner =
        owner.ok_or_else(|| Report::internal("the desk has no owner", "folio.portfolio is missing."))?;
    // SAFETY: a plain read; what is done to the desk's rows is for this user's only.
    unsafe {
        let user = pg_sys::GetUserId();
        switched_to(owner, || work(user))
    }
}
