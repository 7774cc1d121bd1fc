//! How a chart looks: its width and its colours. Validated once; past these constructors nothing checks again.

use crate::error::{Error, Result};

/// The narrowest chart: a small phone.
const MIN_WIDTH: i64 = 320;

/// The widest chart: a screen of 4K.
const MAX_WIDTH: i64 = 3840;

/// The width of a chart in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width(u32);

impl Width {
    /// A width of so many pixels.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] outside 320 to 3,840.
    pub fn new(pixels: i64) -> Result<Width> {
        u32::try_from(pixels)
            .ok()
            .filter(|_| (MIN_WIDTH..=MAX_WIDTH).contains(&pixels))
            .map(Width)
            .ok_or_else(|| Error::InvalidArgument {
                argument: "width",
                value: pixels.to_string(),
                expected: format!("a number of pixels from {MIN_WIDTH} to {MAX_WIDTH}"),
            })
    }

    /// The pixels.
    pub fn pixels(self) -> u32 {
        self.0
    }
}

/// The colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
    /// Light, or dark where the reader prefers that (CSS `prefers-color-scheme`).
    Auto,
}

impl Theme {
    const NAMES: [(&'static str, Theme); 3] =
        [("light", Theme::Light), ("dark", Theme::Dark), ("auto", Theme::Auto)];

    /// The theme of this name.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another name.
    pub fn parse(name: &str) -> Result<Theme> {
        let found = Theme::NAMES.iter().find(|(valid, _)| *valid == name);
        found.map(|(_, theme)| *theme).ok_or_else(|| Error::InvalidArgument {
            argument: "theme",
            value: name.to_owned(),
            expected: Theme::NAMES.map(|(valid, _)| valid).join(", "),
        })
    }
}

/// Width and theme of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The width.
    pub width: Width,
    /// The colours.
    pub theme: Theme,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_and_themes_outside_their_lists_are_refused() {
        assert_eq!(Width::new(320).unwrap().pixels(), 320);
        assert_eq!(Width::new(3840).unwrap().pixels(), 3840);
        for pixels in [i64::MIN, -400, 0, 319, 3841, i64::MAX] {
            assert!(matches!(Width::new(pixels), Err(Error::InvalidArgument { argument: "width", .. })));
        }
        assert_eq!(Theme::parse("dark"), Ok(Theme::Dark));
        assert!(matches!(Theme::parse("Dark"), Err(Error::InvalidArgument { argument: "theme", .. })));
    }
}
