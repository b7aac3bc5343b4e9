//! `fluxnex init`: a new bundle that passes its own check, for somebody to change.

mod entities;

use entities::Start;
use fluxnex_core::bundle::Connectors;
use fluxnex_core::ids::{ConnectionId, ConnectorName, EntityName, ObjectName, TenantId};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What tells an editor of the schema.
pub const SCHEMA_LINE: &str = "# yaml-language-server: $schema=fluxnex.schema.json";
/// The schema, beside the bundle.
const SCHEMA_FILE: &str = "fluxnex.schema.json";

/// One end of a flow.
#[derive(Debug, Clone)]
pub struct End {
    /// The connection.
    pub connection: ConnectionId,
    /// Its connector.
    pub connector: ConnectorName,
    /// The record type there.
    pub object: ObjectName,
    /// The record type of the customers that its records refer to, where the entity has a customer.
    pub customer_object: ObjectName,
}

/// What is known of a new bundle.
#[derive(Debug, Clone)]
pub struct Skeleton {
    /// Whose it is.
    pub tenant: TenantId,
    /// What the records become.
    pub entity: EntityName,
    /// Where they come from.
    pub source: End,
    /// Where they go.
    pub target: End,
}

/// Whether records of an entity refer to a customer, which needs a flow of its own.
#[must_use]
pub fn has_customer(entity: &EntityName) -> bool {
    Start::of(entity).is_some_and(|start| start.customer)
}

impl Skeleton {
    /// The files, by their paths below the folder.
    ///
    /// # Errors
    /// There is no such connector or entity, in words.
    pub fn files(&self, connectors: &dyn Connectors) -> Result<Vec<(PathBuf, String)>, String> {
        let start = Start::of(&self.entity).ok_or_else(|| format!("there is no entity {}", self.entity))?;
        let mut flows = Vec::new();
        if start.customer {
            let customer = EntityName::parse("customer").map_err(|error| error.to_string())?;
            let first = Start::of(&customer).ok_or("there is no entity customer")?;
            flows.push(Flow {
                name: customer,
                start: first,
                source: &self.source.customer_object,
                target: &self.target.customer_object,
            });
        }
        let (source, target) = (&self.source.object, &self.target.object);
        flows.push(Flow { name: self.entity.clone(), start, source, target });
        let mut files = vec![
            (PathBuf::from(super::FILE), self.bundle(&flows, connectors)?),
            (PathBuf::from(SCHEMA_FILE), crate::schema::bundle_text()),
        ];
        for flow in &flows {
            files.extend(self.of_flow(flow));
        }
        Ok(files)
    }

