//! Where to send: a target's URL, and the name that the report gives it.

use std::collections::HashMap;

use fanout_net::Endpoint;
use http::Uri;

use crate::bulk::RecordedTarget;
use crate::exit::Failure;

/// One `--to` or `--mirror`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// What it is called in the report.
    pub(crate) name: String,
    pub(crate) address: Address,
    /// Whether the host is this machine, which no proxy can reach for us.
    pub(crate) loopback: bool,
    /// The host, where the message would leave this machine unencrypted.
    pub(crate) unencrypted: Option<String>,
}

/// How to reach it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// The URL as it was given.
    Http(String),
    /// The server as an `http` or `https` URL, and `package.Service/Method`.
    Grpc { server: String, method: String },
}

impl Target {
    /// The target as it may be written down: without its query, which may be a secret.
    pub(crate) fn recorded(&self) -> RecordedTarget {
        let (url, had_query) = match &self.address {
            Address::Http(url) => {
                let end = url.find(['?', '#']).unwrap_or(url.len());
                (url[..end].to_owned(), url.contains('?'))
            }
            Address::Grpc { server, method } => {
                let server = server.replacen("http", "grpc", 1);
                (format!("{server}/{method}"), false)
            }
        };
        RecordedTarget { name: self.name.clone(), url, had_query }
    }
}

/// Reads the targets, and names those that have no name after their host.
pub(crate) fn parse(texts: &[String]) -> Result<Vec<Target>, Failure> {
    let parsed = texts.iter().map(|text| Parsed::new(text)).collect::<Result<Vec<_>, _>>()?;
    let mut given = HashMap::new();
    for name in parsed.iter().filter_map(|target| target.name.as_deref()) {
        if given.insert(name, ()).is_some() {
            return Err(Failure::new(format!("two targets are named {name:?}"))
                .hint("the report could not tell them apart: give each its own name"));
        }
    }
    let mut names: Vec<String> = Vec::with_capacity(parsed.len());
    for (index, target) in parsed.iter().enumerate() {
        let name = match &target.name {
            Some(name) => name.clone(),
            None => target.distinct_name(index, &parsed, &names),
        };
        names.push(name);
    }
    Ok(parsed
        .into_iter()
        .zip(names)
        .map(|(target, name)| {
            let Parsed { candidates: [host, ..], address, tls, loopback, .. } = target;
            let unencrypted = (!tls && !loopback).then_some(host);
            Target { name, address, loopback, unencrypted }
        })
        .collect())
}

struct Parsed {
    name: Option<String>,
    /// Names to derive from, the nicest first: the host; with the port; with the path; with both.
    candidates: [String; 4],
    address: Address,
    tls: bool,
    loopback: bool,
}

