//! Text without fonts: which characters may stand in it, and how wide it can be at most.
//!
//! The reader's font is not known, so widths are those of the widest of the common ones (Verdana, DejaVu Sans): what
//! fits by them fits.

/// How much wider bold text is.
const BOLD: f64 = 1.13;

/// The text as XML allows it and as one line: no control characters, and none that change the direction of what follows.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' | '\n' | '\r' => ' ',
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFFE}' | '\u{FFFF}' => '\u{FFFD}',
            c if c.is_control() => '\u{FFFD}',
            c => c,
        })
        .collect()
}

/// The width of a text of this size, in the unit of the size.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size
}

/// The width of bold text.
pub(crate) fn bold_width(text: &str, size: f64) -> f64 {
    width(text, size) * BOLD
}

/// The width of a character, in ems.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '\u{A0}' | '·' => 0.35,
        'f' | 't' | 'r' | 's' | '(' | ')' | '[' | ']' | '-' | '/' | '"' => 0.52,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' => 1.0,
        'A'..='Z' | '+' | '=' | '<' | '>' | '−' | '~' | '^' | '#' | '&' => 0.84,
        ' '..='~' | '–' => 0.64,
        _ => 1.05,
    }
}

/// The text, cut with an ellipsis where it is wider than `limit`.
pub(crate) fn fit(text: &str, size: f64, limit: f64) -> String {
    if width(text, size) <= limit {
        return text.to_owned();
    }
    let mut room = limit / size - advance('…');
    let kept = text.chars().take_while(|&c| {
        room -= advance(c);
        room >= 0.0
    });
    kept.chain(std::iter::once('…')).collect()
}

/// The text in lines of at most `limit`, broken at spaces. A word that is wider is cut.
pub(crate) fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let word = fit(word, size, limit);
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(&word, size) <= limit => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_and_cut_to_its_room() {
        let text = "a long line of small words and averyveryverylongwordwithoutanyspace";
        let lines = wrap(text, 10.0, 100.0);
        assert!(lines.len() == 3);
        assert!(lines.iter().all(|line| width(line, 10.0) <= 100.0), "{lines:?}");
        assert!(lines.last().unwrap().ends_with('…'));
        assert_eq!(fit("AAPL", 10.0, 100.0), "AAPL");
        assert!(width(&fit(&"M".repeat(1000), 10.0, 55.0), 10.0) <= 55.0);
    }

    #[test]
    fn what_xml_forbids_is_replaced() {
        assert_eq!(clean("a\u{1}b\nc\u{202E}d\u{FFFF}"), "a\u{FFFD}b c\u{FFFD}d\u{FFFD}");
    }
}
