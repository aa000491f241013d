//! Key files as people copy them, damage them and mix them up; addresses as people type them.

use proptest::prelude::*;
use refloat_vault::format::{KeyFileError, PointId, RecoveryKey, RootKey, SiteKey};
use refloat_vault::store::Location;

use crate::keys::{primary, recovery, root};

#[test]
fn text_around_a_key_and_line_ends_do_not_matter() {
    let text = recovery().write();
    let dressed = format!("Dear me,\r\n\r\n{}\r\nbye", text.replace('\n', "\r\n  "));
    assert_eq!(RecoveryKey::read(&dressed).unwrap().root, recovery().root);
}

#[test]
fn damage_is_told_apart() {
    let text = recovery().write();
    assert_eq!(RecoveryKey::read("hello").err(), Some(KeyFileError::NoKey));
    let cut = &text[..text.len() - 60];
    assert!(matches!(
        RecoveryKey::read(cut).err(),
        Some(KeyFileError::CutOff | KeyFileError::Checksum)
    ));
    let kinds = [root().write(), primary().write()];
    for other in kinds {
        let error = RecoveryKey::read(&other).err().unwrap();
        assert!(matches!(error, KeyFileError::OtherKind { .. }), "{error}");
    }
    assert!(RootKey::read(&text).is_err());
    assert!(SiteKey::read(&text).is_err());
}

#[test]
fn no_changed_character_of_a_key_is_accepted() {
    let text = primary().write();
    let begin = text.find("-----BEGIN").unwrap();
    let body = begin + text[begin..].find('\n').unwrap() + 1;
    let end = text.find("-----END").unwrap();
    for position in body..end {
        let mut changed = text.as_bytes().to_vec();
        if changed[position] == b'\n' {
            continue;
        }
        changed[position] = if changed[position] == b'A' {
            b'B'
        } else {
            b'A'
        };
        let changed = String::from_utf8(changed).unwrap();
        assert!(SiteKey::read(&changed).is_err(), "at {position}");
    }
}

#[test]
fn addresses_are_checked_before_anybody_is_asked() {
    for (url, bucket, prefix) in [
        ("s3://bucket", "bucket", ""),
        ("s3://bucket/", "bucket", ""),
        ("s3://my.bucket-1/a/b_c", "my.bucket-1", "a/b_c"),
    ] {
        let parsed = Location::parse(url).unwrap();
        assert_eq!(parsed, (bucket.to_owned(), prefix.to_owned()));
    }
    for bad in [
        "",
        "bucket",
        "http://bucket/x",
        "s3://",
        "s3://ab",
        "s3:///x",
        "s3://Bucket/x",
        "s3://bucket/../x",
        "s3://bucket/a//b",
        "s3://bucket/a b",
        "s3://bucket/./x",
        "s3://bucket/\u{e9}",
    ] {
        let error = Location::parse(bad).unwrap_err();
        assert_eq!(error.code(), "vault-location", "{bad}");
        assert!(error.to_string().contains(bad), "{error}");
    }
}

proptest! {
    #[test]
    fn points_have_one_name(sequence in 1_u64.., name in "[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?") {
        let id: PointId = format!("{name}/{sequence}").parse().unwrap();
        prop_assert_eq!(id.to_string().parse::<PointId>().unwrap(), id);
    }

    #[test]
    fn nothing_else_is_a_point(text in "\\PC{0,40}") {
        if let Ok(id) = text.parse::<PointId>() {
            prop_assert!(id.sequence > 0);
            prop_assert!(!id.path().contains(".."));
        }
    }

    #[test]
    fn a_key_file_never_ends_the_program(text in "\\PC{0,400}") {
        prop_assert!(RecoveryKey::read(&text).is_err());
        let framed = format!("-----BEGIN REFLOAT SITE KEY-----\n{text}\n-----END REFLOAT SITE KEY-----\n");
        prop_assert!(SiteKey::read(&framed).is_err());
    }
}
