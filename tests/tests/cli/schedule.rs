//! The command that a schedule starts every month: it takes the newest snapshot, and tells whoever wants to know.

use std::fs::File;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use strata_tests::monthly::{self, Month};

use super::folder::{Folder, Said};

const CONFIG: &str = "\
inputs = [\"{}/snapshots\"]
newest = true
complete = true
store = \"{}/store\"
vectors = \"{}/all.parquet\"
model-name = \"hashed\"
rows-per-shard = 40
clusters = 5
lonely = 10
notify = \"cat >> {}/told\"
";

/// Puts a month's snapshot into the folder, as if it had been written on this day of the year.
fn deliver(folder: &Folder, name: &str, day: u64, month: &Month) {
    let path = folder.path("snapshots").join(name);
    std::fs::write(&path, month.lines()).unwrap();
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs((20_000 + day) * 86_400);
    File::options().write(true).open(path).unwrap().set_modified(written).unwrap();
}

fn told(folder: &Folder) -> Vec<Value> {
    let told = std::fs::read_to_string(folder.path("told")).unwrap_or_default();
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_month_takes_the_newest_snapshot_and_is_told_once() {
    let folder = Folder::with_corpus(1);
    let first = Month::first(150);
    let second = first.next(25, &[], &[7, 90]);
    std::fs::create_dir(folder.path("snapshots")).unwrap();
    std::fs::write(folder.path("all.parquet"), Month::first(175).vectors_since(None)).unwrap();
    let config = CONFIG.replace("{}", &folder.path("").display().to_string());
    std::fs::write(folder.path("strata.toml"), config).unwrap();

    let nothing = folder.strata("run --config @strata.toml").ended_with(2).stderr;
    assert!(nothing.contains("none of the 0 objects in it is a snapshot"), "{nothing}");

    deliver(&folder, "z-january.jsonl", 1, &first);
    deliver(&folder, "a.jsonl.sha256", 300, &Month::first(1));
    folder.strata("run --config @strata.toml").ended_with(0);
    let january = told(&folder);
    assert_eq!((january.len(), &january[0]["generation"], &january[0]["changes"]), (1, &1.into(), &Value::Null));

    let again = folder.strata("run --config @strata.toml").ended_with(0);
    assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
    assert_eq!(told(&folder).len(), 1, "of nothing new nobody is told");

    deliver(&folder, "february.jsonl", 32, &second);
    let updated = folder.strata("run --config @strata.toml").ended_with(0).stderr;
    assert!(updated.contains("february.jsonl") && updated.contains("25 new"), "{updated}");
    let both = told(&folder);
    assert_eq!((both.len(), &both[1]["generation"]), (2, &2.into()));
    let changes = &both[1]["changes"];
    assert_eq!((&changes["since"], &changes["changes"][0]["documents"]), (&both[0]["run"], &25.into()));
    let text = both[1]["text"].as_str().unwrap();
    assert!(text.contains("25 documents came, 2 went") && text.contains("/report.html"), "{text}");
}

#[test]
fn a_notification_that_nobody_took_is_given_again_and_the_run_stands() {
    let folder = Folder::with_corpus(1);
    let month = Month::first(60);
    month.write(&folder.path(""), "month", None).unwrap();
    let run = "run @month.jsonl --vectors @month.parquet --model-name hashed --store @store --clusters 3 --lonely 5";
    let said = folder.strata_with(run, &[("STRATA_NOTIFY", "false --token s3cret")]).ended_with(1);
    assert!(said.stdout.contains("LONELIEST DOCUMENTS"), "{}", said.stdout);
    assert!(said.stderr.contains("--notify (a command): found exit status: 1"), "{}", said.stderr);
    assert!(!said.stderr.contains("s3cret"), "{}", said.stderr);
    let shown =
        folder.strata_with("config", &[("STRATA_NOTIFY", "https://hooks.example.com/s3cret")]).ended_with(0).stdout;
    assert!(shown.contains("https://hooks.example.com/...") && !shown.contains("s3cret"), "{shown}");
    let told = format!("cat > {}", folder.path("told").display());
    folder.strata_with(run, &[("STRATA_NOTIFY", &told)]).ended_with(0);
    let told: Value = serde_json::from_slice(&std::fs::read(folder.path("told")).unwrap()).unwrap();
    assert_eq!(told["generation"], 1);
}

fn run_month(folder: &Folder, month: &str, hook: &str) -> Said {
    let words = format!("run @{month}.jsonl --vectors @{month}.parquet --model-name hashed --store @store");
    let flags = "--complete --rows-per-shard 40 --clusters 5 --lonely 10";
    folder.strata_with(&format!("{words} {flags}"), &[("STRATA_NOTIFY", hook)])
}

#[test]
fn a_month_is_told_though_the_last_one_that_was_told_is_no_longer_whole() {
    let folder = Folder::with_corpus(1);
    monthly::write_all(&folder.path(""), &monthly::four()).unwrap();
    let tell = format!("cat >> {}", folder.path("told").display());
    run_month(&folder, "january", &tell).ended_with(0);
    run_month(&folder, "february", "false").ended_with(1);
    let runs = folder.strata("history --store @store --json").ended_with(0).json();
    let [january, february] = [0, 1].map(|place| runs[place]["run"].as_str().unwrap().to_owned());
    std::fs::remove_file(folder.path(&format!("store/runs/{january}/lonely.parquet"))).unwrap();
    let said = run_month(&folder, "march", &tell).ended_with(0).stderr;
    assert!(said.contains(&format!("what changed since {january}, which was told last, cannot be told")), "{said}");
    assert_eq!(told(&folder)[1]["changes"]["since"], Value::from(february));
}

#[test]
fn a_month_that_nobody_took_is_told_with_the_next_and_a_compaction_is_no_news() {
    let folder = Folder::with_corpus(1);
    monthly::write_all(&folder.path(""), &monthly::four()).unwrap();
    let tell = format!("cat >> {}", folder.path("told").display());
    let run = |month: &str, hook: &str, code: i32| run_month(&folder, month, hook).ended_with(code);
    run("january", &tell, 0);
    run("february", "false", 1);
    run("march", &tell, 0);
    let both = told(&folder);
    let (changes, text) = (&both[1]["changes"], both[1]["text"].as_str().unwrap());
    assert_eq!((both.len(), &changes["since"], &changes["corrected"]), (2, &both[0]["run"], &3.into()));
    assert!(text.contains("35 documents came, 2 went, 3 corrected"), "{text}");

    let since =
        |since: &str, code: i32| folder.strata(&format!("report --store @store --since {since}")).ended_with(code);
    let shown = since(both[0]["run"].as_str().unwrap(), 0).stdout;
    assert!(shown.contains("35 documents came, 2 went, 3 corrected (183 now)"), "{shown}");
    let too_early = since("1999-12-31", 2).stderr;
    assert!(too_early.contains("found no run that was finished by that day among those that"), "{too_early}");
    assert!(since("soon", 2).stderr.contains("is neither a day, such as 2026-01-31, nor a run among those"));

    run("april", &tell, 0);
    folder.strata("compact --store @store").ended_with(0);
    let said = run("april", &tell, 0).stderr;
    assert!(said.contains("nobody is notified"), "{said}");
    let told = told(&folder);
    assert_eq!((told.len(), &told[2]["changes"]["since"]), (3, &told[1]["run"]));
}

#[test]
fn a_compaction_after_a_month_that_nobody_took_does_not_hide_it() {
    let folder = Folder::with_corpus(1);
    let months = monthly::four();
    monthly::write_all(&folder.path(""), &months).unwrap();
    for (month, _) in &months[..3] {
        run_month(&folder, month, "false").ended_with(1);
    }
    run_month(&folder, "april", "false").ended_with(1);
    folder.strata("compact --store @store").ended_with(0);
    run_month(&folder, "april", &format!("cat >> {}", folder.path("told").display())).ended_with(0);
    let told = told(&folder);
    assert_eq!((told.len(), &told[0]["generation"]), (1, &5.into()));
    let text = told[0]["text"].as_str().unwrap();
    assert!(text.contains("5 documents came, 0 went"), "what April brought: {text}");
}
