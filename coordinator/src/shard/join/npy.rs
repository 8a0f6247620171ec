//! An `.npy` file → rows of numbers.
//!
//! Invariant: as many rows as its header says, or an error. Read as numpy documents it (numpy.lib.format, versions 1.0 to
//! 3.0): C order, little-endian floats of 16, 32 or 64 bits, two dimensions.

use std::io::{ErrorKind, Read};

use half::f16;

/// The first bytes of such a file.
pub(in crate::shard) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Headers of arrays have some 120 bytes; a longer one is not read.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// The width of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Float {
    Half,
    Single,
    Double,
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shard) struct Header {
    float: Float,
    /// Rows of the array.
    pub(in crate::shard) num_rows: u64,
    /// Numbers a row.
    pub(in crate::shard) dim: usize,
}

impl Header {
    /// Reads the header from the beginning of a file.
    ///
    /// # Errors
    /// A sentence that says what was found and what was expected.
    pub(in crate::shard) fn read(file: &mut impl Read) -> Result<Self, String> {
        let mut start = [0; 8];
        fill(file, &mut start)?;
        if start[..6] != *MAGIC {
            return Err("is no .npy file".into());
        }
        let length = match start[6] {
            1 => {
                let mut length = [0; 2];
                fill(file, &mut length)?;
                usize::from(u16::from_le_bytes(length))
            }
            2 | 3 => {
                let mut length = [0; 4];
                fill(file, &mut length)?;
                u32::from_le_bytes(length) as usize
            }
            version => return Err(format!("is .npy of version {version}, expected 1, 2 or 3")),
        };
        if length > MAX_HEADER_BYTES {
            return Err(format!("has a header of {length} bytes, expected at most {MAX_HEADER_BYTES}"));
        }
        let mut header = vec![0; length];
        fill(file, &mut header)?;
        Self::parse(&String::from_utf8_lossy(&header))
    }

    fn parse(header: &str) -> Result<Self, String> {
        let damaged = || format!("has the header {:?}, expected descr, fortran_order and shape", header.trim());
        let value = |name: &str| Some(header.split_once(&format!("'{name}':"))?.1.trim_start());
        let kind = value("descr").ok_or_else(damaged)?.split([',', '}']).next().unwrap_or_default().trim();
        let float = match kind.trim_matches('\'') {
            "<f2" => Float::Half,
            "<f4" => Float::Single,
            "<f8" => Float::Double,
            _ => return Err(format!("has numbers of type {kind}, expected '<f2', '<f4' or '<f8'")),
        };
        if value("fortran_order").ok_or_else(damaged)?.starts_with("True") {
            return Err("is in Fortran order, expected C order; save it by numpy.ascontiguousarray".into());
        }
        let shape = value("shape").and_then(|shape| shape.strip_prefix('(')?.split_once(')')).ok_or_else(damaged)?.0;
        let lengths: Option<Vec<u64>> = shape
            .split(',')
            .map(str::trim)
            .filter(|length| !length.is_empty())
            .map(|length| length.parse().ok())
            .collect();
        match lengths.as_deref() {
            Some(&[num_rows, dim]) if dim > 0 && dim <= 1 << 20 => Ok(Self { float, num_rows, dim: dim as usize }),
            _ => Err(format!("has the shape ({shape}), expected (rows, dimensions)")),
        }
    }

    /// Returns the bytes of a row.
    #[must_use]
    pub(in crate::shard) const fn row_bytes(&self) -> usize {
        let width = match self.float {
            Float::Half => 2,
            Float::Single => 4,
            Float::Double => 8,
        };
        self.dim * width
    }

    /// Reads the next row into `row`; `bytes` is scratch space.
    ///
    /// # Errors
    /// A sentence, where the file ends before it should.
    pub(in crate::shard) fn read_row(
        &self,
        file: &mut impl Read,
        bytes: &mut Vec<u8>,
        row: &mut Vec<f64>,
    ) -> Result<(), String> {
        bytes.resize(self.row_bytes(), 0);
        fill(file, bytes)?;
        row.clear();
        match self.float {
            Float::Half => row.extend(bytes.as_chunks().0.iter().map(|half| f16::from_le_bytes(*half).to_f64())),
            Float::Single => {
                row.extend(bytes.as_chunks().0.iter().map(|single| f64::from(f32::from_le_bytes(*single))));
            }
            Float::Double => row.extend(bytes.as_chunks().0.iter().map(|double| f64::from_le_bytes(*double))),
        }
        Ok(())
    }
}

fn fill(file: &mut impl Read, buffer: &mut [u8]) -> Result<(), String> {
    file.read_exact(buffer).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => "breaks off before the last number that its header announces".to_owned(),
        _ => format!("cannot be read: {error}"),
    })
}

#[cfg(test)]
pub(in crate::shard) mod tests {
    use super::*;

    pub(in crate::shard) fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut file = MAGIC.to_vec();
        file.extend([1, 0]);
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn floats_of_every_width_are_read() {
        let doubles = [1.5f64, -2.0];
        let half: Vec<u8> = doubles.iter().flat_map(|x| f16::from_f64(*x).to_le_bytes()).collect();
        let single: Vec<u8> = doubles.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
        let double: Vec<u8> = doubles.iter().flat_map(|x| x.to_le_bytes()).collect();
        for (descr, data) in [("<f2", half), ("<f4", single), ("<f8", double)] {
            let file = npy(descr, "False", "(1, 2)", &data);
            let mut bytes = &file[..];
            let header = Header::read(&mut bytes).unwrap();
            let mut row = Vec::new();
            header.read_row(&mut bytes, &mut Vec::new(), &mut row).unwrap();
            assert_eq!((header.num_rows, row.as_slice(), bytes.len()), (1, &doubles[..], 0), "{descr}");
        }
    }

    #[test]
    fn longer_headers_of_later_versions_are_read() {
        let header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (7, 3)}";
        let file = [&MAGIC[..], &[3, 0], &(header.len() as u32).to_le_bytes(), header].concat();
        let read = Header::read(&mut &file[..]).unwrap();
        assert_eq!((read.num_rows, read.dim, read.row_bytes()), (7, 3, 12));
    }

    #[test]
    fn what_is_no_array_of_vectors_is_refused() {
        for (descr, fortran, shape, said) in [
            (">f4", "False", "(1, 2)", "type '>f4'"),
            ("<i4", "False", "(1, 2)", "type '<i4'"),
            ("<f4", "True", "(1, 2)", "Fortran order"),
            ("<f4", "False", "(2,)", "shape (2,)"),
            ("<f4", "False", "(1, 2, 3)", "shape (1, 2, 3)"),
            ("<f4", "False", "(5, 0)", "shape (5, 0)"),
            ("<f4", "False", "(-1, 2)", "shape (-1, 2)"),
        ] {
            let error = Header::read(&mut &npy(descr, fortran, shape, &[])[..]).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
        assert!(Header::read(&mut &b"\x93NUMP"[..]).is_err());
        assert!(Header::read(&mut &b"\x93NUMPY\x09\0"[..]).is_err());
    }
}
