//! Every setting: its name, unit, range, default and text; read once per call into a plain [`Settings`].

use std::ffi::{CString, c_int, c_void};
use std::time::Duration;

use folio_core::calendar::zone::Zone;
use folio_core::forecast::DEFAULT_SEED;
use folio_core::frequency::{MAX_PERIODS_PER_YEAR, PeriodsPerYear};
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, pg_sys};

static PRICES: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"prices"));
static HISTORY: GucSetting<i32> = GucSetting::<i32>::new(1000);
static MODELS: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"all"));
static PERIODS_PER_YEAR: GucSetting<f64> = GucSetting::<f64>::new(0.0);
static TIME_ZONE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static THREADS_PER_CALL: GucSetting<i32> = GucSetting::<i32>::new(0);
static MAX_THREADS_SETTING: GucSetting<i32> = GucSetting::<i32>::new(0);
static MEMORY_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(DEFAULT_MEMORY_MEGABYTES);
static MAX_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(0);
static MAX_MEMORY_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(DEFAULT_MAX_MEMORY_LIMIT);
static MAX_THREADS_PER_CALL: GucSetting<i32> = GucSetting::<i32>::new(0);
static REFRESH_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(DEFAULT_REFRESH_MILLISECONDS);
static PROGRESS_NOTICES: GucSetting<bool> = GucSetting::<bool>::new(true);
static SEED: GucSetting<i32> = GucSetting::<i32>::new(DEFAULT_SEED as i32);

/// More threads than this help nobody: a call has at most a few hundred tasks of some ten milliseconds.
const MAX_THREADS: i32 = 64;

/// Enough for a call over 10,000 tickers in a few batches, and little beside the memory of a server that has so many.
const DEFAULT_MEMORY_MEGABYTES: i32 = 1024;

/// What a user may raise folio.memory_limit to unless a superuser says otherwise.
const DEFAULT_MAX_MEMORY_LIMIT: i32 = 4 * DEFAULT_MEMORY_MEGABYTES;

/// Less than this has no room for one fit of the largest model beside the prices of a ticker.
const MIN_MEMORY_MEGABYTES: i32 = 16;

/// A terabyte: more is a mistake in the unit.
const MAX_MEMORY_MEGABYTES: i32 = 1 << 20;

/// Long enough for prices of ten million rows without an index, and what everybody else waits for one who has an endless
/// view: five minutes.
const DEFAULT_REFRESH_MILLISECONDS: i32 = 300_000;

/// 400 years of trading days: more is a mistake.
const MAX_HISTORY: i32 = 100_000;

/// The settings of one call.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The relation that prices are read from, as the user writes it.
    pub prices: String,
    /// How many of the newest prices of a ticker are used.
    pub history: i64,
    /// The names of the ensemble's models; empty means all.
    pub models: Vec<String>,
    /// What means and variances of one period are annualised by; 0 takes what the times of the prices say.
    periods_per_year: f64,
    /// The zone of the market, as the user writes it; empty where the times themselves say it.
    pub time_zone: String,
    /// How many threads a call computes on.
    pub threads_per_call: usize,
    /// How many bytes a call's prices, computations and results may take.
    pub memory_limit: usize,
    /// Where randomness comes from.
    pub seed: u64,
}

impl Settings {
    /// How many bytes of the limit prices may take while they are read; what they are needed for takes the rest.
    pub fn price_bytes(&self) -> usize {
        self.memory_limit / 2
    }

    /// The periods a year that an argument says, or this setting.
    pub fn periods_per_year(&self, argument: Option<f64>) -> folio_core::Result<PeriodsPerYear> {
        PeriodsPerYear::new(argument.unwrap_or(self.periods_per_year))
    }

    /// The zone of the market; None finds it from the times of each ticker.
    pub fn zone(&self) -> folio_core::Result<Option<Zone>> {
        let told = Some(self.time_zone.as_str()).filter(|name| !name.is_empty());
        told.map(Zone::named).transpose()
    }

