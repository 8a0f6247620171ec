//! Weighted terms → names that a person would say, one for each topic, no two the same.
//!
//! A name is two or three diverse terms joined by a middle dot, some 40 columns wide; the first is the one to say.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;
use strata_shared::telemetry::Progress;

use super::counts::TermCounts;
use super::overlap::{is_within, overlap};
use super::spelling::is_gerund_of;
use super::vocabulary::Vocabulary;
use super::weights::{Weighted, Weights};

/// The name of a topic whose documents have no text, or none of the vocabulary's terms.
pub const UNTITLED: &str = "untitled topic";

/// What stands between the terms of a name.
pub const SEPARATOR: &str = " · ";

/// The columns that a name of several terms may take.
const WIDEST_NAME: usize = 40;

/// The most terms in a name.
const MOST_IN_NAME: usize = 3;

/// The terms listed for a topic.
const NUM_TERMS: usize = 10;

/// The balance of maximal marginal relevance: 1 looks at the weight alone, 0 at diversity alone.
const RELEVANCE: f64 = 0.6;

/// From this overlap on, a term repeats another and is left out.
const REPEATS: f64 = 0.99;

/// A word gives way to a longer term around it that has at least this part of its count: `snake` to `snake robots`.
///
/// On the robotics corpus (k = 100) `haptic` and `swarm` stood alone at 0.25 and are `haptic device` and `robot swarms`
/// here.
const EXTENSION_OF_WORD: f64 = 0.2;

/// A term of several words or an acronym gives way less easily: `Kalman filter` to `extended Kalman filter`.
const EXTENSION_OF_COMPOUND: f64 = 0.4;

/// From this overlap on, a term is not put beside another in a name: `autonomous vehicles · autonomous driving`.
const ECHOES: f64 = 0.5;

/// Phrases of more letters are said as their acronym, where there is one: `simultaneous localization and mapping`.
const LONGEST_SPOKEN: usize = 32;

/// A term of several words leads the name if it has at least this part of the heaviest term's weight.
const LEADING_RATIO: f64 = 0.75;

/// What is said instead of a term has at least this part of its count.
const SPOKEN_RATIO: f64 = 0.4;

/// The least weight of the second and the third term of a name, relative to the first.
const LEAST_RELATIVE_WEIGHTS: [f64; MOST_IN_NAME] = [0.0, 0.25, 0.4];

/// What a topic is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicName {
    /// One to three terms joined by ` · `, unique among the topics; [`UNTITLED`] (numbered from the second on) where no
    /// term is known.
    pub name: String,
    /// Up to ten terms, the most telling first, none repeating another.
    pub terms: Vec<String>,
}

impl TermCounts<'_> {
    /// Names all topics, on all threads of the current rayon pool; the topic with label i has entry i.
    pub(super) fn names(&self) -> Vec<TopicName> {
        let (weights, vocabulary) = (Weights::new(self), self.vocabulary());
        let progress = Progress::start("names", "topics", self.num_topics() as u64);
        let picking = (0..self.num_topics()).into_par_iter().map(|topic| {
            let picked = diverse(vocabulary, &weights.of_topic(topic));
            progress.advance(1);
            picked
        });
        let picked: Vec<Vec<Weighted>> = picking.collect();
        let (mut taken, display) =
            (TakenNames::default(), |term: &Weighted| vocabulary.term(term.term).display.clone());
        let name = |picked: &Vec<Weighted>| TopicName {
            name: taken.unique_name(vocabulary, picked),
            terms: picked.iter().map(display).collect(),
        };
        picked.iter().map(name).collect()
    }
}

