//! What the extension is doing now, over all sessions: the functions behind folio.pool_status and folio.progress.

use pgrx::prelude::*;

use crate::backend::budget::{self, Activity};
use crate::backend::datum::Text;
use crate::backend::settings::Settings;

/// What every session computes now. Rows of other users are shown to members of pg_read_all_stats.
#[pg_extern(volatile, parallel_restricted)]
#[allow(clippy::type_complexity, reason = "the columns of the SQL function")]
fn running_calls() -> TableIterator<
    'static,
    (
        name!(pid, i32),
        name!(database_oid, pg_sys::Oid),
        name!(user_oid, pg_sys::Oid),
        name!(started, TimestampWithTimeZone),
        name!(phase, Text),
        name!(threads, i32),
        name!(running, i32),
        name!(tasks_total, i32),
        name!(tasks_done, i32),
        name!(tasks_failed, i32),
        name!(cpu_ms, f64),
    ),
> {
    let row = |call: Activity| {
        let started = TimestampWithTimeZone::try_from(call.started).ok()?;
        let phase = Text(call.phase.name().to_owned());
        let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let (threads, running) = (number(call.threads), number(call.running));
        let (total, done, failed) =
            (number(call.tasks_total), number(call.tasks_done), number(call.tasks_failed));
        let cpu_ms = call.cpu.as_secs_f64() * 1e3;
        Some((
            call.pid,
            call.database,
            call.user,
            started,
            phase,
            threads,
            running,
            total,
            done,
            failed,
            cpu_ms,
        ))
    };
    let visible = |call: &Activity| may_see(call.user);
    TableIterator::new(budget::activity().into_iter().filter(visible).filter_map(row).collect::<Vec<_>>())
}

/// The compute threads' slots: of the whole cluster if the library is preloaded, else of this session alone.
#[pg_extern(volatile, parallel_restricted)]
fn thread_slots()
-> TableIterator<'static, (name!(scope, Text), name!(max_threads, i32), name!(slots_in_use, Option<i32>))> {
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let row = match budget::slots() {
        Some(slots) => ("cluster", number(slots.max_threads as usize), Some(number(slots.in_use as usize))),
        None => ("session", number(Settings::read().threads_per_call), None),
    };
    TableIterator::once((Text(row.0.to_owned()), row.1, row.2))
}

/// The rule of pg_stat_activity.
fn may_see(user: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups on the main thread.
    unsafe {
        let me = pg_sys::GetUserId();
        pg_sys::has_privs_of_role(me, user) || pg_sys::has_privs_of_role(me, PG_READ_ALL_STATS)
    }
}

/// The fixed oid of the role pg_read_all_stats (pg_authid.dat), whose constant has another name before Postgres 14.
const PG_READ_ALL_STATS: pg_sys::Oid = pg_sys::Oid::from_u32(3375);
