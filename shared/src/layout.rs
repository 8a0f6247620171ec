//! Object keys: built and parsed here and nowhere else, side by side.
//!
//! Invariant: `parse(build(x)) == x` for every key, and no name that a person gave can leave its folder.

mod object;

use object_store::path::Path;

use crate::exit::{Classify, Exit};

pub use object::{Kind, Object};

/// The version of every object format that this program writes; each version keeps a golden file.
pub const FORMAT: u32 = 2;

/// The oldest version that this program reads.
pub const OLDEST_FORMAT: u32 = 1;

/// Tells whether this program reads objects of this version.
#[must_use]
pub const fn is_read(format: u32) -> bool {
    OLDEST_FORMAT <= format && format <= FORMAT
}

/// A name that is not safe as one segment of an object key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{what} name {name:?}: expected 1 to 100 letters, digits, dots, hyphens and underscores, beginning with a letter or digit"
)]
pub struct NameError {
    what: &'static str,
    name: String,
}

impl Classify for NameError {
    fn exit(&self) -> Exit {
        Exit::Configuration
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Accepts `name` if it is safe as one segment of a key.
            ///
            /// # Errors
            /// [`NameError`] otherwise, such as for `../other`.
            pub fn new(name: &str) -> Result<Self, NameError> {
                if is_segment(name) { Ok(Self(name.to_owned())) } else { Err(NameError { what: $what, name: name.to_owned() }) }
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }
    };
}

name_type!(
    /// The name of a run: one folder under `runs/`.
    RunName,
    "run"
);
name_type!(
    /// The name of a model's vectors: one folder under `vectors/`.
    ModelName,
    "model"
);

/// The hexadecimal digits of its fingerprint that the name of a model ends in that strata runs.
pub const FINGERPRINT_DIGITS: usize = 12;

