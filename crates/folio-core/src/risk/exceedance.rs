//! Whether losses passed a value at risk as often, as independently and as far as they should have.
//!
//! With n forecasts at the level 1 - p, of which x were passed, and n(ij) times that a passed (1) or kept (0) forecast i was
//! followed by j:
//!
//! ```text
//! Kupiec (Journal of Derivatives 3, 1995):
//!   LR = 2 log [(1 - x/n)^(n-x) (x/n)^x / ((1 - p)^(n-x) p^x)]                                chi-squared of 1
//! Christoffersen (International Economic Review 39, 1998), with q(i) = n(i1) / (n(i0) + n(i1)), q = (n(01) + n(11)) / sum:
//!   LR = 2 log [(1 - q(0))^n(00) q(0)^n(01) (1 - q(1))^n(10) q(1)^n(11) / ((1 - q)^(n(00)+n(10)) q^(n(01)+n(11)))]
//!                                                                                             chi-squared of 1
//!   both together: the sum                                                                    chi-squared of 2
//! Acerbi & Szekely (Risk, December 2014), the second test, with the losses L and expected shortfalls ES:
//!   Z = 1 - sum over passed t of L(t) / ES(t) / (n p)                            0 if all is right, under 0 if too little
//! ```
//!
//! Acerbi and Szekely find the distribution of Z by drawing from the forecast distributions, and that it hardly depends on
//! them: at 250 forecasts of 2.5 % the 5 % quantile is -0.7 for normal tails and for heavy ones. A forecast here is two numbers,
//! so losses are drawn that pass with probability p, and then by an exponential excess whose mean is ES - VaR.

use rand_core::Rng;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::Result;
use crate::task::{Cancel, Seed};
use crate::work;

/// Draws of all losses: the error of a p-value of 0.05 is 0.002.
const DRAWS: usize = 10_000;

/// Units of [`work`] for a loss that is drawn: two logarithms.
const DRAWN: usize = 30;

/// A statistic, and how likely one so large is if the forecasts were right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The statistic.
    pub statistic: f64,
    /// The p-value.
    pub p_value: f64,
}

impl Test {
    /// A ratio of likelihoods against chi-squared.
    fn of_ratio(statistic: f64, freedom: f64) -> Option<Test> {
        // Rounding leaves a little under zero where the likelihoods are the same.
        let statistic = statistic.max(0.0);
        Some(Test { statistic, p_value: ChiSquared::new(freedom).ok()?.sf(statistic) })
    }
}

/// k log q, of which nothing is left without k.
fn power(k: f64, q: f64) -> f64 {
    if k > 0.0 { k * q.ln() } else { 0.0 }
}

/// The log likelihood of so many hits and misses at this share of hits.
fn likelihood(misses: f64, hits: f64, share: f64) -> f64 {
    power(misses, 1.0 - share) + power(hits, share)
}

/// The same at the share that they have.
fn largest_likelihood(misses: f64, hits: f64) -> f64 {
    likelihood(misses, hits, hits / (misses + hits).max(1.0))
}

/// Whether `hits` of `n` are as many as the share `p` says.
pub(super) fn kupiec(n: usize, hits: usize, p: f64) -> Option<Test> {
    let (misses, hits) = ((n - hits) as f64, hits as f64);
    let ratio = 2.0 * (largest_likelihood(misses, hits) - likelihood(misses, hits, p));
    if n > 0 { Test::of_ratio(ratio, 1.0) } else { None }
}

/// Whether a hit is as likely after a hit as after a miss; None under two forecasts, and where nothing or all was hit, which
/// says nothing of it.
pub(super) fn christoffersen(hits: &[bool]) -> Option<Test> {
    let mut counts = [[0.0; 2]; 2];
    for pair in hits.windows(2) {
        counts[usize::from(pair[0])][usize::from(pair[1])] += 1.0;
    }
    let [[kept, first], [last, again]] = counts;
    if kept + first == 0.0 || first + last + again == 0.0 {
        return None;
    }
    let free = largest_likelihood(kept, first) + largest_likelihood(last, again);
    Test::of_ratio(2.0 * (free - largest_likelihood(kept + last, first + again)), 1.0)
}

/// Both at once.
pub(super) fn conditional_coverage(kupiec: Test, christoffersen: Test) -> Option<Test> {
    Test::of_ratio(kupiec.statistic + christoffersen.statistic, 2.0)
}

/// A loss beside what was forecast of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Beside {
    /// The loss that came.
    pub loss: f64,
    /// The value at risk.
    pub value_at_risk: f64,
    /// The expected shortfall.
    pub expected_shortfall: f64,
}

impl Beside {
    /// Whether the value at risk was passed.
    pub(super) fn is_hit(&self) -> bool {
        self.loss > self.value_at_risk
    }
}

