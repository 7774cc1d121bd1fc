//! The colours, by what they are for, in both themes.
//!
//! Text has a contrast of at least 4.5 to the surface, lines and points of at least 3 (WCAG 2.1, 1.4.3 and 1.4.11).
//! Neighbours of a stack, and what else must be told apart, differ for people without red or green cones too. The tests
//! compute both.

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
    (Role::Series(1), 0x17A06F, 0x199E70),
    (Role::Series(2), 0xF2B200, 0xEBB52E),
    (Role::Series(3), 0x007F00, 0x007F00),
    (Role::Series(4), 0x4A3AA7, 0x9085E9),
    (Role::Series(5), 0xE34948, 0xD64F4F),
    (Role::Series(6), 0xF09CBD, 0xF08FB4),
    (Role::Series(7), 0xEB6834, 0xE8703F),
    (Role::Rest, 0xBDBCB5, 0x5F5E5A),
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
        0.2126 * linear(hex, 16) + 0.7152 * linear(hex, 8) + 0.0722 * linear(hex, 0)
    }

    /// The light of a channel of sRGB.
    fn linear(hex: u32, shift: u32) -> f64 {
        let value = f64::from((hex >> shift) & 0xFF) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
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

    /// What people see who have all cones, no red ones or no green ones (Machado, Oliveira and Fernandes 2009, severity 1),
    /// as matrices of linear light.
    const EYES: [[[f64; 3]; 3]; 3] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ];

    fn times(matrix: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
    }

    /// The colour in Oklab (Ottosson 2020), where equal distances look equally different.
    fn oklab(hex: u32, eye: [[f64; 3]; 3]) -> [f64; 3] {
        let seen = times(eye, [16, 8, 0].map(|shift| linear(hex, shift))).map(|light| light.max(0.0));
        let cones = times(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ],
            seen,
        );
        times(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ],
            cones.map(f64::cbrt),
        )
    }

    #[test]
    fn what_must_be_told_apart_differs_for_every_eye() {
        let hex = |role: Role, dark: bool| {
            let (_, light, dim) = *COLOURS.iter().find(|(other, _, _)| *other == role).unwrap();
            if dark { dim } else { light }
        };
        let stack: Vec<Role> = (0..SERIES).map(Role::Series).chain([Role::Rest]).collect();
        let neighbours = stack.windows(2).map(|pair| (pair[0], pair[1]));
        let marks = [
            (Role::Actual, Role::Forecast),
            (Role::Alert, Role::Calm),
            (Role::Alert, Role::Forecast),
            (Role::Member, Role::Forecast),
        ];
        // The three bands that a fan has by default, which lie in each other.
        let bands = [0, 1, 2].map(|index| band(index, 3));
        let fan = [(Role::Surface, bands[0]), (bands[0], bands[1]), (bands[1], bands[2])];
        let neighbours = neighbours.map(|pair| (pair, 0.13));
        let pairs = neighbours.chain(marks.map(|pair| (pair, 0.09))).chain(fan.map(|pair| (pair, 0.05)));
        for ((a, b), least) in pairs {
            for (eye, dark) in EYES.into_iter().flat_map(|eye| [(eye, false), (eye, true)]) {
                let (x, y) = (oklab(hex(a, dark), eye), oklab(hex(b, dark), eye));
                let distance = (0..3).map(|i| (x[i] - y[i]).powi(2)).sum::<f64>().sqrt();
                assert!(distance >= least, "{a:?} and {b:?}, dark: {dark}: {distance:.3}");
            }
        }
    }
}
