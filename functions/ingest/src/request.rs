//! A webhook as API Gateway hands it over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_lambda::ApiGatewayV2httpRequest;
use fluxnex_lambda::problem::Problem;

/// Body and headers of a request.
pub(crate) struct Webhook {
    pub(crate) body: String,
    headers: Vec<(String, String)>,
}

/// The tenant and the connection that the path names.
pub(crate) fn names(request: &ApiGatewayV2httpRequest) -> Option<(TenantId, ConnectionId)> {
    let part = |name: &str| request.path_parameters.get(name).cloned();
    Some((TenantId::parse(part("tenant")?).ok()?, ConnectionId::parse(part("connection")?).ok()?))
}

impl Webhook {
    /// Reads the request; the body may have `max_bytes` at most.
    pub(crate) fn read(request: ApiGatewayV2httpRequest, max_bytes: usize) -> Result<Self, Problem> {
        let too_large = || {
            Problem::new(413, "body-too-large", "The body is too large")
                .detail(format!("at most {max_bytes} bytes are taken"))
        };
        let unreadable = || Problem::new(400, "body", "The body cannot be taken").detail("it is not UTF-8");
        let text = request.body.unwrap_or_default();
        let body = if request.is_base64_encoded {
            if text.len() / 4 * 3 > max_bytes + 3 {
                return Err(too_large());
            }
            String::from_utf8(STANDARD.decode(text).map_err(|_| unreadable())?).map_err(|_| unreadable())?
        } else {
            text
        };
        if body.len() > max_bytes {
            return Err(too_large());
        }
        let headers = request
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        Ok(Self { body, headers })
    }

    /// A header's value by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
