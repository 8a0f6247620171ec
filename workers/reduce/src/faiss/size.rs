//! A factory string → the bytes that one row takes in its index: its code, its id and its edges.
//!
//! What is not known here counts as float32, so that a row is charged too much and never too little.

/// Edges of a row of an HNSW graph for each of its degree: 2 in the lowest layer, and in the mean of all rows less than one
/// in those above.
const EDGES_PER_DEGREE: usize = 3;

/// Where a row's edges begin, how many layers it is in, and its id in inverted lists or a map of ids.
const BOOKKEEPING_BYTES: usize = 24;

/// Returns the bytes of one row of `dim` dimensions.
pub(super) fn row_bytes(factory: &str, dim: usize) -> u64 {
    let (mut dim, mut code, mut edges) = (dim, 0, 0);
    for part in factory.split([',', '+', '(', ')']).filter(|part| !part.starts_with("IVF")) {
        if let Some(reduced) = reduced_dim(part) {
            dim = dim.min(reduced);
        }
        for part in part.split('_') {
            code += code_bytes(part, dim).unwrap_or(0);
            edges += graph_degree(part).map_or(0, |degree| EDGES_PER_DEGREE * degree * size_of::<i32>());
        }
    }
    let code = if code == 0 { dim * size_of::<f32>() } else { code };
    (code + edges + BOOKKEEPING_BYTES) as u64
}

/// The dimensions that a transform leaves: `PCA64`, `PCAR64`, `RR64`, `OPQ16_64`.
fn reduced_dim(part: &str) -> Option<usize> {
    let rest = match part.strip_prefix("OPQ") {
        Some(rest) => rest.split_once('_')?.1,
        None => part.strip_prefix("PCA").or_else(|| part.strip_prefix("RR"))?.trim_start_matches(['R', 'W']),
    };
    rest.parse().ok()
}

/// The bytes of a vector's code: `Flat`, `SQ8`, `SQfp16`, `PQ16`, `PQ16x4fs`; none for what is no code.
fn code_bytes(part: &str, dim: usize) -> Option<usize> {
    if let Some(quantizer) = part.strip_prefix("SQ") {
        let bits = match quantizer {
            "4" => 4,
            "6" => 6,
            "8" => 8,
            "fp16" | "bf16" => 16,
            _ => 32,
        };
        return Some((dim * bits).div_ceil(8));
    }
    if let Some(parts) = part.strip_prefix("PQ") {
        let (parts, bits) = parts.split_once('x').unwrap_or((parts, "8"));
        let bits = bits.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let code = parts.parse::<usize>().ok()?.checked_mul(bits.parse().ok()?)?.div_ceil(8);
        return Some(code);
    }
    part.ends_with("Flat").then_some(dim * size_of::<f32>())
}

/// The degree of a graph over the rows: `HNSW32`, 32 where none is named.
fn graph_degree(part: &str) -> Option<usize> {
    part.strip_prefix("HNSW").map(|degree| degree.parse().unwrap_or(32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_charged_by_its_code_its_edges_and_its_id() {
        for (factory, bytes) in [
            ("Flat", 1536),
            ("IVF400,SQfp16", 768),
            ("IDMap2,Flat", 1536),
            ("HNSW32", 1536 + 384),
            ("HNSW16,SQ8", 384 + 192),
            ("HNSW16_SQ8", 384 + 192),
            ("IVF65536_HNSW32,PQ48", 48),
            ("OPQ16_64,IVF4096,PQ16x4fs", 8),
            ("PCA64,IVF400,Flat", 256),
            ("IVF400,PQ16,RFlat", 16 + 1536),
            ("IVF400,Unheard", 1536),
        ] {
            assert_eq!(row_bytes(factory, 384), (bytes + BOOKKEEPING_BYTES) as u64, "{factory}");
        }
    }
}
