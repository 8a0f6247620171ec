//! One function a command: each reads as what the command does.

mod compact;
mod coordinate;
mod describe;
mod embed;
mod exclusive;
mod foretell;
mod page_file;
mod prune;
mod reduce;
mod status;
mod submit;
mod verify;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

use strata_shared::exit::{Exit, Failure};
use strata_shared::layout::{ModelName, RunName};
use strata_shared::measurements::Measurements;
use strata_shared::store::Store;

use crate::command_line::{LeaseFlags, ModelFlags, NotifyFlags, PlanFlags, ReduceFlags, ReportFlags, ShardFlags};
use crate::configuration::Value;
use crate::display::Display;
use crate::launch::Launcher;
use crate::report::{self, View};
use crate::{ancestry, notify, page, shard as sharding};

pub use compact::{compact, plan_compaction};
pub use coordinate::{coordinate, jobs};
pub use embed::embed;
pub use exclusive::Exclusive;
pub use prune::prune;
pub use reduce::reduce;
pub use status::status;
pub use submit::{cancel, schedule, submit, watch};
pub use verify::verify;

/// The widest that tables get: what fits a terminal and a mail.
const MAX_WIDTH: usize = 100;

/// What every command works with.
#[derive(Debug, Clone)]
pub struct Context {
    /// The store.
    pub store: Store,
    /// Its URL as it was given, for workers.
    pub url: String,
    /// Where everything that is said goes.
    pub display: Arc<Display>,
    /// What runs workers.
    pub launcher: Launcher,
    /// The store's lease, while this command holds it.
    pub exclusive: Arc<Exclusive>,
}

/// `strata shard`: inputs → raw shards.
///
/// # Errors
/// What keeps the corpus from being whole.
pub async fn shard(context: &Context, lease: LeaseFlags, flags: ShardFlags) -> Result<(), Failure> {
    flags.settings()?;
    // On the heap: it is all that an update does.
    exclusive::exclusively(context, lease, "strata shard", Box::pin(make_shards(context, flags))).await
}

async fn make_shards(context: &Context, flags: ShardFlags) -> Result<(), Failure> {
    let outcome = sharding::run(request(flags).await?, &context.store).await?;
    describe::shards(&outcome);
    Ok(())
}

async fn request(flags: ShardFlags) -> Result<sharding::Request, Failure> {
    let (settings, terms, mut inputs) = (flags.settings()?, flags.terms(), flags.inputs);
    if flags.newest {
        inputs = futures::future::try_join_all(inputs.iter().map(|folder| sharding::newest_in(folder))).await?;
    }
    let vectors =
        flags.vectors.zip(flags.model_name).map(|(file, model_name)| sharding::VectorsRequest { file, model_name });
    Ok(sharding::Request { inputs, settings, vectors, terms })
}

/// `strata shard --plan` and `strata run --plan`: what the inputs would change, on stdout.
///
/// # Errors
/// Inputs or a corpus that cannot be read.
pub async fn plan(context: &Context, flags: ShardFlags, how: PlanFlags) -> Result<(), Failure> {
    let request = request(flags).await?;
    let terms = request.terms;
    let change = sharding::plan(request, &context.store).await?;
    context.display.finish();
    if how.json {
        let json = serde_json::to_string_pretty(&change).map_err(|error| Failure::new(Exit::Data, error))?;
        return print(&report::visible::json(&json));
    }
    print(&describe::change(&change, &terms))
}

