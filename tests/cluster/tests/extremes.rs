//! Numbers, times and texts at the ends of their range, in every argument of every function and in the prices: a right
//! answer or an error of its own, never NaN, never infinite, never a panic's text, never a value echoed whole.

use cluster_tests::calls::{READERS, prepare, prepare_desk};
use cluster_tests::private::Cluster;
use cluster_tests::{Database, PATIENCE};
use postgres::{Client, SimpleQueryMessage};

/// What an argument has while another one is at its end, by name; one that is not here has no list of its own, and the
/// test says so.
const USUAL: &[(&str, &str)] = &[
    ("as_of", "NULL"),
    ("band", "0.02"),
    ("bands", "'{\"A\": {\"relative\": \"25 %\"}}'"),
    ("before", "'2024-05-02'"),
    ("benchmark", "NULL"),
    ("buy_only", "false"),
    ("cash", "1000"),
    ("cash_kept", "10"),
    (
        "constraints",
        "'{\"max_weight\": 0.6, \"groups\": {\"g\": [\"A\"]}, \"group_max\": {\"g\": 0.5}, \"gamma\": 0.1}'",
    ),
    ("covariance", "NULL"),
    ("covariances", "'{oas,exp_cov}'"),
    ("fee_bps", "5"),
    ("fee_fixed", "1"),
    ("fee_per_share", "0.005"),
    ("fit_window", "NULL"),
    ("fix_method", "'spectral'"),
    ("groups", "'{\"sector\": {\"A\": \"Tech\", \"BB\": null}}'"),
    ("force", "true"),
    ("forecast", "101"),
    ("fractional", "false"),
    ("gap", "NULL"),
    ("history", "NULL"),
    ("horizon", "2"),
    ("last_close", "100"),
    ("level", "0.8"),
    ("levels", "'{0.5,0.8}'"),
    ("lookback", "40"),
    ("lot_size", "1"),
    ("lot_sizes", "'{\"A\": 2}'"),
    ("market_caps", "'{\"A\": 3, \"BB\": 2, \"CCC\": 1}'"),
    ("matrix", "'{{1,2},{2,1}}'"),
    ("members", "true"),
    ("method", "NULL"),
    ("minimum_ticket", "20"),
    ("models", "'{naive,drift,theta}'"),
    ("name", "'other'"),
    ("objective", "NULL"),
    ("omega", "'{0.01}'"),
    ("options", "'{\"models\": [\"naive\", \"theta\"], \"level\": 0.8, \"frequency\": 5}'"),
    ("origins", "3"),
    ("p", "'{{1,0}}'"),
    ("periods_per_year", "252"),
    ("points", "3"),
    ("portfolio", "'small'"),
    ("portfolio_id", "1"),
    ("positions", "'{\"BB\": 30, \"CCC\": \"2.5\"}'"),
    ("price", "10 + n"),
    ("prior", "NULL"),
    ("q", "'{0.07}'"),
    ("rebalance", "'50'"),
    ("recent", "NULL"),
    ("refit_every", "NULL"),
    ("relation", "'caps'"),
    ("relative_band", "0.25"),
    ("risk_aversion", "2.5"),
    ("risk_free_rate", "0.01"),
    ("role", "'analyst'"),
    ("scenario", "'{\"shocks\": {\"A\": -0.1}}'"),
    ("schedule", "'0 22 * * 1-5'"),
    ("step", "1"),
    ("stride", "NULL"),
    ("tau", "0.05"),
    ("theme", "NULL"),
    ("ticker", "'A'"),
    ("tickers", "'{A,BB,CCC}'"),
    ("transaction_cost", "0.001"),
    ("trade_to", "NULL"),
    ("ts", "timestamptz '2024-01-01Z' + n * interval '1 day'"),
    ("upper", "105"),
    ("use_forecasts", "true"),
    ("value", "'market_cap'"),
    ("views", "'[\"A = 5%\", {\"view\": \"BB - CCC = 1%\", \"confidence\": 0.6}]'"),
    ("weights", "'{\"A\": 0.5, \"BB\": 0.3}'"),
    ("width", "NULL"),
];

