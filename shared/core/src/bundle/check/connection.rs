//! The check of a connection against its connector's manifest, and that no secret is written in it.

use crate::bundle::{BundleError, Connection, fault};
use crate::ids::TenantId;

/// What secrets begin with that people write into a file by mistake, and what they are.
const SECRETS: &[(&str, &str)] = &[
    ("whsec_", "a webhook's signing secret"),
    ("-----BEGIN", "a private key or a certificate"),
    ("sk_live_", "a secret key"),
    ("xoxb-", "a bot's token"),
    ("ghp_", "an access token"),
    ("eyJ", "a token"),
    ("Bearer ", "a token"),
    ("Basic ", "a user name and a password"),
];

/// `tenant` is whose connection it is, if that is known.
pub(super) fn check(tenant: Option<&TenantId>, connection: &Connection, errors: &mut Vec<BundleError>) {
    let at = |field: &str| format!("connections.{}{field}", connection.id);
    secret(tenant, connection, &at(".secret"), errors);
    clear_texts(connection, errors);
    settings(connection, errors);
    if connection.manifest.base_url.is_none() && connection.definition.base_url.is_none() {
        let needs_url = connection.manifest.target.is_some() && !connection.definition.settings.contains_key("url");
        if needs_url && !connection.manifest.settings.contains_key("url") {
            let error = BundleError::new(at(".base_url"), "the connector has no address of its own");
            errors.push(error.hint("add `base_url:` with the application's address".to_owned()));
        }
    }
    match connection.compiled() {
        Ok(compiled) => polls(connection, compiled, errors),
        Err(error) => errors.push(BundleError::new(at(""), error)),
    }
}

fn polls(connection: &Connection, compiled: &crate::connector::CompiledManifest, errors: &mut Vec<BundleError>) {
    for (object, poll) in &connection.definition.polls {
        let at = format!("connections.{}.polls.{object}", connection.id);
        let Some(list) = compiled.list_changed(object) else {
            let can = connection.manifest.objects.iter().filter(|(_, object)| object.list_changed.is_some());
            let names: Vec<&str> = can.map(|(name, _)| name.as_str()).collect();
            let reason = "the connector cannot list what changed of this object";
            errors.push(BundleError::new(at, reason).hint(fault::meant(object.as_str(), &names)));
            continue;
        };
        if poll.since.is_some_and(|since| list.floor(since).is_none()) {
            let error = BundleError::new(format!("{at}.since"), "`since` needs an object whose versions are moments");
            errors.push(error.hint("leave it out: all records are read".to_owned()));
        }
        if poll.schedule.is_once() {
            let error = BundleError::new(format!("{at}.schedule"), "a poll comes again and again");
            errors.push(error.hint("use rate(…) or cron(…)".to_owned()));
        }
        if poll.timezone.is_some() && !poll.schedule.is_cron() {
            let error = BundleError::new(format!("{at}.timezone"), "only a cron schedule has a timezone");
            errors.push(error.hint("leave it out, or use cron(…)".to_owned()));
        }
    }
}

fn settings(connection: &Connection, errors: &mut Vec<BundleError>) {
    let declared = &connection.manifest.settings;
    let names: Vec<&str> = declared.keys().map(String::as_str).collect();
    let at = format!("connections.{}.settings", connection.id);
    let given = &connection.definition.settings;
    let foreign = |name: &&String| {
        !declared.contains_key(name.as_str()) && !connection.manifest.credentials.contains_key(name.as_str())
    };
    let mut meant = Vec::new();
    for name in given.keys().filter(foreign) {
        meant.extend(fault::nearest(name, &names));
        let shown: String = name.chars().take(60).collect();
        let error = BundleError::new(format!("{at}.{shown}"), format_args!("the connector has no setting {shown}"));
        errors.push(error.hint(fault::meant(name, &names)));
    }
    for (name, setting) in declared
        .iter()
        .filter(|(name, setting)| setting.required && setting.default.is_none() && !given.contains_key(name.as_str()))
    {
        if meant.contains(&name.as_str()) {
            continue;
        }
        let error = BundleError::new(at.clone(), format_args!("the setting {name} is missing"));
        errors.push(error.hint(format!("{name}: {}", setting.description.lines().next().unwrap_or_default())));
    }
}

