//! The check of flows against connections, entities and each other.

use super::{Scope, word};
use crate::bundle::{BundleError, Connection, fault};
use crate::connector::ANY_OBJECT;
use crate::entity;
use crate::flow::{Flow, FlowDefinition, OnDelete, Requirement, TargetDefinition};
use crate::ids::{FlowId, ObjectName};
use std::collections::{BTreeMap, BTreeSet};

type Definitions = BTreeMap<FlowId, FlowDefinition>;

/// Checks flows and prepares them; those with faults too, so that their mappings can be looked at.
pub(crate) fn flows(scope: &Scope<'_>, definitions: Definitions) -> (BTreeMap<FlowId, Flow>, Vec<BundleError>) {
    let mut errors = Vec::new();
    let mut parents: BTreeMap<FlowId, Vec<ObjectName>> = BTreeMap::new();
    for (id, definition) in &definitions {
        source(scope, id, definition, &mut errors);
        targets(scope, id, definition, &mut errors);
        unique(&definitions, id, definition, &mut errors);
        let mut names = Vec::new();
        let objects = definition.requires.iter().enumerate().map(|(index, requirement)| {
            let at = format!("flows.{id}.requires.{}", index + 1);
            if names.contains(&&requirement.name) {
                let reason = format!("there are two requirements called {}", requirement.name);
                errors.push(BundleError::new(format!("{at}.name"), reason).hint("give each its own name".to_owned()));
            }
            names.push(&requirement.name);
            parent(scope, &definitions, definition, requirement, &at, &mut errors)
        });
        parents.insert(id.clone(), objects.collect());
    }
    let flow = |(id, definition): (FlowId, FlowDefinition)| {
        let objects = parents.remove(&id).unwrap_or_default();
        (id.clone(), Flow::new(id, definition, objects))
    };
    (definitions.into_iter().map(flow).collect(), errors)
}

/// The object of a parent at the source; where that is not clear, the child's own stands in.
fn parent(
    scope: &Scope<'_>,
    definitions: &Definitions,
    definition: &FlowDefinition,
    requirement: &Requirement,
    at: &str,
    errors: &mut Vec<BundleError>,
) -> ObjectName {
    let mut fault = |field: &str, reason: String, hint: String| {
        errors.push(BundleError::new(format!("{at}.{field}"), reason).hint(hint));
    };
    if !word(&requirement.name) {
        let hint = "lower-case letters, digits and underscores, a letter first, at most 40".to_owned();
        fault("name", "this cannot be the name of a requirement".to_owned(), hint);
    }
    let source = &definition.source.connection;
    let makes = |other: &&FlowDefinition| other.source.connection == *source && other.entity == requirement.entity;
    let all: BTreeSet<&ObjectName> = definitions.values().filter(makes).map(|other| &other.source.object).collect();
    let wanted = |object: &&ObjectName| requirement.object.as_ref().is_none_or(|wanted| wanted == *object);
    let fitting: Vec<&ObjectName> = all.iter().copied().filter(wanted).collect();
    match fitting.as_slice() {
        [object] => return (*object).clone(),
        // The flow that is missed may be one of those that are wrong.
        [] if scope.broken.flows || definitions.values().any(|other| is_wrong(scope, other)) => {}
        [] => {
            let of = requirement.object.as_ref().map(|object| format!(" of {object}")).unwrap_or_default();
            let reason = format!("no flow makes {} from {source}{of}", requirement.entity);
            fault("entity", reason, "add one, so that the parent can be known".to_owned());
        }
        _ => {
            let objects: Vec<&str> = all.iter().map(|object| object.as_str()).collect();
            let hint = format!("say which it is: `object: {}`", objects.join("` or `object: "));
            fault("entity", format!("several flows make {} from {source}", requirement.entity), hint);
        }
    }
    definition.source.object.clone()
}

fn is_wrong(scope: &Scope<'_>, definition: &FlowDefinition) -> bool {
    !scope.connections.contains_key(&definition.source.connection) || !entity::exists(&definition.entity)
}

