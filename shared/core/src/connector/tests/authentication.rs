//! How requests may prove who sends them, and how not.

use super::{compile, manifest, wrong};
use serde_json::{Value, json};

/// What is wrong with an authentication; the connector has the credentials `token` and `other`.
fn refused(authentication: &Value) -> String {
    with(authentication).err().unwrap_or_else(|| panic!("{authentication} is accepted"))
}

fn with(authentication: &Value) -> Result<(), String> {
    let mut said = manifest();
    said["credentials"]["other"] = json!({"description": "another"});
    said["authentication"] = authentication.clone();
    compile(said).map(drop)
}

fn merged(base: &Value, change: Value) -> Value {
    let mut merged = base.clone();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(merged.as_object_mut().unwrap().remove(name)),
            value => merged[name] = value.clone(),
        }
    }
    merged
}

#[test]
fn a_key_goes_into_one_place_that_can_hold_it() {
    let key = json!({"kind": "api_key", "key": "token"});
    let place = |change| merged(&key, change);
    for good in
        [json!({"header": "X-Key"}), json!({"header": "Authorization", "prefix": "Key "}), json!({"query": "key"})]
    {
        assert_eq!(with(&place(good.clone())), Ok(()), "{good}");
    }
    for (change, expected) in [
        (json!({}), "authentication: one of header and query says where the key goes"),
        (json!({"header": "X-Key", "query": "key"}), "authentication: header and query exclude each other"),
        (json!({"query": ""}), "authentication.query: a parameter has a name"),
        (json!({"query": "key", "prefix": "Key "}), "authentication.prefix: goes with header"),
        (json!({"header": "X Key"}), "authentication.header: a header's name is letters, digits and hyphens"),
        (json!({"header": ""}), "authentication.header: a header's name"),
        (json!({"header": "X-Key\r\nX-Other"}), "authentication.header: a header's name"),
        (
            json!({"header": "X-Key", "key": "nobody"}),
            "authentication: there is no credential nobody under credentials",
        ),
    ] {
        let error = refused(&place(change.clone()));
        assert!(error.contains(expected), "{change}: {error}");
    }
}

#[test]
fn no_proof_stands_in_a_header_that_frames_the_request() {
    for name in
        ["Host", "content-length", "Transfer-Encoding", "Connection", "Content-Type", "TE", "Trailer", "Upgrade"]
    {
        let expected = format!("{name} frames the request; it cannot carry a proof");
        for authentication in [
            json!({"kind": "api_key", "key": "token", "header": name}),
            json!({"kind": "hmac_signature", "key": "token", "header": name, "encoding": "hex", "signed": "{body}"}),
            json!({"kind": "session_login", "login": {"method": "POST", "path": "/login", "json": {"t": "token"}}, "token": ".t", "header": name}),
        ] {
            let error = refused(&authentication);
            assert!(error.contains(&expected), "{authentication}: {error}");
        }
    }
}

#[test]
fn a_session_is_named_by_a_token_or_a_cookie() {
    let login = json!({"kind": "session_login", "login": {"method": "POST", "path": "/login", "form": {"user": "token", "password": "other"}}});
    for good in [
        json!({"token": ".token"}),
        json!({"token": ".token", "header": "X-Session", "prefix": "S "}),
        json!({"cookie": "SESSION_id"}),
    ] {
        assert_eq!(with(&merged(&login, good.clone())), Ok(()), "{good}");
    }
    let way = |change: Value| json!({"token": ".token", "login": merged(&login["login"], change)});
    for (change, expected) in [
        (json!({}), "authentication: one of token and cookie says what names the session"),
        (json!({"token": ".token", "cookie": "c"}), "authentication: one of token and cookie says"),
        (json!({"token": ".token |"}), "authentication.token"),
        (json!({"cookie": ""}), "authentication.cookie: a cookie's name"),
        (json!({"cookie": "a;b"}), "authentication.cookie: a cookie's name"),
        (json!({"cookie": "a=b"}), "authentication.cookie: a cookie's name"),
        (json!({"cookie": "c", "header": "X-Session"}), "header and prefix go with token, not with cookie"),
        (json!({"cookie": "c", "prefix": "S "}), "header and prefix go with token, not with cookie"),
        (way(json!({"path": "login"})), "authentication.login.path: must begin with /"),
        (way(json!({"path": "/{id}"})), "authentication.login.path: there is no {id} at this place"),
        (way(json!({"path": "/{settings.other}"})), "authentication.login.path: there is no setting other"),
        (way(json!({"method": "GET"})), "authentication.login.method: GET has no body for the credentials"),
        (way(json!({"json": {"t": "token"}})), "authentication.login: one of form and json"),
        (way(json!({"form": null})), "authentication.login: one of form and json"),
        (way(json!({"form": {"user": "nobody"}})), "there is no credential nobody under credentials"),
    ] {
        let error = refused(&merged(&login, change.clone()));
        assert!(error.contains(expected), "{change}: {error}");
    }
}

