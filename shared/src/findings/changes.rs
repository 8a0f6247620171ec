//! What changed since a run's predecessor ↔ `changes.parquet`: a row a change, columns that do not apply left null.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Float64Array, Int64Array, PrimitiveArray, RecordBatch, StringArray,
};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Float32Type, Float64Type, Int64Type, Schema, SchemaRef};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::{Status, encode as encode_columns};
use crate::store::Store;
use crate::table::{TableError, TableReader};

/// What kind of thing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Documents that the predecessor did not have.
    DocumentsIn,
    /// Documents that only the predecessor had.
    DocumentsOut,
    /// A topic that no former one continues in.
    Born,
    /// A topic that was part of a former one.
    Split,
    /// A former topic most of whose documents are in another one.
    Merged,
    /// A former topic that is no more.
    Died,
    /// A topic that goes by another name than before.
    Renamed,
    /// A topic that is extinct and was not.
    NowExtinct,
    /// A topic that is fading and was not; it may have been extinct.
    NowFading,
    /// A topic that was fading or extinct and is neither.
    NoLongerFading,
    /// A topic that is emerging or rising and was neither.
    NowEmerging,
    /// A topic that was emerging or rising and is neither.
    NoLongerEmerging,
    /// A document on the list of the lonely that was not, and that has not only moved up.
    NewLoner,
    /// A document that was on the list, and whose neighbour is nearer now than that of everyone who is on it.
    FoundCompany,
}

impl ChangeKind {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 14] = [
        Self::DocumentsIn,
        Self::DocumentsOut,
        Self::Born,
        Self::Split,
        Self::Merged,
        Self::Died,
        Self::Renamed,
        Self::NowExtinct,
        Self::NowFading,
        Self::NoLongerFading,
        Self::NowEmerging,
        Self::NoLongerEmerging,
        Self::NewLoner,
        Self::FoundCompany,
    ];

    /// Returns the word that tables use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DocumentsIn => "documents_in",
            Self::DocumentsOut => "documents_out",
            Self::Born => "born",
            Self::Split => "split",
            Self::Merged => "merged",
            Self::Died => "died",
            Self::Renamed => "renamed",
            Self::NowExtinct => "now_extinct",
            Self::NowFading => "now_fading",
            Self::NoLongerFading => "no_longer_fading",
            Self::NowEmerging => "now_emerging",
            Self::NoLongerEmerging => "no_longer_emerging",
            Self::NewLoner => "new_loner",
            Self::FoundCompany => "found_company",
        }
    }

    /// Tells whether it is a number of documents.
    #[must_use]
    pub const fn is_sum(self) -> bool {
        matches!(self, Self::DocumentsIn | Self::DocumentsOut)
    }

    /// Tells whether it is about a topic's coming or going.
    #[must_use]
    pub const fn is_event(self) -> bool {
        matches!(self, Self::Born | Self::Split | Self::Merged | Self::Died)
    }
}

impl FromStr for ChangeKind {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == word);
        found.ok_or_else(|| format!("kind is {word:?}, expected one that this program knows, such as \"born\""))
    }
}

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What kind of thing.
    pub kind: ChangeKind,
    /// The topic that it is about.
    pub topic_id: Option<i64>,
    /// Its name.
    pub name: Option<String>,
    /// The topic that it was split from, or is merged into.
    pub other_topic_id: Option<i64>,
    /// That topic's name; of a topic that was renamed, its own former one.
    pub other_name: Option<String>,
    /// Documents: that came or went, that the topic has or had, or that it shares with the other one.
    pub documents: Option<i64>,
    /// Those shared over all that the topic that was split or merged had and that are still there.
    pub share: Option<f64>,
    /// What has become of the topic's share.
    pub status: Option<Status>,
    /// The same in the predecessor.
    pub former_status: Option<Status>,
    /// The topic's fade.
    pub fade: Option<f64>,
    /// The lower end of its 95 % interval.
    pub fade_low: Option<f64>,
    /// The upper end of its 95 % interval.
    pub fade_high: Option<f64>,
    /// The topic's fade in the predecessor.
    pub former_fade: Option<f64>,
    /// The lower end of its 95 % interval.
    pub former_fade_low: Option<f64>,
    /// The upper end of its 95 % interval.
    pub former_fade_high: Option<f64>,
    /// The document that it is about.
    pub document_id: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The cosine to its k-th nearest other document; of one that is no longer on the list, that of the last one on it, which is
    /// less.
    pub similarity: Option<f32>,
    /// The same in the predecessor; `None` where the document was not on its list.
    pub former_similarity: Option<f32>,
}

