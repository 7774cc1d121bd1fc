//! A forecast: recent prices, the path ahead and the fan of its intervals.

use crate::axis::{Scale, Unit};
use crate::calendar::Time;
use crate::error::drawable;
use crate::error::{Error, Result};
use crate::label::SideLabel;
use crate::number::{amount, level, percent, spoken};
use crate::options::Options;
use crate::page::{Key, Mark, Page, Plot};
use crate::palette::{self, Role};

/// The intervals of one level.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// The share of outcomes that they are meant to hold.
    pub level: f64,
    /// The lower and the upper bound at each step.
    pub bounds: Vec<(f64, f64)>,
}

/// What one model forecasts.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberPath {
    /// The model's name.
    pub name: String,
    /// Its forecast at each step.
    pub path: Vec<f64>,
}

/// A forecast of one ticker.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastChart {
    /// The ticker.
    pub ticker: String,
    /// Recent prices, rising in time; the last one is where the forecast starts.
    pub history: Vec<(Time, f64)>,
    /// The median at each step.
    pub path: Vec<(Time, f64)>,
    /// The fan, in any order.
    pub bands: Vec<Band>,
    /// The single models, if they are to be seen.
    pub members: Vec<MemberPath>,
    /// What a reader must know about how the forecast came about.
    pub note: Option<String>,
}

type Points = Vec<(f64, f64)>;

impl ForecastChart {
    /// Draws it.
    ///
    /// # Errors
    /// [`Error::Empty`] without prices or steps; [`Error::NotDrawable`].
    pub fn svg(&self, options: Options) -> Result<String> {
        let last = *self.history.last().ok_or(Error::Empty { what: "prices" })?;
        let end = *self.path.last().ok_or(Error::Empty { what: "forecast" })?;
        self.check()?;
        let mut bands = self.bands.clone();
        bands.sort_by(|a, b| b.level.total_cmp(&a.level));
        let description = self.description(last, end, &bands);
        let page =
            Page::new(options, &self.title(), &self.subtitle(last, end), self.keys(&bands), &description);
        let times = self.history.iter().chain(&self.path).map(|(time, _)| time.as_f64());
        let bounds = bands.iter().flat_map(|band| band.bounds.iter().flat_map(|&(low, high)| [low, high]));
        let members = self.members.iter().flat_map(|member| member.path.iter().copied());
        let prices =
            self.history.iter().chain(&self.path).map(|(_, price)| *price).chain(bounds).chain(members);
        let scales = (Scale::tight(Unit::Time, times), Scale::of(Unit::Amount, prices));
        page.svg(scales, &self.side(&page, end, &bands), |plot| self.draw(plot, last, &bands))
    }

    fn check(&self) -> Result<()> {
        for (_, price) in &self.history {
            drawable("a price", *price)?;
        }
        for (_, price) in &self.path {
            drawable("a forecast", *price)?;
        }
        for (low, high) in self.bands.iter().flat_map(|band| &band.bounds) {
            drawable("a bound of the interval", *low)?;
            drawable("a bound of the interval", *high)?;
        }
        for price in self.members.iter().flat_map(|member| &member.path) {
            drawable("a model's forecast", *price)?;
        }
        Ok(())
    }

    fn title(&self) -> String {
        format!("{}: forecast of {}", self.ticker, days(self.path.len()))
    }

    fn subtitle(&self, last: (Time, f64), end: (Time, f64)) -> String {
        let mut text = format!(
            "Last close {} on {}. Median {} on {}{}.",
            amount(last.1),
            last.0.long(),
            amount(end.1),
            end.0.long(),
            change(last.1, end.1).map(|change| format!(", {change}")).unwrap_or_default()
        );
        if let Some(note) = &self.note {
            text.push_str(&format!(" Note: {note}."));
        }
        text
    }

    fn keys(&self, bands: &[Band]) -> Vec<Key> {
        let mut keys = vec![
            Key::new(Mark::Line(Role::Actual), "Close"),
            Key::new(Mark::Line(Role::Forecast), "Median forecast"),
        ];
        for (index, band) in bands.iter().enumerate().rev() {
            let mark = Mark::Area(palette::band(index, bands.len()));
            keys.push(Key::new(mark, format!("{} interval", level(band.level))));
        }
        if !self.members.is_empty() {
            keys.push(Key::new(Mark::Line(Role::Member), "Single models"));
        }
        keys
    }

