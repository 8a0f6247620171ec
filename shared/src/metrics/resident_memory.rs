//! The memory of this process, looked up whenever somebody asks.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

/// Resident memory as the kernel counts it; nothing is told where it does not say.
#[derive(Debug)]
pub(super) struct ResidentMemory;

impl Collector for ResidentMemory {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some(bytes) = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| resident(&status)) else {
            return Ok(());
        };
        let gauge = ConstGauge::new(bytes);
        let help = "Resident memory of the program";
        let described = encoder.encode_descriptor("process_resident_memory_bytes", help, None, gauge.metric_type())?;
        gauge.encode(described)
    }
}

fn resident(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_count_is_read() {
        assert_eq!(resident("VmPeak:\t  9 kB\nVmRSS:\t   2048 kB\n"), Some(2 << 20));
        assert_eq!(resident("Name: a\n"), None);
    }
}
