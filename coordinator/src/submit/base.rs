//! The manifests of `k8s/base` → plain values.

use serde_json::Value;

/// The files, in the order in which they are applied.
const FILES: [&str; 6] = [
    include_str!("../../../k8s/base/service-accounts.yaml"),
    include_str!("../../../k8s/base/role.yaml"),
    include_str!("../../../k8s/base/role-binding.yaml"),
    include_str!("../../../k8s/base/map.yaml"),
    include_str!("../../../k8s/base/reduce.yaml"),
    include_str!("../../../k8s/base/coordinator.yaml"),
];

/// Parses all of them.
///
/// # Panics
/// Never: a test parses the same text.
pub(super) fn objects() -> Vec<Value> {
    let parse = |text| serde_saphyr::from_multiple::<Value>(text).expect("manifests that a test has parsed");
    FILES.into_iter().flat_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manifest_is_an_object_with_a_kind_and_a_name() {
        let objects = objects();
        let kinds: Vec<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
        let expected = ["ServiceAccount", "ServiceAccount", "Role", "RoleBinding", "CronJob", "CronJob", "CronJob"];
        assert_eq!(kinds, expected);
        assert!(objects.iter().all(|object| object["metadata"]["name"].is_string()));
    }

    #[test]
    fn exit_codes_of_the_manifests_are_those_of_the_programs() {
        use strata_shared::exit::Exit;
        let manifest =
            |name: &str| objects().into_iter().find(|object| object["metadata"]["name"] == name).expect("a manifest");
        let codes = |name: &str, action: &str| -> Vec<u64> {
            let object = manifest(name);
            let rules = object["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"].as_array().cloned();
            let acting = rules.unwrap_or_default().into_iter().filter(|rule| rule["action"] == action);
            acting
                .flat_map(|rule| rule["onExitCodes"]["values"].as_array().cloned().unwrap_or_default())
                .filter_map(|code| code.as_u64())
                .collect()
        };
        for template in ["strata", "strata-map", "strata-reduce"] {
            let object = manifest(template);
            // The first rule that fits holds: an eviction is none of the program's doing, whatever code it ends with.
            let first = &object["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][0];
            assert_eq!(first["action"], "Ignore", "{template}");
            assert_eq!(first["onPodConditions"][0]["type"], "DisruptionTarget", "{template}");
        }
        let [configuration, data] = [Exit::Configuration, Exit::Data].map(|exit| u64::from(exit.code()));
        assert_eq!(codes("strata-map", "FailJob"), [configuration]);
        assert_eq!(codes("strata-map", "FailIndex"), [data]);
        for template in ["strata-reduce", "strata"] {
            assert_eq!(codes(template, "FailJob"), [configuration, data], "{template}");
        }
    }
}