impl ModelName {
    /// Tells whether strata runs the model, which its name ends in a fingerprint for; vectors by any other were brought along.
    #[must_use]
    pub fn has_fingerprint(&self) -> bool {
        let digits = self.0.rsplit_once('-').map_or("", |(_, digits)| digits);
        digits.len() == FINGERPRINT_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

fn is_segment(name: &str) -> bool {
    name.len() <= 100
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// The folder of the raw shards and of what lists them.
#[must_use]
pub fn raw() -> Path {
    Path::from("raw")
}

/// Where a copy of the newest generation's manifest is, for readers that know of no generations.
#[must_use]
pub fn manifest() -> Path {
    Path::from("raw/manifest.json")
}

/// Where a copy of the lines is that the newest generation's snapshot was refused.
#[must_use]
pub fn rejected() -> Path {
    Path::from("raw/rejected.jsonl")
}

/// The folder of all generations.
#[must_use]
pub fn generations() -> Path {
    Path::from("raw/generations")
}

/// Where the manifest of the generation of this number is.
#[must_use]
pub fn generation(number: u64) -> Path {
    Path::from(format!("raw/generations/{number:08}.json"))
}

/// Reads the number out of the key of a generation's manifest; `None` for every other key.
#[must_use]
pub fn generation_number(key: &Path) -> Option<u64> {
    let number = key.filename()?.strip_suffix(".json")?.parse().ok()?;
    (generation(number) == *key).then_some(number)
}

/// Where the rows are that the generation of this number passes over.
#[must_use]
pub fn superseded(generation: u64) -> Path {
    Path::from(format!("raw/generations/{generation:08}.superseded.parquet"))
}

/// Where the lines are that the snapshot of the generation of this number was refused.
#[must_use]
pub fn rejected_of(generation: u64) -> Path {
    Path::from(format!("raw/generations/{generation:08}.rejected.jsonl"))
}

/// Where the raw shard of this number is.
#[must_use]
pub fn raw_shard(number: usize) -> Path {
    Path::from(format!("raw/{}", shard_file(number)))
}

/// Where the vectors by `model` are of the raw shard of this number.
#[must_use]
pub fn vector_shard(model: &ModelName, number: usize) -> Path {
    Path::from(format!("vectors/{model}/{}", shard_file(number)))
}

/// The folder of all vectors, one folder a model.
#[must_use]
pub fn vectors() -> Path {
    Path::from("vectors")
}

/// The folder of the vectors by `model`.
#[must_use]
pub fn vectors_of(model: &ModelName) -> Path {
    Path::from(format!("vectors/{model}"))
}

/// Where the list of shards with this digest is that map-workers of `model` share.
#[must_use]
pub fn work_list(model: &ModelName, digest: &str) -> Path {
    Path::from(format!("work/{model}/{digest}.json"))
}

/// The folder of all lists of shards, one folder a model.
#[must_use]
pub fn work() -> Path {
    Path::from("work")
}

/// The folder of the lists of shards that map-workers of `model` share.
#[must_use]
pub fn work_lists(model: &ModelName) -> Path {
    Path::from(format!("work/{model}"))
}

/// The folder of all runs.
#[must_use]
pub fn runs() -> Path {
    Path::from("runs")
}

/// The folder of one run.
#[must_use]
pub fn run(run: &RunName) -> Path {
    Path::from(format!("runs/{run}"))
}

/// Where an object of `run` is; `file` is one of the names in [`run_file`].
#[must_use]
pub fn in_run(run: &RunName, file: &str) -> Path {
    Path::from(format!("runs/{run}/{file}"))
}

/// Where the labels in `run` are of the raw shard of this number.
#[must_use]
pub fn labels(run: &RunName, number: usize) -> Path {
    Path::from(format!("runs/{run}/labels/{}", shard_file(number)))
}

/// Tells whether a key is that of labels in some run.
#[must_use]
pub fn is_labels(key: &Path) -> bool {
    let mut parts = key.parts().skip(2);
    parts.next().is_some_and(|part| part.as_ref() == "labels") && parts.count() == 1
}

/// Where the name of the newest finished run is.
#[must_use]
pub fn latest() -> Path {
    Path::from("latest.json")
}

/// The folder of the lease that a command which writes to the store holds; nothing in it is a result.
#[must_use]
pub fn leases() -> Path {
    Path::from("lease")
}

/// Where the lease's object of this number is.
#[must_use]
pub fn lease(number: u64) -> Path {
    Path::from(format!("lease/{number:08}.json"))
}

/// Reads the number out of a key of the lease; `None` for every other key.
#[must_use]
pub fn lease_number(key: &Path) -> Option<u64> {
    let number = key.filename()?.strip_suffix(".json")?.parse().ok()?;
    (lease(number) == *key).then_some(number)
}

/// The names of the objects in a run's folder.
pub mod run_file {
    /// Final k-means centres.
    pub const CENTROIDS: &str = "centroids.parquet";
    /// FAISS index of the corpus.
    pub const INDEX: &str = "index.faiss";
    /// Topics with names, fade and status.
    pub const TOPICS: &str = "topics.parquet";
    /// Share of each topic in each period.
    pub const TIMELINE: &str = "timeline.parquet";
    /// The loneliest documents.
    pub const LONELY: &str = "lonely.parquet";
    /// What changed since the run's predecessor, where it has one.
    pub const CHANGES: &str = "changes.parquet";
    /// Times, memory, rates, host.
    pub const MEASUREMENTS: &str = "measurements.json";
    /// Written last: the run is finished.
    pub const RECORD: &str = "run.json";
    /// Finished stages of a run that is not finished.
    pub const UNFINISHED: &str = "unfinished.json";
    /// What later stages of such a run need to know of each row.
    pub const UNFINISHED_ROWS: &str = "unfinished.rows";
    /// What a hook was told of the run, once it has taken it.
    pub const NOTIFIED: &str = "notified.json";
    /// The page.
    pub const REPORT: &str = "report.html";

    /// All of them; labels have a folder of their own.
    pub const ALL: [&str; 12] = [
        CENTROIDS,
        INDEX,
        TOPICS,
        TIMELINE,
        LONELY,
        CHANGES,
        MEASUREMENTS,
        RECORD,
        UNFINISHED,
        UNFINISHED_ROWS,
        NOTIFIED,
        REPORT,
    ];
}

fn shard_file(number: usize) -> String {
    format!("shard_{number:05}.parquet")
}

/// Reads the shard's number out of a key that ends in `shard_NNNNN.parquet`; `None` for every other key.
#[must_use]
pub fn shard_number(key: &Path) -> Option<usize> {
    let digits = key.filename()?.strip_prefix("shard_")?.strip_suffix(".parquet")?;
    let number = digits.parse().ok()?;
    (shard_file(number).strip_prefix("shard_")?.strip_suffix(".parquet")? == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_shard_key_parses_back_to_its_number(number in 0usize..10_000_000) {
            prop_assert_eq!(shard_number(&raw_shard(number)), Some(number));
        }

        #[test]
        fn every_generation_key_parses_back_to_its_number(number in proptest::num::u64::ANY) {
            prop_assert_eq!(generation_number(&generation(number)), Some(number));
            for key in [generation(number), superseded(number), rejected_of(number)] {
                prop_assert!(key.prefix_matches(&generations()) && key.prefix_matches(&raw()));
                prop_assert_eq!(shard_number(&key), None);
            }
        }

        #[test]
        fn every_lease_key_parses_back_to_its_number(number in proptest::num::u64::ANY) {
            prop_assert_eq!(lease_number(&lease(number)), Some(number));
            prop_assert!(lease(number).prefix_matches(&leases()));
        }

        #[test]
        fn an_accepted_name_stays_one_segment(name in "[A-Za-z0-9][A-Za-z0-9._-]{0,99}") {
            let run = RunName::new(&name).unwrap();
            prop_assert_eq!(in_run(&run, run_file::RECORD).parts().count(), 3);
        }

        #[test]
        fn a_name_with_a_separator_or_a_control_is_refused(name in "[a-z]{1,5}[/\\\\%\u{0}\n ~#?*][a-z]{0,5}") {
            prop_assert!(RunName::new(&name).is_err());
        }
    }

    #[test]
    fn names_that_would_leave_their_folder_are_refused() {
        for name in ["", "..", "../x", "a/b", ".hidden", "a b", "-x", "é"] {
            assert!(RunName::new(name).is_err(), "{name}");
        }
        assert!(ModelName::new("all-MiniLM-L6-v2-0123456789ab").is_ok());
    }

    #[test]
    fn other_keys_have_no_number_of_a_lease() {
        assert_eq!(lease(1).as_ref(), "lease/00000001.json");
        for key in ["lease/1.json", "lease/00000001", "lease/+0000001.json", "lease/a/00000001.json", "lease/note.json"]
        {
            assert_eq!(lease_number(&Path::from(key)), None, "{key}");
        }
    }

    #[test]
    fn other_keys_have_no_number_of_a_generation() {
        assert_eq!(generation(1).as_ref(), "raw/generations/00000001.json");
        let others =
            [superseded(1).to_string(), rejected_of(1).to_string(), manifest().to_string(), lease(1).to_string()];
        let odd = ["raw/generations/1.json", "raw/generations/+0000001.json", "raw/generations/a/00000001.json"];
        for key in others.iter().map(String::as_str).chain(odd) {
            assert_eq!(generation_number(&Path::from(key)), None, "{key}");
        }
    }

    #[test]
    fn labels_are_told_from_the_other_objects_of_a_run() {
        let run = RunName::new("labels").unwrap();
        assert!(is_labels(&labels(&run, 7)));
        for key in [in_run(&run, run_file::TOPICS), raw_shard(1), manifest()] {
            assert!(!is_labels(&key), "{key}");
        }
    }

    #[test]
    fn other_keys_have_no_shard_number() {
        for key in ["raw/manifest.json", "raw/shard_1.parquet", "raw/shard_00001.json", "raw/shard_+0001.parquet"] {
            assert_eq!(shard_number(&Path::from(key)), None, "{key}");
        }
    }
}