/// Where a name means something else in one function.
const USUAL_OF: &[(&str, &str, &str)] = &[
    ("bl_posterior", "covariance", "'{{0.04,0.01},{0.01,0.09}}'"),
    ("bl_posterior", "prior", "'{0.05,0.06}'"),
    ("by_ticker", "ticker", "'ticker'"),
    ("discrete_allocation", "value", "10000"),
    ("forecast_volatility", "models", "'{ewma,garch}'"),
    ("volatility_members", "models", "'{ewma,egarch}'"),
    ("volatility_evaluate", "models", "'{ewma,har}'"),
    ("forecast_values", "prices", "'{1,2,3,4,5,6,7,8,9,10,11,12}'"),
    ("portfolio_performance", "benchmark", "'{\"BB\": 1}'"),
];

const NUMBERS: &[&str] =
    &["1e308", "-1e308", "1e154", "1e19", "1e-19", "1e-154", "1e-308", "-1e-308", "5e-324", "0", "-1", "1"];

const WHOLE: &[&str] =
    &["9223372036854775807", "-9223372036854775808", "2147483648", "1000000", "0", "1", "-1", "NULL"];

const TEXTS: &[&str] = &[
    "''",
    "' '",
    "E'\\n'",
    "'nan'",
    "'1e308'",
    "'0'",
    "'-1'",
    "'9223372036854775808'",
    "'{}'",
    "'[1]'",
    "'\u{e4}\u{1f600}'",
    "repeat('x', 1000000)",
    "repeat('\u{1f600}', 100000)",
    "NULL",
];

const TIMES: &[&str] = &[
    "'infinity'",
    "'-infinity'",
    "'4713-01-01 00:00Z BC'",
    "'294276-12-31 00:00Z'",
    "'1900-01-01 00:00Z'",
    "'2024-03-01 00:00Z'",
    "NULL",
];

const NAMES: &[&str] = &[
    "'{}'",
    "'{NULL}'",
    "'{{A,BB},{CCC,DDDD}}'",
    "'{A,A}'",
    "'{\"\"}'",
    "ARRAY[repeat('x', 1000000)]",
    "ARRAY(SELECT n::text FROM generate_series(1, 20000) AS n)",
    "NULL",
];

const DOCUMENTS: &[&str] = &[
    "'null'",
    "'[]'",
    "'{}'",
    "'3'",
    "'\"x\"'",
    "'true'",
    "'[null]'",
    "'[[]]'",
    "'{\"\": null}'",
    "(repeat('[', 130) || repeat(']', 130))::jsonb",
    "to_jsonb(repeat('x', 1000000))",
    "jsonb_build_object(repeat('x', 1000000), 1)",
    "'[\"A = 1e308\"]'",
    "'[\"A = -1e308%\"]'",
    "'[\"1e308 A - BB = 1%\"]'",
    "'[\"1e-308 A - BB = 1%\"]'",
    "'[\"A = 5e-324\"]'",
    "NULL",
];

const ARRAYS: &[&str] = &["'{}'", "'{NULL}'", "'{{}}'", "'{{NULL,1},{1,2}}'", "'{1}'", "'{{{1}}}'", "NULL"];

/// Closes of 150 days, in `day`: what no market has and a table may.
const CLOSES: &[&str] = &[
    "1e308",
    "1e-308",
    "5e-324",
    "7",
    "0",
    "-1",
    "NULL",
    "'NaN'",
    "'Infinity'",
    "'-Infinity'",
    "CASE day % 2 WHEN 0 THEN 1e308 ELSE 1e-308 END",
    "CASE day WHEN 149 THEN 1e308 ELSE 1e-308 END",
    "CASE day WHEN 70 THEN 5e-324 ELSE 1e300 END",
    "exp(day * 9.4 - 700)",
    "exp(700 - day * 9.4)",
    "1e300 * exp(0.01 * sin(day * day * length(ticker)))",
    "1e-300 * exp(0.01 * sin(day * day * length(ticker)))",
    "1 + 1e-15 * sin(day * day * length(ticker))",
    "1e15 + day",
    "CASE length(ticker) WHEN 1 THEN 1e300 WHEN 2 THEN 1e-300 ELSE 100 END * exp(0.01 * sin(day * day * length(ticker)))",
];