/// Picks terms by maximal marginal relevance, none of which repeats another.
fn diverse(vocabulary: &Vocabulary, weighted: &[Weighted]) -> Vec<Weighted> {
    let mut candidates: Vec<(Weighted, f64)> =
        extended(vocabulary, weighted).into_iter().map(|term| (term, 0.0)).collect();
    let heaviest = candidates.first().map_or(1.0, |(first, _)| first.weight);
    let mut picked = Vec::new();
    while picked.len() < NUM_TERMS && !candidates.is_empty() {
        let gain = |(term, overlap): &(Weighted, f64)| RELEVANCE * term.weight / heaviest - (1.0 - RELEVANCE) * overlap;
        let best = (1..candidates.len())
            .fold(0, |best, other| if gain(&candidates[other]) > gain(&candidates[best]) { other } else { best });
        let chosen = spoken(vocabulary, weighted, candidates.remove(best).0);
        candidates.retain(|(term, _)| term.term != chosen.term);
        for (term, nearest) in &mut candidates {
            let keys = (&vocabulary.term(term.term).key, &vocabulary.term(chosen.term).key);
            *nearest = nearest.max(overlap(keys.0, keys.1));
        }
        candidates.retain(|(_, nearest)| *nearest < REPEATS);
        picked.push(chosen);
    }
    lead_with_compound(vocabulary, &mut picked);
    picked
}

/// Moves the first term of several words to the front, if it weighs nearly as much as the term there.
fn lead_with_compound(vocabulary: &Vocabulary, picked: &mut [Weighted]) {
    let Some(least) = picked.first().map(|first| first.weight * LEADING_RATIO) else { return };
    let leads = |term: &Weighted| vocabulary.term(term.term).is_compound() && term.weight >= least;
    if let Some(place) = picked.iter().take(MOST_IN_NAME).position(leads) {
        picked[..=place].rotate_right(1);
    }
}

/// Returns what a person would say for a term: an acronym for a long phrase, the gerund (`grasping`) for its root.
fn spoken(vocabulary: &Vocabulary, weighted: &[Weighted], chosen: Weighted) -> Weighted {
    let term = vocabulary.term(chosen.term);
    let least = f64::from(chosen.count) * SPOKEN_RATIO;
    let is_long = term.display.chars().count() > LONGEST_SPOKEN;
    let is_root = !term.key.contains(' ') && !term.key.ends_with("ing");
    let says_it = |other: &Weighted| {
        let instead = vocabulary.term(other.term);
        f64::from(other.count) >= least
            && (is_long && instead.is_acronym() && overlap(&term.key, &instead.key) >= REPEATS
                || is_root && is_gerund_of(&instead.key, &term.key))
    };
    let found = weighted.iter().copied().find(says_it);
    found.map_or(chosen, |instead| Weighted { weight: chosen.weight, ..instead })
}

/// Replaces each term by the longer one that it nearly always stands in.
fn extended(vocabulary: &Vocabulary, weighted: &[Weighted]) -> Vec<Weighted> {
    let mut seen = HashSet::new();
    let mut out: Vec<Weighted> = Vec::new();
    for start in weighted {
        let mut term = *start;
        while let Some(longer) = extension(vocabulary, weighted, term) {
            // Between the two: it stands for the documents of the shorter one, not all of which say it.
            term = Weighted { weight: longer.weight.max((longer.weight * term.weight).sqrt()), ..longer };
        }
        if seen.insert(term.term) {
            out.push(term);
        }
    }
    out
}

/// Returns the most frequent term around `term` that is frequent enough to take its place.
fn extension(vocabulary: &Vocabulary, weighted: &[Weighted], term: Weighted) -> Option<Weighted> {
    let key = &vocabulary.term(term.term).key;
    let (is_compound, is_attribute) =
        (vocabulary.term(term.term).is_compound(), vocabulary.term(term.term).is_attribute());
    let stands_alone = is_compound || vocabulary.term(term.term).is_acronym();
    let least = f64::from(term.count) * if stands_alone { EXTENSION_OF_COMPOUND } else { EXTENSION_OF_WORD };
    let goes_round = |longer: &str| is_within(key, longer) && (!is_attribute || longer.starts_with(key));
    let around =
        weighted.iter().filter(|other| f64::from(other.count) >= least && goes_round(&vocabulary.term(other.term).key));
    around.copied().max_by(|left, right| left.count.cmp(&right.count).then_with(|| right.term.cmp(&left.term)))
}

