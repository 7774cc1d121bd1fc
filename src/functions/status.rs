//! What the extension is doing now, over all sessions: the functions behind folio.pool_status and folio.progress.

use pgrx::pg_sys::Oid;
use pgrx::prelude::*;

use crate::backend::budget::{self, Activity};
use crate::backend::datum::Text;
use crate::backend::settings::Settings;

sql_function! {
    /// What every session computes now. Rows of other users are shown to members of pg_read_all_stats.
    #[pg_extern(volatile, parallel_restricted)]
    fn running_calls() given _arguments
    -> rows of call, started {
        pid: i32, database_oid: Oid = call.database, user_oid: Oid = call.user,
        started: TimestampWithTimeZone = started, phase: Text = Text(call.phase.name().to_owned()),
        threads: i32 = number(call.threads), running: i32 = number(call.running),
        tasks_total: i32 = number(call.tasks_total), tasks_done: i32 = number(call.tasks_done),
        tasks_failed: i32 = number(call.tasks_failed), cpu_ms: f64 = call.cpu.as_secs_f64() * 1e3,
    } {
        let started = |call: Activity| {
            let started = TimestampWithTimeZone::try_from(call.started).ok()?;
            Some((call, started))
        };
        let visible = |call: &Activity| may_see(call.user);
        Ok(budget::activity().into_iter().filter(visible).filter_map(started).collect::<Vec<_>>())
    }
}

/// The compute threads' slots: of the whole cluster if the library is preloaded, else of this session alone.
#[pg_extern(volatile, parallel_restricted)]
fn thread_slots()
-> TableIterator<'static, (name!(scope, Text), name!(max_threads, i32), name!(slots_in_use, Option<i32>))> {
    let row = match budget::slots() {
        Some(slots) => ("cluster", number(slots.max_threads), Some(number(slots.in_use))),
        None => ("session", number(Settings::read().threads_per_call as u32), None),
    };
    TableIterator::once((Text(row.0.to_owned()), row.1, row.2))
}

fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
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
