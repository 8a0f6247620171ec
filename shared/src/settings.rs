//! What a person can set and what it is when nothing is set: one struct a stage, one `Default`, one `check`.
//!
//! Command lines, environment variables and configuration files all end in these structs; what can change a result is
//! recorded from them in the manifest and in `run.json`.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::exit::{Classify, Exit};
use crate::layout::RunName;

/// A setting outside what makes sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name}: found {found}, expected {expected}")]
pub struct SettingError {
    /// The setting, as its flag is spelled.
    pub name: &'static str,
    /// What was given.
    pub found: String,
    /// What would do.
    pub expected: &'static str,
}

impl Classify for SettingError {
    fn exit(&self) -> Exit {
        Exit::Configuration
    }
}

fn refuse<T>(
    name: &'static str,
    found: &(impl std::fmt::Display + ?Sized),
    expected: &'static str,
) -> Result<T, SettingError> {
    Err(SettingError { name, found: found.to_string(), expected })
}

/// How inputs become documents; recorded in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardSettings {
    /// Documents a shard.
    pub rows_per_shard: usize,
    /// The longest line that is read, in bytes.
    pub max_line_bytes: usize,
    /// The field that names a document.
    pub id_field: String,
    /// The field of the title.
    pub title_field: String,
    /// The field of the text.
    pub text_field: String,
    /// The field of the date; `None`: arXiv's `versions[0].created`, else `update_date`.
    pub date_field: Option<String>,
    /// The field of the categories.
    pub category_field: String,
}

/// The longest line that is read, unless told otherwise, as people write it.
pub const DEFAULT_MAX_LINE: &str = "16MiB";

/// Memory that must suffice for a reduce, unless told otherwise, as people write it.
pub const DEFAULT_MEMORY: &str = "4GiB";

impl Default for ShardSettings {
    fn default() -> Self {
        Self {
            rows_per_shard: 10_000,
            max_line_bytes: 16 << 20,
            id_field: "id".into(),
            title_field: "title".into(),
            text_field: "abstract".into(),
            date_field: None,
            category_field: "categories".into(),
        }
    }
}

impl ShardSettings {
    /// Returns the settings if they make sense.
    ///
    /// # Errors
    /// [`SettingError`] otherwise.
    pub fn check(self) -> Result<Self, SettingError> {
        if !(1..=1_000_000).contains(&self.rows_per_shard) {
            return refuse("--rows-per-shard", &self.rows_per_shard, "1 to 1000000");
        }
        if !(1 << 10..=1 << 30).contains(&self.max_line_bytes) {
            return refuse("--max-line", &self.max_line_bytes, "1KiB to 1GiB");
        }
        Ok(self)
    }
}

/// The length of the periods over which shares are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeriodLength {
    /// Calendar years.
    Year,
    /// Calendar quarters.
    Quarter,
    /// Calendar months.
    Month,
}

impl PeriodLength {
    /// Returns the word that flags and `run.json` use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
        }
    }

    /// Returns the number of such periods in a year.
    #[must_use]
    pub const fn per_year(self) -> i32 {
        match self {
            Self::Year => 1,
            Self::Quarter => 4,
            Self::Month => 12,
        }
    }
}

impl std::str::FromStr for PeriodLength {
    type Err = SettingError;
    fn from_str(text: &str) -> Result<Self, SettingError> {
        match text {
            "year" => Ok(Self::Year),
            "quarter" => Ok(Self::Quarter),
            "month" => Ok(Self::Month),
            _ => refuse("--period", text, "year, quarter or month"),
        }
    }
}

/// Which k-means engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KmeansEngine {
    /// Ours, on matrix products.
    Matrix,
    /// linfa-clustering's.
    Linfa,
}

impl KmeansEngine {
    /// Returns the word that flags and `run.json` use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Matrix => "matrix",
            Self::Linfa => "linfa",
        }
    }
}

impl std::str::FromStr for KmeansEngine {
    type Err = SettingError;
    fn from_str(text: &str) -> Result<Self, SettingError> {
        match text {
            "matrix" => Ok(Self::Matrix),
            "linfa" => Ok(Self::Linfa),
            _ => refuse("--kmeans", text, "matrix or linfa"),
        }
    }
}

/// What can change the result of a reduce; recorded in `run.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReduceSettings {
    /// Clusters; `None`: 400, fewer for a small corpus.
    pub clusters: Option<usize>,
    /// Length of the lonely list.
    pub lonely: usize,
    /// A document is as lonely as its `lonely_k`-th nearest other is far.
    pub lonely_k: usize,
    /// Documents of fewer words (title and text) stay out of the lonely list, though they still are neighbours.
    pub lonely_min_words: usize,
    /// The length of the periods.
    pub period: PeriodLength,
    /// How many complete periods are recent.
    pub recent: usize,
    /// The last day covered (`YYYY-MM-DD`); `None`: found from the data.
    pub until: Option<String>,
    /// The seed of every draw.
    pub seed: u64,
    /// A FAISS factory string; `None`: by rule from rows and dimensions.
    pub index: Option<String>,
    /// The k-means engine.
    pub kmeans: KmeansEngine,
    /// Follow no earlier run: neither its centroids nor its topics. Left out where it is not so, so that a question keeps the
    /// name that it had before runs could be followed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// The run to follow; `None`: the newest of an earlier generation with the same vectors and clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_from: Option<String>,
}

