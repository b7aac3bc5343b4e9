//! The built-in connectors keep what their own tests promise (`connectors/*/tests/*.yaml`), over the real client.

use fluxnex_authoring::check;
use fluxnex_connect::catalog;
use std::path::{Path, PathBuf};

pub fn connectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors")
}

#[tokio::test]
async fn every_connector_keeps_what_its_tests_promise() {
    for name in catalog::names() {
        let checked = check(&connectors().join(name)).await;
        let findings: Vec<String> = checked.findings.iter().map(ToString::to_string).collect();
        assert!(checked.is_ok(), "{name}: {findings:#?}");
        assert!(checked.cases > 0, "{name}");
    }
}
