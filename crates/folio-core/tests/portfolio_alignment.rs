//! Tickers that come and go: what one lacks takes nothing from the others, and is completed so that portfolios are no worse.

mod plantings;
mod portfolio_support;

use folio_core::Error;
use folio_core::panel::{PricePanel, PriceRow, ReturnPanel, Series, Timestamp};
use folio_core::portfolio::alignment::{Alignment, Differing, MIN_OBSERVATIONS, Part};
use folio_core::portfolio::covariance::{CovarianceMethod, FixMethod, fix_nonpositive_semidefinite};
use folio_core::task::Cancel;
use plantings::{Planting, later_deviation, panel, realised};
use portfolio_support::{large_market, prices, trading_day};

const DAY: i64 = 86_400_000_000;

fn all(panel: &PricePanel) -> folio_core::Result<(ReturnPanel, Vec<Part>)> {
    let (returns, differing) = Alignment::All.returns(panel, 10_000, 2, &Cancel::default())?;
    match differing {
        Some(Differing::Completed(tickers)) => Ok((returns, tickers)),
        None => Ok((returns, Vec::new())),
        cut => panic!("{cut:?}"),
    }
}

fn common(panel: &PricePanel) -> ReturnPanel {
    Alignment::Common.returns(panel, 10_000, 2, &Cancel::default()).unwrap().0
}

fn names(completed: &[Part]) -> Vec<&str> {
    completed.iter().map(|completed| completed.ticker.as_str()).collect()
}

#[test]
fn equal_histories_are_what_they_were() {
    let series = prices();
    // The second has holes of single days, which are no halts.
    for panel in [panel(&series, |_, _| true), panel(&series, |place, row| (row + place) % 97 != 50)] {
        assert_eq!(all(&panel).unwrap(), (common(&panel), Vec::new()));
    }
}

#[test]
fn what_one_lacks_takes_nothing_from_the_others() {
    let series = prices();
    let whole = all(&panel(&series, |_, _| true)).unwrap().0;
    let days = whole.days().len();
    type Keep = fn(usize) -> bool;
    let cases: [(&str, Keep); 4] = [
        ("listed late", |row| row >= 700),
        ("stale", |row| row <= 880),
        ("halted", |row| !(300..490).contains(&row)),
        ("young", |row| row >= 1000 - 29),
    ];
    for (case, keep) in cases {
        let (returns, completed) = all(&panel(&series, |place, row| place != 5 || keep(row))).unwrap();
        assert_eq!((names(&completed), returns.days()), (vec!["GE"], whole.days()), "{case}");
        for place in 0..series.len() {
            for row in 0..days {
                let own = place != 5 || (keep(row) && keep(row + 1));
                let same = returns.returns()[[row, place]] == whole.returns()[[row, place]];
                assert!(same || !own, "{case}: {place} {row}");
            }
        }
        let own = (0..days).filter(|&row| keep(row) && keep(row + 1)).count();
        assert_eq!(completed, [Part { ticker: "GE".to_owned(), own, all: days }], "{case}");
        let covariance = CovarianceMethod::parse("sample_cov").unwrap();
        let of = |panel: &ReturnPanel| covariance.estimate(panel, &Cancel::default()).unwrap();
        let (estimate, truth) = (of(&returns), of(&whole));
        assert_eq!(estimate.matrix()[[0, 0]], truth.matrix()[[0, 0]], "{case}: AAPL's own variance");
        // 28 returns know a volatility to 1/sqrt(56) = 13 %, and the market's share of it much better.
        let ratio = (estimate.matrix()[[5, 5]] / truth.matrix()[[5, 5]]).sqrt();
        assert!((0.6..1.5).contains(&ratio), "{case}: GE's volatility is {ratio} times that of all days");
        assert!(estimate.correlation(5, 0).unwrap() > 0.1, "{case}: GE moves with the others");
    }
}

#[test]
fn a_halt_is_no_day() {
    let series = prices();
    // GE's price doubles in its halt: a day of 100 %, if the halt were one.
    let doubled = series.iter().map(|series| {
        let twice = |(row, &close): (usize, &f64)| {
            let factor = if row >= 490 && series.ticker() == "GE" { 2.0 } else { 1.0 };
            PriceRow { ts: series.ts()[row], close: close * factor }
        };
        let rows = series.close().iter().enumerate().map(twice).collect();
        Series::new(series.ticker().to_owned(), rows, usize::MAX).unwrap()
    });
    let doubled: Vec<Series> = doubled.collect();
    let halted = panel(&doubled, |place, row| place != 5 || !(300..490).contains(&row));
    let largest =
        |returns: &ReturnPanel| returns.returns().column(5).iter().fold(0.0_f64, |most, r| most.max(*r));
    assert!(largest(&all(&halted).unwrap().0) < 0.3);
    assert!(largest(&common(&halted)) > 0.8);
}

