//! Packs that a failed save left behind: whole, but in no index, therefore uploaded again by the next save.
//!
//! Must only ever add to the index: other movers write at the same time. `save` calls it before it reads a file.

use std::collections::HashSet;

use rustic_core::repofile::IndexFile;
use rustic_core::{BytesList, FileType, Id, OpenStatus, Repository, WriteBackend};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::backend::StoreBackend;
use super::cipher::Cipher;
use super::guarded;
use crate::error::PartError;

const LENGTH_BYTES: u32 = 4;
const SEAL_BYTES: u32 = 32;
const HEADER_BYTES_MAX: u32 = 4 << 20;
const PACKS_PER_INDEX: usize = 1000;
const COMPRESSED: u8 = 2;

#[derive(Serialize)]
struct NewIndex<'a> {
    packs: &'a [NewPack],
}

#[derive(Serialize)]
struct NewPack {
    id: String,
    blobs: Vec<NewBlob>,
}

#[derive(Serialize)]
struct NewBlob {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    offset: u32,
    length: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    uncompressed_length: Option<u32>,
}

/// Puts packs that are in no index into a new one; says how many.
pub(super) fn adopt(
    backend: &StoreBackend,
    cipher: &Cipher,
    repository: &Repository<OpenStatus>,
) -> Result<usize, PartError> {
    let known = guarded(&backend.watch, "reading the index", || {
        let mut known = HashSet::new();
        for index in repository.stream_files::<IndexFile>()? {
            let index = index?.1;
            let packs = index.packs.iter().chain(&index.packs_to_delete);
            known.extend(packs.map(|pack| pack.id.into_inner()));
        }
        Ok(known)
    });
    backend.watch.check()?;
    let known: HashSet<Id> = known?;
    let mut adopted = Vec::new();
    for (pack, size) in backend.list_sizes(FileType::Pack)? {
        if known.contains(&pack) {
            continue;
        }
        backend.watch.check()?;
        match read_header(backend, cipher, &pack, size)? {
            Some(blobs) => adopted.push(NewPack {
                id: pack.to_hex().to_string(),
                blobs,
            }),
            None => log::warn!("the pack {pack} has no readable header and is left alone"),
        }
    }
    for packs in adopted.chunks(PACKS_PER_INDEX) {
        write_index(backend, cipher, packs)?;
    }
    Ok(adopted.len())
}

/// Reads what a pack holds from its end; nothing if it is not whole or not ours.
fn read_header(
    backend: &StoreBackend,
    cipher: &Cipher,
    pack: &Id,
    size: u64,
) -> Result<Option<Vec<NewBlob>>, PartError> {
    let Some(header_end) = u32::try_from(size)
        .ok()
        .and_then(|size| size.checked_sub(LENGTH_BYTES))
    else {
        return Ok(None);
    };
    let length = backend.read_range(pack, header_end, LENGTH_BYTES)?;
    let Some(length) = length.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*length);
    let Some(offset) = header_end.checked_sub(length) else {
        return Ok(None);
    };
    if !(SEAL_BYTES..=HEADER_BYTES_MAX).contains(&length) {
        return Ok(None);
    }
    let sealed = backend.read_range(pack, offset, length)?;
    let blobs = cipher.open(&sealed).and_then(|header| parse(&header));
    // The pieces must fill the pack up to its header.
    Ok(blobs.filter(|blobs| {
        let filled: u64 = blobs.iter().map(|blob| u64::from(blob.length)).sum();
        filled == u64::from(offset)
    }))
}

fn parse(mut header: &[u8]) -> Option<Vec<NewBlob>> {
    let mut blobs = Vec::new();
    let mut offset: u32 = 0;
    while let Some((kind, rest)) = header.split_first() {
        let (length, mut rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        let mut uncompressed_length = None;
        if *kind >= 2 {
            let (plain, after) = rest.split_first_chunk::<4>()?;
            uncompressed_length = Some(u32::from_le_bytes(*plain));
            rest = after;
        }
        let (id, rest) = rest.split_first_chunk::<32>()?;
        header = rest;
        blobs.push(NewBlob {
            id: hex::encode(id),
            kind: match kind {
                0 | 2 => "data",
                1 | 3 => "tree",
                _ => return None,
            },
            offset,
            length,
            uncompressed_length,
        });
        offset = offset.checked_add(length)?;
    }
    Some(blobs)
}

fn write_index(
    backend: &StoreBackend,
    cipher: &Cipher,
    packs: &[NewPack],
) -> Result<(), PartError> {
    let failed = |reason: &str| PartError::Request {
        reason: format!("an index of leftover packs could not be made: {reason}"),
    };
    let text = serde_json::to_vec(&NewIndex { packs }).map_err(|_| failed("it has no JSON"))?;
    let packed = zstd::bulk::compress(&text, 0).map_err(|_| failed("it cannot be compressed"))?;
    let sealed = cipher
        .seal(&[&[COMPRESSED], packed.as_slice()].concat())
        .ok_or_else(|| failed("it cannot be encrypted"))?;
    let id = Id::new(Sha256::digest(&sealed).into());
    let written = backend.write_bytes(FileType::Index, &id, false, BytesList::from(sealed));
    backend.watch.check()?;
    written.map_err(|source| PartError::Repository {
        step: "writing an index",
        source,
    })
}
