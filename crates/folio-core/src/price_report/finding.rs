//! What is found, and what is looked at.

use std::collections::BTreeMap;

use crate::calendar::Calendar;
use crate::price::Timestamp;

/// What kind of thing is odd, in the order of how much it may spoil.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Rows without a number, or with an infinite one, or without a time.
    Missing,
    /// Prices of zero or less, which have no logarithm.
    NotPositive,
    /// A second row of one time, or of one bar.
    Duplicate,
    /// A move that looks like a split for which the prices before it were not adjusted.
    Split,
    /// A price far away from those on both sides of it.
    Outlier,
    /// A move that is out of all proportion and stays.
    Jump,
    /// More bars are missing in one place than holidays explain.
    Gap,
    /// The same price for more bars than the ticker's own habit explains.
    Stale,
    /// The last price is older than the newest of the others.
    Ended,
    /// The stamps follow no pattern, or too few of them do.
    Irregular,
    /// The time of day of a daily price changes.
    TimeShift,
    /// Another ticker has the same returns.
    Twin,
}

impl Kind {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Missing => "missing",
            Kind::NotPositive => "not_positive",
            Kind::Duplicate => "duplicate",
            Kind::Split => "split",
            Kind::Outlier => "outlier",
            Kind::Jump => "jump",
            Kind::Gap => "gap",
            Kind::Stale => "stale",
            Kind::Ended => "ended",
            Kind::Irregular => "irregular",
            Kind::TimeShift => "time_shift",
            Kind::Twin => "twin",
        }
    }
}

/// Something odd.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What kind.
    pub kind: Kind,
    /// Where it begins.
    pub ts: Option<Timestamp>,
    /// Where it ends, if it has a length.
    pub until: Option<Timestamp>,
    /// How much: rows, bars, the ratio of a split, the return of a jump, a share; the detail says of what.
    pub value: f64,
    /// In words.
    pub detail: String,
}

impl Finding {
    pub(super) fn at(kind: Kind, ts: Timestamp, value: f64, detail: String) -> Finding {
        Finding { kind, ts: Some(ts), until: None, value, detail }
    }

    pub(super) fn until(self, ts: Timestamp) -> Finding {
        Finding { until: Some(ts), ..self }
    }
}

/// How many findings of a kind are listed of a ticker; the last one says how many more there are.
const MAX_OF_A_KIND: usize = 20;

/// What is odd about a ticker's prices. Of each kind the first ones are kept and the others counted, so that a series of
/// millions of oddities takes no more than one of some.
#[derive(Default)]
pub(super) struct Findings {
    kept: BTreeMap<Kind, (Vec<Finding>, usize)>,
}

impl Findings {
    /// Those of a kind are to come in the order of their times.
    pub fn push(&mut self, finding: Finding) {
        let (kept, more) = self.kept.entry(finding.kind).or_default();
        if kept.len() < MAX_OF_A_KIND {
            kept.push(finding);
        } else {
            *more += 1;
        }
    }

    pub fn has(&self, kind: Kind) -> bool {
        self.kept.contains_key(&kind)
    }

    /// In the order of kinds and of time.
    pub fn into_list(self) -> Vec<Finding> {
        let with_count = |(mut kept, more): (Vec<Finding>, usize)| {
            if let Some(last) = kept.last_mut().filter(|_| more > 0) {
                last.detail.push_str(&format!("; {more} more of this kind"));
            }
            kept
        };
        self.kept.into_values().flat_map(with_count).collect()
    }
}

impl Extend<Finding> for Findings {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, findings: I) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

/// What the prices of a ticker are like.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceReport {
    /// The ticker.
    pub ticker: String,
    /// How many rows were looked at.
    pub rows: usize,
    /// The time of the newest.
    pub last: Option<Timestamp>,
    /// How often it has a price: `daily`, `1 hour`; None without a price.
    pub frequency: Option<String>,
    /// The share of the stamps that fit that.
    pub fit: f64,
    /// Bars a year.
    pub periods_per_year: f64,
    /// What is odd, in the order of kinds and of time.
    pub findings: Vec<Finding>,
}

impl PriceReport {
    /// What it takes in memory, in bytes.
    pub fn bytes(&self) -> usize {
        let findings = self.findings.iter().map(|finding| size_of::<Finding>() + finding.detail.len());
        size_of::<PriceReport>() + self.ticker.len() + findings.sum::<usize>()
    }
}

/// The rows of a ticker that have a price, each bar once, and how often they come.
pub(super) struct Prices {
    pub ts: Vec<Timestamp>,
    pub log: Vec<f64>,
    pub close: Vec<f64>,
    pub calendar: Calendar,
}

/// From when to when a ticker has prices: what is left of them once they were looked at.
pub(super) struct Span {
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: usize,
    pub calendar: Calendar,
}

impl Prices {
    /// None of no prices.
    pub fn into_span(self) -> Option<Span> {
        let (first, last) = (*self.ts.first()?, *self.ts.last()?);
        Some(Span { first, last, count: self.ts.len(), calendar: self.calendar })
    }

    pub fn returns(&self) -> Vec<f64> {
        self.log.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

/// A ticker that was looked at by itself.
pub(super) struct Looked {
    /// Without the findings.
    pub report: PriceReport,
    /// None where no row has a price.
    pub span: Option<Span>,
    /// The newest returns as a number, and the time from which on; see [`super::twins`].
    pub print: Option<(Timestamp, u64)>,
    pub findings: Findings,
}
