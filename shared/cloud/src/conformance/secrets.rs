//! What every store of secrets does.

use crate::secret_store::{SecretStore, Stored};
use crate::secrets::{SecretError, SecretValue, Secrets};
use async_trait::async_trait;
use serde_json::{Value, json};

/// Secrets, and the operator who creates them.
#[async_trait]
pub trait SecretWorld: Send + Sync {
    /// The port.
    fn secrets(&self) -> &dyn Secrets;

    /// Creates a secret.
    async fn create(&self, name: &str, json: Value);
}

/// Runs the suite in an empty world.
pub async fn suite(world: &dyn SecretWorld) {
    let secrets = world.secrets();
    let absent = secrets.get("fluxnex/local/absent").await;
    assert!(matches!(absent, Err(SecretError::NotFound { .. })), "{absent:?}");

    let name = "fluxnex/local/connections/acme/quickbooks";
    world.create(name, json!({"refresh_token": "first", "port": 5432})).await;
    let value = secrets.get(name).await.expect("get");
    assert_eq!(value.field("refresh_token"), Some("first"));
    assert_eq!(value.number("port"), Some(5432));

    let next = SecretValue::from_json(name, &json!({"refresh_token": "second"})).expect("an object");
    secrets.put(name, &next).await.expect("put");
    assert_eq!(secrets.get(name).await.expect("get again"), next, "what was put is current");

    let unmade = secrets.put("fluxnex/local/absent", &next).await;
    assert!(matches!(unmade, Err(SecretError::NotFound { .. })), "{unmade:?}");
}

/// Runs the suite of whoever makes and ends secrets; no secret of the name is there, or was.
pub async fn store_suite(secrets: &dyn SecretStore, name: &str) {
    let value = |text: &str| SecretValue::from_json(name, &json!({ "api_token": text })).expect("an object");
    assert!(!secrets.end(name).await.expect("end"), "there is none");
    assert_eq!(secrets.store(name, &value("first")).await.expect("store"), Stored::Created);
    assert_eq!(secrets.store(name, &value("second")).await.expect("store again"), Stored::Replaced);
    assert_eq!(secrets.get(name).await.expect("get"), value("second"));
    assert!(secrets.end(name).await.expect("end"));
    assert!(!secrets.end(name).await.expect("end again"), "it was ended before");
    let ended = secrets.get(name).await;
    assert!(matches!(ended, Err(SecretError::NotFound { .. })), "{ended:?}");
    let unmade = secrets.put(name, &value("third")).await;
    assert!(matches!(unmade, Err(SecretError::NotFound { .. })), "{unmade:?}");
    assert_eq!(secrets.store(name, &value("fourth")).await.expect("bring back"), Stored::Replaced);
    assert_eq!(secrets.get(name).await.expect("get"), value("fourth"));
    assert!(secrets.end(name).await.expect("end"));
}
