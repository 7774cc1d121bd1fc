//! The weights of a portfolio over time, stacked.

use crate::axis::{Scale, Unit};
use crate::calendar::{DAY, Time};
use crate::error::drawable;
use crate::error::{Error, Result};
use crate::label::SideLabel;
use crate::number::{percent, spoken};
use crate::options::Options;
use crate::page::{Page, Plot};
use crate::palette::{Role, SERIES};

/// The weights from one time on.
#[derive(Debug, Clone, PartialEq)]
pub struct Rebalance {
    /// From when on they are held.
    pub time: Time,
    /// The tickers and their weights; one that is not named has the weight 0.
    pub weights: Vec<(String, f64)>,
}

/// A portfolio over time.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightsChart {
    /// Its name.
    pub portfolio: String,
    /// Its weights, rising in time.
    pub rebalances: Vec<Rebalance>,
}

/// How long the last weights are drawn where there are no others to tell by.
const ALONE: i64 = 30 * DAY;

/// One layer of the stack.
struct Layer {
    name: String,
    role: Role,
    /// Its weight after each rebalance.
    weights: Vec<f64>,
    /// Its edges after each rebalance: from and to.
    edges: Vec<(f64, f64)>,
}

impl WeightsChart {
    /// Draws it.
    ///
    /// # Errors
    /// [`Error::Empty`] without a weight; [`Error::NotDrawable`].
    pub fn svg(&self, options: Options) -> Result<String> {
        for (_, weight) in self.rebalances.iter().flat_map(|rebalance| &rebalance.weights) {
            drawable("a weight", *weight)?;
        }
        let layers = self.layers();
        let (Some(first), Some(last), false) =
            (self.rebalances.first(), self.rebalances.last(), layers.is_empty())
        else {
            return Err(Error::Empty { what: "weights" });
        };
        let subtitle = match self.rebalances.len() {
            1 => format!("Weights since {}", last.time.long()),
            count => format!("{count} rebalances from {} to {}", first.time.long(), last.time.long()),
        };
        let description = self.description(&layers, last);
        let title = format!("{}: weights", self.portfolio);
        let page = Page::new(options, &title, &subtitle, Vec::new(), &description);
        let ends = [first.time.as_f64(), self.end(last.time).as_f64()];
        let edges = layers.iter().flat_map(|layer| layer.edges.iter().flat_map(|&(from, to)| [from, to]));
        let scales =
            (Scale::tight(Unit::Time, ends.into_iter()), Scale::tight(Unit::Percent, edges).with_zero());
        let decimals = usize::from(!page.is_narrow());
        let side = |layer: &Layer| {
            let (from, to) = layer.edges.last().copied().unwrap_or_default();
            let weight = percent(layer.weights.last().copied().unwrap_or_default(), decimals);
            let text = format!("{} {weight}", layer.name);
            SideLabel { value: f64::midpoint(from, to), text, dot: Some(layer.role), strong: false }
        };
        let side: Vec<SideLabel> = layers.iter().map(side).collect();
        page.svg(scales, &side, |plot| self.draw(plot, &layers))
    }

    /// Until when the last weights are drawn: as long as others were held, in the middle of them.
    fn end(&self, last: Time) -> Time {
        let mut gaps: Vec<i64> =
            self.rebalances.windows(2).map(|pair| pair[1].time.0 - pair[0].time.0).collect();
        gaps.sort_unstable();
        Time(last.0.saturating_add(gaps.get(gaps.len() / 2).copied().unwrap_or(ALONE).max(1)))
    }

