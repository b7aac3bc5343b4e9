//! Flows: source connection and object to entity to targets, with the mappings between them.
//!
//! A [`FlowDefinition`] is what is written down; a [`Flow`] has its mappings compiled, each when
//! it is first used, so that a stage pays only for those that it runs.

mod definition;
mod ordering;
mod settle;

pub use definition::{Endpoint, FlowDefinition, OnDelete, OrderingKey, Requirement, TargetDefinition};
pub use settle::{LONGEST_SETTLE, Settle, SettleError};

use crate::canonical::canonical_id;
use crate::content::ContentHash;
use crate::entity::{self, Extensions, ExtensionsError};
use crate::ids::{CanonicalId, ConnectionId, EntityName, FlowId, ObjectName, SourceId};
use crate::mapping::{Json, MappingError, Program};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Why a record cannot pass a flow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// A mapping failed.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The mapped record breaks its entity's schema.
    #[error(transparent)]
    Entity(#[from] entity::EntityError),
    /// The tenant's own fields of the entity cannot be checked.
    #[error("the tenant's own fields of {entity}: {error}")]
    OwnFields {
        /// The entity.
        entity: EntityName,
        /// Why not.
        error: ExtensionsError,
    },
    /// A parent's id at the source is not usable.
    #[error("requirement {name}: the parent's id must be text or a number, of 1 to 255 bytes")]
    Parent {
        /// The requirement.
        name: String,
    },
}

/// A mapping that is compiled when it is first used.
#[derive(Debug)]
struct Lazy {
    name: String,
    source: String,
    variables: &'static [&'static str],
    program: OnceLock<Result<Program, MappingError>>,
}

impl Lazy {
    fn new(name: String, source: &str, variables: &'static [&'static str]) -> Self {
        Self { name, source: source.to_owned(), variables, program: OnceLock::new() }
    }

    fn get(&self) -> Result<&Program, MappingError> {
        let compile = || Program::compile(&self.name, &self.source, self.variables);
        self.program.get_or_init(compile).as_ref().map_err(Clone::clone)
    }
}

/// A flow that is ready to run.
#[derive(Debug)]
pub struct Flow {
    /// Its name.
    pub id: FlowId,
    /// What was written down.
    pub definition: FlowDefinition,
    /// Its targets, in the order in which they were written.
    pub targets: Vec<FlowTarget>,
    requirements: Vec<(Requirement, ObjectName, Lazy)>,
    to_entity: Lazy,
    ordering: Option<Lazy>,
    own_fields: Option<OwnFields>,
}

/// The tenant's own fields of an entity.
#[derive(Debug)]
struct OwnFields {
    schema: serde_json::Value,
    compiled: OnceLock<Result<Extensions, ExtensionsError>>,
}

/// A target that is ready to run.
#[derive(Debug)]
pub struct FlowTarget {
    /// The connection that receives the record.
    pub connection: ConnectionId,
    /// The record type there.
    pub object: ObjectName,
    when: Option<Lazy>,
    to_target: Lazy,
    archive: Option<Lazy>,
}

/// A parent of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The name of the requirement.
    pub name: String,
    /// The parent's canonical record type.
    pub entity: EntityName,
    /// The parent's record type at the source.
    pub object: ObjectName,
    /// The parent's id at the source.
    pub source_id: SourceId,
    /// The parent's canonical id.
    pub canonical_id: CanonicalId,
}

/// A record in canonical form, valid by its entity's schema.
#[derive(Debug, Clone)]
pub struct CanonicalRecord {
    /// The record as JSON text.
    pub data: String,
    /// Hash of its content.
    pub content: ContentHash,
}

