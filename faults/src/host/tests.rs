//! Processes that are no functions: how they end, and what is said of it.

use super::function::{Function, FunctionSettings};
use axum::body::Bytes;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A function whose program is this script, in a folder of its own.
fn function(script: &str, timeout: Duration) -> (Arc<Function>, PathBuf) {
    let folder = std::env::temp_dir().join(format!("faults-{}", uuid::Uuid::now_v7()));
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("bootstrap");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let settings = FunctionSettings {
        name: "script".to_owned(),
        arn: "arn:aws:lambda:us-east-1:000000000000:function:script".to_owned(),
        program,
        variables: Vec::new(),
        timeout,
        maximum_environments: 2,
        log: folder.join("log"),
    };
    (Arc::new(Function::new(settings)), folder)
}

#[tokio::test]
async fn a_process_that_ends_before_it_asks_fails_its_invocation() {
    let (function, folder) = function("exit 1", Duration::from_secs(5));
    let error = function.invoke(Bytes::new()).await.unwrap_err();
    assert_eq!(error.error_type, "Runtime.ExitError");
    let figures = function.figures();
    assert_eq!((figures.invocations, figures.crashed, figures.cold_starts), (1, 1, 1));
    assert!(function.processes().is_empty());
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_kill_counts_only_where_it_hits() {
    let (function, folder) = function("exec sleep 300", Duration::from_secs(5));
    let invoked = Arc::clone(&function);
    let invocation = tokio::spawn(async move { invoked.invoke(Bytes::new()).await });
    let deadline = Instant::now() + Duration::from_secs(5);
    while function.at_work().is_empty() {
        assert!(Instant::now() < deadline, "it does not start");
        tokio::task::yield_now().await;
    }
    let process = function.at_work()[0];
    assert!(function.kill(process).await);
    assert!(!function.kill(process).await, "it is gone");
    assert_eq!(invocation.await.unwrap().unwrap_err().error_type, "Runtime.ExitError");
    assert_eq!(function.figures().crashed, 1);
    fs::remove_dir_all(folder).unwrap();
}
