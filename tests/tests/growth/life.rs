//! Steps → the life of a store, which after each of them holds what the archive holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use strata::verify::{self, Depth};
use strata_shared::exit::{Exit, Failure};
use strata_shared::generations;
use strata_shared::layout::{self, RunName};
use strata_shared::manifest::Manifest;
use strata_shared::run_record::{OutputEntry, RunRecord};
use strata_shared::store::Store;
use strata_tests::faults::{Death, FaultStore, Moment};
use strata_tests::objects;
use tempfile::TempDir;

use super::archive::{self, Archive, Random, Snapshot};
use super::commands::{Command, Done, Embedded, MODELS};
use super::contents::{Answer, check_documents, covered, embedded, told};

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The next snapshot, and for most of them the map.
    Update,
    /// The last snapshot again.
    Same,
    /// Vectors by the first model for all that lacks them, or by another for some.
    Embed,
    Compact,
    Reduce,
    Prune,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    kind: Kind,
    /// All that is drawn in it.
    seed: u64,
    /// The write at which the process is killed, if it gets that far.
    death: Option<Death>,
    /// Whether the same command is given again then; otherwise the next step is what comes after.
    again: bool,
    /// What another process does at the same time.
    beside: Option<Kind>,
}

impl Step {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let kind = |random: &mut Random| match random.below(100) {
            0..45 => Kind::Update,
            45..52 => Kind::Same,
            52..62 => Kind::Embed,
            62..82 => Kind::Compact,
            82..92 => Kind::Reduce,
            _ => Kind::Prune,
        };
        let (first, second) = (kind(random), kind(random));
        // Most commands write less often than a run does.
        let latest = random.below(20);
        let moment = if random.percent(50) { Moment::Before } else { Moment::After };
        let death = Death { write: 1 + random.below(1 + latest) as u64, moment };
        let seed = random.next();
        let step = Self { kind: first, seed, death: None, again: random.percent(70), beside: None };
        match random.below(100) {
            0..40 => Self { death: Some(death), ..step },
            40..52 => Self { beside: Some(second), ..step },
            _ => step,
        }
    }
}

/// What was done in all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) sequences: u64,
    pub(crate) steps: u64,
    pub(crate) kills: u64,
    pub(crate) pairs: u64,
    pub(crate) overtaken: u64,
    pub(crate) generations: u64,
    pub(crate) compactions: u64,
    pub(crate) runs: u64,
    pub(crate) embedded: u64,
    pub(crate) prunes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.sequences += other.sequences;
        self.steps += other.steps;
        self.kills += other.kills;
        self.pairs += other.pairs;
        self.overtaken += other.overtaken;
        self.generations += other.generations;
        self.compactions += other.compactions;
        self.runs += other.runs;
        self.embedded += other.embedded;
        self.prunes += other.prunes;
    }
}

