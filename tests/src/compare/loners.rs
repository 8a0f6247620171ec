//! Planted loners and the lonely list → the rank of each.

use strata_shared::findings::LonelyDocument;

use crate::corpus::PlantedLoner;

/// One planted loner and its place in the lonely list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LonerMatch {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its rank, 1 is the loneliest; `None` if the list does not have it.
    pub rank: Option<i32>,
}

pub(super) fn compare(planted: &[PlantedLoner], lonely: &[LonelyDocument]) -> Vec<LonerMatch> {
    let rank = |id: &str| lonely.iter().find(|entry| entry.id == id).map(|entry| entry.rank);
    let matched = planted.iter().map(|loner| LonerMatch {
        id: loner.id.clone(),
        title: loner.title.clone(),
        rank: rank(&loner.id),
    });
    matched.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loner_has_its_rank_or_none() {
        let entry = LonelyDocument {
            rank: 1,
            id: "b".into(),
            title: String::new(),
            created: None,
            categories: String::new(),
            label: 0,
            similarity: 0.1,
            nearest_id: None,
            nearest_title: None,
            nearest_similarity: None,
        };
        let planted = ["a", "b"].map(|id| PlantedLoner { id: id.into(), title: id.into() });
        let ranks: Vec<_> = compare(&planted, &[entry]).into_iter().map(|loner| loner.rank).collect();
        assert_eq!(ranks, [None, Some(1)]);
    }
}
