//! The file as a whole.

use std::env::VarError;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use fanout::resilience::Resilience;
use fanout::{FanOut, Sink, SinkExt as _};

use crate::check::{Spread, Target, Twice};
use crate::clients::Clients;
use crate::reader::{Entry, Environment, Source, Table, why};
use crate::route::{self, Route};
use crate::sink::{self, Destination};
use crate::words::{shown, suggest};
use crate::{ConfigError, keys};

/// A file that was read and checked: its routes are ready to send.
///
/// One sink of the file is one sink here, whichever routes lead to it: they share its breaker, its
/// budget and its limits. Sinks with equal settings share their connections. Clones share everything.
#[derive(Clone)]
pub struct Config {
    name: String,
    /// In the order of the file.
    routes: Vec<Ready>,
    /// In the order of the file.
    targets: Vec<Target>,
    warnings: Vec<ConfigError>,
}

#[derive(Clone)]
struct Ready {
    name: String,
    fan_out: FanOut,
    wants_json: Option<String>,
    spread: Spread,
    /// Positions among the targets: those that count, and the mirrors.
    sinks: Vec<usize>,
    mirrors: Vec<usize>,
}

impl Config {
    /// Reads the file at `path`, checks all of it, and builds its sinks and routes. Sends nothing.
    ///
    /// Files that it names are looked for beside it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the file cannot be read, and as [`parse`](Self::parse).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::new(&name, format!("cannot be read: {}", why(&error))))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Self::read(&name, &text, directory, &|variable| std::env::var(variable))
    }

    /// Reads `text` as [`load`](Self::load) reads a file; `name` is what errors call it.
    ///
    /// Files that it names are looked for in the directory of the process.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first thing that is wrong: what is not TOML, an unknown key, a value of
    /// the wrong type, a number that is not possible by itself or beside another, a sink that is not
    /// there, a descriptor set that cannot be read.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        Self::read(name, text, Path::new(""), &|variable| std::env::var(variable))
    }

    /// Reads `text` as [`parse`](Self::parse) does, with variables from elsewhere than the environment of
    /// the process: `variable` says what the one of this name holds, if there is one.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_with(
        name: &str,
        text: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let environment = |name: &str| variable(name).ok_or(VarError::NotPresent);
        Self::read(name, text, Path::new(""), &environment)
    }

    fn read(
        name: &str,
        text: &str,
        directory: &Path,
        environment: Environment<'_>,
    ) -> Result<Self, ConfigError> {
        let source = Source::new(name, text, directory, environment);
        let parsed = Source::parse(text).map_err(|error| source.syntax(&error))?;
        let config = Self::build(name, &Table::root(&source, parsed.get_ref()));
        match source.missing() {
            // It is told first: much else may be wrong because of it.
            Some(missing) => Err(missing),
            None => config.map(|config| Self { warnings: source.notes(), ..config }),
        }
    }

    fn build(name: &str, root: &Table<'_>) -> Result<Self, ConfigError> {
        root.allow(keys::ROOT)?;
        for entry in root.entries() {
            entry.look_up()?;
        }

        let mut clients = Clients::default();
        let mut destinations = Vec::new();
        let mut faults = Vec::new();
        // Behind a faulty sink there may be another that misses something.
        for entry in tables(root, "sinks")? {
            match sink::read(&entry, &mut clients) {
                Ok(destination) => destinations.push(destination),
                Err(fault) => faults.push(fault),
            }
        }
        if let Some(first) = faults.into_iter().next() {
            return Err(first);
        }
        let mut routes = Vec::new();
        for entry in tables(root, "routes")? {
            routes.push(route::read(&entry, &destinations)?);
        }

        let mut sinks = Vec::with_capacity(destinations.len());
        let mut names = Vec::with_capacity(destinations.len());
        let mut targets = Vec::with_capacity(destinations.len());
        for (position, destination) in destinations.into_iter().enumerate() {
            let is_copy = routes.iter().any(|route| route.mirrors.contains(&position))
                && !routes.iter().any(|route| route.sinks.contains(&position));
            names.push((destination.name, destination.wants_json));
            let is_plain = is_copy && !destination.numbers.is_written;
            let target = destination.target.clone();
            targets.push(if is_plain { target.without_retries() } else { target });
            sinks.push(dress(destination, is_copy)?);
        }
        let routes = routes.into_iter().map(|route| ready(route, &names, &sinks));
        let routes = routes.collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), routes, targets, warnings: Vec::new() })
    }

    /// Returns the fan-out of the route `name`. Its sinks have the names that they have in the file.
    ///
    /// Every call returns the same one: shut down, it is so for all.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when there is no such route; it says which there are.
    pub fn route(&self, name: &str) -> Result<FanOut, ConfigError> {
        self.ready(name).map(|ready| ready.fan_out.clone())
    }

    /// Returns the names of the routes in the order of the file.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|ready| &*ready.name)
    }

    /// Returns what works and had better be otherwise, in the order of the file: a secret that stands in the
    /// file itself, where everybody who may read the file may read it.
    pub fn warnings(&self) -> &[ConfigError] {
        &self.warnings
    }

    /// Returns the sinks of the file, in its order, to look at them without a message; with `route`, those of
    /// that route alone.
    ///
    /// # Errors
    ///
    /// As [`route`](Self::route).
    pub fn targets(&self, route: Option<&str>) -> Result<Vec<&Target>, ConfigError> {
        let Some(name) = route else { return Ok(self.targets.iter().collect()) };
        let ready = self.ready(name)?;
        let of_route =
            |position: &usize| ready.sinks.contains(position) || ready.mirrors.contains(position);
        let targets = self.targets.iter().enumerate();
        Ok(targets.filter(|(position, _)| of_route(position)).map(|(_, target)| target).collect())
    }

    /// Returns every path on which the route `name` may have one message applied twice.
    ///
    /// Whether a gRPC method is annotated as repeatable is known only after its types were fetched, as
    /// [`Target::look`] does.
    ///
    /// # Errors
    ///
    /// As [`route`](Self::route).
    pub fn twice(&self, name: &str) -> Result<Vec<Twice>, ConfigError> {
        let ready = self.ready(name)?;
        let of = |position: &usize| &self.targets[*position];
        let sinks: Vec<_> = ready.sinks.iter().map(of).collect();
        let mirrors: Vec<_> = ready.mirrors.iter().map(of).collect();
        Ok(Twice::all(ready.spread, &sinks, &mirrors))
    }

    /// Returns a sink of the route `name` that takes JSON and nothing else, if there is one.
    ///
    /// With it, a payload that is no JSON can be refused before anything is sent to anyone.
    ///
    /// # Errors
    ///
    /// As [`route`](Self::route).
    pub fn json_sink(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        self.ready(name).map(|ready| ready.wants_json.as_deref())
    }

    fn ready(&self, name: &str) -> Result<&Ready, ConfigError> {
        self.routes.iter().find(|ready| ready.name == name).ok_or_else(|| {
            let error =
                ConfigError::new(&self.name, format!("there is no route \"{}\"", shown(name)));
            error.with_help(match self.routes.as_slice() {
                [] => "the file has no [routes.NAME] at all".to_owned(),
                _ => suggest(name, "the routes are", self.routes()),
            })
        })
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<_> = self.routes.iter().map(|ready| &ready.fan_out).collect();
        f.debug_struct("Config").field("name", &self.name).field("routes", &routes).finish()
    }
}

