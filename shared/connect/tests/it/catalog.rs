//! The built-in connectors are complete.

use crate::cases::connectors;
use fluxnex_connect::catalog::{CatalogError, compiled, manifest, names, parse};
use std::fs;

#[test]
fn each_folder_is_complete_and_named_after_its_connector() {
    let entries = fs::read_dir(connectors()).unwrap().map(|entry| entry.unwrap());
    // Beside the folders lies the schema of their manifests.
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut folders: Vec<String> = folders.map(|folder| folder.file_name().into_string().unwrap()).collect();
    folders.sort();
    assert_eq!(folders, names().collect::<Vec<_>>(), "a folder without connector.yaml, or a stale build");
    for name in names() {
        let folder = connectors().join(name);
        let said = manifest(name).unwrap();
        assert_eq!(said.connector.as_str(), name);
        assert!(!said.documentation.is_empty(), "{name}: where do its facts come from?");
        let page = fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(page.starts_with("# ") && page.lines().count() <= 80, "{name}: README.md is one page");
        for setting in said.settings.keys().chain(said.credentials.keys()) {
            assert!(page.contains(&format!("`{setting}`")), "{name}: README.md says nothing of {setting}");
        }
        for (files, endings) in [("samples", &["json", "xml"][..]), ("tests", &["yaml"])] {
            let paths: Vec<_> = fs::read_dir(folder.join(files)).unwrap().map(|file| file.unwrap().path()).collect();
            assert!(!paths.is_empty(), "{name}: {files} is empty");
            let fits = |path: &std::path::PathBuf| {
                endings.iter().any(|ending| path.extension().is_some_and(|found| found == *ending))
            };
            assert!(paths.iter().all(fits), "{name}: {files}");
        }
    }
}

#[test]
fn each_manifest_compiles_and_survives_json() {
    for name in names() {
        compiled(name).unwrap();
        let said = manifest(name).unwrap();
        let text = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<fluxnex_core::connector::Manifest>(&text).unwrap(), said, "{name}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    assert!(matches!(manifest("nosuch"), Err(CatalogError::Unknown { name }) if name == "nosuch"));
    assert!(matches!(manifest("../revenova"), Err(CatalogError::Unknown { .. })));
}

#[test]
fn errors_name_the_place() {
    let error = parse("connector: x\ntitle: X\ncolour: red\n").unwrap_err().to_string();
    assert!(error.contains("colour") && error.contains('3'), "{error}");
    for garbage in [
        "",
        "[]",
        "connector: X!\ntitle: t\n",
        "connector: x\n",
        "\u{0}",
        "&a [*a]",
        "connector: x\ntitle: t\nbase_url: '{x}'",
    ] {
        assert!(matches!(parse(garbage), Err(CatalogError::Malformed { .. })), "{garbage}");
    }
}
