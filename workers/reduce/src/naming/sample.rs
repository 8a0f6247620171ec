//! Sampled texts → numbered words, folded over plural, case and spelling.
//!
//! Words are interned as they come, so their numbers depend on the order of the texts; nothing that leaves this
//! module's users does, since they decide by counts and break ties by the words themselves. A stop word is not kept: it
//! breaks the text, as punctuation does.

use std::collections::HashMap;

use super::hashing::{self, MixedState};
use super::spelling;
use super::tokens::{self, Join};
use super::words::{self, Role};

/// The number of a folded word: that of the spelling that stands for all its forms.
pub(super) type WordId = u32;

/// A spelling is folded into another that is at least this part as frequent.
///
/// The singular of a topic's plural is rarely this rare; a misspelling that looks like one (`len` to `lens`) is.
const LEAST_RATIO_OF_FOLDING: u32 = 50;

/// The words of a document that are looked at, stop words included; the others are passed over.
///
/// An abstract has some 200. At 4 bytes a word, and 100,000 documents, the sample then takes 205 MB at most and has far
/// fewer than the 2²⁹ different words that fit beside their flags, however long the texts are.
const MOST_WORDS: usize = 512;

/// What ends a document in the stream of tokens.
const END: u32 = u32::MAX;

/// The sampled texts as they come.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// Packed tokens, documents ended by [`END`].
    stream: Vec<u32>,
    /// A spelling in the case in which it was written → its number.
    surfaces: Interner,
    /// A spelling in lower case → its number.
    spellings: Interner,
    spelling_of_surface: Vec<u32>,
    roles: Vec<Role>,
    folded: String,
    /// Words of the document under way.
    num_words: usize,
}

/// The sampled texts with their words folded.
#[derive(Debug)]
pub(super) struct Corpus {
    stream: Vec<u32>,
    /// How each surface is written where its own case says nothing, and where it does.
    pub(super) writings: Vec<String>,
    preferred: Vec<u32>,
    word_of_surface: Vec<WordId>,
    word_of_spelling: Vec<WordId>,
    spellings: Vec<String>,
    roles: Vec<Role>,
    document_frequencies: Vec<u32>,
    num_documents: usize,
}

/// A word of the corpus in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) word: WordId,
    /// An index into [`Corpus::writings`].
    pub(super) writing: u32,
    pub(super) join: Join,
}

#[derive(Debug, Default)]
struct Interner {
    numbers: HashMap<u64, u32, MixedState>,
    texts: Vec<String>,
}

impl Interner {
    /// Returns the number of `text` and whether it is new.
    fn intern(&mut self, text: &str) -> (u32, bool) {
        let next = self.texts.len() as u32;
        let number = *self.numbers.entry(hashing::hash(text)).or_insert(next);
        if number == next {
            self.texts.push(text.to_owned());
        }
        (number, number == next)
    }
}

impl Sample {
    /// Appends a title or a text to the document under way.
    pub(super) fn add_field(&mut self, text: &str, is_title: bool) {
        let mut is_broken = true;
        tokens::scan(text, |token| {
            self.num_words += 1;
            if self.num_words > MOST_WORDS {
                return;
            }
            let join = if is_broken { Join::Break } else { token.join };
            let surface = self.intern(token.text);
            is_broken = surface.is_none();
            if let Some(surface) = surface {
                self.stream.push(pack(surface, join, is_title || token.opens_sentence));
            }
        });
    }

    /// Ends the document under way.
    pub(super) fn end_document(&mut self) {
        self.stream.push(END);
        self.num_words = 0;
    }

    fn intern(&mut self, word: &str) -> Option<u32> {
        let (surface, is_new) = self.surfaces.intern(word);
        if is_new {
            tokens::fold_case(word, &mut self.folded);
            let (spelling, is_new_spelling) = self.spellings.intern(&self.folded);
            self.spelling_of_surface.push(spelling);
            if is_new_spelling {
                self.roles.push(words::role(&self.folded));
            }
        }
        let spelling = self.spelling_of_surface[surface as usize];
        (self.roles[spelling as usize] != Role::Stop).then_some(surface)
    }

    /// Folds the spellings into words.
    pub(super) fn fold(self) -> Corpus {
        let frequencies = document_frequencies(&self.stream, &self.spelling_of_surface, self.spellings.texts.len());
        let word_of_spelling = self.words(&frequencies);
        let word_of_surface: Vec<WordId> =
            self.spelling_of_surface.iter().map(|spelling| word_of_spelling[*spelling as usize]).collect();
        let document_frequencies = document_frequencies(&self.stream, &word_of_surface, frequencies.len());
        let (preferred, writings) = self.writings();
        Corpus {
            num_documents: self.stream.iter().filter(|token| **token == END).count(),
            stream: self.stream,
            writings,
            preferred,
            word_of_surface,
            word_of_spelling,
            spellings: self.spellings.texts,
            roles: self.roles,
            document_frequencies,
        }
    }

    /// Returns the spelling that each spelling is folded into.
    fn words(&self, frequencies: &[u32]) -> Vec<WordId> {
        let mut words: Vec<WordId> = (0..frequencies.len() as u32).collect();
        for (spelling, text) in self.spellings.texts.iter().enumerate() {
            if self.roles[spelling] == Role::Link {
                continue;
            }
            let found = spelling::candidates(text).into_iter().filter_map(|candidate| {
                let number = *self.spellings.numbers.get(&hashing::hash(&candidate))?;
                let frequency = frequencies[number as usize];
                (frequency > 0 && frequency >= frequencies[spelling] / LEAST_RATIO_OF_FOLDING).then_some((
                    frequency,
                    std::cmp::Reverse(candidate),
                    number,
                ))
            });
            if let Some((_, _, number)) = found.max() {
                words[spelling] = number;
            }
        }
        let rooted = |spelling: u32| {
            let mut root = spelling;
            while words[root as usize] != root {
                root = words[root as usize];
            }
            root
        };
        (0..frequencies.len() as u32).map(rooted).collect()
    }

