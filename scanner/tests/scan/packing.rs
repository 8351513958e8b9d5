//! Makes the archives that the tests scan, so that none lies in this repository.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use lzma_rust2::{XzOptions, XzWriter};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sevenz_rust2::{ArchiveEntry, ArchiveWriter};

/// A file for an archive.
pub type File<'f> = (&'f str, &'f [u8]);

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, CompressionLevel::Fastest)
}

pub fn xz(content: &[u8]) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

pub fn seven(files: &[File<'_>]) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(std::io::Cursor::new(Vec::new())).unwrap();
    for &(name, content) in files {
        writer.push_archive_entry(ArchiveEntry::new_file(name), Some(content)).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn zip(files: &[File<'_>]) -> Vec<u8> {
    zip_with(files, 0)
}

/// With bits for every file: the first says that it is encrypted.
pub fn zip_with(files: &[File<'_>], flags: u16) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for &(name, content) in files {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        let packed = encoder.finish().unwrap();
        let offset = length(&bytes);
        let mut common = 20_u16.to_le_bytes().to_vec();
        common.extend_from_slice(&flags.to_le_bytes());
        // Method, and a time and a checksum that nobody looks at.
        common.extend_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        common.extend_from_slice(&length(&packed));
        common.extend_from_slice(&length(content));
        common.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&[b"PK\x03\x04", common.as_slice(), name.as_bytes(), &packed].concat());
        directory.extend_from_slice(&[b"PK\x01\x02\x14\0", common.as_slice(), &[0; 10], &offset, name.as_bytes()].concat());
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let end = [b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count, &length(&directory), &length(&bytes), &[0, 0]].concat();
    [bytes, directory, end].concat()
}

pub fn tar(files: &[File<'_>]) -> Vec<u8> {
    let mut bytes: Vec<u8> = files.iter().flat_map(|&(name, content)| entry(name.as_bytes(), b'0', content)).collect();
    bytes.resize(bytes.len() + 1_024, 0);
    bytes
}

/// One file of a tar, of any kind, with its content.
pub fn entry(name: &[u8], kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, kind, format!("{:011o}\0", content.len()).as_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// The block before a file in a tar.
pub fn header(name: &[u8], kind: u8, size: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[124..124 + size.len()].copy_from_slice(size);
    block[148..156].fill(b' ');
    block[156] = kind;
    block[257..263].copy_from_slice(b"ustar\0");
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap().to_le_bytes()
}
