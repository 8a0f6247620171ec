//! Kubernetes' short form of sets of indexes (`1,3-5,7`) ↔ numbers. Pure.

/// Parses `text`; what is not a number or a range of them is left out.
#[must_use]
pub fn parse(text: &str) -> Vec<usize> {
    ranges(text).flat_map(|(first, last)| first..=last).collect()
}

/// Counts the indexes in `text`, without listing them: there may be very many.
#[must_use]
pub fn count(text: &str) -> usize {
    ranges(text).map(|(first, last)| last.saturating_add(1).saturating_sub(first)).sum()
}

fn ranges(text: &str) -> impl Iterator<Item = (usize, usize)> {
    text.split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
    })
}

/// Names at most `most` of `indexes` and counts the others.
#[must_use]
pub fn named(indexes: &[usize], most: usize) -> String {
    let mut words: Vec<String> = indexes.iter().take(most).map(ToString::to_string).collect();
    if indexes.len() > most {
        words.push(format!("and {} more", indexes.len() - most));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_and_single_indexes_are_read() {
        assert_eq!(parse("1,3-5,7"), [1, 3, 4, 5, 7]);
        assert_eq!((parse("").len(), count(""), count("0-99999")), (0, 0, 100_000));
        assert_eq!(named(&[4, 5, 6], 2), "4, 5, and 1 more");
    }

    proptest! {
        #[test]
        fn as_many_are_counted_as_are_listed(ranges in proptest::collection::vec((0usize..1000, 0usize..20), 0..10)) {
            let text: Vec<String> = ranges.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
            prop_assert_eq!(count(&text.join(",")), parse(&text.join(",")).len());
        }
    }
}
