//! Months of a growing corpus: documents of a few topics, some of which are corrected or withdrawn later.
//!
//! Invariant: a document's text depends on its number and its version alone, so that a fresh corpus of the same documents has
//! the same vectors.

use std::path::{Path, PathBuf};

use crate::hashed_vectors;

/// One month's snapshot: every document that the archive then has, with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// Number and version of each.
    pub documents: Vec<(u64, u32)>,
}

/// What documents are about, by topic.
const SUBJECTS: [&str; 5] = [
    "petri nets that model manufacturing systems",
    "visual servoing of a mobile arm",
    "haptic interfaces for telesurgery",
    "particle filters that map corridors",
    "legged gaits over rough terrain",
];

/// Four months: 25 more and 3 corrected, then 10 more and 2 withdrawn, then 5 more.
#[must_use]
pub fn four() -> [(&'static str, Month); 4] {
    let january = Month::first(150);
    let february = january.next(25, &[3, 50, 120], &[]);
    let march = february.next(10, &[], &[7, 90]);
    let april = march.next(5, &[], &[]);
    [("january", january), ("february", february), ("march", march), ("april", april)]
}

/// Writes months into `folder`, each with the vectors that it adds, and returns where lines and vectors are.
///
/// # Errors
/// They cannot be written.
pub fn write_all(folder: &Path, months: &[(&str, Month)]) -> std::io::Result<Vec<(PathBuf, PathBuf)>> {
    let earlier = std::iter::once(None).chain(months.iter().map(|(_, month)| Some(month)));
    months.iter().zip(earlier).map(|((name, month), earlier)| month.write(folder, name, earlier)).collect()
}

impl Month {
    /// The first month: so many documents.
    #[must_use]
    pub fn first(documents: u64) -> Self {
        Self { documents: (0..documents).map(|number| (number, 0)).collect() }
    }

    /// The next month: `new` documents more, those of `corrected` in another version, those of `withdrawn` no more.
    #[must_use]
    pub fn next(&self, new: u64, corrected: &[u64], withdrawn: &[u64]) -> Self {
        let highest = self.documents.iter().map(|(number, _)| *number).max().map_or(0, |number| number + 1);
        let kept = self.documents.iter().filter(|(number, _)| !withdrawn.contains(number));
        let versions = kept.map(|&(number, version)| (number, version + u32::from(corrected.contains(&number))));
        Self { documents: versions.chain((highest..highest + new).map(|number| (number, 0))).collect() }
    }

    /// Returns the title of a document.
    #[must_use]
    pub fn title(number: u64, version: u32) -> String {
        let subject = SUBJECTS[(number % SUBJECTS.len() as u64) as usize];
        let corrected = if version == 0 { String::new() } else { format!(" corrected {version}") };
        format!("{subject} case {number} of series {}{corrected}", number % 7)
    }

    /// Returns the snapshot as JSON lines.
    #[must_use]
    pub fn lines(&self) -> String {
        let line = |&(number, version): &(u64, u32)| {
            let (title, year) = (Self::title(number, version), 2000 + number % 20);
            format!("{{\"id\":\"paper/{number}\",\"title\":\"{title}\",\"update_date\":\"{year}-06-15\"}}\n")
        };
        self.documents.iter().map(line).collect()
    }

    /// Returns the vectors of those documents that `earlier` does not have in their version, as a Parquet file.
    #[must_use]
    pub fn vectors_since(&self, earlier: Option<&Self>) -> Vec<u8> {
        let is_new = |document: &&(u64, u32)| earlier.is_none_or(|earlier| !earlier.documents.contains(document));
        let documents = self.documents.iter().filter(is_new);
        let named = documents.map(|&(number, version)| (format!("paper/{number}"), Self::title(number, version)));
        hashed_vectors::parquet(&named.collect::<Vec<_>>())
    }

    /// Writes lines and vectors into `folder` under `name`, and returns where they are.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&self, folder: &Path, name: &str, earlier: Option<&Self>) -> std::io::Result<(PathBuf, PathBuf)> {
        let (lines, vectors) = (folder.join(format!("{name}.jsonl")), folder.join(format!("{name}.parquet")));
        std::fs::write(&lines, self.lines())?;
        std::fs::write(&vectors, self.vectors_since(earlier))?;
        Ok((lines, vectors))
    }
}
