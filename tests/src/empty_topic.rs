//! A label → a topic of which nothing is known, for tests that fill in what they are about.

use strata_shared::findings::{Status, Topic};

/// Returns a topic without documents, terms and figures.
#[must_use]
pub fn empty_topic(label: i32) -> Topic {
    Topic {
        label,
        name: format!("topic {label}"),
        terms: Vec::new(),
        size: 0,
        first: None,
        last: None,
        peak_period: None,
        peak_share: None,
        recent_share: None,
        fade: None,
        fade_low: None,
        fade_high: None,
        status: Status::Undated,
        top_categories: Vec::new(),
        representative_ids: Vec::new(),
        fading_rank: None,
        emerging_rank: None,
        topic_id: i64::from(label),
        strength: None,
    }
}
