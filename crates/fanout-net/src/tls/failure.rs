//! Why there is no TLS connection, in words that say what to do.

use std::io;

use rustls::{AlertDescription, CertificateError};

use super::TlsVersion;
use super::certificate::date;
use super::verify::SelfSigned;
use crate::event::{Event, find, io_text, lower};
use crate::sniff::First;

/// What is wrong with the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Distrust {
    Expired { on: Option<String> },
    NotYetValid { before: Option<String> },
    OtherName { names: Vec<String> },
    UnknownIssuer,
    SelfSigned,
    Revoked,
    BadSignature,
    Unfit(String),
}

/// Why one side does not want to speak TLS with the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The server wants a certificate, and we have none.
    IdentityRequired,
    /// The server does not like the one that we have.
    IdentityRefused(String),
    NothingInCommon {
        why: String,
        min_version: TlsVersion,
    },
    NoHttpInCommon,
    /// It is no TLS that came.
    NotTls {
        http: bool,
    },
    Other(String),
}

/// What is known of the connection beside the error.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ours {
    /// Whether we have a certificate to show.
    pub(crate) identity: bool,
    /// Whether the server asked for one.
    pub(crate) asked: bool,
    pub(crate) min_version: TlsVersion,
}

/// Why the handshake failed; `first` is what the other side said first.
pub(crate) fn of_handshake(error: &io::Error, first: First, ours: Ours) -> Event {
    match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(error)) => Event::Certificate(distrust(error)),
        Some(rustls::Error::AlertReceived(alert)) => Event::TlsRefused(of_alert(*alert, ours)),
        Some(
            rustls::Error::InvalidMessage(_)
            | rustls::Error::InappropriateMessage { .. }
            | rustls::Error::InappropriateHandshakeMessage { .. }
            | rustls::Error::PeerSentOversizedRecord,
        ) if !first.is_tls() => Event::TlsRefused(Refusal::NotTls { http: first.is_http() }),
        Some(rustls::Error::PeerIncompatible(why)) => {
            let (why, min_version) = (words(&format!("{why:?}")), ours.min_version);
            Event::TlsRefused(Refusal::NothingInCommon { why, min_version })
        }
        Some(other) => Event::TlsRefused(Refusal::Other(lower(other))),
        None => Event::HandshakeBroken(io_text(error)),
    }
}

/// What an alert says that came before anything else over a connection whose handshake is over for us.
///
/// With TLS 1.3 the server judges our certificate after that. It has then read no request: what comes
/// before its judgement is not for the application (RFC 8446 section 4.4.4), and nothing is sent early.
pub(crate) fn of_late_alert(error: &io::Error, ours: Ours) -> Option<Refusal> {
    match find::<rustls::Error>(error) {
        // Of a server that did not ask it says nothing: it may have read what it then refused.
        Some(rustls::Error::AlertReceived(alert))
            if ours.asked && is_about_our_certificate(*alert) =>
        {
            Some(of_alert(*alert, ours))
        }
        _ => None,
    }
}

impl Distrust {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Expired { on } => {
                let on = on.as_ref().map_or_else(String::new, |on| format!(" on {on}"));
                format!("certificate has expired{on}: whoever runs the server must renew it")
            }
            Self::NotYetValid { before } => {
                let from = before.as_ref().map_or_else(String::new, |on| format!(" before {on}"));
                format!("certificate is not valid{from} yet: is the clock of this machine right?")
            }
            Self::OtherName { names } if names.is_empty() => {
                "certificate is not valid for this name: use the name that it is for, \
                 or set the server name"
                    .to_owned()
            }
            Self::OtherName { names } => {
                // Certificates of large sites are for hundreds of names.
                let more = match names.len().saturating_sub(MOST_NAMES) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let names = names[..names.len().min(MOST_NAMES)].join(", ");
                format!(
                    "certificate is not valid for this name (it is for {names}{more}): \
                     use such a name, or set the server name"
                )
            }
            Self::UnknownIssuer => "certificate has an unknown issuer \
                 (if it is your own authority, add its root certificate)"
                .to_owned(),
            Self::SelfSigned => "certificate is self-signed \
                 (if it is your own, add it as a root certificate)"
                .to_owned(),
            Self::Revoked => "certificate was revoked by its issuer: whoever runs the server must \
                 replace it"
                .to_owned(),
            Self::BadSignature => {
                "certificate is not signed by the authority that is trusted under \
                 this name: do not go on unless you know why"
                    .to_owned()
            }
            Self::Unfit(why) => format!("certificate is not acceptable: {why}"),
        }
    }
}

