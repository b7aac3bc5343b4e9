//! Embeds `connectors/*/connector.yaml`. A build script and not a macro, so that a new folder, too,
//! causes a new build.

use std::fmt::Write as _;
use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    // Asked when it runs: clones may share a target folder, and with it this program.
    let package = env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?;
    let root = Path::new(&package).join("../../connectors").canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut folders: Vec<_> = fs::read_dir(&root)?.collect::<Result<_, _>>()?;
    folders.sort_by_key(fs::DirEntry::file_name);
    let mut source = "/// The name and the manifest of each connector, sorted by name.\n".to_owned();
    source.push_str("const MANIFESTS: &[(&str, &str)] = &[\n");
    for folder in folders {
        let manifest = folder.path().join("connector.yaml");
        if manifest.is_file() {
            let name = folder.file_name().into_string().map_err(|_| io::ErrorKind::InvalidFilename)?;
            let path = manifest.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
            let _ = writeln!(source, "    ({name:?}, include_str!({path:?})),");
        }
    }
    source.push_str("];\n");
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&out).join("manifests.rs"), source)
}
