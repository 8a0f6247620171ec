//! The words of a sample → the terms that occur often enough and whose words belong together.
//!
//! Level by level (Agrawal and Srikant 1994): a term of n words can only be frequent if its first n − 1 are. Before a
//! level is counted exactly, one pass counts its hashes (Park, Chen and Yu 1995), so that the exact table holds little
//! more than what is frequent: memory stays at 16 MiB and the frequent terms. Counts are of documents. What is
//! by no means cohesive begins no longer term either.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::hashing::{self, MixedState};
use super::sample::{Corpus, Place, WordId};
use super::tokens::Join;
use super::vocabulary::LONGEST_TERM;
use super::words::{self, Role};

/// The least cohesion of a term of several words, as a normalised pointwise mutual information of neighbours.
///
/// It lets `snake robot` in, though `robot` is everywhere, and leaves 36,376 terms of the robotics corpus.
const LEAST_COHESION: f64 = 0.25;

/// The least cohesion of what begins a longer term: `robot operating` begins `robot operating system`.
const LEAST_COHESION_OF_BEGINNING: f64 = 0.1;

/// The most hashes that the filter before a level tells apart; a power of two.
const LARGEST_FILTER: usize = 1 << 24;

/// A term of the sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ngram {
    pub(super) words: Vec<WordId>,
    /// The words, joined by spaces.
    pub(super) key: String,
    pub(super) document_frequency: u32,
}

/// Up to [`LONGEST_TERM`] words packed in a number.
pub(super) type Packed = u128;

/// The bits of a packed word: a sample has fewer than 33 million different ones.
const WORD_BITS: usize = 25;

/// Packs one word more.
pub(super) fn extend(prefix: Packed, word: WordId) -> Packed {
    prefix << WORD_BITS | Packed::from(word + 1)
}

/// Candidates → the documents that have them, and the last of these.
type Frequencies = HashMap<Packed, (u32, u32), MixedState>;

/// The terms of a sample, and all that begins one.
#[derive(Debug)]
pub(super) struct Ngrams {
    /// The most frequent first; ties by key.
    pub(super) terms: Vec<Ngram>,
    /// The words that begin a term → the number of the term that they are, if they are one.
    pub(super) beginnings: HashMap<Packed, Option<usize>, MixedState>,
}

/// Returns the frequent and cohesive terms, `most` of them at most; says when each level is `done`.
pub(super) fn frequent(corpus: &Corpus, most: usize, done: &dyn Fn()) -> Ngrams {
    let least = least_frequency(corpus.num_documents());
    let num_words = corpus.num_words();
    let mut terms = Vec::new();
    let mut level = Frequencies::default();
    for length in 1..=LONGEST_TERM {
        let least = if length == 1 { least } else { least.max(2) };
        level = next_level(corpus, &level, length, least);
        level.retain(|packed, (frequency, _)| {
            let words = unpack(*packed);
            let cohesion = cohesion(corpus, &words, *frequency, num_words);
            if cohesion >= LEAST_COHESION {
                terms.extend(term(corpus, words, *frequency));
            }
            cohesion >= LEAST_COHESION_OF_BEGINNING
        });
        level.shrink_to_fit();
        done();
    }
    terms.sort_unstable_by(|left: &Ngram, right| rank(left).cmp(&rank(right)));
    terms.truncate(most);
    let beginnings = beginnings(&terms);
    Ngrams { terms, beginnings }
}

fn beginnings(terms: &[Ngram]) -> HashMap<Packed, Option<usize>, MixedState> {
    let mut found = HashMap::default();
    for (number, ngram) in terms.iter().enumerate() {
        let mut packed = 0;
        for word in &ngram.words {
            packed = extend(packed, *word);
            found.entry(packed).or_insert(None);
        }
        found.insert(packed, Some(number));
    }
    found
}

fn rank(ngram: &Ngram) -> (Reverse<u32>, &str) {
    (Reverse(ngram.document_frequency), &ngram.key)
}

/// The documents that a term must occur in; what occurs in fewer names nothing but them.
fn least_frequency(num_documents: usize) -> u32 {
    match num_documents {
        0..20 => 1,
        20..1000 => 2,
        _ => 3 + (num_documents / 25_000) as u32,
    }
}

