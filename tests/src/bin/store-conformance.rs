//! `store-conformance URL`: whether the store at URL does what every store must; for S3 with the `AWS_*` variables.
//!
//! The store must be empty and is empty again afterwards.

use anyhow::Context;
use strata_shared::store::Store;
use strata_tests::conformance;

fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).context("expected one argument: the store's URL")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(conformance::check(&Store::open_or_create(&url)?)).with_context(|| format!("check {url}"))
}
