//! A key → what the object under it is, for whoever looks at a store as a whole.
//!
//! Invariant: `parse(key(x)) == x`, and a key that no program of strata gives is `None`, so that objects of others in the same
//! folders are never taken for strata's.

use object_store::path::Path;
use serde::Serialize;

use super::{ModelName, RunName, run_file};
use crate::digest::is_sha256_hex;

/// What an object of a store is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// The copy of the newest generation's manifest.
    Manifest,
    /// The copy of the newest generation's refusals.
    Rejected,
    /// The manifest of the generation of this number.
    Generation(u64),
    /// The superseded rows of the generation of this number.
    Superseded(u64),
    /// The refusals of the generation of this number.
    RejectedOf(u64),
    /// The raw shard of this number.
    RawShard(usize),
    /// The vectors by a model of the raw shard of this number.
    VectorShard(ModelName, usize),
    /// A list of shards for map-workers of a model, by its digest.
    WorkList(ModelName, String),
    /// An object of a run: one of [`run_file::ALL`].
    InRun(RunName, &'static str),
    /// The labels in a run of the raw shard of this number.
    Labels(RunName, usize),
    /// The name of the newest finished run.
    Latest,
    /// The lease's object of this number.
    Lease(u64),
}

/// The kinds into which objects are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Manifests of generations, and the copy of the newest.
    Generations,
    /// Lists of superseded rows.
    Superseded,
    /// Lists of refused lines.
    Rejections,
    /// Raw shards.
    Raw,
    /// Vector shards.
    Vectors,
    /// Objects of runs, and the name of the newest.
    Runs,
    /// Lists of shards for map-workers.
    WorkLists,
    /// Objects of the lease.
    Leases,
    /// Parts of objects that became none.
    Staged,
}

impl Kind {
    /// Returns the words for it, in the plural.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generations => "generations",
            Self::Superseded => "lists of superseded rows",
            Self::Rejections => "lists of refused lines",
            Self::Raw => "raw shards",
            Self::Vectors => "vector shards",
            Self::Runs => "objects of runs",
            Self::WorkLists => "work lists",
            Self::Leases => "lease",
            Self::Staged => "unfinished writes",
        }
    }
}

impl Object {
    /// Reads what an object is out of its key; `None` for what is not strata's.
    #[must_use]
    pub fn parse(key: &Path) -> Option<Self> {
        let parts: Vec<&str> = key.as_ref().split('/').collect();
        let found = match parts.as_slice() {
            ["raw", "manifest.json"] => Self::Manifest,
            ["raw", "rejected.jsonl"] => Self::Rejected,
            ["raw", "generations", file] => Self::of_generation(file)?,
            ["raw", _] => Self::RawShard(super::shard_number(key)?),
            ["vectors", model, _] => Self::VectorShard(ModelName::new(model).ok()?, super::shard_number(key)?),
            ["work", model, file] => {
                let digest = file.strip_suffix(".json").filter(|digest| is_sha256_hex(digest))?;
                Self::WorkList(ModelName::new(model).ok()?, digest.to_owned())
            }
            ["runs", run, "labels", _] => Self::Labels(RunName::new(run).ok()?, super::shard_number(key)?),
            ["runs", run, file] => {
                let known = run_file::ALL.into_iter().find(|known| known == file)?;
                Self::InRun(RunName::new(run).ok()?, known)
            }
            ["latest.json"] => Self::Latest,
            ["lease", _] => Self::Lease(super::lease_number(key)?),
            _ => return None,
        };
        (found.key() == *key).then_some(found)
    }

    fn of_generation(file: &str) -> Option<Self> {
        let (digits, kind) = file.split_once('.')?;
        let number = digits.parse().ok()?;
        match kind {
            "json" => Some(Self::Generation(number)),
            "superseded.parquet" => Some(Self::Superseded(number)),
            "rejected.jsonl" => Some(Self::RejectedOf(number)),
            _ => None,
        }
    }