/// Times of 150 prices, in `day`.
const STAMPS: &[&str] = &[
    "date 'infinity'",
    "date '-infinity'",
    "date '4713-01-01 BC' + day",
    "date '5874000-01-01' + day",
    "date '4700-01-01 BC' + day * 10000",
    "timestamptz '294276-12-31 00:00Z' - day * interval '1 day'",
    "timestamptz '2024-01-01 00:00Z' + day * interval '1 microsecond'",
    "timestamptz '2024-01-01 00:00Z' + day * day * interval '1 hour'",
    "timestamptz '4713-01-01 00:00Z BC' + day * interval '1 year'",
    "timestamp 'infinity'",
    "CASE day WHEN 149 THEN timestamptz 'infinity' ELSE timestamptz '2024-01-01 00:00Z' + day * interval '1 day' END",
];

/// Columns of words, which may speak of NaN.
const WORDS: [&str; 2] = ["status", "detail"];

/// The most that an error may say of what it was given.
const LONGEST_ERROR: usize = 4_096;

struct Function {
    name: String,
    kind: String,
    /// Name and type of each argument.
    arguments: Vec<(String, String)>,
}

fn functions(session: &mut Client) -> Vec<Function> {
    session
        .query(
            "SELECT proname::text, prokind::text, proargnames[:pronargs],
                    ARRAY(SELECT t::regtype::text FROM unnest(proargtypes) WITH ORDINALITY AS a(t, n) ORDER BY n)
             FROM pg_proc
             WHERE pronamespace = 'folio'::regnamespace AND NOT 'internal'::regtype = ANY (proargtypes)
             ORDER BY oid",
            &[],
        )
        .expect("pg_proc")
        .iter()
        .map(|row| {
            let names: Option<Vec<String>> = row.get(2);
            let types: Vec<String> = row.get(3);
            let arguments = names.unwrap_or_default().into_iter().zip(types).collect();
            Function { name: row.get(0), kind: row.get(1), arguments }
        })
        .filter(|function| !function.arguments.is_empty())
        .collect()
}

impl Function {
    /// What the argument has while another is at its end.
    fn usual(&self, name: &str, of_type: &str) -> &'static str {
        if let Some((.., value)) =
            USUAL_OF.iter().find(|(function, argument, _)| *function == self.name && *argument == name)
        {
            return value;
        }
        if of_type == "regclass" && name == "prices" {
            return "'prices'";
        }
        let found = USUAL.iter().find(|(argument, _)| *argument == name);
        found.unwrap_or_else(|| panic!("{}: no usual value of {name}", self.name)).1
    }

    /// The statement with this value of the argument at `at`.
    fn call(&self, at: usize, value: &str) -> String {
        let list: Vec<String> = (self.arguments.iter().enumerate())
            .map(|(i, (name, of_type))| {
                format!("({})::{of_type}", if i == at { value } else { self.usual(name, of_type) })
            })
            .collect();
        let call = format!("folio.{}({})", self.name, list.join(", "));
        match self.kind.as_str() {
            "p" => format!("CALL {call}"),
            "a" => format!("SELECT {call} FROM generate_series(1, 40) AS n"),
            _ => format!("BEGIN; SELECT * FROM {call}; ROLLBACK"),
        }
    }
}

