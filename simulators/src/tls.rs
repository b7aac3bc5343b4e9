//! A certificate authority for this machine's development servers.
//!
//! Nothing here is trusted by anyone but who is handed `ca.pem`. One folder holds one
//! authority: `ca.pem`, `ca-key.pem`, and `<name>.pem` with `<name>-key.pem` for each server.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use serde::{Deserialize, Serialize};

/// The names that a server certificate is good for, unless said otherwise.
pub const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Renewed when less than this is left, so that nothing expires while it is in use.
const RENEW_DAYS: i64 = 7;

/// A certificate authority in a folder.
#[derive(Debug, Clone)]
pub struct LocalAuthority {
    folder: PathBuf,
}

/// A server's certificate and key, as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCertificate {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM (PKCS#8), readable by its owner only.
    pub key: PathBuf,
}

/// What a certificate is good for; read back instead of the certificate itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Validity {
    names: Vec<String>,
    last_day: Date,
}

impl LocalAuthority {
    /// Opens the authority in the folder, or makes it, and makes sure of a certificate named
    /// `server` for [`LOCAL_NAMES`]. What is present and still valid on the day of `now` is
    /// kept. Callers that may run at once must hold a lock of their own.
    ///
    /// # Errors
    /// If the folder cannot be read or written.
    pub fn ensure(folder: &Path, now: Timestamp) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let authority = Self { folder: folder.to_owned() };
        let names: Vec<String> = LOCAL_NAMES.map(str::to_owned).to_vec();
        if !authority.is_valid("ca", &[], now) {
            authority.make_authority(now)?;
        }
        authority.ensure_server("server", &names, now)?;
        Ok(authority)
    }

    /// The authority's certificate: what clients must trust.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The certificate that [`ensure`](Self::ensure) made for this machine.
    #[must_use]
    pub fn server(&self) -> ServerCertificate {
        self.files("server")
    }

    /// The certificate `<name>.pem` for the given host names and addresses; made if it is
    /// missing, runs out within a week, or is for other names.
    ///
    /// # Errors
    /// If a file cannot be read or written, or a name is no host name and no address.
    pub fn ensure_server(&self, name: &str, hosts: &[String], now: Timestamp) -> Result<ServerCertificate> {
        let files = self.files(name);
        if self.is_valid(name, hosts, now) {
            return Ok(files);
        }
        let today = day(now);
        // Clients such as Apple's refuse server certificates of more than 825 days.
        let last_day = today.checked_add(365.days())?;
        let mut parameters = CertificateParams::new(hosts.to_vec())
            .with_context(|| format!("not all of {hosts:?} are host names or addresses"))?;
        parameters.distinguished_name = named(&format!("FluxNex local {name}"));
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        set_days(&mut parameters, today, last_day)?;

        let authority_key =
            fs::read_to_string(self.folder.join("ca-key.pem")).context("cannot read the authority's key")?;
        let authority_key = KeyPair::from_pem(&authority_key).context("the authority's key is damaged")?;
        let issuer = Issuer::new(authority_parameters(today, last_day)?, authority_key);
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &issuer)?;
        self.write(name, &certificate.pem(), &key, Validity { names: hosts.to_vec(), last_day })?;
        Ok(files)
    }

    fn make_authority(&self, now: Timestamp) -> Result<()> {
        let today = day(now);
        let last_day = today.checked_add(3650.days())?;
        let key = KeyPair::generate()?;
        let certificate = authority_parameters(today, last_day)?.self_signed(&key)?;
        // Certificates of an authority that is gone must not be taken for valid ones.
        for entry in fs::read_dir(&self.folder)?.flatten() {
            if entry.file_name().to_string_lossy().ends_with("-validity.json") {
                fs::remove_file(entry.path())?;
            }
        }
        self.write("ca", &certificate.pem(), &key, Validity { names: Vec::new(), last_day })
    }

    fn files(&self, name: &str) -> ServerCertificate {
        ServerCertificate {
            certificate: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}-key.pem")),
        }
    }

    fn is_valid(&self, name: &str, names: &[String], now: Timestamp) -> bool {
        let read = || -> Result<Validity> {
            let text = fs::read(self.folder.join(format!("{name}-validity.json")))?;
            Ok(serde_json::from_slice(&text)?)
        };
        let files = self.files(name);
        let Ok(validity) = read() else { return false };
        let Ok(needed) = day(now).checked_add(RENEW_DAYS.days()) else {
            return false;
        };
        let key = fs::read_to_string(&files.key).unwrap_or_default();
        files.certificate.is_file()
            && KeyPair::from_pem(&key).is_ok()
            && validity.names == names
            && validity.last_day >= needed
    }

    /// Writes the validity last: without it nothing counts as present.
    fn write(&self, name: &str, certificate: &str, key: &KeyPair, validity: Validity) -> Result<()> {
        let files = self.files(name);
        let validity_file = self.folder.join(format!("{name}-validity.json"));
        write_private(&files.key, key.serialize_pem().as_bytes())?;
        replace(&files.certificate, certificate.as_bytes(), false)?;
        replace(&validity_file, &serde_json::to_vec_pretty(&validity)?, false)
    }
}

