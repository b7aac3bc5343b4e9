//! What a bundle must be before it is applied: everything that is wrong is told at once, in the words of
//! `fluxnex validate`.

use fluxnex_connect::catalog::BuiltIn;
use fluxnex_core::bundle::{Bundle, BundleError, Configuration, LARGEST_BUNDLE_BYTES, Review, read, review};
use fluxnex_core::connector::Manifest;
use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_lambda::ApiGatewayV2httpRequest;
use fluxnex_lambda::problem::Problem;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The bundle of a request, ready to run, with everything checked as if it were to be applied.
pub(crate) fn configured(
    request: ApiGatewayV2httpRequest,
    tenant: &TenantId,
    own: &str,
) -> Result<Configuration, Problem> {
    let (_, review) = looked_at(request, tenant, own)?;
    review.configuration.ok_or_else(|| Problem::of_status(500))
}

/// The bundle of a request, with the manifests of its connections as they are built in now. `own` is what the names
/// of the tenant's secrets begin with.
pub(crate) fn reviewed(
    request: ApiGatewayV2httpRequest,
    tenant: &TenantId,
    own: &str,
) -> Result<(Bundle, BTreeMap<ConnectionId, Manifest>), Problem> {
    looked_at(request, tenant, own).map(|(bundle, review)| (bundle, review.manifests))
}

/// A bundle in which nothing is wrong, and what came of looking at it.
fn looked_at(request: ApiGatewayV2httpRequest, tenant: &TenantId, own: &str) -> Result<(Bundle, Review), Problem> {
    let body = request.body.unwrap_or_default();
    if request.is_base64_encoded {
        return Err(Problem::of_status(415).detail("send the bundle as application/json"));
    }
    if body.len() > LARGEST_BUNDLE_BYTES {
        return Err(Problem::of_status(413).detail(format!("a bundle has at most {LARGEST_BUNDLE_BYTES} bytes")));
    }
    let document: Value = serde_json::from_str(&body).map_err(|error| invalid(vec![error.to_string()]))?;
    let reading = read(document, &BTreeSet::new());
    let mut errors = reading.errors;
    let Some(bundle) = reading.bundle else { return Err(told(&errors)) };
    if bundle.tenant != *tenant && !reading.broken.tenant {
        let reason = format!("the bundle is of {}, the path names {tenant}", bundle.tenant);
        errors.push(BundleError::new("tenant", reason));
    }
    let mut review = review(&bundle, &reading.broken, &BuiltIn);
    errors.append(&mut review.errors);
    own_secrets(&bundle, own, &mut errors);
    if errors.is_empty() { Ok((bundle, review)) } else { Err(told(&errors)) }
}

/// A tenant may name its own secrets only: whoever applies a bundle could use another tenant's
/// credentials otherwise.
fn own_secrets(bundle: &Bundle, own: &str, errors: &mut Vec<BundleError>) {
    for (id, definition) in &bundle.connections {
        let at = format!("connections.{id}.secret");
        let foreign = definition.secret.as_ref().is_some_and(|secret| !is_below(secret, own));
        if foreign && !errors.iter().any(|error| error.at == at) {
            errors.push(BundleError::new(at, format_args!("its name must begin with {own}")));
        }
    }
}

fn is_below(secret: &str, folder: &str) -> bool {
    secret.strip_prefix(folder).is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    })
}

fn told(errors: &[BundleError]) -> Problem {
    invalid(errors.iter().map(ToString::to_string).collect())
}

pub(crate) fn invalid(errors: Vec<String>) -> Problem {
    Problem::new(422, "invalid-bundle", "The bundle cannot be applied").errors(errors)
}