    fn bundle(&self, flows: &[Flow<'_>], connectors: &dyn Connectors) -> Result<String, String> {
        let mut text = format!("{SCHEMA_LINE}\n");
        text.push_str("# `${…}` are variables that whoever applies the bundle gives (--set, --variables); secrets are only named.\n");
        text.push_str(&format!("tenant: {}\n\nconnections:\n", self.tenant));
        let ends = [&self.source, &self.target];
        let ends = ends.iter().take(if self.source.connection == self.target.connection { 1 } else { 2 });
        for end in ends {
            text.push_str(&self.connection(end, connectors)?);
        }
        text.push_str("\nflows:\n");
        for flow in flows {
            text.push_str(&flow.yaml(self));
        }
        Ok(text)
    }

    fn connection(&self, end: &End, connectors: &dyn Connectors) -> Result<String, String> {
        let manifest = connectors.manifest(end.connector.as_str())?;
        let mut text = format!("  {}:\n    connector: {}\n", end.connection, end.connector);
        let word = end.connection.as_str().to_ascii_uppercase().replace('-', "_");
        if manifest.base_url.is_none() && !manifest.settings.contains_key("url") && manifest.target.is_some() {
            text.push_str(&format!("    base_url: \"${{{word}_BASE_URL}}\"\n"));
        }
        let required: Vec<_> =
            manifest.settings.iter().filter(|(_, setting)| setting.required && setting.default.is_none()).collect();
        if !required.is_empty() {
            text.push_str("    settings:\n");
        }
        for (name, setting) in required {
            let description = setting.description.lines().next().unwrap_or_default();
            text.push_str(&format!("      # {description}\n"));
            text.push_str(&format!("      {name}: \"${{{word}_{}}}\"\n", name.to_ascii_uppercase()));
        }
        if !manifest.credentials.is_empty() {
            let names: Vec<&str> = manifest.credentials.keys().map(String::as_str).collect();
            text.push_str(&format!("    # The secret holds: {}.\n", names.join(", ")));
            let name = format!("fluxnex/${{PROFILE}}/connections/{}/{}", self.tenant, end.connection);
            text.push_str(&format!("    secret: \"{name}\"\n"));
        }
        Ok(text)
    }

    fn of_flow(&self, flow: &Flow<'_>) -> Vec<(PathBuf, String)> {
        let name = &flow.name;
        let to_entity = format!("# {} → {name}.\n{}\n", flow.source, flow.start.to_entity);
        let to_target = format!("# {name} → {}.\n{}\n", flow.target, flow.start.to_target);
        let references = if flow.start.customer { "\n    references: { customer: \"58\" }" } else { "" };
        let cases = format!(
            "# What comes of these records is in {name}s.expected.json: `fluxnex test` compares, `fluxnex test --update` \
             writes it.\ncases:\n  - name: a {name} with every field\n    record: tests/records/{name}.json\n    \
             id: \"1\"\n    version: 1{references}\n"
        );
        vec![
            (format!("mappings/{name}.to_entity.jq").into(), to_entity),
            (format!("mappings/{name}.to_{}.jq", self.target.connection).into(), to_target),
            (format!("tests/records/{name}.json").into(), format!("{}\n", flow.start.record)),
            (format!("tests/{name}s.yaml").into(), cases),
        ]
    }

    /// Writes the folder. What is there is not touched.
    ///
    /// # Errors
    /// If one of the files is there already, or cannot be written.
    pub fn write(&self, folder: &Path, connectors: &dyn Connectors) -> io::Result<Vec<PathBuf>> {
        let files = self.files(connectors).map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
        if let Some((path, _)) = files.iter().find(|(path, _)| folder.join(path).exists()) {
            let message = format!("{} is there already", folder.join(path).display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        for (path, text) in &files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            File::options().write(true).create_new(true).open(&path)?.write_all(text.as_bytes())?;
        }
        Ok(files.into_iter().map(|(path, _)| folder.join(path)).collect())
    }
}

/// One flow of a new bundle.
struct Flow<'a> {
    name: EntityName,
    start: &'static Start,
    source: &'a ObjectName,
    target: &'a ObjectName,
}

impl Flow<'_> {
    fn yaml(&self, skeleton: &Skeleton) -> String {
        let name = &self.name;
        let (source, target) = (&skeleton.source.connection, &skeleton.target.connection);
        // A JSON text is a YAML text, whatever is in it.
        let quoted = |object: &ObjectName| serde_json::Value::from(object.as_str()).to_string();
        let requires = if self.start.customer {
            "    # It waits until its customer is here, and is not sent before the target knows the customer.\n    \
             requires:\n      - { name: customer, entity: customer, by: .customer_id }\n"
        } else {
            ""
        };
        format!(
            "  {name}s:\n    source: {{ connection: {source}, object: {} }}\n    entity: {name}\n{requires}    \
             to_entity: {{ file: mappings/{name}.to_entity.jq }}\n    targets:\n      - connection: {target}\n        \
             object: {}\n        to_target: {{ file: mappings/{name}.to_{target}.jq }}\n",
            quoted(self.source),
            quoted(self.target),
        )
    }
}
