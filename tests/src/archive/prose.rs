//! A topic → titles and abstracts with the frequencies of real ones: as many words, distinct words and repeated phrases.
//!
//! Invariant: a text is a function of seed, row and topic. Text is whitespace-normalised.

use super::draw::{Draw, Purpose};
use super::weighted::{Weighted, power_law};
use super::words::{self, FUNCTION_WORDS};

/// Words of an abstract: least, and the width of each of two uniform draws on top; 150 on average.
const LEAST_WORDS: u64 = 81;
const WORDS_WIDTH: u64 = 61;

/// What a word of an abstract is, of 1,000: of English's own, of the topic, new; the others are common ones.
const FUNCTION_PART: u64 = 440;
const TOPIC_PART: u64 = 180;
const NEW_PART: u64 = 5;

/// The same for titles.
const TITLE_FUNCTION_PART: u64 = 250;
const TITLE_TOPIC_PART: u64 = 450;

/// The part of common words that come in pairs.
const PAIRS_PART: f64 = 0.5;

/// Writes texts.
#[derive(Debug)]
pub(super) struct Prose {
    seed: u64,
    function_words: Weighted,
    common: Vec<String>,
    common_words: Weighted,
    terms: Vec<Vec<String>>,
    term_ranks: Weighted,
}

/// Parts of 1,000 by which a kind of text chooses its words.
#[derive(Clone, Copy)]
struct Mix {
    function: u64,
    topic: u64,
    new: u64,
}

/// One text while it is written.
struct Text {
    written: String,
    num_words: u64,
}

impl Text {
    fn push(&mut self, words: &str) {
        if !self.written.is_empty() {
            self.written.push(' ');
        }
        self.written.push_str(words);
        self.num_words += 1 + words.bytes().filter(|byte| *byte == b' ').count() as u64;
    }

    fn capitalise(&mut self, at: usize) {
        if let Some(first) = self.written.get_mut(at..=at) {
            first.make_ascii_uppercase();
        }
    }
}

impl Prose {
    /// Makes the vocabularies of an archive of `num_topics`.
    pub(super) fn new(seed: u64, num_topics: usize) -> Self {
        let common = words::common(seed);
        let terms: Vec<Vec<String>> = (0..num_topics).map(|topic| words::of_topic(seed, topic, &common)).collect();
        let num_terms = terms.first().map_or(1, Vec::len);
        Self {
            seed,
            function_words: Weighted::new(&power_law(FUNCTION_WORDS.len(), 1.0, 1.0)),
            common_words: Weighted::new(&common_weights(&common)),
            common,
            term_ranks: Weighted::new(&power_law(num_terms, 3.0, 1.0)),
            terms,
        }
    }

    /// Returns the most frequent terms of `topic`.
    pub(super) fn first_terms(&self, topic: usize, num_terms: usize) -> &[String] {
        &self.terms[topic][..num_terms]
    }

    /// Writes a title of 5 to 12 words, on `topic` or on nothing.
    pub(super) fn title(&self, row: u64, topic: Option<usize>) -> String {
        let mut draw = Draw::new(self.seed, Purpose::Text, row | 1 << 63);
        let mut text = Text { written: String::with_capacity(96), num_words: 0 };
        let mix = Mix { function: TITLE_FUNCTION_PART, topic: TITLE_TOPIC_PART, new: NEW_PART };
        // A phrase may bring one word or two more.
        let end = 5 + draw.below(6);
        while text.num_words < end {
            self.push(&mut text, topic, mix, &mut draw);
        }
        text.capitalise(0);
        text.written
    }

    /// Writes an abstract on `topic` or on nothing; where `row` copies `origin`, another last sentence tells them apart.
    pub(super) fn abstract_text(&self, origin: u64, row: u64, topic: Option<usize>) -> String {
        let mut draw = Draw::new(self.seed, Purpose::Text, origin);
        let mut text = Text { written: String::with_capacity(1_500), num_words: 0 };
        let end = LEAST_WORDS + draw.below(WORDS_WIDTH) + draw.below(WORDS_WIDTH);
        while text.num_words < end {
            self.sentence(&mut text, topic, &mut draw);
        }
        if row != origin {
            self.sentence(&mut text, topic, &mut Draw::new(self.seed, Purpose::Ending, row));
        }
        text.written
    }

    fn sentence(&self, text: &mut Text, topic: Option<usize>, draw: &mut Draw) {
        let mix = Mix { function: FUNCTION_PART, topic: TOPIC_PART, new: NEW_PART };
        let start = if text.written.is_empty() { 0 } else { text.written.len() + 1 };
        let end = text.num_words + 12 + draw.below(17);
        while text.num_words < end {
            self.push(text, topic, mix, draw);
            if draw.below(18) == 0 && text.num_words < end {
                text.written.push(',');
            }
        }
        text.written.push('.');
        text.capitalise(start);
    }

    fn push(&self, text: &mut Text, topic: Option<usize>, mix: Mix, draw: &mut Draw) {
        let kind = draw.below(1_000);
        let (of_function, of_topic) = (mix.function, mix.function + mix.topic);
        if kind < of_function {
            text.push(FUNCTION_WORDS[self.function_words.draw(draw)]);
        } else if let (Some(topic), true) = (topic, kind < of_topic) {
            text.push(&self.terms[topic][self.term_ranks.draw(draw)]);
        } else if kind < of_topic + mix.new {
            text.push(&words::word(draw));
        } else {
            text.push(&self.common[self.common_words.draw(draw)]);
        }
    }
}

/// Returns the weight of each common word by its rank, and of each pair by its own.
fn common_weights(common: &[String]) -> Vec<f64> {
    let (words, pairs): (Vec<&String>, Vec<&String>) = common.iter().partition(|words| !words.contains(' '));
    let shares = |len: usize, part: f64| {
        let weights = power_law(len, 2.7, 1.1);
        let total: f64 = weights.iter().sum();
        weights.into_iter().map(move |weight| part * weight / total)
    };
    shares(words.len(), 1.0 - PAIRS_PART).chain(shares(pairs.len(), PAIRS_PART)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn texts_have_the_size_of_real_ones_and_are_normalised() {
        let prose = Prose::new(1, 8);
        let texts: Vec<String> = (0..500).map(|row| prose.abstract_text(row, row, Some(row as usize % 8))).collect();
        let num_words: usize = texts.iter().map(|text| text.split(' ').count()).sum();
        assert!((140..180).contains(&(num_words / 500)), "{num_words}");
        let bytes: usize = texts.iter().map(String::len).sum();
        assert!((900..1_400).contains(&(bytes / 500)), "{bytes}");
        assert!(texts.iter().all(|text| text.split(' ').all(|word| !word.is_empty()) && text.ends_with('.')));
        let distinct: HashSet<&str> = texts.iter().flat_map(|text| text.split(' ')).collect();
        assert!((6_000..20_000).contains(&distinct.len()), "{}", distinct.len());
        let titles = (0..500).map(|row| prose.title(row, None).split(' ').count());
        assert!(titles.into_iter().all(|words| (5..=12).contains(&words)));
    }
}
