//! Findings → one page.

use super::Report;

/// Draws the page.
#[must_use]
pub fn html(report: &Report) -> String {
    report.findings.record.run.clone()
}
