//! Writes an archive of one stored file: what it takes to create a function, without an archive library.

/// A zip file that holds `content` as `name`, uncompressed (PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16).
pub fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).unwrap();
    let name_length = u16::try_from(name.len()).unwrap();
    let mut common = Vec::new();
    for half in [10_u16, 0, 0, 0, 0x21] {
        common.extend(half.to_le_bytes());
    }
    for word in [checksum(content), size, size] {
        common.extend(word.to_le_bytes());
    }
    common.extend(name_length.to_le_bytes());
    common.extend([0, 0]);

    let mut file = [b"PK\x03\x04".as_slice(), &common, name.as_bytes(), content].concat();
    let directory_start = u32::try_from(file.len()).unwrap();
    let mut directory = [b"PK\x01\x02".as_slice(), &[20, 3], &common].concat();
    directory.extend([0; 6]);
    directory.extend((0o100_644_u32 << 16).to_le_bytes());
    directory.extend([0; 4]);
    directory.extend(name.as_bytes());
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    file.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    file.extend(directory_start.to_le_bytes());
    file.extend([0, 0]);
    file
}

/// CRC-32 as zip uses it.
fn checksum(bytes: &[u8]) -> u32 {
    let remainder = bytes.iter().fold(u32::MAX, |remainder, byte| {
        (0..8).fold(remainder ^ u32::from(*byte), |bits, _| (bits >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(bits & 1)))
    });
    !remainder
}

#[test]
fn the_checksum_is_the_usual_one() {
    assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
}