impl Refusal {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::IdentityRequired => REQUIRED.to_owned(),
            Self::IdentityRefused(why) => format!(
                "{REFUSED}{why}): it must be valid and of an authority that the server trusts"
            ),
            Self::NothingInCommon { why, min_version } => {
                let ours = match min_version {
                    TlsVersion::Tls12 => "TLS 1.2 or newer",
                    TlsVersion::Tls13 => "TLS 1.3, the minimum here",
                };
                format!(
                    "there is no TLS version or cipher in common ({why}): the server must speak {ours}"
                )
            }
            Self::NoHttpInCommon => {
                "the server speaks none of the HTTP versions that were offered".to_owned()
            }
            Self::NotTls { http: true } => "the other side speaks plain HTTP and not TLS: the URL \
                 needs http:// or grpc://, or another port"
                .to_owned(),
            Self::NotTls { http: false } => "the other side does not speak TLS: is this the right \
                 port?"
                .to_owned(),
            Self::Other(why) => why.clone(),
        }
    }

    /// What [`text`](Self::text) wrote. h2 keeps the text of an error, and not the error.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        if text == REQUIRED {
            return Some(Self::IdentityRequired);
        }
        let why = text.strip_prefix(REFUSED)?.split(')').next()?;
        Some(Self::IdentityRefused(why.to_owned()))
    }
}

fn distrust(error: &CertificateError) -> Distrust {
    let day =
        |time: &rustls_pki_types::UnixTime| date(std::time::Duration::from_secs(time.as_secs()));
    match error {
        CertificateError::Expired => Distrust::Expired { on: None },
        CertificateError::ExpiredContext { not_after, .. } => {
            Distrust::Expired { on: day(not_after) }
        }
        CertificateError::NotValidYet => Distrust::NotYetValid { before: None },
        CertificateError::NotValidYetContext { not_before, .. } => {
            Distrust::NotYetValid { before: day(not_before) }
        }
        CertificateError::NotValidForName => Distrust::OtherName { names: Vec::new() },
        CertificateError::NotValidForNameContext { presented, .. } => Distrust::OtherName {
            names: presented.iter().map(|name| bare_name(name).to_owned()).collect(),
        },
        CertificateError::UnknownIssuer => Distrust::UnknownIssuer,
        CertificateError::Revoked => Distrust::Revoked,
        CertificateError::BadSignature => Distrust::BadSignature,
        CertificateError::Other(other) if other.0.is::<SelfSigned>() => Distrust::SelfSigned,
        // rustls has no name for it. It is what most self-signed certificates are like.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            Distrust::Unfit(
                "it is an authority's, not a server's (a self-signed one must not be marked as an \
                 authority)"
                    .to_owned(),
            )
        }
        other => Distrust::Unfit(lower(other)),
    }
}

fn of_alert(alert: AlertDescription, ours: Ours) -> Refusal {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            Refusal::IdentityRequired
        }
        // RFC 5246 section 7.4.6: what TLS 1.2 has in place of an alert of its own.
        AlertDescription::HandshakeFailure if ours.asked && !ours.identity => {
            Refusal::IdentityRequired
        }
        alert if is_about_our_certificate(alert) => {
            if ours.identity {
                Refusal::IdentityRefused(alert_words(alert))
            } else {
                Refusal::IdentityRequired
            }
        }
        AlertDescription::NoApplicationProtocol => Refusal::NoHttpInCommon,
        AlertDescription::UnrecognisedName => Refusal::Other(
            "the server does not know this name: use another, or set the server name".to_owned(),
        ),
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity => {
            Refusal::NothingInCommon { why: alert_words(alert), min_version: ours.min_version }
        }
        alert => {
            Refusal::Other(format!("the server ended the TLS handshake ({})", alert_words(alert)))
        }
    }
}