fn source(scope: &Scope<'_>, id: &FlowId, definition: &FlowDefinition, errors: &mut Vec<BundleError>) {
    let source = &definition.source;
    let at = |field: &str| format!("flows.{id}.{field}");
    let connection = scope.known(&source.connection, &at("source.connection"), errors);
    if let Some(connection) = connection.filter(|it| it.manifest.source_object(&source.object).is_none()) {
        let names: Vec<&str> = connection.manifest.objects.keys().map(ObjectName::as_str).collect();
        let reason = format!("{} has no object {}", connection.definition.connector, source.object);
        let hint = match names.as_slice() {
            [] => "the connector is no source".to_owned(),
            names => fault::meant(source.object.as_str(), names),
        };
        errors.push(BundleError::new(at("source.object"), reason).hint(hint));
    }
    if !entity::exists(&definition.entity) {
        let names: Vec<&str> = entity::names().collect();
        let error = BundleError::new(at("entity"), format_args!("there is no entity {}", definition.entity));
        errors.push(error.hint(fault::meant(definition.entity.as_str(), &names)));
    }
}

fn targets(scope: &Scope<'_>, id: &FlowId, definition: &FlowDefinition, errors: &mut Vec<BundleError>) {
    let at = |field: &str| format!("flows.{id}.{field}");
    if definition.targets.is_empty() && !scope.broken.flows {
        let error = BundleError::new(at("targets"), "a flow needs at least one target");
        errors.push(error.hint("name a connection and an object that its records go to".to_owned()));
    }
    for (index, target) in definition.targets.iter().enumerate() {
        let field = |name: &str| at(&format!("targets.{}.{name}", index + 1));
        let Some(connection) = scope.known(&target.connection, &field("connection"), errors) else { continue };
        if !takes(connection, &target.object) {
            let reason = format!("{} cannot be sent {}", connection.definition.connector, target.object);
            let objects = connection.manifest.target.iter().flat_map(|target| target.objects.keys());
            let names: Vec<&str> = objects.map(ObjectName::as_str).collect();
            let hint = match names.as_slice() {
                [] => "the connector is a source only".to_owned(),
                names => fault::meant(target.object.as_str(), names),
            };
            errors.push(BundleError::new(field("object"), reason).hint(hint));
        }
        deletions(definition, target, connection, &field("archive"), errors);
        if definition.targets.iter().take(index).any(|earlier| earlier.connection == target.connection) {
            let error = BundleError::new(field("connection"), "a flow has at most one target per connection");
            errors.push(error.hint("make another flow for the other object".to_owned()));
        }
    }
}

/// Whether the target can be told of deletions as the flow wants it.
fn deletions(
    definition: &FlowDefinition,
    target: &TargetDefinition,
    connection: &Connection,
    at: &str,
    errors: &mut Vec<BundleError>,
) {
    let objects = connection.manifest.target.iter().flat_map(|target| &target.objects);
    let mut named = objects.filter(|(name, _)| **name == target.object || name.as_str() == ANY_OBJECT);
    let deletes = named.any(|(_, object)| object.delete.is_some());
    let (reason, hint) = match definition.on_delete {
        OnDelete::Delete if !deletes => (
            format!("{} cannot delete {}", connection.definition.connector, target.object),
            "use `on_delete: archive` with an `archive` mapping, or `on_delete: ignore`",
        ),
        OnDelete::Archive if target.archive.is_none() => (
            "the target has no `archive` mapping".to_owned(),
            "say what it is sent when the source deletes a record, or use `on_delete: ignore`",
        ),
        OnDelete::Ignore | OnDelete::Delete if target.archive.is_some() => (
            "`archive` is used only under `on_delete: archive`".to_owned(),
            "set that for the flow, or leave the mapping out",
        ),
        OnDelete::Ignore | OnDelete::Delete | OnDelete::Archive => return,
    };
    errors.push(BundleError::new(at, reason).hint(hint.to_owned()));
}

fn takes(connection: &Connection, object: &ObjectName) -> bool {
    let mut names = connection.manifest.target.iter().flat_map(|target| target.objects.keys());
    names.any(|name| name == object || name.as_str() == ANY_OBJECT)
}

fn unique(definitions: &Definitions, id: &FlowId, definition: &FlowDefinition, errors: &mut Vec<BundleError>) {
    let twin = definitions.iter().find(|(other, theirs)| {
        *other < id && theirs.source == definition.source && theirs.entity == definition.entity
    });
    if let Some((other, _)) = twin {
        let reason = format!("makes the same entity of the same object as {other}");
        let error = BundleError::new(format!("flows.{id}"), reason);
        errors.push(error.hint("give one flow two targets instead".to_owned()));
    }
}
