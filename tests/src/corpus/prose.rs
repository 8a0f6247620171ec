//! A topic's phrases into an article: a title and an abstract of 60 to 130 words.
//!
//! Invariant: an article is a pure function of the topic and the draws. No phrase is used twice before its pool is used
//! up. What form the article takes on a line is left to `record`.

use super::draw::Draw;
use super::templates::{CLOSINGS, DATA, EXCHANGES, METHODS, OPENINGS, RESULTS, TITLES};
use super::topic::Topic;

/// The words of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Article {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) category: String,
}

const FEWEST_WORDS: usize = 60;
const MOST_WORDS: usize = 130;
/// Words that a near copy exchanges at most.
const MOST_EXCHANGES: usize = 3;

/// Writes an article on a topic.
pub(super) fn compose(topic: &Topic, draw: &mut Draw) -> Article {
    let mut phrases = Phrases::new(topic, draw);
    let title = phrases.fill(draw.pick(TITLES), draw);
    let mut sentences: Vec<String> = Vec::new();
    for frames in outline(draw) {
        sentences.push(phrases.sentence(frames, draw));
    }
    while num_words(&sentences) < FEWEST_WORDS {
        sentences.push(phrases.sentence(RESULTS, draw));
    }
    while num_words(&sentences) > MOST_WORDS {
        sentences.pop();
    }
    Article { title, text: sentences.join(" "), category: topic.category.to_owned() }
}

/// Changes a few words of an article: up to three exchanges, and a note at the end.
pub(super) fn retouch(article: &Article, draw: &mut Draw) -> Article {
    let mut left = 1 + draw.index(MOST_EXCHANGES);
    let words = article.text.split(' ').map(|word| match EXCHANGES.iter().find(|(from, _)| *from == word) {
        Some((_, to)) if left > 0 => {
            left -= 1;
            *to
        }
        _ => word,
    });
    let text = format!("{} {}", words.collect::<Vec<_>>().join(" "), draw.pick(&["Corrected version.", "Revised."]));
    Article { text, ..article.clone() }
}

/// Which kinds of sentence an abstract has, in order.
fn outline(draw: &mut Draw) -> Vec<&'static [&'static str]> {
    let mut outline = vec![OPENINGS];
    let (first, second) = if draw.chance(25) { (DATA, METHODS) } else { (METHODS, DATA) };
    let optional =
        [(OPENINGS, 25), (first, 100), (second, 100), (METHODS, 20), (RESULTS, 100), (RESULTS, 55), (CLOSINGS, 45)];
    outline.extend(optional.into_iter().filter(|(_, percent)| draw.chance(*percent)).map(|(frames, _)| frames));
    outline
}

fn num_words(sentences: &[String]) -> usize {
    sentences.iter().map(|sentence| sentence.split(' ').count()).sum()
}

/// A pool of phrases or frames in an order of its own for one document.
struct Deck {
    pool: &'static [&'static str],
    order: Vec<usize>,
    dealt: usize,
}

impl Deck {
    fn new(pool: &'static [&'static str], draw: &mut Draw) -> Self {
        Self { pool, order: draw.order(pool.len()), dealt: 0 }
    }

    fn deal(&mut self) -> &'static str {
        let phrase = self.pool[self.order[self.dealt % self.order.len()]];
        self.dealt += 1;
        phrase
    }
}

/// The phrases of one document.
struct Phrases {
    subject: &'static str,
    method: &'static str,
    setting: &'static str,
    unit: &'static str,
    subjects: Deck,
    methods: Deck,
    settings: Deck,
    findings: Deck,
    problems: Deck,
    measures: Deck,
    used_frames: Vec<&'static str>,
}

