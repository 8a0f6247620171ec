//! Random bits → standard normal numbers, a billion in seconds.
//!
//! Method: the ziggurat of Marsaglia and Tsang 2000 with 128 layers; 32 bits serve a draw in 98 cases of 100.

use super::draw::Draw;

const LAYERS: usize = 128;

/// Where the tail of a ziggurat of 128 layers begins, and the area of each layer; from the paper.
const TAIL: f64 = 3.442_619_855_899;
const AREA: f64 = 9.912_563_035_262_17e-3;

/// Draws 24 bits of a uniform number; the rest of a word chooses layer and sign.
const UNIFORM_STEP: f32 = 1.0 / (1 << 24) as f32;

/// The layers' right edges, widest first, and the density there.
#[derive(Debug)]
pub(super) struct Normal {
    edges: [f32; LAYERS + 1],
    heights: [f32; LAYERS + 1],
}

fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp()
}

impl Normal {
    /// Computes the layers.
    pub(super) fn new() -> Self {
        let mut edges = [0.0_f64; LAYERS + 1];
        (edges[0], edges[1]) = (AREA / density(TAIL), TAIL);
        for layer in 2..LAYERS {
            edges[layer] = (-2.0 * (AREA / edges[layer - 1] + density(edges[layer - 1])).ln()).sqrt();
        }
        Self { edges: edges.map(|edge| edge as f32), heights: edges.map(|edge| density(edge) as f32) }
    }

    /// Fills `values` with independent draws.
    pub(super) fn fill(&self, values: &mut [f32], draw: &mut Draw) {
        for pair in values.chunks_mut(2) {
            let bits = draw.bits();
            for (value, word) in pair.iter_mut().zip([bits as u32, (bits >> 32) as u32]) {
                *value = self.shape(word, draw);
            }
        }
    }

    /// Draws one number.
    pub(super) fn draw(&self, draw: &mut Draw) -> f32 {
        let word = draw.bits() as u32;
        self.shape(word, draw)
    }

    /// Turns 32 random bits into a normal number, and draws more where they do not suffice.
    fn shape(&self, mut word: u32, draw: &mut Draw) -> f32 {
        loop {
            let layer = word as usize % LAYERS;
            let sign = if word & 128 == 0 { 1.0 } else { -1.0 };
            let x = (word >> 8) as f32 * UNIFORM_STEP * self.edges[layer];
            if x < self.edges[layer + 1] {
                return sign * x;
            }
            if layer == 0 {
                return sign * tail(draw);
            }
            let (low, high) = (self.heights[layer], self.heights[layer + 1]);
            if low + (high - low) * (draw.unit() as f32) < density(f64::from(x)) as f32 {
                return sign * x;
            }
            word = draw.bits() as u32;
        }
    }
}

/// Draws from beyond the widest layer.
fn tail(draw: &mut Draw) -> f32 {
    loop {
        let x = -(1.0 - draw.unit()).ln() / TAIL;
        let y = -(1.0 - draw.unit()).ln();
        if 2.0 * y > x * x {
            return (TAIL + x) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::Purpose;
    use super::*;

    #[test]
    fn moments_and_tails_are_those_of_the_normal_distribution() {
        let mut values = vec![0.0_f32; 1_000_000];
        Normal::new().fill(&mut values, &mut Draw::new(7, Purpose::Direction, 0));
        let mean = |power: i32| values.iter().map(|x| f64::from(*x).powi(power)).sum::<f64>() / 1e6;
        assert!(mean(1).abs() < 0.005 && (mean(2) - 1.0).abs() < 0.01, "{} {}", mean(1), mean(2));
        assert!(mean(3).abs() < 0.02 && (mean(4) - 3.0).abs() < 0.05, "{} {}", mean(3), mean(4));
        let beyond = |edge: f32| values.iter().filter(|x| x.abs() > edge).count() as f64 / 1e6;
        assert!((beyond(1.0) - 0.317_31).abs() < 0.003 && (beyond(3.5) - 0.000_465).abs() < 0.000_1);
    }
}