/// Counts the terms of `num_words` words whose first words are a term of the level before.
fn next_level(corpus: &Corpus, before: &Frequencies, num_words: usize, least: u32) -> Frequencies {
    let mut filter = vec![0_u8; corpus.num_tokens().next_power_of_two().min(LARGEST_FILTER)];
    each_candidate(corpus, before, num_words, |packed, _| {
        let place = filter_place(packed, filter.len());
        let counter = &mut filter[place];
        *counter = counter.saturating_add(1);
    });
    let filter_least = least.min(u32::from(u8::MAX)) as u8;
    let mut counts = Frequencies::default();
    each_candidate(corpus, before, num_words, |packed, document| {
        if filter[filter_place(packed, filter.len())] < filter_least {
            return;
        }
        let (frequency, seen_in) = counts.entry(packed).or_insert((0, u32::MAX));
        *frequency += u32::from(*seen_in != document);
        *seen_in = document;
    });
    counts.retain(|_, (frequency, _)| *frequency >= least);
    counts.shrink_to_fit();
    counts
}

fn filter_place(packed: Packed, size: usize) -> usize {
    let mixed = hashing::mix(hashing::mix(packed as u64) ^ (packed >> 64) as u64);
    mixed as usize & (size - 1)
}

/// Calls `found` with each run of `num_words` words that may become a term, and the number of its document.
fn each_candidate(corpus: &Corpus, before: &Frequencies, num_words: usize, mut found: impl FnMut(Packed, u32)) {
    let mut places: Vec<Place> = Vec::new();
    for (document, words) in corpus.documents().enumerate() {
        places.clear();
        places.extend(words);
        for run in places.windows(num_words) {
            if let Some(packed) = candidate(corpus, before, run) {
                found(packed, document as u32);
            }
        }
    }
}

fn candidate(corpus: &Corpus, before: &Frequencies, run: &[Place]) -> Option<Packed> {
    let (last, first) = run.split_last()?;
    if run[1..].iter().any(|place| place.join == Join::Break) || corpus.role(run[0].word) == Role::Link {
        return None;
    }
    let prefix = first.iter().fold(0, |packed, place| extend(packed, place.word));
    if !first.is_empty() && !before.contains_key(&prefix) {
        return None;
    }
    let may_end = corpus.role(last.word) != Role::Link || run.len() < LONGEST_TERM;
    may_end.then(|| extend(prefix, last.word))
}

/// Returns the term if its words make one.
fn term(corpus: &Corpus, words: Vec<WordId>, document_frequency: u32) -> Option<Ngram> {
    let roles: Vec<Role> = words.iter().map(|word| corpus.role(*word)).collect();
    let ends_well = roles.last() != Some(&Role::Link);
    let says_something = roles.contains(&Role::Content) || roles.iter().filter(|role| **role == Role::Weak).count() > 1;
    if !ends_well || !says_something {
        return None;
    }
    let key = words.iter().map(|word| corpus.text(*word)).collect::<Vec<_>>().join(" ");
    if words::is_stock_phrase(&key) {
        return None;
    }
    Some(Ngram { words, key, document_frequency })
}

fn unpack(packed: Packed) -> Vec<WordId> {
    let mask = (1 << WORD_BITS) - 1;
    let words = (0..LONGEST_TERM).rev().map(|place| (packed >> (WORD_BITS * place)) as u32 & mask);
    words.filter(|word| *word > 0).map(|word| word - 1).collect()
}

/// Returns how much more often the words of content stand together than by chance, from −1 to 1; 1 for a single word.
///
/// Normalised pointwise mutual information, Bouma 2009, of neighbours in running text; for more words divided by one
/// less than their number, so that lengths compare.
fn cohesion(corpus: &Corpus, words: &[WordId], document_frequency: u32, num_words: f64) -> f64 {
    let log_share = |frequency: u32| (f64::from(frequency) / num_words).ln();
    let content: Vec<WordId> = words.iter().copied().filter(|word| corpus.role(*word) != Role::Link).collect();
    let joint = log_share(document_frequency);
    if content.len() < 2 || joint == 0.0 {
        return 1.0;
    }
    let apart: f64 = content.iter().map(|word| log_share(corpus.document_frequency(*word))).sum();
    (apart - joint) / (joint * (content.len() - 1) as f64)
}
