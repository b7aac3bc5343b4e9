//! The OpenAPI 3.1 document of the API, made of its routes and of the types that it reads and writes.
//!
//! `GET /v1/openapi.json` serves it, and docs/openapi.json holds it: `cargo run -p api --example openapi` writes it
//! anew. The tests hold every answer that they see against it.

mod described;
mod shapes;

use crate::routes::{Access, ROUTES, Route};
use described::{Described, Parameter, described};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// What is said of the API as a whole.
const DESCRIPTION: &str = "\
Bundles, connections and their secrets of FluxNex's tenants.

Every call but those of health is signed with AWS Signature Version 4 for the service `execute-api`.

A changing call takes an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the same call with the same key \
gives the first answer again for a day; another call with it is refused with 422; while the first is under way the \
answer is 409. Answers from 500 on are not kept. Errors are problems after RFC 9457. Lists are read page by page: \
`next` of one page is the `cursor` of the next.";

/// The document.
#[must_use]
pub fn document() -> Value {
    // OpenAPI 3.1 takes JSON Schema 2020-12 as it is (section 4.8.24 of its specification).
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let operation = operation(route, &described(route.operation), &mut generator);
        let path = paths.entry(route.path()).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method().to_ascii_lowercase(), operation);
        }
    }
    let problem = schema::<shapes::Problem>(&mut generator);
    let components = json!({
        "schemas": generator.take_definitions(true),
        "responses": {
            "Problem": {
                "description": "What is wrong, after RFC 9457.",
                "headers": { "Retry-After": { "description": "After how many seconds to come again.", "schema": { "type": "integer" } } },
                "content": { "application/problem+json": { "schema": problem } },
            },
        },
        "securitySchemes": {
            "sigv4": {
                "type": "apiKey", "name": "Authorization", "in": "header",
                "description": "AWS Signature Version 4, service execute-api.",
                "x-amazon-apigateway-authtype": "awsSigv4",
            },
        },
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "FluxNex management API", "version": env!("CARGO_PKG_VERSION"), "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "Where this document is served." }],
        "tags": described::TAGS.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect::<Vec<_>>(),
        "paths": paths,
        "components": components,
    })
}

/// The document as docs/openapi.json holds it.
#[must_use]
pub fn text() -> String {
    format!("{}\n", serde_json::to_string_pretty(&document()).unwrap_or_default())
}

fn schema<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn operation(route: &Route, described: &Described, generator: &mut SchemaGenerator) -> Value {
    let in_path = route.path().split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path.map(|name| path_parameter(name, generator)).collect();
    parameters.extend(described.parameters.iter().map(parameter));
    if route.changes {
        parameters.push(parameter(&Parameter {
            place: "header",
            name: "Idempotency-Key",
            required: false,
            description: "A String of structured fields (RFC 8941), in quotation marks, of at most 255 characters: best \
                          a UUID. The same call with the same key gives the first answer again for a day.",
            schema: json!({ "type": "string", "examples": ["\"8e03978e-40d5-43e8-bc93-6894a57f9324\""] }),
        }));
    }
    let mut responses = Map::new();
    for answer in &described.answers {
        let content = json!({ "application/json": { "schema": (answer.schema)(generator) } });
        let mut response = json!({ "description": answer.description, "content": content });
        if let (true, Some(fields)) = (answer.tagged, response.as_object_mut()) {
            let tag = json!({ "description": "The version, for If-Match.", "schema": { "type": "string" } });
            fields.insert("headers".to_owned(), json!({ "ETag": tag }));
        }
        responses.insert(answer.status.to_string(), response);
    }
    for range in ["4XX", "5XX"] {
        responses.insert(range.to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    let mut operation = json!({
        "operationId": described.id, "tags": [described.tag], "summary": described.summary,
        "parameters": parameters, "responses": responses,
        "security": match route.access { Access::Open => json!([]), Access::Identity => json!([{ "sigv4": [] }]) },
    });
    if let (Some(body), Some(fields)) = (described.body, operation.as_object_mut()) {
        let content = json!({ "application/json": { "schema": body(generator) } });
        fields.insert("requestBody".to_owned(), json!({ "required": !described.body_may_lack, "content": content }));
    }
    operation
}

fn path_parameter(name: &str, generator: &mut SchemaGenerator) -> Value {
    let schema = match name {
        "tenant" => schema::<fluxnex_core::ids::TenantId>(generator),
        "connection" => schema::<fluxnex_core::ids::ConnectionId>(generator),
        "connector" => schema::<fluxnex_core::ids::ConnectorName>(generator),
        "version" => json!({ "type": "integer", "minimum": 1 }),
        _ => json!({ "type": "string" }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn parameter(parameter: &Parameter) -> Value {
    let Parameter { place, name, required, description, schema } = parameter;
    json!({ "name": name, "in": place, "required": required, "description": description, "schema": schema })
}
