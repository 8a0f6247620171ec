//! What all topics tell about how bursty documents arrive → the weight of each model for one topic.
//!
//! A topic of twenty documents cannot tell bursts from chance; the corpus can. The prior over the kinds of noise is the
//! one under which the corpus is most likely, so that each topic's burstiness is drawn towards the others' as far as its
//! own counts leave it open. No kind of noise is below Poisson's. The fits themselves are left to `trend`.
//!
//! Source: Robbins 1956 and Laird 1978, empirical Bayes with a nonparametric prior, found by expectation maximisation.

use super::trend::{Fit, NOISES};

/// One number per kind of noise, summing to 1.
pub(super) type NoiseWeights = [f64; NOISES.len()];

/// Rounds of expectation maximisation. Few, since its limit puts all weight on single kinds of noise.
const ROUNDS: usize = 10;
/// Topics that each kind of noise is believed to have had beforehand; keeps a corpus of few topics open-minded.
const PSEUDO_TOPICS: f64 = 0.2;

/// The likelihood of each kind of noise for one topic, all trends together, relative to the likeliest.
pub(super) fn noise_likelihoods(fits: &[Fit]) -> NoiseWeights {
    let most = most_evidence(fits);
    let mut likelihoods = [0.0; NOISES.len()];
    for fit in fits {
        likelihoods[fit.noise] += (fit.log_evidence - most).exp();
    }
    likelihoods
}

/// Finds the prior over kinds of noise from the likelihoods of all topics.
pub(super) fn noise_prior(topics: &[NoiseWeights]) -> NoiseWeights {
    let mut prior = [1.0 / NOISES.len() as f64; NOISES.len()];
    for _ in 0..ROUNDS {
        let mut next = [PSEUDO_TOPICS; NOISES.len()];
        for likelihoods in topics {
            let posterior = posterior(likelihoods, &prior);
            next.iter_mut().zip(posterior).for_each(|(sum, weight)| *sum += weight);
        }
        prior = normalised(next);
    }
    prior
}

/// The weight of each kind of noise for one topic.
pub(super) fn posterior(likelihoods: &NoiseWeights, prior: &NoiseWeights) -> NoiseWeights {
    let mut weights = *likelihoods;
    weights.iter_mut().zip(prior).for_each(|(weight, prior)| *weight *= prior);
    normalised(weights)
}

/// The weight of each model for one topic, summing to 1.
pub(super) fn model_weights(fits: &[Fit], prior: &NoiseWeights) -> Vec<f64> {
    let most = most_evidence(fits);
    let weights: Vec<f64> = fits.iter().map(|fit| prior[fit.noise] * (fit.log_evidence - most).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

fn most_evidence(fits: &[Fit]) -> f64 {
    fits.iter().map(|fit| fit.log_evidence).fold(f64::NEG_INFINITY, f64::max)
}

fn normalised(weights: NoiseWeights) -> NoiseWeights {
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undecided_topic_follows_the_corpus() {
        let mut bursty = [0.0; NOISES.len()];
        bursty[4] = 1.0;
        let prior = noise_prior(&[bursty; 50]);
        assert!(prior[4] > 0.9);
        assert!(posterior(&[1.0; NOISES.len()], &prior)[4] > 0.9);
    }
}