/// `strata run`: all of it, then the tables on stdout; without `inputs`, of the corpus that the store holds.
///
/// # Errors
/// What keeps a stage from being finished, or nobody took the notification; the same command goes on from there.
pub async fn run(
    context: &Context,
    lease: LeaseFlags,
    inputs: Option<ShardFlags>,
    flags: &ModelFlags,
    (question, notify): (&ReduceFlags, &NotifyFlags),
) -> Result<(), Failure> {
    inputs.as_ref().map(ShardFlags::settings).transpose()?;
    question.settings()?;
    let brought = inputs.as_ref().and_then(|inputs| inputs.vectors.as_ref().and(inputs.model_name.clone()));
    // A model that cannot be used is told before hours of sharding, not after.
    let (model, vectors_of) = if let Some(brought) = brought {
        (None, brought)
    } else {
        let model = embed::find_model(flags).await?;
        let name = model.name.clone();
        (Some(model), name)
    };
    check_vectors_of(question, &vectors_of)?;
    // On the heap: it is all that a run does.
    let work = Box::pin(async {
        if let Some(inputs) = inputs {
            make_shards(context, inputs).await?;
        }
        if let Some(model) = model {
            embed::embed_with(context, &model).await?;
        }
        let report = reduce::finish_run(context, question, vectors_of).await?;
        // What is found is shown even where nobody took the notification.
        let told = match &notify.notify {
            Some(hook) => notify::tell(hook, &context.store, &report.findings.record).await,
            None => Ok(()),
        };
        Ok((report, told))
    });
    let (report, told) = exclusive::exclusively(context, lease, "strata run", work).await?;
    show(context, report).await?;
    told
}

/// Refuses a question about other vectors than the ones that the command makes.
fn check_vectors_of(question: &ReduceFlags, made: &ModelName) -> Result<(), Failure> {
    match &question.vectors_of {
        Some(asked) if asked != made => {
            let reason =
                format!("--vectors-of {asked}: this command makes vectors of {made}; ask with `strata reduce`");
            Err(Failure::new(Exit::Configuration, reason))
        }
        _ => Ok(()),
    }
}

/// `strata report`: a finished run on stdout, and its page in a file.
///
/// # Errors
/// No finished run, or a file that cannot be written.
pub async fn report(context: &Context, flags: &ReportFlags) -> Result<(), Failure> {
    if let Some(since) = &flags.since {
        return report_changes(context, flags, since).await;
    }
    let mut report = page::read(&context.store, flags.run.clone()).await?;
    if flags.timings {
        let run = RunName::new(&report.findings.record.run)?;
        let measurements = Measurements::read(&context.store, &run).await?;
        return print(&report::timings(&measurements, &view(None)));
    }
    if let Some(file) = &flags.html {
        page_file::write(file, page::draw(&context.store, &mut report).await?).await?;
        tracing::info!("the page is {}", file.display());
    }
    if flags.json {
        let json = report::json(&report).map_err(|error| Failure::new(Exit::Data, error))?;
        return print(&json);
    }
    show(context, report).await
}

/// `strata report --since`: what changed between two runs.
async fn report_changes(context: &Context, flags: &ReportFlags, since: &str) -> Result<(), Failure> {
    let record = page::record(&context.store, flags.run.clone()).await?;
    let Some(changes) = ancestry::changes(&context.store, &record, Some(since)).await? else { return Ok(()) };
    if flags.json {
        let json = report::changes_json(&changes).map_err(|error| Failure::new(Exit::Data, error))?;
        return print(&json);
    }
    print(&report::changes_terminal(&changes, &view(None)))
}

/// `strata history`: the finished runs.
///
/// # Errors
/// A store that cannot be read.
pub async fn history(context: &Context, json: bool) -> Result<(), Failure> {
    let runs = ancestry::all(&context.store).await?;
    print(&report::history(&runs, &view(None), json).map_err(|error| Failure::new(Exit::Data, error))?)
}

async fn show(context: &Context, mut report: report::Report) -> Result<(), Failure> {
    page::read_rejections(&context.store, &mut report).await?;
    let page = format!("{}/runs/{}/report.html", context.store.url(), report.findings.record.run);
    context.display.finish();
    print(&report::terminal(&report, &view(Some(page))))
}

/// How stdout is written to; `page` is where the page is.
fn view(page: Option<String>) -> View {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    View { width: width(), colour, page }
}

/// The columns that tables may take: the terminal's where stdout is one, as far as they go.
fn width() -> usize {
    let terminal = terminal_size::terminal_size_of(std::io::stdout());
    terminal.map_or(MAX_WIDTH, |(columns, _)| usize::from(columns.0).min(MAX_WIDTH))
}

/// `strata config`: every setting in force, and where it comes from.
///
/// # Errors
/// Stdout cannot be written.
pub fn config(values: &BTreeMap<String, Value>) -> Result<(), Failure> {
    print(&describe::settings(values))
}

/// Writes data to stdout, a line feed at its end; a reader that has gone away, as `head` does, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Retry, format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
