//! Measurements of a run → what each stage cost, as a table with bars for the time that it took.

use strata_shared::measurements::{LonelyCost, Measurements, Stage};

use super::View;
use super::figures::{NONE, count};
use super::text_table::{Cell, Column, Ink, render};
use super::visible::plain;

/// The name of the last stage: all of them together.
const ALL: &str = "all";

/// The width of the longest bar.
const BAR: usize = 20;

const COLUMNS: [Column; 9] = [
    Column::left("stage"),
    Column::flexible("time"),
    Column::right("seconds"),
    Column::right("cpu"),
    Column::right("documents").spare(3),
    Column::right("read").spare(2),
    Column::right("written").spare(4),
    Column::right("of peak").spare(1),
    Column::right("memory"),
];

const LONELY_COLUMNS: [Column; 4] =
    [Column::flexible("lonely"), Column::right("entered"), Column::right("fell"), Column::right("comparisons")];

/// Draws what the stages of a reduce cost.
#[must_use]
pub fn timings(measurements: &Measurements, view: &View) -> String {
    let host = &measurements.host;
    let cpu = host.cpu.as_deref().unwrap_or(&host.architecture);
    let peak = host.peak_operations_per_second / 1e9;
    let (threads, cpu) = (host.threads, plain(cpu));
    let mut text = format!("{threads} threads of {cpu}, {peak:.0} GFLOP/s in large products\n\n");
    let whole = measurements.stages.iter().find(|stage| stage.name == ALL).map_or(0.0, |stage| stage.seconds);
    let rows: Vec<Vec<Cell>> = measurements.stages.iter().map(|stage| row(stage, whole)).collect();
    text.push_str(&render(&COLUMNS, &rows, view.width, view.colour));
    if let Some(lonely) = &measurements.lonely {
        text.push('\n');
        text.push_str(&lonely_table(lonely, view));
    }
    text
}

fn row(stage: &Stage, whole: f64) -> Vec<Cell> {
    let part = if whole > 0.0 { (stage.seconds / whole).clamp(0.0, 1.0) } else { 0.0 };
    let bar = "█".repeat((part * BAR as f64).round() as usize);
    let share = stage.share_of_peak_in_assignment.unwrap_or(stage.share_of_peak);
    vec![
        Cell::new(&stage.name, if stage.name == ALL { Ink::Strong } else { Ink::Usual }),
        Cell::new(&bar, Ink::Cool),
        Cell::usual(format!("{:.1}", stage.seconds)),
        Cell::usual(format!("{:.1}", stage.cpu_seconds)),
        Cell::usual(count(stage.rows)),
        Cell::usual(megabytes(stage.bytes_read)),
        Cell::usual(megabytes(stage.bytes_written)),
        Cell::usual(if stage.operations == 0 { NONE.to_owned() } else { format!("{:.0} %", share * 100.0) }),
        Cell::usual(stage.peak_memory_bytes.map_or_else(|| NONE.to_owned(), |bytes| format!("{} MiB", bytes >> 20))),
    ]
}

fn megabytes(bytes: u64) -> String {
    if bytes == 0 { NONE.to_owned() } else { format!("{} MB", count(bytes.div_ceil(1_000_000))) }
}

fn lonely_table(lonely: &LonelyCost, view: &View) -> String {
    let rows: Vec<Vec<Cell>> = lonely
        .stages
        .iter()
        .map(|stage| {
            let numbers = [stage.entered as u64, stage.fell as u64, stage.pairs];
            std::iter::once(Cell::usual(&stage.name)).chain(numbers.map(|number| Cell::usual(count(number)))).collect()
        })
        .collect();
    let fewer = lonely.brute_force_operations as f64 / lonely.operations.max(1) as f64;
    let said = format!(
        "{} of {} distinct vectors were compared with every other; {:.2} TFLOP, {fewer:.0} times fewer than brute force\n",
        count(lonely.exhausted as u64),
        count(lonely.distinct as u64),
        lonely.operations as f64 / 1e12,
    );
    render(&LONELY_COLUMNS, &rows, view.width, view.colour) + &said
}

#[cfg(test)]
mod tests {
    use strata_shared::measurements::{Host, LonelyStage};

    use super::*;

    fn stage(name: &str, seconds: f64, operations: u64) -> Stage {
        Stage {
            name: name.into(),
            seconds,
            cpu_seconds: seconds * 1.9,
            rows: 2_710_783,
            bytes_read: 4_183_473_458,
            bytes_written: 0,
            operations,
            share_of_peak: 0.25,
            share_of_peak_in_assignment: (operations > 0).then_some(0.83),
            peak_memory_bytes: Some(600 << 20),
        }
    }

    fn measurements() -> Measurements {
        let lonely = LonelyCost {
            distinct: 1000,
            stages: vec![LonelyStage { name: "seeds".into(), entered: 800, fell: 700, pairs: 12_345 }],
            exhausted: 125,
            finalists: 103,
            store_scans: 0,
            margin: 5e-4,
            first_cutoff: Some(0.3),
            cutoff: Some(0.29),
            operations: 1_500_000_000_000,
            brute_force_operations: 3_000_000_000_000_000,
        };
        let host = Host {
            threads: 2,
            architecture: "x86_64".into(),
            cpu: Some("EPYC".into()),
            peak_operations_per_second: 1.75e11,
        };
        let stages = vec![stage("labels", 30.0, 7), stage("findings", 10.0, 0), stage(ALL, 40.0, 7)];
        Measurements { format: 1, host, stages, peak_memory_bytes: None, lonely: Some(lonely) }
    }

    #[test]
    fn every_stage_has_its_bar_and_its_share_of_the_peak() {
        let text = timings(&measurements(), &View { width: 100, colour: false, page: None });
        assert!(text.starts_with("2 threads of EPYC, 175 GFLOP/s in large products\n"), "{text}");
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(line("labels").contains("███████████████") && line("labels").contains("83 %"), "{text}");
        assert!(line("findings").contains(NONE), "{text}");
        assert!(line("seeds").contains("12,345"), "{text}");
        assert!(text.ends_with("1.50 TFLOP, 2000 times fewer than brute force\n"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_gets_fewer_columns() {
        let text = timings(&measurements(), &View { width: 60, colour: false, page: None });
        let table = text.lines().skip(2).take_while(|line| !line.is_empty());
        assert!(table.map(|line| line.chars().count()).max().unwrap() <= 60, "{text}");
    }
}