    /// Reads every setting.
    pub fn read() -> Settings {
        let text = |setting: &GucSetting<Option<CString>>| {
            setting.get().map(|text| text.to_string_lossy().trim().to_owned()).unwrap_or_default()
        };
        let models = text(&MODELS);
        let models = if models == "all" { "" } else { &models };
        Settings {
            prices: text(&PRICES),
            history: HISTORY.get().into(),
            models: models
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
            periods_per_year: PERIODS_PER_YEAR.get(),
            time_zone: text(&TIME_ZONE),
            threads_per_call: or_cores(&THREADS_PER_CALL).min(or_cores(&MAX_THREADS_PER_CALL)),
            memory_limit: megabytes(MEMORY_LIMIT.get().min(MAX_MEMORY_LIMIT.get())),
            seed: SEED.get().unsigned_abs().into(),
        }
    }
}

/// How long the outcomes of one owner may take; None is without a limit.
pub fn refresh_timeout() -> Option<Duration> {
    let milliseconds = u64::from(REFRESH_TIMEOUT.get().unsigned_abs());
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

/// How many compute threads may run at once in the whole cluster. Fixed when the server starts.
pub fn max_threads() -> usize {
    or_cores(&MAX_THREADS_SETTING)
}

/// How many bytes the calls of all sessions may take together; 0 is without a limit. Fixed when the server starts.
pub fn max_memory() -> u64 {
    megabytes(MAX_MEMORY.get()) as u64
}

fn megabytes(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0) << 20
}

/// A number of threads, of which 0 means as many as there are cores.
fn or_cores(setting: &GucSetting<i32>) -> usize {
    match usize::try_from(setting.get()) {
        Ok(threads @ 1..) => threads,
        _ => available_cores(),
    }
}

/// Whether a long call says how far it is.
pub fn progress_notices() -> bool {
    PROGRESS_NOTICES.get()
}

/// The cores that this process' cgroup and affinity mask allow.
fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_THREADS as usize))
}

/// Declares the settings to the server and reserves their prefix.
pub fn register() {
    register_inputs();
    // First the ends, which the others are checked by.
    register_limits_of_the_cluster();
    register_limits();
    reserve_prefix();
}

