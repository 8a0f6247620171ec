//! Numbers of any scale → unit vectors.

/// Why a vector has no direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoDirection {
    /// NaN or an infinity is in it.
    NotFinite,
    /// All of it is zero.
    Zero,
}

impl std::fmt::Display for NoDirection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::NotFinite => "holds NaN or an infinity, expected finite numbers",
            Self::Zero => "is all zeros, expected a direction",
        })
    }
}

/// Divides `row` by its L2 norm, in float64, and appends it to `unit` as float32.
///
/// # Errors
/// [`NoDirection`]; nothing is appended then.
pub(super) fn append_unit(row: &[f64], unit: &mut Vec<f32>) -> Result<(), NoDirection> {
    let largest = row.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    if row.iter().any(|x| !x.is_finite()) {
        return Err(NoDirection::NotFinite);
    }
    if largest == 0.0 {
        return Err(NoDirection::Zero);
    }
    // Squares of numbers beyond 1e±150 would leave float64; of all others none is lost by this division.
    let scale = if (1e-100..1e100).contains(&largest) { 1.0 } else { largest };
    let norm = row.iter().map(|x| (x / scale) * (x / scale)).sum::<f64>().sqrt();
    unit.extend(row.iter().map(|x| (x / scale / norm) as f32));
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_finite_vector_but_zero_becomes_a_unit_vector(row in prop::collection::vec(any::<f64>(), 1..20)) {
            let mut unit = Vec::new();
            let made = append_unit(&row, &mut unit);
            if row.iter().any(|x| !x.is_finite()) {
                prop_assert_eq!(made, Err(NoDirection::NotFinite));
            } else if row.iter().all(|x| *x == 0.0) {
                prop_assert_eq!(made, Err(NoDirection::Zero));
            } else {
                let norm = unit.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                prop_assert!((norm - 1.0).abs() < 1e-5, "{}", norm);
            }
        }
    }
}
