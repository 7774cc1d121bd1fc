//! The one rule by which a long text is cut where an error shows it: its begin, how long it was, and its end where that says
//! more.

/// The first `begin` bytes of a text and the last `end` with its length, or the whole text where that is no longer.
pub fn bounded(text: &str, begin: usize, end: usize) -> String {
    if text.len() <= begin + end {
        return text.to_owned();
    }
    let tail = &text[text.ceil_char_boundary(text.len() - end)..];
    let head = &text[..text.floor_char_boundary(begin)];
    let gap = if tail.is_empty() { "" } else { " ..." };
    format!("{head}... ({} bytes in all){gap}{tail}", text.len())
}

#[cfg(test)]
mod unit {
    use super::bounded;

    #[test]
    fn long_texts_are_cut_between_characters_and_say_how_long_they_were() {
        assert_eq!(bounded("abcde", 3, 2), "abcde");
        assert_eq!(bounded("abcdef", 3, 2), "abc... (6 bytes in all) ...ef");
        assert_eq!(bounded("abcdef", 3, 0), "abc... (6 bytes in all)");
        // A letter of two bytes is shown whole or not at all.
        assert_eq!(bounded("a\u{e4}\u{e4}b", 2, 2), "a... (6 bytes in all) ...b");
    }
}
