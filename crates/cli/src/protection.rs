//! Reading a protection from a file, and its parts in the engine's words.

use std::path::Path;

use refloat_api::{Gate, Protection, ProtectionSpec};
use refloat_core::backup::{Hook, WantedGate};
use refloat_core::names::{
    ANNOTATION_FREEZE, ANNOTATION_HOLD, ANNOTATION_HOLD_CONTAINER, ANNOTATION_THAW, ProtectionName,
};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Reads a protection's file.
pub(crate) fn read_protection(path: &Path) -> Result<(ProtectionName, ProtectionSpec), Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let wrong = |why: String| {
        Failure::refuse(
            "protection-file",
            format!("{}: {why}", path.display()),
            "write a `Protection` of refloat.io/v1alpha1, as docs/reference/protection.md shows it",
        )
    };
    let read: Protection =
        serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    // The kind's own reader takes any apiVersion and kind.
    let head: Value = serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let is = |key: &str, value: &str| head.get(key).and_then(Value::as_str) == Some(value);
    if !is("apiVersion", "refloat.io/v1alpha1") || !is("kind", "Protection") {
        return Err(wrong(
            "it is not `apiVersion: refloat.io/v1alpha1`, `kind: Protection`".to_owned(),
        ));
    }
    if read.spec.namespaces.is_empty() {
        return Err(wrong("spec.namespaces is empty".to_owned()));
    }
    for (field, value, most) in [
        (
            "capture.holdSecondsMax",
            read.spec.capture.hold_seconds_max,
            600,
        ),
        (
            "snapshot.cutSecondsMax",
            read.spec.snapshot.cut_seconds_max,
            u32::MAX,
        ),
        ("moveSecondsMax", read.spec.move_seconds_max, u32::MAX),
    ] {
        if !(1..=most).contains(&value) {
            return Err(wrong(format!(
                "spec.{field} is {value}: it is at least 1, and at most {most}"
            )));
        }
    }
    let name = read.metadata.name.unwrap_or_default();
    let name = ProtectionName::new(name).map_err(|error| wrong(error.to_string()))?;
    Ok((name, read.spec))
}

/// A hook of the protection as the annotations that a workload may carry itself.
pub(crate) fn wanted_hook(hook: &refloat_api::Hook) -> Hook {
    let words = |words: &Option<Vec<String>>| words.as_ref().map(|words| json!(words).to_string());
    let annotations = [
        (ANNOTATION_HOLD, words(&hook.hold)),
        (ANNOTATION_FREEZE, words(&hook.freeze)),
        (ANNOTATION_THAW, words(&hook.thaw)),
        (ANNOTATION_HOLD_CONTAINER, hook.container.clone()),
    ];
    Hook {
        kind: hook.kind.clone(),
        name: hook.name.clone(),
        namespace: hook.namespace.clone(),
        annotations: annotations
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
    }
}

/// A gate of the protection as the engine checks it: its kind in the user's own words.
pub(crate) fn wanted_gate(gate: &Gate) -> WantedGate {
    let mut words = json!(gate);
    if let Some(fields) = words.as_object_mut() {
        fields.retain(|field, _| !matches!(field.as_str(), "name" | "of" | "secondsMax"));
    }
    let group = gate.of.api_version.as_ref().map(|version| {
        let group = version.split_once('/').map_or("", |(group, _)| group);
        group.to_owned()
    });
    WantedGate {
        name: gate.name.clone(),
        group,
        kind: gate.of.kind.clone(),
        namespace: gate.of.namespace.clone(),
        of: gate.of.name.clone(),
        seconds_max: gate.seconds_max,
        check: words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(ProtectionName, ProtectionSpec), String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("protection.yaml");
        std::fs::write(&path, text).expect("a file");
        read_protection(&path).map_err(|failure| {
            let problem = &failure.problems[0];
            assert_eq!(problem.code, "protection-file");
            problem.message.clone()
        })
    }

    const HEAD: &str = "apiVersion: refloat.io/v1alpha1\nkind: Protection\n";

    #[test]
    fn a_short_protection_gets_defaults() {
        let text = format!("{HEAD}metadata: {{ name: shop }}\nspec: {{ namespaces: [shop] }}\n");
        let (name, spec) = read(&text).expect("it is well formed");
        assert_eq!(name.as_str(), "shop");
        assert_eq!(spec, ProtectionSpec::of(vec!["shop".to_owned()]));
        assert_eq!(spec.snapshot.cut_seconds_max, 120);
    }

    #[test]
    fn bad_files_say_what_is_wrong() {
        let spec = "spec: { namespaces: [shop] }\n";
        for (text, word) in [
            (String::new(), ""),
            ("[".to_owned(), ""),
            (
                format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: a }}\n{spec}"),
                "refloat.io/v1alpha1",
            ),
            (format!("{HEAD}metadata: {{ name: 'A b' }}\n{spec}"), "A b"),
            (format!("{HEAD}metadata: {{}}\n{spec}"), "protection name"),
            (
                format!("{HEAD}metadata: {{ name: a }}\nspec: {{ namespaces: [] }}\n"),
                "namespaces is empty",
            ),
            (
                format!(
                    "{HEAD}metadata: {{ name: a }}\nspec: {{ namespaces: [a], capture: {{ holdSecondsMax: 0 }} }}\n"
                ),
                "capture.holdSecondsMax is 0",
            ),
            (
                format!(
                    "{HEAD}metadata: {{ name: a }}\nspec: {{ namespaces: [a], capture: {{ holdSecondsMax: 601 }} }}\n"
                ),
                "at most 600",
            ),
            (
                format!(
                    "{HEAD}metadata: {{ name: a }}\nspec: {{ namespaces: [a], snapshot: {{ cutSecondsMax: 0 }} }}\n"
                ),
                "snapshot.cutSecondsMax is 0",
            ),
            (
                format!("{HEAD}metadata: {{ name: a }}\nspec: {{ namespaces: [a], keep: 3 }}\n"),
                "keep",
            ),
            (
                format!(
                    "{HEAD}metadata: {{ name: a }}\nspec: {{ namespaces: [a], minimumMode: perfect }}\n"
                ),
                "perfect",
            ),
            (
                format!(
                    "{HEAD}metadata: {{ name: a }}\nspec: {{ namespaces: [a], snapshot: {{ cutSecondsMax: -1 }} }}\n"
                ),
                "",
            ),
        ] {
            let message = read(&text).expect_err(&text);
            assert!(message.contains(word), "`{message}` does not say `{word}`");
            assert!(message.contains("protection.yaml"), "{message}");
        }
    }
}
