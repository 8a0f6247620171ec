//! The manifests as they are shipped.

use anyhow::ensure;
use strata_tests::cluster::Namespace;

use crate::lab::Lab;

/// All overlays, at Pod Security level *restricted*, against the real API server.
pub(super) fn every_overlay_is_accepted_by_the_api_server(lab: &Lab) -> anyhow::Result<()> {
    // The overlays name this namespace; it is there for the time of this case.
    let namespace: Namespace<'_> = lab.namespace_called("strata")?;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s/overlays");
    for overlay in ["minio", "s3", "monthly"] {
        let path = root.join(overlay).display().to_string();
        let said = namespace.kubectl(["apply", "--dry-run=server", "-k", &path])?;
        let expected = if overlay == "monthly" { "cronjob.batch/strata created" } else { "job.batch/strata created" };
        ensure!(said.contains(expected), "{overlay}: {said}");
    }
    Ok(())
}
