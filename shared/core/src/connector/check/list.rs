//! The check of what can be had from an application: reading, and lists.

use super::Check;
use crate::connector::compiled::{CompiledSourceObject, RECORD_VARIABLES};
use crate::connector::identify::CompiledIdentify;
use crate::connector::list::{CompiledDeletion, CompiledList, MOST_PER_PAGE};
use crate::connector::{
    CompiledReadMany, FirstOffset, Identify, List, Method, OperationKind, Pages, ReadMany, Template, Variable,
    VersionKind,
};
use crate::ids::ObjectName;
use std::collections::BTreeMap;

/// The most ids that one request may take.
const MOST_IDS: u16 = 1_000;

impl Check<'_> {
    pub(in crate::connector) fn objects(&mut self) -> BTreeMap<ObjectName, CompiledSourceObject> {
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
            let read_many = object.read_many.as_ref().and_then(|many| self.read_many(&at, many));
            let list_changed =
                object.list_changed.as_ref().and_then(|list| self.list_changed(&at, list, &object.identify));
            if object.list_deleted.is_some() && object.list_changed.is_none() {
                self.problem(&format!("{at}.list_deleted"), "goes with list_changed: both are read in one run");
            }
            let list_deleted =
                object.list_deleted.as_ref().and_then(|list| self.list_deleted(&at, list, &object.identify));
            if let Some(identify) = identify {
                let object = CompiledSourceObject { identify, read_one, read_many, list_changed, list_deleted };
                compiled.insert(name.clone(), object);
            }
        }
        compiled
    }

    fn read_many(&mut self, at: &str, many: &ReadMany) -> Option<CompiledReadMany> {
        let at = format!("{at}.read_many");
        if !(1..=MOST_IDS).contains(&many.max) {
            self.problem(&format!("{at}.max"), format!("must be from 1 to {MOST_IDS}"));
        }
        if many.separator.is_empty() {
            self.problem(&format!("{at}.separator"), "must not be empty");
        }
        let places = [Variable::Object, Variable::Ids];
        let operation = self.operation_with(&at, &many.operation(), OperationKind::Read, &places);
        if !carries(&many.operation(), &[Variable::Ids], "$ids") {
            self.problem(&at, "the request does not carry {ids}");
        }
        let records = self.program(&format!("{at}.records"), &many.records, RECORD_VARIABLES)?;
        Some(CompiledReadMany { read_many: many.clone(), operation, records })
    }

    fn list_changed(&mut self, at: &str, list: &List, identify: &Identify) -> Option<CompiledList> {
        let at = format!("{at}.list_changed");
        if identify.version.is_none() {
            self.problem(&at, "without identify.version nobody can tell what changed");
        }
        for (field, said) in [("id", &list.id), ("version", &list.version)] {
            if said.is_some() {
                self.problem(&format!("{at}.{field}"), "goes with list_deleted; here identify tells it");
            }
        }
        if !list.pages.is_keyset() && !carries(&list.operation(), SINCE, "since") {
            self.problem(&at, "the request does not carry {since}");
        }
        self.list(&at, list, identify, true)
    }

    fn list_deleted(&mut self, at: &str, list: &List, identify: &Identify) -> Option<CompiledList> {
        let at = format!("{at}.list_deleted");
        let id = match &list.id {
            Some(id) => self.program(&format!("{at}.id"), id, RECORD_VARIABLES),
            None => {
                self.problem(&at, "id is missing: jq over a record, the id of what was deleted");
                None
            }
        };
        if list.version.is_none() && identify.version_kind != VersionKind::Timestamp {
            self.problem(
                &at,
                "version is missing: the moment of reading stands for it only where versions are moments",
            );
        }
        if list.version.is_none() && list.pages.is_keyset() {
            self.problem(&at, "version is missing: a keyset goes by it");
        }
        let orderless = list.version.is_none() || !list.ordered;
        if !orderless && !carries(&list.operation(), SINCE, "since") {
            self.problem(&at, "the request does not carry {since}; only a list with ordered: false can do without");
        }
        let version = self.optional(&format!("{at}.version"), list.version.as_ref(), RECORD_VARIABLES);
        let deletion = CompiledDeletion { id: id?, id_characters: identify.id_characters, version };
        let compiled = self.list(&at, list, identify, list.version.is_some())?;
        Some(CompiledList { deletion: Some(deletion), ..compiled })
    }

    fn list(&mut self, at: &str, list: &List, identify: &Identify, versioned: bool) -> Option<CompiledList> {
        let at_field = |field: &str| format!("{at}.{field}");
        if !(1..=MOST_PER_PAGE).contains(&list.page_size) {
            self.problem(&at_field("page_size"), format!("must be from 1 to {MOST_PER_PAGE}"));
        }
        if identify.version_kind != VersionKind::Timestamp {
            if list.overlap_seconds > 0 {
                self.problem(&at_field("overlap_seconds"), "only versions that are moments can overlap");
            }
            if list.look_back_seconds.is_some() {
                self.problem(&at_field("look_back_seconds"), "only versions that are moments lie some time ago");
            }
            if !list.ordered {
                // Nothing would tell what changed while the run went on.
                self.problem(&at_field("ordered"), "false goes only with versions that are moments");
            }
        }
        if list.look_back_seconds == Some(0) {
            self.problem(&at_field("look_back_seconds"), "must be above 0");
        }
        if !list.ordered && list.pages.is_keyset() {
            self.problem(&at_field("ordered"), "a keyset is ordered by version");
        }
        self.pages(at, list);
        self.bound(at, list, versioned);
        let operation = self.operation_with(at, &list.operation(), OperationKind::List, &places(list, identify));
        let records = self.program(&at_field("records"), &list.records, RECORD_VARIABLES);
        let more = self.optional(&at_field("more"), list.more.as_ref(), RECORD_VARIABLES);
        let next = match &list.pages {
            Pages::NextUrl(program) => self.program(&at_field("pages.next_url"), program, RECORD_VARIABLES),
            Pages::Cursor(program) => self.program(&at_field("pages.cursor"), program, RECORD_VARIABLES),
            Pages::Keyset | Pages::LinkHeader(_) | Pages::Page(_) | Pages::Offset(_) => None,
        };
        let (list, version_kind) = (list.clone(), identify.version_kind);
        Some(CompiledList { list, version_kind, operation, records: records?, more, next, deletion: None })
    }

    /// A request without what its pages are asked for with would list the same first page for ever.
    fn pages(&mut self, at: &str, list: &List) {
        let needed: &[(&[Variable], &str)] = match &list.pages {
            Pages::Keyset => &[(SINCE, "since"), (&[Variable::After], "after")],
            Pages::Cursor(_) => &[(&[Variable::Cursor], "cursor")],
            Pages::Page(_) => &[(&[Variable::Page], "page")],
            Pages::Offset(_) => &[(&[Variable::Offset], "offset")],
            Pages::NextUrl(_) | Pages::LinkHeader(_) => &[],
        };
        for (places, name) in needed {
            if !carries(&list.operation(), places, name) {
                self.problem(at, format!("the request does not carry {{{name}}}"));
            }
        }
        if list.path.places().any(|place| *place == Variable::Cursor) {
            self.problem(&format!("{at}.path"), "{cursor} cannot stand in a path: the first page has none");
        }
        if list.pages.by_url() && list.method != Method::Get {
            self.problem(&format!("{at}.method"), "a next page that is a URL is asked for with GET");
        }
        for (kind, is_off) in [
            ("link_header", list.pages == Pages::LinkHeader(false)),
            ("offset", list.pages == Pages::Offset(FirstOffset::Zero(false))),
        ] {
            if is_off {
                self.problem(&format!("{at}.pages.{kind}"), "false says nothing: say true, or another way");
            }
        }
    }

    fn bound(&mut self, at: &str, list: &List, versioned: bool) {
        let (Some(bound), at_bound) = (list.bound, format!("{at}.bound")) else { return };
        if list.pages.is_keyset() {
            self.problem(&at_bound, "does not go with a keyset: each of its pages is a new query");
        }
        if !list.ordered || !versioned {
            self.problem(
                &at_bound,
                "goes only with records in the order of version: a new query begins at the last one",
            );
        }
        if bound < u32::from(list.page_size) {
            self.problem(&at_bound, "must not be below page_size");
        }
        if !carries(&list.operation(), SINCE, "since") {
            self.problem(&at_bound, "the request does not carry {since}, so that no new query can begin there");
        }
    }
}

const SINCE: &[Variable] = &[Variable::Since, Variable::SinceUnzoned, Variable::SinceMilliseconds];

/// Whether one of the places stands in a request, or its body's program names it.
fn carries(operation: &crate::connector::Operation, places: &[Variable], in_body: &str) -> bool {
    let templates = std::iter::once(&operation.path).chain(operation.query.values()).chain(operation.headers.values());
    templates.flat_map(Template::places).any(|place| places.contains(place))
        || operation.body.as_ref().is_some_and(|body| body.contains(in_body))
}

fn places(list: &List, identify: &Identify) -> Vec<Variable> {
    let mut places = vec![Variable::Object, Variable::Since, Variable::After, Variable::Now, Variable::PageSize];
    if identify.version_kind == VersionKind::Timestamp {
        places.extend([Variable::SinceUnzoned, Variable::SinceMilliseconds]);
    }
    places.extend(match &list.pages {
        Pages::Cursor(_) => Some(Variable::Cursor),
        Pages::Page(_) => Some(Variable::Page),
        Pages::Offset(_) => Some(Variable::Offset),
        Pages::Keyset | Pages::NextUrl(_) | Pages::LinkHeader(_) => None,
    });
    places
}
