//! The few fields of a certificate that people want to know.

use std::time::{Duration, SystemTime};

use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Decode, SliceReader, Tag, Tagged};
use rustls_pki_types::CertificateDer;

/// The certificate with which a server proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerCertificate {
    not_before: SystemTime,
    not_after: SystemTime,
}

impl PeerCertificate {
    /// Returns the first moment at which it is valid.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// Returns the last moment at which it is valid.
    ///
    /// # Standards
    ///
    /// RFC 5280 section 4.1.2.5.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Returns how long it is still valid, from `now` on; zero when it has expired.
    pub fn remaining(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let Fields { validity, .. } = Fields::read(certificate).ok()?;
        let mut validity = SliceReader::new(validity.value()).ok()?;
        let mut time = || Some(SystemTime::UNIX_EPOCH + time(AnyRef::decode(&mut validity).ok()?)?);
        Some(Self { not_before: time()?, not_after: time()? })
    }
}

/// Whether it names itself as its issuer (RFC 5280 section 3.2); whether the signature is its own is another
/// question.
pub(super) fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    Fields::read(certificate).is_ok_and(|fields| fields.issuer == fields.subject)
}

/// A date as people write it: `2026-11-22`.
pub(super) fn date(since_1970: Duration) -> Option<String> {
    let date = der::DateTime::from_unix_duration(since_1970).ok()?;
    Some(format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()))
}

/// RFC 5280 section 4.1.
struct Fields<'a> {
    issuer: AnyRef<'a>,
    validity: AnyRef<'a>,
    subject: AnyRef<'a>,
}

impl<'a> Fields<'a> {
    fn read(certificate: &'a CertificateDer<'_>) -> der::Result<Self> {
        let mut whole = SliceReader::new(certificate.as_ref())?;
        let outer = AnyRef::decode(&mut whole)?;
        let mut outer = SliceReader::new(outer.value())?;
        let inner = AnyRef::decode(&mut outer)?;
        let mut inner = SliceReader::new(inner.value())?;
        let mut next = || AnyRef::decode(&mut inner);
        // The version is left out of certificates of version 1.
        if !matches!(next()?.tag(), Tag::Integer) {
            let _serial_number = next()?;
        }
        let _signature = next()?;
        Ok(Self { issuer: next()?, validity: next()?, subject: next()? })
    }
}

/// RFC 5280 section 4.1.2.5: either form, by the year.
fn time(field: AnyRef<'_>) -> Option<Duration> {
    match field.tag() {
        Tag::UtcTime => Some(field.decode_as::<UtcTime>().ok()?.to_unix_duration()),
        Tag::GeneralizedTime => Some(field.decode_as::<GeneralizedTime>().ok()?.to_unix_duration()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_date_are_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 2, 3);
        // From 2050 on the other form is used.
        params.not_after = rcgen::date_time_ymd(2051, 6, 7);
        let signed = params.self_signed(&key).unwrap();
        let read = PeerCertificate::read(signed.der()).unwrap();
        let shown = |time: SystemTime| date(time.duration_since(SystemTime::UNIX_EPOCH).unwrap());
        assert_eq!(shown(read.not_before()).as_deref(), Some("2001-02-03"));
        assert_eq!(shown(read.not_after()).as_deref(), Some("2051-06-07"));
        let day = Duration::from_secs(24 * 60 * 60);
        assert_eq!(read.remaining(read.not_after() - day), day);
        assert_eq!(read.remaining(read.not_after() + day), Duration::ZERO);
        assert!(is_self_issued(signed.der()));
    }

    #[test]
    fn nothing_makes_it_panic() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        let good = params.self_signed(&key).unwrap().der().to_vec();
        for at in 0..good.len() {
            for change in [0, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= change;
                bad.truncate(good.len() - if change == 0 { at } else { 0 });
                let bad = CertificateDer::from(bad);
                let _ = (PeerCertificate::read(&bad), is_self_issued(&bad));
            }
        }
    }
}
