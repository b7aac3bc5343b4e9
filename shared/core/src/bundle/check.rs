//! What must hold between the parts of a bundle before it may run.

use super::{Connection, NotificationRule};
use crate::entity;
use crate::flow::{Flow, FlowDefinition, OnDelete, TargetDefinition};
use crate::ids::{ConnectionId, FlowId, ObjectName};
use std::collections::BTreeMap;
use std::fmt::Display;

/// What is wrong with a bundle, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct BundleError {
    /// The fields that lead there, with dots.
    pub at: String,
    /// What is wrong and, where it is known, what would be right.
    pub reason: String,
}

impl BundleError {
    pub(super) fn new(at: impl Into<String>, reason: impl Display) -> Self {
        Self { at: at.into(), reason: reason.to_string() }
    }
}

type Connections = BTreeMap<ConnectionId, Connection>;

pub(super) fn connection(connection: &Connection) -> Result<(), BundleError> {
    let at = |field: &str| format!("connections.{}{field}", connection.id);
    let compiled = connection.compiled().map_err(|error| BundleError::new(at(""), error))?;
    compiled.settings(&connection.definition.settings).map_err(|error| BundleError::new(at(".settings"), error))?;
    for (object, poll) in &connection.definition.polls {
        let at = at(&format!(".polls.{object}"));
        let Some(list) = compiled.list_changed(object) else {
            return Err(BundleError::new(at, "the connector cannot list what changed of this object"));
        };
        if poll.since.is_some_and(|since| list.floor(since).is_none()) {
            return Err(BundleError::new(at, "`since` needs an object whose versions are moments"));
        }
        if poll.schedule.is_once() {
            return Err(BundleError::new(at, "a poll comes again and again: use rate(…) or cron(…)"));
        }
        if poll.timezone.is_some() && !poll.schedule.is_cron() {
            return Err(BundleError::new(at, "only a cron schedule has a timezone"));
        }
    }
    let needs_secret = connection.manifest.credentials.values().any(|credential| !credential.optional);
    if needs_secret && connection.definition.secret.is_none() {
        return Err(BundleError::new(
            at(".secret"),
            "the connector needs credentials: name the secret that holds them",
        ));
    }
    if connection.manifest.base_url.is_none() && connection.definition.base_url.is_none() {
        let needs_url = connection.manifest.target.is_some() && !connection.definition.settings.contains_key("url");
        if needs_url {
            return Err(BundleError::new(at(".base_url"), "the connector has no address of its own: give one"));
        }
    }
    Ok(())
}

/// Checks flows against connections and against each other, and prepares them.
pub(super) fn flows(
    connections: &Connections,
    definitions: BTreeMap<FlowId, FlowDefinition>,
) -> Result<BTreeMap<FlowId, Flow>, BundleError> {
    let mut parents: BTreeMap<FlowId, Vec<ObjectName>> = BTreeMap::new();
    for (id, definition) in &definitions {
        endpoints(connections, id, definition)?;
        unique(&definitions, id, definition)?;
        let objects = definition.requires.iter().enumerate().map(|(index, requirement)| {
            let at = format!("flows.{id}.requires.{index}");
            if !word(&requirement.name) {
                return Err(BundleError::new(
                    at,
                    "`name` must be a lower-case word of letters, digits and underscores",
                ));
            }
            let candidates: Vec<&ObjectName> = definitions
                .values()
                .filter(|other| other.source.connection == definition.source.connection)
                .filter(|other| other.entity == requirement.entity)
                .map(|other| &other.source.object)
                .filter(|object| requirement.object.as_ref().is_none_or(|wanted| wanted == *object))
                .collect();
            match candidates.as_slice() {
                [object] => Ok((*object).clone()),
                [] => Err(BundleError::new(
                    at,
                    format_args!(
                        "no flow makes {} from {}: add one, so that the parent can be known",
                        requirement.entity, definition.source.connection
                    ),
                )),
                _ => Err(BundleError::new(at, "several flows make that entity: say which `object` it is")),
            }
        });
        parents.insert(id.clone(), objects.collect::<Result<_, _>>()?);
    }
    Ok(definitions
        .into_iter()
        .map(|(id, definition)| {
            let objects = parents.remove(&id).unwrap_or_default();
            (id.clone(), Flow::new(id, definition, objects))
        })
        .collect())
}

