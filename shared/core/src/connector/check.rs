//! The check of a manifest: what each field may say in view of the others, and its programs.

use super::compiled::{
    CompiledErrorRule, CompiledErrors, CompiledOperation, CompiledSourceObject, CompiledTargetObject,
    OPERATION_VARIABLES, Problem, RECORD_VARIABLES,
};
use super::identify::CompiledIdentify;
use super::list::{CompiledList, MOST_PER_PAGE};
use super::template::is_name;
use super::{
    ErrorRule, Identify, ListChanged, Manifest, Meaning, Method, Once, Operation, OperationKind, Template, Variable,
    VersionKind,
};
use crate::ids::ObjectName;
use crate::mapping::Program;
use crate::signature::{EventIdRule, is_header_name};
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

/// Goes through a manifest, and notes what is wrong with it.
pub(super) struct Check<'a> {
    manifest: &'a Manifest,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    pub(super) fn new(manifest: &'a Manifest) -> Self {
        Self { manifest, problems: Vec::new() }
    }

    pub(super) fn problems(self) -> Vec<Problem> {
        self.problems
    }

    fn problem(&mut self, at: &str, reason: impl Into<String>) {
        self.problems.push(Problem { at: at.to_owned(), reason: reason.into() });
    }

    pub(super) fn names(&mut self) {
        let manifest = self.manifest;
        for (field, names) in [
            ("settings", manifest.settings.keys().collect::<Vec<_>>()),
            ("credentials", manifest.credentials.keys().collect()),
        ] {
            for name in names.into_iter().filter(|name| !is_name(name)) {
                self.problem(&format!("{field}.{name}"), "a name is lower-case letters, digits and underscores");
            }
        }
        if let Some(base_url) = &manifest.base_url {
            self.template("base_url", base_url, &[]);
        }
        if manifest.limits.rate_per_second.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            self.problem("limits.rate_per_second", "must be above 0");
        }
        if manifest.limits.request_timeout_seconds == 0 {
            self.problem("limits.request_timeout_seconds", "must be above 0");
        }
    }

    pub(super) fn authentication(&mut self) {
        let authentication = &self.manifest.authentication;
        for credential in authentication.credentials() {
            self.credential("authentication", credential);
        }
        if let Some(token_url) = authentication.token_url() {
            self.template("authentication.token_url", token_url, &[]);
        }
    }

    fn credential(&mut self, at: &str, name: &str) {
        if !self.manifest.credentials.contains_key(name) {
            let name: String = name.chars().take(60).collect();
            self.problem(at, format!("there is no credential {name} under credentials"));
        }
    }

    pub(super) fn webhook(&mut self) -> Option<Program> {
        let webhook = self.manifest.webhook.as_ref()?;
        self.credential("webhook.signature.secret", webhook.signature.secret());
        for header in webhook.signature.headers() {
            self.header("webhook.signature", header);
        }
        if let EventIdRule { header: Some(header) } = &webhook.event_id {
            self.header("webhook.event_id.header", header);
        }
        self.program("webhook.records", &webhook.records, &[])
    }

    fn header(&mut self, at: &str, name: &str) {
        if !is_header_name(name) {
            self.problem(at, "a header's name is letters, digits and hyphens");
        }
    }

    pub(super) fn objects(&mut self) -> BTreeMap<ObjectName, CompiledSourceObject> {
        let mut compiled = BTreeMap::new();
        for (name, object) in &self.manifest.objects {
            let at = format!("objects.{name}");
            let identify = CompiledIdentify::compile(&object.identify, |field, source| {
                self.program(&format!("{at}.identify.{field}"), source, RECORD_VARIABLES)
            });
            let read_one = object
                .read_one
                .as_ref()
                .map(|operation| self.operation(&format!("{at}.read_one"), operation, OperationKind::Read));
            let list_changed =
                object.list_changed.as_ref().and_then(|list| self.list_changed(&at, list, &object.identify));
            if let Some(identify) = identify {
                compiled.insert(name.clone(), CompiledSourceObject { identify, read_one, list_changed });
            }
        }
        compiled
    }

    fn list_changed(&mut self, at: &str, list: &ListChanged, identify: &Identify) -> Option<CompiledList> {
        let at = format!("{at}.list_changed");
        if identify.version.is_none() {
            self.problem(&at, "without identify.version nobody can tell what changed");
        }
        if !(1..=MOST_PER_PAGE).contains(&list.page_size) {
            self.problem(&format!("{at}.page_size"), format!("must be from 1 to {MOST_PER_PAGE}"));
        }
        if list.overlap_seconds > 0 && identify.version_kind != VersionKind::Timestamp {
            self.problem(&format!("{at}.overlap_seconds"), "only versions that are moments can overlap");
        }
        let operation = self.operation(&at, &list.operation(), OperationKind::List);
        for place in [Variable::Since, Variable::After] {
            let templates = std::iter::once(&list.path).chain(list.query.values()).chain(list.headers.values());
            let in_body = list.body.as_ref().is_some_and(|body| body.contains(&format!("${place}")));
            if !in_body && !templates.flat_map(Template::places).any(|found| *found == place) {
                // It would list the same first page for ever.
                self.problem(&at, format!("the request does not carry {{{place}}}"));
            }
        }
        let records = self.program(&format!("{at}.records"), &list.records, RECORD_VARIABLES);
        let more = list.more.as_ref().map(|more| self.program(&format!("{at}.more"), more, RECORD_VARIABLES));
        let more = match more {
            Some(compiled) => Some(compiled?),
            None => None,
        };
        Some(CompiledList {
            list: list.clone(),
            version_kind: identify.version_kind,
            operation,
            records: records?,
            more,
        })
    }

    pub(super) fn target(&mut self) -> BTreeMap<ObjectName, CompiledTargetObject> {
        let mut compiled = BTreeMap::new();
        let Some(target) = &self.manifest.target else { return compiled };
        if target.objects.is_empty() {
            self.problem("target.objects", "a target has at least one object");
        }
        for (name, object) in &target.objects {
            let at = format!("target.objects.{name}");
            let create = self.operation(&format!("{at}.create"), &object.create, OperationKind::Create);
            let update = object
                .update
                .as_ref()
                .map(|operation| self.operation(&format!("{at}.update"), operation, OperationKind::Update));
            let read = object
                .read
                .as_ref()
                .map(|operation| self.operation(&format!("{at}.read"), operation, OperationKind::Read));
            if matches!(target.once, Once::Key { .. }) {
                self.key_is_sent(&format!("{at}.create"), &object.create);
                if let Some(update) = &object.update {
                    self.key_is_sent(&format!("{at}.update"), update);
                }
            }
            compiled.insert(name.clone(), CompiledTargetObject { create, update, read });
        }
        compiled
    }

    // A connector that says `once: key` and forgets the key would repeat effects unnoticed.
    fn key_is_sent(&mut self, at: &str, operation: &Operation) {
        let templates =
            std::iter::once(&operation.path).chain(operation.query.values()).chain(operation.headers.values());
        let in_template = templates.flat_map(Template::places).any(|place| *place == Variable::Key);
        let in_body = operation.body.as_ref().is_some_and(|body| body.contains("$key"));
        let in_signature = self.manifest.authentication.signs_the_key();
        if !(in_template || in_body || in_signature) {
            self.problem(at, "target.once is key, and the request does not carry {key}");
        }
    }

    fn operation(&mut self, at: &str, operation: &Operation, kind: OperationKind) -> CompiledOperation {
        let places: &[Variable] = match kind {
            OperationKind::Create => &[Variable::Key, Variable::Object],
            OperationKind::Update => &[Variable::Key, Variable::Object, Variable::Id, Variable::Version],
            OperationKind::Read => &[Variable::Object, Variable::Id],
            OperationKind::List => &[Variable::Object, Variable::Since, Variable::After, Variable::PageSize],
        };
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
            source.as_ref().and_then(|source| self.program(&format!("{at}.{field}"), source, &[]))
        };
        let (id, version, record) =
            (answer("id", &operation.id), answer("version", &operation.version), answer("record", &operation.record));
        let body =
            operation.body.as_ref().and_then(|source| self.program(&format!("{at}.body"), source, OPERATION_VARIABLES));
        CompiledOperation { operation: operation.clone(), kind, body, id, version, record }
    }

    pub(super) fn errors(&mut self) -> CompiledErrors {
        let errors = &self.manifest.errors;
        let refused = errors.refused.as_ref().and_then(|source| self.program("errors.refused", source, &[]));
        let code = errors.code.as_ref().and_then(|source| self.program("errors.code", source, &[]));
        let message = errors.message.as_ref().and_then(|source| self.program("errors.message", source, &[]));
        let rules = errors.rules.iter().enumerate().map(|(index, rule)| self.rule(index, rule)).collect();
        CompiledErrors { refused, code, message, rules }
    }

    fn rule(&mut self, index: usize, rule: &ErrorRule) -> CompiledErrorRule {
        let at = format!("errors.rules.{}", index + 1);
        if rule.status.is_none() && rule.code.is_empty() {
            self.problem(&at, "a rule names a status or a code");
        }
        if !rule.code.is_empty() && self.manifest.errors.code.is_none() {
            self.problem(&at, "errors.code does not say where the code is");
        }
        if rule.retry_after_seconds.is_some() && rule.means != Meaning::Throttle {
            self.problem(&at, "retry_after_seconds goes with throttle");
        }
        if rule.id.is_some() && rule.means != Meaning::DuplicateMeansSuccess {
            self.problem(&at, "id goes with duplicate_means_success");
        }
        let id = rule.id.as_ref().and_then(|source| self.program(&format!("{at}.id"), source, &[]));
        CompiledErrorRule { rule: rule.clone(), id }
    }

    fn template(&mut self, at: &str, template: &Template, places: &[Variable]) {
        for place in template.places() {
            match place {
                Variable::Setting(name) => match self.manifest.settings.get(name) {
                    None => self.problem(at, format!("there is no setting {name} under settings")),
                    Some(setting) if !setting.required && setting.default.is_none() => {
                        self.problem(at, format!("the setting {name} must be required, or have a default"));
                    }
                    Some(_) => {}
                },
                other if !places.contains(other) => {
                    self.problem(at, format!("there is no {{{other}}} at this place"));
                }
                _ => {}
            }
        }
    }

    fn program(&mut self, at: &str, source: &str, variables: &[&str]) -> Option<Program> {
        match Program::compile(at, source, variables) {
            Ok(program) => Some(program),
            Err(error) => {
                self.problem(at, error.to_string());
                None
            }
        }
    }
}
