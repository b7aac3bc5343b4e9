//! What must hold between the parts of a bundle before it may run.

mod connection;
mod extensions;
mod flow;

use super::{Broken, Bundle, BundleError, BundleErrors, Configuration, Connection, NotificationRule, fault};
use crate::connector::Manifest;
use crate::ids::{ConnectionId, FlowId};
use std::collections::BTreeMap;

pub(super) use flow::flows;

/// The connectors that there are.
pub trait Connectors {
    /// Their names.
    fn names(&self) -> Vec<&str>;

    /// The manifest of one.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn manifest(&self, name: &str) -> Result<Manifest, String>;
}

/// What came of looking at a bundle as a whole.
#[derive(Debug)]
pub struct Review {
    /// Everything that is wrong.
    pub errors: Vec<BundleError>,
    /// The manifests of the connections.
    pub manifests: BTreeMap<ConnectionId, Manifest>,
    /// The bundle, ready to run; nothing if its parts do not fit together. Where only a mapping is wrong, what
    /// uses that mapping gives an error.
    pub configuration: Option<Configuration>,
}

type Connections = BTreeMap<ConnectionId, Connection>;

/// The connections that flows may name, and those of which nothing is known because they are wrong themselves.
pub(super) struct Scope<'a> {
    pub(super) connections: &'a Connections,
    pub(super) broken: &'a Broken,
}

impl<'a> Scope<'a> {
    /// A connection; nothing, and a fault unless it was left out, if there is none.
    fn known(&self, id: &ConnectionId, at: &str, errors: &mut Vec<BundleError>) -> Option<&'a Connection> {
        let found = self.connections.get(id);
        if found.is_none() && !self.broken.connections.contains(id) {
            let names: Vec<&str> = self.connections.keys().map(ConnectionId::as_str).collect();
            let error = BundleError::new(at, format_args!("there is no connection {id} in this bundle"));
            errors.push(error.hint(fault::meant(id.as_str(), &names)));
        }
        found
    }
}

/// Looks at a bundle as a whole: its connections, flows, mappings, extensions and notifications. `broken` is what
/// was left out of it when it was read.
#[must_use]
pub fn review(bundle: &Bundle, broken: &Broken, connectors: &dyn Connectors) -> Review {
    let (mut errors, mut broken) = (Vec::new(), broken.clone());
    let mut manifests = BTreeMap::new();
    for (id, definition) in &bundle.connections {
        match connectors.manifest(definition.connector.as_str()) {
            Ok(manifest) => drop(manifests.insert(id.clone(), manifest)),
            Err(reason) => {
                let known = fault::meant(definition.connector.as_str(), &connectors.names());
                errors.push(BundleError::new(format!("connections.{id}.connector"), reason).hint(known));
                broken.connections.insert(id.clone());
            }
        }
    }
    let connections: Connections = bundle
        .connections
        .iter()
        .filter_map(|(id, definition)| {
            Some((id.clone(), Connection::new(id.clone(), definition.clone(), manifests.get(id)?.clone())))
        })
        .collect();
    for one in connections.values() {
        connection::check((!broken.tenant).then_some(&bundle.tenant), one, &mut errors);
    }
    extensions::check(&bundle.entities, &mut errors);
    let scope = Scope { connections: &connections, broken: &broken };
    let (flows, found) = flow::flows(&scope, bundle.flows.clone());
    let fits = errors.is_empty() && found.is_empty();
    errors.extend(found);
    for (id, flow) in &flows {
        errors.extend(compile(id, flow));
    }
    notifications(&scope, &bundle.notifications, &mut errors);
    let configuration = fits.then(|| {
        let configuration = Configuration {
            tenant: bundle.tenant.clone(),
            version: 0,
            paused: bundle.paused,
            connections,
            flows,
            notifications: bundle.notifications.clone(),
            entities: BTreeMap::new(),
        };
        configuration.with_entities(bundle.entities.clone())
    });
    Review { errors, manifests, configuration }
}

fn compile(id: &FlowId, flow: &crate::flow::Flow) -> Vec<BundleError> {
    let fault = |(field, source, error): (String, String, _)| {
        BundleError::of_mapping(format!("flows.{id}.{field}"), &error, &source)
    };
    flow.faults().into_iter().map(fault).collect()
}

pub(super) fn notifications(scope: &Scope<'_>, rules: &[NotificationRule], errors: &mut Vec<BundleError>) {
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("notifications.{}.connection", index + 1);
        let connection = scope.known(&rule.connection, &at, errors);
        if connection.is_some_and(|connection| connection.manifest.target.is_none()) {
            errors.push(BundleError::new(at, format_args!("{} cannot be sent anything", rule.connection)));
        }
    }
}

/// Nothing, or everything that is wrong.
pub(super) fn all(errors: Vec<BundleError>) -> Result<(), BundleErrors> {
    if errors.is_empty() { Ok(()) } else { Err(BundleErrors(errors)) }
}

pub(super) fn word(text: &str) -> bool {
    let mut characters = text.chars();
    text.len() <= 40
        && characters.next().is_some_and(|c| c.is_ascii_lowercase())
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
