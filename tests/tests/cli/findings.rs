//! Runs asked for, asked for again, damaged, and shown.

use serde_json::Value;

use super::folder::Folder;

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn with_run() -> Folder {
    let folder = Folder::with_corpus(40);
    folder.shard();
    folder.reduce("first", "").ended_with(0);
    folder
}

fn latest(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path("store/latest.json")).unwrap()
}

#[test]
fn a_finished_run_is_not_asked_another_question_unless_forced() {
    let folder = with_run();
    let said = folder.reduce("first", "").ended_with(0).stderr;
    assert!(said.contains("nothing to do"), "{said}");
    let said = folder.reduce("first", "--recent 2").ended_with(2).stderr;
    assert!(said.contains("first") && said.contains("--force") && !said.contains("trying again"), "{said}");
    folder.reduce("first", "--recent 2 --force").ended_with(0);
    folder.reduce("first", "--recent 2").ended_with(0);
}

#[test]
fn an_older_run_asked_for_again_keeps_its_page_and_does_not_become_the_newest() {
    let folder = with_run();
    folder.reduce("second", "--recent 2").ended_with(0);
    let page = folder.path("store/runs/first/report.html");
    let written = || std::fs::metadata(&page).unwrap().modified().unwrap();
    let before = written();
    folder.reduce("first", "").ended_with(0);
    assert_eq!(written(), before);
    assert!(latest(&folder).contains("second"));
}

#[test]
fn a_finished_run_that_was_not_announced_is_announced_when_asked_for_again() {
    let folder = with_run();
    let page = folder.path("store/runs/first/report.html");
    let (drawn, announced) = (std::fs::read(&page).unwrap(), latest(&folder));
    std::fs::remove_file(folder.path("store/latest.json")).unwrap();
    folder.reduce("first", "").ended_with(0);
    assert_eq!(latest(&folder), announced);
    std::fs::remove_file(&page).unwrap();
    std::fs::write(folder.path("store/latest.json"), "{\"run\": \"older\"}\n").unwrap();
    folder.reduce("first", "").ended_with(0);
    assert_eq!((std::fs::read(&page).unwrap(), latest(&folder)), (drawn, announced));
}

#[test]
fn a_run_made_anew_has_its_page_drawn_anew() {
    let folder = with_run();
    std::fs::write(folder.path("store/runs/first/report.html"), "old").unwrap();
    folder.reduce("first", "--recent 2 --force").ended_with(0);
    assert!(std::fs::read_to_string(folder.path("store/runs/first/report.html")).unwrap().len() > 1000);
}

#[test]
fn status_and_report_print_what_the_contract_names() {
    let folder = with_run();
    let status = folder.strata("status --store @store --json").ended_with(0).json();
    for key in ["rows", "shards", "stages"] {
        assert!(status.get(key).is_some(), "{key} is missing: {status}");
    }
    assert_eq!(keys(&status["stages"]), ["raw", "runs", "vectors"]);
    for stage in ["raw", "vectors", "runs"] {
        assert_eq!(keys(&status["stages"][stage]), ["done", "missing", "stale"], "{stage}");
    }
    let report = folder.strata("report --store @store --json").ended_with(0).json();
    assert_eq!(keys(&report), ["emerging", "fading", "lonely", "rejected", "rows", "run", "topics"]);
    assert_eq!((&report["run"], &report["rows"]), (&Value::from("first"), &status["rows"]));
    for words in ["status --store @store --json", "report --store @store --json", "report --store @store"] {
        let stdout = folder.strata(words).ended_with(0).stdout;
        assert!(stdout.ends_with('\n') && !stdout.ends_with("\n\n"), "{words}: {stdout:?}");
    }
}

