//! Other names at the target, as a user gives them: by arguments, by files of patches, by one file for all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use refloat_core::driver::Problem;
use refloat_core::plan::{Mappings, ObjectPatch};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

const PAGE: &str = "docs/guides/mappings.md shows how it is written";

/// Other names at the target.
#[derive(Debug, Default, Args)]
pub(crate) struct Mapping {
    /// Namespace to use for one of the source; references to it follow; once for each
    #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
    map_namespace: Vec<(String, String)>,
    /// StorageClass to use for one of the source; once for each
    #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
    map_storage_class: Vec<(String, String)>,
    /// Registry, or registry and path, to pull images from instead of one of the source; once for each
    #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
    map_registry: Vec<(String, String)>,
    /// Host name for users instead of one of the source, `*.` for all below it; once for each
    #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
    map_host: Vec<(String, String)>,
    /// Patches of objects (YAML documents), applied last, in order; once for each file
    #[arg(long, value_name = "FILE")]
    patch: Vec<PathBuf>,
    /// All of these in one file (YAML): `namespaces`, `storageClasses`, `registries`, `hosts`, `patches`
    #[arg(long, value_name = "FILE")]
    mappings: Option<PathBuf>,
}

/// What the file of `--mappings` holds.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct File {
    namespaces: BTreeMap<String, String>,
    storage_classes: BTreeMap<String, String>,
    registries: BTreeMap<String, String>,
    hosts: BTreeMap<String, String>,
    patches: Vec<ObjectPatch>,
}

/// Arguments and files read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Given {
    pub(crate) mappings: Mappings,
    pub(crate) storage_classes: BTreeMap<String, String>,
}

impl Given {
    /// What makes this recovery another one than that of the same point into the same cluster: where it goes. Empty without.
    pub(crate) fn variant(&self) -> String {
        let mut variant = String::new();
        for (old, new) in &self.mappings.namespaces {
            if old != new {
                variant.push_str(&format!("namespace {old}={new}\n"));
            }
        }
        variant
    }

    /// The same as options, for the command that goes on with it.
    pub(crate) fn options(&self) -> String {
        let moved = self.mappings.namespaces.iter();
        let moved = moved.filter(|(old, new)| old != new);
        let words: Vec<String> = moved
            .map(|(old, new)| format!("--map-namespace {old}={new}"))
            .collect();
        words.join(" ")
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() && !new.contains('=') => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err("write it as OLD=NEW".to_owned()),
    }
}

impl Mapping {
    /// Reads the files; says everything that is wrong.
    pub(crate) fn read(&self) -> Result<Given, Failure> {
        let mut problems = Vec::new();
        let file = match &self.mappings {
            Some(path) => one_file(path).unwrap_or_else(|failure| {
                problems.extend(failure.problems);
                File::default()
            }),
            None => File::default(),
        };
        let mut patches = file.patches;
        for path in &self.patch {
            match patch_file(path) {
                Ok(more) => patches.extend(more),
                Err(failure) => problems.extend(failure.problems),
            }
        }
        let mut joined = |what: &str, file, arguments: &[(String, String)]| {
            join(what, file, arguments, &mut problems)
        };
        let given = Given {
            mappings: Mappings {
                namespaces: joined("namespace", file.namespaces, &self.map_namespace),
                registries: joined("registry", file.registries, &self.map_registry),
                hosts: joined("host", file.hosts, &self.map_host),
                patches,
            },
            storage_classes: joined(
                "storage-class",
                file.storage_classes,
                &self.map_storage_class,
            ),
        };
        if problems.is_empty() {
            Ok(given)
        } else {
            Err(problems.into())
        }
    }
}

