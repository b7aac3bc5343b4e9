//! Every route of the API: what API Gateway calls it, what it does, and what may be done with it.

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Live,
    Ready,
    Document,
    Connector,
    ShowBundle,
    ApplyBundle,
    Versions,
    ShowVersion,
    ShowSecret,
    StoreSecret,
    ChangeSecret,
    EndSecret,
    Consent,
    Redeem,
    Test,
    Sample,
    ShowRecord,
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody.
    Open,
    /// An AWS identity that may; API Gateway checks it.
    Identity,
}

/// A route.
#[derive(Debug)]
pub(crate) struct Route {
    /// As API Gateway names it: method and path.
    pub(crate) key: &'static str,
    pub(crate) operation: Operation,
    pub(crate) access: Access,
    /// Whether something may be changed by it: then it takes an `Idempotency-Key`.
    pub(crate) changes: bool,
}

impl Route {
    pub(crate) fn method(&self) -> &'static str {
        self.key.split_once(' ').map_or(self.key, |(method, _)| method)
    }

    pub(crate) fn path(&self) -> &'static str {
        self.key.split_once(' ').map_or(self.key, |(_, path)| path)
    }
}

const fn open(key: &'static str, operation: Operation) -> Route {
    Route { key, operation, access: Access::Open, changes: false }
}

const fn reads(key: &'static str, operation: Operation) -> Route {
    Route { key, operation, access: Access::Identity, changes: false }
}

const fn changes(key: &'static str, operation: Operation) -> Route {
    Route { key, operation, access: Access::Identity, changes: true }
}

/// All of them; `infra-cdk/lib/stacks/edge-stack.ts` has the same ones.
pub(crate) const ROUTES: &[Route] = &[
    open("GET /v1/health/live", Operation::Live),
    open("GET /v1/health/ready", Operation::Ready),
    reads("GET /v1/openapi.json", Operation::Document),
    reads("GET /v1/connectors/{connector}", Operation::Connector),
    reads("GET /v1/tenants/{tenant}/bundle", Operation::ShowBundle),
    changes("PUT /v1/tenants/{tenant}/bundle", Operation::ApplyBundle),
    reads("GET /v1/tenants/{tenant}/bundle/versions", Operation::Versions),
    reads("GET /v1/tenants/{tenant}/bundle/versions/{version}", Operation::ShowVersion),
    reads("POST /v1/tenants/{tenant}/bundle/sample", Operation::Sample),
    reads("GET /v1/tenants/{tenant}/connections/{connection}/record", Operation::ShowRecord),
    reads("GET /v1/tenants/{tenant}/connections/{connection}/secret", Operation::ShowSecret),
    changes("PUT /v1/tenants/{tenant}/connections/{connection}/secret", Operation::StoreSecret),
    changes("PATCH /v1/tenants/{tenant}/connections/{connection}/secret", Operation::ChangeSecret),
    changes("DELETE /v1/tenants/{tenant}/connections/{connection}/secret", Operation::EndSecret),
    changes("POST /v1/tenants/{tenant}/connections/{connection}/consent", Operation::Consent),
    changes("POST /v1/tenants/{tenant}/connections/{connection}/consent/code", Operation::Redeem),
    changes("POST /v1/tenants/{tenant}/connections/{connection}/test", Operation::Test),
];

/// The route that API Gateway found.
pub(crate) fn route(key: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_gateway_knows_the_same_routes() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra-cdk/lib/stacks/edge-stack.ts");
        let text = std::fs::read_to_string(file).unwrap();
        let named: BTreeSet<&str> = text.split('\'').filter(|part| part.contains(" /v1/")).collect();
        let known: BTreeSet<&str> = ROUTES.iter().map(|route| route.key).collect();
        assert_eq!(known.len(), ROUTES.len(), "each once");
        let of_api: BTreeSet<&str> = named.into_iter().filter(|key| !key.contains("/webhooks/")).collect();
        assert_eq!(of_api, known);
    }
}
