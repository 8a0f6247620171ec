//! Months of an archive with planted events: a topic is born, one divides, one is withdrawn, papers are corrected and withdrawn.
//!
//! Vectors are unit vectors about a direction for each topic. Invariant: everything follows from the seed and from what was asked.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

use crate::hashed_vectors;

/// Dimensions of a vector.
pub const DIM: usize = 32;

/// Topics that there are from the beginning.
pub const TOPICS: usize = 12;

/// The topic that is born, and that of the half that leaves when one divides.
pub const BORN: usize = TOPICS;
/// See [`BORN`].
pub const HALF: usize = TOPICS + 1;

/// Papers of each topic in the first snapshot, and of each topic every month.
const FIRST: usize = 120;
const MONTHLY: usize = 5;

/// Papers of the topic that is born, each month.
const BORN_MONTHLY: usize = 25;

/// Every so manieth paper is corrected in a month, or withdrawn.
const CORRECTED: usize = 97;
const WITHDRAWN: usize = 149;

/// What papers are about, by topic.
const SUBJECTS: [&str; TOPICS + 2] = [
    "petri nets manufacturing cells",
    "visual servoing cameras",
    "haptic telesurgery interfaces",
    "particle filter corridors",
    "legged gaits terrain",
    "parallel manipulator workspace",
    "swarm foraging pheromones",
    "underwater glider buoyancy",
    "grasp closure fingertips",
    "kalman smoothing odometry",
    "exoskeleton knee torque",
    "cable driven cranes",
    "diffusion policy imitation",
    "rolling spheres locomotion",
];

#[derive(Debug, Clone)]
struct Paper {
    topic: usize,
    month: usize,
    version: u32,
    vector: Vec<f32>,
}

/// What a month brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Brought {
    /// Papers that there were not before.
    pub new: BTreeSet<u64>,
    /// Papers that are others now.
    pub changed: BTreeSet<u64>,
    /// Papers that there are no more.
    pub gone: BTreeSet<u64>,
}

/// An archive as it is in one month.
#[derive(Debug)]
pub struct Archive {
    random: Xoshiro256Plus,
    directions: Vec<Vec<f32>>,
    papers: BTreeMap<u64, Paper>,
    month: usize,
    next: u64,
    brought: Brought,
}

impl Archive {
    /// Begins with the first snapshot.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let random = Xoshiro256Plus::seed_from_u64(seed);
        let (papers, brought) = Default::default();
        let mut archive = Self { random, directions: Vec::new(), papers, month: 0, next: 0, brought };
        archive.directions = (0..SUBJECTS.len()).map(|_| archive.noise(1.0)).collect();
        (0..TOPICS).for_each(|topic| archive.add(topic, FIRST));
        archive
    }

    /// Draws a vector of about the given length.
    fn noise(&mut self, length: f32) -> Vec<f32> {
        // A sum of twelve uniform draws is nearly normal.
        let scale = length / (DIM as f32).sqrt();
        let mut normal = || (0..12).map(|_| self.random.gen_range(-0.5_f32..0.5)).sum::<f32>();
        (0..DIM).map(|_| scale * normal()).collect()
    }

    fn vector(&mut self, topic: usize) -> Vec<f32> {
        let noise = self.noise(0.8);
        let sum: Vec<f32> = self.directions[topic].iter().zip(noise).map(|(at, off)| at + off).collect();
        let norm = sum.iter().map(|value| value * value).sum::<f32>().sqrt();
        sum.into_iter().map(|value| value / norm).collect()
    }

    fn add(&mut self, topic: usize, count: usize) {
        for _ in 0..count {
            let paper = Paper { topic, month: self.month, version: 0, vector: self.vector(topic) };
            self.papers.insert(self.next, paper);
            self.brought.new.insert(self.next);
            self.next += 1;
        }
    }

    fn correct(&mut self, number: u64, topic: usize) {
        let vector = self.vector(topic);
        if let Some(paper) = self.papers.get_mut(&number) {
            (paper.topic, paper.vector, paper.version) = (topic, vector, paper.version + 1);
            if !self.brought.new.contains(&number) {
                self.brought.changed.insert(number);
            }
        }
    }

    fn withdraw(&mut self, number: u64) {
        self.papers.remove(&number);
        self.brought.changed.remove(&number);
        self.brought.gone.insert(number);
    }

    /// Goes on by a month: each of `topics` grows, some papers are corrected and some withdrawn.
    pub fn next_month(&mut self, topics: &[usize]) {
        self.month += 1;
        self.brought = Brought::default();
        let numbers: Vec<u64> = self.papers.keys().copied().collect();
        for &number in numbers.iter().step_by(CORRECTED) {
            self.correct(number, self.papers[&number].topic);
        }
        numbers.iter().skip(WITHDRAWN / 3).step_by(WITHDRAWN).for_each(|&number| self.withdraw(number));
        topics.iter().for_each(|&topic| self.add(topic, MONTHLY));
    }

    /// Lets the topic that is born grow fast.
    pub fn bear(&mut self) {
        self.add(BORN, BORN_MONTHLY);
    }

    /// Lets every other paper of a topic be of [`HALF`] from now on.
    pub fn divide(&mut self, topic: usize) {
        self.of(topic).into_iter().step_by(2).for_each(|number| self.correct(number, HALF));
    }

    /// Withdraws a topic.
    pub fn withdraw_all(&mut self, topic: usize) {
        self.of(topic).into_iter().for_each(|number| self.withdraw(number));
    }

    /// Returns the papers of a topic.
    #[must_use]
    pub fn of(&self, topic: usize) -> Vec<u64> {
        self.papers.iter().filter(|(_, paper)| paper.topic == topic).map(|(number, _)| *number).collect()
    }

    /// Returns a paper's topic by its id.
    #[must_use]
    pub fn topic(&self, id: &str) -> Option<usize> {
        self.papers.get(&id.strip_prefix("paper/")?.parse().ok()?).map(|paper| paper.topic)
    }

    /// Returns what this month brought.
    #[must_use]
    pub const fn brought(&self) -> &Brought {
        &self.brought
    }

    /// Returns the snapshot of the month as JSON lines.
    #[must_use]
    pub fn lines(&self) -> String {
        let line = |(number, paper): (&u64, &Paper)| {
            let (year, month) = (2020 + paper.month / 12, paper.month % 12 + 1);
            let title = format!("{} case {} version {}", SUBJECTS[paper.topic], number % 9, paper.version);
            format!("{{\"id\":\"paper/{number}\",\"title\":\"{title}\",\"update_date\":\"{year}-{month:02}-15\"}}\n")
        };
        self.papers.iter().map(line).collect()
    }

    /// Returns the vectors of what is new or changed, as a Parquet file.
    #[must_use]
    pub fn vectors(&self) -> Vec<u8> {
        let numbers = self.brought.new.iter().chain(&self.brought.changed);
        let named: Vec<_> =
            numbers.map(|number| (format!("paper/{number}"), self.papers[number].vector.clone())).collect();
        hashed_vectors::named_parquet(DIM, &named)
    }
}