/// The names that topics have.
#[derive(Debug, Default)]
struct TakenNames {
    names: HashSet<String>,
    /// For each name that was numbered, the first number that was not tried.
    numbers: HashMap<String, usize>,
}

impl TakenNames {
    /// Joins the first terms; where another topic has that name, the first of all and the next that tells them apart.
    fn unique_name(&mut self, vocabulary: &Vocabulary, picked: &[Weighted]) -> String {
        let stem = short_name(vocabulary, picked);
        let display = |weighted: &Weighted| vocabulary.term(weighted.term).display.as_str();
        let apart = picked.iter().skip(1).map(|term| format!("{}{SEPARATOR}{}", display(&picked[0]), display(term)));
        let free = std::iter::once(stem.clone()).chain(apart).find(|name| !self.names.contains(name));
        let name = free.unwrap_or_else(|| self.numbered(stem));
        self.names.insert(name.clone());
        name
    }

    /// Puts the first free number behind a name.
    fn numbered(&mut self, stem: String) -> String {
        let first = self.numbers.get(&stem).copied().unwrap_or(2);
        let mut numbered = (first..).map(|number| (number, format!("{stem} ({number})")));
        // The numbers never end, so a free name is always found.
        let (number, name) =
            numbered.find(|(_, name)| !self.names.contains(name)).unwrap_or_else(|| (first, stem.clone()));
        self.numbers.insert(stem, number + 1);
        name
    }
}

fn short_name(vocabulary: &Vocabulary, picked: &[Weighted]) -> String {
    let Some(first) = picked.first() else { return UNTITLED.to_owned() };
    let mut chosen = vec![vocabulary.term(first.term)];
    let mut width = chosen[0].display.chars().count();
    for weighted in &picked[1..] {
        let term = vocabulary.term(weighted.term);
        let wider = width + SEPARATOR.chars().count() + term.display.chars().count();
        let is_heavy =
            LEAST_RELATIVE_WEIGHTS.get(chosen.len()).is_some_and(|least| weighted.weight >= first.weight * least);
        if is_heavy && wider <= WIDEST_NAME && chosen.iter().all(|other| overlap(&other.key, &term.key) < ECHOES) {
            chosen.push(term);
            width = wider;
        }
    }
    chosen.iter().map(|term| term.display.as_str()).collect::<Vec<_>>().join(SEPARATOR)
}

#[cfg(test)]
mod tests {
    use super::super::TopicTexts;
    use super::*;
    use proptest::prelude::*;

    type Row = (usize, &'static str, &'static str);

    fn named(rows: &[Row], num_topics: usize) -> Vec<TopicName> {
        let mut texts = TopicTexts::new(num_topics, 7);
        for (row, (label, title, text)) in rows.iter().enumerate() {
            texts.add(*label, &row.to_string(), title, text).unwrap();
        }
        texts.names()
    }

    const ROWS: [Row; 12] = [
        (0, "Image-Based Visual Servoing", "We propose visual servoing of a robot from image features."),
        (
            0,
            "Visual Servoing with a Kalman Filter",
            "In this paper the visual servoing of robots uses a Kalman filter.",
        ),
        (0, "Uncalibrated visual servoing", "A camera guides a robot by visual servoing."),
        (1, "Petri Nets for Manufacturing Systems", "Deadlock in Petri nets of manufacturing systems with a robot."),
        (1, "Scheduling with Petri Nets", "Here Petri nets model manufacturing systems; a Petri net is live."),
        (1, "Deadlock avoidance", "Petri nets avoid deadlock in manufacturing systems."),
        (2, "SLAM with UAVs", "We solve SLAM for UAVs. The SLAM is robust, $O(n^2)$ in \\emph{landmarks}."),
        (2, "Fast SLAM", "The robot runs SLAM with landmarks."),
        (2, "SLAM", "Many landmarks and SLAM for a UAV."),
        (3, "Localisation mobiler Roboter", "Die Größe der Überlagerung ist für Größen wie Größe wichtig."),
        (3, "Größe", "Größe und Überlagerung"),
        (4, "", ""),
    ];

