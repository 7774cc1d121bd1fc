//! Late listings and early ends planted into whole histories, and what portfolios of what is left risk afterwards: for
//! `tests/portfolio_alignment.rs` and `examples/alignment.rs`.

use folio_core::panel::{PricePanel, PriceRow, ReturnPanel, Series};
use folio_core::portfolio::alignment::Alignment;
use folio_core::portfolio::objective::by_name;
use folio_core::portfolio::request::{Request, optimize_portfolio};
use folio_core::task::{Cancel, Seed};
use rand_core::Rng;

/// The days after a portfolio is made over which it is measured.
const LATER: usize = 100;

/// A panel of these series, each with the prices that are kept of it.
pub fn panel(series: &[Series], keep: impl Fn(usize, usize) -> bool) -> PricePanel {
    let column = |(place, series): (usize, &Series)| {
        let rows = series.ts().iter().zip(series.close()).map(|(&ts, &close)| PriceRow { ts, close });
        let rows = rows.enumerate().filter(|&(row, _)| keep(place, row)).map(|(_, row)| row).collect();
        (series.ticker().to_owned(), Series::new(series.ticker().to_owned(), rows, usize::MAX))
    };
    PricePanel::new(series.iter().enumerate().map(column).collect())
}

/// Which tickers come late, and which end early.
#[derive(Debug, Clone, Copy)]
pub enum Planting {
    /// Every fourth ticker is listed as many returns before the end as are said.
    Same,
    /// A fifth of the tickers is listed one, two, three, ... times as many returns before the end, and a tenth ended up to half
    /// as many before it.
    Spread,
}

impl Planting {
    pub const BOTH: [Planting; 2] = [Planting::Same, Planting::Spread];

    /// Of each ticker, how many of the newest returns it does not precede, and how many of them it lacks.
    fn spans(self, tickers: usize, late: usize, number: usize) -> Vec<(usize, usize)> {
        let mut spans = vec![(usize::MAX, 0); tickers];
        match self {
            Planting::Same => {
                for place in (0..tickers).filter(|place| (place + number) % 4 == 0) {
                    spans[place].0 = late;
                }
            }
            Planting::Spread => {
                let mut rng = Seed(number as u64).rng();
                let mut below = |end: usize| (rng.next_u64() % end.max(1) as u64) as usize;
                let mut order: Vec<usize> = (0..tickers).collect();
                for place in 0..tickers {
                    order.swap(place, place + below(tickers - place));
                }
                for (times, &place) in order[..tickers / 5].iter().enumerate() {
                    spans[place].0 = late * (1 + times);
                }
                for &place in &order[tickers / 5..tickers / 5 + tickers / 10] {
                    spans[place].1 = 5 + below(late / 2 - 5);
                }
            }
        }
        spans
    }
}

/// The annual volatility after the fact, in per cent, of portfolios of least variance, on average over plantings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Realised {
    /// How many plantings.
    pub plantings: usize,
    /// Of all times, what is lacking completed.
    pub all: f64,
    /// Of the days that all tickers share.
    pub common: f64,
    /// Of the histories without a planting.
    pub whole: f64,
}

/// Portfolios at days `stride` apart, each from the newest `history` returns.
pub fn realised(
    series: &[Series],
    planting: Planting,
    late: usize,
    history: usize,
    stride: usize,
) -> Realised {
    let (days, cancel) = (series[0].ts().len(), Cancel::default());
    let mut sum = Realised::default();
    for (number, end) in (history..days - LATER).step_by(stride).enumerate() {
        let spans = planting.spans(series.len(), late, number);
        let known = |place: usize, row: usize| {
            let before_the_end = end.wrapping_sub(row);
            row <= end && before_the_end <= spans[place].0 && before_the_end >= spans[place].1
        };
        let planted = panel(series, |place, row| row + history >= end && known(place, row));
        let whole = panel(series, |_, row| row + history >= end && row <= end);
        let later = panel(series, |_, row| (end..=end + LATER).contains(&row));
        let later = ReturnPanel::aligned(&later, LATER, 2).expect("days to come");
        let of = |alignment: Alignment, known: &PricePanel| {
            let (returns, _) = alignment.returns(known, history, 2, &cancel).expect("returns");
            100.0 * later_deviation(&returns, &later) * 252.0_f64.sqrt()
        };
        sum.plantings += 1;
        sum.all += of(Alignment::All, &planted);
        sum.common += of(Alignment::Common, &planted);
        sum.whole += of(Alignment::Common, &whole);
    }
    let mean = |sum_of: f64| sum_of / sum.plantings as f64;
    Realised { all: mean(sum.all), common: mean(sum.common), whole: mean(sum.whole), ..sum }
}

/// The standard deviation later on of the least-variance portfolio of what is known, by the default covariance.
pub fn later_deviation(known: &ReturnPanel, later: &ReturnPanel) -> f64 {
    let objective = by_name("min_volatility").expect("an objective");
    let request = Request { objective, ..Request::default() };
    let holdings = optimize_portfolio(&request, known, &Cancel::default()).expect("weights").holdings;
    let value = |row: ndarray::ArrayView1<'_, f64>| -> f64 {
        row.iter().zip(&holdings).map(|(value, holding)| value * holding.weight).sum()
    };
    let values: Vec<f64> = later.returns().rows().into_iter().map(value).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}
