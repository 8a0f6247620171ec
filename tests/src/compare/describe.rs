//! A comparison → lines for people, the verdict last.
//!
//! Invariant: no line is wider than [`WIDTH`] columns, and nothing that a corpus names can control a terminal.

use std::fmt;

use super::{Comparison, Count, RefusalMatch, TopicMatch};
use crate::corpus::{Fate, RefusalKind};

/// The widest line, in characters.
pub const WIDTH: usize = 100;

/// Line numbers shown of one kind of fault; a demo has two of each.
const MAX_LINES: usize = 6;

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_topics(formatter)?;
        self.write_loners(formatter)?;
        self.write_refusals(formatter)?;
        self.write_copies(formatter)?;
        self.write_counts(formatter)?;
        write!(formatter, "\n{}", self.verdict())
    }
}

impl Comparison {
    /// Returns the sums in one sentence.
    #[must_use]
    pub fn verdict(&self) -> String {
        let (topics, loners, refusals) = (self.topics.len(), self.loners.len(), self.refusals.planted.len());
        let mut verdict = format!(
            "{} of {topics} topics found, {} of {topics} fates called as planted,\n{} of {loners} loners in the first \
             {loners}, {} of {refusals} malformed lines accounted for",
            self.num_topics_found(),
            self.num_called_as_planted(),
            self.num_loners_first(),
            self.refusals.num_accounted()
        );
        if !self.refusals.unplanned.is_empty() {
            verdict += &format!(", {} sound lines refused", self.refusals.unplanned.len());
        }
        verdict
    }

    fn write_topics(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut topics: Vec<&TopicMatch> = self.topics.iter().collect();
        topics.sort_by_key(|topic| fate_order(topic.fate));
        writeln!(
            formatter,
            "{:<34} {:<5} {:>6}  {:<32} {:>5}  said to be",
            "planted topic", "fate", "docs", "found as", "pure"
        )?;
        topics.into_iter().try_for_each(|topic| write_topic(formatter, topic))
    }

    fn write_loners(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "\n{:>4}  planted loner", "rank")?;
        let mut loners: Vec<_> = self.loners.iter().collect();
        loners.sort_by_key(|loner| loner.rank.unwrap_or(i32::MAX));
        loners.into_iter().try_for_each(|loner| {
            let rank = loner.rank.map_or_else(|| "-".into(), |rank| rank.to_string());
            writeln!(formatter, "{rank:>4}  {}", cut(&loner.title, WIDTH - 6))
        })
    }

    fn write_refusals(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "\n{:<16} {:<28} refused because", "planted fault", "on line")?;
        let mut kinds: Vec<RefusalKind> = self.refusals.planted.iter().map(|refusal| refusal.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let of_kind: Vec<_> = self.refusals.planted.iter().filter(|refusal| refusal.kind == kind).collect();
            write_kind(formatter, kind, &of_kind)?;
        }
        Ok(())
    }

    fn write_copies(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sums = |is_exact: bool| {
            let copies: Vec<_> = self.copies.iter().filter(|copy| copy.is_exact == is_exact).collect();
            let num_nearest = copies.iter().filter(|copy| copy.is_nearest).count();
            let num_together = copies.iter().filter(|copy| copy.shares_label).count();
            (copies.len(), num_nearest, num_together)
        };
        writeln!(formatter)?;
        [("exact", true), ("near", false)].into_iter().try_for_each(|(kind, is_exact)| {
            let (all, nearest, together) = sums(is_exact);
            writeln!(formatter, "{kind} copies: {nearest} of {all} nearest to their source, {together} in its topic")
        })
    }

    fn write_counts(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |count: &Count| {
            let Count { what, planted, found } = count;
            if planted == found { format!("{found} {what}") } else { format!("{found} {what} ({planted} planted)") }
        };
        writeln!(formatter, "{}", self.counts.iter().map(shown).collect::<Vec<_>>().join(", "))
    }
}

fn write_topic(formatter: &mut fmt::Formatter<'_>, topic: &TopicMatch) -> fmt::Result {
    let found_as = match topic.homes.as_slice() {
        [] => "-".to_owned(),
        [home] => cut(&home.name, 32),
        [first, others @ ..] => format!("{} (+{})", cut(&first.name, 27), others.len()),
    };
    let purity = if topic.homes.is_empty() { "-".into() } else { format!("{:.0} %", 100.0 * topic.purity()) };
    let status = topic.status().map_or("not found", |status| status.as_str());
    let mark = if topic.is_called_as_planted() { "" } else { " *" };
    let (name, fate) = (cut(&topic.name, 34), fate_word(topic.fate));
    writeln!(formatter, "{name:<34} {fate:<5} {:>6}  {found_as:<32} {purity:>5}  {status}{mark}", topic.num_documents)
}

