//! A change of some credentials, and the rotation of those that may be several at a time.

use super::{is_reserved, seconds};
use crate::request::{invalid, only, shortened};
use fluxnex_core::connector::Manifest;
use fluxnex_core::secret_source::TOKEN_FIELD;
use fluxnex_lambda::problem::Problem;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Where the secret says until when old credentials stay active.
pub(super) const ROTATION_FIELD: &str = "fluxnex_rotation";
/// For how long old credentials stay active if nothing is said, in seconds: a day.
const OVERLAP_SECONDS: u64 = 86_400;
/// And at most: thirty days.
const LONGEST_OVERLAP_SECONDS: u64 = 30 * 86_400;
/// More secrets at a time only lengthen each signature.
const MOST_ACTIVE: usize = 5;

/// The credentials of which several are active, and until when the old ones stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Rotation(BTreeMap<String, Timestamp>);

impl Rotation {
    pub(super) fn of(secret: &Map<String, Value>) -> Self {
        let stored = secret.get(ROTATION_FIELD).cloned().unwrap_or_default();
        Self(serde_json::from_value(stored).unwrap_or_default())
    }
}

/// What is to be changed. It has no Debug.
pub(super) struct Change {
    /// Credentials that take the place of the old ones at once.
    pub(super) replace: Map<String, Value>,
    /// Credentials that become active beside the old ones.
    pub(super) add: Map<String, Value>,
    /// Credentials of which only the newest stays.
    pub(super) retire: Vec<String>,
    overlap: SignedDuration,
    /// Whether old ones are retired before their time.
    early: bool,
    /// Whether what is replaced makes a token of before useless.
    forgets_token: bool,
}

impl Change {
    pub(super) fn read(body: &Map<String, Value>, manifest: &Manifest) -> Result<Self, Problem> {
        only(body, &["replace", "add", "retire", "overlap_seconds", "early"])?;
        let object = |name: &str| match body.get(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(fields)) => Ok(fields.clone()),
            Some(_) => Err(invalid(vec![format!("{name}: an object with a text for each credential is needed")])),
        };
        let (replace, add) = (object("replace")?, object("add")?);
        let retire: Option<Vec<String>> = match body.get("retire") {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::Array(names)) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        let retire = retire.ok_or_else(|| invalid(vec!["retire: a list of names is needed".to_owned()]))?;
        let early = match body.get("early") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(early)) => *early,
            Some(_) => return Err(invalid(vec!["early: true or false is needed".to_owned()])),
        };
        if replace.is_empty() && add.is_empty() && retire.is_empty() {
            return Err(invalid(vec!["one of replace, add and retire is needed".to_owned()]));
        }
        let several = manifest.rotating_credentials();
        let single = add.keys().chain(&retire).filter(|name| !several.contains(&name.as_str()));
        let errors: Vec<String> = single
            .map(|name| format!("{}: only one of it can be active at a time: replace it", shortened(name)))
            .collect();
        if !errors.is_empty() {
            return Err(invalid(errors));
        }
        let overlap = seconds(body, "overlap_seconds", LONGEST_OVERLAP_SECONDS)?.unwrap_or(OVERLAP_SECONDS);
        let overlap = SignedDuration::from_secs(i64::try_from(overlap).unwrap_or(i64::MAX));
        let used = manifest.authentication.credentials();
        let forgets_token = replace.keys().any(|name| used.contains(&name.as_str()));
        Ok(Self { replace, add, retire, overlap, early, forgets_token })
    }

    /// Changes the secret. The same change again changes nothing more.
    pub(super) fn apply(&self, secret: &mut Map<String, Value>, now: Timestamp) -> Result<Rotation, Problem> {
        let mut rotation = Rotation::of(secret);
        for (name, value) in &self.replace {
            secret.insert(name.clone(), value.clone());
            rotation.0.remove(name);
        }
        for (name, value) in &self.add {
            let mut active = active(secret, name);
            if active.first() == Some(value) {
                continue;
            }
            active.retain(|known| known != value);
            active.insert(0, value.clone());
            if active.len() > MOST_ACTIVE {
                let detail = format!("{MOST_ACTIVE} of {name} are active: retire the old ones first");
                return Err(Problem::new(409, "too-many-active", "Too many secrets are active").detail(detail));
            }
            secret.insert(name.clone(), Value::Array(active));
            rotation.0.insert(name.clone(), now.checked_add(self.overlap).unwrap_or(now));
        }
        for name in &self.retire {
            if let Some(until) = rotation.0.get(name).filter(|until| **until > now && !self.early) {
                let detail = format!("the old ones of {name} stay active until {until}; `early` retires them now");
                return Err(Problem::new(409, "overlap-not-over", "The overlap is not over").detail(detail));
            }
            if let Some(newest) = active(secret, name).into_iter().next() {
                secret.insert(name.clone(), newest);
            }
            rotation.0.remove(name);
        }
        if self.forgets_token {
            secret.remove(TOKEN_FIELD);
        }
        if rotation.0.is_empty() {
            secret.remove(ROTATION_FIELD);
        } else {
            secret.insert(ROTATION_FIELD.to_owned(), json!(rotation));
        }
        Ok(rotation)
    }
}

