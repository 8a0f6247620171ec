//! An archive as a map holds it, and snapshots of it as people give them: in any order, in part, with lines that are refused.
//!
//! Invariant: a document's text and day depend on its number and its version alone; what a snapshot makes of an archive is
//! known without the programs.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Numbers out of a seed (`SplitMix64`), the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Draws one of the numbers below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Says yes so many times of a hundred.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        (1..items.len()).rev().for_each(|last| items.swap(last, self.below(last + 1)));
    }
}

/// The version of every document, by its number.
pub(crate) type Archive = BTreeMap<u32, u32>;

/// What documents are about, by topic.
const SUBJECTS: [&str; 4] = [
    "petri nets that model manufacturing systems",
    "visual servoing of a mobile arm",
    "haptic interfaces for telesurgery",
    "legged gaits over rough terrain",
];

pub(crate) fn id(number: u32) -> String {
    format!("paper/{number}")
}

pub(crate) fn title(number: u32, version: u32) -> String {
    format!("{} case {number} of series {} draft {version}", SUBJECTS[number as usize % SUBJECTS.len()], number % 7)
}

/// The year and month in which a document was created; some have none.
pub(crate) fn month(number: u32, version: u32) -> Option<(u32, u32)> {
    (!(number + version).is_multiple_of(11)).then_some((2000 + number % 12, 1 + version % 12))
}

fn line(number: u32, version: u32) -> String {
    let day = month(number, version).map_or_else(|| "null".into(), |(year, month)| format!("\"{year}-{month:02}-15\""));
    let (id, title) = (id(number), title(number, version));
    format!("{{\"id\":\"{id}\",\"title\":\"{title}\",\"update_date\":{day}}}\n")
}

/// All of an archive, in some order.
pub(crate) fn whole(archive: &Archive, random: &mut Random) -> String {
    let mut lines: Vec<String> = archive.iter().map(|(&number, &version)| line(number, version)).collect();
    random.shuffle(&mut lines);
    lines.concat()
}

/// One snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// As JSON lines.
    pub(crate) lines: String,
    /// It is said to be the whole archive.
    pub(crate) complete: bool,
    /// What it makes of the archive.
    pub(crate) after: Archive,
    /// Documents that are new or changed.
    pub(crate) written: u64,
}

impl Snapshot {
    /// Draws a snapshot of what `before` may have become.
    pub(crate) fn draw(before: &Archive, random: &mut Random) -> Self {
        let complete = random.percent(50);
        let mut shown = Archive::new();
        for (&number, &version) in before {
            match random.below(100) {
                // Corrected, or as it was some time before.
                0..10 => drop(shown.insert(number, if random.percent(50) { version + 1 } else { version / 2 })),
                // Withdrawn, or not mentioned.
                10..18 => {}
                18..60 if !complete => {}
                _ => drop(shown.insert(number, version)),
            }
        }
        let highest = before.keys().last().map_or(0, |number| number + 1);
        let new = if before.is_empty() { 20 + random.below(40) } else { random.below(8) };
        for _ in 0..new {
            // A number that is there is left alone; one that was withdrawn comes back.
            let number = random.below(highest as usize + 2 * new) as u32;
            if !before.contains_key(&number) {
                shown.insert(number, random.below(2) as u32);
            }
        }
        if shown.is_empty() {
            shown.insert(highest, 0);
        }
        Self::show(before, shown, complete, random)
    }

    fn show(before: &Archive, shown: Archive, complete: bool, random: &mut Random) -> Self {
        let mut lines = whole(&shown, random);
        let some = *shown.keys().nth(random.below(shown.len())).expect("a document");
        if random.percent(25) {
            lines.push_str(&line(some, shown[&some] + 5));
        }
        let named = before.keys().nth(random.below(before.len().max(1))).copied().filter(|_| random.percent(25));
        if let Some(named) = named {
            // It breaks off: no document, and yet its document is not gone.
            let _ = writeln!(lines, "{{\"id\":\"{}\",\"title\":", id(named));
        }
        let is_unreadable = random.percent(10);
        if is_unreadable {
            lines.push_str("nobody can tell whose line this is\n");
        }
        if random.percent(20) {
            lines.push_str("\n\n");
        }
        let is_gone =
            |number: &u32| complete && !is_unreadable && !shown.contains_key(number) && named.as_ref() != Some(number);
        let mut after: Archive = before.iter().filter(|(number, _)| !is_gone(number)).map(|(a, b)| (*a, *b)).collect();
        let written = shown.iter().filter(|(number, version)| before.get(number) != Some(version)).count() as u64;
        after.extend(shown);
        Self { lines, complete, after, written }
    }
}
