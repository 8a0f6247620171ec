//! `strata submit`, `watch`, `cancel` and `schedule`: what there is to say to a cluster from outside of it.

use strata_shared::exit::Failure;

use super::foretell::{Last, foretell};
use crate::command_line::{ScheduleCommand, SubmissionCommand, SubmissionFlags, SubmitCommand};
use crate::display::Display;
use crate::launch::kubernetes::{Cluster, ClusterError, Follower, LogLines, default_namespace};
use crate::submit::{self, Applicant, Begun, CONTAINER, Objects, Pods, Schedule};

/// The template of the coordinator.
pub(super) const COORDINATOR: &str = "strata";

/// `strata submit`: applies what it takes, starts a coordinator with `arguments` or joins it, and watches it to its end.
///
/// # Errors
/// What pods could not use, what the API server refuses, or how the coordinator ended.
pub async fn submit(flags: SubmitCommand, arguments: Vec<String>, display: &Display) -> Result<(), Failure> {
    let SubmitCommand { question, detach } = flags;
    check(&question)?;
    if question.dry_run {
        let pods = pods(&question, offline_namespace(&question))?;
        let last = Last::Job { name: submit::name(&pods, &arguments), arguments };
        return foretell(&question, &pods, last).await;
    }
    let cluster = Cluster::find(question.place.context.as_deref(), question.place.namespace.as_deref()).await?;
    let name = start(&cluster, &question, &arguments).await?;
    if detach { Ok(()) } else { follow(&cluster, &name, display).await }
}

/// Applies everything, and starts or joins the coordinator; returns its name.
async fn start(cluster: &Cluster, question: &SubmissionFlags, arguments: &[String]) -> Result<String, Failure> {
    let pods = pods(question, cluster.namespace().to_owned())?;
    let objects = Objects::new(&pods);
    let name = submit::name(&pods, arguments);
    submit::apply(cluster, &objects.around, Applicant::Submission(&name)).await?;
    let template = submit::template_of_others(cluster, COORDINATOR).await?.unwrap_or(objects.coordinator);
    let job = submit::job(&template, cluster.namespace(), &name, arguments)?;
    let how = match submit::begin(cluster, &name, job).await? {
        Begun::Started => "has begun",
        Begun::Joined => "runs already, and is joined",
    };
    tracing::info!(
        "{name} {how} in namespace {}; `strata watch {name}` looks at it from anywhere",
        cluster.namespace()
    );
    Ok(name)
}

/// `strata watch`: a submission to its end, and its tables on stdout.
///
/// # Errors
/// There is none, or how it ended.
pub async fn watch(flags: SubmissionCommand, display: &Display) -> Result<(), Failure> {
    let cluster = Cluster::find(flags.place.context.as_deref(), flags.place.namespace.as_deref()).await?;
    let job = submit::find(&cluster, flags.name.as_deref()).await?;
    follow(&cluster, &job.metadata.name.unwrap_or_default(), display).await
}

async fn follow(cluster: &Cluster, name: &str, display: &Display) -> Result<(), Failure> {
    let subject = |index: usize| format!("index {index}");
    let follower = Follower {
        cluster,
        job: name,
        stage: "coordinator",
        container: CONTAINER,
        log: LogLines::Everything,
        subject: &subject,
        display,
    };
    let tracker = Box::pin(follower.follow()).await?;
    let failed = |(exit, reason)| Err(ClusterError::Failed { job: name.to_owned(), reason, exit }.into());
    tracker.failure().map_or(Ok(()), failed)
}

/// `strata cancel`: ends a submission with all its pods.
///
/// # Errors
/// Several run and none is named, or what the API server refuses.
pub async fn cancel(flags: SubmissionCommand) -> Result<(), Failure> {
    let cluster = Cluster::find(flags.place.context.as_deref(), flags.place.namespace.as_deref()).await?;
    if let Some(name) = submit::cancel(&cluster, flags.name.as_deref()).await? {
        tracing::info!("{name} is cancelled; shards that are done stay in the store");
    } else {
        tracing::info!("nothing runs in namespace {}: nothing to cancel", cluster.namespace());
    }
    Ok(())
}