fn write_kind(formatter: &mut fmt::Formatter<'_>, kind: RefusalKind, refusals: &[&RefusalMatch]) -> fmt::Result {
    let mut lines: Vec<String> = refusals.iter().take(MAX_LINES).map(|refusal| refusal.line.to_string()).collect();
    if refusals.len() > MAX_LINES {
        lines.push("...".into());
    }
    let mut reasons: Vec<String> = refusals
        .iter()
        .map(|refusal| {
            let reason = refusal.reason.as_deref().unwrap_or("not refused");
            if refusal.is_accounted() { reason.to_owned() } else { format!("{reason} *") }
        })
        .collect();
    reasons.dedup();
    let (lines, reasons) = (lines.join(", "), cut(&reasons.join("; "), WIDTH - 46));
    writeln!(formatter, "{:<16} {:<28} {reasons}", kind_words(kind), cut(&lines, 28))
}

const fn fate_order(fate: Fate) -> u8 {
    match fate {
        Fate::Dies { .. } => 0,
        Fate::Fades => 1,
        Fate::Holds => 2,
        Fate::Rises => 3,
        Fate::Born { .. } => 4,
    }
}

const fn fate_word(fate: Fate) -> &'static str {
    match fate {
        Fate::Dies { .. } => "dies",
        Fate::Fades => "fades",
        Fate::Holds => "holds",
        Fate::Rises => "rises",
        Fate::Born { .. } => "born",
    }
}

/// The kind as the truth's file spells it, with spaces.
fn kind_words(kind: RefusalKind) -> String {
    let spelled = serde_json::to_value(kind).unwrap_or_default();
    spelled.as_str().unwrap_or_default().replace('_', " ")
}

/// Shows a foreign text in at most `width` characters, none of which can control a terminal.
fn cut(text: &str, width: usize) -> String {
    let is_shown = |character: char| !character.is_control() && !('\u{200b}'..='\u{206f}').contains(&character);
    let text: String = text.chars().map(|c| if is_shown(c) { c } else { '\u{fffd}' }).collect();
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use strata_shared::findings::Status;

    use super::super::{CopyMatch, Home, LonerMatch, Refusals};
    use super::*;

    fn comparison() -> Comparison {
        let home = |label| Home { label, name: "n\u{1b}".repeat(60), size: 4, num_held: 3, status: Status::Extinct };
        let topic = |fate, homes| TopicMatch { name: "t".repeat(70), fate, num_documents: 123_456, homes };
        let refusal = |line| RefusalMatch { line, kind: RefusalKind::TruncatedJson, reason: Some("r".repeat(90)) };
        Comparison {
            topics: vec![
                topic(Fate::Born { first: 500 }, Vec::new()),
                TopicMatch { num_documents: 6, ..topic(Fate::Dies { gone: 600 }, vec![home(0), home(1)]) },
            ],
            loners: vec![LonerMatch { id: "a".into(), title: "é".repeat(200), rank: Some(1) }],
            refusals: Refusals { planted: (1_000_000..1_000_009).map(refusal).collect(), unplanned: vec![7] },
            copies: vec![CopyMatch {
                id: "a".into(),
                of: "b".into(),
                is_exact: true,
                similarity: Some(1.0),
                is_nearest: true,
                shares_label: false,
            }],
            counts: vec![Count { what: "lines", planted: 9, found: 8 }],
        }
    }

    #[test]
    fn no_line_is_wider_than_a_terminal_or_controls_it() {
        let text = comparison().to_string();
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{} columns: {line}", line.chars().count());
            assert!(!line.contains('\u{1b}'), "{line:?}");
        }
    }

    #[test]
    fn the_verdict_comes_last_and_counts_what_was_found() {
        let text = comparison().to_string();
        let verdict = "1 of 2 topics found, 1 of 2 fates called as planted,\n\
                       1 of 1 loners in the first 1, 0 of 9 malformed lines accounted for, 1 sound lines refused";
        assert!(text.ends_with(verdict), "{text}");
        assert!(text.contains("8 lines (9 planted)") && text.contains("exact copies: 1 of 1 nearest"), "{text}");
    }
}
