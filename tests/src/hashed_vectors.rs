//! Texts → vectors without a model: fast, the same everywhere, and near where texts share words.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ArrowWriter;
use strata_shared::documents::Documents;
use strata_shared::exit::Failure;
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::Manifest;
use strata_shared::store::Store;
use strata_shared::vectors::{self, Vectors};

/// Dimensions of a vector.
pub const DIM: usize = 16;

/// Under which name the vectors are kept.
pub const MODEL: &str = "hashed-words";

/// Returns the unit vector of `text`, [`DIM`] long: each word adds or takes 1 in each dimension, as the bits of its
/// FNV-1a hash say.
#[must_use]
pub fn vector(text: &str) -> Vec<f32> {
    // What is added to whole numbers can never sum to a vector of zeros.
    let mut vector = [0.25_f32; DIM];
    for word in text.split_whitespace() {
        let hash = hash(word.as_bytes());
        for (bit, value) in vector.iter_mut().enumerate() {
            *value += if hash >> bit & 1 == 1 { 1.0 } else { -1.0 };
        }
    }
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter().map(|value| value / norm).collect()
}

fn hash(bytes: &[u8]) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash ^ hash >> 32
}

/// Embeds the shards of `store` that lack their vectors, as the map-worker would: the same plan, the same objects.
///
/// # Errors
/// The store's own, or a shard that cannot be read.
pub async fn embed(store: &Store) -> Result<(), Failure> {
    let model = ModelName::new(MODEL)?;
    let (manifest, _) = Manifest::read(store).await?;
    let share = strata_map::work::Share { task_index: 0, task_count: 1 };
    let shards = strata_map::work::assigned(store, &manifest, None, share).await?;
    for shard in strata_map::work::missing(store, &model, shards).await? {
        let documents = Documents::read(store, &shard.key()).await?;
        let values = (0..documents.len()).flat_map(|row| vector(documents.title(row))).collect();
        let bytes = vectors::encode(&documents, &Vectors::new(DIM, values), &model, &shard.entry.sha256)?;
        store.put(&layout::vector_shard(&model, shard.number), bytes).await?;
    }
    Ok(())
}

/// Encodes `rows` vectors as numpy does, float32 in rows: row i is the vector of the decimal number i.
///
/// Format: NEP 1, version 1.0.
#[must_use]
pub fn npy(rows: u64) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {DIM}), }}");
    // Magic, version and length take 10 bytes; the header ends in a line feed on a multiple of 64.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((padded as u16).to_le_bytes());
    file.extend(format!("{header:<width$}\n", width = padded - 1).into_bytes());
    file.extend((0..rows).flat_map(|row| vector(&format!("{row} {}", row % 7))).flat_map(f32::to_le_bytes));
    file
}

/// Encodes the vectors of documents by id as a Parquet file: each the vector of the document's text.
#[must_use]
pub fn parquet(documents: &[(String, String)]) -> Vec<u8> {
    let named: Vec<_> = documents.iter().map(|(id, text)| (id.clone(), vector(text))).collect();
    named_parquet(DIM, &named)
}

/// Encodes vectors of `dim` dimensions by id as a Parquet file.
///
/// # Panics
/// If a vector has another length.
#[must_use]
pub fn named_parquet(dim: usize, named: &[(String, Vec<f32>)]) -> Vec<u8> {
    let ids = StringArray::from_iter_values(named.iter().map(|(id, _)| id));
    let values = Float32Array::from_iter_values(named.iter().flat_map(|(_, vector)| vector.iter().copied()));
    let item = Arc::new(Field::new("element", DataType::Float32, false));
    let vectors = FixedSizeListArray::new(item, dim as i32, Arc::new(values), None);
    let columns: [(&str, ArrayRef); 2] = [("id", Arc::new(ids)), ("vector", Arc::new(vectors))];
    let batch = RecordBatch::try_from_iter(columns).expect("a vector for each id");
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer into memory");
    writer.write(&batch).expect("a batch of its schema");
    writer.into_inner().expect("a file in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_share_words_are_nearer_than_those_that_do_not() {
        let dot = |a: &str, b: &str| vector(a).iter().zip(vector(b)).map(|(x, y)| x * y).sum::<f32>();
        assert!((dot("a topic that died", "a topic that died") - 1.0).abs() < 1e-6);
        assert!(
            dot("the same three words here", "the same three words there")
                > dot("the same three words", "quite another")
        );
    }
}
