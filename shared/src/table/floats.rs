//! A column of float32 lists, stored plain and uncompressed → its values as the file's own bytes.
//!
//! The general reader decodes two levels for each value and copies three times; vectors are written so that none of that
//! is needed. Whatever is stored in another way is left to the general reader.
//!
//! Invariant: what is returned is every value of the column, none of them null, in order, as little-endian float32.

use std::io::Read;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::basic::{Compression, Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::Source;

/// Reads the values of the leaf column `leaf`, page by page; `None` where it is stored in another way.
pub(super) async fn read(source: &Source, footer: &ParquetMetaData, leaf: usize) -> Result<Option<Vec<Bytes>>> {
    let mut values = Vec::new();
    for group in footer.row_groups() {
        let column = group.column(leaf);
        if column.compression() != Compression::UNCOMPRESSED || column.column_type() != Type::FLOAT {
            return Ok(None);
        }
        let (start, length) = column.byte_range();
        let range = start..start + length;
        let bytes = source.objects.get_range(&source.key, range).await.map_err(super::external)?;
        let chunk = Chunk { start, bytes, key: source.key.clone() };
        match pages(chunk, column, group.num_rows() as usize)? {
            Some(pages) => values.extend(pages),
            None => return Ok(None),
        }
    }
    Ok(Some(values))
}

/// The values of each page of one column chunk.
fn pages(chunk: Chunk, column: &ColumnChunkMetaData, num_rows: usize) -> Result<Option<Vec<Bytes>>> {
    let mut values = Vec::new();
    let mut pages = SerializedPageReader::new(Arc::new(chunk), column, num_rows, None)?;
    while let Some(page) = pages.get_next_page()? {
        match plain_values(page) {
            Some(page) => values.push(page),
            None => return Ok(None),
        }
    }
    Ok(Some(values))
}

/// The values of a page without its levels, if they are plain and none is missing.
fn plain_values(page: Page) -> Option<Bytes> {
    let (values, num_values) = match page {
        Page::DataPage { buf, num_values, encoding: Encoding::PLAIN, .. } => {
            (after_levels(after_levels(buf)?)?, num_values)
        }
        Page::DataPageV2 {
            mut buf,
            num_values,
            encoding: Encoding::PLAIN,
            num_nulls: 0,
            def_levels_byte_len,
            rep_levels_byte_len,
            ..
        } => {
            let levels = (def_levels_byte_len + rep_levels_byte_len) as usize;
            (buf.len() >= levels).then(|| buf.split_off(levels)).map(|values| (values, num_values))?
        }
        _ => return None,
    };
    (values.len() == num_values as usize * size_of::<f32>()).then_some(values)
}

/// What follows the levels that the bytes begin with.
fn after_levels(mut bytes: Bytes) -> Option<Bytes> {
    let length = bytes.try_get_u32_le().ok()? as usize;
    (length <= bytes.len()).then(|| bytes.split_off(length))
}

/// One column chunk, addressed by its place in the file.
struct Chunk {
    start: u64,
    bytes: Bytes,
    key: Path,
}

impl Chunk {
    fn from(&self, start: u64) -> Result<Bytes> {
        let at = start.checked_sub(self.start).filter(|at| *at <= self.bytes.len() as u64);
        at.map(|at| self.bytes.slice(at as usize..)).ok_or_else(|| self.outside())
    }

    fn outside(&self) -> ParquetError {
        ParquetError::EOF(format!("{}: a page lies outside of its column", self.key))
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Chunk {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(Box::new(self.from(start)?.reader()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = self.from(start)?;
        if length <= bytes.len() { Ok(bytes.slice(..length)) } else { Err(self.outside()) }
    }
}
