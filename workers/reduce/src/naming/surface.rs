//! The terms of a sample → how each is written: the most frequent spelling, plural or not, hyphenated or not, in the
//! case of mid-sentence text.
//!
//! Ties go to what sorts first, so that the order of the documents changes nothing.

use std::collections::HashMap;

use super::hashing::{self, MixedState};
use super::ngrams::{Ngrams, extend};
use super::sample::{Corpus, Place};
use super::tokens::Join;
use super::vocabulary::LONGEST_TERM;

/// A way of writing a term: how often it was met, and the words of the first place.
struct Writing {
    term: usize,
    count: u32,
    places: Vec<Place>,
}

/// Returns how each term is written.
pub(super) fn displays(corpus: &Corpus, ngrams: &Ngrams) -> Vec<String> {
    let mut writings: HashMap<u64, Writing, MixedState> = HashMap::default();
    let mut places: Vec<Place> = Vec::new();
    for words in corpus.documents() {
        places.clear();
        places.extend(words);
        for start in 0..places.len() {
            count_from(&places[start..], ngrams, &mut writings);
        }
    }
    let mut best: Vec<(u32, String)> = vec![(0, String::new()); ngrams.terms.len()];
    for writing in writings.values() {
        let (count, display) = &mut best[writing.term];
        if writing.count < *count {
            continue;
        }
        let rendered = render(corpus, &writing.places);
        if writing.count > *count || rendered < *display {
            (*count, *display) = (writing.count, rendered);
        }
    }
    best.into_iter().map(|(_, display)| display).collect()
}

/// Counts the terms that begin at the first of `places`.
fn count_from(places: &[Place], ngrams: &Ngrams, writings: &mut HashMap<u64, Writing, MixedState>) {
    let (mut packed, mut hash) = (0, 0);
    for (length, place) in places.iter().enumerate().take(LONGEST_TERM) {
        if length > 0 && place.join == Join::Break {
            return;
        }
        packed = extend(packed, place.word);
        let join = if length == 0 { Join::Break } else { place.join };
        hash = hashing::mix(hash ^ (u64::from(place.writing) << 2 | join as u64));
        let Some(beginning) = ngrams.beginnings.get(&packed) else { return };
        if let Some(term) = beginning {
            let new = || Writing { term: *term, count: 0, places: places[..=length].to_vec() };
            writings.entry(hash).or_insert_with(new).count += 1;
        }
    }
}

fn render(corpus: &Corpus, places: &[Place]) -> String {
    let mut display = String::new();
    for (at, place) in places.iter().enumerate() {
        if at > 0 {
            display.push_str(match place.join {
                Join::Hyphen => "-",
                Join::Possessive => "'s ",
                Join::Space | Join::Break => " ",
            });
        }
        display.push_str(&corpus.writings[place.writing as usize]);
    }
    display
}