    #[test]
    fn names_are_what_a_person_would_say() {
        let names = named(&ROWS, 5);
        assert!(names[0].name.starts_with("visual servoing"), "{names:?}");
        assert!(
            names[1].name.starts_with("Petri nets") && names[1].name.contains("manufacturing systems"),
            "{names:?}"
        );
        assert!(names[2].name.contains("SLAM"), "{names:?}");
        assert!(names[3].name.to_lowercase().contains("größe"), "{names:?}");
    }

    #[test]
    fn terms_hold_no_boilerplate_no_latex_and_no_repetition() {
        for topic in named(&ROWS, 5) {
            for (at, term) in topic.terms.iter().enumerate() {
                assert!(!["paper", "propose", "emph", "O", "we"].contains(&term.as_str()), "{topic:?}");
                assert!(topic.terms[..at].iter().all(|other| !other.contains(term.as_str())), "{topic:?}");
            }
        }
    }

    #[test]
    fn topics_without_text_are_untitled_and_numbered() {
        let names = named(&[(0, "", ""), (1, "$x$", "12 34"), (2, "", "of the and")], 4);
        let names: Vec<&str> = names.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(names, [UNTITLED, "untitled topic (2)", "untitled topic (3)", "untitled topic (4)"]);
    }

    #[test]
    fn equal_topics_get_different_names() {
        let twice: Vec<Row> = (0..4).flat_map(|label| ROWS[..3].iter().map(move |row| (label, row.1, row.2))).collect();
        let names = named(&twice, 4);
        let different: HashSet<&str> = names.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(different.len(), 4, "{names:?}");
    }

    #[test]
    fn one_document_is_named_by_itself() {
        let names = named(&[(0, "Gecko adhesion", "Climbing by gecko adhesion.")], 1);
        assert_eq!(names.len(), 1);
        let said: HashSet<&str> = names[0].name.split(SEPARATOR).collect();
        assert_eq!(said, HashSet::from(["adhesion", "gecko", "climbing"]));
    }

    fn on_threads(rows: &[(usize, String, String)], order: &[usize], num_threads: usize) -> Vec<TopicName> {
        let mut texts = TopicTexts::new(3, 7);
        for &row in order {
            let (label, title, text) = &rows[row];
            texts.add(*label, &row.to_string(), title, text).unwrap();
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(num_threads).build().unwrap();
        pool.install(|| texts.names())
    }

    const TITLES: &str = "([Rr]obot|arms?|ARM|[Gg]rasp(s|ing)?|Petri nets?|of|the|colou?rs?|x-ray){0,4}";
    const TEXTS: &str = "((robots?|arms?|Arm|grasping|colors|of|Kalman|net)[ .-]){0,12}";

    proptest! {
        #[test]
        fn neither_order_nor_threads_change_a_name(
            rows in prop::collection::vec(
                (0_usize..3, TITLES, TEXTS),
                1..25,
            ),
            num_threads in 1_usize..4,
            rotation in 0_usize..25,
        ) {
            let straight: Vec<usize> = (0..rows.len()).collect();
            let mut other: Vec<usize> = (0..rows.len()).rev().collect();
            other.rotate_left(rotation % rows.len());
            prop_assert_eq!(on_threads(&rows, &straight, 1), on_threads(&rows, &other, num_threads));
        }

        #[test]
        fn any_text_can_be_named(rows in prop::collection::vec((0_usize..3, any::<String>(), any::<String>()), 1..8)) {
            let order: Vec<usize> = (0..rows.len()).collect();
            let names = on_threads(&rows, &order, 1);
            let different: HashSet<&str> = names.iter().map(|topic| topic.name.as_str()).collect();
            prop_assert_eq!(different.len(), 3);
        }

        #[test]
        fn marks_of_latex_break_nothing(title in "[\\\\${}~'\"^a-cé \\[\\]()]{0,40}") {
            let rows = vec![(0, title.clone(), title)];
            on_threads(&rows, &[0], 1);
        }
    }
}
