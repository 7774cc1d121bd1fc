//! Seasons: whether a series has one of a given length, what it looks like, and the series without it.
//!
//! **The test.** What a moving average over a season leaves of the series is cut into its C seasons d(1), ..., d(C). Two
//! seasons that look alike have a large product, so with S the sum of the products of all pairs
//!
//! ```text
//! r = 2 S / ((C - 1) sum |d(c)|^2)      z = S / sqrt(sum over pairs of the mean over shifts k of (d(b), shift d(c) by k)^2)
//! ```
//!
//! r is the intraclass correlation: 1 where all seasons are the same, 0 on average where none is. z compares S with what it
//! would be if every season began at a phase of its own; shifting keeps what a walk leaves within a season, so a random walk
//! is not taken for one. A season is there where r is over [`LEAST_CORRELATION`] and z over [`LEAST_Z`].
//!
//! **The decomposition** is that of STL (Cleveland, Cleveland, McRae and Terpenning, Journal of Official Statistics 6,
//! 1990), in turns as in MSTL (Bandara, Hyndman and Bergmeir 2021) where there are several: the trend is a local line
//! through the adjusted series, the season a smooth of each phase over the seasons. The smooth weighs a season k away by
//! memory^k, memory being what forecasts the next season best in the series itself; so it needs no window to be chosen, and
//! what it says of the season to come depends on the past alone.

use crate::task::{Cancel, Cancelled};
use crate::work;

/// How alike the seasons of a series have to be, and how much more than by chance.
const LEAST_CORRELATION: f64 = 0.1;
const LEAST_Z: f64 = 3.0;

/// The fewest seasons that can be told from a walk.
const LEAST_SEASONS: usize = 3;

/// The newest values are tested: of more the pairs take too long.
const TESTED: usize = 2048;

/// How much of a season is left a season later.
const MEMORIES: [f64; 6] = [1.0, 0.9, 0.75, 0.6, 0.4, 0.2];

/// Turns of trend and seasons; further ones change nothing that counts.
const TURNS: usize = 3;

/// Units of [`work`] for a value of one turn and season, and for a product of the test.
const TURN: usize = 30;
const PRODUCT: usize = 1;

/// The lengths among `candidates` that are seasons of `y`, rising.
pub(crate) fn found(y: &[f64], candidates: &[usize], cancel: &Cancel) -> Result<Vec<usize>, Cancelled> {
    let mut lengths: Vec<usize> = candidates.iter().copied().filter(|length| *length > 1).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let recent = &y[y.len().saturating_sub(TESTED)..];
    let mut found = Vec::new();
    for length in lengths {
        cancel.check()?;
        if has_season(recent, &found, length, cancel)? {
            found.push(length);
        }
    }
    Ok(found)
}

/// Whether there is a season of this length beside those that were found.
fn has_season(y: &[f64], shorter: &[usize], length: usize, cancel: &Cancel) -> Result<bool, Cancelled> {
    if y.len() < (LEAST_SEASONS + 1) * length {
        return Ok(false);
    }
    // A season that holds shorter ones is what it adds to them.
    let adjusted = Seasons::of(y, shorter, cancel)?.decompose(y, cancel)?.adjusted;
    let mut left: Vec<f64> = centered(&adjusted, length).collect();
    left.drain(..left.len() % length);
    let seasons: Vec<&[f64]> = left.chunks(length).collect();
    let count = seasons.len() as f64;
    let own: f64 = left.iter().map(|value| value * value).sum();
    let sums = (0..length).map(|phase| seasons.iter().map(|season| season[phase]).sum::<f64>());
    let pairs = (sums.map(|sum| sum * sum).sum::<f64>() - own) / 2.0;
    let correlation = 2.0 * pairs / ((count - 1.0) * own);
    if correlation.is_nan() || correlation <= LEAST_CORRELATION {
        return Ok(false);
    }
    Ok(pairs > LEAST_Z * shifted_variance(&seasons, cancel)?.sqrt())
}

