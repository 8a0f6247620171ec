//! The manifests as they are shipped.

use anyhow::ensure;
use serde_json::json;
use strata_tests::cluster::Namespace;

use crate::lab::{FAST, Lab};

/// All overlays, at Pod Security level *restricted*, against the real API server, which warns of none of their pods.
pub(super) fn every_overlay_is_accepted_by_the_api_server(lab: &Lab) -> anyhow::Result<()> {
    // The overlays name this namespace; it is there for the time of this case.
    let namespace: Namespace<'_> = lab.namespace_called("strata")?;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s/overlays");
    for overlay in ["minio", "s3", "monthly"] {
        let said = namespace.check(&root.join(overlay).display().to_string())?;
        let expected = if overlay == "monthly" { "cronjob.batch/strata created" } else { "job.batch/strata created" };
        ensure!(said.contains(expected), "{overlay}: {said}");
    }
    Ok(())
}

/// The same asked of pods that want more than the level grants: else the case above could not fail.
pub(super) fn pods_that_want_more_than_restricted_are_warned_of(lab: &Lab) -> anyhow::Result<()> {
    let case = "restricted";
    let namespace = lab.namespace(case)?;
    let settings = lab.settings(case, FAST);
    namespace.check_overlay(&settings, Some("once"))?;
    let mut unconfined = settings;
    let profile = "/spec/jobTemplate/spec/template/spec/securityContext/seccompProfile";
    unconfined.patch("CronJob", "strata-map", "replace", profile, &json!({"type": "Unconfined"}));
    let said = namespace.check_overlay(&unconfined, Some("once")).err().map(|error| format!("{error:#}"));
    ensure!(said.as_ref().is_some_and(|said| said.contains("seccompProfile")), "no word of the profile: {said:?}");
    Ok(())
}