/// The arguments beside the file; one name twice is a mistake, whichever would win.
fn join(
    what: &str,
    file: BTreeMap<String, String>,
    arguments: &[(String, String)],
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, String> {
    let mut all = file;
    for (old, new) in arguments {
        if let Some(other) = all.insert(old.clone(), new.clone()) {
            problems.push(Problem::stuck(
                "mapping-twice",
                format!("{what} `{old}` is mapped twice: to `{other}` and to `{new}`"),
                format!(
                    "give `--map-{what} {old}=NAME` once, or leave it to the file of `--mappings`"
                ),
            ));
        }
    }
    all
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

fn documents<T: DeserializeOwned>(path: &Path, code: &str) -> Result<Vec<T>, Failure> {
    serde_saphyr::from_multiple(&read(path)?)
        .map_err(|error| Failure::refuse(code, format!("{}: {error}", path.display()), PAGE))
}

fn one_file(path: &Path) -> Result<File, Failure> {
    let mut all: Vec<File> = documents(path, "mappings-file")?;
    match (all.pop(), all.is_empty()) {
        (Some(file), true) => Ok(file),
        _ => Err(Failure::refuse(
            "mappings-file",
            format!("{}: it does not hold one document", path.display()),
            PAGE,
        )),
    }
}

fn patch_file(path: &Path) -> Result<Vec<ObjectPatch>, Failure> {
    let all: Vec<ObjectPatch> = documents(path, "patch-file")?;
    if all.is_empty() {
        let message = format!("{}: no patch is in it", path.display());
        return Err(Failure::refuse("patch-file", message, PAGE));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads these files and arguments; codes and messages of the problems.
    fn given(mappings: &str, patches: &str, namespaces: &[&str]) -> Result<Given, Vec<String>> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            (!text.is_empty()).then(|| {
                std::fs::write(&path, text).expect("a file");
                path
            })
        };
        let mapping = Mapping {
            map_namespace: namespaces
                .iter()
                .map(|text| pair(text).expect("a pair"))
                .collect(),
            patch: file("patch.yaml", patches).into_iter().collect(),
            mappings: file("mappings.yaml", mappings),
            ..Mapping::default()
        };
        mapping.read().map_err(|failure| {
            let problems = failure.problems.iter();
            problems
                .map(|one| format!("{}: {}", one.code, one.message))
                .collect()
        })
    }

    #[test]
    fn a_file_and_arguments_go_together() {
        let file = "namespaces: { shop: shop-drill }\nstorageClasses: { slow: fast }\nregistries: { docker.io: mirror.example }\n\
            hosts: { '*.example.com': '*.dr.example.com' }\n\
            patches: [{ target: { kind: Deployment, labelSelector: app=web }, type: merge, patch: { spec: { replicas: 1 } } }]\n";
        let patch = "target: { kind: ConfigMap, name: web, group: '' }\ntype: json\npatch: [{ op: remove, path: /data/a }]\n---\n\
            target: { kind: Service }\ntype: strategic\npatch: { spec: { type: ClusterIP } }\n";
        let given = given(file, patch, &["bank=bank-drill"]).expect("it is well formed");
        assert_eq!(given.storage_classes["slow"], "fast");
        assert_eq!(given.mappings.hosts["*.example.com"], "*.dr.example.com");
        assert_eq!(given.mappings.registries["docker.io"], "mirror.example");
        let kinds: Vec<&str> = given
            .mappings
            .patches
            .iter()
            .map(|patch| patch.target.kind.as_str())
            .collect();
        assert_eq!(kinds, ["Deployment", "ConfigMap", "Service"]);
        assert_eq!(
            given.variant(),
            "namespace bank=bank-drill\nnamespace shop=shop-drill\n"
        );
        assert_eq!(Given::default().variant(), "");
        assert_eq!(
            given.options(),
            "--map-namespace bank=bank-drill --map-namespace shop=shop-drill"
        );
    }

    #[test]
    fn bad_files_say_what_is_wrong() {
        let patch = "target: { kind: Service }\ntype: merge\npatch: {}\n";
        for (mappings, patches, names, words) in [
            ("[", "", &[][..], "mappings-file"),
            ("a: b", "", &[], "mappings-file"),
            ("namespaces: [shop]", "", &[], "mappings-file"),
            ("namespaces: { shop: a, shop: b }", "", &[], "mappings-file"),
            (
                "hosts: { a: b }\n---\nhosts: { a: b }",
                "",
                &[],
                "one document",
            ),
            ("# nothing", "", &[], "mappings-file"),
            ("", "# nothing", &[], "patch-file"),
            ("", "target: { kind: Service }\npatch: {}", &[], "type"),
            ("", "target: {}\ntype: merge\npatch: {}", &[], "kind"),
            (
                "",
                "target: { kind: A }\ntype: other\npatch: {}",
                &[],
                "other",
            ),
            (
                "",
                "target: { kind: A, nam: b }\ntype: merge\npatch: {}",
                &[],
                "nam",
            ),
            ("", "target: { kind: A }\ntype: merge", &[], "patch"),
            ("", patch, &["shop=a", "shop=a"], "mapping-twice"),
            (
                "namespaces: { shop: a }",
                "",
                &["shop=b"],
                "mapping-twice: namespace `shop` is mapped twice: to `a` and to `b`",
            ),
        ] {
            let said = given(mappings, patches, names)
                .expect_err(mappings)
                .join("\n");
            assert!(said.contains(words), "`{said}` does not say `{words}`");
        }
        let all = given("a: b", "[", &["shop=a", "shop=b"]).expect_err("three");
        assert_eq!(all.len(), 3, "all problems at once: {all:?}");
    }

    #[test]
    fn a_pair_has_two_sides() {
        for bad in ["shop", "=a", "a=", "a=b=c", ""] {
            assert!(pair(bad).is_err(), "{bad}");
        }
    }
}
