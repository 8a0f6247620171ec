//! Who holds a lease, and when, in worlds whose time the tests move.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{Either, select};
use proptest::prelude::*;

use super::record::Holder;
use super::seat::Seat;
use super::simulation::{Draw, Machine, Pausing, SlowStore, World};
use super::tenure::Tenure;
use super::{LeaseError, Patience, TERM};
use crate::exit::{Classify, Exit};
use crate::layout;
use crate::store::Store;

const HOUR: Duration = Duration::from_secs(3600);

/// One world with one store.
#[derive(Debug, Clone)]
struct Scene {
    world: World,
    slow: SlowStore,
    store: Store,
}

impl Scene {
    fn new(seed: u64, is_slow: bool) -> Self {
        let world = World::default();
        let slow = SlowStore::new(&world, seed, is_slow);
        let store = Store::new("memory:", Arc::new(slow.clone()));
        Self { world, slow, store }
    }

    /// Looks at the store from a machine where `process` asks, if it tells, and whose calendar is off by some days.
    fn seat(&self, process: Option<u32>, days_off: i64) -> Seat {
        let machine = Machine { world: self.world.clone(), process, days_off };
        Seat::new(self.store.clone(), Arc::new(machine), TERM)
    }

    /// Runs one test's story to its end.
    fn play(&self, story: impl Future<Output = ()> + Send + 'static) {
        let told = Arc::new(Mutex::new(false));
        let end = Arc::clone(&told);
        self.world.spawn(async move {
            story.await;
            *end.lock().unwrap() = true;
        });
        self.world.run(HOUR);
        assert!(*told.lock().unwrap(), "the story did not come to its end within an hour");
    }

    async fn keys(&self) -> Vec<String> {
        let objects = self.store.list(&layout::leases()).await.unwrap();
        objects.iter().map(|object| object.location.to_string()).collect()
    }
}

fn holder(name: &str) -> Holder {
    Holder::named(name, format!("strata run by {name}"))
}

async fn take(seat: &Seat, name: &str) -> Tenure {
    Tenure::take(seat, &holder(name), Patience::Wait).await.unwrap()
}

async fn refused(seat: &Seat, name: &str) -> LeaseError {
    Tenure::take(seat, &holder(name), Patience::Refuse).await.expect_err("a lease that somebody else holds")
}

/// Keeps a lease for `duration`; returns how it was lost, if it was.
async fn keep(scene: &Scene, tenure: &mut Tenure, duration: Duration) -> Option<LeaseError> {
    match select(std::pin::pin!(tenure.keep()), scene.world.sleep(duration)).await {
        Either::Left((lost, _)) => Some(lost),
        Either::Right(_) => None,
    }
}

#[test]
fn a_lease_that_is_held_is_refused_and_one_given_back_is_taken_at_once() {
    let scene = Scene::new(1, false);
    scene.clone().play(async move {
        let (ours, theirs) = (scene.seat(None, 0), scene.seat(None, 0));
        let tenure = take(&ours, "a").await;
        let error = refused(&theirs, "b").await;
        assert_eq!(error.exit(), Exit::Retry);
        let said = error.to_string();
        assert!(said.contains("strata run by a") && said.contains("2024-10-04T00:00:00Z"), "{said}");
        ours.release(tenure.instance()).await.unwrap();
        let next = take(&theirs, "b").await;
        assert_eq!(scene.world.now(), Duration::ZERO);
        assert_eq!(scene.keys().await, ["lease/00000001.json", "lease/00000002.json", "lease/00000003.json"]);
        ours.release(tenure.instance()).await.unwrap();
        assert!(matches!(refused(&ours, "a").await, LeaseError::Held { .. }), "released by who held it before");
        theirs.release(next.instance()).await.unwrap();
        assert_eq!(scene.keys().await, ["lease/00000003.json", "lease/00000004.json"]);
    });
}

#[test]
fn whoever_waits_takes_over_when_the_holder_gives_back_or_has_been_silent_for_a_term_whatever_the_calendars() {
    for days_off in [-1000, 1000] {
        let scene = Scene::new(1, false);
        scene.clone().play(async move {
            let (ours, theirs) = (scene.seat(Some(1), days_off), scene.seat(None, 0));
            let mut tenure = take(&ours, "a").await;
            let waiting = async { (take(&theirs, "b").await, scene.world.now()) };
            let working = async {
                assert!(keep(&scene, &mut tenure, 5 * TERM).await.is_none());
                ours.release(tenure.instance()).await.unwrap();
            };
            let ((next, taken_at), ()) = futures::future::join(waiting, working).await;
            assert!(taken_at >= 5 * TERM && taken_at <= 5 * TERM + TERM / 12, "{taken_at:?}");
            drop(next);
            take(&ours, "a").await;
            let silence = scene.world.now().saturating_sub(taken_at);
            assert!(silence >= TERM && silence <= TERM + TERM / 6, "{silence:?}");
        });
    }
}