/// The variance of the sum of the products of all pairs where each season is shifted at random.
fn shifted_variance(seasons: &[&[f64]], cancel: &Cancel) -> Result<f64, Cancelled> {
    let length = seasons[0].len();
    let centered: Vec<Vec<f64>> = seasons
        .iter()
        .map(|season| {
            let mean = season.iter().sum::<f64>() / length as f64;
            season.iter().map(|value| value - mean).collect()
        })
        .collect();
    let mut variance = 0.0;
    let units = PRODUCT * seasons.len() * length * length;
    for (index, season) in work::watched(centered.iter().enumerate(), units, cancel).flatten() {
        for other in &centered[..index] {
            let product = |shift: usize| {
                let turned = other[shift..].iter().chain(&other[..shift]);
                season.iter().zip(turned).map(|(a, b)| a * b).sum::<f64>()
            };
            variance += (0..length).map(|shift| product(shift).powi(2)).sum::<f64>() / length as f64;
        }
    }
    cancel.check()?;
    Ok(variance)
}

/// What the centred moving average over a season leaves of the values that have a whole one around them.
fn centered(y: &[f64], length: usize) -> impl Iterator<Item = f64> {
    let half = length / 2;
    let even = length.is_multiple_of(2);
    (half..y.len() - half).map(move |at| {
        let window = &y[at - half..=at + half];
        let ends = if even { (window[0] + window[2 * half]) / 2.0 } else { 0.0 };
        // Distances from the value itself: a level of any size leaves no rounding of its own.
        let sum: f64 = window.iter().map(|other| other - y[at]).sum();
        -(sum - if even { ends - y[at] } else { 0.0 }) / length as f64
    })
}

/// The seasons of a series, and how long each is remembered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seasons(Vec<Season>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Season {
    length: usize,
    memory: f64,
}

/// A series in its parts.
pub(crate) struct Decomposition {
    /// The series without its seasons.
    pub adjusted: Vec<f64>,
    /// By season, the values of the last one, oldest first.
    last: Vec<Vec<f64>>,
}

impl Decomposition {
    /// What the seasons add at a step after the last value.
    pub fn ahead(&self, step: usize) -> f64 {
        self.last.iter().map(|season| season[(step - 1) % season.len()]).sum()
    }
}

impl Seasons {
    /// The seasons of these lengths in `y`, which has at least two of each.
    pub fn of(y: &[f64], lengths: &[usize], cancel: &Cancel) -> Result<Seasons, Cancelled> {
        let mut seasons: Vec<Season> =
            lengths.iter().map(|&length| Season { length, memory: MEMORIES[1] }).collect();
        if seasons.is_empty() {
            return Ok(Seasons(seasons));
        }
        let parts = Parts::of(y, &seasons, cancel)?;
        for (index, season) in seasons.iter_mut().enumerate() {
            let left = parts.without_others(y, index);
            work::count(MEMORIES.len() * 4 * y.len());
            cancel.check()?;
            let errors = MEMORIES.map(|memory| error_ahead(&left, season.length, memory));
            let least = (0..MEMORIES.len()).min_by(|a, b| errors[*a].total_cmp(&errors[*b]));
            season.memory = MEMORIES[least.unwrap_or(0)];
        }
        Ok(Seasons(seasons))
    }

    /// The parts of `y`, with these memories.
    pub fn decompose(&self, y: &[f64], cancel: &Cancel) -> Result<Decomposition, Cancelled> {
        if self.0.is_empty() {
            return Ok(Decomposition { adjusted: y.to_vec(), last: Vec::new() });
        }
        let parts = Parts::of(y, &self.0, cancel)?;
        let last = |season: &Vec<f64>, length: usize| season[y.len() - length..].to_vec();
        Ok(Decomposition {
            adjusted: parts.adjusted(y),
            last: parts.seasons.iter().zip(&self.0).map(|(all, season)| last(all, season.length)).collect(),
        })
    }

    /// What a reader should know of them.
    pub fn detail(&self) -> serde_json::Value {
        let one = |season: &Season| serde_json::json!({"length": season.length, "memory": season.memory});
        self.0.iter().map(one).collect()
    }
}

/// Trend and seasons, value by value.
struct Parts {
    trend: Vec<f64>,
    seasons: Vec<Vec<f64>>,
}

impl Parts {
    fn of(y: &[f64], seasons: &[Season], cancel: &Cancel) -> Result<Parts, Cancelled> {
        let longest = seasons.iter().map(|season| season.length).max().unwrap_or(1);
        let mut parts =
            Parts { trend: first_trend(y, longest), seasons: vec![vec![0.0; y.len()]; seasons.len()] };
        for _ in 0..TURNS {
            for (index, season) in seasons.iter().enumerate() {
                cancel.check()?;
                work::count(TURN * y.len());
                let left = parts.without_others(y, index);
                parts.seasons[index] = without_level(&smooth(&left, *season), season.length);
            }
            parts.trend = local_line(&parts.adjusted(y), longest / 2 + 1);
        }
        Ok(parts)
    }

