//! What a reduce cost → `measurements.json`: all that differs from run to run, and nothing else does.

use std::time::Instant;

use serde::Serialize;
use strata_shared::layout::FORMAT;

use crate::lonely::Certificate;

/// Clock ticks a second in `/proc/self/stat`; Linux has fixed it at 100 for user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// Times and memory of one reduce.
#[derive(Debug, Serialize)]
pub struct Measurements {
    format: u32,
    host: Host,
    stages: Vec<Stage>,
    peak_memory_bytes: Option<u64>,
    lonely: Option<LonelyCost>,
    #[serde(skip)]
    started: Instant,
}

#[derive(Debug, Serialize)]
struct Host {
    threads: usize,
    architecture: &'static str,
    cpu: Option<String>,
}

#[derive(Debug, Serialize)]
struct Stage {
    name: &'static str,
    seconds: f64,
    cpu_seconds: f64,
}

#[derive(Debug, Serialize)]
struct LonelyCost {
    distinct: usize,
    bounded_below: usize,
    fell_in_cluster: usize,
    unsearched: usize,
    searched: usize,
    fell_in_search: usize,
    exhausted: usize,
    scans: usize,
    operations: u64,
    brute_force_operations: u64,
}

impl Measurements {
    /// Starts the clock.
    #[must_use]
    pub fn start(threads: usize) -> Self {
        let host = Host { threads, architecture: std::env::consts::ARCH, cpu: cpu_model() };
        Self {
            format: FORMAT,
            host,
            stages: Vec::new(),
            peak_memory_bytes: None,
            lonely: None,
            started: Instant::now(),
        }
    }

    /// Measures one stage.
    ///
    /// # Errors
    /// Whatever the stage fails with.
    pub async fn stage<T, E>(&mut self, name: &'static str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        let done = work.await?;
        let (seconds, cpu_seconds) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        tracing::info!(stage = name, seconds = format!("{seconds:.1}"), "stage is done");
        self.stages.push(Stage { name, seconds, cpu_seconds });
        Ok(done)
    }

    /// Keeps what proves the lonely list.
    pub fn certificate(&mut self, certificate: &Certificate, dim: usize) {
        let rows = certificate.rows as u64;
        self.lonely = Some(LonelyCost {
            distinct: certificate.distinct,
            bounded_below: certificate.bounded_below,
            fell_in_cluster: certificate.fell_in_cluster,
            unsearched: certificate.unsearched(),
            searched: certificate.searched,
            fell_in_search: certificate.fell_in_search,
            exhausted: certificate.exhausted,
            scans: certificate.scans,
            operations: certificate.operations,
            brute_force_operations: 2 * rows * rows * dim as u64,
        });
    }

    /// Encodes the measurements as indented JSON, with the peak of resident memory so far.
    ///
    /// # Panics
    /// Never: numbers and strings always serialise.
    #[must_use]
    pub fn encode(mut self) -> Vec<u8> {
        self.peak_memory_bytes = peak_memory_bytes();
        let seconds = self.started.elapsed().as_secs_f64();
        self.stages.push(Stage { name: "all", seconds, cpu_seconds: cpu_seconds() });
        let mut json = serde_json::to_vec_pretty(&self).expect("numbers and strings always serialise");
        json.push(b'\n');
        json
    }
}

/// Processor time of this process so far, user and system.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in brackets; what follows has no more brackets.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

fn cpu_model() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split(':').nth(1)?.trim().to_owned())
}