#[test]
fn a_holder_whose_process_is_gone_or_that_asks_again_by_its_name_is_not_waited_for() {
    let scene = Scene::new(1, false);
    scene.clone().play(async move {
        take(&scene.seat(Some(7), 0), "a").await;
        refused(&scene.seat(Some(8), 0), "b").await;
        scene.world.end(7);
        refused(&scene.seat(None, 0), "from another machine").await;
        take(&scene.seat(Some(8), 0), "b").await;
        let pod = scene.seat(None, 0);
        take(&pod, "b").await;
        assert_eq!(scene.world.now(), Duration::ZERO);
    });
}

#[test]
fn renewals_leave_two_objects_and_numbers_that_never_go_back() {
    let scene = Scene::new(1, false);
    scene.clone().play(async move {
        let seat = scene.seat(None, 0);
        let mut tenure = take(&seat, "a").await;
        assert!(keep(&scene, &mut tenure, 10 * TERM + TERM / 6).await.is_none());
        assert_eq!(scene.keys().await, ["lease/00000030.json", "lease/00000031.json"]);
    });
}

#[test]
fn a_store_that_is_gone_for_a_while_is_borne_and_one_that_stays_away_ends_the_work_before_others_may_begin() {
    let scene = Scene::new(1, false);
    scene.clone().play(async move {
        let seat = scene.seat(None, 0);
        let mut tenure = take(&seat, "a").await;
        let outage = |seconds| {
            let scene = scene.clone();
            async move {
                scene.world.sleep(Duration::from_secs(15)).await;
                scene.slow.is_down.store(true, Ordering::SeqCst);
                scene.world.sleep(Duration::from_secs(seconds)).await;
                scene.slow.is_down.store(false, Ordering::SeqCst);
            }
        };
        let (lost, ()) = futures::future::join(keep(&scene, &mut tenure, 2 * TERM), outage(30)).await;
        assert!(lost.is_none(), "{lost:?}");
        let until = tenure.trusted_until();
        let (lost, ()) = futures::future::join(keep(&scene, &mut tenure, 2 * TERM), outage(70)).await;
        let Some(LeaseError::Expired { silence, source: Some(_), .. }) = &lost else { panic!("{lost:?}") };
        assert!(*silence < TERM, "{silence:?}");
        assert!(tenure.trusted_until() >= until && lost.unwrap().exit() == Exit::Retry);
    });
}

#[test]
fn a_holder_that_slept_through_its_term_finds_its_lease_taken_even_where_the_next_number_was_tidied_away() {
    for renewals in [0, 1, 5] {
        let scene = Scene::new(1, false);
        scene.clone().play(async move {
            let mut sleeper = take(&scene.seat(None, 0), "sleeper").await;
            let mut next = take(&scene.seat(None, 0), "next").await;
            assert!(keep(&scene, &mut next, TERM / 3 * renewals).await.is_none());
            let lost = sleeper.keep().await;
            assert!(matches!(&lost, LeaseError::Taken { .. } | LeaseError::Expired { .. }), "{lost}");
            assert!(keep(&scene, &mut next, TERM).await.is_none(), "the holder was disturbed");
        });
    }
}

#[test]
fn a_number_that_was_tidied_away_cannot_be_taken_again() {
    let scene = Scene::new(1, false);
    scene.clone().play(async move {
        let seat = scene.seat(None, 0);
        let mut tenure = take(&seat, "a").await;
        assert!(keep(&scene, &mut tenure, 2 * TERM).await.is_none());
        let before = scene.keys().await;
        assert!(!before.contains(&"lease/00000002.json".to_owned()));
        assert_eq!(seat.write(2, b"late").await.unwrap(), None);
        assert_eq!(scene.keys().await, before);
    });
}

