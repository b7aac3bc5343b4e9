//! The check of requests, and of what is written to an application.

use super::Check;
use crate::connector::operation::{ANSWER_VARIABLES, OPERATION_VARIABLES};
use crate::connector::target::BATCH_VARIABLES;
use crate::connector::{
    ANY_OBJECT, Batch, CompiledBatch, CompiledOperation, CompiledTargetObject, Csrf, Method, Once, Operation,
    OperationKind, TargetObject, Template, Variable,
};
use crate::ids::ObjectName;
use std::collections::BTreeMap;

/// Headers that only the engine sets: they frame the request or prove who sends it.
const RESERVED_HEADERS: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];
/// The most records that one request may take.
const MOST_ITEMS: u16 = 1_000;

impl Check<'_> {
    pub(in crate::connector) fn target(&mut self) -> BTreeMap<ObjectName, CompiledTargetObject> {
        let mut compiled = BTreeMap::new();
        let Some(target) = &self.manifest.target else { return compiled };
        if target.objects.is_empty() {
            self.problem("target.objects", "a target has at least one object");
        }
        if let Some(csrf) = &target.csrf {
            self.csrf(csrf);
        }
        if let Some(test) = &target.test {
            let any = ObjectName::parse(ANY_OBJECT).ok();
            let known = |name: &ObjectName| *name == test.object || Some(name) == any.as_ref();
            if !target.objects.keys().any(known) {
                self.problem("target.test.object", format!("the target has no object {}", test.object));
            }
        }
        for (name, object) in &target.objects {
            let at = format!("target.objects.{name}");
            self.ways_to_write(&at, object);
            let mut operation = |field: &str, said: &Option<Operation>, kind| {
                let operation = said.as_ref()?;
                Some(self.operation(&format!("{at}.{field}"), operation, kind))
            };
            let create = operation("create", &object.create, OperationKind::Create);
            let update = operation("update", &object.update, OperationKind::Update);
            let upsert = operation("upsert", &object.upsert, OperationKind::Upsert);
            let read = operation("read", &object.read, OperationKind::Read);
            let delete = operation("delete", &object.delete, OperationKind::Delete);
            let batch = object.batch.as_ref().and_then(|batch| self.batch(&at, batch));
            self.once(&at, object, &target.once);
            compiled.insert(
                name.clone(),
                CompiledTargetObject {
                    create,
                    update,
                    partial_update: object.partial_update,
                    upsert,
                    read,
                    delete,
                    batch,
                },
            );
        }
        compiled
    }

    fn ways_to_write(&mut self, at: &str, object: &TargetObject) {
        match (&object.create, &object.upsert) {
            (None, None) => self.problem(at, "one of create and upsert says how a record is written"),
            (Some(_), Some(_)) => self.problem(at, "upsert goes in place of create and update"),
            (None, Some(_)) if object.update.is_some() => {
                self.problem(at, "upsert goes in place of create and update");
            }
            _ => {}
        }
    }

    fn csrf(&mut self, csrf: &Csrf) {
        self.template("target.csrf.path", &csrf.path, &[]);
        let path = csrf.path.as_str();
        if !(path.is_empty() || path.starts_with('/')) || path.contains(['?', '#']) {
            self.problem("target.csrf.path", "a path is empty or begins with `/`, and has neither `?` nor `#`");
        }
        self.proving_header("target.csrf.header", &csrf.header);
    }

    /// A connector that says how effects happen once, and forgets to send what does it, would repeat them unnoticed.
    fn once(&mut self, at: &str, object: &TargetObject, once: &Once) {
        let writes = [("create", &object.create), ("update", &object.update), ("upsert", &object.upsert)];
        let writes = writes.into_iter().filter_map(|(field, operation)| Some((field, operation.as_ref()?)));
        let in_batch = |text: &str| object.batch.as_ref().is_none_or(|batch| batch.body.contains(text));
        match once {
            Once::Key { .. } => {
                let in_signature = self.manifest.authentication.signs_the_key();
                for (field, operation) in writes {
                    if !(in_signature || carries(operation, &Variable::Key)) {
                        let at = format!("{at}.{field}");
                        self.problem(&at, "target.once is key, and the request does not carry {key}");
                    }
                }
                if !in_batch(".key") {
                    let at = format!("{at}.batch.body");
                    self.problem(&at, "target.once is key, and the request does not carry each item's .key");
                }
            }
            Once::ExternalId => {
                // An update names the record as the target does.
                for (field, operation) in writes.filter(|(field, _)| *field != "update") {
                    if !carries(operation, &Variable::ExternalId) {
                        let at = format!("{at}.{field}");
                        let reason = "target.once is external_id, and the request does not carry {external_id}";
                        self.problem(&at, reason);
                    }
                }
                if !in_batch(".external_id") {
                    let at = format!("{at}.batch.body");
                    let reason = "target.once is external_id, and the request does not carry each item's .external_id";
                    self.problem(&at, reason);
                }
            }
            Once::ReadBack { .. } | Once::None => {}
        }
    }

    fn batch(&mut self, at: &str, batch: &Batch) -> Option<CompiledBatch> {
        let at = format!("{at}.batch");
        if !(1..=MOST_ITEMS).contains(&batch.max_items) {
            self.problem(&format!("{at}.max_items"), format!("must be from 1 to {MOST_ITEMS}"));
        }
        let operation = self.operation(&at, &batch.operation(), OperationKind::Batch);
        let items = self.program(&format!("{at}.items"), &batch.items, BATCH_VARIABLES)?;
        Some(CompiledBatch { batch: batch.clone(), operation, items })
    }

    pub(super) fn operation(&mut self, at: &str, operation: &Operation, kind: OperationKind) -> CompiledOperation {
        use Variable::{ExternalId, Id, Key, Object, Version};
        let places: &[Variable] = match kind {
            OperationKind::Create | OperationKind::Upsert => &[Key, Object, ExternalId],
            OperationKind::Update | OperationKind::Delete => &[Key, Object, Id, Version, ExternalId],
            OperationKind::Batch => &[Object],
            OperationKind::Read => &[Object, Id],
            OperationKind::List => &[Object],
        };
        self.operation_with(at, operation, kind, places)
    }

    pub(super) fn operation_with(
        &mut self,
        at: &str,
        operation: &Operation,
        kind: OperationKind,
        places: &[Variable],
    ) -> CompiledOperation {
        self.template(&format!("{at}.path"), &operation.path, places);
        let path = operation.path.as_str();
        if !(path.is_empty() || path.starts_with('/')) || path.contains(['?', '#']) {
            self.problem(&format!("{at}.path"), "a path is empty or begins with `/`, and has neither `?` nor `#`");
        }
        for (name, template) in &operation.query {
            self.template(&format!("{at}.query.{name}"), template, places);
        }
        for (name, template) in &operation.headers {
            let at = format!("{at}.headers.{name}");
            self.header(&at, name);
            if RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                self.problem(&at, "only the engine sets this header");
            }
            self.template(&at, template, places);
        }
        if kind.has_effect() && operation.method == Method::Get {
            self.problem(&format!("{at}.method"), "GET may not have an effect");
        }
        if operation.method == Method::Get && operation.body.is_some() {
            self.problem(&format!("{at}.body"), "GET has no body");
        }
        let mut answer = |field: &str, source: &Option<String>| {
            self.optional(&format!("{at}.{field}"), source.as_ref(), ANSWER_VARIABLES)
        };
        let id = answer("id", &operation.id);
        let version = answer("version", &operation.version);
        let record = answer("record", &operation.record);
        let body = self.optional(&format!("{at}.body"), operation.body.as_ref(), OPERATION_VARIABLES);
        CompiledOperation { operation: operation.clone(), kind, body, id, version, record }
    }
}

/// Whether a place stands in a request, or its body's program names the variable.
fn carries(operation: &Operation, place: &Variable) -> bool {
    let templates = std::iter::once(&operation.path).chain(operation.query.values()).chain(operation.headers.values());
    templates.flat_map(Template::places).any(|found| found == place)
        || operation.body.as_ref().is_some_and(|body| body.contains(&format!("${place}")))
}
