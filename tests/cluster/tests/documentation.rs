//! The SQL of the documentation is run as it stands, block by block, on the demo's prices. That of the desk is run by
//! `desk.rs`, since it commits and needs pg_cron.

use cluster_tests::Database;
use cluster_tests::documentation::{is_of_the_desk, sql_blocks};

#[test]
fn every_block_of_sql_in_the_documentation_runs() {
    let database = Database::demo();
    let mut session = database.session();
    // What the texts take for granted: the reader's own table, whose columns have other names.
    session
        .batch_execute(
            "CREATE TABLE eod AS SELECT ticker AS symbol, ts AS day, close AS adjusted_close FROM prices",
        )
        .expect("CREATE TABLE");
    let mut count = 0;
    for path in [
        "README.md",
        "docs/forecasting.md",
        "docs/risk.md",
        "docs/portfolio.md",
        "docs/orders.md",
        "docs/charts.md",
        "docs/queries.md",
    ] {
        for block in sql_blocks(path).into_iter().filter(|block| !is_of_the_desk(block)) {
            // A block that creates something starts without it.
            let before = [
                ("CREATE EXTENSION", "DROP EXTENSION pg_folio;"),
                ("CREATE VIEW prices", "ALTER TABLE prices RENAME TO stored_prices;"),
            ];
            let prelude: String = before
                .iter()
                .filter(|(marker, _)| block.contains(marker))
                .map(|(_, statement)| *statement)
                .collect();
            let run = format!("BEGIN; {prelude} {block}; ROLLBACK;");
            session.batch_execute(&run).unwrap_or_else(|error| panic!("{path}: {error:?}\n{block}"));
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} blocks were found");
}