impl Parsed {
    fn new(text: &str) -> Result<Self, Failure> {
        let (name, url) = split_name(text)?;
        let shown = redacted(url);
        let wrong = |why: &str| Failure::new(format!("the target {shown}: {why}"));

        if url.is_empty() {
            return Err(Failure::new("a target is empty")
                .hint("write --to https://api.example.com/v1, or --to NAME=URL"));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(wrong("it has no scheme").hint(format!(
                "write http://{shown} or https://{shown},\n  \
                 or grpc://HOST:PORT/package.Service/Method"
            )));
        };
        let scheme = scheme.to_ascii_lowercase();
        let web = match scheme.as_str() {
            "http" | "grpc" => "http",
            "https" | "grpcs" => "https",
            _ => {
                return Err(wrong(&format!("the scheme {scheme:?} is not known"))
                    .hint("known are http, https, grpc and grpcs"));
            }
        };
        if rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
            return Err(wrong("credentials do not belong into a URL, where logs show them")
                .hint("give them with --header 'Authorization: ...'"));
        }
        let uri: Uri = format!("{web}://{rest}")
            .parse()
            .map_err(|error| wrong(&format!("it is not a valid URL ({error})")))?;
        let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
            return Err(wrong("it has no host"));
        };
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        if authority.as_str() != host && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(wrong("the port is no number from 1 to 65535"));
        }
        let path = uri.path().trim_end_matches('/');
        let address = if scheme.starts_with("grpc") {
            let method = path.trim_start_matches('/');
            let whole =
                method.split('/').count() == 2 && method.split('/').all(|part| !part.is_empty());
            if !whole || uri.query().is_some() {
                return Err(wrong("it names no gRPC method")
                    .hint(format!("write {scheme}://{authority}/package.Service/Method")));
            }
            if scheme == "grpc" && uri.port().is_none() {
                return Err(wrong("it has no port, and gRPC without TLS has no usual one")
                    .hint(format!("write grpc://{host}:50051/{method}, say")));
            }
            Address::Grpc { server: format!("{web}://{authority}"), method: method.to_owned() }
        } else {
            Address::Http(url.to_owned())
        };
        let candidates = [
            host.to_owned(),
            authority.to_string(),
            format!("{host}{path}"),
            format!("{authority}{path}"),
        ];
        let loopback = Endpoint::parse(&format!("{web}://{authority}"))
            .is_ok_and(|endpoint| endpoint.is_loopback());
        Ok(Self { name, candidates, address, tls: web == "https", loopback })
    }

    /// The shortest candidate that no other target could have; the last one numbered, if need be.
    fn distinct_name(&self, index: usize, all: &[Self], taken: &[String]) -> String {
        let others = || all.iter().enumerate().filter(|(other, _)| *other != index);
        for (level, candidate) in self.candidates.iter().enumerate() {
            let clash = others().any(|(_, other)| match &other.name {
                Some(name) => name == candidate,
                None => other.candidates[level] == *candidate,
            });
            if !clash && !taken.contains(candidate) {
                return candidate.clone();
            }
        }
        let [.., longest] = &self.candidates;
        let free = |name: &String| {
            !taken.contains(name) && others().all(|(_, other)| other.name.as_ref() != Some(name))
        };
        (1_usize..)
            .map(|number| if number == 1 { longest.clone() } else { format!("{longest}#{number}") })
            .find(free)
            .expect("there are more numbers than targets")
    }
}

/// Splits `name=URL`. An `=` after the scheme belongs to the URL.
fn split_name(text: &str) -> Result<(Option<String>, &str), Failure> {
    let text = text.trim();
    let scheme = text.find("://").unwrap_or(text.len());
    match text.split_once('=') {
        Some((name, url)) if name.len() < scheme && !name.contains(['/', '?']) => {
            if name.trim().is_empty() || name.chars().any(char::is_control) {
                return Err(Failure::new("a target has an empty name before its =")
                    .hint("write --to billing=https://api.example.com/v1"));
            }
            Ok((Some(name.trim().to_owned()), url.trim()))
        }
        _ => Ok((None, text)),
    }
}