    /// The values at the end: the median, and either the models or the bounds. The first ones find room first.
    fn side(&self, page: &Page, end: (Time, f64), bands: &[Band]) -> Vec<SideLabel> {
        let label = |value: f64, text: String| SideLabel { value, text, dot: None, strong: false };
        let mut labels = vec![SideLabel { strong: true, ..label(end.1, amount(end.1)) }];
        for member in &self.members {
            let Some(&value) = member.path.last() else { continue };
            let price = if page.is_narrow() { String::new() } else { format!(" {}", amount(value)) };
            labels.push(label(value, format!("{}{price}", member.name)));
        }
        if self.members.is_empty() {
            for band in bands {
                let share =
                    if page.is_narrow() { String::new() } else { format!(" ({})", level(band.level)) };
                let bounds = band.bounds.last().into_iter().flat_map(|&(low, high)| [high, low]);
                labels.extend(bounds.map(|value| label(value, format!("{}{share}", amount(value)))));
            }
        }
        labels
    }

    fn draw(&self, plot: &Plot<'_>, last: (Time, f64), bands: &[Band]) -> Result<()> {
        let start = (last.0.as_f64(), last.1);
        let ahead = |values: &mut dyn Iterator<Item = f64>| -> Points {
            let steps = self.path.iter().zip(values).map(|((time, _), value)| (time.as_f64(), value));
            std::iter::once(start).chain(steps).collect()
        };
        for (index, band) in bands.iter().enumerate() {
            let upper = ahead(&mut band.bounds.iter().map(|&(_, high)| high));
            let lower = ahead(&mut band.bounds.iter().map(|&(low, _)| low));
            plot.area(&upper, &lower, palette::band(index, bands.len()))?;
        }
        plot.vertical(start.0, Role::Rule)?;
        for member in &self.members {
            plot.line(ahead(&mut member.path.iter().copied()), Role::Member, 1.0)?;
        }
        let history = self.history.iter().map(|(time, price)| (time.as_f64(), *price));
        plot.line(history.collect(), Role::Actual, 1.8)?;
        plot.line(ahead(&mut self.path.iter().map(|(_, price)| *price)), Role::Forecast, 2.5)?;
        plot.point(Mark::Dot(Role::Actual), start, 3.5)
    }

    fn description(&self, last: (Time, f64), end: (Time, f64), bands: &[Band]) -> String {
        let interval = |band: &Band| {
            let (low, high) = band.bounds.last()?;
            let (low, high) = (amount(*low), amount(*high));
            Some(format!("the {} interval there goes from {low} to {high}", level(band.level)))
        };
        let intervals: Vec<String> = bands.iter().rev().filter_map(interval).collect();
        let mut text = format!(
            "Line chart. {} closed at {} on {}. The median forecast is {} on {}, {} ahead{}.",
            self.ticker,
            amount(last.1),
            last.0.long(),
            amount(end.1),
            end.0.long(),
            days(self.path.len()),
            change(last.1, end.1).map(|change| format!(", a change of {change}")).unwrap_or_default()
        );
        if !intervals.is_empty() {
            text.push_str(&format!(" Of the fan, {}.", spoken(&intervals)));
        }
        let member = |member: &MemberPath| {
            member.path.last().map(|value| format!("{} {}", member.name, amount(*value)))
        };
        let members: Vec<String> = self.members.iter().filter_map(member).collect();
        if !members.is_empty() {
            text.push_str(&format!(" Single models forecast there: {}.", spoken(&members)));
        }
        text
    }
}

fn days(count: usize) -> String {
    if count == 1 { "1 trading day".to_owned() } else { format!("{count} trading days") }
}

/// The relative change, with its sign.
fn change(from: f64, to: f64) -> Option<String> {
    let change = to / from - 1.0;
    (from > 0.0 && change.abs() < 1e4).then(|| {
        let sign = if change >= 0.0005 { "+" } else { "" };
        format!("{sign}{}", percent(change, 1))
    })
}