    fn adjusted(&self, y: &[f64]) -> Vec<f64> {
        (0..y.len()).map(|t| y[t] - self.seasons.iter().map(|season| season[t]).sum::<f64>()).collect()
    }

    /// The series without its trend and the other seasons.
    fn without_others(&self, y: &[f64], index: usize) -> Vec<f64> {
        let others = |t: usize| {
            let all = self.seasons.iter().enumerate();
            all.filter(|(other, _)| *other != index).map(|(_, season)| season[t]).sum::<f64>()
        };
        (0..y.len()).map(|t| y[t] - self.trend[t] - others(t)).collect()
    }
}

/// A trend from which seasons of this length are gone: their moving average, and its first and last line.
fn first_trend(y: &[f64], length: usize) -> Vec<f64> {
    let half = length / 2;
    let whole: Vec<f64> = centered(y, length).zip(&y[half..]).map(|(left, value)| value - left).collect();
    let slope = |from: usize, to: usize| (whole[to] - whole[from]) / (to - from).max(1) as f64;
    let (last, near) = (whole.len() - 1, length.min(whole.len() - 1));
    let (rising, ending) = (slope(0, near), slope(last - near, last));
    (0..y.len())
        .map(|t| match t.checked_sub(half) {
            None => whole[0] - rising * (half - t) as f64,
            Some(at) if at > last => whole[last] + ending * (at - last) as f64,
            Some(at) => whole[at],
        })
        .collect()
}

/// The least squares line through the values at most `half` away from each, at that value.
fn local_line(y: &[f64], half: usize) -> Vec<f64> {
    let origin = y[0];
    let (mut sums, mut moments) = (vec![0.0], vec![0.0]);
    for (t, value) in y.iter().enumerate() {
        sums.push(sums[t] + (value - origin));
        moments.push(moments[t] + t as f64 * (value - origin));
    }
    (0..y.len())
        .map(|t| {
            let (from, to) = (t.saturating_sub(half), (t + half + 1).min(y.len()));
            let count = (to - from) as f64;
            let middle = (from + to - 1) as f64 / 2.0;
            let sum = sums[to] - sums[from];
            let products = moments[to] - moments[from] - middle * sum;
            let squares = count * (count * count - 1.0) / 12.0;
            origin + sum / count + if squares > 0.0 { products / squares * (t as f64 - middle) } else { 0.0 }
        })
        .collect()
}

/// Each phase smoothed over the seasons before and after it.
fn smooth(y: &[f64], Season { length, memory }: Season) -> Vec<f64> {
    let mut smoothed = vec![0.0; y.len()];
    for phase in 0..length.min(y.len()) {
        let at: Vec<usize> = (phase..y.len()).step_by(length).collect();
        let (mut sum, mut weight) = (0.0, 0.0);
        let before: Vec<(f64, f64)> = at
            .iter()
            .map(|&t| {
                (sum, weight) = (y[t] + memory * sum, 1.0 + memory * weight);
                (sum, weight)
            })
            .collect();
        (sum, weight) = (0.0, 0.0);
        for (&t, (sum_before, weight_before)) in at.iter().zip(before).rev() {
            smoothed[t] = (sum_before + memory * sum) / (weight_before + memory * weight);
            (sum, weight) = (y[t] + memory * sum, 1.0 + memory * weight);
        }
    }
    smoothed
}

/// A season has no level of its own: its moving average goes.
fn without_level(season: &[f64], length: usize) -> Vec<f64> {
    let mut sums = vec![0.0];
    for (t, value) in season.iter().enumerate() {
        sums.push(sums[t] + value);
    }
    let last = season.len() - length;
    let mean = |t: usize| {
        let from = t.saturating_sub(length / 2).min(last);
        (sums[from + length] - sums[from]) / length as f64
    };
    season.iter().enumerate().map(|(t, value)| value - mean(t)).collect()
}

/// The mean absolute error of the seasons as forecasts of the next one.
fn error_ahead(left: &[f64], length: usize, memory: f64) -> f64 {
    let mut total = 0.0;
    for phase in 0..length {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (number, t) in (phase..left.len()).step_by(length).enumerate() {
            // Of one season alone every memory says the same.
            if number > 1 {
                total += (left[t] - sum / weight).abs();
            }
            (sum, weight) = (left[t] + memory * sum, 1.0 + memory * weight);
        }
    }
    total
}
