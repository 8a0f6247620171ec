//! One number of a lease ↔ `lease/NNNNNNNN.json`: who holds it, since when, and whether it was given back.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::digest;
use crate::layout::FORMAT;

/// Who asks for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// A name: whoever asks under the name of the holder takes its place at once.
    pub name: String,
    /// What it is, for people.
    pub what: String,
}

impl Holder {
    /// Names whoever goes on with the same work, as each pod of one Kubernetes Job does.
    #[must_use]
    pub fn named(name: impl Into<String>, what: impl Into<String>) -> Self {
        Self { name: name.into(), what: what.into() }
    }

    /// Names this process, which runs `command`, and nobody else.
    #[must_use]
    pub fn this_process(command: &str) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.trim().is_empty() { "an unnamed machine" } else { host.trim() };
        Self { name: unique(), what: format!("{command} on {host}, process {}", std::process::id()) }
    }
}

/// Returns text that no other process and no other call returns.
pub(super) fn unique() -> String {
    // The keys of the standard library's hash maps come from the system's source of randomness.
    let drawn = [RandomState::new().hash_one(0), RandomState::new().hash_one(1)];
    let seed = format!("{drawn:?} {} {:?}", std::process::id(), std::time::SystemTime::now());
    digest::sha256_hex(seed.as_bytes())[..32].to_owned()
}

/// What an object under `lease/` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRecord {
    /// The version of this format.
    pub format: u32,
    /// The holder's name.
    pub holder: String,
    /// Told anew whenever the lease is taken, so that no two tenures write the same bytes.
    pub instance: String,
    /// What the holder is, for people.
    pub what: String,
    /// The holder's process, where its system tells.
    pub process: Option<Process>,
    /// When the lease was taken, by the holder's clock.
    pub since: String,
    /// When it ends unless it is renewed, by the holder's clock; for people, since nobody else's clock need agree.
    pub expires: String,
    /// How long others must see this very number before they may take the lease.
    pub term_seconds: u64,
    /// Whether the lease was given back.
    pub released: bool,
}

impl LeaseRecord {
    /// Records that `holder` takes the lease now.
    pub(super) fn taken(holder: &Holder, process: Option<Process>, now: DateTime<Utc>, term: Duration) -> Self {
        let record = Self {
            format: FORMAT,
            holder: holder.name.clone(),
            instance: unique(),
            what: holder.what.clone(),
            process,
            since: text(now),
            expires: String::new(),
            term_seconds: term.as_secs(),
            released: false,
        };
        record.renewed(now)
    }

    /// Records that the lease is renewed now.
    pub(super) fn renewed(&self, now: DateTime<Utc>) -> Self {
        Self { expires: text(now + self.term()), ..self.clone() }
    }

    /// Records that the lease is given back now.
    pub(super) fn given_back(&self, now: DateTime<Utc>) -> Self {
        Self { expires: text(now), released: true, ..self.clone() }
    }

    /// Returns the term.
    pub(super) const fn term(&self) -> Duration {
        Duration::from_secs(self.term_seconds)
    }

    /// Encodes the record as one line of JSON.
    ///
    /// # Panics
    /// Never: numbers and strings always serialise.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).expect("numbers and strings always serialise");
        json.push(b'\n');
        json
    }
}

fn text(date: DateTime<Utc>) -> String {
    date.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format;

    /// What version 1 writes, and every later one must read.
    const VERSION_1: &str = concat!(
        r#"{"format":1,"holder":"a","instance":"b","what":"strata run on host, process 7","process":{"boot":"c","#,
        r#""namespace":"pid:[4026531836]","id":7,"started":42},"since":"2026-11-23T01:02:03Z","#,
        r#""expires":"2026-11-23T01:03:03Z","term_seconds":60,"released":false}"#,
        "\n"
    );

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let record: LeaseRecord = format::decode(VERSION_1.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(record.encode()).unwrap(), VERSION_1);
        let later = "2026-11-23T01:05:00Z".parse().unwrap();
        assert_eq!(record.renewed(later).expires, "2026-11-23T01:06:00Z");
        let released = record.given_back(later);
        assert!(released.released && released.since == record.since && released.expires == "2026-11-23T01:05:00Z");
    }

    #[test]
    fn no_two_takings_write_the_same_bytes() {
        let holder = Holder::this_process("strata run");
        let taken = || LeaseRecord::taken(&holder, None, DateTime::UNIX_EPOCH, Duration::from_secs(60));
        assert_ne!(taken().encode(), taken().encode());
        assert!(holder.what.starts_with("strata run on ") && holder.name != Holder::this_process("strata run").name);
    }
}
