//! `strata submit`, `watch`, `cancel` and `schedule`: what there is to say to a cluster from outside of it.

use strata_shared::exit::{Exit, Failure};
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::Manifest;
use strata_shared::store::Store;

use super::{print, status};
use crate::command_line::{ScheduleCommand, SubmissionCommand, SubmissionFlags, SubmitCommand};
use crate::display::Display;
use crate::launch::kubernetes::{Cluster, ClusterError, Follower, LogLines, default_namespace};
use crate::plan::{EmbedPlan, Finding, Sharing};
use crate::submit::{self, Begun, CONTAINER, Cost, Objects, Pods, Schedule};

/// The template of the coordinator.
const COORDINATOR: &str = "strata";

/// `strata submit`: applies what it takes, starts a coordinator with `arguments` or joins it, and watches it to its end.
///
/// # Errors
/// What pods could not use, what the API server refuses, or how the coordinator ended.
pub async fn submit(flags: SubmitCommand, arguments: Vec<String>, display: &Display) -> Result<(), Failure> {
    let SubmitCommand { question, detach } = flags;
    check(&question)?;
    if question.dry_run {
        let pods = pods(&question, offline_namespace(&question))?;
        let objects = Objects::new(&pods);
        let job = submit::job(&objects.coordinator, &pods.namespace, &submit::name(&pods, &arguments), &arguments)?;
        return foretell(&question, objects, job).await;
    }
    let cluster = Cluster::find(question.place.context.as_deref(), question.place.namespace.as_deref()).await?;
    let name = start(&cluster, &question, &arguments).await?;
    if detach { Ok(()) } else { follow(&cluster, &name, display).await }
}

/// Applies everything, and starts or joins the coordinator; returns its name.
async fn start(cluster: &Cluster, question: &SubmissionFlags, arguments: &[String]) -> Result<String, Failure> {
    let pods = pods(question, cluster.namespace().to_owned())?;
    let objects = Objects::new(&pods);
    submit::apply(cluster, &objects.around).await?;
    let name = submit::name(&pods, arguments);
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
/// As [`submit`], or a coordinator that somebody else has scheduled.
pub async fn schedule(flags: ScheduleCommand, arguments: Vec<String>) -> Result<(), Failure> {
    let ScheduleCommand { question, cron, time_zone } = flags;
    check(&question)?;
    let schedule = Schedule { cron, time_zone };
    if question.dry_run {
        let objects = Objects::new(&pods(&question, offline_namespace(&question))?);
        let template = submit::scheduled(objects.coordinator.clone(), &schedule, &arguments);
        return foretell(&question, objects, template).await;
    }
    let cluster = Cluster::find(question.place.context.as_deref(), question.place.namespace.as_deref()).await?;
    if submit::template_of_others(&cluster, COORDINATOR).await?.is_some() {
        let reason =
            "CronJob strata was made by somebody else: change its schedule there, as k8s/overlays/monthly does";
        return Err(ClusterError::Usage(reason.into()).into());
    }
    let objects = Objects::new(&pods(&question, cluster.namespace().to_owned())?);
    submit::apply(&cluster, &objects.around).await?;
    submit::apply(&cluster, &[submit::scheduled(objects.coordinator, &schedule, &arguments)]).await?;
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
        return Ok(submit::check_url("--vectors", &vectors.to_string_lossy())?);
    }
    match question.model.model.as_deref() {
        // A folder of the image, which the build has put there.
        Some(model) if model.starts_with('/') => Ok(()),
        Some(model) => Ok(submit::check_url("--model", model)?),
        None => Err(ClusterError::Usage("--model: is missing, expected a URL that pods can open".into()).into()),
    }
}

/// Prints what would be applied, and says what it would cost.
async fn foretell(question: &SubmissionFlags, objects: Objects, last: serde_json::Value) -> Result<(), Failure> {
    let at_once = objects.pods_at_once();
    let mut yaml = String::new();
    for object in objects.around.iter().chain([&last]) {
        let text = serde_saphyr::to_string(object).map_err(|error| Failure::new(Exit::Data, error))?;
        yaml.push_str(&format!("---\n{text}"));
    }
    match cost(question, at_once).await {
        Ok(Some(cost)) => tracing::info!("{}", cost.describe()),
        Ok(None) => tracing::info!("the store holds no corpus yet: what it costs is known once the inputs are sharded"),
        Err(failure) => tracing::warn!("{failure}: what it costs is not known from here"),
    }
    print(&yaml)
}

/// Looks up what is left to embed.
async fn cost(question: &SubmissionFlags, at_once: u64) -> Result<Option<Cost>, Failure> {
    let store = Store::open(&question.store.store)?;
    let Some((manifest, _)) = Manifest::read_if_present(&store).await? else { return Ok(None) };
    let findings = match likely_model(&store, question).await? {
        Some(model) => status::vectors(&store, &manifest, &model).await?,
        None => vec![Finding::Missing; manifest.shards.len()],
    };
    let plan = EmbedPlan::new(Sharing::ShardsPerPod(question.jobs.shards_per_pod.get()), &findings);
    let (shards, num_pods) = plan.map_or((Vec::new(), 0), |plan| (plan.shards, plan.num_tasks));
    Ok(Some(Cost {
        num_documents: shards.iter().map(|shard| manifest.shards[*shard].rows).sum(),
        num_shards: shards.len() as u64,
        num_pods: num_pods as u64,
        at_once,
        documents_per_second: question.documents_per_second,
    }))
}

/// Finds the vectors that are likely of the model that was named, without fetching it: those whose name begins as its folder's does.
async fn likely_model(store: &Store, question: &SubmissionFlags) -> Result<Option<ModelName>, Failure> {
    if let Some(name) = &question.shard.model_name {
        return Ok(Some(name.clone()));
    }
    let given = question.model.model.as_deref().unwrap_or_default().trim_end_matches('/');
    let folder = format!("{}-", given.rsplit('/').next().unwrap_or_default());
    let names = store.folders(&layout::vectors()).await?.into_iter().filter(|name| name.starts_with(&folder));
    let mut models = names.filter_map(|name| name.parse().ok());
    Ok(models.next().filter(|_| models.next().is_none()))
}
