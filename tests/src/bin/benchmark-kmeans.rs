//! `benchmark-kmeans`: a file of vectors → the centroids after each step of k-means and when they were there.
//!
//! Reads raw little-endian float32, row after row. Into the folder go the centroids in the same form, one file a step,
//! and to stdout a line for each: seconds since the start and the file's name; the last is the finished clustering.
//! The time to copy centroids is not counted; they are written at the end. `RAYON_NUM_THREADS` sets the threads.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use ndarray::{Array2, ArrayView2};
use strata_reduce::kmeans::{Params, fit_watched};

/// Clusters vectors and keeps the centroids after each step
#[derive(Parser)]
struct Arguments {
    /// Raw float32 values, little-endian, a row after the other
    #[arg(long, value_name = "FILE")]
    vectors: PathBuf,
    /// The length of a row
    #[arg(long)]
    dim: usize,
    #[arg(long)]
    clusters: usize,
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Where the centroids go
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// Centroids and when they were there.
struct Seen {
    elapsed: Duration,
    centroids: Array2<f32>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let vectors = read(&arguments.vectors, arguments.dim)?;
    let params = Params { clusters: arguments.clusters, seed: arguments.seed, ..Params::default() };
    let seen = cluster(vectors.view(), &params)?;
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("create {}", arguments.out.display()))?;
    for (step, seen) in seen.iter().enumerate() {
        let name = format!("centroids_{step:03}.f32");
        write(&arguments.out.join(&name), seen.centroids.view())?;
        writeln!(std::io::stdout(), "{:.4} {name}", seen.elapsed.as_secs_f64())?;
    }
    Ok(())
}

fn cluster(vectors: ArrayView2<'_, f32>, params: &Params) -> anyhow::Result<Vec<Seen>> {
    let (mut elapsed, mut since, mut seen) = (Duration::ZERO, Instant::now(), Vec::new());
    let fit = fit_watched(vectors, params, &mut |centroids| {
        elapsed += since.elapsed();
        seen.push(Seen { elapsed, centroids: centroids.to_owned() });
        since = Instant::now();
    })?;
    elapsed += since.elapsed();
    seen.push(Seen { elapsed, centroids: fit.centroids.vectors().to_owned() });
    Ok(seen)
}

fn read(path: &Path, dim: usize) -> anyhow::Result<Array2<f32>> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let (values, _) = bytes.as_chunks();
    let values: Vec<f32> = values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let rows = values.len() / dim.max(1);
    Array2::from_shape_vec((rows, dim), values).with_context(|| format!("{}: rows of {dim}", path.display()))
}

fn write(path: &Path, centroids: ArrayView2<'_, f32>) -> anyhow::Result<()> {
    let bytes: Vec<u8> = centroids.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}