/// What results depend on.
fn register_inputs() {
    GucRegistry::define_string_guc(
        c"folio.prices",
        c"The relation that prices are read from.",
        c"A table or view with the columns ticker, ts and close. Each function's prices argument overrides it.",
        &PRICES,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"folio.history",
        c"How many of the newest prices of a ticker are used, in trading days.",
        c"1000 is about four years. More steadies covariances, less follows a changing market faster.",
        &HISTORY,
        2,
        MAX_HISTORY,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_float_guc(
        c"folio.periods_per_year",
        c"What means and variances of one period are annualised by; 0 takes what the times of the prices say.",
        c"252 for daily prices from Monday to Friday, 365 for daily ones, 52 for weekly, 12 for monthly ones.",
        &PERIODS_PER_YEAR,
        0.0,
        MAX_PERIODS_PER_YEAR,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"folio.time_zone",
        c"The time zone of the market, in which days and hours of prices that are timestamptz are read.",
        c"A name such as America/New_York; empty finds it from the times of each ticker. Days of stored runs begin in it, else in log_timezone.",
        &TIME_ZONE,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"folio.models",
        c"The models of the ensemble, separated by commas, or 'all'.",
        c"SELECT * FROM folio.forecast_members(...) shows what each one adds.",
        &MODELS,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"folio.seed",
        c"The seed of the models that use random numbers.",
        c"The same prices, settings and seed give the same result, bit for bit.",
        &SEED,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::default(),
    );
}

/// What a call may take of the machine, and what it says meanwhile.
fn register_limits() {
    GucRegistry::define_int_guc(
        c"folio.threads_per_call",
        c"How many threads one call computes on; 0 means the cores that the server may use.",
        c"Results do not depend on it. Lower it for interactive sessions beside a busy workload.",
        &THREADS_PER_CALL,
        0,
        MAX_THREADS,
        GucContext::Userset,
        GucFlags::default(),
    );
    // SAFETY: the hook neither raises nor keeps anything.
    unsafe {
        GucRegistry::define_int_guc_with_hooks(
            c"folio.memory_limit",
            c"How much memory one call may take for prices, computations and results.",
            c"Where many tickers do not fit at once they are computed in batches, with the same results.",
            &MEMORY_LIMIT,
            MIN_MEMORY_MEGABYTES,
            MAX_MEMORY_MEGABYTES,
            GucContext::Userset,
            GucFlags::UNIT_MB,
            Some(check_memory_limit),
            None,
            None,
        );
    }
    GucRegistry::define_int_guc(
        c"folio.refresh_timeout",
        c"How long the outcomes of one owner's forecasts and portfolios may take to bring up to date; 0 is without a limit.",
        c"What takes longer is a failed row of folio.run_history, so that one relation without end does not stop the others.",
        &REFRESH_TIMEOUT,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_bool_guc(
        c"folio.progress_notices",
        c"Whether a call of more than five seconds tells every five seconds how far it is.",
        c"folio.progress shows the same to other sessions.",
        &PROGRESS_NOTICES,
        GucContext::Userset,
        GucFlags::default(),
    );
}

/// What all calls may take together, and what a user may let one call take: only a superuser changes these.
fn register_limits_of_the_cluster() {
    GucRegistry::define_int_guc(
        c"folio.max_threads",
        c"How many compute threads may run at once over all sessions; 0 means the cores that the server may use.",
        c"Needs shared_preload_libraries = 'pg_folio'; without it each session has its own folio.threads_per_call.",
        &MAX_THREADS_SETTING,
        0,
        MAX_THREADS,
        // Without shared memory there is no cluster-wide number to set.
        if preloading() { GucContext::Postmaster } else { GucContext::Internal },
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"folio.max_memory",
        c"How much memory the calls of all sessions may take together; 0 is without a limit.",
        c"Needs shared_preload_libraries = 'pg_folio'. A call that would pass it fails with 53200, or computes in smaller batches.",
        &MAX_MEMORY,
        0,
        MAX_MEMORY_MEGABYTES,
        if preloading() { GucContext::Postmaster } else { GucContext::Internal },
        GucFlags::UNIT_MB,
    );
    GucRegistry::define_int_guc(
        c"folio.max_memory_limit",
        c"What folio.memory_limit counts for at most.",
        c"Users set folio.memory_limit themselves; this is the end of it.",
        &MAX_MEMORY_LIMIT,
        MIN_MEMORY_MEGABYTES,
        MAX_MEMORY_MEGABYTES,
        GucContext::Suset,
        GucFlags::UNIT_MB,
    );
    GucRegistry::define_int_guc(
        c"folio.max_threads_per_call",
        c"What folio.threads_per_call counts for at most; 0 means the cores that the server may use.",
        c"Users set folio.threads_per_call themselves; this is the end of it.",
        &MAX_THREADS_PER_CALL,
        0,
        MAX_THREADS,
        GucContext::Suset,
        GucFlags::default(),
    );
}

/// Refuses to SET folio.memory_limit above folio.max_memory_limit. What is read at the start of a session is not refused, since
/// it comes in any order, nor in a parallel worker, which copies the settings one by one: there the end counts all the same.
unsafe extern "C-unwind" fn check_memory_limit(
    value: *mut c_int,
    _: *mut *mut c_void,
    source: pg_sys::GucSource::Type,
) -> bool {
    let end = MAX_MEMORY_LIMIT.get();
    // SAFETY: the server passes the new value; the texts are copied where the server expects them.
    unsafe {
        let set_now = source == pg_sys::GucSource::PGC_S_SESSION && !pg_sys::InitializingParallelWorker;
        if *value <= end || !set_now {
            return true;
        }
        let copy = |text: String| {
            let text = CString::new(text).unwrap_or_default();
            pg_sys::MemoryContextStrdup(pg_sys::ErrorContext, text.as_ptr())
        };
        pg_sys::GUC_check_errdetail_string =
            copy(format!("Given: {} MB. folio.max_memory_limit: {end} MB.", *value));
        pg_sys::GUC_check_errhint_string =
            copy("Set less, or let a superuser raise folio.max_memory_limit.".to_owned());
    }
    false
}

fn preloading() -> bool {
    // SAFETY: a plain global of the server, read on the main thread.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

fn reserve_prefix() {
    // SAFETY: called from _PG_init on the main thread with a constant, NUL-terminated string.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"folio".as_ptr()) };
}