#[test]
fn status_counts_an_unreadable_record_and_names_a_folder_that_is_not_its_own() {
    let folder = with_run();
    for (file, text) in [("runs/broken/run.json", "{"), ("runs/my notes/a.txt", ""), ("vectors/old ones/a.txt", "")] {
        let file = folder.path("store").join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    std::fs::write(folder.path("store/latest.json"), "[").unwrap();
    let said = folder.strata("status --store @store --json").ended_with(0);
    assert_eq!(said.json()["stages"]["runs"], serde_json::json!({"done": 1, "missing": 0, "stale": 1}));
    for named in ["runs/broken/run.json", "runs/my notes", "vectors/old ones", "latest.json"] {
        assert!(said.stderr.contains(named), "{named} is not in\n{}", said.stderr);
    }
}

#[test]
fn a_damaged_list_of_refused_lines_costs_no_more_than_their_reasons() {
    let folder = with_run();
    std::fs::write(folder.path("store/raw/generations/00000001.rejected.jsonl"), "damaged\n").unwrap();
    let said = folder.strata("report --store @store --html @page.html").ended_with(0);
    assert!(said.stdout.contains("reasons could not be read"), "{}", said.stdout);
    assert!(said.stderr.contains("raw/generations/00000001.rejected.jsonl"), "{}", said.stderr);
    assert!(folder.path("page.html").is_file());
}

#[test]
fn a_page_that_cannot_be_written_is_named_with_the_cause() {
    let folder = with_run();
    let said = folder.strata("report --store @store --html @none/page.html").ended_with(2).stderr;
    assert!(said.contains("none/page.html") && said.contains("No such file"), "{said}");
}

#[test]
fn a_run_that_follows_another_tells_what_changed_and_is_listed_with_it() {
    let folder = with_run();
    folder.reduce("second", "--warm-from first").ended_with(0);
    folder.reduce("third", "--warm-from second").ended_with(0);
    let changes = folder.strata("report --store @store --since first --json").ended_with(0).json();
    assert_eq!(keys(&changes), ["changes", "corrected", "run", "runs", "since", "topics"]);
    assert_eq!((&changes["run"], &changes["since"]), (&Value::from("third"), &Value::from("first")));
    let kinds: Vec<&Value> = changes["changes"].as_array().unwrap().iter().map(|change| &change["kind"]).collect();
    assert_eq!(kinds, ["documents_in", "documents_out"], "the same corpus has no changes");
    assert_eq!(changes["topics"][0]["runs"].as_array().unwrap().len(), 3);
    let text = folder.strata("report --store @store --since 2999-12-31").ended_with(0).stdout;
    assert!(text.contains("since second") && text.contains("no topic came or went"), "{text}");
    for (since, expected) in [("never", "second, first"), ("1999-12-31", "second, first")] {
        let said = folder.strata(&format!("report --store @store --since {since}")).ended_with(2).stderr;
        assert!(said.contains(since) && said.contains(expected), "{said}");
    }
    let said = folder.strata("report --store @store --run first --since second").ended_with(2).stderr;
    assert!(said.contains("follows none"), "{said}");
    let history = folder.strata("history --store @store --json").ended_with(0).json();
    let listed: Vec<(&Value, &Value)> =
        history.as_array().unwrap().iter().map(|run| (&run["run"], &run["predecessor"])).collect();
    let [first, second, third] = ["first", "second", "third"].map(Value::from);
    assert_eq!(listed, [(&first, &Value::Null), (&second, &first), (&third, &second)]);
    let text = folder.strata("history --store @store").ended_with(0).stdout;
    assert!(text.lines().count() == 4 && text.contains("0/0/0/0"), "{text}");
    let page = |run: &str| std::fs::read_to_string(folder.path(&format!("store/runs/{run}/report.html"))).unwrap();
    assert!(page("third").contains("id=\"changes\"") && !page("first").contains("id=\"changes\""));
}

#[test]
fn a_run_to_follow_that_cannot_be_is_refused_by_name() {
    let folder = with_run();
    for (flags, expected) in
        [("--warm-from never", "never"), ("--warm-from second", "itself"), ("--warm-from first --fresh", "--fresh")]
    {
        let said = folder.reduce("second", flags).ended_with(2).stderr;
        assert!(said.contains(expected), "{flags}: {said}");
    }
    folder.reduce("second", "--fresh").ended_with(0);
    let said = folder.reduce("second", "").ended_with(2).stderr;
    assert!(said.contains("--force"), "{said}");
}
