//! Random draws and tail probabilities that the statistics of fading need: normal, gamma, Poisson; log gamma and the
//! regularised incomplete beta function.
//!
//! Everything is a pure function of its arguments and of the generator handed in. Which distribution describes what is
//! left to the callers.

use rand::Rng;
use std::f64::consts::{PI, TAU};

/// Draws two independent values from the standard normal distribution.
///
/// Method: Box and Muller 1958.
pub(super) fn normal_pair(rng: &mut impl Rng) -> [f64; 2] {
    let radius = (-2.0 * (1.0 - rng.r#gen::<f64>()).ln()).sqrt();
    let (sine, cosine) = (TAU * rng.r#gen::<f64>()).sin_cos();
    [radius * cosine, radius * sine]
}

/// Draws from the gamma distribution of this shape (above 0) and scale 1.
///
/// Method: Marsaglia and Tsang 2000; shapes below 1 by their boost.
pub(super) fn gamma(shape: f64, rng: &mut impl Rng) -> f64 {
    if shape < 1.0 {
        let boost = (1.0 - rng.r#gen::<f64>()).powf(1.0 / shape);
        return gamma(shape + 1.0, rng) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let [x, _] = normal_pair(rng);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - rng.r#gen::<f64>()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// Natural logarithm of the gamma function at `x` > 0, within 1e-12 relative.
///
/// Method: recurrence up to 10, then Stirling's series (Abramowitz and Stegun 6.1.41).
pub(super) fn ln_gamma(x: f64) -> f64 {
    let mut product = 1.0;
    let mut x = x;
    while x < 10.0 {
        product *= x;
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse
        * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0))));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - product.ln()
}

/// The regularised incomplete beta function `I_x(a, b)`: P(B ≤ x) for B of the beta distribution, `a`, `b` > 0.
///
/// Method: continued fraction (DLMF 8.17.22) evaluated by Lentz's algorithm.
pub(super) fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, 1.0 - x) / b
    }
}

/// P(B > x) for B of the beta distribution, without the cancellation of `1 - incomplete_beta`.
pub(super) fn beta_upper(a: f64, b: f64, x: f64) -> f64 {
    incomplete_beta(b, a, 1.0 - x)
}

/// Evaluates the fraction from its head, as ratios of successive convergents.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    // It settles in O(sqrt(max(a, b))) terms; 10,000 serves parameters of 10⁷.
    const MOST_TERMS: usize = 10_000;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut numerator = 1.0;
    let mut denominator = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = denominator;
    for term in 1..MOST_TERMS {
        let term = term as f64;
        let place = a + 2.0 * term;
        let even = term * (b - term) * x / ((place - 1.0) * place);
        denominator = 1.0 / away_from_zero(1.0 + even * denominator);
        numerator = away_from_zero(1.0 + even / numerator);
        fraction *= denominator * numerator;
        let odd = -(a + term) * (a + b + term) * x / (place * (place + 1.0));
        denominator = 1.0 / away_from_zero(1.0 + odd * denominator);
        numerator = away_from_zero(1.0 + odd / numerator);
        fraction *= denominator * numerator;
        if (denominator * numerator - 1.0).abs() < 1e-14 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn log_gamma_is_the_log_of_factorials_and_of_the_root_of_pi() {
        assert!((ln_gamma(11.0) - 3_628_800f64.ln()).abs() < 1e-12);
        assert!((ln_gamma(0.5) - PI.sqrt().ln()).abs() < 1e-12);
        assert!((ln_gamma(1e-9) - 1e9f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn the_incomplete_beta_has_its_closed_forms() {
        for x in [1e-6, 0.1, 0.5, 0.9] {
            assert!((incomplete_beta(1.0, 1.0, x) - x).abs() < 1e-14);
            assert!((incomplete_beta(3.0, 1.0, x) - x.powi(3)).abs() < 1e-14);
            assert!((beta_upper(1.0, 40.0, x) / (1.0 - x).powi(40) - 1.0).abs() < 1e-10);
        }
        assert!((incomplete_beta(30_000.0, 30_000.0, 0.5) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn draws_have_the_mean_and_variance_of_their_distribution() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for shape in [0.3, 1.0, 25.0] {
            let draws: Vec<f64> = (0..40_000).map(|_| gamma(shape, &mut rng)).collect();
            let mean = draws.iter().sum::<f64>() / 40_000.0;
            let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / 40_000.0;
            assert!((mean / shape - 1.0).abs() < 0.04 && (variance / shape - 1.0).abs() < 0.1);
        }
    }
}