fn authority_parameters(first_day: Date, last_day: Date) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = named("FluxNex local authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_days(&mut parameters, first_day, last_day)?;
    Ok(parameters)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Valid from the day before, for clocks that are behind.
fn set_days(parameters: &mut CertificateParams, first: Date, last: Date) -> Result<()> {
    let first = first.yesterday()?;
    let moment =
        |date: Date| date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs());
    parameters.not_before = moment(first);
    parameters.not_after = moment(last);
    Ok(())
}

fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, content, true)
}

/// Puts a whole file in place at once, so that a reader sees the old one or the new one.
fn replace(path: &Path, content: &[u8], private: bool) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let write = || -> std::io::Result<()> {
        // A leftover may have wider permissions than the options below would give.
        if Path::new(&temporary).exists() {
            fs::remove_file(&temporary)?;
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if private {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let mut file = options.open(&temporary)?;
        file.write_all(content)?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("fluxnex-tls-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_second_call_keeps_everything() {
        let folder = folder("keep");
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let first = LocalAuthority::ensure(&folder, now).unwrap();
        let before = [first.ca(), first.server().certificate, first.server().key].map(|file| fs::read(file).unwrap());
        let again = LocalAuthority::ensure(&folder, now.checked_add(48.hours()).unwrap()).unwrap();
        let after = [again.ca(), again.server().certificate, again.server().key].map(|file| fs::read(file).unwrap());
        assert_eq!(before, after);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_runs_out_or_is_damaged_is_made_again() {
        let folder = folder("renew");
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let authority = LocalAuthority::ensure(&folder, now).unwrap();
        let ca = fs::read(authority.ca()).unwrap();
        let server = fs::read(authority.server().certificate).unwrap();

        let next_year = now.checked_add((24 * 360).hours()).unwrap();
        LocalAuthority::ensure(&folder, next_year).unwrap();
        assert_eq!(fs::read(authority.ca()).unwrap(), ca);
        let renewed = fs::read(authority.server().certificate).unwrap();
        assert_ne!(renewed, server);

        fs::write(folder.join("ca-key.pem"), "garbage").unwrap();
        LocalAuthority::ensure(&folder, next_year).unwrap();
        assert_ne!(fs::read(authority.ca()).unwrap(), ca);
        assert_ne!(fs::read(authority.server().certificate).unwrap(), renewed);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn keys_are_their_owners_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder("mode");
        let authority = LocalAuthority::ensure(&folder, Timestamp::now()).unwrap();
        for key in [authority.server().key, folder.join("ca-key.pem")] {
            assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn names_that_cannot_be_certified_are_refused() {
        let folder = folder("names");
        let now = Timestamp::now();
        let authority = LocalAuthority::ensure(&folder, now).unwrap();
        let garbage = vec!["späce and ümlaut".to_owned()];
        assert!(authority.ensure_server("other", &garbage, now).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
