//! Credentials on their way to the API: from files, standard input, or a person who is asked without echo.

use crate::connector::pair;
use crate::terminal::Terminal;
use anyhow::{Context, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluxnex_core::connector::{Authentication, Credential, Manifest, Webhook};
use fluxnex_core::signature::SignatureScheme;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// More is no credential, in bytes.
const LARGEST_BYTES: usize = 64 * 1024;

/// Where credentials come from. Never from an argument: others on the machine see those.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Sources {
    /// A YAML or JSON file with one field for each credential; `-` for standard input
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// A file whose content is one credential, such as a private key; may be given several times
    #[arg(long = "secret-file", value_name = "FIELD=FILE", value_parser = pair)]
    secret_files: Vec<(String, String)>,
    /// Make a random secret for this credential, and print it once; may be given several times
    #[arg(long, value_name = "FIELD")]
    generate: Vec<String>,
}

/// Credentials, and which of them were made here and have to be told. No Debug.
#[derive(Default)]
pub struct Given {
    pub fields: Map<String, Value>,
    pub generated: Vec<(String, String)>,
}

impl Sources {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_none() && self.secret_files.is_empty() && self.generate.is_empty()
    }

    /// What the sources hold; every name is a credential of the connector.
    pub fn read(&self, manifest: &Manifest) -> Result<Given> {
        let mut given = Given::default();
        if let Some(path) = &self.secrets {
            let text = read(path)?;
            // What it holds is secret: the error quotes nothing of it.
            let fields: Map<String, Value> = serde_saphyr::from_str(&text)
                .map_err(|_| anyhow!("{} is no YAML or JSON object of texts", path.display()))?;
            given.fields.extend(fields);
        }
        for (field, path) in &self.secret_files {
            let text = read(Path::new(path))?;
            given.fields.insert(field.clone(), Value::from(text.trim_end_matches(['\n', '\r'])));
        }
        for field in &self.generate {
            let secret = generate(manifest, field);
            given.fields.insert(field.clone(), Value::from(secret.clone()));
            given.generated.push((field.clone(), secret));
        }
        let unknown = given.fields.keys().find(|name| !manifest.credentials.contains_key(*name));
        if let Some(unknown) = unknown {
            let known: Vec<&str> = manifest.credentials.keys().map(String::as_str).collect();
            bail!("the connector has no credential {unknown}; there are {}", known.join(", "));
        }
        Ok(given)
    }
}

/// All that the connector needs: what the sources lack is asked for. A refresh token that a consent brings
/// may be missing.
pub fn all(manifest: &Manifest, sources: &Sources, terminal: &Terminal) -> Result<Given> {
    let mut given = sources.read(manifest)?;
    let consented = consented(manifest);
    for (name, credential) in &manifest.credentials {
        let known = given.fields.contains_key(name) || Some(name.as_str()) == consented;
        if known || (!terminal.can_ask() && credential.optional) {
            continue;
        }
        if !terminal.can_ask() {
            bail!("no {name}: give --secrets FILE (or `-`), or --secret-file {name}=FILE. {}", credential.description);
        }
        match ask(manifest, name, credential, terminal)? {
            Some(Asked::Typed(secret)) => drop(given.fields.insert(name.clone(), Value::from(secret))),
            Some(Asked::Generated(secret)) => {
                given.fields.insert(name.clone(), Value::from(secret.clone()));
                given.generated.push((name.clone(), secret));
            }
            None => {}
        }
    }
    Ok(given)
}

/// The credential that a person's consent brings.
pub fn consented(manifest: &Manifest) -> Option<&str> {
    match &manifest.authentication {
        Authentication::OAuth2AuthorizationCode { refresh_token, .. } => Some(refresh_token),
        _ => None,
    }
}

enum Asked {
    Typed(String),
    Generated(String),
}

/// Asks for one credential; nothing if it is optional and left out.
fn ask(manifest: &Manifest, name: &str, credential: &Credential, terminal: &Terminal) -> Result<Option<Asked>> {
    let can_generate = manifest.rotating_credentials().contains(&name);
    terminal.note(format!("\n{name}: {}", credential.description));
    let hint = match (can_generate, credential.optional) {
        (true, _) => "  (@FILE reads a file; Enter makes a random one)",
        (false, true) => "  (optional; @FILE reads a file)",
        (false, false) => "  (@FILE reads a file)",
    };
    loop {
        let typed = terminal.ask_secret(hint)?;
        match typed.trim() {
            "" if can_generate => return Ok(Some(Asked::Generated(generate(manifest, name)))),
            "" if credential.optional => return Ok(None),
            "" => terminal.note("It is needed."),
            typed => match typed.strip_prefix('@') {
                Some(path) => {
                    let text = read(Path::new(path))?;
                    return Ok(Some(Asked::Typed(text.trim_end_matches(['\n', '\r']).to_owned())));
                }
                None => return Ok(Some(Asked::Typed(typed.to_owned()))),
            },
        }
    }
}

/// 256 random bits: as Standard Webhooks write them where they are used so, otherwise in hexadecimal.
fn generate(manifest: &Manifest, name: &str) -> String {
    let mut hash = Sha256::new();
    // Each has 122 bits of the operating system's randomness.
    for _ in 0..4 {
        hash.update(uuid::Uuid::new_v4().as_bytes());
    }
    let random = hash.finalize();
    let sent = matches!(&manifest.authentication, Authentication::StandardWebhooks { secret, .. } if secret == name);
    let mut received = manifest.webhook.iter().flat_map(Webhook::signatures);
    let received =
        received.any(|scheme| matches!(scheme, SignatureScheme::StandardWebhooks { secret, .. } if secret == name));
    if sent || received {
        return format!("whsec_{}", STANDARD.encode(random));
    }
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    let reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?)
    };
    let failed = || format!("cannot read {}", path.display());
    reader.take(LARGEST_BYTES as u64 + 1).read_to_string(&mut text).with_context(failed)?;
    if text.len() > LARGEST_BYTES {
        bail!("{} has more than {LARGEST_BYTES} bytes", path.display());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        fluxnex_connect::catalog::manifest("webhook").unwrap()
    }

    #[test]
    fn a_generated_secret_is_what_the_scheme_wants_and_never_twice_the_same() {
        let (one, two) = (generate(&manifest(), "signing_secret"), generate(&manifest(), "signing_secret"));
        assert!(one.starts_with("whsec_") && one != two);
        assert_eq!(STANDARD.decode(one.strip_prefix("whsec_").unwrap()).unwrap().len(), 32);
        assert_eq!(generate(&manifest(), "other").len(), 64);
    }

    #[test]
    fn files_are_read_and_garbage_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let sources = |path: PathBuf| Sources { secrets: Some(path), ..Sources::default() };
        let given = sources(write("a.yaml", "signing_secret: marked-secret\n")).read(&manifest()).unwrap();
        assert_eq!(given.fields["signing_secret"], "marked-secret");
        for garbage in ["marked-secret", "[marked-secret]", "signing_secret: [", "colour: marked-secret"] {
            let error = sources(write("b.yaml", garbage)).read(&manifest()).err().unwrap();
            assert!(!format!("{error:#}").contains("marked-secret"), "{garbage}: {error:#}");
        }
        let key = write("key.pem", "-----BEGIN\nkey\n-----END\n");
        let files = vec![("signing_secret".to_owned(), key.display().to_string())];
        let given = Sources { secret_files: files, ..Sources::default() }.read(&manifest()).unwrap();
        assert_eq!(given.fields["signing_secret"], "-----BEGIN\nkey\n-----END");
    }
}
