//! `--dry-run`: what would be applied, as YAML, beside what is there already, and what it would cost.

use std::time::Duration;

use serde_json::Value;
use strata_shared::exit::{Exit, Failure};
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::Manifest;
use strata_shared::store::Store;

use super::submit::COORDINATOR;
use super::{print, status};
use crate::command_line::SubmissionFlags;
use crate::launch::kubernetes::{Cluster, ClusterError};
use crate::plan::{EmbedPlan, Finding, Sharing};
use crate::submit::{self, Cost, Objects, Pods};

/// How long the look at the cluster may take: what is foretold needs none.
const LOOK: Duration = Duration::from_secs(10);

/// What is applied last, and starts coordinators.
pub(super) enum Last {
    /// A Job, once.
    Job {
        /// Its name.
        name: String,
        /// What it is told.
        arguments: Vec<String>,
    },
    /// A `CronJob`, again and again.
    Schedule(Value),
}

/// One object of those that would be applied.
enum Foretold {
    /// It would be applied as it is here.
    Applied(Value),
    /// Somebody has made another, which stays.
    Stays {
        /// The kind and name.
        what: String,
        /// Who.
        owner: String,
    },
}

/// What a look at the cluster has shown.
struct Seen {
    around: Vec<Foretold>,
    /// The coordinator's template of somebody else's making.
    template: Option<Value>,
}

/// Prints what would be applied, and says what it would cost.
///
/// # Errors
/// What would keep it from being applied, as far as that can be seen without applying it.
pub(super) async fn foretell(question: &SubmissionFlags, pods: &Pods, last: Last) -> Result<(), Failure> {
    let objects = Objects::new(pods);
    let at_once = objects.pods_at_once();
    let seen = look_or_tell(question, &objects).await?;
    let template = seen.template.as_ref().unwrap_or(&objects.coordinator);
    let last = match last {
        Last::Schedule(template) => template,
        Last::Job { name, arguments } => submit::job(template, &pods.namespace, &name, &arguments)?,
    };
    let mut yaml = String::new();
    for object in seen.around.iter().chain([&Foretold::Applied(last)]) {
        yaml.push_str(&describe(object).map_err(|error| Failure::new(Exit::Data, error))?);
    }
    tell_cost(question, at_once).await;
    print(&yaml)
}

fn describe(object: &Foretold) -> Result<String, serde_saphyr::SerializeError> {
    Ok(match object {
        Foretold::Applied(object) => format!("---\n{}", serde_saphyr::to_string(object)?),
        Foretold::Stays { what, owner } => format!("---\n# {what} was made by {owner}, and is used as it is.\n"),
    })
}

/// Looks at what is in the cluster; where none is reached, says so, and takes it for empty.
async fn look_or_tell(question: &SubmissionFlags, objects: &Objects) -> Result<Seen, Failure> {
    let why = match tokio::time::timeout(LOOK, look(question, objects)).await {
        Ok(Ok(seen)) => return Ok(seen),
        // That is what the command itself would come to.
        Ok(Err(failure)) if failure.downcast_ref().is_some_and(is_refusal) => return Err(failure),
        Ok(Err(failure)) => failure.to_string(),
        Err(_) => format!("no answer within {} s", LOOK.as_secs()),
    };
    tracing::warn!("the cluster was not looked at, and objects that others made there would stay as they are: {why}");
    Ok(Seen { around: objects.around.iter().cloned().map(Foretold::Applied).collect(), template: None })
}

/// Tells what people have to change from a cluster that is out of reach.
const fn is_refusal(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Usage(_))
}

async fn look(question: &SubmissionFlags, objects: &Objects) -> Result<Seen, Failure> {
    let place = &question.place;
    let cluster = Cluster::find(place.context.as_deref(), place.namespace.as_deref()).await?;
    let mut around = Vec::new();
    for object in &objects.around {
        let text = |field: &str| object.pointer(field).and_then(Value::as_str).unwrap_or_default();
        let what = format!("{} {}", text("/kind"), text("/metadata/name"));
        around.push(match submit::owner_of_another(&cluster, object).await? {
            Some(owner) => Foretold::Stays { what, owner },
            None => Foretold::Applied(object.clone()),
        });
    }
    let template = submit::template_of_others(&cluster, COORDINATOR).await?;
    Ok(Seen { around, template })
}

async fn tell_cost(question: &SubmissionFlags, at_once: u64) {
    if question.shard.vectors.is_some() {
        tracing::info!("the vectors are brought along: no map, then one reduce pod");
        return;
    }
    match cost(question, at_once).await {
        Ok(Some(cost)) => tracing::info!("{}", cost.describe()),
        Ok(None) => tracing::info!("the store holds no corpus yet: what it costs is known once the inputs are sharded"),
        Err(failure) => tracing::warn!("{failure}: what it costs is not known from here"),
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stays_is_a_remark_and_no_object() {
        let stays = describe(&Foretold::Stays { what: "CronJob strata-map".into(), owner: "kubectl".into() }).unwrap();
        assert_eq!(stays, "---\n# CronJob strata-map was made by kubectl, and is used as it is.\n");
        let applied = describe(&Foretold::Applied(json!({"kind": "Job"}))).unwrap();
        assert!(applied.starts_with("---\nkind: Job"), "{applied}");
    }
}
