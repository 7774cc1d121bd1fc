//! Numbers as readers see them.

/// A number with so many decimals, a comma at the thousands and a real minus sign.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let is_zero = digits.chars().all(|c| c == '0' || c == '.');
    let sign = if value < 0.0 && !is_zero { "−" } else { "" };
    format!("{sign}{grouped}{fraction}")
}

/// A price or another amount: about four digits that say something.
pub(crate) fn amount(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-6..1e9).contains(&size) => scientific(value, 2),
        size if size >= 10_000.0 => fixed(value, 0),
        size if size >= 1.0 => fixed(value, 2),
        size => fixed(value, (3.0 - size.log10().floor()) as usize),
    }
}

/// Between a number and its unit, so that no line breaks there.
const SPACE: char = '\u{A0}';

/// A share as a percentage.
pub(crate) fn percent(share: f64, decimals: usize) -> String {
    let value = share * 100.0;
    if value.abs() >= 1e9 {
        format!("{}{SPACE}%", scientific(value, 2))
    } else {
        format!("{}{SPACE}%", fixed(value, decimals))
    }
}

/// A level such as 0.8 as "80 %", 0.975 as "97.5 %".
pub(crate) fn level(share: f64) -> String {
    let percent = format!("{:.2}", share * 100.0);
    format!("{}{SPACE}%", percent.trim_end_matches('0').trim_end_matches('.'))
}

/// A number that is too large or too small to be written out.
pub(crate) fn scientific(value: f64, decimals: usize) -> String {
    format!("{value:.decimals$e}").replace('-', "−")
}

/// A list as people say it: "a, b and c".
pub(crate) fn spoken(items: &[String]) -> String {
    match items {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(fixed(-1_234_567.891, 2), "−1,234,567.89");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(999.0, 0), "999");
        assert_eq!(amount(133.206), "133.21");
        assert_eq!(amount(0.012_345), "0.01235");
        assert_eq!(amount(25_000.4), "25,000");
        assert_eq!(amount(1e12), "1.00e12");
        assert_eq!(amount(1e-9), "1.00e−9");
        assert_eq!(percent(0.1234, 1), "12.3\u{A0}%");
        assert_eq!((level(0.8), level(0.975)), ("80\u{A0}%".to_owned(), "97.5\u{A0}%".to_owned()));
        assert_eq!(spoken(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}
