//! A world for tests: machines with clocks that a test moves, processes that end, and a store that answers late.
//!
//! Everything runs on one thread and in an order that depends on nothing but the seed.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::channel::oneshot;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::process::Process;
use super::surroundings::Surroundings;

/// The one state of a simulated world.
#[derive(Default)]
struct State {
    now: Duration,
    sleepers: Vec<(Duration, Waker)>,
    begun: Vec<BoxFuture<'static, ()>>,
    ended: BTreeSet<u32>,
}

/// Time, tasks and processes.
#[derive(Clone, Default)]
pub(super) struct World(Arc<Mutex<State>>);

impl fmt::Debug for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("World")
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn now(&self) -> Duration {
        self.state().now
    }

    /// Begins a task that goes on whatever becomes of whoever began it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.state().begun.push(task.boxed());
    }

    /// Ends a process of the machine that all of this world share.
    pub(super) fn end(&self, process: u32) {
        self.state().ended.insert(process);
    }

    pub(super) fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (world, until) = (self.clone(), self.now() + duration);
        futures::future::poll_fn(move |context| {
            let mut state = world.state();
            if state.now >= until {
                return Poll::Ready(());
            }
            state.sleepers.push((until, context.waker().clone()));
            Poll::Pending
        })
        .boxed()
    }

    /// Runs all tasks, moving the clock whenever all of them wait, until they have ended or it is `until`.
    pub(super) fn run(&self, until: Duration) {
        let (mut tasks, flag) = (FuturesUnordered::new(), Arc::new(Flag::default()));
        let waker = Arc::clone(&flag).into();
        loop {
            tasks.extend(self.state().begun.drain(..));
            let polled = tasks.poll_next_unpin(&mut Context::from_waker(&waker));
            let is_idle = !flag.0.swap(false, Ordering::SeqCst) && self.state().begun.is_empty();
            if is_idle && !matches!(polled, Poll::Ready(Some(()))) && !self.advance(until) {
                return;
            }
        }
    }

    /// Moves the clock to the first instant that somebody waits for.
    fn advance(&self, until: Duration) -> bool {
        let mut state = self.state();
        let Some(next) = state.sleepers.iter().map(|(at, _)| *at).min().filter(|next| *next <= until) else {
            return false;
        };
        state.now = state.now.max(next);
        let (due, later) = std::mem::take(&mut state.sleepers).into_iter().partition(|(at, _)| *at <= next);
        state.sleepers = later;
        drop(state);
        let due: Vec<(Duration, Waker)> = due;
        due.into_iter().for_each(|(_, waker)| waker.wake());
        true
    }
}

/// One process on a machine of the world.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) world: World,
    /// The process, where the machine tells.
    pub(super) process: Option<u32>,
    /// How far its calendar is off, in days.
    pub(super) days_off: i64,
}

impl Surroundings for Machine {
    fn now(&self) -> Duration {
        self.world.now()
    }

    fn date(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000 + self.days_off) + self.world.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.world.sleep(duration)
    }

    fn own_process(&self) -> Option<Process> {
        let process = |id| Process { boot: "boot".into(), namespace: "pid:[1]".into(), id, started: 1 };
        self.process.map(process)
    }

    fn is_gone(&self, process: &Process) -> bool {
        self.process.is_some() && self.world.state().ended.contains(&process.id)
    }
}

/// A sequence that looks random and depends on the seed alone (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Draw(pub(super) u64);

impl Draw {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(super) fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    pub(super) fn seconds(&mut self, below: u64) -> Duration {
        Duration::from_millis(self.below(below * 1000))
    }
}

/// A task that stands still now and then, as a process does whose machine sleeps or swaps.
pub(super) struct Pausing {
    task: BoxFuture<'static, ()>,
    world: World,
    draw: Draw,
    pause: Option<BoxFuture<'static, ()>>,
}

impl Pausing {
    pub(super) fn new(task: impl Future<Output = ()> + Send + 'static, world: World, draw: Draw) -> Self {
        Self { task: task.boxed(), world, draw, pause: None }
    }
}

impl Future for Pausing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.pause.is_none() && self.draw.one_in(40) {
            let pause = self.draw.seconds(150);
            self.pause = Some(self.world.sleep(pause));
        }
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.poll_unpin(context));
            self.pause = None;
        }
        self.task.poll_unpin(context)
    }
}

/// A store in memory whose requests arrive late, whose answers come later, and some of which fail on either way.
#[derive(Debug, Clone)]
pub(super) struct SlowStore {
    pub(super) inner: Arc<InMemory>,
    pub(super) world: World,
    pub(super) draw: Arc<Mutex<Draw>>,
    /// While it is set, nothing is answered and nothing arrives.
    pub(super) is_down: Arc<AtomicBool>,
    /// Whether requests are late at all.
    pub(super) is_slow: Arc<AtomicBool>,
}

impl fmt::Display for SlowStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SlowStore")
    }
}

fn lost<T>() -> Result<T> {
    Err(Error::Generic { store: "SlowStore", source: "the connection was lost".into() })
}

impl SlowStore {
    pub(super) fn new(world: &World, seed: u64, is_slow: bool) -> Self {
        let (draw, is_slow) = (Arc::new(Mutex::new(Draw(seed))), Arc::new(AtomicBool::new(is_slow)));
        let is_down = Arc::default();
        Self { inner: Arc::new(InMemory::new()), world: world.clone(), draw, is_down, is_slow }
    }

    /// Returns how long a request takes one way, and whether it is lost there.
    fn way(&self) -> (Duration, bool) {
        if !self.is_slow.load(Ordering::SeqCst) {
            return (Duration::ZERO, false);
        }
        let mut draw = self.draw.lock().unwrap();
        let seconds = if draw.one_in(25) { draw.seconds(150) } else { draw.seconds(2) };
        (seconds, draw.one_in(12))
    }

    /// Does a request, which goes on its way even where nobody waits for its answer any more.
    async fn request<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        if self.is_down.load(Ordering::SeqCst) {
            return lost();
        }
        let ((to, is_lost), (back, is_unheard)) = (self.way(), self.way());
        let (answer, answered) = oneshot::channel();
        let world = self.world.clone();
        self.world.spawn(async move {
            world.sleep(to).await;
            let done = if is_lost { lost() } else { work.await };
            world.sleep(back).await;
            // Whoever asked may have given up.
            let _ = answer.send(if is_unheard { lost() } else { done });
        });
        answered.await.unwrap_or_else(|_| lost())
    }
}

#[async_trait]
impl ObjectStore for SlowStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let (inner, location) = (Arc::clone(&self.inner), location.clone());
        self.request(async move { inner.put_opts(&location, payload, options).await }).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        lost()
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (inner, location) = (Arc::clone(&self.inner), location.clone());
        self.request(async move { inner.get_opts(&location, options).await }).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let delete = move |location: Result<Path>| {
            let (this, inner) = (this.clone(), Arc::clone(&this.inner));
            async move {
                let location = location?;
                this.request(async move { inner.delete(&location).await.map(|()| location) }).await
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, inner, prefix) = (self.clone(), Arc::clone(&self.inner), prefix.cloned());
        let listed = async move {
            let all = this.request(async move { inner.list(prefix.as_ref()).try_collect::<Vec<_>>().await }).await;
            futures::stream::iter(all.map_or_else(|error| vec![Err(error)], |all| all.into_iter().map(Ok).collect()))
        };
        listed.flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        lost()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        lost()
    }
}