impl Flow {
    /// Prepares a flow. `parent_objects` gives, for each requirement in order, the record type of
    /// the parent at the source.
    #[must_use]
    pub fn new(id: FlowId, definition: FlowDefinition, parent_objects: Vec<ObjectName>) -> Self {
        let requirements = definition
            .requires
            .iter()
            .cloned()
            .zip(parent_objects)
            .map(|(requirement, object)| {
                let name = format!("{id}.requires.{}", requirement.name);
                let by = Lazy::new(name, &requirement.by, &[]);
                (requirement, object, by)
            })
            .collect();
        let targets = definition
            .targets
            .iter()
            .map(|target| FlowTarget {
                connection: target.connection.clone(),
                object: target.object.clone(),
                when: target.when.as_ref().map(|when| Lazy::new(format!("{id}.{}.when", target.connection), when, &[])),
                to_target: Lazy::new(
                    format!("{id}.{}.to_target", target.connection),
                    &target.to_target,
                    &["$references", "$canonical"],
                ),
                archive: target
                    .archive
                    .as_ref()
                    .map(|archive| Lazy::new(format!("{id}.{}.archive", target.connection), archive, &["$canonical"])),
            })
            .collect();
        let to_entity = Lazy::new(format!("{id}.to_entity"), &definition.to_entity, &["$parents", "$source"]);
        let ordering = match &definition.ordering_key {
            OrderingKey::By(by) => Some(Lazy::new(format!("{id}.ordering_key"), by, &[])),
            OrderingKey::Record | OrderingKey::Connection => None,
        };
        Self { id, definition, targets, requirements, to_entity, ordering, own_fields: None }
    }

    /// Compiles every mapping, as it is done before a flow may run.
    ///
    /// # Errors
    /// The first mapping that does not compile.
    pub fn check(&self) -> Result<(), MappingError> {
        self.faults().into_iter().next().map_or(Ok(()), |(_, _, error)| Err(error))
    }

    /// Every mapping that does not compile: the fields that lead to it, with the entries of lists counted from 1,
    /// its source, and why.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, String, MappingError)> {
        let mut mappings = vec![("to_entity".to_owned(), &self.to_entity)];
        mappings.extend(self.ordering.as_ref().map(|by| ("ordering_key.by".to_owned(), by)));
        for (number, (_, _, by)) in (1..).zip(&self.requirements) {
            mappings.push((format!("requires.{number}.by"), by));
        }
        for (number, target) in (1..).zip(&self.targets) {
            mappings.extend(target.when.as_ref().map(|when| (format!("targets.{number}.when"), when)));
            mappings.push((format!("targets.{number}.to_target"), &target.to_target));
            mappings.extend(target.archive.as_ref().map(|archive| (format!("targets.{number}.archive"), archive)));
        }
        let fault = |(field, mapping): (String, &Lazy)| Some((field, mapping.source.clone(), mapping.get().err()?));
        mappings.into_iter().filter_map(fault).collect()
    }

    /// The parents that a source record refers to.
    ///
    /// # Errors
    /// [`FlowError`] if a `by` mapping fails or gives something that cannot be an id.
    pub fn parents(&self, record: &Json) -> Result<Vec<Parent>, FlowError> {
        let mut parents = Vec::with_capacity(self.requirements.len());
        for (requirement, object, by) in &self.requirements {
            let id: serde_json::Value = by.get()?.run_as(record, vec![], "the parent's id or null")?;
            let text = match id {
                serde_json::Value::Null => continue,
                serde_json::Value::String(text) => text,
                serde_json::Value::Number(number) => number.to_string(),
                _ => return Err(FlowError::Parent { name: requirement.name.clone() }),
            };
            let source_id = SourceId::parse(text).map_err(|_| FlowError::Parent { name: requirement.name.clone() })?;
            parents.push(Parent {
                name: requirement.name.clone(),
                entity: requirement.entity.clone(),
                canonical_id: canonical_id(&self.definition.source.connection, object, &source_id),
                object: object.clone(),
                source_id,
            });
        }
        Ok(parents)
    }

    /// Maps a source record to its entity and checks it.
    ///
    /// # Errors
    /// [`FlowError`] if the mapping fails or its result breaks the entity's schema.
    pub fn to_entity(
        &self,
        record: &Json,
        parents: &[Parent],
        source_id: &SourceId,
        source_version: Option<i64>,
    ) -> Result<CanonicalRecord, FlowError> {
        let names = parents.iter().map(|parent| (parent.name.as_str(), parent.canonical_id.0.to_string()));
        let parents = object(names.map(|(name, id)| (name, serde_json::Value::String(id))))?;
        let source = object([("id", source_id.as_str().into()), ("version", source_version.into())])?;
        let data = self.to_entity.get()?.run(record, vec![parents, source])?.to_text();
        let value = serde_json::from_str(&data)
            .map_err(|_| MappingError::Output { name: self.to_entity.name.clone(), expected: "JSON" })?;
        entity::validate(&self.definition.entity, &value, self.own_fields()?)?;
        let content = ContentHash::of_json(&data)
            .map_err(|_| MappingError::Output { name: self.to_entity.name.clone(), expected: "JSON" })?;
        Ok(CanonicalRecord { data, content })
    }
}