    /// Returns, for each surface, the preferred surface of its spelling, and how each surface is written.
    ///
    /// Preferred is what is most frequent where the case says something: in a text, within a sentence.
    fn writings(&self) -> (Vec<u32>, Vec<String>) {
        let mut counts = vec![0_u32; self.surfaces.texts.len()];
        for token in self.stream.iter().filter(|token| **token != END && !is_case_free(**token)) {
            counts[surface(*token)] += 1;
        }
        let mut best: Vec<Option<u32>> = vec![None; self.spellings.texts.len()];
        let rank = |surface: u32| {
            (counts[surface as usize], std::cmp::Reverse(self.surfaces.texts[surface as usize].as_str()))
        };
        for (surface, spelling) in self.spelling_of_surface.iter().enumerate() {
            let best = &mut best[*spelling as usize];
            if best.is_none_or(|best| rank(surface as u32) > rank(best)) {
                *best = Some(surface as u32);
            }
        }
        let preferred = self.spelling_of_surface.iter().zip(0..);
        let preferred = preferred.map(|(spelling, own)| best[*spelling as usize].unwrap_or(own)).collect();
        let writings = self.surfaces.texts.iter().zip(&counts).map(|(text, count)| written(text, *count > 0)).collect();
        (preferred, writings)
    }
}

impl Corpus {
    /// Returns the documents, each as its words in place.
    pub(super) fn documents(&self) -> impl Iterator<Item = impl Iterator<Item = Place> + '_> + '_ {
        self.stream.split(|token| *token == END).map(|tokens| tokens.iter().map(|token| self.place(*token)))
    }

    fn place(&self, token: u32) -> Place {
        let surface = surface(token);
        let writing = if is_case_free(token) { self.preferred[surface] } else { surface as u32 };
        Place { word: self.word_of_surface[surface], writing, join: join(token) }
    }

    /// Returns each spelling in lower case with its word.
    pub(super) fn spellings(&self) -> impl Iterator<Item = (&str, WordId)> {
        self.spellings.iter().map(String::as_str).zip(self.word_of_spelling.iter().copied())
    }

    pub(super) fn text(&self, word: WordId) -> &str {
        &self.spellings[word as usize]
    }

    pub(super) fn role(&self, word: WordId) -> Role {
        self.roles[word as usize]
    }

    pub(super) fn document_frequency(&self, word: WordId) -> u32 {
        self.document_frequencies[word as usize]
    }

    /// Returns the number of words, each counted once for a document.
    pub(super) fn num_words(&self) -> f64 {
        self.document_frequencies.iter().map(|count| f64::from(*count)).sum()
    }

    /// Returns the number of words in place, and of documents, together.
    pub(super) fn num_tokens(&self) -> usize {
        self.stream.len()
    }

    pub(super) fn num_documents(&self) -> usize {
        self.num_documents
    }
}

/// Counts the documents in which each class of surfaces occurs.
fn document_frequencies(stream: &[u32], class_of_surface: &[u32], num_classes: usize) -> Vec<u32> {
    let mut counts = vec![0; num_classes];
    let mut last = vec![u32::MAX; num_classes];
    let mut document = 0;
    for token in stream {
        if *token == END {
            document += 1;
            continue;
        }
        let class = class_of_surface[surface(*token)] as usize;
        if last[class] != document {
            last[class] = document;
            counts[class] += 1;
        }
    }
    counts
}

/// Writes a surface as it is, but without the capital of a title where that is all that is known.
fn written(text: &str, is_sure_of_case: bool) -> String {
    let has_inner_capital = text.chars().skip(1).any(char::is_uppercase);
    if is_sure_of_case || has_inner_capital { text.to_owned() } else { text.to_lowercase() }
}

fn pack(surface: u32, join: Join, is_case_free: bool) -> u32 {
    let join = match join {
        Join::Break => 0,
        Join::Space => 1,
        Join::Hyphen => 2,
        Join::Possessive => 3,
    };
    surface << 3 | u32::from(is_case_free) << 2 | join
}

fn surface(token: u32) -> usize {
    (token >> 3) as usize
}

fn is_case_free(token: u32) -> bool {
    token & 4 != 0
}

fn join(token: u32) -> Join {
    match token & 3 {
        0 => Join::Break,
        1 => Join::Space,
        2 => Join::Hyphen,
        _ => Join::Possessive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_any_length_takes_bounded_memory_and_cuts_no_other_short() {
        let mut sample = Sample::default();
        let spelled = |word: i32| word.to_string().bytes().map(|digit| char::from(digit + 49)).collect::<String>();
        for document in ["x", "y"] {
            sample.add_field("a title", true);
            let text: Vec<String> = (0..100_000).map(|word| document.to_owned() + &spelled(word)).collect();
            sample.add_field(&text.join(" "), false);
            sample.end_document();
        }
        assert!(sample.stream.len() <= 2 * (MOST_WORDS + 1) && sample.surfaces.texts.len() <= 2 * MOST_WORDS);
        let corpus = sample.fold();
        let lengths: Vec<usize> = corpus.documents().map(Iterator::count).take(2).collect();
        assert!(lengths.iter().all(|&length| length > MOST_WORDS - 3), "{lengths:?}");
    }
}