/// Only the name of a secret may stand in a bundle: `fluxnex/<profile>/connections/<tenant>/<name>`.
fn secret(tenant: Option<&TenantId>, connection: &Connection, at: &str, errors: &mut Vec<BundleError>) {
    let owner = tenant.map_or("<tenant>", TenantId::as_str);
    let name = format!("fluxnex/<profile>/connections/{owner}/{}", connection.id);
    match &connection.definition.secret {
        None if connection.manifest.credentials.values().any(|credential| !credential.optional) => {
            let error = BundleError::new(at, "the connector needs credentials, and no secret is named");
            errors.push(error.hint(format!("add `secret: {name}`; `fluxnex connection rotate` puts them in")));
        }
        Some(given) if !is_name(tenant, given) => {
            let error = BundleError::new(at, "this is not the name of a secret of this tenant").concealed();
            errors.push(error.hint(format!(
                "name it as {name}; a secret itself never stands in a file: `fluxnex connection rotate` puts it in"
            )));
        }
        _ => {}
    }
}

fn is_name(tenant: Option<&TenantId>, text: &str) -> bool {
    let legal = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    match text.split('/').collect::<Vec<_>>().as_slice() {
        ["fluxnex", profile, "connections", owner, name] => {
            legal(profile) && legal(name) && tenant.is_none_or(|tenant| *owner == tenant.as_str())
        }
        _ => false,
    }
}

fn clear_texts(connection: &Connection, errors: &mut Vec<BundleError>) {
    let definition = &connection.definition;
    let at = |field: &str| format!("connections.{}.{field}", connection.id);
    let settings = definition.settings.iter().map(|(name, value)| (at(&format!("settings.{name}")), name, value));
    for (at, name, value) in settings {
        if connection.manifest.credentials.contains_key(name) {
            let reason = format!("{name} is a credential: it must not stand in a file");
            let hint = format!("take it out, and run `fluxnex connection rotate {}`", connection.id);
            errors.push(BundleError::new(at, reason).hint(hint).concealed());
        } else if let Some(what) = looks_like(value) {
            errors.push(clear(at, what, connection));
        }
    }
    if let Some(what) = definition.base_url.as_deref().and_then(looks_like) {
        errors.push(clear(at("base_url"), what, connection));
    }
}

fn clear(at: String, what: &str, connection: &Connection) -> BundleError {
    let hint = format!("take it out, and run `fluxnex connection rotate {}`", connection.id);
    BundleError::new(at, format_args!("this looks like {what}: it must not stand in a file")).hint(hint).concealed()
}

fn looks_like(text: &str) -> Option<&'static str> {
    let begins = SECRETS.iter().find(|(begins, _)| text.starts_with(begins) && text.len() >= 16);
    begins.map(|(_, what)| *what).or_else(|| {
        let authority = text.split_once("://")?.1.split(['/', '?', '#']).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        user.contains(':').then_some("an address with a password")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognised_and_addresses_are_none() {
        for secret in
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "https://user:pass@host/x", "-----BEGIN PRIVATE KEY-----"]
        {
            assert!(looks_like(secret).is_some(), "{secret}");
        }
        for plain in ["https://host/a@b:c", "eyJ", "", "acme.my.salesforce.com", "https://user@host"] {
            assert_eq!(looks_like(plain), None, "{plain}");
        }
    }

    #[test]
    fn only_the_tenants_own_names_are_names() {
        let tenant = TenantId::parse("acme").unwrap();
        assert!(is_name(Some(&tenant), "fluxnex/local/connections/acme/erp"));
        for foreign in
            ["", "erp", "fluxnex/local/connections/globex/erp", "fluxnex/local/connections/acme/../x", "whsec_x"]
        {
            assert!(!is_name(Some(&tenant), foreign), "{foreign}");
        }
    }
}