#[test]
fn a_number_that_another_version_wrote_is_respected_for_a_term() {
    let scene = Scene::new(1, false);
    scene.clone().play(async move {
        let key = layout::lease(4);
        scene.store.put(&key, br#"{"format": 99}"#.to_vec()).await.unwrap();
        scene.store.put(&"lease/note.txt".into(), b"of somebody".to_vec()).await.unwrap();
        let seat = scene.seat(None, 0);
        assert!(refused(&seat, "a").await.to_string().contains("another command"));
        take(&seat, "a").await;
        assert!(scene.world.now() >= TERM);
        assert!(scene.keys().await.contains(&"lease/00000005.json".to_owned()));
    });
}

/// When a lease was held, and by whom.
#[derive(Debug, Clone)]
struct Span {
    #[expect(dead_code, reason = "only a failure shows it")]
    name: String,
    from: Duration,
    to: Duration,
}

/// A command that is run again and again, and now and then is killed.
struct Actor {
    scene: Scene,
    name: String,
    draw: Draw,
    tells_its_process: bool,
    spans: Arc<Mutex<Vec<Span>>>,
    until: Duration,
}

impl Actor {
    async fn live(mut self) {
        for life in 0.. {
            let process = u32::try_from(self.draw.below(1 << 30)).unwrap();
            let name = format!("{}-{life}", self.name);
            self.work(&name, self.tells_its_process.then_some(process)).await;
            let pause = self.draw.seconds(60);
            self.scene.world.sleep(pause).await;
            if self.scene.world.now() > self.until {
                return;
            }
        }
    }

    /// Takes the lease, works for a while, and gives it back, or is killed.
    async fn work(&mut self, name: &str, process: Option<u32>) {
        let seat = self.scene.seat(process, self.draw.below(100) as i64);
        let Ok(mut tenure) = Tenure::take(&seat, &holder(name), Patience::Wait).await else { return };
        let from = self.scene.world.now();
        let duration = self.draw.seconds(200);
        let lost = keep(&self.scene, &mut tenure, duration).await;
        // It is held for as long as it can be trusted, and no longer than the work goes on.
        let to = tenure.trusted_until().min(self.scene.world.now());
        self.spans.lock().unwrap().push(Span { name: name.to_owned(), from, to });
        if lost.is_some() {
            return;
        }
        if self.draw.one_in(3) {
            process.into_iter().for_each(|process| self.scene.world.end(process));
        } else {
            // A store that fails leaves the lease to end by itself.
            let _ = seat.release(tenure.instance()).await;
        }
    }
}

/// Lets several actors compete for two hours, and one more come when all of them are gone.
fn compete(seed: u64, num_actors: u64) -> (Vec<Span>, Option<Duration>) {
    let (scene, spans) = (Scene::new(seed, true), Arc::new(Mutex::new(Vec::new())));
    for index in 0..num_actors {
        let mut draw = Draw(seed ^ (index + 1) << 32);
        let (tells_its_process, pauses) = (draw.one_in(2), draw.one_in(2));
        let (name, spans, pausing) = (format!("actor-{index}"), Arc::clone(&spans), draw.clone());
        let actor = Actor { scene: scene.clone(), name, draw, tells_its_process, spans, until: 2 * HOUR };
        if pauses {
            scene.world.spawn(Pausing::new(actor.live(), scene.world.clone(), pausing));
        } else {
            scene.world.spawn(actor.live());
        }
    }
    scene.world.run(4 * HOUR);
    scene.slow.is_slow.store(false, Ordering::SeqCst);
    let (begun, last) = (scene.world.now(), Arc::new(Mutex::new(None)));
    let (latecomer, taken_at) = (scene.clone(), Arc::clone(&last));
    scene.world.spawn(async move {
        take(&latecomer.seat(None, 0), "latecomer").await;
        *taken_at.lock().unwrap() = Some(latecomer.world.now().saturating_sub(begun));
    });
    scene.world.run(6 * HOUR);
    let taken_after = *last.lock().unwrap();
    (
        Arc::try_unwrap(spans).map_or_else(|shared| shared.lock().unwrap().clone(), |own| own.into_inner().unwrap()),
        taken_after,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_two_hold_a_lease_at_once_and_somebody_always_gets_it(seed in any::<u64>(), num_actors in 2u64..6) {
        let (mut spans, taken_after) = compete(seed, num_actors);
        spans.sort_by_key(|span| span.from);
        for pair in spans.windows(2) {
            prop_assert!(pair[0].to <= pair[1].from, "{pair:?}");
        }
        prop_assert!(spans.len() >= 3, "only {} took the lease in two hours", spans.len());
        prop_assert!(taken_after.is_some_and(|after| after <= 2 * TERM), "{taken_after:?}");
    }
}