fn endpoints(connections: &Connections, id: &FlowId, definition: &FlowDefinition) -> Result<(), BundleError> {
    let source = &definition.source;
    let at = |field: &str| format!("flows.{id}.{field}");
    let known = |connection: &ConnectionId, field: &str| {
        connections.get(connection).ok_or_else(|| {
            BundleError::new(at(field), format_args!("there is no connection {connection} in this bundle"))
        })
    };
    if known(&source.connection, "source")?.manifest.source_object(&source.object).is_none() {
        return Err(BundleError::new(at("source"), format_args!("the connector has no object {}", source.object)));
    }
    if !entity::exists(&definition.entity) {
        return Err(BundleError::new(at("entity"), entity::EntityError::Unknown(definition.entity.clone())));
    }
    if definition.targets.is_empty() {
        return Err(BundleError::new(at("targets"), "a flow needs at least one target"));
    }
    for (index, target) in definition.targets.iter().enumerate() {
        let field = format!("targets.{index}");
        let connection = known(&target.connection, &field)?;
        let takes = connection.manifest.target.as_ref().is_some_and(|manifest| {
            manifest.objects.keys().any(|name| *name == target.object || name.as_str() == crate::connector::ANY_OBJECT)
        });
        if !takes {
            return Err(BundleError::new(
                at(&field),
                format_args!("{} cannot be sent {}", connection.definition.connector, target.object),
            ));
        }
        deletions(definition, target, connection).map_err(|reason| BundleError::new(at(&field), reason))?;
        if definition.targets.iter().take(index).any(|earlier| earlier.connection == target.connection) {
            return Err(BundleError::new(at(&field), "a flow has at most one target per connection"));
        }
    }
    Ok(())
}

/// Whether the target can be told of deletions as the flow wants it.
fn deletions(definition: &FlowDefinition, target: &TargetDefinition, connection: &Connection) -> Result<(), String> {
    let object = connection.manifest.target.as_ref().and_then(|manifest| {
        let any = || manifest.objects.iter().find(|(name, _)| name.as_str() == crate::connector::ANY_OBJECT);
        manifest.objects.get_key_value(&target.object).or_else(any).map(|(_, object)| object)
    });
    match definition.on_delete {
        OnDelete::Delete if object.is_none_or(|object| object.delete.is_none()) => Err(format!(
            "{} cannot delete {}: use `on_delete: archive` with an `archive` mapping, or `on_delete: ignore`",
            connection.definition.connector, target.object
        )),
        OnDelete::Archive if target.archive.is_none() => {
            Err("`on_delete: archive` needs an `archive` mapping: what the target is sent when the source deletes it"
                .to_owned())
        }
        OnDelete::Ignore | OnDelete::Delete if target.archive.is_some() => {
            Err("`archive` is used only under `on_delete: archive`: set that, or leave the mapping out".to_owned())
        }
        OnDelete::Ignore | OnDelete::Delete | OnDelete::Archive => Ok(()),
    }
}

fn unique(
    definitions: &BTreeMap<FlowId, FlowDefinition>,
    id: &FlowId,
    definition: &FlowDefinition,
) -> Result<(), BundleError> {
    let twin = definitions.iter().find(|(other, theirs)| {
        *other < id && theirs.source == definition.source && theirs.entity == definition.entity
    });
    match twin {
        None => Ok(()),
        Some((other, _)) => Err(BundleError::new(
            format!("flows.{id}"),
            format_args!("makes the same entity of the same object as {other}: give one flow two targets instead"),
        )),
    }
}

pub(super) fn notifications(connections: &Connections, rules: &[NotificationRule]) -> Result<(), BundleError> {
    for (index, rule) in rules.iter().enumerate() {
        let connection = connections.get(&rule.connection);
        if connection.is_none_or(|connection| connection.manifest.target.is_none()) {
            return Err(BundleError::new(
                format!("notifications.{index}.connection"),
                format_args!("{} is not a connection that can be sent anything", rule.connection),
            ));
        }
    }
    Ok(())
}

fn word(text: &str) -> bool {
    let mut characters = text.chars();
    text.len() <= 40
        && characters.next().is_some_and(|c| c.is_ascii_lowercase())
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