#[test]
fn a_signed_time_is_sent_along() {
    let hmac =
        json!({"kind": "hmac_signature", "key": "token", "header": "X-Sign", "encoding": "hex", "signed": "{body}"});
    let timed = json!({"signed": "{timestamp}.{body}", "timestamp_header": "X-Time"});
    assert_eq!(with(&merged(&hmac, timed.clone())), Ok(()));
    for (change, expected) in [
        (json!({"timestamp_header": null}), "authentication.signed: {timestamp} needs timestamp_header"),
        (json!({"timestamp_header": "x-sign"}), "authentication.timestamp_header: is the header of the signature"),
        (json!({"timestamp_header": "X Time"}), "authentication.timestamp_header: a header's name"),
        (json!({"timestamp_header": "Host"}), "authentication.timestamp_header: Host frames the request"),
        (json!({"prefix": "{settings.other}"}), "authentication.prefix: there is no setting other"),
    ] {
        let error = refused(&merged(&merged(&hmac, timed.clone()), change.clone()));
        assert!(error.contains(expected), "{change}: {error}");
    }
}

#[test]
fn what_a_flow_says_itself_cannot_be_said_otherwise() {
    let code = json!({
        "kind": "oauth2_authorization_code", "authorize_url": "https://a.example/authorize", "token_url": "/token",
        "client_id": "token", "client_secret": "other", "refresh_token": "other",
    });
    assert_eq!(with(&merged(&code, json!({"authorize_parameters": {"prompt": "consent"}}))), Ok(()));
    for name in
        ["client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method"]
    {
        let error = refused(&merged(&code, json!({"authorize_parameters": {name: "x"}})));
        assert!(
            error.contains(&format!("authentication.authorize_parameters: {name} is set by the flow itself")),
            "{error}"
        );
    }
    for (change, expected) in [
        (
            json!({"authorize_url": "https://{settings.other}"}),
            "authentication.authorize_url: there is no setting other",
        ),
        (json!({"token_url": "/{id}"}), "authentication.token_url: there is no {id} at this place"),
        (json!({"lifetime_seconds": 0}), "authentication.lifetime_seconds: must be above 0"),
    ] {
        let error = refused(&merged(&code, change.clone()));
        assert!(error.contains(expected), "{change}: {error}");
    }
}

#[test]
fn the_name_of_the_kept_token_is_reserved() {
    let reserved = crate::secret_source::TOKEN_FIELD;
    let error = wrong("/credentials", json!({"token": {"description": "d"}, reserved: {"description": "d"}}));
    assert!(error.contains(&format!("credentials.{reserved}: this name is reserved")), "{error}");
}

#[test]
fn a_token_against_forged_requests_needs_a_path_and_a_header() {
    for (csrf, expected) in [
        (json!({"path": "root"}), "target.csrf.path: a path is empty or begins with `/`"),
        (json!({"path": "/?x"}), "target.csrf.path: a path is empty or begins with `/`"),
        (json!({"path": "/{id}"}), "target.csrf.path: there is no {id} at this place"),
        (json!({"path": "/", "header": "X CSRF"}), "target.csrf.header: a header's name"),
        (json!({"path": "/", "header": "Host"}), "target.csrf.header: Host frames the request"),
        (json!({}), "missing field `path`"),
    ] {
        let error = wrong("/target/csrf", csrf.clone());
        assert!(error.contains(expected), "{csrf}: {error}");
    }
}
