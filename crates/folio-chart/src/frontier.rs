//! The efficient frontier: expected return against volatility.

use crate::axis::{Scale, Unit};
use crate::error::drawable;
use crate::label::{self, Rect, Wanted};
use crate::number::{fixed, percent, spoken};
use crate::options::Options;
use crate::page::{Key, Mark, Page, Plot, Writing};
use crate::palette::Role;
use crate::{Error, Result, text};

/// What is expected of a ticker or of a portfolio, a year.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskReturn {
    /// The ticker.
    pub name: String,
    /// The volatility.
    pub volatility: f64,
    /// The expected return.
    pub expected_return: f64,
    /// The Sharpe ratio, where it is known.
    pub sharpe_ratio: Option<f64>,
}

impl RiskReturn {
    fn at(&self) -> (f64, f64) {
        (self.volatility, self.expected_return)
    }
}

/// A frontier.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontierChart {
    /// Its portfolios, from the one of least volatility to the one of the largest return.
    pub frontier: Vec<RiskReturn>,
    /// The tickers.
    pub assets: Vec<RiskReturn>,
    /// The portfolio of the largest Sharpe ratio; None where no portfolio beats the risk-free rate.
    pub max_sharpe: Option<RiskReturn>,
}

/// So many tickers are named, those of the largest Sharpe ratios: more names hide the points.
const MAX_NAMED: usize = 60;

/// The radius of a ticker's point in ems, and that of a marked portfolio.
const RADII: (f64, f64) = (0.3, 0.5);

impl FrontierChart {
    /// Draws it.
    ///
    /// # Errors
    /// [`Error::Empty`] without a frontier; [`Error::NotDrawable`].
    pub fn svg(&self, options: Options) -> Result<String> {
        let first = self.frontier.first().ok_or(Error::Empty { what: "frontier" })?;
        let all = || self.frontier.iter().chain(&self.assets).chain(&self.max_sharpe);
        for point in all() {
            drawable("a volatility", point.volatility)?;
            drawable("an expected return", point.expected_return)?;
        }
        let keys = vec![
            Key::new(Mark::Line(Role::Forecast), "Efficient frontier"),
            Key::new(Mark::Triangle(Role::Alert), "Largest Sharpe ratio"),
            Key::new(Mark::Square(Role::Calm), "Least volatility"),
            Key::new(Mark::Dot(Role::Muted), "Single tickers"),
        ];
        let subtitle = self.subtitle(first);
        let page = Page::new(options, "Efficient frontier", &subtitle, keys, &self.description(first))
            .with_axes("Volatility a year", "Expected return a year");
        let scale = |values: &mut dyn Iterator<Item = f64>| Scale::of(Unit::Percent, values);
        let scales = (
            scale(&mut all().map(|point| point.volatility)),
            scale(&mut all().map(|point| point.expected_return)),
        );
        page.svg(scales, &[], |plot| self.draw(plot, first))
    }

    fn subtitle(&self, first: &RiskReturn) -> String {
        let best = self.max_sharpe.as_ref().map_or_else(
            || "No portfolio beats the risk-free rate".to_owned(),
            |best| format!("Largest Sharpe ratio{}", in_words(best)),
        );
        let least = RiskReturn { sharpe_ratio: None, ..first.clone() };
        format!("{best}. Least volatility{}.", in_words(&least))
    }

    fn draw(&self, plot: &Plot<'_>, first: &RiskReturn) -> Result<()> {
        plot.line(self.frontier.iter().map(RiskReturn::at).collect(), Role::Forecast, 2.5)?;
        let (small, large) = (RADII.0 * plot.pen.font, RADII.1 * plot.pen.font);
        for asset in &self.assets {
            plot.point(Mark::Dot(Role::Muted), asset.at(), small)?;
        }
        let marked: Vec<(Mark, &RiskReturn)> = [(Mark::Square(Role::Calm), Some(first))]
            .into_iter()
            .chain([(Mark::Triangle(Role::Alert), self.max_sharpe.as_ref())])
            .filter_map(|(mark, point)| point.map(|point| (mark, point)))
            .collect();
        for (mark, point) in &marked {
            plot.point(*mark, point.at(), large)?;
        }
        self.labels(plot, &marked)
    }

