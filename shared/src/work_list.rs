//! The shards that several map-workers share ↔ `work/MODEL/DIGEST.json`, where some shards are done already.
//!
//! Invariant: the key is made of the content's digest, so that an object under it never changes. A list is there while
//! workers run; one that a killed run leaves is removed by the next run that embeds with the model.

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::digest;
use crate::layout::{self, FORMAT, ModelName};

/// The shards that tasks share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkList {
    /// The version of this format.
    pub format: u32,
    /// The numbers of the shards.
    pub shards: Vec<usize>,
}

impl WorkList {
    /// Lists the shards of these numbers.
    #[must_use]
    pub const fn new(shards: Vec<usize>) -> Self {
        Self { format: FORMAT, shards }
    }

    /// Encodes the list, and returns the key that its content has among the lists of `model` with it.
    ///
    /// # Panics
    /// Never: numbers always serialise.
    #[must_use]
    pub fn encode(&self, model: &ModelName) -> (Path, Vec<u8>) {
        let mut json = serde_json::to_vec(self).expect("numbers always serialise");
        json.push(b'\n');
        (layout::work_list(model, &digest::sha256_hex(&json)), json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_kept_under_its_own_digest() {
        let model = ModelName::new("all-MiniLM-L6-v2-0123456789ab").unwrap();
        let list = WorkList::new(vec![1, 4, 12]);
        let (key, json) = list.encode(&model);
        assert_eq!(String::from_utf8_lossy(&json), "{\"format\":2,\"shards\":[1,4,12]}\n");
        let digest = digest::sha256_hex(&json);
        assert_eq!(key.as_ref(), format!("work/all-MiniLM-L6-v2-0123456789ab/{digest}.json"));
        assert!(key.prefix_matches(&layout::work_lists(&model)));
        assert_eq!(serde_json::from_slice::<WorkList>(&json).unwrap(), list);
    }
}
