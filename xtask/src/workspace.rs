//! What `cargo metadata` knows of the workspace and of its dependencies.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::cargo::cargo;

/// The workspace with everything that it is resolved to, on every platform.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    packages: HashMap<String, Value>,
    members: Vec<String>,
    nodes: HashMap<String, Value>,
}

/// One package, as `cargo metadata` writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Package<'w>(&'w Value);

impl Workspace {
    /// Reads the metadata without the network, if it can be had without.
    ///
    /// A build fetches only what the machine's own platform needs. When packages of other platforms
    /// are missing they are fetched once; when that fails too, this platform has to do.
    pub(crate) fn load() -> Result<Self> {
        let whole = ["metadata", "--format-version=1", "--locked", "--offline"];
        if let Ok(workspace) = Self::read(cargo(whole)) {
            return Ok(workspace);
        }
        println!("fetching the dependencies of other platforms, for their licences");
        if cargo(["fetch", "--locked"]).status()?.success() {
            return Self::read(cargo(whole));
        }
        println!(
            "warning: they cannot be fetched; only the dependencies of this platform are seen"
        );
        Self::read(cargo(whole.iter().copied().chain(["--filter-platform", &host()?])))
    }

    fn read(mut metadata: Command) -> Result<Self> {
        let output = metadata.output()?;
        if !output.status.success() {
            let cause = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("cargo metadata failed: {cause}").into());
        }
        Self::from_json(&serde_json::from_slice(&output.stdout)?)
    }

    pub(crate) fn from_json(metadata: &Value) -> Result<Self> {
        let path = |key: &str| metadata[key].as_str().map(PathBuf::from);
        Ok(Self {
            root: path("workspace_root").ok_or("no workspace_root in the metadata")?,
            target: path("target_directory").ok_or("no target_directory in the metadata")?,
            packages: by_id(&metadata["packages"]),
            members: strings(&metadata["workspace_members"]).map(str::to_owned).collect(),
            nodes: by_id(&metadata["resolve"]["nodes"]),
        })
    }

    /// The packages of the workspace, by name.
    pub(crate) fn members(&self) -> Vec<Package<'_>> {
        let mut members: Vec<_> =
            self.members.iter().filter_map(|id| self.packages.get(id)).map(Package).collect();
        members.sort_by_key(|package| package.name());
        members
    }

    /// The package of the workspace in a directory, told from the root.
    pub(crate) fn member_in(&self, directory: &str) -> Option<Package<'_>> {
        let manifest = self.root.join(directory).join("Cargo.toml");
        let mut members = self.members().into_iter();
        members.find(|package| package.text("manifest_path").map(Path::new) == Some(&manifest))
    }

    /// The packages of the workspace that are published, by name.
    pub(crate) fn published(&self) -> Vec<Package<'_>> {
        let mut members = self.members();
        members.retain(|package| package.is_published());
        members
    }

    /// Every package that is not our own, by name and version.
    pub(crate) fn dependencies(&self) -> Vec<Package<'_>> {
        let own: BTreeSet<_> = self.members.iter().collect();
        let mut packages: Vec<_> = self
            .packages
            .iter()
            .filter(|(id, _)| !own.contains(id))
            .map(|(_, package)| Package(package))
            .collect();
        packages.sort_by_key(|package| (package.name(), package.version()));
        packages
    }

    /// What the published packages and all below them need to be built: not what only tests need.
    pub(crate) fn shipped(&self) -> Vec<Package<'_>> {
        let mut found = BTreeSet::new();
        let mut todo: Vec<&str> = self.published().iter().map(|package| package.id()).collect();
        while let Some(id) = todo.pop() {
            if !found.insert(id) {
                continue;
            }
            let Some(node) = self.nodes.get(id) else { continue };
            for dependency in array(&node["deps"]) {
                let needed = array(&dependency["dep_kinds"]).any(|kind| kind["kind"] != "dev");
                if let (true, Some(id)) = (needed, dependency["pkg"].as_str()) {
                    todo.push(id);
                }
            }
        }
        let mut packages: Vec<_> =
            found.iter().filter_map(|id| self.packages.get(*id)).map(Package).collect();
        packages.sort_by_key(|package| (package.name(), package.version()));
        packages
    }
}

impl<'w> Package<'w> {
    pub(crate) fn name(self) -> &'w str {
        self.text("name").unwrap_or_default()
    }

    pub(crate) fn version(self) -> &'w str {
        self.text("version").unwrap_or_default()
    }

    /// A field of the manifest that is a string and not empty.
    pub(crate) fn text(self, key: &str) -> Option<&'w str> {
        self.0[key].as_str().filter(|text| !text.is_empty())
    }

    /// A field of the manifest that is a list of strings.
    pub(crate) fn list(self, key: &str) -> Vec<&'w str> {
        strings(&self.0[key]).collect()
    }

    /// The features, `default` left out.
    pub(crate) fn features(self) -> Vec<&'w str> {
        let features = self.0["features"].as_object();
        features
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .filter(|f| *f != "default")
            .collect()
    }

    pub(crate) fn has_library(self) -> bool {
        array(&self.0["targets"]).any(|target| strings(&target["kind"]).any(|kind| kind == "lib"))
    }

    /// `publish = false` reads as an empty list of registries.
    fn is_published(self) -> bool {
        self.0["publish"].as_array().is_none_or(|registries| !registries.is_empty())
    }

    fn id(self) -> &'w str {
        self.text("id").unwrap_or_default()
    }
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV names no host")?.to_owned())
}

fn by_id(list: &Value) -> HashMap<String, Value> {
    array(list)
        .filter_map(|value| Some((value["id"].as_str()?.to_owned(), value.clone())))
        .collect()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    array(value).filter_map(Value::as_str)
}
