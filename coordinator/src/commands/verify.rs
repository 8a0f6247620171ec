//! `strata verify`: everything in a store, read again → what is wrong with it and what mends that.

use strata_shared::exit::{Exit, Failure};

use super::{Context, print};
use crate::command_line::VerifyFlags;
use crate::report::visible;
use crate::verify::{self, Verdict};

/// `strata verify`: what is wrong, on stdout.
///
/// # Errors
/// Objects that are damaged or lost, once all are told; a store that cannot be read.
pub async fn verify(context: &Context, flags: VerifyFlags) -> Result<(), Failure> {
    let depth = if flags.fast { verify::Depth::Sizes } else { verify::Depth::Contents };
    let verdict = verify::run(&context.store, depth).await?;
    context.display.finish();
    if flags.json {
        let json = serde_json::to_string_pretty(&verdict.to_json()).map_err(|error| Failure::new(Exit::Data, error))?;
        print(&visible::json(&json))?;
    } else {
        print(&verify::terminal(&verdict))?;
    }
    judge(context, &verdict)
}

fn judge(context: &Context, verdict: &Verdict) -> Result<(), Failure> {
    match verdict.num_damaged() {
        0 => Ok(()),
        found => {
            let objects = if found == 1 { "object is" } else { "objects are" };
            let store = context.store.url();
            Err(Failure::new(Exit::Data, format!("{store}: {found} {objects} not what should be there")))
        }
    }
}
