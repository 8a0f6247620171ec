//! Submissions that share a namespace, and what one leaves for the next.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use strata_tests::cluster::{Job, Namespace, run, wait_for};

use crate::lab::{FAST, LIMIT, Lab, SLOW};

/// An image that no node has, so that a run goes on for as long as a test wants.
const ABSENT: &str = "127.0.0.1:1/strata:absent";

/// What would change the pods that a run still makes is refused until that run is over; what changes nothing goes on beside it.
pub(super) fn settings_that_a_run_makes_pods_from_do_not_change_under_it(lab: &Lab) -> anyhow::Result<()> {
    let case = "neighbours";
    let namespace = lab.namespace(case)?;
    let submit = |words: &[&str]| -> anyhow::Result<Command> {
        let mut command = lab.ask_for("submit", ABSENT, case, FAST, &namespace)?;
        command.arg("--detach").args(words);
        Ok(command)
    };
    run(&mut submit(&[])?)?;
    let first = namespace.jobs("coordinator")?.pop().context("a coordinator")?.name().to_owned();
    let shared = shared(&namespace)?;
    for words in [["--env", "STRATA_LOG=debug"], ["--credentials", "others"]] {
        let said = refused(&mut submit(&words)?, 1)?;
        ensure!(said.contains(&format!("strata cancel {first}")), "who runs, and how to end it:\n{said}");
    }
    ensure!(self::shared(&namespace)? == shared, "nothing has changed under the first run");
    run(&mut submit(&["--seed", "7"])?)?;
    let both = namespace.jobs("coordinator")?;
    ensure!(both.len() == 2, "another question of the same pods goes on beside it: {both:?}");
    for job in &both {
        run(lab.cancelling(&namespace)?.arg(job.name()))?;
    }
    run(&mut submit(&["--env", "STRATA_LOG=debug"])?)?;
    ensure!(self::shared(&namespace)? != shared, "with nobody left, the settings are the new ones");
    lab.cancel(&namespace)
}

/// A schedule is replaced by another question when that is said, keeps its pods' settings from other submissions, and does not
/// pretend to start what somebody has stopped.
pub(super) fn a_schedule_is_not_replaced_or_changed_unasked(lab: &Lab) -> anyhow::Result<()> {
    let case = "calendar";
    let namespace = lab.namespace(case)?;
    let schedule = |words: &[&str]| -> anyhow::Result<Command> {
        let mut command = lab.ask_for("schedule", ABSENT, case, FAST, &namespace)?;
        command.args(["--time-zone", "Etc/UTC"]).args(words);
        Ok(command)
    };
    let [january, february] = ["0 3 1 1 *", "0 3 1 2 *"].map(|cron| ["--cron", cron]);
    run(&mut schedule(&january)?)?;
    run(&mut schedule(&february)?)?;
    let another = [february[0], february[1], "--seed", "7"];
    ensure!(refused(&mut schedule(&another)?, 2)?.contains("--replace"), "another question is said to be one");
    run(schedule(&another)?.arg("--replace"))?;
    let cron_job = namespace.get("cronjob", "strata")?;
    ensure!(cron_job.to_string().contains("--seed=7"), "the new one is there: {cron_job}");
    let mut other = lab.ask_for("submit", ABSENT, case, FAST, &namespace)?;
    let said = refused(other.args(["--detach", "--env", "STRATA_LOG=debug"]), 2)?;
    ensure!(said.contains("CronJob strata"), "the schedule has its settings:\n{said}");
    let stop = json!({"spec": {"suspend": true}}).to_string();
    namespace.kubectl(["patch", "cronjob", "strata", "--type", "merge", "--patch", &stop])?;
    let said = refused(schedule(&another)?.arg("--replace"), 2)?;
    ensure!(said.contains(".spec.suspend") && !said.contains("starts at"), "who has stopped it is named:\n{said}");
    Ok(())
}

