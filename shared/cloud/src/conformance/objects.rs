//! What every object store does.

use crate::objects::{ObjectError, Objects};

/// Runs the suite on an empty bucket.
pub async fn suite(objects: &dyn Objects) {
    let body: Vec<u8> = (0..=255).collect();
    objects.put("acme/a/1", body.clone(), "application/json").await.expect("put");
    assert_eq!(objects.get("acme/a/1", 256).await.expect("get"), body, "bytes come back as they are");

    let too_large = objects.get("acme/a/1", 255).await;
    assert!(matches!(too_large, Err(ObjectError::TooLarge { max_bytes: 255, .. })), "{too_large:?}");

    let absent = objects.get("acme/a/2", 256).await;
    assert!(matches!(absent, Err(ObjectError::NotFound { .. })), "{absent:?}");

    objects.put("acme/a/1", b"{}".to_vec(), "application/json").await.expect("put again");
    assert_eq!(objects.get("acme/a/1", 256).await.expect("get again"), b"{}", "the later put wins");

    objects.put("acme/empty", Vec::new(), "application/json").await.expect("put nothing");
    assert!(objects.get("acme/empty", 0).await.expect("get nothing").is_empty());

    let large = vec![b'x'; 2 * 1024 * 1024];
    objects.put("acme/large", large.clone(), "application/json").await.expect("put much");
    assert_eq!(objects.get("acme/large", 10 * 1024 * 1024).await.expect("get much").len(), large.len());
}
