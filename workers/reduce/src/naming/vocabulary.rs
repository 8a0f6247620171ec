//! A sample of documents → the terms that are counted in all documents, and how each is written.
//!
//! A term is one word or up to [`LONGEST_TERM`] of them. The sample decides, once and for all,
//! which terms there are; afterwards a term is a number and texts are matched against a trie without an allocation. The
//! vocabulary is a function of the set of the sampled documents: their order changes nothing. Memory is bounded by the
//! sample (about 4 bytes a word) and by [`MAX_TERMS`]. Choosing the sample is left to the caller.

use std::collections::HashMap;

use strata_shared::telemetry::Progress;

use super::hashing::MixedState;
use super::sample::{Sample, WordId};
use super::surface;
use super::tokens::{self, Join};
use super::{latex, ngrams};

/// The most words that a term may have, links (`of`, `based`) included.
pub(super) const LONGEST_TERM: usize = 5;

/// The most terms of a vocabulary; the rarest are left out beyond it.
///
/// Counts take 4 bytes for each topic and term: 160 MB for 400 topics. The robotics corpus (35,709 documents) has
/// 36,376.
pub const MAX_TERMS: usize = 100_000;

/// Steps that are announced while terms are chosen: words are folded, counted level by level, and written.
const STEPS: u64 = LONGEST_TERM as u64 + 2;

/// The number of a term, dense from 0.
pub(super) type TermId = u32;

/// The node of a trie over words; the first nodes are the words themselves.
type Node = u32;

const NO_TERM: TermId = TermId::MAX;

/// A term: its words, and how a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    /// The folded words in lower case, joined by spaces.
    pub(super) key: String,
    /// The most frequent way of writing it.
    pub(super) display: String,
}

impl Term {
    /// Says whether it stands as several words: `visual servoing` does, `eye-in-hand` is an attribute of something.
    pub(super) fn is_compound(&self) -> bool {
        self.display.contains(' ')
    }

    /// Says whether it is several words that qualify the next: `human-robot`.
    pub(super) fn is_attribute(&self) -> bool {
        self.key.contains(' ') && !self.is_compound()
    }

    /// Says whether it is written in capitals, as `SLAM` and `UAVs` are.
    pub(super) fn is_acronym(&self) -> bool {
        !self.is_compound() && self.display.chars().filter(|letter| letter.is_uppercase()).count() > 1
    }
}

/// The terms that are counted, found in a sample of the documents.
#[derive(Debug)]
pub struct Vocabulary {
    /// Hash of a spelling in lower case → word. Two spellings of one 64-bit hash would be taken for one word.
    words: HashMap<u64, Node, MixedState>,
    /// `(node, word)` packed → the node one word further.
    children: HashMap<u64, Node, MixedState>,
    /// Node → its term, whether it has children.
    nodes: Vec<(TermId, bool)>,
    terms: Vec<Term>,
}

/// Gathers a sample's texts until [`VocabularyBuilder::build`].
#[derive(Debug, Default)]
pub struct VocabularyBuilder {
    sample: Sample,
    stripped: String,
}

impl VocabularyBuilder {
    /// Takes in one document.
    pub fn add(&mut self, title: &str, text: &str) {
        for (field, is_title) in [(title, true), (text, false)] {
            let field = readable(field, &mut self.stripped);
            self.sample.add_field(field, is_title);
        }
        self.sample.end_document();
    }

    /// Decides on the terms.
    #[must_use]
    pub fn build(self) -> Vocabulary {
        let progress = Progress::start("names: terms", "steps", STEPS);
        let corpus = self.sample.fold();
        progress.advance(1);
        let ngrams = ngrams::frequent(&corpus, MAX_TERMS, &|| progress.advance(1));
        let displays = surface::displays(&corpus, &ngrams);
        progress.advance(1);
        Vocabulary::new(corpus.spellings(), &ngrams.terms, displays)
    }
}