/// The active ones of a credential, the newest first.
fn active(secret: &Map<String, Value>, name: &str) -> Vec<Value> {
    match secret.get(name) {
        Some(Value::Array(values)) => values.clone(),
        Some(value) if !is_reserved(name) => vec![value.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(body: Value) -> Result<Change, Problem> {
        let manifest = fluxnex_connect::catalog::manifest("webhook").unwrap();
        Change::read(body.as_object().unwrap(), &manifest)
    }

    fn apply(secret: &mut Map<String, Value>, body: Value, now: i64) -> Result<Rotation, u16> {
        let change = change(body).map_err(|problem| problem.status())?;
        change.apply(secret, Timestamp::from_second(now).unwrap()).map_err(|problem| problem.status())
    }

    #[test]
    fn a_new_secret_is_active_beside_the_old_one_for_the_overlap() {
        let mut secret = json!({"signing_secret": "old"}).as_object().unwrap().clone();
        let add = json!({"add": {"signing_secret": "new"}, "overlap_seconds": 100});
        for _ in 0..2 {
            let rotation = apply(&mut secret, add.clone(), 1_000).unwrap();
            assert_eq!(json!(rotation), json!({"signing_secret": "1970-01-01T00:18:20Z"}));
            assert_eq!(secret["signing_secret"], json!(["new", "old"]));
        }
        let retire = json!({"retire": ["signing_secret"]});
        assert_eq!(apply(&mut secret, retire.clone(), 1_099), Err(409));
        assert_eq!(apply(&mut secret, retire.clone(), 1_100), Ok(Rotation::default()));
        assert_eq!(Value::Object(secret.clone()), json!({"signing_secret": "new"}));
        assert_eq!(apply(&mut secret, retire, 1_100), Ok(Rotation::default()));
        apply(&mut secret, json!({"add": {"signing_secret": "newer"}}), 1_000).unwrap();
        assert!(apply(&mut secret, json!({"retire": ["signing_secret"], "early": true}), 1_001).is_ok());
        assert_eq!(Value::Object(secret), json!({"signing_secret": "newer"}));
    }

    #[test]
    fn a_replaced_credential_forgets_the_token_and_the_rotation() {
        let text = json!({"signing_secret": ["b", "a"], "fluxnex_token": {}, "fluxnex_rotation": {"signing_secret": "2026-11-20T12:00:00Z"}});
        let mut secret = text.as_object().unwrap().clone();
        assert_eq!(apply(&mut secret, json!({"replace": {"signing_secret": "c"}}), 1), Ok(Rotation::default()));
        assert_eq!(Value::Object(secret), json!({"signing_secret": "c"}));
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in [
            json!({}),
            json!({"retire": "signing_secret"}),
            json!({"retire": [1]}),
            json!({"add": []}),
            json!({"add": {"nosuch": "x"}}),
            json!({"retire": ["nosuch"]}),
            json!({"add": {"signing_secret": "x"}, "overlap_seconds": -1}),
            json!({"add": {"signing_secret": "x"}, "overlap_seconds": 99_999_999}),
            json!({"add": {"signing_secret": "x"}, "early": "yes"}),
            json!({"delete": ["signing_secret"]}),
        ] {
            assert_eq!(change(garbage.clone()).err().map(|problem| problem.status()), Some(422), "{garbage}");
        }
        let mut secret = json!({"signing_secret": ["5", "4", "3", "2", "1"]}).as_object().unwrap().clone();
        assert_eq!(apply(&mut secret, json!({"add": {"signing_secret": "6"}}), 1), Err(409));
    }
}
