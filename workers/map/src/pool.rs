//! Token states → one unit vector a row: mean, first token or maximum, then L2 normalisation.
//!
//! Rows of a batch have the same number of tokens (see [`crate::batch`]), so that there is no padding to leave out.

use strata_shared::model::Pooling;

/// A row that has no direction, or too wild a one.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the model gave a vector of norm {norm}, expected a finite one above 0")]
pub struct NormError {
    /// The row in its batch.
    pub row: usize,
    /// The norm found.
    pub norm: f32,
}

/// Pools `states`, `[rows, num_tokens, dim]` row-major, into `[rows, dim]`; not yet normalised.
///
/// Method: mean, CLS and max pooling as in Reimers and Gurevych 2019, section 3.
#[must_use]
pub fn pool(pooling: Pooling, states: &[f32], num_tokens: usize, dim: usize) -> Vec<f32> {
    let rows = states.chunks_exact((num_tokens * dim).max(1));
    rows.flat_map(|row| match pooling {
        Pooling::Mean => mean(row, num_tokens, dim),
        Pooling::Max => maximum(row, dim),
        Pooling::Cls | Pooling::InGraph => row[..dim].to_vec(),
    })
    .collect()
}

fn mean(row: &[f32], num_tokens: usize, dim: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dim];
    for state in row.chunks_exact(dim) {
        sum.iter_mut().zip(state).for_each(|(sum, value)| *sum += value);
    }
    sum.iter_mut().for_each(|sum| *sum /= num_tokens as f32);
    sum
}

fn maximum(row: &[f32], dim: usize) -> Vec<f32> {
    let mut most = row[..dim].to_vec();
    for state in row[dim..].chunks_exact(dim) {
        // NaN must come through, `f32::max` would swallow it.
        most.iter_mut().zip(state).for_each(|(most, value)| {
            if *value > *most || value.is_nan() {
                *most = *value;
            }
        });
    }
    most
}

/// Scales each row of `vectors`, `[rows, dim]`, to L2 norm 1 (within 1e-6).
///
/// # Errors
/// [`NormError`] names the first row whose norm is 0 or not finite.
pub fn normalize(vectors: &mut [f32], dim: usize) -> Result<(), NormError> {
    for (row, vector) in vectors.chunks_exact_mut(dim).enumerate() {
        let squares: f64 = vector.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
        let norm = squares.sqrt();
        if !(norm.is_finite() && norm > f64::from(f32::MIN_POSITIVE)) {
            return Err(NormError { row, norm: norm as f32 });
        }
        vector.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two rows of three tokens in two dimensions.
    const STATES: [f32; 12] = [1.0, -1.0, 2.0, 5.0, 3.0, 2.0, 0.0, 0.0, -3.0, 9.0, 6.0, 0.0];

    #[test]
    fn pooling_equals_the_hand_computation() {
        assert_eq!(pool(Pooling::Mean, &STATES, 3, 2), [2.0, 2.0, 1.0, 3.0]);
        assert_eq!(pool(Pooling::Cls, &STATES, 3, 2), [1.0, -1.0, 0.0, 0.0]);
        assert_eq!(pool(Pooling::Max, &STATES, 3, 2), [3.0, 5.0, 6.0, 9.0]);
    }

    #[test]
    fn a_vector_that_the_graph_pooled_is_taken_as_it_is() {
        assert_eq!(pool(Pooling::InGraph, &STATES, 1, 2), STATES);
    }

    #[test]
    fn not_a_number_survives_every_pooling() {
        let mut states = STATES;
        states[4] = f32::NAN;
        assert!(pool(Pooling::Mean, &states, 3, 2)[0].is_nan());
        assert!(pool(Pooling::Max, &states, 3, 2)[0].is_nan());
    }

    #[test]
    fn rows_come_out_with_norm_one() {
        let mut vectors = vec![3.0, 4.0, 0.0, -1e-20];
        normalize(&mut vectors, 2).unwrap();
        assert_eq!(vectors, [0.6, 0.8, 0.0, -1.0]);
    }

    #[test]
    fn a_row_without_a_direction_is_named() {
        for bad in [0.0, f32::NAN, f32::INFINITY] {
            let error = normalize(&mut [1.0, 0.0, bad, 0.0], 2).unwrap_err();
            assert_eq!(error.row, 1, "{bad}");
        }
    }
}
