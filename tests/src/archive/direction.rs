//! A row → its unit vector: its source with heavy-tailed noise, an earlier row retouched, or nearly random.
//!
//! Invariant: unit norm; a function of seed and row alone.

use super::draw::{Draw, Purpose};
use super::normal::Normal;
use super::role::{Role, Roles};
use super::sources::{Sources, add, normalise, random_unit};

/// The noise around a source is normal with a length of its own for each row: this times the square root of
/// `DEGREES` / χ² with `DEGREES` degrees of freedom, as in a multivariate Student distribution. 8 rows in 10 have a cosine of
/// 0.77 to 0.94 to their source, half of them above 0.88, and one in 30,000 strays below 0.27, with all degrees of
/// loneliness in between. With 5 degrees the 100 loneliest of 2.7 million strayed into pure noise.
const NOISE: f64 = 0.5;
const DEGREES: usize = 6;

/// The length of the noise between a near-copy and its origin: cosines of 0.993 to 1.
const RETOUCH: f64 = 0.12;

/// One copy in so many repeats its origin exactly.
const EXACT_ONE_IN: u64 = 50;

/// How much of a loner points to the mean of `LONER_SOURCES` sources: least and most. The rest is random, so that loners are
/// far from everything and orthogonal to nothing.
const LONER_MEAN: (f64, f64) = (0.1, 0.5);
const LONER_SOURCES: usize = 8;

/// Draws vectors of rows.
#[derive(Debug)]
pub(super) struct Directions<'a> {
    pub(super) seed: u64,
    pub(super) roles: Roles,
    pub(super) sources: &'a Sources,
    pub(super) normal: &'a Normal,
}

impl Directions<'_> {
    /// Draws the vector of `row`.
    pub(super) fn draw(&self, row: u64) -> Vec<f32> {
        match self.roles.of(row) {
            Role::Copy { of } => self.retouched(of, row),
            _ => self.origin(row),
        }
    }

    /// Draws the vector of a row that copies no other.
    fn origin(&self, row: u64) -> Vec<f32> {
        let mut draw = Draw::new(self.seed, Purpose::Direction, row);
        match self.roles.origin_role(row) {
            Role::Ordinary { source } => {
                let length = self.stray(&mut draw);
                self.noisy(self.sources.vector(source).to_vec(), length, &mut draw)
            }
            _ => self.alone(&mut draw),
        }
    }

    fn retouched(&self, of: u64, row: u64) -> Vec<f32> {
        let mut draw = Draw::new(self.seed, Purpose::Direction, row);
        let origin = self.origin(of);
        if draw.happens(EXACT_ONE_IN) {
            return origin;
        }
        let length = draw.between(0.01, RETOUCH);
        self.noisy(origin, length, &mut draw)
    }

    /// Draws the length of a row's noise.
    fn stray(&self, draw: &mut Draw) -> f64 {
        let squares: f64 = (0..DEGREES).map(|_| f64::from(self.normal.draw(draw)).powi(2)).sum();
        NOISE * (DEGREES as f64 / squares.max(f64::MIN_POSITIVE)).sqrt()
    }

    fn noisy(&self, mut row: Vec<f32>, length: f64, draw: &mut Draw) -> Vec<f32> {
        let mut noise = vec![0.0; row.len()];
        self.normal.fill(&mut noise, draw);
        // Whatever the stray, numbers stay within float32.
        add(&mut row, (length.min(1e6) / (noise.len() as f64).sqrt()) as f32, &noise);
        normalise(&mut row);
        row
    }

    fn alone(&self, draw: &mut Draw) -> Vec<f32> {
        let mut mean = vec![0.0; self.sources.dim];
        (0..LONER_SOURCES).for_each(|_| add(&mut mean, 1.0, self.sources.vector(draw.index(self.sources.len()))));
        normalise(&mut mean);
        let mut row = random_unit(self.sources.dim, self.normal, draw);
        add(&mut row, draw.between(LONER_MEAN.0, LONER_MEAN.1) as f32, &mean);
        normalise(&mut row);
        row
    }
}
