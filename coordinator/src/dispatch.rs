//! A parsed command line → the function that does it, with the store, the launcher and the display that it works with.

use std::sync::{Arc, OnceLock};

use strata_shared::exit::Failure;
use strata_shared::metrics;
use strata_shared::store::{Store, StoreError};

use crate::command_line::{
    Command, CompactCommand, CoordinateCommand, EmbedCommand, MachineFlags, PruneCommand, ReduceCommand, RunCommand,
    ShardCommand,
};
use crate::commands::{self, Context, Exclusive};
use crate::configuration::Configured;
use crate::display::Display;
use crate::launch::{Launcher, Machine, Processes};

/// What every command shares with whoever ends it.
#[derive(Debug)]
pub(crate) struct Means {
    /// Where everything that is said goes.
    pub(crate) display: Arc<Display>,
    /// The workers of this machine.
    pub(crate) processes: Arc<Processes>,
    /// The store's lease.
    pub(crate) exclusive: Arc<Exclusive>,
    /// The store that the command works on, once it has opened one.
    store: OnceLock<Store>,
}

impl Means {
    /// Begins with no worker and no lease.
    pub(crate) fn new(display: Arc<Display>) -> Self {
        Self { display, processes: Arc::default(), exclusive: Arc::default(), store: OnceLock::new() }
    }

    /// Waits until uploads that the work has left halfway are ended in the store, which would keep their parts.
    pub(crate) async fn uploads_ended(&self) {
        if let Some(store) = self.store.get() {
            store.uploads_ended().await;
        }
    }

    /// Does what the command line says.
    pub(crate) async fn dispatch(&self, configured: Configured) -> Result<(), Failure> {
        warn_of_hook(&configured);
        match configured.command_line.command {
            Command::Shard(flags) => Box::pin(self.shard(flags)).await,
            Command::Compact(flags) => self.compact(flags).await,
            Command::Embed(flags) => self.embed(flags).await,
            Command::Reduce(flags) => self.reduce(flags).await,
            Command::Run(flags) => self.run(*flags).await,
            Command::Coordinate(flags) => self.coordinate(*flags).await,
            Command::Submit(flags) => commands::submit(*flags, configured.passed_on, &self.display).await,
            Command::Watch(flags) => commands::watch(flags, &self.display).await,
            Command::Cancel(flags) => commands::cancel(flags).await,
            Command::Schedule(flags) => commands::schedule(*flags, configured.passed_on).await,
            Command::Status(flags) => commands::status(&self.open(&flags.store.store)?, flags.json).await,
            Command::Report(flags) => commands::report(&self.open(&flags.store.store)?, &flags.report).await,
            Command::History(flags) => commands::history(&self.open(&flags.store.store)?, flags.json).await,
            Command::Prune(flags) => self.prune(flags).await,
            Command::Verify(flags) => commands::verify(&self.open(&flags.store.store)?, flags.verify).await,
            Command::Config => commands::config(&configured.values),
        }
    }

    async fn prune(&self, flags: PruneCommand) -> Result<(), Failure> {
        commands::prune(&self.open(&flags.store.store)?, flags.lease, &flags.prune).await
    }

    async fn shard(&self, flags: ShardCommand) -> Result<(), Failure> {
        let ShardCommand { store, lease, shard, plan } = flags;
        if plan.plan {
            return commands::plan(&self.open_to_plan(&store.store)?, shard, plan).await;
        }
        let launcher = Launcher::Machine(self.machine(MachineFlags::default()));
        let context = self.context(Store::open_or_create(&store.store)?, &store.store, launcher);
        commands::shard(&context, lease, shard).await
    }

    async fn compact(&self, flags: CompactCommand) -> Result<(), Failure> {
        let context = self.open(&flags.store.store)?;
        if flags.plan.plan {
            return commands::plan_compaction(&context, flags.plan).await;
        }
        commands::compact(&context, flags.lease).await
    }

    async fn embed(&self, flags: EmbedCommand) -> Result<(), Failure> {
        let machine = self.machine(flags.machine).embedding(&flags.embed);
        let context = self.open_on(&flags.store.store, machine)?;
        commands::embed(&context, flags.lease, &flags.embed.model).await
    }

    async fn reduce(&self, flags: ReduceCommand) -> Result<(), Failure> {
        let context = self.open_on(&flags.store.store, self.machine(flags.machine))?;
        commands::reduce(&context, &flags.reduce).await
    }

    async fn run(&self, flags: RunCommand) -> Result<(), Failure> {
        let RunCommand { store, lease, shard, plan, embed, reduce, machine, notify } = flags;
        if plan.plan {
            return commands::plan(&self.open_to_plan(&store.store)?, shard, plan).await;
        }
        let launcher = Launcher::Machine(self.machine(machine).embedding(&embed));
        let context = self.context(Store::open_or_create(&store.store)?, &store.store, launcher);
        commands::run(&context, lease, Some(shard), &embed.model, (&reduce, &notify)).await
    }

    async fn coordinate(&self, flags: CoordinateCommand) -> Result<(), Failure> {
        let CoordinateCommand { store, lease, shard, model, reduce, jobs, place, notify, metrics } = flags;
        if let Some(address) = metrics {
            metrics::serve(address, "strata").await;
        }
        let launcher = Launcher::Jobs(commands::jobs(jobs, place).await?);
        let context = self.context(Store::open(&store.store)?, &store.store, launcher);
        commands::coordinate(&context, lease, shard, &model, (&reduce, &notify)).await
    }

    fn machine(&self, flags: MachineFlags) -> Machine {
        Machine::new(Arc::clone(&self.processes), flags)
    }

    /// Opens a store whose corpus is only looked at.
    fn open(&self, url: &str) -> Result<Context, StoreError> {
        self.open_on(url, self.machine(MachineFlags::default()))
    }

    /// Opens a store that may not be there yet.
    fn open_to_plan(&self, url: &str) -> Result<Context, StoreError> {
        let launcher = Launcher::Machine(self.machine(MachineFlags::default()));
        Ok(self.context(Store::open_or_empty(url)?, url, launcher))
    }

    fn open_on(&self, url: &str, machine: Machine) -> Result<Context, StoreError> {
        Ok(self.context(Store::open(url)?, url, Launcher::Machine(machine)))
    }

    fn context(&self, store: Store, url: &str, launcher: Launcher) -> Context {
        let store = self.store.get_or_init(|| store).clone();
        let (display, exclusive) = (Arc::clone(&self.display), Arc::clone(&self.exclusive));
        Context { store, url: url.to_owned(), display, launcher, exclusive }
    }
}

/// Warns where a hook is set that would not get to the cluster.
fn warn_of_hook(configured: &Configured) {
    let is_set = configured.values.get("notify").is_some_and(|notify| notify.value.is_some());
    if is_set && matches!(configured.command_line.command, Command::Submit(_) | Command::Schedule(_)) {
        tracing::warn!("notify is not passed on, since it may be secret: put STRATA_NOTIFY into the cluster's Secret");
    }
}
