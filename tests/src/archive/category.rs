//! A topic → the categories of its documents: one to three of 150.

use super::draw::{Draw, Purpose};

/// Categories of an archive: about as many as arXiv has.
const CATEGORIES: u64 = 150;

const FIELDS: [&str; 10] = ["cs", "math", "phys", "astro", "cond", "hep", "stat", "bio", "econ", "eess"];

/// Returns the categories of the document in `row`: mostly those of its topic, each once, separated by spaces.
pub(super) fn of(seed: u64, row: u64, topic: usize) -> String {
    let mut own = Draw::new(seed, Purpose::Categories, topic as u64 | 1 << 63);
    let usual: [u64; 4] = std::array::from_fn(|_| own.below(CATEGORIES));
    let mut draw = Draw::new(seed, Purpose::Categories, row);
    let mut chosen: Vec<u64> = Vec::with_capacity(3);
    for place in 0..=draw.below(3) {
        let category = match draw.below(20) {
            0 => draw.below(CATEGORIES),
            1..16 if place == 0 => usual[0],
            _ => usual[draw.index(usual.len())],
        };
        if !chosen.contains(&category) {
            chosen.push(category);
        }
    }
    let names: Vec<String> = chosen.into_iter().map(name).collect();
    names.join(" ")
}

fn name(category: u64) -> String {
    let letter = |value: u64| char::from(b'A' + (value % 26) as u8);
    let field = FIELDS[category as usize % FIELDS.len()];
    format!("{field}.{}{}", letter(category / 10 * 7), letter(category / 10))
}