/// `strata schedule`: lets a coordinator with `arguments` start again and again.
///
/// # Errors
/// As [`submit`], or a coordinator that somebody else has scheduled, or that asks another question.
pub async fn schedule(flags: ScheduleCommand, arguments: Vec<String>) -> Result<(), Failure> {
    let ScheduleCommand { question, cron, time_zone, replace } = flags;
    check(&question)?;
    let schedule = Schedule { cron, time_zone };
    if question.dry_run {
        let pods = pods(&question, offline_namespace(&question))?;
        let template = submit::scheduled(Objects::new(&pods).coordinator, &schedule, &arguments);
        return foretell(&question, &pods, Last::Schedule(template)).await;
    }
    let cluster = Cluster::find(question.place.context.as_deref(), question.place.namespace.as_deref()).await?;
    if submit::template_of_others(&cluster, COORDINATOR).await?.is_some() {
        let reason =
            "CronJob strata was made by somebody else: change its schedule there, as k8s/overlays/monthly does";
        return Err(ClusterError::Usage(reason.into()).into());
    }
    let objects = Objects::new(&pods(&question, cluster.namespace().to_owned())?);
    let scheduled = submit::scheduled(objects.coordinator, &schedule, &arguments);
    submit::apply_schedule(&cluster, &objects.around, &scheduled, replace).await?;
    let zone = schedule.time_zone.as_deref().unwrap_or("the cluster's time zone");
    tracing::info!("CronJob strata in namespace {} starts at {:?} in {zone}", cluster.namespace(), schedule.cron);
    Ok(())
}

fn offline_namespace(question: &SubmissionFlags) -> String {
    let place = &question.place;
    place.namespace.clone().unwrap_or_else(|| default_namespace(place.context.as_deref()))
}

fn pods(question: &SubmissionFlags, namespace: String) -> Result<Pods, ClusterError> {
    let variables = submit::variables(&question.pods.variables, |name| std::env::var(name).ok())?;
    let (image, credentials) = (question.pods.image.clone(), question.pods.credentials.clone());
    Ok(Pods { namespace, image, credentials, variables })
}

/// Refuses what pods could not use, before anything is applied.
fn check(question: &SubmissionFlags) -> Result<(), Failure> {
    question.shard.settings()?;
    question.reduce.settings()?;
    submit::check_url("--store", &question.store.store)?;
    question.shard.inputs.iter().try_for_each(|input| submit::check_url("INPUT", input))?;
    if let Some(vectors) = &question.shard.vectors {
        submit::check_url("--vectors", &vectors.to_string_lossy())?;
    }
    check_model(question, std::env::var("STRATA_MODEL").ok().as_deref())
}

/// Refuses a model that pods cannot open; `own` is the one that this machine's environment names.
fn check_model(question: &SubmissionFlags, own: Option<&str>) -> Result<(), Failure> {
    let refuse = |reason: String| Err(ClusterError::Usage(format!("--model: {reason}")).into());
    match question.model.model.as_deref() {
        None if question.shard.vectors.is_some() => Ok(()),
        None => refuse("is missing, expected a URL that pods can open".into()),
        Some(model) if model.starts_with('/') && own == Some(model) && std::path::Path::new(model).exists() => {
            refuse(format!(
                "STRATA_MODEL names {model}, a folder of this machine; expected a URL that pods can open, or a folder of the image that is none here"
            ))
        }
        // A folder of the image, which the build has put there.
        Some(model) if model.starts_with('/') => Ok(()),
        Some(model) => Ok(submit::check_url("--model", model)?),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::command_line::{Command, CommandLine};

    fn question(words: &str) -> SubmissionFlags {
        let words = "strata submit s3://b/in --store s3://b/c --image i ".to_owned() + words;
        let parsed = CommandLine::try_parse_from(words.split_whitespace()).expect("a command line");
        let Command::Submit(command) = parsed.command else { panic!("another command") };
        command.question
    }

    #[test]
    fn a_model_is_one_that_pods_can_open_whether_or_not_vectors_are_brought() {
        let check =
            |words: &str, own: Option<&str>| check_model(&question(words), own).map_err(|error| error.to_string());
        assert!(check("--model s3://b/m", None).is_ok() && check("--model /models/m", None).is_ok());
        assert!(check("--model file:///m", None).is_err());
        let brought = "--vectors s3://b/v.npy --model-name n";
        assert!(check(&format!("{brought} --model file:///m"), None).is_err(), "it is passed on all the same");
        let said = check("--model /", Some("/")).expect_err("a folder of this machine");
        assert!(said.contains("STRATA_MODEL"), "{said}");
        assert!(check("--model /models/m", Some("/models/m")).is_ok(), "there is no such folder here");
    }
}