impl Flow {
    /// The same flow, with the JSON Schema of the tenant's own fields of its entity. It is compiled when the first
    /// record is checked.
    #[must_use]
    pub fn with_own_fields(self, schema: serde_json::Value) -> Self {
        Self { own_fields: Some(OwnFields { schema, compiled: OnceLock::new() }), ..self }
    }

    fn own_fields(&self) -> Result<Option<&Extensions>, FlowError> {
        let Some(own) = &self.own_fields else { return Ok(None) };
        let compiled = own.compiled.get_or_init(|| Extensions::compile(&own.schema));
        compiled.as_ref().map(Some).map_err(|error| {
            let entity = self.definition.entity.clone();
            FlowError::OwnFields { entity, error: error.clone() }
        })
    }
}

impl FlowTarget {
    /// Whether this target takes the record.
    ///
    /// # Errors
    /// [`MappingError`] if `when` fails or gives no boolean.
    pub fn takes(&self, record: &Json) -> Result<bool, MappingError> {
        match &self.when {
            None => Ok(true),
            Some(when) => when.get()?.run_as(record, vec![], "true or false"),
        }
    }

    /// Maps a canonical record to what the target is sent. References to parents are left as
    /// placeholders; see [`crate::ledger::fill_references`].
    ///
    /// # Errors
    /// [`MappingError`] if the mapping fails or gives no object.
    pub fn to_target(
        &self,
        record: &Json,
        parent_names: &[String],
        canonical: CanonicalId,
        version: i64,
    ) -> Result<String, MappingError> {
        let placeholders = parent_names.iter().map(|name| (name.as_str(), crate::ledger::placeholder(name)));
        let references = object(placeholders)?;
        payload(&self.to_target, record, vec![references, own(canonical, version)?])
    }

    /// Maps a canonical record that its source deleted to what the target is sent; nothing if it has no mapping
    /// for that.
    ///
    /// # Errors
    /// [`MappingError`] if the mapping fails or gives no object.
    pub fn archive(&self, record: &Json, canonical: CanonicalId, version: i64) -> Result<Option<String>, MappingError> {
        let archive = self.archive.as_ref();
        archive.map(|archive| payload(archive, record, vec![own(canonical, version)?])).transpose()
    }
}

/// What mappings see as `$canonical`.
fn own(canonical: CanonicalId, version: i64) -> Result<Json, MappingError> {
    object([("id", canonical.0.to_string().into()), ("version", version.into())])
}

fn payload(mapping: &Lazy, record: &Json, variables: Vec<Json>) -> Result<String, MappingError> {
    let payload = mapping.get()?.run(record, variables)?.to_text();
    if payload.starts_with('{') {
        Ok(payload)
    } else {
        Err(MappingError::Output { name: mapping.name.clone(), expected: "an object" })
    }
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, serde_json::Value)>) -> Result<Json, MappingError> {
    let members: serde_json::Map<String, serde_json::Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Json::parse("variables", &serde_json::Value::Object(members).to_string())
}
