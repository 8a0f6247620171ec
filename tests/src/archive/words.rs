//! A seed → words that nobody has written: a vocabulary for the archive and one for each topic.
//!
//! Invariant: words of one archive are distinct but for those that topics take from the common vocabulary; a topic's words
//! depend on the seed and the topic alone.

use std::collections::HashSet;

use super::draw::{Draw, Purpose};

const ONSETS: [&str; 28] = [
    "b", "br", "c", "cl", "cr", "d", "dr", "f", "fl", "g", "gr", "h", "j", "l", "m", "n", "p", "pl", "pr", "qu", "r",
    "s", "st", "str", "t", "tr", "v", "z",
];
const VOWELS: [&str; 12] = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "ea", "ou", "ai"];
const CODAS: [&str; 12] = ["", "", "", "", "l", "m", "n", "r", "s", "t", "nd", "x"];
const ENDINGS: [&str; 16] = ["", "", "", "", "", "", "", "ic", "al", "ent", "or", "ide", "ism", "ing", "oid", "ation"];

/// What holds English sentences together; the most frequent first.
pub(super) const FUNCTION_WORDS: [&str; 64] = [
    "the", "of", "and", "in", "a", "to", "we", "is", "for", "that", "with", "on", "are", "this", "by", "as", "an",
    "be", "which", "from", "can", "it", "our", "at", "these", "or", "has", "have", "also", "its", "not", "show", "two",
    "between", "using", "such", "than", "results", "both", "new", "more", "their", "model", "method", "find", "when",
    "into", "been", "based", "here", "however", "where", "only", "study", "under", "then", "they", "each", "present",
    "but", "paper", "was", "all", "some",
];

/// Words of the archive.
const COMMON_WORDS: usize = 20_000;

/// Terms of a topic, and how many of them are one word.
const TERMS: usize = 200;
const SINGLE_TERMS: usize = 120;

/// Pairs of common words that come as one.
const COMMON_PAIRS: usize = 10_000;

/// Words and pairs that every topic draws from, the words first.
pub(super) fn common(seed: u64) -> Vec<String> {
    let mut draw = Draw::new(seed, Purpose::Words, 0);
    let mut taken: HashSet<String> = FUNCTION_WORDS.iter().map(|word| (*word).to_owned()).collect();
    let mut words = Vec::with_capacity(COMMON_WORDS + COMMON_PAIRS);
    while words.len() < COMMON_WORDS {
        let word = word(&mut draw);
        if taken.insert(word.clone()) {
            words.push(word);
        }
    }
    // In every language the frequent words are the short ones (Zipf 1935).
    words.sort_by_key(String::len);
    for _ in 0..COMMON_PAIRS {
        let [first, second] = [draw.index(COMMON_WORDS), draw.index(COMMON_WORDS)];
        words.push(format!("{} {}", words[first], words[second]));
    }
    words
}

/// Returns the terms of `topic`: words of its own and common ones, then phrases of two and three of these.
pub(super) fn of_topic(seed: u64, topic: usize, common: &[String]) -> Vec<String> {
    let mut draw = Draw::new(seed, Purpose::Words, 1 + topic as u64);
    let single = |draw: &mut Draw| match draw.below(10) {
        // From the middle of the common vocabulary: neither everywhere nor nowhere.
        0..4 => common[200 + draw.index(5_000)].clone(),
        _ => word(draw),
    };
    let mut terms: Vec<String> = (0..SINGLE_TERMS).map(|_| single(&mut draw)).collect();
    while terms.len() < TERMS {
        let num_words = if draw.below(4) == 0 { 3 } else { 2 };
        let phrase: Vec<&str> = (0..num_words).map(|_| terms[draw.index(SINGLE_TERMS)].as_str()).collect();
        terms.push(phrase.join(" "));
    }
    // Phrases are as frequent as words, so that names are made of both.
    for last in (1..TERMS).rev() {
        terms.swap(last, draw.index(last + 1));
    }
    terms
}

/// Draws a word of two or three syllables and perhaps an ending: 8.6 letters on average.
pub(super) fn word(draw: &mut Draw) -> String {
    let num_syllables = if draw.happens(4) { 2 } else { 1 };
    let mut word = String::with_capacity(16);
    for _ in 0..num_syllables {
        [&ONSETS[..], &VOWELS[..], &CODAS[..]].iter().for_each(|parts| word.push_str(parts[draw.index(parts.len())]));
    }
    word.push_str(ONSETS[draw.index(ONSETS.len())]);
    word.push_str(VOWELS[draw.index(5)]);
    word.push_str(["n", "l", "t", "r", "s"][draw.index(5)]);
    word + ENDINGS[draw.index(ENDINGS.len())]
}
