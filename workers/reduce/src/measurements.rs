//! What a reduce cost → `measurements.json`: all that differs from run to run, and nothing else does.

use std::time::Instant;

use strata_shared::layout::FORMAT;
use strata_shared::measurements::{Host, LonelyCost, LonelyStage, Measurements, Stage as MeasuredStage};

use crate::lonely::{Certificate, Stage};
use crate::meter::{Meter, Work};

/// Clock ticks a second in `/proc/self/stat`; Linux has fixed it at 100 for user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// The clock and the counts of a reduce under way.
#[derive(Debug)]
pub struct Stopwatch {
    measured: Measurements,
    started: Instant,
    meter: Meter,
}

impl Stopwatch {
    /// Starts the clock; `peak` is the machine's, in operations a second, and `meter` counts what is done.
    #[must_use]
    pub fn start(threads: usize, peak: f64, meter: Meter) -> Self {
        let architecture = std::env::consts::ARCH.to_owned();
        let host = Host { threads, architecture, cpu: cpu_model(), peak_operations_per_second: peak };
        let measured = Measurements { format: FORMAT, host, stages: Vec::new(), peak_memory_bytes: None, lonely: None };
        Self { measured, started: Instant::now(), meter }
    }

    /// Measures one stage, which goes through `rows` documents.
    ///
    /// # Errors
    /// Whatever the stage fails with.
    pub async fn stage<T, E>(
        &mut self,
        name: &'static str,
        rows: usize,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let (wall, cpu, before) = (Instant::now(), cpu_seconds(), self.meter.work());
        let done = work.await?;
        let (seconds, cpu_seconds) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        strata_shared::metrics::seconds(name, wall.elapsed());
        tracing::info!(stage = name, seconds = format!("{seconds:.1}"), "stage is done");
        let stage = self.stage_of(name, rows, seconds, cpu_seconds, self.meter.work().since(before));
        self.measured.stages.push(stage);
        Ok(done)
    }

    fn stage_of(&self, name: &str, rows: usize, seconds: f64, cpu_seconds: f64, work: Work) -> MeasuredStage {
        let peak = self.measured.host.peak_operations_per_second;
        let of_peak =
            |operations: u64, seconds: f64| if seconds > 0.0 { operations as f64 / (peak * seconds) } else { 0.0 };
        // Threads share the peak, so that seconds of a processor are worth that part of it.
        let timed = work.timed_nanoseconds as f64 / 1e9 / self.measured.host.threads as f64;
        MeasuredStage {
            name: name.to_owned(),
            seconds,
            cpu_seconds,
            rows: rows as u64,
            bytes_read: work.bytes_read,
            bytes_written: work.bytes_written,
            operations: work.operations,
            share_of_peak: of_peak(work.operations, seconds),
            share_of_peak_in_assignment: (timed > 0.0).then(|| of_peak(work.timed_operations, timed)),
            peak_memory_bytes: peak_memory_bytes(),
        }
    }

    /// Keeps what proves the lonely list.
    pub fn certificate(&mut self, certificate: &Certificate) {
        let names = ["bounds", "seeds", "own cluster", "near clusters", "far clusters", "crowds"];
        let stage = |(name, stage): (&str, Stage)| LonelyStage {
            name: name.to_owned(),
            entered: stage.entered,
            fell: stage.fell,
            pairs: stage.pairs,
        };
        self.measured.lonely = Some(LonelyCost {
            distinct: certificate.distinct,
            stages: names.into_iter().zip(certificate.stages()).map(stage).collect(),
            exhausted: certificate.exhausted,
            finalists: certificate.finalists,
            store_scans: certificate.store_scans,
            margin: certificate.margin,
            first_cutoff: certificate.first_cutoff,
            cutoff: certificate.cutoff,
            operations: certificate.operations(),
            brute_force_operations: certificate.brute_force_operations(),
        });
    }

    /// Encodes the measurements, with the peak of resident memory so far.
    #[must_use]
    pub fn encode(mut self) -> Vec<u8> {
        self.measured.peak_memory_bytes = peak_memory_bytes();
        let rows = self.measured.stages.iter().map(|stage| stage.rows).max().unwrap_or(0) as usize;
        let all = self.stage_of("all", rows, self.started.elapsed().as_secs_f64(), cpu_seconds(), self.meter.work());
        self.measured.stages.push(all);
        self.measured.encode()
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
