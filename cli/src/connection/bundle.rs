//! The running bundle: read, changed, and applied if nobody applied another one meanwhile.

use super::Tenant;
use crate::api::Refused;
use anyhow::{Context, Result, bail};
use fluxnex_core::bundle::{Bundle, ConnectionDefinition};
use fluxnex_core::ids::ConnectionId;
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeMap;

/// How often a change is made anew because somebody else applied a bundle meanwhile.
const MOST_ROUNDS: usize = 4;
/// The API's name for that.
const ANOTHER_VERSION: &str = "/problems/another-version";

/// A bundle as it was read; without a tag nothing ran.
pub struct Read {
    pub bundle: Bundle,
    tag: Option<String>,
}

impl Read {
    /// Whether it runs, and is not only what stands for nothing.
    pub fn runs(&self) -> bool {
        self.tag.is_some()
    }

    fn condition(&self) -> (&str, &str) {
        match &self.tag {
            Some(tag) => ("if-match", tag.as_str()),
            None => ("if-none-match", "*"),
        }
    }
}

impl Tenant {
    fn bundle_path(&self) -> String {
        format!("/v1/tenants/{}/bundle", self.id)
    }

    /// The bundle that runs; an empty one if the tenant runs nothing yet.
    pub async fn read(&self) -> Result<Read> {
        match self.api.call(Method::GET, &self.bundle_path(), None).await {
            Ok(mut answer) => {
                let bundle = answer.body.get_mut("bundle").map(Value::take).unwrap_or_default();
                let bundle = serde_json::from_value(bundle)
                    .context("the running bundle is not understood: this program is older than the deployment")?;
                Ok(Read { bundle, tag: answer.etag })
            }
            Err(error) if error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == 404) => {
                let bundle = Bundle {
                    tenant: self.id.clone(),
                    title: String::new(),
                    paused: false,
                    connections: BTreeMap::new(),
                    flows: BTreeMap::new(),
                    entities: BTreeMap::new(),
                    notifications: Vec::new(),
                };
                Ok(Read { bundle, tag: None })
            }
            Err(error) => Err(error),
        }
    }

    /// The definition of a connection that runs.
    pub async fn definition(&self, id: &ConnectionId) -> Result<ConnectionDefinition> {
        let mut bundle = self.read().await?.bundle;
        let known = names(&bundle);
        bundle.connections.remove(id).with_context(|| format!("{} has no connection {id}; {known}", self.id))
    }

    /// Applies a bundle in place of the one that was read, if that one still runs. `restores` is the older version
    /// that it is.
    pub async fn apply(&self, bundle: &Bundle, over: &Read, restores: Option<i64>) -> Result<i64> {
        let body = serde_json::to_value(bundle)?;
        let query = restores.map(|version| format!("?restores={version}")).unwrap_or_default();
        let path = format!("{}{query}", self.bundle_path());
        let answer = self.api.call_if(Method::PUT, &path, Some(&body), Some(over.condition())).await?;
        Ok(answer.body.get("version").and_then(Value::as_i64).unwrap_or_default())
    }

    /// Changes the running bundle; `change` may be called again, on what somebody else applied meanwhile.
    pub async fn edit(&self, mut change: impl FnMut(&mut Bundle) -> Result<()>) -> Result<i64> {
        for _ in 0..MOST_ROUNDS {
            let running = self.read().await?;
            let mut bundle = running.bundle.clone();
            change(&mut bundle)?;
            match self.apply(&bundle, &running, None).await {
                Ok(version) => return Ok(version),
                Err(error) if error.downcast_ref::<Refused>().is_some_and(|it| it.kind == ANOTHER_VERSION) => {}
                Err(error) => return Err(error),
            }
        }
        bail!("others keep applying bundles of {}: try again", self.id)
    }
}

/// The connections of a bundle, for an error.
pub fn names(bundle: &Bundle) -> String {
    if bundle.connections.is_empty() {
        return "it has none".to_owned();
    }
    let names: Vec<&str> = bundle.connections.keys().map(ConnectionId::as_str).collect();
    format!("there are {}", names.join(", "))
}

/// What uses a connection.
pub fn uses(bundle: &Bundle, id: &ConnectionId) -> Vec<String> {
    let flows = bundle.flows.iter().filter(|(_, flow)| {
        flow.source.connection == *id || flow.targets.iter().any(|target| target.connection == *id)
    });
    let told = bundle.notifications.iter().filter(|rule| rule.connection == *id).map(|_| "notifications".to_owned());
    flows.map(|(name, _)| format!("flow {name}")).chain(told).collect()
}

/// A connection as the lines of a bundle's file, below `connections:`.
pub fn lines(id: &ConnectionId, definition: &ConnectionDefinition) -> Result<String> {
    let mut document = serde_json::to_value(definition)?;
    if let Some(fields) = document.as_object_mut() {
        let empty =
            |value: &Value| value == &Value::Bool(false) || value.as_object().is_some_and(serde_json::Map::is_empty);
        fields.retain(|_, value| !empty(value));
    }
    let mut text = format!("  {id}:\n");
    write(&mut text, &document, 4);
    Ok(text)
}

// Texts are written as JSON, which is YAML, unless they are plain words.
fn write(text: &mut String, value: &Value, indent: usize) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        text.push_str(&" ".repeat(indent));
        text.push_str(&scalar(&Value::from(name.as_str())));
        text.push(':');
        match value {
            Value::Object(_) => {
                text.push('\n');
                write(text, value, indent + 2);
            }
            value => {
                text.push(' ');
                text.push_str(&scalar(value));
                text.push('\n');
            }
        }
    }
}

fn scalar(value: &Value) -> String {
    match value.as_str() {
        Some(word)
            if word.starts_with(|first: char| first.is_ascii_alphabetic())
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
                && !matches!(
                    word.to_ascii_lowercase().as_str(),
                    "true" | "false" | "null" | "yes" | "no" | "on" | "off"
                ) =>
        {
            word.to_owned()
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_lines_for_the_file_read_as_what_they_say() {
        let definition = json!({
            "connector": "odata", "settings": {"url": "https://erp.example.com/v4", "key_field": "no"},
            "secret": "fluxnex/local/connections/acme/erp", "polls": {"Sales Orders": {"schedule": "rate(5 minutes)"}},
        });
        let definition: ConnectionDefinition = serde_json::from_value(definition).unwrap();
        let id = ConnectionId::parse("erp").unwrap();
        let text = lines(&id, &definition).unwrap();
        let read: BTreeMap<ConnectionId, ConnectionDefinition> = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, BTreeMap::from([(id, definition)]), "{text}");
        assert!(!text.contains("paused") && !text.contains("allow_private"), "{text}");
    }
}