/// A store, and all that is known of it without it.
struct Life {
    inner: Arc<dyn ObjectStore>,
    folder: TempDir,
    archive: Archive,
    /// The snapshot that the corpus was updated by last.
    last: Option<Command>,
    /// What each generation consists of.
    history: BTreeMap<u64, Archive>,
    /// What each run has written.
    runs: BTreeMap<String, Vec<OutputEntry>>,
    /// Raw shards whose vectors were finished, by model.
    finished: BTreeSet<(&'static str, String)>,
    /// Rows that were written and have had no vector yet, by model and title.
    written: BTreeMap<(&'static str, String), u64>,
    /// Documents that have vectors, by model and title.
    covered: BTreeSet<(&'static str, String)>,
    tally: Tally,
}

/// Lives through the steps; an error says what was not as it should be.
pub(crate) fn live(steps: &[Step]) -> anyhow::Result<Tally> {
    let mut life = Life {
        inner: Arc::new(InMemory::new()),
        folder: tempfile::tempdir().context("make a folder for snapshots")?,
        archive: Archive::new(),
        last: None,
        history: BTreeMap::new(),
        runs: BTreeMap::new(),
        finished: BTreeSet::new(),
        written: BTreeMap::new(),
        covered: BTreeSet::new(),
        tally: Tally { sequences: 1, ..Tally::default() },
    };
    for (place, step) in steps.iter().enumerate() {
        life.step(place, step).with_context(|| format!("step {place} {step:?}"))?;
        life.tally.steps += 1;
    }
    life.end(steps.len()).context("at the end")?;
    Ok(life.tally)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

fn store(inner: &Arc<dyn ObjectStore>) -> Store {
    Store::new("memory:", Arc::clone(inner))
}

impl Life {
    fn step(&mut self, place: usize, step: &Step) -> anyhow::Result<()> {
        let mut random = Random(step.seed);
        let has_corpus = !self.history.is_empty();
        let Some(command) = self.command(step.kind, place, &mut random)? else { return Ok(()) };
        if !has_corpus && !matches!(command, Command::Shard { .. }) {
            return Ok(());
        }
        match (step.beside, step.death) {
            (Some(beside), _) if matches!((step.kind, beside), (Kind::Prune, _) | (_, Kind::Prune)) => {
                // Without a time of grace it takes what others are about to name.
                self.undisturbed(&command)?;
                if has_corpus && beside == Kind::Prune {
                    self.undisturbed(&Command::Prune)?;
                }
            }
            (Some(beside), _) if has_corpus => {
                // Two snapshots at once have no order that anybody could know.
                let kind = if matches!(command, Command::Shard { .. }) && beside == Kind::Update {
                    Kind::Same
                } else {
                    beside
                };
                let Some(other) = self.command(kind, place + 1000, &mut random)? else { return Ok(()) };
                let is_second = matches!((&command, &other), (Command::Shard { .. }, Command::Shard { .. }));
                self.both(&command, if is_second { &command } else { &other })?;
            }
            (_, Some(death)) => self.killed(&command, death, step.again)?,
            (..) => self.undisturbed(&command)?,
        }
        if step.kind == Kind::Update && random.percent(70) && !self.history.is_empty() {
            self.undisturbed(&Command::Embed { model: MODELS[0], chosen: u64::MAX })?;
        }
        Ok(())
    }

    /// Makes a command of its kind; `None` where there is nothing yet to do it to.
    fn command(&self, kind: Kind, place: usize, random: &mut Random) -> anyhow::Result<Option<Command>> {
        Ok(match kind {
            Kind::Update => {
                let drawn = Snapshot::draw(&self.archive, random);
                Some(self.snapshot(&format!("snapshot-{place}"), drawn)?)
            }
            Kind::Same => self.last.clone(),
            Kind::Embed if random.percent(50) => Some(Command::Embed { model: MODELS[0], chosen: u64::MAX }),
            Kind::Embed => Some(Command::Embed { model: MODELS[1], chosen: random.next() | random.next() }),
            Kind::Compact => Some(Command::Compact),
            Kind::Reduce => Some(Command::Reduce { fresh: false }),
            Kind::Prune => Some(Command::Prune),
        })
    }

    fn snapshot(&self, name: &str, drawn: Snapshot) -> anyhow::Result<Command> {
        let Snapshot { lines, complete, after, written } = drawn;
        let file = self.folder.path().join(format!("{name}.jsonl"));
        std::fs::write(&file, lines).context("write a snapshot")?;
        Ok(Command::Shard { file, complete, after, written })
    }

    /// Does a command to its end, which must be a good one.
    fn undisturbed(&mut self, command: &Command) -> anyhow::Result<()> {
        let mut done = Done::default();
        let store = store(&self.inner);
        runtime().block_on(command.run(&store, &mut done)).map_err(told)?;
        self.tally.prunes += u64::from(matches!(command, Command::Prune));
        let is_new = self.settle(command)?;
        if is_new {
            self.check_leftovers()?;
        }
        self.take_account(&done)?;
        if let (Command::Shard { after, written, .. }, Some(change)) = (command, &done.change) {
            let found = (change.rows, change.new + change.changed);
            // Whoever gives a snapshot again that is in the store by now writes nothing.
            let expected = (after.len() as u64, if is_new { *written } else { 0 });
            ensure!(found == expected, "{change:?}, expected {expected:?}");
            ensure!(is_new == (found.1 + change.gone > 0), "{change:?}, and a new generation: {is_new}");
        }
        self.check()?;
        if matches!(command, Command::Embed { model, chosen: u64::MAX } if *model == MODELS[0]) {
            let with = self.covered.iter().filter(|(model, _)| *model == MODELS[0]).count();
            ensure!(with == self.archive.len(), "{with} of {} documents have vectors", self.archive.len());
        }
        Ok(())
    }

    /// Does a command as a process that is killed, then the same one again, or leaves it at that.
    fn killed(&mut self, command: &Command, death: Death, again: bool) -> anyhow::Result<()> {
        let faulty = FaultStore::new(Arc::clone(&self.inner), Some(death));
        let (mut done, store) = (Done::default(), Store::new("memory:", Arc::new(faulty.clone())));
        let runtime = runtime();
        let ended = runtime.block_on(command.run(&store, &mut done));
        drop(runtime);
        ensure!(
            ended.is_err() == faulty.is_dead(),
            "dead: {}, and ended with {:?}",
            faulty.is_dead(),
            ended.map_err(told)
        );
        self.settle(command)?;
        self.take_account(&done)?;
        self.check().context("after the kill")?;
        self.tally.kills += u64::from(faulty.is_dead());
        if again { self.undisturbed(command).context("again after the kill") } else { Ok(()) }
    }

    /// Does two commands at once, then whatever was told to come again.
    fn both(&mut self, one: &Command, other: &Command) -> anyhow::Result<()> {
        let store = store(&self.inner);
        self.tally.pairs += 1;
        for round in 0..4 {
            let (mut first, mut second) = (Done::default(), Done::default());
            let ended = if round == 0 {
                runtime().block_on(async { tokio::join!(one.run(&store, &mut first), other.run(&store, &mut second)) })
            } else {
                // The command whose generation it is comes first: it alone can make it whole.
                let is_compacted = self.newest()?.compaction.is_some();
                let turn = is_compacted == matches!(other, Command::Compact);
                let (a, b) = if turn { (other, one) } else { (one, other) };
                runtime().block_on(async { (a.run(&store, &mut first).await, b.run(&store, &mut second).await) })
            };
            self.settle(if matches!(one, Command::Shard { .. }) { one } else { other })?;
            for done in [&first, &second] {
                self.take_account(done)?;
            }
            match ended {
                (Ok(()), Ok(())) => return self.check().context("after both"),
                (one, other) => expect_retry([one, other], round)?,
            }
            self.tally.overtaken += 1;
        }
        bail!("two commands at once do not come to an end")
    }

    fn newest(&self) -> anyhow::Result<Manifest> {
        let store = store(&self.inner);
        Ok(runtime().block_on(generations::newest(&store)).map_err(told)?.manifest)
    }

    /// Holds what was embedded against what was written: no row gets a vector twice.
    fn take_account(&mut self, done: &Done) -> anyhow::Result<()> {
        if done.embedded.is_empty() {
            return Ok(());
        }
        let store = store(&self.inner);
        let [first, second] = MODELS.map(|model| runtime().block_on(embedded(&store, model)));
        let there = BTreeMap::from([(MODELS[0], first?), (MODELS[1], second?)]);
        for Embedded { model, raw_sha256, titles } in &done.embedded {
            ensure!(!self.finished.contains(&(*model, raw_sha256.clone())), "{titles:?} are embedded again by {model}");
            // What a kill has undone may be done again.
            if there[model].contains(raw_sha256) {
                self.finished.insert((*model, raw_sha256.clone()));
                self.tally.embedded += titles.len() as u64;
                for title in titles {
                    let written = self.written.entry((*model, title.clone())).or_default();
                    *written =
                        written.checked_sub(1).with_context(|| format!("{title:?} is embedded again by {model}"))?;
                }
            }
        }
        Ok(())
    }

    /// Remembers which rows the snapshot writes that makes `after` of the archive.
    fn write(&mut self, after: &Archive) {
        for (&number, &version) in after.iter().filter(|(number, version)| self.archive.get(number) != Some(version)) {
            for model in MODELS {
                *self.written.entry((model, archive::title(number, version))).or_default() += 1;
            }
        }
    }

    /// Learns which generations there are now; tells whether there is a new one. Those without a compaction are of `command`.
    fn settle(&mut self, command: &Command) -> anyhow::Result<bool> {
        let store = store(&self.inner);
        let numbers = runtime().block_on(generations::list(&store)).map_err(told)?;
        let known = self.history.keys().last().copied().unwrap_or(0);
        for &number in numbers.iter().filter(|number| **number > known) {
            let manifest = runtime().block_on(generations::read(&store, number)).map_err(told)?.manifest;
            self.tally.generations += 1;
            if manifest.compaction.is_some() {
                self.tally.compactions += 1;
            } else if let Command::Shard { after, .. } = command {
                ensure!(self.archive != *after || self.history.is_empty(), "generation {number} changes nothing");
                self.write(after);
                self.archive.clone_from(after);
                self.last = Some(command.clone());
            } else {
                bail!("{command:?} made generation {number}");
            }
            self.history.insert(number, self.archive.clone());
        }
        Ok(numbers.last().is_some_and(|number| *number > known))
    }

    /// Makes sure that the store holds the archive, and that nothing that it had is lost.
    fn check(&mut self) -> anyhow::Result<()> {
        if self.history.is_empty() {
            return Ok(());
        }
        let store = store(&self.inner);
        runtime().block_on(async {
            let manifest = generations::newest(&store).await.map_err(told)?.manifest;
            check_documents(&store, &manifest, &self.archive).await?;
            objects::check_announced(&store).await?;
            let now = covered(&store, &manifest).await?;
            let titles: BTreeSet<String> =
                self.archive.iter().map(|(&number, &version)| archive::title(number, version)).collect();
            if let Some((model, title)) =
                self.covered.iter().find(|entry| titles.contains(&entry.1) && !now.contains(entry))
            {
                bail!("{title:?} has lost its vector by {model}");
            }
            self.covered = now;
            self.check_runs(&store).await
        })
    }

    /// Makes sure that finished runs name what they named at first; whether that is there is looked at with all that is announced.
    async fn check_runs(&mut self, store: &Store) -> anyhow::Result<()> {
        for name in store.folders(&layout::runs()).await.map_err(told)? {
            let run: RunName = name.parse().context("a run")?;
            let Some(record) = RunRecord::read_if_present(store, &run).await.map_err(told)? else { continue };
            let first = self.runs.entry(name).or_insert_with(|| record.outputs.clone());
            ensure!(*first == record.outputs, "{run} was finished and has changed");
        }
        Ok(())
    }

    /// Makes sure that nothing is left of attempts at generations that were not made.
    fn check_leftovers(&self) -> anyhow::Result<()> {
        let (store, next) = (store(&self.inner), self.newest()?.next_shard);
        for folder in [layout::raw(), layout::vectors()] {
            let objects = runtime().block_on(store.list(&folder)).map_err(told)?;
            let left = objects.iter().map(|object| &object.location);
            let left = left.filter(|key| layout::shard_number(key).is_some_and(|number| number >= next));
            ensure!(left.clone().next().is_none(), "left behind: {:?}", left.collect::<Vec<_>>());
        }
        Ok(())
    }

    /// Looks at every generation, and compares what is found with a fresh store that holds the same documents.
    fn end(&mut self, place: usize) -> anyhow::Result<()> {
        if self.history.is_empty() {
            return Ok(());
        }
        let grown = store(&self.inner);
        for number in runtime().block_on(generations::list(&grown)).map_err(told)? {
            let generation = runtime().block_on(generations::read(&grown, number)).map_err(told)?;
            runtime().block_on(check_documents(&grown, &generation.manifest, &self.history[&number]))?;
        }
        self.tally.runs += self.runs.len() as u64;
        let lines = archive::whole(&self.archive, &mut Random(place as u64));
        let (after, written) = (self.archive.clone(), self.archive.len() as u64);
        let snapshot = self.snapshot("whole", Snapshot { lines, complete: true, after, written })?;
        let fresh = Store::new("memory:", Arc::new(InMemory::new()));
        let found = ask(&fresh, &[snapshot, Command::Reduce { fresh: true }])?;
        let ours = ask(&grown, &[Command::Reduce { fresh: true }])?;
        ensure!(ours == found, "found {ours:#?}, a fresh store finds {found:#?}");
        // Two commands at once may have left vectors of a shard that has given way: they are made again.
        for model in MODELS {
            let embed = Command::Embed { model, chosen: u64::MAX };
            runtime().block_on(embed.run(&grown, &mut Done::default())).map_err(told)?;
        }
        let verdict = runtime().block_on(verify::run(&grown, Depth::Contents)).map_err(told)?;
        ensure!(verdict.num_damaged() == 0, "{}", verify::terminal(&verdict));
        self.check()
    }
}

fn expect_retry(ended: [Result<(), Failure>; 2], round: usize) -> anyhow::Result<()> {
    for failure in ended.into_iter().filter_map(Result::err) {
        // One may see shards that the other has overwritten, until that one has made them again.
        let is_passing = failure.exit() == Exit::Retry || round == 0 && failure.exit() == Exit::Data;
        ensure!(is_passing, "round {round}: {}", failure.chain());
    }
    Ok(())
}

fn ask(store: &Store, commands: &[Command]) -> anyhow::Result<Answer> {
    let mut done = Done::default();
    for command in commands {
        runtime().block_on(command.run(store, &mut done)).map_err(told)?;
    }
    runtime().block_on(Answer::read(store, &done.run.context("a run")?))
}
