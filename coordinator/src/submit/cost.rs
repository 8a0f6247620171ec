//! A corpus and a rate → what a submission will take, in words. Pure.

use indicatif::HumanCount;

/// What is known of it beforehand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Documents without vectors.
    pub num_documents: u64,
    /// Shards of them.
    pub num_shards: u64,
    /// Pods for them.
    pub num_pods: u64,
    /// Pods that the template lets run at once.
    pub at_once: u64,
    /// Documents that a pod embeds in a second.
    pub documents_per_second: f64,
}

impl Cost {
    /// Returns the hours that the map takes where the cluster has room for all pods at once.
    #[must_use]
    pub fn hours(&self) -> f64 {
        let side_by_side = self.at_once.min(self.num_pods).max(1);
        // Pods come in rounds, and the last one takes as long as the others.
        let rounds = self.num_pods.div_ceil(side_by_side);
        let a_pod = self.num_documents as f64 / self.num_pods.max(1) as f64 / self.documents_per_second.max(1e-9);
        rounds as f64 * a_pod / 3600.0
    }

    /// Returns the hours of all map pods together.
    #[must_use]
    pub fn pod_hours(&self) -> f64 {
        self.num_documents as f64 / self.documents_per_second.max(1e-9) / 3600.0
    }

    /// Says it in a sentence.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.num_pods == 0 {
            return "every shard has its vectors: no map, then one reduce pod".into();
        }
        format!(
            "{} documents in {} shards to embed: {} map pods, at most {} at once, {:.1} hours in all and {:.1} pod hours at {} documents a second each; then one reduce pod",
            HumanCount(self.num_documents),
            HumanCount(self.num_shards),
            HumanCount(self.num_pods),
            self.at_once.min(self.num_pods),
            self.hours(),
            self.pod_hours(),
            self.documents_per_second,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_beyond_those_at_once_take_another_round() {
        let cost =
            Cost { num_documents: 360_000, num_shards: 36, num_pods: 36, at_once: 12, documents_per_second: 10.0 };
        assert!((cost.hours() - 3.0 * 1000.0 / 3600.0).abs() < 1e-9);
        assert!((cost.pod_hours() - 10.0).abs() < 1e-9);
        assert!(cost.describe().contains("36 map pods, at most 12 at once, 0.8 hours"), "{}", cost.describe());
        assert!(Cost { num_pods: 0, ..cost }.describe().contains("no map"));
    }
}
