//! A run's record → the flags that ask for the same run again.
//!
//! Invariant: whoever gives these flags asks the very question that the run answered.

use strata_shared::run_record::RunRecord;
use strata_shared::settings::ReduceSettings;

/// What a run was asked, as flags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    flags: String,
}

impl Question {
    /// Returns the question of a run; of the newest generation where its own is not there any more.
    pub(super) fn of(record: &RunRecord, has_generation: bool) -> Self {
        let mut flags = format!(" --vectors-of {}", record.vectors_of);
        if has_generation {
            flags.push_str(&format!(" --generation {}", record.generation));
        }
        Self { flags: flags + &settings(&record.parameters) }
    }

    /// Returns the flags, a space before each.
    pub(super) fn flags(&self) -> &str {
        &self.flags
    }
}

/// Returns the flags of those settings that are not what they are by default.
fn settings(asked: &ReduceSettings) -> String {
    let usual = ReduceSettings::default();
    let mut flags = String::new();
    let mut flag = |name: &str, value: String, usual: Option<String>| {
        if usual.is_none_or(|usual| usual != value) {
            flags.push_str(&format!(" --{name} {value}"));
        }
    };
    for (name, value) in [
        ("clusters", asked.clusters.map(|clusters| clusters.to_string())),
        ("until", asked.until.clone()),
        ("index", asked.index.clone()),
        ("warm-from", asked.warm_from.clone()),
    ] {
        value.into_iter().for_each(|value| flag(name, value, None));
    }
    for (name, value, usual) in [
        ("lonely", asked.lonely.to_string(), usual.lonely.to_string()),
        ("lonely-k", asked.lonely_k.to_string(), usual.lonely_k.to_string()),
        ("lonely-min-words", asked.lonely_min_words.to_string(), usual.lonely_min_words.to_string()),
        ("period", asked.period.as_str().to_owned(), usual.period.as_str().to_owned()),
        ("recent", asked.recent.to_string(), usual.recent.to_string()),
        ("seed", asked.seed.to_string(), usual.seed.to_string()),
        ("kmeans", asked.kmeans.as_str().to_owned(), usual.kmeans.as_str().to_owned()),
    ] {
        flag(name, value, Some(usual));
    }
    if asked.fresh { flags + " --fresh" } else { flags }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;
    use strata_shared::settings::{KmeansEngine, PeriodLength};

    use super::*;
    use crate::command_line::{Command, CommandLine};

    fn questions() -> impl Strategy<Value = ReduceSettings> {
        let period = prop::sample::select(vec![PeriodLength::Year, PeriodLength::Quarter, PeriodLength::Month]);
        let kmeans = prop::sample::select(vec![KmeansEngine::Matrix, KmeansEngine::Linfa]);
        let numbers = (0usize..200, 1usize..9, 0usize..50, 1usize..9, 0u64..100);
        let texts = (
            prop::option::of(1usize..500),
            prop::option::of(Just("2023-06-30".to_owned())),
            prop::option::of(Just("IVF400,SQ8".to_owned())),
            prop::option::of(prop::option::of(Just("month-1".to_owned()))),
        );
        (numbers, texts, period, kmeans).prop_map(|(numbers, texts, period, kmeans)| {
            let (lonely, lonely_k, lonely_min_words, recent, seed) = numbers;
            let (clusters, until, index, start) = texts;
            let (fresh, warm_from) = (start.is_none(), start.flatten());
            ReduceSettings {
                clusters,
                lonely,
                lonely_k,
                lonely_min_words,
                period,
                recent,
                until,
                seed,
                index,
                kmeans,
                fresh,
                warm_from,
            }
        })
    }

    proptest! {
        #[test]
        fn the_flags_ask_the_question_that_the_run_answered(asked in questions()) {
            let line = format!("strata reduce --store s{}", settings(&asked));
            let parsed = CommandLine::try_parse_from(line.split_whitespace()).unwrap();
            let Command::Reduce(command) = parsed.command else { panic!("another command") };
            prop_assert_eq!(command.reduce.settings().unwrap(), asked);
        }
    }
}