/// The values at the ends of an argument's range.
fn ends(of_type: &str, usual: &str) -> Vec<String> {
    let own = |list: &[&str]| list.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    match of_type {
        "double precision" => {
            [own(NUMBERS), own(&["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "NULL"])].concat()
        }
        "double precision[]" => {
            [own(ARRAYS), with_numbers(usual, &[NUMBERS, &["NaN", "Infinity"]].concat())].concat()
        }
        "bigint" | "integer" => own(WHOLE),
        "text" => own(TEXTS),
        "name" => own(&TEXTS[..2]),
        "text[]" => own(NAMES),
        "jsonb" => [own(DOCUMENTS), with_numbers(usual, &[NUMBERS, &["1e400", "1e-400"]].concat())].concat(),
        "timestamp with time zone" => own(TIMES),
        "boolean" => own(&["true", "false", "NULL"]),
        "regclass" => own(&["'pg_class'", "0", "4294967295", "NULL"]),
        "regrole" => own(&["0", "4294967295", "NULL"]),
        other => panic!("no ends of {other}"),
    }
}

/// The text of a value with each of its numbers, one after the other, replaced by each of these.
fn with_numbers(usual: &str, numbers: &[&str]) -> Vec<String> {
    let bytes = usual.as_bytes();
    let is_of_number = |i: usize| bytes[i].is_ascii_digit() || bytes[i] == b'.';
    let starts = (1..bytes.len())
        .filter(|&i| is_of_number(i) && !is_of_number(i - 1) && !bytes[i - 1].is_ascii_alphanumeric());
    starts
        .flat_map(|start| {
            let end = (start..bytes.len()).find(|&i| !is_of_number(i)).unwrap_or(bytes.len());
            numbers.iter().map(move |number| format!("{}{number}{}", &usual[..start], &usual[end..]))
        })
        .collect()
}

/// What is wrong with what the server makes of a statement; None if nothing.
fn fault(session: &mut Client, statement: &str) -> Option<String> {
    match session.simple_query(statement) {
        Ok(messages) => messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => (0..row.len()).find_map(|i| {
                let value = row.get(i).unwrap_or_default();
                let is_number = !WORDS.contains(&row.columns()[i].name());
                (is_number && (value.contains("NaN") || value.contains("Infinity")))
                    .then(|| format!("{} = {}", row.columns()[i].name(), cut(value)))
            }),
            _ => None,
        }),
        Err(error) => {
            let _ = session.batch_execute("ROLLBACK");
            let Some(server) = error.as_db_error() else {
                return Some(format!("no error of the server: {error}"));
            };
            let code = server.code().code();
            let text = [Some(server.message()), server.detail(), server.hint()]
                .map(Option::unwrap_or_default)
                .concat();
            let panics = code.starts_with("XX") || text.contains("panicked");
            (panics || code == "57014" || text.len() > LONGEST_ERROR)
                .then(|| format!("{code}, {} bytes: {}", text.len(), cut(&text)))
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(300).collect()
}

/// A cluster of its own, since what is looked for may end one, and a session in it.
fn arena(name: &str) -> (Cluster, Database, Client) {
    let cluster = Cluster::start(name, &[]);
    let database = cluster.empty();
    let mut session = database.session();
    prepare(&mut session);
    prepare_desk(&mut session);
    let guard =
        format!("SET statement_timeout = '{} s'; SET client_min_messages = 'error'", PATIENCE.as_secs());
    session.batch_execute(&guard).expect("SET");
    (cluster, database, session)
}

/// Runs all statements, and fails with those that the server does not answer as it should.
fn assert_answers(session: &mut Client, statements: impl IntoIterator<Item = String>) {
    let mut count = 0;
    let faults: Vec<String> = (statements.into_iter())
        .filter_map(|statement| {
            count += 1;
            fault(session, &statement).map(|fault| format!("{}\n    {fault}", cut(&statement)))
        })
        .collect();
    println!("{count} statements");
    assert!(count > 200, "only {count} statements were made");
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_argument_at_the_ends_of_its_range() {
    let (cluster, _database, mut session) = arena("extremes_arguments");
    let functions = functions(&mut session);
    let statements = functions.iter().flat_map(|function| {
        function.arguments.iter().enumerate().flat_map(move |(at, (name, of_type))| {
            let ends = ends(of_type, function.usual(name, of_type));
            ends.into_iter().map(move |value| function.call(at, &value))
        })
    });
    assert_answers(&mut session, statements.collect::<Vec<_>>());
    cluster.assert_no_crash();
}

#[test]
fn prices_and_times_at_the_ends_of_their_range() {
    let (cluster, _database, mut session) = arena("extremes_prices");
    let usual = ("date '2024-01-01' + day", "100 + day");
    let odd = (CLOSES.iter().map(|close| (usual.0, *close))).chain(STAMPS.iter().map(|ts| (*ts, usual.1)));
    let mut statements = Vec::new();
    for (number, (ts, close)) in odd.enumerate() {
        let view = format!("odd_{number}");
        let create = format!(
            "CREATE VIEW {view} AS SELECT ticker, {ts} AS ts, ({close})::float8 AS close
             FROM unnest('{{A,BB,CCC,DDDD}}'::text[]) AS ticker, generate_series(0, 149) AS day"
        );
        session.batch_execute(&create).unwrap_or_else(|error| panic!("{create}: {error:?}"));
        statements.extend(READERS.iter().map(|(_, reader)| {
            let whole = reader.replace("count(*)", "*").replace("'{naive}'", "NULL");
            format!("BEGIN; {}; ROLLBACK", whole.replace('@', &view))
        }));
    }
    assert_answers(&mut session, statements);
    cluster.assert_no_crash();
}