#[test]
fn a_coin_beside_stocks_has_the_returns_between_their_days() {
    let column = |name: &str, days: &[i64]| {
        let price = |day: i64| 100.0 * (1.0 + 0.01 * ((day * 7) % 11) as f64);
        let rows = days.iter().map(|&day| PriceRow { ts: Timestamp(day * DAY), close: price(day) }).collect();
        (name.to_owned(), Series::new(name.to_owned(), rows, usize::MAX))
    };
    let every_day: Vec<i64> = (4..404).collect();
    let weekdays: Vec<i64> = (0..280).map(|number| trading_day(number).0 / DAY).collect();
    let both = PricePanel::new(vec![column("COIN", &every_day), column("STOCK", &weekdays)]);
    let (returns, completed) = all(&both).unwrap();
    let days: Vec<i64> = returns.days().iter().map(|ts| ts.0 / DAY).collect();
    assert_eq!(days[..279], weekdays[1..280]);
    // The stock ends before the coin, and a Saturday after its end is none of its days either.
    assert_eq!(names(&completed), ["STOCK"]);
    assert!(returns.days().iter().all(|ts| (ts.0 / DAY + 3) % 7 < 5));
    assert_eq!(returns.periods_per_year(), 252.0);
    assert_eq!(common(&both).returns().column(0).to_vec(), returns.returns().column(0).to_vec()[..279]);
    // Listed late, it makes the coin's days those from Monday to Friday before it was there, too.
    let late = PricePanel::new(vec![column("COIN", &every_day), column("STOCK", &weekdays[140..])]);
    assert_eq!(all(&late).unwrap().0.days(), returns.days());
}

#[test]
fn common_days_name_whose_they_are() {
    let series = prices();
    let late = panel(&series, |place, row| place != 5 || row >= 700);
    let (returns, differing) = Alignment::Common.returns(&late, 10_000, 2, &Cancel::default()).unwrap();
    assert_eq!(returns.days().len(), 299);
    let tickers = vec![Part { ticker: "GE".to_owned(), own: 300, all: 1000 }];
    assert_eq!(differing, Some(Differing::Cut { shared: 300, tickers }));
    let whole = panel(&series, |_, _| true);
    assert_eq!(Alignment::Common.returns(&whole, 500, 2, &Cancel::default()).unwrap().1, None);
    // One that ended before the newest days leaves nothing, and is named.
    let ended = panel(&series, |place, row| if place == 5 { row < 400 } else { row >= 450 });
    let error = Alignment::Common.returns(&ended, 500, 2, &Cancel::default()).unwrap_err();
    let found =
        vec![("days that all tickers share".to_owned(), 0), ("GE of the newest 501 days".to_owned(), 0)];
    assert_eq!(error, Error::TooShort { need: 3, found });
}

#[test]
fn too_few_returns_are_refused_by_name() {
    let series = prices();
    let young = |returns: usize| panel(&series, move |place, row| place != 5 || row >= 1000 - 1 - returns);
    assert!(all(&young(MIN_OBSERVATIONS)).is_ok());
    let few = vec![("GE".to_owned(), MIN_OBSERVATIONS)];
    assert_eq!(all(&young(MIN_OBSERVATIONS - 1)).unwrap_err(), Error::TooShort { need: 21, found: few });
    let dead = panel(&series, |place, row| place != 5 || row < 400);
    let error = Alignment::All.returns(&dead, 500, 2, &Cancel::default()).unwrap_err();
    assert_eq!(error, Error::TooShort { need: 21, found: vec![("GE".to_owned(), 0)] });
    // Two that never met have nothing to be completed from.
    let strangers = panel(&series[..2], |place, row| (row < 500) == (place == 0));
    assert!(matches!(all(&strangers), Err(Error::TooShort { found, .. }) if found.len() == 2));
}

/// Of the shipped prices five tickers are listed so many returns before a portfolio is made, or four some multiple of that and
/// two end before: what it risks over the 100 days after, against that of the days that all tickers share. `examples/alignment.rs`
/// prints the table of docs/portfolio.md.
#[test]
fn portfolios_risk_no_more_than_those_of_common_days() {
    let series = prices();
    for late in [28, 60, 120, 250] {
        let [same, spread] = Planting::BOTH.map(|planting| realised(&series, planting, late, 600, 15));
        assert!(spread.all <= spread.common, "{late}: {spread:?}");
        // With a year of common days whole histories are worse than these: the newest days say more than older ones.
        let bar = if late < 250 { same.common } else { same.whole };
        assert!(same.all <= bar, "{late}: {same:?}");
    }
}

#[test]
fn many_come_and_go_and_nothing_is_cut() {
    let series: Vec<Series> = large_market(500, 700).series().unwrap().into_iter().cloned().collect();
    let late = |place: usize| place % 5 == 1;
    let ended = |place: usize| place % 10 == 2;
    let keep = |place: usize, row: usize| {
        row <= 600 && (!late(place) || row >= 500 + place % 60) && (!ended(place) || row <= 560)
    };
    let known = panel(&series, keep);
    let (returns, completed) = all(&known).unwrap();
    assert_eq!((returns.days().len(), completed.len()), (600, 150));
    let sample = CovarianceMethod::parse("sample_cov").unwrap();
    let covariance = sample.estimate(&returns, &Cancel::default()).unwrap();
    let matrix = covariance.matrix();
    let fixed = fix_nonpositive_semidefinite(matrix.view(), FixMethod::Spectral, &Cancel::default()).unwrap();
    let largest = matrix.diag().iter().fold(0.0_f64, |most, variance| most.max(*variance));
    assert!(fixed.smallest_eigenvalue > -1e-10 * largest, "{}", fixed.smallest_eigenvalue);
    let later = common(&panel(&series, |_, row| row >= 600));
    let short = common(&panel(&series, |place, row| row >= 556 && keep(place, row)));
    let of = |known: &ReturnPanel| later_deviation(known, &later);
    let (of_all, of_common) = (of(&returns), of(&short));
    assert!(of_all <= of_common, "{of_all} {of_common}");
}