impl Vocabulary {
    /// Returns the number of terms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Says whether the sample had no term at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub(super) fn term(&self, term: TermId) -> &Term {
        &self.terms[term as usize]
    }

    /// Calls `found` with each occurrence of a term in `text`.
    pub(super) fn terms_in(&self, text: &str, folded: &mut String, mut found: impl FnMut(TermId)) {
        let mut open = OpenNodes::default();
        tokens::scan(text, |token| {
            tokens::fold_case(token.text, folded);
            match self.words.get(&super::hashing::hash(folded)) {
                Some(word) => open.advance(self, *word, token.join, &mut found),
                None => open.clear(),
            }
        });
    }

    fn new<'a>(
        spellings: impl Iterator<Item = (&'a str, WordId)>,
        terms: &[ngrams::Ngram],
        displays: Vec<String>,
    ) -> Self {
        let mut vocabulary = Self {
            words: HashMap::default(),
            children: HashMap::default(),
            nodes: Vec::new(),
            terms: Vec::with_capacity(terms.len()),
        };
        let mut nodes_of_words: HashMap<WordId, Node> = HashMap::new();
        for ngram in terms {
            for word in &ngram.words {
                nodes_of_words.entry(*word).or_insert_with(|| vocabulary.push_node());
            }
        }
        for (term, ngram) in terms.iter().enumerate() {
            let words: Vec<Node> = ngram.words.iter().map(|word| nodes_of_words[word]).collect();
            vocabulary.insert(&words, term as TermId);
        }
        for (spelling, word) in spellings {
            if let Some(node) = nodes_of_words.get(&word) {
                vocabulary.words.insert(super::hashing::hash(spelling), *node);
            }
        }
        let keys = terms.iter().map(|ngram| ngram.key.clone());
        vocabulary.terms = keys.zip(displays).map(|(key, display)| Term { key, display }).collect();
        vocabulary
    }

    fn push_node(&mut self) -> Node {
        self.nodes.push((NO_TERM, false));
        (self.nodes.len() - 1) as Node
    }

    fn insert(&mut self, words: &[Node], term: TermId) {
        let mut node = words[0];
        for word in &words[1..] {
            let key = edge(node, *word);
            let next = match self.children.get(&key) {
                Some(next) => *next,
                None => self.push_node(),
            };
            self.children.insert(key, next);
            self.nodes[node as usize].1 = true;
            node = next;
        }
        self.nodes[node as usize].0 = term;
    }
}

/// The nodes that end at the word just read, one for each number of words.
#[derive(Default)]
struct OpenNodes {
    nodes: [Node; LONGEST_TERM],
    num_open: usize,
}

impl OpenNodes {
    fn clear(&mut self) {
        self.num_open = 0;
    }

    fn advance(&mut self, vocabulary: &Vocabulary, word: Node, join: Join, found: &mut impl FnMut(TermId)) {
        if join == Join::Break {
            self.clear();
        }
        let mut next = Self::default();
        for node in &self.nodes[..self.num_open] {
            if let Some(reached) = vocabulary.children.get(&edge(*node, word)) {
                next.reach(vocabulary, *reached, found);
            }
        }
        next.reach(vocabulary, word, found);
        *self = next;
    }

    fn reach(&mut self, vocabulary: &Vocabulary, node: Node, found: &mut impl FnMut(TermId)) {
        let (term, has_children) = vocabulary.nodes[node as usize];
        if term != NO_TERM {
            found(term);
        }
        if has_children && self.num_open < LONGEST_TERM {
            self.nodes[self.num_open] = node;
            self.num_open += 1;
        }
    }
}

fn edge(node: u32, word: u32) -> u64 {
    u64::from(node) << 32 | u64::from(word)
}

/// Returns the text without LaTeX; `stripped` holds it where it differs.
pub(super) fn readable<'a>(text: &'a str, stripped: &'a mut String) -> &'a str {
    if !latex::is_suspected(text) {
        return text;
    }
    stripped.clear();
    latex::strip(text, stripped);
    stripped
}
