//! What a planted topic is: a name, a category, a fate, and the pools of phrases that its documents draw on.
//!
//! Invariant: a level is a pure function of a topic's fate and a position in the archive, in whole per mille, so that
//! shares come out the same on every machine.

use serde::{Deserialize, Serialize};

/// How a topic's share of the archive moves over time.
///
/// Positions are per mille of the complete years: 0 is the first year, 1000 the end of the last complete one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Shrinks over a fifth of the archive and stops before the position `gone`.
    Dies {
        /// The first position without a document.
        gone: u32,
    },
    /// Falls to about a fifth of its peak and stays there.
    Fades,
    /// Keeps its share.
    Holds,
    /// Grows about fourfold or fivefold and stays there.
    Rises,
    /// Does not exist up to the position `first`, then grows over a fifth of the archive.
    Born {
        /// The last position without a document.
        first: u32,
    },
}

/// Per mille of the archive over which a topic dies or is born.
const CHANGE_LENGTH: u32 = 200;
/// Where fading and rising topics start to move, and over what length.
const DRIFT_START: u32 = 300;
const DRIFT_LENGTH: u32 = 400;
/// Lower than the 200 that is aimed at: shares are scaled up a little late in the archive, see `Shares::of_year`.
const FADED_LEVEL: u32 = 160;
const LEVEL_BEFORE_RISE: u32 = 250;

impl Fate {
    /// The topic's level at a position, 0 to 1000 per mille of its weight.
    #[must_use]
    pub fn level(self, position: u32) -> u32 {
        let drift = position.saturating_sub(DRIFT_START).min(DRIFT_LENGTH);
        match self {
            Self::Dies { gone } => ramp(gone.saturating_sub(position)),
            Self::Fades => 1000 - (1000 - FADED_LEVEL) * drift / DRIFT_LENGTH,
            Self::Holds => 1000,
            Self::Rises => LEVEL_BEFORE_RISE + (1000 - LEVEL_BEFORE_RISE) * drift / DRIFT_LENGTH,
            Self::Born { first } => ramp(position.saturating_sub(first)),
        }
    }
}

fn ramp(distance: u32) -> u32 {
    1000 * distance.min(CHANGE_LENGTH) / CHANGE_LENGTH
}

/// The words of one topic, each pool with a fixed place in a sentence.
pub(super) struct Topic {
    /// What a person would call the topic.
    pub(super) name: &'static str,
    /// As in the `categories` column.
    pub(super) category: &'static str,
    pub(super) fate: Fate,
    /// Per mille of the archive at full level, before scaling for topics that change.
    pub(super) weight: u32,
    /// Noun phrases without an article: what a document is about.
    pub(super) subjects: &'static [&'static str],
    /// Noun phrases that follow "with" or "using".
    pub(super) methods: &'static [&'static str],
    /// Where or on what, with the preposition.
    pub(super) settings: &'static [&'static str],
    /// Whole clauses in the past tense.
    pub(super) findings: &'static [&'static str],
    /// Whole clauses in the present tense.
    pub(super) problems: &'static [&'static str],
    /// Noun phrases that follow "the".
    pub(super) measures: &'static [&'static str],
    /// Plural nouns that follow a number.
    pub(super) units: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dying_topic_is_whole_at_first_and_nothing_at_last() {
        let fate = Fate::Dies { gone: 600 };
        assert_eq!([fate.level(0), fate.level(500), fate.level(600), fate.level(1000)], [1000, 500, 0, 0]);
    }

    #[test]
    fn a_born_topic_is_nothing_at_first_and_whole_at_last() {
        let fate = Fate::Born { first: 500 };
        assert_eq!([fate.level(0), fate.level(500), fate.level(600), fate.level(1000)], [0, 0, 500, 1000]);
    }
}
