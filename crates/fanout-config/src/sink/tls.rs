//! `tls`: whom we trust, and what we show, on the way to a sink.

use std::fs::File;
use std::path::PathBuf;

use fanout_net::{Client, ClientBuilder, TlsVersion};

use crate::clients::Tls;
use crate::reader::{Entry, Table, Text};
use crate::{ConfigError, keys};

/// Reads `{ ca = "FILE", cert = "FILE", key = "FILE", min_version = "1.3", server_name = ".." }`.
///
/// All files are looked for before anything is said.
pub(super) fn read(table: &Table<'_>, url: &str) -> Result<Tls, ConfigError> {
    let Some(entry) = table.get("tls") else { return Ok(Tls::default()) };
    if !entry.is_table() {
        return Err(entry.unexpected(HELP));
    }
    let table = entry.table()?;
    table.allow(keys::TLS)?;
    let ca = table.get("ca").map(|entry| Pem::find(entry, "ca = \"ca.pem\""));
    let cert = table.get("cert").map(|entry| Pem::find(entry, "cert = \"client.pem\""));
    let key = table.get("key").map(|entry| Pem::find(entry, "key = \"client.key\""));
    let (ca, cert, key) = (ca.transpose()?, cert.transpose()?, key.transpose()?);

    let mut tls = Tls::default();
    if let Some(ca) = ca {
        check(Client::builder().root_certificates_file(&ca.path))
            .map_err(|text| ca.error(&text))?;
        tls.ca = Some(ca.path);
    }
    tls.identity = match (cert, key) {
        (Some(cert), Some(key)) => {
            check(Client::builder().client_identity_files(&cert.path, &key.path)).map_err(
                |text| {
                    let faulty = if text.starts_with("the client key") { &key } else { &cert };
                    let text = text.replace(&*cert.path.to_string_lossy(), &cert.name.shown());
                    faulty.error(&text.replace(&*key.path.to_string_lossy(), &key.name.shown()))
                },
            )?;
            Some((cert.path, key.path))
        }
        (None, None) => None,
        (Some(only), None) => return Err(only.lonely("key")),
        (None, Some(only)) => return Err(only.lonely("cert")),
    };
    if let Some(version) = table.get("min_version") {
        tls.min_version = version.choice(&VERSIONS)?;
    }
    if let Some(entry) = table.get("server_name") {
        let name = entry.text("server_name = \"api.internal\"")?;
        check(Client::builder().server_name(&*name))
            .map_err(|text| entry.error(name.hide_in(text)))?;
        tls.server_name = Some(name.to_string());
    }
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if !["https", "grpcs"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        entry.place.note("the URL is without TLS, so this does nothing", String::new());
    }
    Ok(tls)
}

/// A file that is there.
struct Pem<'a> {
    entry: Entry<'a>,
    name: Text<'a>,
    path: PathBuf,
}

impl<'a> Pem<'a> {
    fn find(entry: Entry<'a>, example: &str) -> Result<Self, ConfigError> {
        let name = entry.text(example)?;
        let path = entry.place.path_of(&name);
        match File::open(&path) {
            Ok(_) => Ok(Self { entry, name, path }),
            Err(error) => Err(entry.place.unreadable(&name, &error)),
        }
    }

    /// What is wrong with it, by the name that is written: the path would show what variables hold.
    fn error(&self, text: &str) -> ConfigError {
        self.entry.error(text.replace(&*self.path.to_string_lossy(), &self.name.shown()))
    }

    fn lonely(&self, other: &str) -> ConfigError {
        self.entry.error(format!("{other} is missing: a certificate of ours needs both")).with_help(
            "write tls = { cert = \"client.pem\", key = \"client.key\" }; they may be one file",
        )
    }
}

/// Whether the client could be built with this alone.
fn check(builder: ClientBuilder) -> Result<(), String> {
    builder.build().map(drop).map_err(|error| error.to_chain())
}

const VERSIONS: [(&str, TlsVersion); 2] = [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];

const HELP: &str = "write tls = { ca = \"ca.pem\" }, { cert = \"client.pem\", key = \"client.key\" }, \
                    { min_version = \"1.3\" } or { server_name = \"api.internal\" }, or several of them";
