//! How tasks share a work list.

use object_store::path::Path;
use proptest::prelude::*;
use strata_shared::exit::{Classify, Exit};
use strata_shared::manifest::Manifest;
use strata_shared::store::Store;

use super::corpus::corpus;
use crate::work::{self, Share, WorkError};

proptest! {
    #[test]
    fn tasks_share_a_list_without_overlap(num_entries in 0usize..100, task_count in 1usize..12) {
        let entries: Vec<usize> = (0..num_entries).collect();
        let mut shared: Vec<usize> =
            (0..task_count).flat_map(|task_index| Share { task_index, task_count }.of(entries.clone())).collect();
        shared.sort_unstable();
        prop_assert_eq!(shared, entries);
    }
}

#[test]
fn task_one_of_three_takes_every_third_entry_from_the_second() {
    assert_eq!(Share { task_index: 1, task_count: 3 }.of(vec![10, 11, 12, 13, 14, 15, 16, 17]), [11, 14, 17]);
}

async fn assigned(list: &str) -> Result<Vec<usize>, WorkError> {
    let store: Store = corpus(&[&["fossil"], &["layer"], &["stone"]]).await;
    let key = Path::from("work/list.json");
    if !list.is_empty() {
        store.put(&key, list.to_owned()).await.unwrap();
    }
    let (manifest, _) = Manifest::read(&store).await.unwrap();
    let share = Share { task_index: 0, task_count: 1 };
    let shards = work::assigned(&store, &manifest, Some(&key), share).await?;
    Ok(shards.into_iter().map(|shard| shard.number).collect())
}

#[tokio::test]
async fn a_work_list_names_the_shards_in_its_own_order() {
    assert_eq!(assigned(r#"{"format": 1, "shards": [2, 0]}"#).await.unwrap(), [2, 0]);
}

#[tokio::test]
async fn a_work_list_at_fault_is_named() {
    for (list, exit, said) in [
        ("", Exit::Retry, "is missing"),
        ("[1, 2]", Exit::Configuration, "is not a work list"),
        (r#"{"format": 3, "shards": []}"#, Exit::Configuration, "has format 3, expected one up to 2"),
        (r#"{"format": 1, "shards": [0, 3]}"#, Exit::Retry, "names shard 3, which the newest generation does not list"),
    ] {
        let error = assigned(list).await.unwrap_err();
        assert_eq!(error.exit(), exit);
        assert!(error.to_string().contains("work/list.json") && error.to_string().contains(said), "{error}");
    }
}
