//! The SQL in the documentation.

use crate::project;

/// The blocks of a Markdown file that are marked as SQL.
pub fn sql_blocks(path: &str) -> Vec<String> {
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

/// Whether a block commits or needs pg_cron.
pub fn is_of_the_desk(block: &str) -> bool {
    block.contains("CALL ") || block.contains("schedule_rebalance")
}
