//! A planted truth → vectors as a model would give them: one direction a topic with noise around it, loners alone.
//!
//! Invariant: a pure function of the truth, the dimensions and the seed. Texts are not looked at; how well a real model
//! tells the topics apart is left to the tests that have one.

use std::collections::HashMap;
use std::f64::consts::TAU;
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_shared::table::{self, TableError};
use strata_shared::vectors;

use crate::corpus::Truth;

/// The length of the noise around a topic's direction, whose own length is 1: two documents of a topic have a cosine of
/// about 0.6, as abstracts of one field have.
const NOISE: f64 = 0.8;

/// The length of the noise between a near copy and its source.
const RETOUCH: f64 = 0.1;

/// One unit vector a document, by id.
#[derive(Debug, Clone)]
pub struct SyntheticVectors {
    dim: usize,
    by_id: HashMap<String, Vec<f32>>,
    order: Vec<String>,
}

impl SyntheticVectors {
    /// Draws the vectors of every document of a corpus.
    #[must_use]
    pub fn draw(truth: &Truth, dim: usize, seed: u64) -> Self {
        let mut drawn = Self { dim, by_id: HashMap::new(), order: Vec::new() };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        for topic in &truth.topics {
            let centre = unit(&noise(dim, 1.0, &mut random));
            topic.ids.iter().for_each(|id| drawn.add(id, &centre, NOISE, &mut random));
        }
        let origin = vec![0.0; dim];
        truth.loners.iter().for_each(|loner| drawn.add(&loner.id, &origin, 1.0, &mut random));
        for (copy, length) in truth
            .exact_copies
            .iter()
            .map(|copy| (copy, 0.0))
            .chain(truth.near_copies.iter().map(|copy| (copy, RETOUCH)))
        {
            if let Some(source) = drawn.by_id.get(&copy.of).cloned() {
                let source: Vec<f64> = source.into_iter().map(f64::from).collect();
                drawn.add(&copy.id, &source, length, &mut random);
            }
        }
        drawn
    }

    fn add(&mut self, id: &str, centre: &[f64], length: f64, random: &mut Xoshiro256PlusPlus) {
        let noise = noise(self.dim, length, random);
        let sum: Vec<f64> = centre.iter().zip(noise).map(|(at, off)| at + off).collect();
        let vector = unit(&sum).into_iter().map(|value| value as f32).collect();
        if self.by_id.insert(id.to_owned(), vector).is_none() {
            self.order.push(id.to_owned());
        }
    }

    /// Encodes the vectors as a Parquet file of `id` and `vector`, as `--vectors` takes it.
    ///
    /// # Errors
    /// [`TableError::Encode`].
    pub fn encode(&self) -> Result<Vec<u8>, TableError> {
        let field = vectors::field(self.dim);
        let DataType::FixedSizeList(item, _) = field.data_type().clone() else { return Ok(Vec::new()) };
        let values: Float32Array =
            self.order.iter().flat_map(|id| self.by_id[id].iter().copied()).collect::<Vec<_>>().into();
        let ids: ArrayRef = Arc::new(StringArray::from_iter_values(&self.order));
        let column: ArrayRef = Arc::new(FixedSizeListArray::new(item, self.dim as i32, Arc::new(values), None));
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Utf8, false), field]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![ids, column])
            .map_err(|error| TableError::Encode(parquet::errors::ParquetError::General(error.to_string())))?;
        table::encode(&[batch], &schema, &[])
    }
}

/// Normal draws in `dim` dimensions whose length is about `length` (Box and Muller 1958).
fn noise(dim: usize, length: f64, random: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    let scale = length / (dim as f64).sqrt();
    let mut normal = || (-2.0 * (1.0 - random.r#gen::<f64>()).ln()).sqrt() * (TAU * random.r#gen::<f64>()).cos();
    (0..dim).map(|_| scale * normal()).collect()
}

fn unit(vector: &[f64]) -> Vec<f64> {
    let norm = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    vector.iter().map(|value| value / norm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Plan, generate};

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn topics_keep_together_copies_coincide_and_loners_stand_alone() {
        let truth = generate(&Plan { documents: 600, ..Plan::default() }).expect("a plan that can be followed").truth;
        let vectors = SyntheticVectors::draw(&truth, 64, 1).by_id;
        assert_eq!(vectors.len() as u64, truth.rows);
        let topic = &truth.topics[0].ids;
        assert!(cosine(&vectors[&topic[0]], &vectors[&topic[1]]) > 0.3);
        let copy = &truth.exact_copies[0];
        assert!(cosine(&vectors[&copy.id], &vectors[&copy.of]) > 0.999_999);
        let near = &truth.near_copies[0];
        assert!((0.98..0.9999).contains(&cosine(&vectors[&near.id], &vectors[&near.of])));
        let loner = &vectors[&truth.loners[0].id];
        assert!(topic.iter().all(|id| cosine(loner, &vectors[id]) < 0.5));
    }
}
