//! What a test could not do here → one line of the list that the test run ends with.

use std::fs::OpenOptions;
use std::io::Write;

/// The variable that names the list.
const LIST: &str = "STRATA_TEST_SKIPPED";

/// Notes what was not run, such as `stores on a real MinIO, for want of one`.
///
/// Appends the line to the file named by `STRATA_TEST_SKIPPED`, where that is set, and shows it.
pub fn note(what: &str) {
    eprintln!("not run: {what}");
    let Some(list) = std::env::var_os(LIST).filter(|list| !list.is_empty()) else { return };
    let line = format!("{what}\n");
    // One write of one line: tests append side by side.
    let noted = OpenOptions::new().create(true).append(true).open(&list);
    let noted = noted.and_then(|mut list| list.write_all(line.as_bytes()));
    if let Err(error) = noted {
        eprintln!("{}: cannot be appended to: {error}", list.display());
    }
}