    /// Names the marked portfolios and the tickers, clear of the points, of the frontier and of each other.
    fn labels(&self, plot: &Plot<'_>, marked: &[(Mark, &RiskReturn)]) -> Result<()> {
        let font = plot.pen.font;
        let (small, large) = (RADII.0 * font, RADII.1 * font);
        let mut taken: Vec<Rect> =
            self.assets.iter().map(|asset| Rect::around(plot.position(asset.at()), small + 1.0)).collect();
        taken.extend(marked.iter().map(|(_, point)| Rect::around(plot.position(point.at()), large + 1.0)));
        let line: Vec<(f64, f64)> = self.frontier.iter().map(|point| plot.position(point.at())).collect();
        taken.extend(line.windows(2).flat_map(|pair| label::trace(pair[0], pair[1])));
        // The marked portfolios first; on a phone the legend names them.
        let marked = if plot.is_narrow { &[] } else { marked };
        let portfolios = marked.iter().map(|(mark, point)| {
            let name = if *mark == Mark::Square(Role::Calm) { "Least volatility" } else { "Largest Sharpe" };
            (name.to_owned(), *point)
        });
        Self::names(plot, &portfolios.collect::<Vec<_>>(), (large, true), &mut taken)?;
        let mut best: Vec<&RiskReturn> = self.assets.iter().collect();
        best.sort_by(|a, b| {
            b.sharpe_ratio.unwrap_or(f64::MIN).total_cmp(&a.sharpe_ratio.unwrap_or(f64::MIN))
        });
        best.truncate(MAX_NAMED);
        let name = |asset: &RiskReturn| text::fit(&text::clean(&asset.name), font, 14.0 * font);
        let assets = best.into_iter().map(|asset| (name(asset), asset));
        Self::names(plot, &assets.collect::<Vec<_>>(), (small, false), &mut taken)
    }

    /// Writes names beside points of this radius where there is room, which they take. Bold ones stand for the legend's
    /// marks: either all of them are written or, since one alone would look like the only one, none.
    fn names(
        plot: &Plot<'_>,
        names: &[(String, &RiskReturn)],
        (radius, bold): (f64, bool),
        taken: &mut Vec<Rect>,
    ) -> Result<()> {
        let font = plot.pen.font;
        let wanted = |(name, point): &(String, &RiskReturn)| {
            let width = if bold { text::bold_width(name, font) } else { text::width(name, font) };
            Wanted { point: plot.position(point.at()), size: (width, font * 1.1), clearance: radius + 3.0 }
        };
        let wanted: Vec<Wanted> = names.iter().map(wanted).collect();
        let placed = label::place(&wanted, &plot.frame, taken);
        if bold && placed.iter().any(Option::is_none) {
            return Ok(());
        }
        let role = if bold { Role::Ink } else { Role::Muted };
        let writing = Writing { role, bold, ..Writing::centred(font) };
        for ((name, _), placed) in names.iter().zip(placed) {
            let Some(placed) = placed else { continue };
            if let Some(leader) = placed.leader {
                plot.pen.line(&leader, Role::Rule, 0.8)?;
            }
            plot.pen.write(name, placed.rect.centre(), &writing)?;
            taken.extend(placed.parts());
        }
        Ok(())
    }

    fn description(&self, first: &RiskReturn) -> String {
        let last = self.frontier.last().unwrap_or(first);
        let asset = |asset: &RiskReturn| {
            let (risk, gain) = (percent(asset.volatility, 1), percent(asset.expected_return, 1));
            format!("{} {risk} and {gain}", asset.name)
        };
        let assets: Vec<String> = self.assets.iter().map(asset).collect();
        format!(
            "Scatter chart of expected return against volatility, a year. The efficient frontier goes from a volatility \
             of {} with an expected return of {} to {} with {}. {} Volatility and expected return of each ticker: {}.",
            percent(first.volatility, 1),
            percent(first.expected_return, 1),
            percent(last.volatility, 1),
            percent(last.expected_return, 1),
            self.subtitle(first),
            spoken(&assets)
        )
    }
}

/// A portfolio's figures, as they follow its name.
fn in_words(point: &RiskReturn) -> String {
    let sharpe = point.sharpe_ratio.map(|ratio| format!(" {}", fixed(ratio, 2))).unwrap_or_default();
    let (gain, risk) = (percent(point.expected_return, 1), percent(point.volatility, 1));
    format!("{sharpe}: return {gain}, volatility {risk}")
}
