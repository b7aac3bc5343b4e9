//! Where the API is: as it was given, or the local platform of the clone.

use anyhow::{Context, Result, bail};
use reqwest::Url;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// What the local platform remembers, below the clone; see `cargo xtask up`.
const STATE: &str = ".fluxnex/state.json";

/// An API.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    url: String,
    local: bool,
    region: Option<String>,
}

impl Place {
    /// The API at this address, otherwise that of the local platform.
    pub fn find(given: Option<&str>) -> Result<Self> {
        match given {
            Some(given) => Self::of(given),
            None => {
                let folder = std::env::current_dir().context("the current folder is gone")?;
                Self::local(&folder)?.context(
                    "where is the API? Give --api URL, or set FLUXNEX_API; a local platform (cargo xtask up) is found \
                     from inside its clone",
                )
            }
        }
    }

    fn of(given: &str) -> Result<Self> {
        let url = Url::parse(given).with_context(|| format!("{given} is no URL"))?;
        let host = url.host_str().unwrap_or_default();
        let local = matches!(host, "127.0.0.1" | "localhost" | "[::1]");
        if url.scheme() != "https" && !(local && url.scheme() == "http") {
            bail!("{given} is not https");
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            bail!("{given} has more than an address in it");
        }
        // <api>.execute-api.<region>.amazonaws.com
        let mut parts = host.split('.').skip_while(|part| *part != "execute-api").skip(1);
        let region = parts.next().map(str::to_owned);
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), local, region })
    }

    /// The platform whose state lies in this folder or one above it.
    fn local(folder: &Path) -> Result<Option<Self>> {
        let Some(file) = folder.ancestors().map(|folder| folder.join(STATE)).find(|file| file.is_file()) else {
            return Ok(None);
        };
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let state: Value = serde_json::from_slice(&text).unwrap_or_default();
        let advice = || format!("{} says nothing of an API: run `cargo xtask up`", file.display());
        let port = state.pointer("/emulator/port").and_then(Value::as_u64).with_context(advice)?;
        let outputs = state.pointer("/deployment/outputs").and_then(Value::as_object).with_context(advice)?;
        let api = outputs.values().find_map(|outputs| outputs.get("ApiUrl")?.as_str()).with_context(advice)?;
        let host = api.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let id = host.split('.').next().filter(|id| !id.is_empty()).with_context(advice)?;
        // The host name that the emulator gives does not resolve everywhere; this one has the API in its path.
        let url = format!("http://127.0.0.1:{port}/_aws/execute-api/{id}");
        Ok(Some(Self { url, local: true, region: None }))
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn is_local(&self) -> bool {
        self.local
    }

    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_its_region() {
        let place = Place::of("https://a1b2c3.execute-api.eu-central-1.amazonaws.com/").unwrap();
        assert_eq!((place.region(), place.is_local()), (Some("eu-central-1"), false));
        assert_eq!(place.url(), "https://a1b2c3.execute-api.eu-central-1.amazonaws.com");
        assert!(Place::of("http://127.0.0.1:4566/_aws/execute-api/a1").unwrap().is_local());
        assert_eq!(Place::of("https://api.example.com").unwrap().region(), None);
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in [
            "",
            "api.example.com",
            "http://api.example.com",
            "https://user:pass@x.example",
            "https://x.example/?a=b",
            "ftp://127.0.0.1",
        ] {
            assert!(Place::of(garbage).is_err(), "{garbage}");
        }
    }

    #[test]
    fn the_local_platform_is_found_from_inside_its_clone() {
        let clone = tempfile::tempdir().unwrap();
        let inside = clone.path().join("a/b");
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir_all(clone.path().join(".fluxnex")).unwrap();
        let write = |text: &str| fs::write(clone.path().join(STATE), text).unwrap();
        write(
            r#"{"emulator":{"port":4567},"deployment":{"outputs":{"E":{"ApiUrl":"https://a1.execute-api.us-east-1.amazonaws.com"}}}}"#,
        );
        let found = Place::local(&inside).unwrap().unwrap();
        assert_eq!((found.url(), found.is_local()), ("http://127.0.0.1:4567/_aws/execute-api/a1", true));
        for garbage in ["", "{}", r#"{"emulator":{"port":4567},"deployment":null}"#] {
            write(garbage);
            assert!(Place::local(&inside).unwrap_err().to_string().contains("cargo xtask up"), "{garbage}");
        }
    }
}