/// The URL without what may be secret: credentials and the query.
fn redacted(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = crate::ui::printable(&url[..end]);
    let start = url.find("://").map_or(0, |at| at + 3);
    let authority = url[start..].find('/').map_or(url.len(), |at| start + at);
    match url[start..authority].rfind('@') {
        Some(at) => format!("{}…{}", &url[..start], &url[start + at..]),
        None => url,
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(url) => f.debug_tuple("Http").field(&redacted(url)).finish(),
            Self::Grpc { server, method } => {
                f.debug_struct("Grpc").field("server", server).field("method", method).finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(urls: &[&str]) -> Vec<String> {
        let texts: Vec<_> = urls.iter().map(|url| (*url).to_owned()).collect();
        parse(&texts).unwrap().into_iter().map(|target| target.name).collect()
    }

    fn refused(url: &str) -> String {
        parse(&[url.to_owned()]).unwrap_err().to_string()
    }

    #[test]
    fn a_name_is_the_shortest_that_tells_targets_apart() {
        assert_eq!(
            names(&["https://a.example/x", "https://b.example/x"]),
            ["a.example", "b.example"]
        );
        assert_eq!(
            names(&["http://localhost:8081/x", "grpc://localhost:50051/a.B/C"]),
            ["localhost:8081", "localhost:50051"]
        );
        assert_eq!(names(&["http://h/a?k=1", "http://h/b"]), ["h/a", "h/b"]);
        assert_eq!(names(&["http://h/a", "http://h/a", "http://h/a"]), ["h/a", "h/a#2", "h/a#3"]);
        assert_eq!(names(&["eu=http://h/a", "http://h/a"]), ["eu", "h"]);
        assert_eq!(names(&["h=http://x/a", "http://h:8080/a"]), ["h", "h:8080"]);
        assert_eq!(names(&["http://h:1/a", "http://h:1/b"]), ["h/a", "h/b"]);
        assert_eq!(names(&["http://[::1]:80/"]), ["[::1]"]);
    }

    #[test]
    fn an_equals_sign_in_the_query_is_no_name() {
        let targets = parse(&["https://h/p?a=b".to_owned()]).unwrap();
        assert_eq!(targets[0].address, Address::Http("https://h/p?a=b".to_owned()));
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (host, expected) in
            [("localhost", true), ("127.0.0.2", true), ("[::1]", true), ("example.com", false)]
        {
            let targets = parse(&[format!("http://{host}:80/")]).unwrap();
            assert_eq!(targets[0].loopback, expected, "{host}");
        }
    }

    #[test]
    fn grpc_targets_are_server_and_method() {
        let targets = parse(&["audit=grpcs://h/audit.v1.Audit/Record".to_owned()]).unwrap();
        assert_eq!(targets[0].name, "audit");
        let server = "https://h".to_owned();
        let method = "audit.v1.Audit/Record".to_owned();
        assert_eq!(targets[0].address, Address::Grpc { server, method });
    }

    #[test]
    fn what_is_written_down_has_no_query_and_leads_there_again() {
        let texts = ["a=https://h:1/p?k=s3cret#x", "b=grpcs://h:2/a.B/C", "c=http://localhost/"];
        let targets = parse(&texts.map(str::to_owned)).unwrap();
        let recorded: Vec<_> = targets.iter().map(Target::recorded).collect();
        let urls: Vec<_> = recorded.iter().map(|target| &*target.url).collect();
        assert_eq!(urls, ["https://h:1/p", "grpcs://h:2/a.B/C", "http://localhost/"]);
        assert_eq!(recorded.iter().map(|t| t.had_query).collect::<Vec<_>>(), [true, false, false]);
        let again: Vec<_> =
            recorded.iter().map(|target| format!("{}={}", target.name, target.url)).collect();
        assert_eq!(parse(&again).unwrap()[1..], targets[1..]);
    }

    #[test]
    fn what_is_wrong_with_a_target_is_said_without_its_secrets() {
        for (url, part) in [
            ("", "a target is empty"),
            ("  ", "a target is empty"),
            ("name=", "a target is empty"),
            ("localhost:8080/x", "no scheme"),
            ("ftp://h/x", "\"ftp\" is not known"),
            ("http://", "URL"),
            ("http://h:port/", "the port"),
            ("http://h:70000/", "the port"),
            ("http://h:/", "the port"),
            ("http://h h/", "valid URL"),
            ("grpc://h:1", "names no gRPC method"),
            ("grpc://h:1/Service", "names no gRPC method"),
            ("grpc://h:1/a/b/c", "names no gRPC method"),
            ("grpc://h/a.B/C", "no port"),
            ("=http://h", "empty name"),
            ("https://user:hunter2@h/x", "credentials"),
            ("hxxp://user:hunter2@h/x?token=hunter2", "not known"),
        ] {
            let failure = refused(url);
            assert!(failure.contains(part), "{url}: {failure}");
            assert!(!failure.contains("hunter2"), "{url}: {failure}");
        }
    }

    #[test]
    fn two_targets_cannot_have_one_name() {
        let texts = ["a=http://x/".to_owned(), "a=http://y/".to_owned()];
        assert!(parse(&texts).unwrap_err().to_string().contains("two targets are named \"a\""));
    }
}
