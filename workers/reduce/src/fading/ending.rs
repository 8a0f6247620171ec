//! Documents per period → where the periods end that hold more than almost nothing.
//!
//! A few misprinted dates (2032 for 2023) make periods far beyond the corpus: all but empty, and yet the last ones. They
//! are told by what their predecessors lead to expect, and periods that were told so are nobody's predecessors. A gap, a
//! small year or a shrinking archive in the middle ends nothing, because only what comes last is looked at. Whether the
//! last period that holds something breaks off early is left to `timeline`.

/// As many earlier periods are asked what is to be expected of a period.
pub(super) const MOST_PREDECESSORS: usize = 5;

/// A period holds almost nothing if there are fewer than this part of the documents expected since its last predecessor.
///
/// One document is a fiftieth of a year in a corpus of 1,000 over 20 years; where periods are so small that one document
/// is more than a twentieth, it is still told by the empty periods before it.
const ALMOST_NOTHING: f64 = 0.05;

/// Returns the number of periods up to the last that holds more than almost nothing; a year has `season` periods.
pub(super) fn num_held(totals: &[u64], season: usize) -> usize {
    let mut held: Vec<usize> = Vec::new();
    for at in 0..totals.len() {
        if totals[at] > 0 && !is_almost_nothing(totals, &held, at, season) {
            held.push(at);
        }
    }
    held.last().map_or(0, |last| last + 1)
}

/// Compares what came since the last of the periods `held` with the mean of the latest ones: of the same season, where
/// there are such, since conferences have seasons.
fn is_almost_nothing(totals: &[u64], held: &[usize], at: usize, season: usize) -> bool {
    let latest = || held.iter().rev().copied();
    let same: Vec<usize> =
        latest().filter(|other| (at - other).is_multiple_of(season)).take(MOST_PREDECESSORS).collect();
    let predecessors = if same.is_empty() { latest().take(MOST_PREDECESSORS).collect() } else { same };
    let Some(&last) = predecessors.first() else { return false };
    let mean = predecessors.iter().map(|&other| totals[other]).sum::<u64>() as f64 / predecessors.len() as f64;
    let since: Vec<u64> = (last + 1..=at).rev().step_by(season).map(|other| totals[other]).collect();
    (since.iter().sum::<u64>() as f64) < ALMOST_NOTHING * mean * since.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stray_documents_at_the_end_are_told_however_many_and_however_small_the_periods() {
        assert_eq!(num_held(&[100, 110, 120, 1], 1), 3);
        assert_eq!(num_held(&[100, 110, 120, 0, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1], 1), 3);
        assert_eq!(num_held(&[5, 6, 5, 0, 0, 0, 0, 0, 0, 0, 1], 1), 3);
        assert_eq!(num_held(&[30, 0, 90, 0, 30, 0, 90, 0, 0, 0, 0, 0, 1], 4), 7);
    }

    #[test]
    fn gaps_small_periods_seasons_and_shrinking_archives_end_nothing() {
        assert_eq!(num_held(&[], 1), 0);
        assert_eq!(num_held(&[0, 1, 1], 1), 3);
        assert_eq!(num_held(&[100, 100, 40, 100, 100], 1), 5);
        assert_eq!(num_held(&[100, 0, 0, 0, 0, 100], 1), 6);
        assert_eq!(num_held(&[100, 1, 120], 1), 3);
        assert_eq!(num_held(&[1000, 500, 250, 125, 60, 30, 15], 1), 7);
        assert_eq!(num_held(&[100, 6, 100, 4], 2), 4);
    }
}
