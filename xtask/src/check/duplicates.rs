//! No crate that types pass through is there twice.

use std::collections::BTreeMap;

use crate::Result;
use crate::workspace::{Package, Workspace};

/// Fails on two versions of a crate of [`ONCE`]; lists all others for information.
pub(super) fn check(workspace: &Workspace) -> Result<String> {
    let shipped = workspace.shipped();
    let duplicates = duplicates(&shipped);
    for (name, versions) in &duplicates {
        println!("{name}: {}", versions.join(", "));
    }
    let refused: Vec<_> = duplicates.keys().copied().filter(|name| ONCE.contains(name)).collect();
    if refused.is_empty() {
        Ok(format!("{} crates, {} in several versions", shipped.len(), duplicates.len()))
    } else {
        Err(format!("must be there once: {}", refused.join(", ")).into())
    }
}

fn duplicates<'w>(packages: &[Package<'w>]) -> BTreeMap<&'w str, Vec<&'w str>> {
    let mut versions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for package in packages {
        versions.entry(package.name()).or_default().push(package.version());
    }
    versions.retain(|_, versions| versions.len() > 1);
    versions
}

/// A second version of one of these means a second stack, with types that do not fit the first.
const ONCE: [&str; 12] = [
    "bytes",
    "h2",
    "http",
    "http-body",
    "hyper",
    "hyper-util",
    "prost",
    "rustls",
    "tokio",
    "tonic",
    "tower",
    "tower-service",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_only_tests_need_may_come_in_another_version() {
        let package = |id: &str, name: &str, version: &str| json!({ "id": id, "name": name, "version": version, "publish": null });
        let dep =
            |id: &str, kind: Option<&str>| json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] });
        let check_with = |kind: Option<&str>| {
            let metadata = json!({
                "workspace_root": "/", "target_directory": "/target",
                "workspace_members": ["ours"],
                "packages": [
                    package("ours", "ours", "0.1.0"), package("h1", "http", "1.0.0"),
                    package("h0", "http", "0.2.0"), package("mid", "mid", "1.0.0"),
                ],
                "resolve": { "nodes": [
                    { "id": "ours", "deps": [dep("h1", None), dep("mid", kind)] },
                    { "id": "mid", "deps": [dep("h0", None)] },
                    { "id": "h1", "deps": [] }, { "id": "h0", "deps": [] },
                ] },
            });
            check(&Workspace::from_json(&metadata).unwrap())
        };
        assert!(check_with(Some("dev")).is_ok());
        assert!(check_with(None).is_err());
        assert!(check_with(Some("build")).is_err());
    }
}