    /// Returns where the object is.
    #[must_use]
    pub fn key(&self) -> Path {
        match self {
            Self::Manifest => super::manifest(),
            Self::Rejected => super::rejected(),
            Self::Generation(number) => super::generation(*number),
            Self::Superseded(number) => super::superseded(*number),
            Self::RejectedOf(number) => super::rejected_of(*number),
            Self::RawShard(number) => super::raw_shard(*number),
            Self::VectorShard(model, number) => super::vector_shard(model, *number),
            Self::WorkList(model, digest) => super::work_list(model, digest),
            Self::InRun(run, file) => super::in_run(run, file),
            Self::Labels(run, number) => super::labels(run, *number),
            Self::Latest => super::latest(),
            Self::Lease(number) => super::lease(*number),
        }
    }

    /// Returns the kind among which it is counted.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Manifest | Self::Generation(_) => Kind::Generations,
            Self::Superseded(_) => Kind::Superseded,
            Self::Rejected | Self::RejectedOf(_) => Kind::Rejections,
            Self::RawShard(_) => Kind::Raw,
            Self::VectorShard(..) => Kind::Vectors,
            Self::WorkList(..) => Kind::WorkLists,
            Self::InRun(..) | Self::Labels(..) | Self::Latest => Kind::Runs,
            Self::Lease(_) => Kind::Leases,
        }
    }

    /// Returns the run in whose folder it is.
    #[must_use]
    pub const fn run(&self) -> Option<&RunName> {
        match self {
            Self::InRun(run, _) | Self::Labels(run, _) => Some(run),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn objects() -> impl Strategy<Value = Object> {
        let name = "[A-Za-z0-9][A-Za-z0-9._-]{0,20}";
        let run = move || name.prop_map(|name| RunName::new(&name).unwrap());
        let model = move || name.prop_map(|name| ModelName::new(&name).unwrap());
        prop_oneof![
            Just(Object::Manifest),
            Just(Object::Rejected),
            Just(Object::Latest),
            any::<u64>().prop_map(Object::Generation),
            any::<u64>().prop_map(Object::Superseded),
            any::<u64>().prop_map(Object::RejectedOf),
            any::<u64>().prop_map(Object::Lease),
            (0usize..10_000_000).prop_map(Object::RawShard),
            (model(), 0usize..10_000_000).prop_map(|(model, number)| Object::VectorShard(model, number)),
            (model(), "[0-9a-f]{64}").prop_map(|(model, digest)| Object::WorkList(model, digest)),
            (run(), prop::sample::select(&run_file::ALL[..])).prop_map(|(run, file)| Object::InRun(run, file)),
            (run(), 0usize..10_000_000).prop_map(|(run, number)| Object::Labels(run, number)),
        ]
    }

    proptest! {
        #[test]
        fn every_key_parses_back_to_its_object(object in objects()) {
            prop_assert_eq!(Object::parse(&object.key()), Some(object));
        }

        #[test]
        fn no_key_looks_like_a_part_of_an_object_that_was_not_finished(object in objects()) {
            prop_assert!(!object.key().as_ref().contains('#'));
        }

        #[test]
        fn whatever_parses_is_the_key_of_what_it_was_taken_for(
            key in "(raw|vectors|runs|work|lease)(/[a-z0-9_.]{1,12}){1,3}",
        ) {
            let key = Path::from(key);
            if let Some(object) = Object::parse(&key) {
                prop_assert_eq!(object.key(), key);
            }
        }
    }

    #[test]
    fn keys_of_others_are_not_taken_for_strata_s() {
        let others = [
            "readme.txt",
            "raw/notes.md",
            "raw/shard_1.parquet",
            "raw/shard_00001.parquet.bak",
            "raw/generations/1.json",
            "raw/generations/00000001.json.bak",
            "raw/generations/old/00000001.json",
            "vectors/shard_00001.parquet",
            "vectors/m/notes.txt",
            "vectors/m/n/shard_00001.parquet",
            "work/m/list.json",
            "runs/a/notebook.ipynb",
            "runs/a/labels/notes.txt",
            "runs/a/plots/shard_00001.parquet",
            "runs/run.json",
            "lease/note.json",
            "backup/latest.json",
        ];
        for key in others {
            assert_eq!(Object::parse(&Path::from(key)), None, "{key}");
        }
    }
}
