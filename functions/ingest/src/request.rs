//! A webhook as API Gateway hands it over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_lambda::ApiGatewayV2httpRequest;
use fluxnex_lambda::problem::Problem;

/// What a request says, and where it was sent.
pub(crate) struct Webhook {
    pub(crate) method: String,
    /// The URL as its sender called it.
    pub(crate) url: String,
    pub(crate) body: String,
    headers: Vec<(String, String)>,
}

/// The tenant and the connection that the path names.
pub(crate) fn names(request: &ApiGatewayV2httpRequest) -> Option<(TenantId, ConnectionId)> {
    let part = |name: &str| request.path_parameters.get(name).cloned();
    Some((TenantId::parse(part("tenant")?).ok()?, ConnectionId::parse(part("connection")?).ok()?))
}

impl Webhook {
    /// Reads the request; the body may have `max_bytes` at most. `origin` is what senders call, if that is not the host
    /// of the request.
    pub(crate) fn read(
        request: ApiGatewayV2httpRequest,
        max_bytes: usize,
        origin: Option<&str>,
    ) -> Result<Self, Problem> {
        let too_large = || {
            Problem::new(413, "body-too-large", "The body is too large")
                .detail(format!("at most {max_bytes} bytes are taken"))
        };
        let unreadable = || Problem::new(400, "body", "The body cannot be taken").detail("it is not UTF-8");
        let url = url(&request, origin);
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
        Ok(Self { method: request.request_context.http.method.to_string(), url, body, headers })
    }

    /// The body, which is then gone from here.
    pub(crate) fn take_body(&mut self) -> String {
        std::mem::take(&mut self.body)
    }

    /// A header's value by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The URL that was called. The host is that of the request's context, which API Gateway matched and no header can
/// change: what was signed for one tenant's URL is not believed at another's.
fn url(request: &ApiGatewayV2httpRequest, origin: Option<&str>) -> String {
    let host = request.request_context.domain_name.as_deref().unwrap_or_default();
    let path = request.raw_path.as_deref().unwrap_or_default();
    let query = request.raw_query_string.as_deref().filter(|query| !query.is_empty());
    let mut url = origin.map_or_else(|| format!("https://{host}"), |origin| origin.trim_end_matches('/').to_owned());
    url.push_str(path);
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    url
}
