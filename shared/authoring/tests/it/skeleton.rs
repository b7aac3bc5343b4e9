//! A new connector passes its own check, however it proves itself.

use fluxnex_authoring::check;
use fluxnex_authoring::skeleton::{Kind, Skeleton};
use fluxnex_core::ids::{ConnectorName, ObjectName};
use std::path::Path;

pub fn skeleton(kind: Kind) -> Skeleton {
    Skeleton {
        name: ConnectorName::parse("help-desk").unwrap(),
        title: "Help desk: \"the\" one".to_owned(),
        base_url: "https://api.example.com/v1".to_owned(),
        documentation: "https://docs.example.com/#/api".to_owned(),
        object: ObjectName::parse("Ticket").unwrap(),
        kind,
    }
}

pub fn write(kind: Kind, folder: &Path) {
    skeleton(kind).write(folder).unwrap();
}

#[tokio::test]
async fn each_kind_passes_its_own_check() {
    for kind in Kind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("help-desk");
        write(kind, &folder);
        let checked = check(&folder).await;
        let findings: Vec<String> = checked.findings.iter().map(ToString::to_string).collect();
        assert!(checked.is_ok(), "{}: {findings:#?}", kind.name());
        assert_eq!((checked.samples, checked.cases), (1, 5), "{}", kind.name());
    }
}

#[test]
fn what_is_there_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("README.md"), "mine").unwrap();
    let error = skeleton(Kind::None).write(folder.path()).unwrap_err().to_string();
    assert!(error.contains("README.md is there already"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(folder.path().join("README.md")).unwrap(), "mine");
}

#[test]
fn kinds_are_known_by_their_names() {
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
        assert_eq!(kind.name().replace('_', "-").parse(), Ok(kind));
    }
    assert!("magic".parse::<Kind>().unwrap_err().contains("oauth2_authorization_code"));
}
