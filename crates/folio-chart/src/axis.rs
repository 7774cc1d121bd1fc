//! Axes: a range, and ticks whose labels have room.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::calendar::{self, Time};
use crate::{number, text};

/// What the numbers of an axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Microseconds.
    Time,
    /// Prices and the like.
    Amount,
    /// Shares, written as percentages.
    Percent,
}

/// What an axis has to show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub unit: Unit,
    pub low: f64,
    pub high: f64,
}

/// How far a range is widened beyond the data, as a share of it.
const MARGIN: f64 = 0.06;

/// The range of a scale whose data are all equal, as a share of them.
const CONSTANT: f64 = 0.02;

/// Doubles near a number x lie about 2e-16 x apart; a range needs some thousand of them to be divided by.
const RESOLUTION: f64 = 1e-12;

impl Scale {
    /// The scale of these numbers, with a margin around them.
    pub fn of(unit: Unit, values: impl Iterator<Item = f64>) -> Scale {
        let (low, high) = bounds(unit, values);
        let margin = MARGIN * (high - low);
        Scale { unit, low: low - margin, high: high + margin }
    }

    /// The scale of these numbers, without a margin.
    pub fn tight(unit: Unit, values: impl Iterator<Item = f64>) -> Scale {
        let (low, high) = bounds(unit, values);
        Scale { unit, low, high }
    }

    /// The same scale, with zero in it.
    pub fn with_zero(self) -> Scale {
        Scale { low: self.low.min(0.0), high: self.high.max(0.0), ..self }
    }
}

/// The range of numbers, widened where it has no width.
fn bounds(unit: Unit, values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let size = low.abs().max(high.abs());
    let (least, half) = match unit {
        Unit::Time => (calendar::HOUR as f64, calendar::DAY as f64),
        _ if size > 0.0 => (RESOLUTION * size, CONSTANT * size),
        _ => (0.0, 1.0),
    };
    if high - low > least { (low, high) } else { (low - half, high + half) }
}

/// A tick and its label.
type Tick = (f64, String);

/// An axis with its ticks, as plotters draws it.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    range: Range<f64>,
    ticks: Vec<Tick>,
}

/// How far labels of neighbouring ticks stay apart, in ems.
const GAP: f64 = 1.4;

/// The most ticks of an axis.
const MAX_TICKS: usize = 10;

/// The least distance of ticks on a vertical axis, in ems.
const LINE_DISTANCE: f64 = 3.2;

impl Axis {
    /// A horizontal axis of so many pixels with labels of this size, which may reach so far over its ends.
    pub fn horizontal(scale: Scale, length: f64, font: f64, beyond: (f64, f64)) -> Axis {
        let range = scale.low..scale.high;
        let candidates: Vec<Vec<Tick>> = match scale.unit {
            Unit::Time => {
                let (from, to) = (Time(scale.low.ceil() as i64), Time(scale.high.floor() as i64));
                let few = |step: &&calendar::Step| step.count(from, to) <= 4 * MAX_TICKS as i64;
                let ticks = |step: &calendar::Step| step.ticks(from, to).into_iter();
                let ticks = |step| ticks(step).map(|(time, label)| (time.as_f64(), label)).collect();
                calendar::STEPS.iter().filter(few).map(ticks).collect()
            }
            _ => (1..MAX_TICKS).rev().map(|count| ticks(scale, count)).collect(),
        };
        let pixel = |value: f64| (value - scale.low) / (scale.high - scale.low) * length;
        let fits = |ticks: &&Vec<Tick>| {
            let apart = |pair: &[Tick]| {
                let [(left, left_label), (right, right_label)] = pair else { return true };
                let room = (text::width(left_label, font) + text::width(right_label, font)) / 2.0;
                pixel(*right) - pixel(*left) >= room + GAP * font
            };
            (1..=MAX_TICKS).contains(&ticks.len()) && ticks.windows(2).all(apart)
        };
        let is_inside = |(value, label): &Tick| {
            let half = text::width(label, font) / 2.0;
            pixel(*value) - half >= -beyond.0 && pixel(*value) + half <= length + beyond.1
        };
        let mut ticks = candidates.iter().find(fits).cloned().unwrap_or_default();
        ticks.retain(is_inside);
        Axis { range, ticks }
    }

    /// A vertical axis of so many pixels with labels of this size.
    pub fn vertical(scale: Scale, length: f64, font: f64) -> Axis {
        let count = (length / (LINE_DISTANCE * font)).clamp(2.0, MAX_TICKS as f64) as usize;
        Axis { range: scale.low..scale.high, ticks: ticks(scale, count) }
    }

    /// The width of the widest label.
    pub fn label_width(&self, font: f64) -> f64 {
        self.ticks.iter().map(|(_, label)| text::width(label, font)).fold(0.0, f64::max)
    }
}

/// At most `count` round numbers in a scale, 1, 2 or 5 times a power of ten apart.
fn ticks(scale: Scale, count: usize) -> Vec<Tick> {
    let factor = if scale.unit == Unit::Percent { 100.0 } else { 1.0 };
    let (low, high) = (scale.low * factor, scale.high * factor);
    let least = (high - low) / count as f64;
    let power = least.log10().floor();
    let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * 10f64.powf(power));
    let step = step.into_iter().find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(least);
    let decimals = (-(step * (1.0 + 1e-9)).log10().floor()).max(0.0) as usize;
    let size = low.abs().max(high.abs());
    let is_plain = decimals <= 8 && size < 1e9;
    let label = |value: f64| {
        let number = if is_plain {
            number::fixed(value, decimals)
        } else {
            // As many digits as tell one tick from the next.
            number::scientific(value, ((size / step).log10().ceil().max(1.0) as usize).min(12))
        };
        if scale.unit == Unit::Percent { format!("{number} %") } else { number }
    };
    let first = (low / step).ceil();
    let number = ((high / step).floor() - first + 1.0).clamp(0.0, 2.0 * MAX_TICKS as f64) as usize;
    (0..number)
        .map(|index| (first + index as f64) * step)
        .map(|value| (value / factor, label(value)))
        .collect()
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        // All that is drawn lies inside; what a caller asks for beyond must not leave the canvas or the integers.
        let share = share.clamp(0.0, 1.0);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // The ticks are plotters' bold lines; between them there are none.
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|(value, _)| *value).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|(tick, _)| tick == value).map(|(_, label)| label.clone()).unwrap_or_default()
    }
}
