//! What the OpenAPI document says of each operation.

use super::{schema, shapes};
use crate::routes::Operation;
use crate::sample::{MOST_RECORDS, USUAL_RECORDS};
use schemars::SchemaGenerator;
use serde_json::{Value, json};

/// The parts of the API, and what each is.
pub(super) const TAGS: &[(&str, &str)] = &[
    ("bundle", "What a tenant runs: versions, each applied as a whole."),
    ("connections", "Credentials, consent, tests and records of a tenant's connections."),
    ("connectors", "The connectors that are built in."),
    ("service", "The service itself."),
];

/// Gives the schema of a body, and keeps what it refers to.
type Shape = fn(&mut SchemaGenerator) -> Value;

/// What is said of an operation.
pub(super) struct Described {
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Shape>,
    /// Whether there may be no body.
    pub(super) body_may_lack: bool,
    pub(super) answers: Vec<Answer>,
}

/// A parameter that may be given.
pub(super) struct Parameter {
    pub(super) place: &'static str,
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) description: &'static str,
    pub(super) schema: Value,
}

/// An answer that is no problem.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) description: &'static str,
    pub(super) schema: Shape,
    /// Whether it has an `ETag`.
    pub(super) tagged: bool,
}

impl Described {
    fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self { id, tag, summary, parameters: Vec::new(), body: None, body_may_lack: false, answers: Vec::new() }
    }

    fn takes<T: schemars::JsonSchema>(mut self) -> Self {
        self.body = Some(schema::<T>);
        self
    }

    fn may_take<T: schemars::JsonSchema>(self) -> Self {
        Self { body_may_lack: true, ..self.takes::<T>() }
    }

    fn gives<T: schemars::JsonSchema>(mut self, status: u16, description: &'static str) -> Self {
        self.answers.push(Answer { status, description, schema: schema::<T>, tagged: false });
        self
    }

    fn tagged(mut self) -> Self {
        self.answers.iter_mut().for_each(|answer| answer.tagged = true);
        self
    }

    fn query(self, name: &'static str, description: &'static str, schema: Value) -> Self {
        self.parameter("query", name, description, schema)
    }

    /// A parameter that has to be given.
    fn required(mut self, name: &'static str, description: &'static str, schema: Value) -> Self {
        self.parameters.push(Parameter { place: "query", name, required: true, description, schema });
        self
    }

    fn header(self, name: &'static str, description: &'static str) -> Self {
        self.parameter("header", name, description, json!({ "type": "string" }))
    }

    fn parameter(mut self, place: &'static str, name: &'static str, description: &'static str, schema: Value) -> Self {
        self.parameters.push(Parameter { place, name, required: false, description, schema });
        self
    }
}

pub(super) fn described(operation: Operation) -> Described {
    match operation {
        Operation::Live | Operation::Ready | Operation::Document | Operation::Connector => of_service(operation),
        Operation::ShowBundle
        | Operation::ApplyBundle
        | Operation::Versions
        | Operation::ShowVersion
        | Operation::Sample => of_bundles(operation),
        _ => of_connections(operation),
    }
}

fn of_service(operation: Operation) -> Described {
    match operation {
        Operation::Live => {
            Described::new("live", "service", "Whether the API lives").gives::<shapes::Health>(200, "It lives.")
        }
        Operation::Ready => Described::new("ready", "service", "Whether the API can do its work")
            .gives::<shapes::Health>(200, "The database answers."),
        Operation::Connector => {
            Described::new("showConnector", "connectors", "A connector's manifest: what a connection of it needs")
                .gives::<fluxnex_core::connector::Manifest>(200, "The manifest.")
        }
        _ => Described::new("showDocument", "service", "This document")
            .gives::<shapes::Document>(200, "An OpenAPI document."),
    }
}

fn of_bundles(operation: Operation) -> Described {
    match operation {
        Operation::ShowBundle => Described::new("showBundle", "bundle", "The bundle that runs")
            .gives::<shapes::Version>(200, "The bundle and its version.")
            .tagged(),
        Operation::Versions => {
            Described::new("listVersions", "bundle", "The versions of a tenant's bundle, the newest first")
                .query(
                    "limit",
                    "How many versions a page has at most.",
                    json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 }),
                )
                .query("cursor", "The `next` of the page before.", json!({ "type": "string" }))
                .gives::<shapes::Versions>(200, "A page of versions.")
        }
        Operation::Sample => {
            Described::new("sampleFlow", "bundle", "What a flow of a bundle would make of records that are here")
                .required("flow", "The flow.", json!({ "type": "string" }))
                .query(
                    "records",
                    "How many records at most.",
                    json!({ "type": "integer", "minimum": 1, "maximum": MOST_RECORDS, "default": USUAL_RECORDS }),
                )
                .takes::<fluxnex_core::bundle::Bundle>()
                .gives::<crate::sample::Made>(200, "How many would become something else, with examples.")
        }
        Operation::ShowVersion => Described::new("showVersion", "bundle", "One version of a tenant's bundle")
            .gives::<shapes::Version>(200, "The bundle as it was applied."),
        _ => Described::new("applyBundle", "bundle", "Apply a bundle as a whole, as the next version")
            .header("If-Match", "Only over the version with this ETag.")
            .header("If-None-Match", "`*`: only if the tenant runs nothing yet.")
            .query("restores", "The older version that this bundle is.", json!({ "type": "integer", "minimum": 1 }))
            .takes::<fluxnex_core::bundle::Bundle>()
            .gives::<shapes::Applied>(200, "It runs."),
    }
}

fn of_connections(operation: Operation) -> Described {
    let new = |id, summary| Described::new(id, "connections", summary);
    match operation {
        Operation::ShowRecord => {
            new("showRecord", "A record of the replica: the state of a source record as it was seen last")
                .required("object", "The record type at the source.", json!({ "type": "string" }))
                .required("id", "The record's id at the source.", json!({ "type": "string" }))
                .gives::<shapes::Record>(200, "The record.")
        }
        Operation::ShowSecret => new("showSecret", "Which credentials a connection has; never what they are")
            .gives::<shapes::Secret>(200, "The names of its credentials."),
        Operation::StoreSecret => new("storeSecret", "Store the credentials of a connection")
            .takes::<shapes::StoreSecret>()
            .gives::<shapes::StoredSecret>(200, "They took the place of others.")
            .gives::<shapes::StoredSecret>(201, "They are the first."),
        Operation::ChangeSecret => new("changeSecret", "Replace, add or retire credentials of a connection")
            .takes::<shapes::ChangeSecret>()
            .gives::<shapes::ChangedSecret>(200, "They are changed."),
        Operation::EndSecret => new("endSecret", "End the secret of a connection that does not run any more")
            .gives::<shapes::EndedSecret>(200, "It is ended, or was not there."),
        Operation::Consent => new("askConsent", "The address at which a person consents (OAuth 2.0)")
            .takes::<shapes::AskConsent>()
            .gives::<shapes::Consent>(200, "The address."),
        Operation::Redeem => new("redeemCode", "Exchange the code of a consent, and store the refresh token")
            .takes::<shapes::RedeemCode>()
            .gives::<shapes::Authorised>(200, "The connection is authorised."),
        _ => new("testConnection", "Read one record through a connection, or send what its connector has for it")
            .may_take::<shapes::TestConnection>()
            .gives::<shapes::Tested>(200, "What came of it; a refusal of the application is an answer too."),
    }
}