    /// The layers from the bottom on: the tickers with the largest weights over time, then all others as one.
    fn layers(&self) -> Vec<Layer> {
        let weight = |rebalance: &Rebalance, name: &str| {
            rebalance.weights.iter().filter(|(other, _)| other == name).map(|(_, weight)| weight).sum::<f64>()
        };
        let mut names: Vec<&str> = self
            .rebalances
            .iter()
            .flat_map(|rebalance| rebalance.weights.iter().map(|(name, _)| name.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        let series = |name: &&str| -> Vec<f64> {
            self.rebalances.iter().map(|rebalance| weight(rebalance, name)).collect()
        };
        let mut all: Vec<(String, Vec<f64>)> =
            names.iter().map(|name| ((*name).to_owned(), series(name))).collect();
        let size = |weights: &[f64]| weights.iter().map(|weight| weight.abs()).sum::<f64>();
        all.retain(|(_, weights)| size(weights) > 0.0);
        // Stable, so that equal weights are in the order of the names.
        all.sort_by(|(_, a), (_, b)| size(b).total_cmp(&size(a)));
        let rest = if all.len() > SERIES + 1 { all.split_off(SERIES) } else { Vec::new() };
        let mut layers: Vec<Layer> = (0..)
            .zip(all)
            .map(|(index, (name, weights))| {
                let role = if index < SERIES { Role::Series(index) } else { Role::Rest };
                Layer { name, role, weights, edges: Vec::new() }
            })
            .collect();
        if !rest.is_empty() {
            let sum = |index: usize| rest.iter().map(|(_, weights)| weights[index]).sum();
            let weights = (0..self.rebalances.len()).map(sum).collect();
            layers.push(Layer {
                name: format!("{} others", rest.len()),
                role: Role::Rest,
                weights,
                edges: Vec::new(),
            });
        }
        stack(&mut layers, self.rebalances.len());
        layers
    }

    fn draw(&self, plot: &Plot<'_>, layers: &[Layer]) -> Result<()> {
        let mut times: Vec<f64> = self.rebalances.iter().map(|rebalance| rebalance.time.as_f64()).collect();
        times.extend(self.rebalances.last().map(|last| self.end(last.time).as_f64()));
        let steps = |edge: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
            let held = |index: usize| [(times[index], edge(index)), (times[index + 1], edge(index))];
            (0..self.rebalances.len()).flat_map(held).collect()
        };
        for layer in layers {
            let (from, to) = (steps(&|index| layer.edges[index].0), steps(&|index| layer.edges[index].1));
            plot.area(&to, &from, layer.role)?;
        }
        // A line of the surface between neighbours, so that they are apart without their colours; it ends where a layer
        // goes over to the other side of zero.
        for layer in layers {
            let edges = steps(&|index| layer.edges[index].1);
            for piece in edges.chunk_by(|(_, a), (_, b)| (*a < 0.0) == (*b < 0.0)) {
                plot.line(piece.to_vec(), Role::Surface, 1.2)?;
            }
        }
        if layers.iter().flat_map(|layer| &layer.weights).any(|weight| *weight < 0.0) {
            plot.line(steps(&|_| 0.0), Role::Ink, 1.0)?;
        }
        Ok(())
    }

    fn description(&self, layers: &[Layer], last: &Rebalance) -> String {
        let now = |layer: &Layer| {
            format!("{} {}", layer.name, percent(layer.weights.last().copied().unwrap_or_default(), 1))
        };
        let weights: Vec<String> = layers.iter().map(now).collect();
        format!(
            "Stacked chart of the weights of {} after each of {} rebalances. The weights since {} are: {}.",
            self.portfolio,
            self.rebalances.len(),
            last.time.long(),
            spoken(&weights)
        )
    }
}

/// Stacks the layers after each rebalance: what is long upwards from zero, what is short downwards.
fn stack(layers: &mut [Layer], rebalances: usize) {
    for index in 0..rebalances {
        let (mut above, mut below) = (0.0, 0.0);
        for layer in &mut *layers {
            let weight = layer.weights[index];
            let from: &mut f64 = if weight < 0.0 { &mut below } else { &mut above };
            layer.edges.push((*from, *from + weight));
            *from += weight;
        }
    }
}
