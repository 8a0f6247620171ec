//! `generate-corpus`: writes a snapshot with planted truths, and the truth beside it.
//!
//! Invariant: the same arguments give the same bytes. All that it does is in [`strata_tests::corpus`].

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::NaiveDate;
use clap::Parser;
use strata_tests::corpus::{self, Plan, Sink, Truth};

/// Writes a corpus of dated documents in plausible English with planted truths, in the schema of arXiv's snapshot
#[derive(Parser)]
struct Arguments {
    /// JSONL to write; .gz and .zst by extension, - for standard output
    #[arg(default_value = "-")]
    output: PathBuf,
    /// Also write what was planted, as JSON
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Documents, that is lines neither blank nor malformed
    #[arg(long, default_value_t = Plan::default().documents)]
    documents: u64,
    /// Same arguments and seed, same bytes
    #[arg(long, default_value_t = Plan::default().seed)]
    seed: u64,
    /// First year of the archive
    #[arg(long, default_value_t = Plan::default().first_year)]
    first_year: i32,
    /// Last day covered; before the 31st of December the last year is incomplete
    #[arg(long, value_name = "DATE", default_value_t = Plan::default().until)]
    until: NaiveDate,
    /// Documents unlike all others [default: 8 and one more per 1,500 documents]
    #[arg(long)]
    loners: Option<u64>,
    /// Nothing malformed and nothing odd in form
    #[arg(long)]
    clean: bool,
    /// Every topic holds its share: a control in which nothing fades or rises
    #[arg(long)]
    steady: bool,
    /// Add one line that is longer than so many bytes
    #[arg(long, value_name = "BYTES")]
    too_long_bytes: Option<u64>,
}

impl Arguments {
    fn plan(&self) -> Plan {
        Plan {
            documents: self.documents,
            seed: self.seed,
            first_year: self.first_year,
            until: self.until,
            loners: self.loners,
            clean: self.clean,
            steady: self.steady,
            too_long_bytes: self.too_long_bytes,
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let plan = arguments.plan();
    plan.check().context("plan the corpus")?;
    let truth =
        write_corpus(&plan, &arguments.output).with_context(|| format!("write {}", arguments.output.display()))?;
    match &arguments.truth {
        Some(path) => write_truth(&truth, path).with_context(|| format!("write {}", path.display())),
        None => Ok(()),
    }
}

fn write_corpus(plan: &Plan, path: &Path) -> std::io::Result<Truth> {
    let mut sink = Sink::create(path)?;
    let truth = corpus::write(plan, &mut sink)?;
    sink.finish()?;
    Ok(truth)
}

fn write_truth(truth: &Truth, path: &Path) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    serde_json::to_writer_pretty(&mut file, truth)?;
    writeln!(file)?;
    Ok(file.flush()?)
}
