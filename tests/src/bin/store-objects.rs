//! Copies the objects of one store into another, or tells their sha256: for tests that reach a store only by a program.
//!
//! `store-objects copy FROM TO`, `store-objects digests URL` (a JSON object on stdout).

use std::io::Write;

use anyhow::bail;
use object_store::path::Path;
use strata_shared::store::Store;
use strata_tests::objects;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["copy", from, to] => copy(&Store::open(from)?, &Store::open_or_create(to)?).await,
        ["digests", url] => {
            let digests = objects::read(&Store::open(url)?).await?;
            Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(&digests)?)?)
        }
        _ => bail!("usage: store-objects copy FROM TO | store-objects digests URL"),
    }
}

async fn copy(from: &Store, to: &Store) -> anyhow::Result<()> {
    for object in from.list(&Path::default()).await? {
        to.put(&object.location, from.get(&object.location).await?).await?;
    }
    Ok(())
}