impl Phrases {
    fn new(topic: &Topic, draw: &mut Draw) -> Self {
        let mut subjects = Deck::new(topic.subjects, draw);
        let mut methods = Deck::new(topic.methods, draw);
        let mut settings = Deck::new(topic.settings, draw);
        Self {
            subject: subjects.deal(),
            method: methods.deal(),
            setting: settings.deal(),
            unit: draw.pick(topic.units),
            subjects,
            methods,
            settings,
            findings: Deck::new(topic.findings, draw),
            problems: Deck::new(topic.problems, draw),
            measures: Deck::new(topic.measures, draw),
            used_frames: Vec::new(),
        }
    }

    /// Fills one of the frames that this document has not used yet.
    fn sentence(&mut self, frames: &'static [&'static str], draw: &mut Draw) -> String {
        let order = draw.order(frames.len());
        let unused = order.iter().map(|&i| frames[i]).find(|frame| !self.used_frames.contains(frame));
        let frame = unused.unwrap_or(frames[order[0]]);
        self.used_frames.push(frame);
        self.fill(frame, draw)
    }

    /// Replaces each field in braces and starts with a capital.
    fn fill(&mut self, frame: &str, draw: &mut Draw) -> String {
        let mut filled = String::with_capacity(160);
        for part in frame.split('{') {
            match part.split_once('}') {
                Some((field, rest)) => {
                    filled.push_str(&self.field(field, draw));
                    filled.push_str(rest);
                }
                None => filled.push_str(part),
            }
        }
        capitalized(&filled)
    }

    fn field(&mut self, field: &str, draw: &mut Draw) -> String {
        match field {
            "subject" => self.subject.to_owned(),
            "method" => self.method.to_owned(),
            "setting" => self.setting.to_owned(),
            "unit" => self.unit.to_owned(),
            "other" => self.subjects.deal().to_owned(),
            "rival" => self.methods.deal().to_owned(),
            "elsewhere" => self.settings.deal().to_owned(),
            "finding" => self.findings.deal().to_owned(),
            "problem" => self.problems.deal().to_owned(),
            "measure" => self.measures.deal().to_owned(),
            "percent" => (4 + draw.below(60)).to_string(),
            _ => (12 + draw.below(30) * draw.below(30)).to_string(),
        }
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::super::draw::Purpose;
    use super::super::topics::TOPICS;
    use super::*;

    fn articles(topic: &Topic) -> Vec<Article> {
        (0..200).map(|i| compose(topic, &mut Draw::new(3, Purpose::Text, i))).collect()
    }

    #[test]
    fn abstracts_have_60_to_130_words_and_about_90_on_average() {
        let articles: Vec<Article> = TOPICS.iter().flat_map(articles).collect();
        let words: Vec<usize> = articles.iter().map(|article| article.text.split(' ').count()).collect();
        assert!(words.iter().all(|words| (FEWEST_WORDS..=MOST_WORDS).contains(words)));
        let mean = words.iter().sum::<usize>() / words.len();
        assert!((80..=100).contains(&mean), "{mean}");
    }

    #[test]
    fn no_field_stays_unfilled_and_sentences_start_with_a_capital() {
        for article in TOPICS.iter().flat_map(articles) {
            assert!(!article.text.contains(['{', '}']) && !article.title.contains(['{', '}']), "{article:?}");
            assert!(
                !article.text.contains(". ") || article.text.split(". ").all(|s| !s.starts_with(char::is_lowercase))
            );
        }
    }

    #[test]
    fn two_articles_of_a_topic_are_never_the_same() {
        for topic in &TOPICS {
            let mut texts: Vec<String> = articles(topic).into_iter().map(|article| article.text).collect();
            texts.sort();
            texts.dedup();
            assert_eq!(texts.len(), 200, "{}", topic.name);
        }
    }

    #[test]
    fn a_retouched_article_differs_in_a_few_words() {
        for (i, article) in articles(&TOPICS[0]).iter().enumerate() {
            let copy = retouch(article, &mut Draw::new(3, Purpose::Retouch, i as u64));
            assert_ne!(copy.text, article.text);
            assert!(copy.text.split(' ').count() <= article.text.split(' ').count() + 5);
        }
    }
}