/// Whether losses beyond the value at risk were as many and as large as the expected shortfalls say, against forecasts that
/// say too little; None where one of them is no loss.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub(super) fn acerbi_szekely(all: &[Beside], p: f64, cancel: &Cancel) -> Result<Option<Test>> {
    if all.is_empty() || all.iter().any(|one| one.expected_shortfall <= 0.0) {
        return Ok(None);
    }
    let expected = p * all.len() as f64;
    let beyond: f64 =
        all.iter().filter(|one| one.is_hit()).map(|one| one.loss / one.expected_shortfall).sum();
    let statistic = 1.0 - beyond / expected;
    let mut rng = Seed(1).derive("acerbi_szekely").rng();
    // Over 0 and at most 1.
    let mut uniform = move || ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    let between = (1.0 - p).ln();
    let mut as_low = 1;
    for draw in work::watched(0..DRAWS, DRAWN * (expected as usize + 1), cancel) {
        draw?;
        // From one hit to the next: the misses in between are geometric.
        let (mut place, mut beyond) = (0.0, 0.0);
        loop {
            place += (uniform().ln() / between).floor();
            let Some(one) = all.get(place as usize) else { break };
            let share = one.value_at_risk / one.expected_shortfall;
            beyond += share - (1.0 - share) * uniform().ln();
            place += 1.0;
        }
        as_low += usize::from(1.0 - beyond / expected <= statistic);
    }
    Ok(Some(Test { statistic, p_value: as_low as f64 / (DRAWS + 1) as f64 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kupiec's regions in which a level is not rejected at 95 %, as printed by Jorion, Value at Risk, 2007, table 6-2: more
    /// hits than the first number and fewer than the second. Of the first no hit at all is rejected too; the table prints
    /// `N < 7`.
    #[test]
    fn kupiecs_regions_are_those_of_the_table() {
        let table = [
            (0.01, [(0, 7), (1, 11), (4, 17)]),
            (0.025, [(2, 12), (6, 21), (15, 36)]),
            (0.05, [(6, 21), (16, 36), (37, 65)]),
            (0.075, [(11, 28), (27, 51), (59, 92)]),
            (0.1, [(16, 36), (38, 65), (81, 120)]),
        ];
        for (p, regions) in table {
            for ((low, high), n) in regions.into_iter().zip([255, 510, 1000]) {
                let passes = |hits: usize| kupiec(n, hits, p).unwrap().p_value > 0.05;
                let kept: Vec<usize> = (0..=n).filter(|&hits| passes(hits)).collect();
                assert_eq!((kept[0] - 1, kept[kept.len() - 1] + 1), (low, high), "{p} of {n}");
            }
        }
    }

    #[test]
    fn christoffersens_ratio_is_that_of_the_likelihoods_of_each_day() {
        let hits: Vec<bool> =
            (0..500).map(|t| t % 23 == 0 || t % 47 == 1 || (200..206).contains(&t)).collect();
        let share = |after: Option<bool>| {
            let pairs = hits.windows(2).filter(|pair| after.is_none_or(|after| pair[0] == after));
            let all: Vec<bool> = pairs.map(|pair| pair[1]).collect();
            all.iter().filter(|hit| **hit).count() as f64 / all.len() as f64
        };
        let of_day = |hit: bool, share: f64| if hit { share.ln() } else { (1.0 - share).ln() };
        let free: f64 = hits.windows(2).map(|pair| of_day(pair[1], share(Some(pair[0])))).sum();
        let bound: f64 = hits.windows(2).map(|pair| of_day(pair[1], share(None))).sum();
        let found = christoffersen(&hits).unwrap();
        assert!((found.statistic - 2.0 * (free - bound)).abs() < 1e-10, "{found:?}");
        // Chi-squared of 1 is the square of a normal: 3.841459 is passed by 5 %; of 2 an exponential.
        assert!((Test::of_ratio(3.841_459, 1.0).unwrap().p_value - 0.05).abs() < 1e-7);
        let both = conditional_coverage(Test { statistic: 2.0, p_value: 0.5 }, found).unwrap();
        assert!((both.p_value - (-0.5 * (2.0 + found.statistic)).exp()).abs() < 1e-12);
        assert_eq!(christoffersen(&[false; 100]), None);
        assert_eq!(christoffersen(&[true; 100]), None);
        assert_eq!(kupiec(0, 0, 0.05), None);
    }

    /// Acerbi and Szekely, table 4: the 5 % quantile of Z is -0.70 at 250 forecasts of 2.5 %, for Student's t of 100 degrees of
    /// freedom, whose value at risk and expected shortfall are near the normal ones.
    #[test]
    fn acerbi_and_szekelys_quantile_is_the_published_one() {
        let forecast = Beside { loss: 0.0, value_at_risk: 1.959_964, expected_shortfall: 2.337_803 };
        let mut all = vec![forecast; 250];
        let beyond = 1.7 * 250.0 * 0.025 / 4.0;
        all[..4].iter_mut().for_each(|one| one.loss = beyond * one.expected_shortfall);
        let found = acerbi_szekely(&all, 0.025, &Cancel::default()).unwrap().unwrap();
        assert!((found.statistic + 0.7).abs() < 1e-12, "{found:?}");
        assert!((found.p_value - 0.05).abs() < 0.01, "{found:?}");
        all.iter_mut().for_each(|one| one.loss = 0.0);
        let none = acerbi_szekely(&all, 0.025, &Cancel::default()).unwrap().unwrap();
        assert!(none.statistic == 1.0 && none.p_value == 1.0, "{none:?}");
        all[0].expected_shortfall = 0.0;
        assert_eq!(acerbi_szekely(&all, 0.025, &Cancel::default()).unwrap(), None);
        let cancelled = Cancel::default();
        cancelled.cancel();
        assert!(acerbi_szekely(&all[1..], 0.025, &cancelled).is_err());
    }
}
