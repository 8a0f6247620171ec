//! Work as it is done → counts of bytes and operations that every part of a reduce adds to.
//!
//! Counts are for [`crate::measurements`] alone; nothing is decided by them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ndarray::Array2;
use rustix::time::{ClockId, clock_gettime};

use crate::matrix::product_transposed_into;

/// The side of the square products by which the machine's peak is found: 12 MiB for each thread's three.
const PEAK_SIDE: usize = 1024;

/// How long the peak is looked for.
const PEAK_TIME: Duration = Duration::from_millis(120);

/// What has been read, written and computed so far; copies share their counts.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    operations: AtomicU64,
    timed_operations: AtomicU64,
    timed_nanoseconds: AtomicU64,
}

/// The counts of one moment, or between two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Bytes of objects read from the store, as stored.
    pub bytes_read: u64,
    /// Bytes of objects written to it.
    pub bytes_written: u64,
    /// Multiplications and additions of matrix products.
    pub operations: u64,
    /// Those of them that were timed.
    pub timed_operations: u64,
    /// Their processor time in nanoseconds, all threads together.
    pub timed_nanoseconds: u64,
}

impl Work {
    /// Returns what was done since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            bytes_read: self.bytes_read - earlier.bytes_read,
            bytes_written: self.bytes_written - earlier.bytes_written,
            operations: self.operations - earlier.operations,
            timed_operations: self.timed_operations - earlier.timed_operations,
            timed_nanoseconds: self.timed_nanoseconds - earlier.timed_nanoseconds,
        }
    }
}

impl Meter {
    /// Counts bytes read from the store.
    pub fn read(&self, bytes: u64) {
        self.0.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes written to the store.
    pub fn wrote(&self, bytes: u64) {
        self.0.bytes_written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts multiplications and additions.
    pub fn computed(&self, operations: u64) {
        self.0.operations.fetch_add(operations, Ordering::Relaxed);
    }

    /// Does some matrix products on this thread, `operations` in all, and counts them and their processor time.
    pub fn products<T>(&self, operations: u64, work: impl FnOnce() -> T) -> T {
        let before = thread_nanoseconds();
        let done = work();
        self.0.timed_nanoseconds.fetch_add(thread_nanoseconds() - before, Ordering::Relaxed);
        self.0.timed_operations.fetch_add(operations, Ordering::Relaxed);
        self.computed(operations);
        done
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn work(&self) -> Work {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Work {
            bytes_read: of(&self.0.bytes_read),
            bytes_written: of(&self.0.bytes_written),
            operations: of(&self.0.operations),
            timed_operations: of(&self.0.timed_operations),
            timed_nanoseconds: of(&self.0.timed_nanoseconds),
        }
    }
}

/// Processor time of the calling thread.
fn thread_nanoseconds() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Returns the multiplications and additions a second that all threads of the current rayon pool reach together in large
/// float32 products; reckoned by processor time, so that other programs do not count.
#[must_use]
pub fn peak_operations() -> f64 {
    let rates: Vec<f64> = rayon::broadcast(|_| {
        let (a, b) = (Array2::<f32>::ones((PEAK_SIDE, PEAK_SIDE)), Array2::<f32>::ones((PEAK_SIDE, PEAK_SIDE)));
        let mut out = Array2::zeros((PEAK_SIDE, PEAK_SIDE));
        let (started, before, mut rounds) = (Instant::now(), thread_nanoseconds(), 0.0);
        while started.elapsed() < PEAK_TIME {
            product_transposed_into(a.view(), b.view(), out.view_mut());
            rounds += 1.0;
        }
        rounds * 1e9 / (thread_nanoseconds() - before).max(1) as f64
    });
    2.0 * (PEAK_SIDE as f64).powi(3) * rates.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_a_meter_count_together() {
        let meter = Meter::default();
        let earlier = meter.work();
        meter.clone().read(3);
        meter.wrote(4);
        assert_eq!(meter.clone().products(5, || 6), 6);
        let work = meter.work().since(earlier);
        assert_eq!((work.bytes_read, work.bytes_written, work.operations), (3, 4, 5));
    }

    #[test]
    fn the_peak_is_a_speed() {
        assert!(peak_operations() > 1e8);
    }
}
