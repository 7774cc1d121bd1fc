//! The SQL of the documentation is run as it stands, block by block, on the demo's prices.

use cluster_tests::{Database, project};

/// The blocks of a Markdown file that are marked as SQL.
fn sql_blocks(path: &str) -> Vec<String> {
    let text =
        std::fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find("```sql\n") {
        let block = &rest[start + "```sql\n".len()..];
        let end = block.find("```").unwrap_or_else(|| panic!("{path}: a block without an end"));
        blocks.push(block[..end].to_owned());
        rest = &block[end + 3..];
    }
    blocks
}

/// The statements of the demo that make its table of sectors and market values.
fn instruments() -> String {
    let load = std::fs::read_to_string(project().join("demo/load.sql")).expect("demo/load.sql");
    let (_, after) = load.split_once("CREATE TABLE instrument").expect("the table");
    let (table, _) = after.split_once("ANALYZE").expect("the end of the tables");
    format!("CREATE TABLE instrument{table}")
}

#[test]
fn every_block_of_sql_in_the_documentation_runs() {
    let database = Database::with_prices();
    let mut session = database.session();
    // What the texts take for granted: the reader's own table, whose columns have other names.
    session
        .batch_execute(
            "CREATE TABLE eod AS SELECT ticker AS symbol, ts AS day, close AS adjusted_close FROM prices",
        )
        .expect("CREATE TABLE");
    session.batch_execute(&instruments()).expect("CREATE TABLE instrument");
    let mut count = 0;
    for path in ["README.md", "docs/forecasting.md", "docs/portfolio.md"] {
        for block in sql_blocks(path) {
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