impl Default for ReduceSettings {
    fn default() -> Self {
        Self {
            clusters: None,
            lonely: 100,
            lonely_k: 5,
            lonely_min_words: 0,
            period: PeriodLength::Year,
            recent: 3,
            until: None,
            seed: 42,
            index: None,
            kmeans: KmeansEngine::Matrix,
            fresh: false,
            warm_from: None,
        }
    }
}

impl ReduceSettings {
    /// Tells whether statuses under these settings are of the same periods as under others, so that they can be compared; the last
    /// day covered moves on from run to run.
    #[must_use]
    pub fn has_periods_of(&self, other: &Self) -> bool {
        (self.period, self.recent) == (other.period, other.recent)
    }

    /// Returns the settings if they make sense.
    ///
    /// # Errors
    /// [`SettingError`] otherwise.
    pub fn check(self) -> Result<Self, SettingError> {
        if self.clusters.is_some_and(|clusters| !(1..=65_536).contains(&clusters)) {
            return refuse("--clusters", &self.clusters.unwrap_or_default(), "1 to 65536");
        }
        if self.lonely > 1_000_000 {
            return refuse("--lonely", &self.lonely, "at most 1000000");
        }
        if !(1..=1_000).contains(&self.lonely_k) {
            return refuse("--lonely-k", &self.lonely_k, "1 to 1000");
        }
        if !(1..=1_000).contains(&self.recent) {
            return refuse("--recent", &self.recent, "1 to 1000 periods");
        }
        // As it is written, not only as it is read: the same day is the same question.
        if let Some(until) = &self.until
            && self.until_date().is_none_or(|date| date.to_string() != *until)
        {
            return refuse("--until", until, "a day as YYYY-MM-DD");
        }
        self.check_start()?;
        Ok(self)
    }

    /// Refuses a run to follow that cannot be one, or one beside the wish to follow none.
    fn check_start(&self) -> Result<(), SettingError> {
        match &self.warm_from {
            Some(run) if self.fresh => refuse("--warm-from", run, "no --fresh beside it, which follows no run"),
            Some(run) if RunName::new(run).is_err() => refuse("--warm-from", run, "the name of a run"),
            _ => Ok(()),
        }
    }

    /// Returns the last day covered, where one was set.
    #[must_use]
    pub fn until_date(&self) -> Option<chrono::NaiveDate> {
        chrono::NaiveDate::parse_from_str(self.until.as_deref()?, "%Y-%m-%d").ok()
    }
}

/// The most threads that anybody may ask for: more than any machine has, and few enough to be started.
const MAX_THREADS: usize = 1024;

/// A number of threads or of workers, 1 to 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parallelism(NonZeroUsize);

impl Parallelism {
    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> NonZeroUsize {
        self.0
    }
}

impl std::str::FromStr for Parallelism {
    type Err = SettingError;
    fn from_str(text: &str) -> Result<Self, SettingError> {
        let number = text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= MAX_THREADS);
        number.map(Self).ok_or_else(|| SettingError {
            name: "threads or workers",
            found: text.into(),
            expected: "1 to 1024",
        })
    }
}

/// Reads a size such as `4GiB`, `500 MB`, `16M` or `1024`: decimal units for `KB`, binary ones for `K` and `KiB`.
///
/// # Errors
/// [`SettingError`] naming `name`.
pub fn parse_bytes(name: &'static str, text: &str) -> Result<u64, SettingError> {
    let wrong = || SettingError { name, found: text.into(), expected: "a size such as 4GiB, 500MB or 1024" };
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
    let number: f64 = trimmed[..split].parse().map_err(|_| wrong())?;
    let unit: f64 = match trimmed[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" | "ki" => 1024.0,
        "m" | "mib" | "mi" => 1_048_576.0,
        "g" | "gib" | "gi" => 1_073_741_824.0,
        "t" | "tib" | "ti" => 1_099_511_627_776.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(wrong()),
    };
    let bytes = number * unit;
    if bytes.is_finite() && bytes < 9e18 { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("1024", 1024), ("4GiB", 4 << 30), ("16 M", 16 << 20), ("500MB", 500_000_000), ("1.5k", 1536)]
        {
            assert_eq!(parse_bytes("--memory", text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "4 parsecs", "-1", "1e400"] {
            assert!(parse_bytes("--memory", text).is_err(), "{text}");
        }
    }

    #[test]
    fn threads_are_as_many_as_can_be_started() {
        assert_eq!("1024".parse().map(|threads: Parallelism| threads.get().get()), Ok(1024));
        for text in ["0", "1025", "100000", "99999999999999999999", "-1", "two", ""] {
            assert!(text.parse::<Parallelism>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_defaults_pass_their_own_check() {
        assert!(ShardSettings::default().check().is_ok());
        assert!(ReduceSettings::default().check().is_ok());
    }

    #[test]
    fn a_run_is_followed_or_none_is() {
        let settings = |fresh, warm_from: &str| ReduceSettings {
            fresh,
            warm_from: Some(warm_from.into()),
            ..ReduceSettings::default()
        };
        assert!(settings(false, "run-1").check().is_ok());
        assert!(settings(true, "run-1").check().is_err() && settings(false, "../run").check().is_err());
    }

    #[test]
    fn a_longest_line_without_bounds_is_refused() {
        for max_line_bytes in [0, 1023, (1 << 30) + 1, usize::MAX] {
            assert!(ShardSettings { max_line_bytes, ..ShardSettings::default() }.check().is_err(), "{max_line_bytes}");
        }
    }

    #[test]
    fn a_day_that_does_not_exist_is_refused() {
        let settings = ReduceSettings { until: Some("2023-02-30".into()), ..ReduceSettings::default() };
        assert!(settings.check().is_err());
    }
}
