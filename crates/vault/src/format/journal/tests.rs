//! Entries of both formats, and what whoever holds the key could put in their place.

use std::io::Write as _;

use super::*;

const SEQUENCE: u64 = 7;

fn key() -> JournalKey {
    JournalKey([5; 32])
}

fn run() -> RunId {
    RunId::new("restore-1").unwrap()
}

fn time() -> Timestamp {
    "2026-01-04T00:00:00Z".parse().unwrap()
}

fn entry(records: usize) -> Entry {
    let records: Vec<Record> = (0..records)
        .map(|number| Record::Began {
            at: time(),
            step: format!("write Secret shop/secret-{number}"),
        })
        .collect();
    Entry::new(SEQUENCE, None, "host process 1", time(), &records)
}

/// An object as whoever holds the key could make it.
fn sealed(header: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce = [3; NONCE_BYTES];
    let payload = Payload {
        msg: plain,
        aad: &bound(header, &run(), SEQUENCE),
    };
    let sealed = key().cipher().encrypt(&XNonce::from(nonce), payload);
    [header, &nonce, &sealed.unwrap()].concat()
}

fn read(bytes: &[u8]) -> Result<Entry, EntryError> {
    Entry::read(&key(), &run(), bytes, SEQUENCE, None)
}

fn json(entry: &Entry) -> Vec<u8> {
    serde_json::to_vec(entry).unwrap()
}

fn packed(entry: &Entry) -> Vec<u8> {
    packed::pack(entry, Vec::new(), TEXT_BYTES_MAX).unwrap()
}

#[track_caller]
fn assert_malformed(what: &str, plain: &[u8], header: &[u8]) {
    let refused = read(&sealed(header, plain)).unwrap_err();
    assert!(
        matches!(refused, EntryError::Malformed(_)),
        "{what}: {refused:?}"
    );
}

#[test]
fn both_formats_are_read() {
    let entry = entry(3);
    assert_eq!(read(&entry.write(&key(), &run()).unwrap()).unwrap(), entry);
    assert_eq!(read(&sealed(HEADER, &packed(&entry))).unwrap(), entry);
    assert_eq!(
        read(&sealed(HEADER_UNPACKED, &json(&entry))).unwrap(),
        entry
    );
}

#[test]
fn a_line_of_another_format_is_told_by_the_seal() {
    let entry = entry(3);
    for (header, other, plain) in [
        (HEADER, HEADER_UNPACKED, packed(&entry)),
        (HEADER_UNPACKED, HEADER, json(&entry)),
    ] {
        let bytes = sealed(header, &plain);
        let relabelled = [other, &bytes[header.len()..]].concat();
        assert_eq!(read(&relabelled), Err(EntryError::Sealed));
    }
}

#[test]
fn what_a_key_holder_packs_wrongly_is_refused() {
    let entry = entry(3);
    let (json, packed) = (json(&entry), packed(&entry));
    assert_malformed("packed, as format 1", &packed, HEADER_UNPACKED);
    assert_malformed("not packed", &json, HEADER);
    for length in 0..packed.len() {
        assert_malformed("cut off", &packed[..length], HEADER);
    }
    let twice = packed.repeat(2);
    assert_malformed("a second frame", &twice, HEADER);
    let more = [&packed[..], b" "].concat();
    assert_malformed("a byte more", &more, HEADER);
    let text = zstd::encode_all(&[&json[..], b"{}"].concat()[..], 1).unwrap();
    assert_malformed("more text in the frame", &text, HEADER);
    // Where it breaks off in the text is not where the frame ends.
    let text = zstd::encode_all(&json[..json.len() - 1], 1).unwrap();
    assert_malformed("text cut off", &text, HEADER);
    for position in 0..packed.len() {
        let mut bad = packed.clone();
        bad[position] ^= 0x55;
        // Other text may come out, never anything but an entry or an error.
        if let Err(error) = read(&sealed(HEADER, &bad)) {
            let class = matches!(error, EntryError::Malformed(_) | EntryError::Chain);
            assert!(class, "at byte {position}: {error:?}");
        }
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let mut text = vec![b' '; 64 << 20];
    text.extend_from_slice(&json(&entry(1)));
    let bomb = zstd::encode_all(&text[..], 3).unwrap();
    assert!(bomb.len() < 16 << 10, "{}", bomb.len());
    let refused = read(&sealed(HEADER, &bomb)).unwrap_err();
    assert_eq!(refused, EntryError::TooLarge(TEXT_BYTES_MAX));
    assert_eq!(
        refused.to_string(),
        "it holds more than 1048576 bytes of records"
    );
}

#[test]
fn a_frame_that_wants_much_memory_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(24).unwrap();
    encoder.write_all(&json(&entry(1))).unwrap();
    assert_malformed("a window of 16 MiB", &encoder.finish().unwrap(), HEADER);
}

#[test]
fn nothing_is_written_that_could_not_be_read() {
    let refused = entry(20_000).write(&key(), &run()).unwrap_err();
    assert_eq!(refused, EntryError::TooLarge(TEXT_BYTES_MAX));
    // And the next one knows nothing of it.
    let next = entry(2);
    assert_eq!(read(&next.write(&key(), &run()).unwrap()).unwrap(), next);
}

#[test]
fn packing_pays_and_costs_small_entries_nothing() {
    let sealed = |records| entry(records).write(&key(), &run()).unwrap().len();
    let around = HEADER.len() + NONCE_BYTES + 16;
    let unpacked = |records| json(&entry(records)).len() + around;
    assert!(sealed(1) <= unpacked(1), "{} {}", sealed(1), unpacked(1));
    assert!(sealed(64) * 4 < unpacked(64));
    assert!(sealed(4096) * 8 < unpacked(4096));
}
