//! Writes the archive that Lambda takes: one executable named `bootstrap`, stored without compression.
//!
//! Compressing a debug-sized binary takes longer than the emulator needs to take it as it is. The
//! archive depends on the binary's content only, so that the CDK skips a function that did not change.
//! Format: PKWARE's APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result};

const NAME: &[u8] = b"bootstrap";
/// Version 2.0, the first that knows what is used here; its high byte 3 says that Unix permissions follow.
const MADE_BY: u16 = 3 << 8 | 20;
const NEEDS: u16 = 20;
/// 1980-01-01, the first day that the format knows.
const DATE: u16 = 1 << 5 | 1;
/// A regular file that everyone may read and execute.
const MODE: u32 = 0o100_755 << 16;

/// Packs a binary.
pub fn pack(binary: &Path, archive: &Path) -> Result<()> {
    let content = fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    let size = u32::try_from(content.len()).context("the binary is too large for a Lambda function")?;
    let sum = checksum(&content);
    let aside = archive.with_extension("zip.new");
    let mut file = BufWriter::new(File::create(&aside)?);
    let header = local_header(sum, size);
    let directory = directory_entry(sum, size);
    let start = u32::try_from(header.len())? + size;
    file.write_all(&header)?;
    file.write_all(&content)?;
    file.write_all(&directory)?;
    file.write_all(&end(u32::try_from(directory.len())?, start))?;
    file.into_inner().map_err(|error| error.into_error())?;
    fs::rename(&aside, archive).context("cannot rename the archive")
}

/// The fields that the header before the content and the directory's entry share.
fn common(sum: u32, size: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in [NEEDS, 0, 0, 0, DATE] {
        bytes.extend(field.to_le_bytes());
    }
    for field in [sum, size, size] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend((NAME.len() as u16).to_le_bytes());
    bytes.extend(0_u16.to_le_bytes());
    bytes
}

fn local_header(sum: u32, size: u32) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend(common(sum, size));
    bytes.extend(NAME);
    bytes
}

fn directory_entry(sum: u32, size: u32) -> Vec<u8> {
    let mut bytes = b"PK\x01\x02".to_vec();
    bytes.extend(MADE_BY.to_le_bytes());
    bytes.extend(common(sum, size));
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

/// CRC-32, eight bytes at a time ("slicing-by-8"): a byte at a time would take as long as the deployment.
#[expect(clippy::indexing_slicing, reason = "every index is one byte into a table of 256")]
fn checksum(content: &[u8]) -> u32 {
    const TABLES: [[u32; 256]; 8] = tables();
    let mut sum = !0_u32;
    let (blocks, rest) = content.as_chunks::<8>();
    for block in blocks {
        let word = u64::from_le_bytes(*block) ^ u64::from(sum);
        let bytes = word.to_le_bytes();
        sum = TABLES[7][bytes[0] as usize]
            ^ TABLES[6][bytes[1] as usize]
            ^ TABLES[5][bytes[2] as usize]
            ^ TABLES[4][bytes[3] as usize]
            ^ TABLES[3][bytes[4] as usize]
            ^ TABLES[2][bytes[5] as usize]
            ^ TABLES[1][bytes[6] as usize]
            ^ TABLES[0][bytes[7] as usize];
    }
    for byte in rest {
        sum = sum >> 8 ^ TABLES[0][(sum as u8 ^ byte) as usize];
    }
    !sum
}

#[expect(clippy::indexing_slicing, reason = "evaluated when compiled")]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ value >> 1 } else { value >> 1 };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u32 = tables[table - 1][byte];
            tables[table][byte] = before >> 8 ^ tables[0][before as usize & 0xff];
            byte += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_checksum_is_the_standard_one() {
        // The check value of CRC-32/ISO-HDLC in Greg Cook's catalogue.
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b""), 0);
    }

    #[test]
    fn an_archive_unpacks_to_an_executable_with_the_same_content() {
        let folder = std::env::temp_dir().join(format!("xtask-zip-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        let (binary, archive) = (folder.join("binary"), folder.join("function.zip"));
        fs::write(&binary, (0..100_003_u32).map(|number| number as u8).collect::<Vec<_>>()).unwrap();
        pack(&binary, &archive).unwrap();
        let code = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                    i, = z.infolist(); print(i.filename, oct(i.external_attr >> 16), i.file_size)";
        let output = Command::new("python3").args(["-c", code]).arg(&archive).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "bootstrap 0o100755 100003");
        fs::remove_dir_all(&folder).unwrap();
    }
}