/// The tables of one kind; none if there are none.
fn tables<'a>(root: &Table<'a>, name: &str) -> Result<Vec<Entry<'a>>, ConfigError> {
    match root.get(name) {
        Some(entry) => Ok(entry.table()?.entries()),
        None => Ok(Vec::new()),
    }
}

/// Puts the pipeline around a destination. What is nothing but a mirror is not retried unasked: its
/// copies do not matter, and an ailing one needs no more of them.
fn dress(destination: Destination<'_>, is_copy: bool) -> Result<Arc<dyn Sink>, ConfigError> {
    let Destination { place, numbers, sink, .. } = destination;
    let Some(settings) = numbers.settings else { return Ok(Arc::from(sink)) };
    let settings: Resilience =
        if is_copy && !numbers.is_written { settings.max_attempts(1) } else { settings };
    match sink.resilient(settings) {
        Ok(sink) => Ok(Arc::new(sink)),
        Err(error) => Err(place.error(error.to_string())),
    }
}

fn ready(
    route: Route<'_>,
    names: &[(&str, bool)],
    sinks: &[Arc<dyn Sink>],
) -> Result<Ready, ConfigError> {
    let mut builder = FanOut::builder(route.policy).name(route.name);
    builder = match route.deadline {
        Some(deadline) => builder.deadline(deadline),
        None => builder.no_deadline(),
    };
    if let Some(rest) = route.rest {
        builder = builder.rest(rest);
    }
    for &sink in &route.sinks {
        builder = builder.sink(names[sink].0, Arc::clone(&sinks[sink]));
    }
    for &sink in &route.mirrors {
        builder = builder.mirror(names[sink].0, Arc::clone(&sinks[sink]));
    }
    let mut all = route.sinks.iter().chain(&route.mirrors);
    let wants_json = all.find(|sink| names[**sink].1).map(|sink| names[*sink].0.to_owned());
    let fan_out = builder.build().map_err(|error| route.place.error(error.to_string()))?;
    let Route { spread, sinks, mirrors, .. } = route;
    Ok(Ready { name: route.name.to_owned(), fan_out, wants_json, spread, sinks, mirrors })
}
