//! Bounds, inverted lists and a source of vectors → the loneliest documents.

use ndarray::ArrayView2;

use super::bounds::Bounds;
use super::copies::Copies;
use super::exact::Exact;
use super::filter::Filter;
use super::ranking::Ranking;
use super::{Certificate, Lonely, LonelyError, Settings, VectorSource};
use crate::inverted_lists::InvertedLists;

/// Finds the loneliest documents of a corpus.
///
/// `bounds` and `lists` have been given every row, with the same labels; `centroids` is `[lists, dim]` and decides on nothing
/// but the order in which lists are met. Rows for which `eligible` does not hold are not listed and are neighbours all
/// the same.
///
/// The memory is that of [`Settings::max_candidates`] and sixteen bytes a row at most, however many rows cannot be told from the
/// loneliest; the store is asked for the finalists and their nearest rows alone, unless near-copies crowd about them.
///
/// # Errors
/// [`LonelyError::Source`] and [`LonelyError::Ids`] pass on the caller's errors and [`LonelyError::Lists`] those of the lists;
/// [`LonelyError::Dimension`], [`LonelyError::Rows`] and [`LonelyError::Changed`] say that the source shows other vectors than
/// were labelled; [`LonelyError::Cost`] says what the search would take where it takes very long.
pub fn search<S: VectorSource>(
    source: &S,
    lists: &InvertedLists,
    bounds: &Bounds,
    centroids: ArrayView2<'_, f32>,
    eligible: &dyn Fn(usize) -> bool,
    settings: Settings,
) -> Result<Lonely, LonelyError<S::Error>> {
    let (num_rows, neighbours) = (source.num_rows(), bounds.neighbours());
    if let Some(found) = [bounds.rows_seen(), lists.num_rows()].into_iter().find(|&found| found != num_rows) {
        return Err(LonelyError::Rows { found, expected: num_rows });
    }
    if neighbours == 0 || settings.want == 0 {
        let certificate = Certificate { rows: num_rows, dim: lists.dim(), ..Certificate::default() };
        return Ok(Lonely { entries: Vec::new(), neighbours, certificate });
    }
    let copies = Copies::find(bounds, lists, eligible).map_err(LonelyError::Lists)?;
    let filter = Filter::new(lists, bounds, centroids.reborrow(), &copies, eligible, settings);
    let rule = *filter.rule();
    let exact = Exact { source, lists, bounds, copies: &copies, settings, rule };
    let mut ranking = Ranking::new(settings.want);
    let mut certificate = filter.run(&mut |finalists, certificate| {
        exact.rank(finalists, &mut ranking, certificate)?;
        Ok(ranking.cutoff())
    })?;
    certificate.cutoff = ranking.cutoff().is_finite().then_some(ranking.cutoff());
    Ok(Lonely { entries: ranking.finish(), neighbours, certificate })
}
