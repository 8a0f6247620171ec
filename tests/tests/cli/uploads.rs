//! Uploads in parts that a program leaves halfway: none of them stays in the store, which would keep its parts and bill them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::distributions::{Alphanumeric, DistString};
use rustix::process::{Pid, Signal, kill_process};
use strata_tests::binaries;
use strata_tests::s3_server::{self, S3Server};

const LIMIT: Duration = Duration::from_mins(1);

/// More than 12 MiB as a raw shard, which is more than goes up in one piece.
const DOCUMENTS: usize = 2_000;
const TEXT_BYTES: usize = 12_000;

/// What went through a [`Dam`].
#[derive(Debug, Default)]
struct Seen {
    begun: AtomicUsize,
    parts: AtomicUsize,
    ended: AtomicUsize,
}

/// Stands before an S3 server and holds back the parts of uploads, so that they never end by themselves.
struct Dam {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Dam {
    fn before(server: SocketAddr) -> Self {
        let listener = s3_server::listen().unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Seen>::default());
        let counts = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&counts);
                std::thread::spawn(move || pass_on(client, server, &seen));
            }
        });
        Self { address, seen }
    }
}

/// Passes on what a client and the server say to each other, but for parts.
fn pass_on(mut client: TcpStream, server: SocketAddr, seen: &Seen) {
    let mut server = TcpStream::connect(server).unwrap();
    let (mut answers, mut asker) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut answers, &mut asker));
    let mut piece = vec![0; 64 << 10];
    let mut is_held_back = false;
    // Either may go away at any moment, which ends the connection.
    while let Ok(read @ 1..) = client.read(&mut piece) {
        let said = String::from_utf8_lossy(&piece[..read.min(1024)]).into_owned();
        is_held_back |= said.starts_with("PUT ") && said.contains("partNumber=");
        if is_held_back {
            seen.parts.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        let count = |is_one: bool, counter: &AtomicUsize| counter.fetch_add(usize::from(is_one), Ordering::SeqCst);
        count(said.starts_with("POST ") && said.contains("?uploads"), &seen.begun);
        count(said.starts_with("DELETE ") && said.contains("uploadId="), &seen.ended);
        if server.write_all(&piece[..read]).is_err() {
            return;
        }
    }
}

fn corpus() -> String {
    let mut random = rand::thread_rng();
    let text = (0..DOCUMENTS).map(|id| (id, Alphanumeric.sample_string(&mut random, TEXT_BYTES)));
    let lines: Vec<String> =
        text.map(|(id, text)| format!("{{\"id\":\"{id}\",\"title\":\"t\",\"abstract\":\"{text}\"}}\n")).collect();
    lines.concat()
}

#[test]
fn strata_asked_to_stop_in_the_middle_of_an_upload_ends_it_in_the_store() {
    let (server, folder) = (S3Server::start().unwrap(), tempfile::tempdir().unwrap());
    let input = folder.path().join("corpus.jsonl");
    std::fs::write(&input, corpus()).unwrap();
    let environment = server.environment();
    let endpoint = environment.iter().find(|(name, _)| *name == "AWS_ENDPOINT_URL").unwrap().1.clone();
    let dam = Dam::before(endpoint.trim_start_matches("http://").parse().unwrap());
    let mut command = binaries::command("strata").unwrap();
    command.arg("shard").arg(&input).args(["--store", &s3_server::url("uploads")]).envs(environment);
    command.env("AWS_ENDPOINT_URL", format!("http://{}", dam.address));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while dam.seen.parts.load(Ordering::SeqCst) == 0 {
        assert_eq!(child.try_wait().unwrap(), None, "ended before it sent a part");
        assert!(begun.elapsed() < LIMIT, "sent no part");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let [begun, ended] = [&dam.seen.begun, &dam.seen.ended].map(|count| count.load(Ordering::SeqCst));
    assert!(begun > 0 && ended == begun, "{begun} uploads were begun, {ended} of them were ended");
}
