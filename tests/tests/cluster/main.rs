//! The pipeline on a real Kubernetes: what happens when all goes well, and what becomes of each fault.
//!
//! One cluster serves all cases, which run one after the other, each in a namespace and a store of its own; it is down at
//! the end. Where there is none, each case says so in the list of what was not run, and so does each that would begin after
//! `STRATA_TEST_CLUSTER_UNTIL` (seconds since 1970). A case that fails is tried once more, and that is said: a machine that
//! does much else can be too slow for Kubernetes' own deadlines. Words on the command line choose cases whose names contain
//! one of them.

mod cases;
mod lab;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Instant, UNIX_EPOCH};

use cases::CASES;
use lab::Lab;
use strata_tests::skipped;

/// The variable that names the instant after which no case begins.
const UNTIL: &str = "STRATA_TEST_CLUSTER_UNTIL";

/// One thing that must be so on a cluster.
struct Case {
    name: &'static str,
    run: fn(&Lab) -> anyhow::Result<()>,
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |case: &&Case| wanted.is_empty() || wanted.iter().any(|word| case.name.contains(word.as_str()));
    let chosen: Vec<&Case> = CASES.iter().filter(is_wanted).collect();
    say(&format!("\nrunning {} tests", chosen.len()));
    let (failed, ignored) = match if chosen.is_empty() { Ok(None) } else { Lab::open() } {
        Ok(Some(lab)) => run_all(&lab, &chosen),
        Ok(None) => (0, skip_all(&chosen)),
        Err(error) => {
            say(&format!("the cluster does not come up: {error:#}"));
            (chosen.len(), 0)
        }
    };
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let passed = chosen.len() - failed - ignored;
    say(&format!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; 0 filtered out\n"
    ));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the cases for which there is time; returns how many fail twice, and for how many there is none.
fn run_all(lab: &Lab, cases: &[&Case]) -> (usize, usize) {
    let (mut failed, mut ignored) = (0, 0);
    for case in cases {
        if is_too_late(case) {
            ignored += 1;
        } else if !passes(lab, case) && !passes_again(lab, case) {
            failed += 1;
        }
    }
    (failed, ignored)
}

/// Tells whether the time for this program is over, and notes the case that is not run then.
fn is_too_late(case: &Case) -> bool {
    let until = std::env::var(UNTIL).ok().and_then(|until| until.parse().ok()).unwrap_or(u64::MAX);
    let is_late = UNIX_EPOCH.elapsed().is_ok_and(|now| now.as_secs() > until);
    if is_late {
        skipped::note(&format!("on a cluster: {}, for want of time ({UNTIL})", case.name));
    }
    is_late
}

fn passes_again(lab: &Lab, case: &Case) -> bool {
    say(&format!("  {} is tried once more", case.name));
    passes(lab, case)
}

fn passes(lab: &Lab, case: &Case) -> bool {
    let started = Instant::now();
    lab.attempt();
    let outcome = catch_unwind(AssertUnwindSafe(|| (case.run)(lab)));
    // What a case took from the others, it may not have given back.
    let mended = lab.mend();
    let failure = match outcome {
        Ok(result) => result.and(mended).err().map(|error| format!("{error:#}")),
        Err(_) => Some("panicked".to_owned()),
    };
    let word = if failure.is_none() { "ok" } else { "FAILED" };
    say(&format!("test {} ... {word}", case.name));
    say(&format!("  {}: {:.0} s", case.name, started.elapsed().as_secs_f64()));
    failure.iter().for_each(|failure| say(&format!("---- {}\n{failure}\n", case.name)));
    failure.is_none()
}

/// Notes that the cases are not run, and returns how many they are.
fn skip_all(cases: &[&Case]) -> usize {
    for case in cases {
        skipped::note(&format!(
            "on a cluster: {}, for want of one (STRATA_TEST_CLUSTER), MinIO or ONNX Runtime",
            case.name
        ));
        say(&format!("test {} ... ignored", case.name));
    }
    cases.len()
}

fn say(line: &str) {
    // A reader that has gone away must not end the tests before the cluster is down.
    let _ = writeln!(std::io::stdout(), "{line}");
}
