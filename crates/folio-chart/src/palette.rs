//! The colours, by what they are for, in both themes.
//!
//! Text has a contrast of at least 4.5 to the surface, lines and points of at least 3 (WCAG 2.1, 1.4.3 and 1.4.11); the
//! tests compute it. Series differ in lightness and hue so that people with a colour vision deficiency tell neighbours
//! apart, and carry their names beside them.

use plotters::style::RGBColor;

use crate::options::Theme;

/// How many series of a stack have a colour of their own.
pub(crate) const SERIES: usize = 8;

/// How many bands a fan may have.
pub(crate) const BANDS: usize = 5;

/// What a colour is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// What everything lies on.
    Surface,
    /// Text that is read first.
    Ink,
    /// Text that is read second.
    Muted,
    /// The lines behind the data.
    Grid,
    /// The axis, and the lines from a value to its label.
    Rule,
    /// What happened: prices, outcomes.
    Actual,
    /// What was forecast; the frontier.
    Forecast,
    /// A band of the fan, from the widest (0) to the narrowest.
    Band(usize),
    /// The single models.
    Member,
    /// What deserves attention: an outcome outside of its interval, the portfolio of the largest Sharpe ratio.
    Alert,
    /// The portfolio of least volatility.
    Calm,
    /// A series of a stack.
    Series(usize),
    /// The rest of a stack.
    Rest,
}

/// Every role, with its colour in the light and in the dark theme.
const COLOURS: [(Role, u32, u32); 24] = [
    (Role::Surface, 0xFCFCFB, 0x1A1A19),
    (Role::Ink, 0x0B0B0B, 0xFAFAF8),
    (Role::Muted, 0x5A5954, 0xC3C2B7),
    (Role::Grid, 0xE4E3DC, 0x32322F),
    (Role::Actual, 0x33322E, 0xE9E8E2),
    (Role::Forecast, 0x1559BD, 0x8CC4FF),
    (Role::Band(0), 0xDFECFB, 0x15263B),
    (Role::Band(1), 0xCDE1F9, 0x183557),
    (Role::Band(2), 0xB5D3F6, 0x1B4676),
    (Role::Band(3), 0x9CC4F2, 0x21558E),
    (Role::Band(4), 0x86B6ED, 0x28649F),
    (Role::Member, 0x8A5A00, 0xE0AE4A),
    (Role::Alert, 0xC2410C, 0xFB8B4B),
    (Role::Calm, 0x0B7A57, 0x35C79A),
    (Role::Series(0), 0x2A78D6, 0x3987E5),
    (Role::Series(1), 0x1BAF7A, 0x199E70),
    (Role::Series(2), 0xEDA100, 0xC98500),
    (Role::Series(3), 0x007F00, 0x008A00),
    (Role::Series(4), 0x4A3AA7, 0x9085E9),
    (Role::Series(5), 0xE34948, 0xE66767),
    (Role::Series(6), 0xE87BA4, 0xD55181),
    (Role::Series(7), 0xEB6834, 0xD95926),
    (Role::Rest, 0xA9A8A1, 0x6F6E69),
    (Role::Rule, 0x8D8C84, 0x85847D),
];

/// The colour of a role; the automatic theme draws the light one and overrides it by CSS, see [`dark_rules`].
pub(crate) fn colour(role: Role, theme: Theme) -> RGBColor {
    let found = COLOURS.iter().find(|(other, _, _)| *other == role);
    let &(_, light, dark) = found.unwrap_or(&COLOURS[0]);
    let hex = if theme == Theme::Dark { dark } else { light };
    RGBColor((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// CSS that gives every light colour that is drawn in `body` its dark one, under a class.
pub(crate) fn dark_rules(class: &str, body: &str) -> String {
    let mut rules = String::new();
    for (_, light, dark) in COLOURS {
        for attribute in ["fill", "stroke"] {
            let selector = format!("{attribute}=\"#{light:06X}\"");
            if body.contains(&selector) {
                rules.push_str(&format!(".{class} [{selector}]{{{attribute}:#{dark:06X}}}\n"));
            }
        }
    }
    rules
}

/// The colours of `count` bands, from the widest on: spread over those that there are.
pub(crate) fn band(index: usize, count: usize) -> Role {
    if count < 2 { Role::Band(BANDS / 2) } else { Role::Band(index * (BANDS - 1) / (count - 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of WCAG 2.1.
    fn luminance(hex: u32) -> f64 {
        let channel = |shift: u32| {
            let value = f64::from((hex >> shift) & 0xFF) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
    }

    fn contrast(a: u32, b: u32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_role_has_a_colour_and_light_ones_do_not_repeat() {
        let mut light: Vec<u32> = COLOURS.iter().map(|(_, light, _)| *light).collect();
        light.sort_unstable();
        light.dedup();
        assert_eq!(light.len(), COLOURS.len(), "the automatic theme tells roles by their light colours");
        for role in (0..SERIES).map(Role::Series).chain((0..BANDS).map(Role::Band)) {
            assert!(COLOURS.iter().any(|(other, _, _)| *other == role), "{role:?}");
        }
    }

    #[test]
    fn text_and_lines_have_the_contrast_they_need() {
        let (_, light_surface, dark_surface) = COLOURS[0];
        let of = |role: Role| *COLOURS.iter().find(|(other, _, _)| *other == role).unwrap();
        let least = |roles: &[Role], limit: f64| {
            for role in roles {
                let (_, light, dark) = of(*role);
                let (light, dark) = (contrast(light, light_surface), contrast(dark, dark_surface));
                assert!(light >= limit && dark >= limit, "{role:?}: {light:.2} {dark:.2}");
            }
        };
        least(&[Role::Ink, Role::Muted], 4.5);
        least(&[Role::Actual, Role::Forecast, Role::Member, Role::Alert, Role::Calm, Role::Rule], 3.0);
        // The forecast and the outcome are read on every band too.
        for band in (0..BANDS).map(|index| of(Role::Band(index))) {
            for role in [Role::Forecast, Role::Actual] {
                let (_, light, dark) = of(role);
                let (light, dark) = (contrast(light, band.1), contrast(dark, band.2));
                assert!(light >= 2.8 && dark >= 2.8, "{role:?} on {:?}: {light:.2} {dark:.2}", band.0);
            }
        }
    }
}
