//! What every way of calling functions does.

use crate::functions::{FunctionError, Functions};
use serde_json::json;

/// Runs the suite in a world with two functions: `echo` answers its payload; `broken` fails with the
/// message `marked-secret`.
pub async fn suite(functions: &dyn Functions, echo: &str, broken: &str) {
    let payload = json!({"tenant": "acme", "list": [1, null, "é"]});
    assert_eq!(functions.invoke(echo, &payload).await.expect("echo"), payload);

    let failed = functions.invoke(broken, &json!({})).await.expect_err("broken");
    let shown = format!("{failed} {failed:?}");
    assert!(!shown.contains("marked-secret"), "what the function says is not shown: {shown}");
    match failed {
        FunctionError::Failed { error_type, message, .. } => {
            assert!(!error_type.is_empty());
            assert_eq!(message, "marked-secret");
        }
        other => panic!("{other:?}"),
    }

    let absent = functions.invoke("fluxnex-local-absent", &json!({})).await;
    assert!(matches!(absent, Err(FunctionError::Refused { .. })), "{absent:?}");
}
