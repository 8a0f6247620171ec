//! Changes → the JSON that `strata report --since --json` prints: `run`, `since`, `corrected`, `changes` with the names of the table's
//! columns, `runs`, and `topics`, each with its history.

use serde::Serialize;
use strata_shared::findings::Change;

use super::super::visible;
use super::{Changes, Past};

#[derive(Serialize)]
struct Printed<'a> {
    run: &'a str,
    since: &'a str,
    /// How often a document was corrected meanwhile; null where nobody knows.
    corrected: Option<u64>,
    changes: &'a [Change],
    runs: Vec<Ran<'a>>,
    topics: Vec<History<'a>>,
}

#[derive(Serialize)]
struct Ran<'a> {
    run: &'a str,
    generation: u64,
    rows: u64,
    topics: usize,
}

#[derive(Serialize)]
struct History<'a> {
    topic_id: i64,
    name: &'a str,
    runs: Vec<Past<'a>>,
}

/// Writes the changes as one indented JSON object and a line feed.
///
/// # Errors
/// Never: numbers and strings always serialise.
pub fn json(changes: &Changes) -> serde_json::Result<String> {
    // A run that is no longer there is known by name alone.
    let runs = changes.steps.iter().filter(|step| !step.topics.is_empty()).map(|step| Ran {
        run: &step.run,
        generation: step.generation,
        rows: step.rows,
        topics: step.topics.len(),
    });
    let last = changes.steps.last();
    let topics = last.into_iter().flat_map(|step| &step.topics).map(|topic| History {
        topic_id: topic.topic_id,
        name: &topic.name,
        runs: changes.past(topic.topic_id),
    });
    let printed = Printed {
        run: last.map_or("", |step| step.run.as_str()),
        since: &changes.since,
        corrected: changes.corrected,
        changes: &changes.changes,
        runs: runs.collect(),
        topics: topics.collect(),
    };
    Ok(visible::json(&serde_json::to_string_pretty(&printed)?) + "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::super::fixture;
    use super::*;

    #[test]
    fn changes_have_the_columns_of_their_table_and_topics_their_history() {
        let value: Value = serde_json::from_str(&json(&fixture::changes()).unwrap()).unwrap();
        let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["changes", "corrected", "run", "runs", "since", "topics"]);
        assert_eq!(value["changes"][0]["kind"], "documents_in");
        assert_eq!(value["topics"][0]["runs"].as_array().unwrap().len(), 3);
        assert!(value["topics"][0]["runs"][0].get("recent_share").is_some());
    }
}