/// RFC 8446 section 6.2: the alerts with which a server rejects the client's certificate.
fn is_about_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
}

fn alert_words(alert: AlertDescription) -> String {
    words(&alert.as_str().map_or_else(|| format!("alert {}", u8::from(alert)), str::to_owned))
}

/// `HandshakeFailure` as `handshake failure`.
fn words(name: &str) -> String {
    let mut out = String::new();
    let mut after_lower = false;
    for c in name.chars() {
        if c.is_uppercase() && after_lower {
            out.push(' ');
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// webpki writes names as `DnsName("example.com")`.
fn bare_name(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

const REQUIRED: &str = "the server asks for a client certificate: set one and its key";
const REFUSED: &str = "the server does not accept our client certificate (";

/// How many names of a certificate an error repeats.
const MOST_NAMES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_well() {
        assert_eq!(bare_name("DnsName(\"a.example\")"), "a.example");
        assert_eq!(bare_name("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(bare_name("odd"), "odd");
        assert_eq!(alert_words(AlertDescription::HandshakeFailure), "handshake failure");
        assert_eq!(alert_words(AlertDescription::UnknownCA), "unknown ca");
    }

    #[test]
    fn a_certificate_for_many_names_is_told_in_one_line() {
        let text = |count: usize| {
            let names = (0..count).map(|n| format!("{n}.example")).collect();
            Distrust::OtherName { names }.text()
        };
        assert!(text(1).contains("(it is for 0.example):"), "{}", text(1));
        assert!(text(5).contains("3.example, 4.example):"), "{}", text(5));
        assert!(text(500).contains("4.example and 495 more):"), "{}", text(500));
    }

    #[test]
    fn a_late_refusal_is_known_by_its_text() {
        for refusal in
            [Refusal::IdentityRequired, Refusal::IdentityRefused("unknown ca".to_owned())]
        {
            assert_eq!(Refusal::from_text(&refusal.text()), Some(refusal));
        }
        assert_eq!(Refusal::from_text("connection reset"), None);
    }

    /// It may have read the request: that nothing was applied is no promise that it can make so.
    #[test]
    fn a_server_that_did_not_ask_refuses_no_certificate_later() {
        let alert = rustls::Error::AlertReceived(AlertDescription::AccessDenied);
        let error = io::Error::new(io::ErrorKind::InvalidData, alert);
        let asked = Ours { asked: true, ..Ours::default() };
        assert_eq!(of_late_alert(&error, asked), Some(Refusal::IdentityRequired));
        for identity in [false, true] {
            assert_eq!(of_late_alert(&error, Ours { identity, ..Ours::default() }), None);
        }
        let event = crate::event::of_io(&error, true);
        assert!(matches!(event, Event::Closed { written: true, .. }), "{event:?}");
    }

    #[test]
    fn without_a_certificate_of_ours_it_is_one_that_is_missing() {
        let none = Ours::default();
        let ours = Ours { identity: true, asked: true, ..none };
        let asked = Ours { asked: true, ..none };
        let required = Refusal::IdentityRequired;
        let bad = AlertDescription::BadCertificate;
        assert_eq!(of_alert(bad, none), required);
        assert!(matches!(of_alert(bad, ours), Refusal::IdentityRefused(_)));
        let failure = AlertDescription::HandshakeFailure;
        assert_eq!(of_alert(failure, asked), required);
        for (known, what) in [(none, "not asked"), (ours, "shown")] {
            let refusal = of_alert(failure, known);
            assert!(matches!(refusal, Refusal::NothingInCommon { .. }), "{what}");
        }
    }
}
