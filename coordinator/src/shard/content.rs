//! A document's five fields as they are stored → one number that tells whether another document is the same.
//!
//! Invariant: equal documents have equal hashes, whether they were just parsed or read from a raw shard, and a hash says
//! whether its document has a date. Two hashes are only ever compared that belong to one id, or along with it, so that 63
//! bits confuse a changed document with an unchanged one in one case of 10¹⁹.

use strata_shared::documents::{Document, Documents};
use xxhash_rust::xxh3::Xxh3;

/// XXH3-64 over the fields, in whose lowest bit it stands that the document has no date.
pub(super) type ContentHash = u64;

/// Hashes a document that was read from an input.
#[must_use]
pub(super) fn of(document: &Document) -> ContentHash {
    let Document { id, title, abstract_text, categories, created } = document;
    hash([id, title, abstract_text, categories], *created)
}

/// Hashes the document in a row of a raw shard.
#[must_use]
pub(super) fn of_row(documents: &Documents, row: usize) -> ContentHash {
    let texts = [documents.id(row), documents.title(row), documents.abstract_text(row), documents.categories(row)];
    hash(texts, documents.created(row))
}

/// Tells whether the document of this hash has no date.
#[must_use]
pub(super) const fn is_undated(content: ContentHash) -> bool {
    content & 1 == 1
}

fn hash(texts: [&str; 4], created: Option<i64>) -> ContentHash {
    let mut hasher = Xxh3::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(&created.unwrap_or_default().to_le_bytes());
    hasher.digest() & !1 | u64::from(created.is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(texts: [&str; 4], created: Option<i64>) -> Document {
        let [id, title, abstract_text, categories] = texts.map(str::to_owned);
        Document { id, title, abstract_text, categories, created }
    }

    proptest! {
        #[test]
        fn a_hash_is_the_same_after_a_document_was_stored(
            texts in prop::array::uniform4("[a-c]{1,3}"), created in prop::option::of(any::<i64>()),
        ) {
            let document = document(texts.each_ref().map(String::as_str), created);
            let stored = Documents::from_rows(std::slice::from_ref(&document));
            prop_assert_eq!(of(&document), of_row(&stored, 0));
            prop_assert_eq!(is_undated(of(&document)), created.is_none());
        }
    }

    #[test]
    fn every_field_and_the_border_between_two_count() {
        let hashes = [
            document(["a", "b", "c", "d"], Some(0)),
            document(["a", "b", "c", "d"], None),
            document(["a", "b", "c", "d"], Some(1)),
            document(["a", "bc", "", "d"], Some(0)),
            document(["a", "b", "cd", ""], Some(0)),
            document(["ab", "", "c", "d"], Some(0)),
        ]
        .map(|document| of(&document));
        let distinct: std::collections::BTreeSet<_> = hashes.into_iter().collect();
        assert_eq!(distinct.len(), hashes.len());
    }
}