impl Change {
    /// Returns a change of which nothing is known but its kind.
    #[must_use]
    pub const fn new(kind: ChangeKind) -> Self {
        Self {
            kind,
            topic_id: None,
            name: None,
            other_topic_id: None,
            other_name: None,
            documents: None,
            share: None,
            status: None,
            former_status: None,
            fade: None,
            fade_low: None,
            fade_high: None,
            former_fade: None,
            former_fade_low: None,
            former_fade_high: None,
            document_id: None,
            title: None,
            similarity: None,
            former_similarity: None,
        }
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("kind", DataType::Utf8, false),
        Field::new("topic_id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("other_topic_id", DataType::Int64, true),
        Field::new("other_name", DataType::Utf8, true),
        Field::new("documents", DataType::Int64, true),
        Field::new("share", DataType::Float64, true),
        Field::new("status", DataType::Utf8, true),
        Field::new("former_status", DataType::Utf8, true),
        Field::new("fade", DataType::Float64, true),
        Field::new("fade_low", DataType::Float64, true),
        Field::new("fade_high", DataType::Float64, true),
        Field::new("former_fade", DataType::Float64, true),
        Field::new("former_fade_low", DataType::Float64, true),
        Field::new("former_fade_high", DataType::Float64, true),
        Field::new("document_id", DataType::Utf8, true),
        Field::new("title", DataType::Utf8, true),
        Field::new("similarity", DataType::Float32, true),
        Field::new("former_similarity", DataType::Float32, true),
    ]))
}

pub(super) fn encode(changes: &[Change]) -> Result<Vec<u8>, TableError> {
    let text =
        |of: fn(&Change) -> Option<&str>| -> ArrayRef { Arc::new(changes.iter().map(of).collect::<StringArray>()) };
    let counts =
        |of: fn(&Change) -> Option<i64>| -> ArrayRef { Arc::new(changes.iter().map(of).collect::<Int64Array>()) };
    let floats =
        |of: fn(&Change) -> Option<f64>| -> ArrayRef { Arc::new(changes.iter().map(of).collect::<Float64Array>()) };
    let similarities =
        |of: fn(&Change) -> Option<f32>| -> ArrayRef { Arc::new(changes.iter().map(of).collect::<Float32Array>()) };
    let columns: Vec<ArrayRef> = vec![
        text(|change| Some(change.kind.as_str())),
        counts(|change| change.topic_id),
        text(|change| change.name.as_deref()),
        counts(|change| change.other_topic_id),
        text(|change| change.other_name.as_deref()),
        counts(|change| change.documents),
        floats(|change| change.share),
        text(|change| change.status.map(Status::as_str)),
        text(|change| change.former_status.map(Status::as_str)),
        floats(|change| change.fade),
        floats(|change| change.fade_low),
        floats(|change| change.fade_high),
        floats(|change| change.former_fade),
        floats(|change| change.former_fade_low),
        floats(|change| change.former_fade_high),
        text(|change| change.document_id.as_deref()),
        text(|change| change.title.as_deref()),
        similarities(|change| change.similarity),
        similarities(|change| change.former_similarity),
    ];
    encode_columns(&schema(), columns)
}

pub(super) async fn read(store: &Store, key: &Path) -> Result<Vec<Change>, TableError> {
    let reader = TableReader::open(store, key).await?;
    let batch = reader.read(store, &schema()).await?;
    let content = |reason| TableError::Content { key: key.clone(), reason };
    (0..batch.num_rows()).map(|row| change(&batch, row).map_err(content)).collect()
}

fn value<T: ArrowPrimitiveType>(batch: &RecordBatch, column: usize, row: usize) -> Option<T::Native> {
    let values: &PrimitiveArray<T> = batch.column(column).as_primitive();
    values.is_valid(row).then(|| values.value(row))
}

fn change(batch: &RecordBatch, row: usize) -> Result<Change, String> {
    let text = |column: usize| {
        let values = batch.column(column).as_string::<i32>();
        values.is_valid(row).then(|| values.value(row).to_owned())
    };
    let status = |column: usize| text(column).map(|word| word.parse()).transpose();
    let count = |column: usize| value::<Int64Type>(batch, column, row);
    let float = |column: usize| value::<Float64Type>(batch, column, row);
    let similarity = |column: usize| value::<Float32Type>(batch, column, row);
    Ok(Change {
        kind: text(0).unwrap_or_default().parse()?,
        topic_id: count(1),
        name: text(2),
        other_topic_id: count(3),
        other_name: text(4),
        documents: count(5),
        share: float(6),
        status: status(7)?,
        former_status: status(8)?,
        fade: float(9),
        fade_low: float(10),
        fade_high: float(11),
        former_fade: float(12),
        former_fade_low: float(13),
        former_fade_high: float(14),
        document_id: text(15),
        title: text(16),
        similarity: similarity(17),
        former_similarity: similarity(18),
    })
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn every_kind_of_change_is_read_as_it_was_written() {
        let store = Store::new("memory", Arc::new(InMemory::new()));
        let full = Change {
            topic_id: Some(7),
            name: Some("petri nets".into()),
            other_topic_id: Some(3),
            other_name: Some("manufacturing".into()),
            documents: Some(12),
            share: Some(0.25),
            status: Some(Status::Fading),
            former_status: Some(Status::Steady),
            fade: Some(0.25),
            former_fade_high: Some(0.75),
            document_id: Some("a/1".into()),
            similarity: Some(0.5),
            ..Change::new(ChangeKind::Split)
        };
        let changes: Vec<Change> = ChangeKind::ALL.into_iter().map(Change::new).chain([full]).collect();
        let key = Path::from("changes.parquet");
        store.put(&key, encode(&changes).unwrap()).await.unwrap();
        assert_eq!(read(&store, &key).await.unwrap(), changes);
    }
}
