//! Writes the archive that Lambda takes: one executable named `bootstrap`.
//!
//! The content comes from the `gzip` program: it compresses some ten times faster than a library that is
//! built without optimisation, and a gzip file holds just what an archive needs, the deflated content, its
//! CRC-32 and its length (RFC 1952). The archive depends on the binary's content only, so that the CDK skips
//! a function that did not change. Format: PKWARE's APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Stdio,
};

use anyhow::{Context, Result, anyhow, bail};
use tokio::process::Command;

const NAME: &[u8] = b"bootstrap";
/// Version 2.0, the first that knows what is used here; its high byte 3 says that Unix permissions follow.
const MADE_BY: u16 = 3 << 8 | 20;
const NEEDS: u16 = 20;
const DEFLATED: u16 = 8;
/// 1980-01-01, the first day that the format knows.
const DATE: u16 = 1 << 5 | 1;
/// A regular file that everyone may read and execute.
const MODE: u32 = 0o100_755 << 16;
/// A gzip file's header without any optional field: `--no-name` writes none.
const GZIP_HEADER_BYTES: usize = 10;

/// A deflated file, as the archive describes it.
struct Content<'a> {
    deflated: &'a [u8],
    sum: u32,
    size: u32,
}

/// Packs a binary.
pub async fn pack(binary: &Path, archive: &Path) -> Result<()> {
    let mut gzip = Command::new("gzip");
    // The fastest level: smaller archives would cost more than they save on the way to the emulator.
    gzip.args(["-1", "--no-name", "--stdout"]).arg(binary);
    gzip.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = gzip.output().await.context("cannot run gzip, which packs the functions")?;
    if !output.status.success() {
        bail!("gzip failed on {} ({})", binary.display(), output.status);
    }
    let content = parse(&output.stdout).ok_or_else(|| anyhow!("what gzip wrote is not understood"))?;
    let aside = archive.with_extension(format!("{}.new", std::process::id()));
    write(&content, &aside).with_context(|| format!("cannot write {}", aside.display()))?;
    fs::rename(&aside, archive).context("cannot rename the archive")
}

fn parse(gzip: &[u8]) -> Option<Content<'_>> {
    // Magic, deflate, and no flag for an optional field.
    let rest = gzip.strip_prefix(b"\x1f\x8b\x08\x00")?.get(GZIP_HEADER_BYTES - 4..)?;
    let (rest, size) = rest.split_last_chunk::<4>()?;
    let (deflated, sum) = rest.split_last_chunk::<4>()?;
    Some(Content { deflated, sum: u32::from_le_bytes(*sum), size: u32::from_le_bytes(*size) })
}

fn write(content: &Content<'_>, archive: &Path) -> Result<()> {
    let packed = u32::try_from(content.deflated.len()).context("the binary is too large for a Lambda function")?;
    let header = local_header(content, packed);
    let directory = directory_entry(content, packed);
    let start = u32::try_from(header.len())? + packed;
    let mut file = File::create(archive)?;
    file.write_all(&header)?;
    file.write_all(content.deflated)?;
    file.write_all(&directory)?;
    file.write_all(&end(u32::try_from(directory.len())?, start))?;
    Ok(())
}

/// The fields that the header before the content and the directory's entry share.
fn common(content: &Content<'_>, packed: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in [NEEDS, 0, DEFLATED, 0, DATE] {
        bytes.extend(field.to_le_bytes());
    }
    for field in [content.sum, packed, content.size] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend((NAME.len() as u16).to_le_bytes());
    bytes.extend(0_u16.to_le_bytes());
    bytes
}

fn local_header(content: &Content<'_>, packed: u32) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend(common(content, packed));
    bytes.extend(NAME);
    bytes
}

fn directory_entry(content: &Content<'_>, packed: u32) -> Vec<u8> {
    let mut bytes = b"PK\x01\x02".to_vec();
    bytes.extend(MADE_BY.to_le_bytes());
    bytes.extend(common(content, packed));
    // Comment length, disk and internal attributes.
    bytes.extend([0; 6]);
    bytes.extend(MODE.to_le_bytes());
    // The offset of the content's header.
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(NAME);
    bytes
}

fn end(directory_bytes: u32, directory_start: u32) -> Vec<u8> {
    let mut bytes = b"PK\x05\x06".to_vec();
    for field in [0_u16, 0, 1, 1] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(directory_bytes.to_le_bytes());
    bytes.extend(directory_start.to_le_bytes());
    bytes.extend(0_u16.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn an_archive_unpacks_to_an_executable_with_the_same_content() {
        let folder = std::env::temp_dir().join(format!("xtask-zip-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        let (binary, archive) = (folder.join("binary"), folder.join("function.zip"));
        fs::write(&binary, (0..100_003_u32).map(|number| number as u8).collect::<Vec<_>>()).unwrap();
        pack(&binary, &archive).await.unwrap();
        let first = fs::read(&archive).unwrap();
        let code = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                    i, = z.infolist(); same = z.read(i) == open(sys.argv[2], 'rb').read(); \
                    print(i.filename, oct(i.external_attr >> 16), i.file_size, same)";
        let output = Command::new("python3").args(["-c", code]).args([&archive, &binary]).output().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "bootstrap 0o100755 100003 True");
        pack(&binary, &archive).await.unwrap();
        assert_eq!(fs::read(&archive).unwrap(), first, "the same binary must make the same archive");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_no_gzip_file_is_refused() {
        assert!(parse(b"").is_none());
        assert!(parse(b"\x1f\x8b\x08\x08name").is_none());
    }
}
