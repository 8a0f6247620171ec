//! Real programs killed outright, with all that they started, at instants spread over a whole run.

use std::process::Command;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use strata_shared::store::Store;
use strata_tests::objects::{self, Objects};
use strata_tests::process_group::ProcessGroup;
use strata_tests::s3_server::{self, S3Server};
use strata_tests::sample_corpus::SampleCorpus;

const DOCUMENTS: u64 = 300;
const KILLS: u32 = 10;
const SEED: u64 = 42;

/// A bound for one run on a machine that does much else.
const LIMIT: Duration = Duration::from_mins(2);

/// Where runs go: each to a store of its own.
struct Place<'a> {
    url: Box<dyn Fn(&str) -> String + 'a>,
    store: Box<dyn Fn(&str) -> Store + 'a>,
    environment: Vec<(&'static str, String)>,
}

impl Place<'_> {
    fn command(&self, corpus: &SampleCorpus, name: &str, settings: &[&str]) -> Command {
        let mut command = corpus.run(&(self.url)(name)).unwrap();
        command.args(settings).envs(self.environment.clone());
        command
    }

    fn run(&self, corpus: &SampleCorpus, name: &str, settings: &[&str]) -> Objects {
        let group = ProcessGroup::start(self.command(corpus, name, settings)).unwrap();
        group.wait(LIMIT).and_then(strata_tests::process_group::End::succeeded).unwrap();
        self.read(name)
    }

    /// Reads a store, and holds what it announces against what is there.
    fn read(&self, name: &str) -> Objects {
        let store = (self.store)(name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(objects::check_announced(&store)).unwrap();
        runtime.block_on(objects::read(&store)).unwrap()
    }
}

fn in_folder(folder: &tempfile::TempDir) -> Place<'_> {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let store = move |name: &str| Store::open_or_create(&path(name)).unwrap();
    Place { url: Box::new(path), store: Box::new(store), environment: Vec::new() }
}

fn on_server(server: &S3Server) -> Place<'_> {
    let store = |name: &str| server.store(name).unwrap();
    Place { url: Box::new(s3_server::url), store: Box::new(store), environment: server.environment() }
}

/// Returns an instant in each tenth of `duration`.
fn instants(duration: Duration) -> Vec<Duration> {
    let mut draw = Xoshiro256Plus::seed_from_u64(SEED);
    (0..KILLS).map(|tenth| duration.mul_f64((f64::from(tenth) + draw.gen_range(0.0..1.0)) / f64::from(KILLS))).collect()
}

/// Kills a run at `after` and returns the name of the store that it leaves; of a run that ended before that, at half the
/// time in another store, until one is killed in the middle.
fn kill(place: &Place<'_>, corpus: &SampleCorpus, mut after: Duration) -> String {
    loop {
        let name = format!("killed-{}", after.as_nanos());
        let group = ProcessGroup::start(place.command(corpus, &name, &["--workers", "2"])).unwrap();
        if group.kill_after(after).unwrap() {
            return name;
        }
        after /= 2;
    }
}

/// Kills a run at each instant, and runs it again to its end.
fn kill_and_run_again(place: &Place<'_>, corpus: &SampleCorpus) {
    let started = Instant::now();
    let expected = place.run(corpus, "undisturbed", &["--workers", "2"]);
    for after in instants(started.elapsed()) {
        let name = kill(place, corpus, after);
        place.read(&name);
        // What the killed run held of its store is not waited for.
        let found = place.run(corpus, &name, &["--workers", "2", "--no-wait"]);
        let differences = objects::differences(&expected, &found);
        assert!(differences.is_empty(), "{name} ns: {differences:#?}");
    }
}

#[test]
fn a_run_killed_at_any_instant_ends_in_the_same_objects_in_a_directory() {
    let (corpus, folder) = (SampleCorpus::write(DOCUMENTS).unwrap(), tempfile::tempdir().unwrap());
    kill_and_run_again(&in_folder(&folder), &corpus);
}

#[test]
fn a_run_killed_at_any_instant_ends_in_the_same_objects_on_s3() {
    let (corpus, server) = (SampleCorpus::write(DOCUMENTS).unwrap(), S3Server::start().unwrap());
    kill_and_run_again(&on_server(&server), &corpus);
}

#[test]
fn other_numbers_of_workers_and_threads_and_another_store_make_the_same_objects() {
    let (corpus, folder) = (SampleCorpus::write(DOCUMENTS).unwrap(), tempfile::tempdir().unwrap());
    let server = S3Server::start().unwrap();
    let (directory, s3) = (in_folder(&folder), on_server(&server));
    let expected = directory.run(&corpus, "reference", &["--workers", "1", "--threads", "1"]);
    let others: [(&Place<'_>, &[&str]); 3] = [
        (&directory, &["--workers", "2", "--threads", "2"]),
        (&directory, &["--workers", "3", "--threads", "6", "--memory", "1GiB"]),
        (&s3, &["--workers", "2"]),
    ];
    for (number, (place, settings)) in others.into_iter().enumerate() {
        let found = place.run(&corpus, &format!("other-{number}"), settings);
        let differences = objects::differences(&expected, &found);
        assert!(differences.is_empty(), "{settings:?}: {differences:#?}");
    }
}