/// A coordinator that is ended for good leaves its map: the next one on the same store says whose it is, and waits for it.
pub(super) fn a_map_that_its_coordinator_has_left_is_waited_for(lab: &Lab) -> anyhow::Result<()> {
    let case = "left";
    let namespace = lab.namespace(case)?;
    let map = map_without_coordinator(lab, &namespace, case)?;
    run(lab.submit(case, SLOW, &namespace)?.arg("--detach"))?;
    let is_told = || {
        let said = namespace.logs("coordinator").unwrap_or_default();
        Ok(said.contains(&format!("{} is a map that strata has left running", map.name())).then_some(()))
    };
    wait_for("a word about the map", LIMIT, is_told).with_context(|| namespace.describe())?;
    ensure!(namespace.jobs("map")?.len() == 1, "no other map is started beside it");
    let go_on = json!({"spec": {"suspend": false}});
    for (kind, name, patch) in
        [("job", map.name(), &go_on), ("cronjob", "strata-map", &json!({"spec": {"jobTemplate": go_on}}))]
    {
        namespace.kubectl(["patch", kind, name, "--type", "merge", "--patch", &patch.to_string()])?;
    }
    let submitted = |job: &Job| job.name() != "strata";
    let second = namespace.jobs("coordinator")?.into_iter().find(submitted).context("a second coordinator")?;
    namespace.completion_of(second.name(), LIMIT)?;
    ensure!(namespace.jobs("map")?.len() == 1, "every shard was done by the map that was left");
    lab.check_objects(case, SLOW)
}

/// The same map is what `strata cancel` ends, though its coordinator has ended already.
pub(super) fn a_map_that_its_coordinator_has_left_is_cancelled(lab: &Lab) -> anyhow::Result<()> {
    let case = "leftover";
    let namespace = lab.namespace(case)?;
    let map = map_without_coordinator(lab, &namespace, case)?;
    let said = refused(lab.cancelling(&namespace)?.arg(map.name()), 2)?;
    ensure!(said.contains("part of submission strata"), "a map is no submission:\n{said}");
    namespace.kubectl(["create", "job", "backup", "--image", ABSENT])?;
    let said = refused(lab.cancelling(&namespace)?.arg("backup"), 2)?;
    ensure!(said.contains("no submission of strata"), "nor is another's Job:\n{said}");
    lab.cancel(&namespace)?;
    let left = namespace.kubectl(["get", "jobs", "--output", "name"])?;
    ensure!(left.trim() == "job.batch/backup", "of strata nothing is left, and all of the others: {left}");
    Ok(())
}

/// Ends a coordinator for good in the middle of its map, which is suspended and goes on when a test says so.
fn map_without_coordinator(lab: &Lab, namespace: &Namespace<'_>, case: &str) -> anyhow::Result<Job> {
    let mut settings = lab.settings(case, SLOW);
    settings.patch("CronJob", "strata-map", "add", "/spec/jobTemplate/spec/suspend", &json!(true));
    namespace.apply_overlay(&settings, Some("once"))?;
    let map = wait_for("a map", LIMIT, || Ok(namespace.jobs("map")?.pop())).with_context(|| namespace.describe())?;
    let no_time = json!({"spec": {"activeDeadlineSeconds": 1}}).to_string();
    namespace.kubectl(["patch", "job", "strata", "--type", "merge", "--patch", &no_time])?;
    ensure!(namespace.end_of("strata", LIMIT)?.is("Failed"), "its time was over");
    Ok(map)
}

/// Returns what all submissions of a namespace share: the settings, and what is in the templates.
fn shared(namespace: &Namespace<'_>) -> anyhow::Result<[Value; 2]> {
    Ok([
        namespace.get("configmap", "strata-settings")?["data"].take(),
        namespace.get("cronjob", "strata-map")?["spec"].take(),
    ])
}

/// Runs a command that is to be refused, and returns what it says.
fn refused(command: &mut Command, code: i32) -> anyhow::Result<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(code), "exit code {code}, found {}:\n{said}", output.status);
    Ok(said)
}
