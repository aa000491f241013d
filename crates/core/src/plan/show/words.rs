//! Which step a person means: an id, `Deployment/shop/web`, `deploy/web`, `shop/web`, `web`. Called by `--explain`.

use super::index::{class, plain};
use super::{View, amount};
use crate::driver::{Op, Problem};
use crate::inventory::ThingId;
use crate::run::{Step, Work};

/// Short names as kubectl has them; those of custom resources are not in a plan.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("cj", "cronjob"),
    ("cm", "configmap"),
    ("crd", "customresourcedefinition"),
    ("crds", "customresourcedefinition"),
    ("deploy", "deployment"),
    ("ds", "daemonset"),
    ("gtw", "gateway"),
    ("hpa", "horizontalpodautoscaler"),
    ("ing", "ingress"),
    ("limits", "limitrange"),
    ("netpol", "networkpolicy"),
    ("ns", "namespace"),
    ("pc", "priorityclass"),
    ("pdb", "poddisruptionbudget"),
    ("po", "pod"),
    ("pv", "persistentvolume"),
    ("pvc", "persistentvolumeclaim"),
    ("quota", "resourcequota"),
    ("rc", "replicationcontroller"),
    ("rs", "replicaset"),
    ("sa", "serviceaccount"),
    ("sc", "storageclass"),
    ("sts", "statefulset"),
    ("svc", "service"),
];
/// So many candidates are listed.
const CANDIDATES_MAX: usize = 8;
/// So many letters may be wrong.
const LETTERS_WRONG_MAX: usize = 2;

/// The object that a step brings, with the plural of its kind; a claim has no step of its own but is handed over.
fn brings(step: &Step) -> Option<(ThingId, &str)> {
    match &step.work {
        Work::Write(writing) => Some((writing.target().id(), writing.resource.plural.as_str())),
        Work::Driver {
            op: Op::Restore,
            claim,
            ..
        } => Some((claim.thing.clone(), "persistentvolumeclaims")),
        Work::Driver { .. }
        | Work::Capture(_)
        | Work::Release { .. }
        | Work::SystemNamespace
        | Work::VaultAccess
        | Work::VaultAccessEnd
        | Work::Fill(_)
        | Work::Gate(_)
        | Work::Remove(_)
        | Work::Link(_)
        | Work::Retain(_)
        | Work::StoreObjects
        | Work::Seal { .. } => None,
    }
}

fn full_name(word: &str) -> &str {
    SHORT_NAMES
        .iter()
        .find(|(short, _)| *short == word)
        .map_or(word, |(_, full)| full)
}

fn is_kind(id: &ThingId, plural: &str, word: &str) -> bool {
    let kind = id.kind.to_lowercase();
    let full = full_name(word);
    let (name, group) = match full.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (full, None),
    };
    (kind == name || plural == name) && group.is_none_or(|group| id.group == group)
}

/// What was asked for: perhaps a kind, perhaps a namespace, a name.
struct Asked {
    kind: Option<String>,
    namespace: Option<String>,
    name: String,
}

/// All ways to read the words: with a kind first, then without.
fn readings(words: &str) -> Vec<Asked> {
    let parts: Vec<&str> = words
        .split(['/', ' '])
        .filter(|part| !part.is_empty())
        .collect();
    let asked = |kind: Option<&str>, namespace: Option<&str>, name: &str| Asked {
        kind: kind.map(str::to_owned),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    };
    match parts.as_slice() {
        [name] => vec![asked(None, None, name)],
        [first, name] => vec![
            asked(Some(first), None, name),
            asked(None, Some(first), name),
        ],
        [kind, namespace, name] => vec![asked(Some(kind), Some(namespace), name)],
        _ => Vec::new(),
    }
}

impl Asked {
    fn is(&self, id: &ThingId, plural: &str) -> bool {
        id.name.to_lowercase() == self.name
            && self
                .namespace
                .as_ref()
                .is_none_or(|asked| id.namespace.as_ref() == Some(asked))
            && self
                .kind
                .as_ref()
                .is_none_or(|word| is_kind(id, plural, word))
    }
}

impl<'a> View<'a> {
    /// The step that a person means. `step-ambiguous` lists what it may be, `step-unknown` what is written alike.
    pub fn find(&self, words: &str) -> Result<&'a Step, Problem> {
        let asked = words.trim().to_lowercase();
        let steps = &self.planned.plan.steps;
        let exact = steps.iter().find(|step| {
            let id = step.id.to_lowercase();
            id == asked || plain(&id) == asked
        });
        if let Some(step) = exact {
            return Ok(step);
        }
        for reading in readings(&asked) {
            let found: Vec<&Step> = steps
                .iter()
                .filter(|step| brings(step).is_some_and(|(id, plural)| reading.is(&id, plural)))
                .collect();
            match found.as_slice() {
                [] => {}
                [one] => return Ok(one),
                several => return Err(ambiguous(words, several)),
            }
        }
        Err(unknown(words, &self.near(&asked)))
    }

    /// Ids that are written alike: the name is in them, or nearly.
    fn near(&self, asked: &str) -> Vec<&'a str> {
        let name = asked.rsplit(['/', ' ']).next().unwrap_or(asked);
        let letters = name.chars().count();
        let first = full_name(asked.split(['/', ' ']).next().unwrap_or(asked));
        let alike = |class: &str| class.to_lowercase().split('.').next() == Some(first);
        let mut found: Vec<(usize, &str)> = Vec::new();
        for step in &self.planned.plan.steps {
            let id = step.id.to_lowercase();
            let own = id.rsplit(['/', ' ']).next().unwrap_or(&id);
            let wrong = letters_wrong(own, name);
            let part = letters > 2 && id.contains(name);
            if wrong <= LETTERS_WRONG_MAX.min(letters * 2 / 3) || part {
                let other_kind = usize::from(!alike(class(step)));
                let distance = if part { wrong.min(3) } else { wrong };
                found.push((distance * 2 + other_kind, plain(&step.id)));
            }
        }
        found.sort_unstable();
        let found = found.into_iter().map(|(_, id)| id);
        found.take(CANDIDATES_MAX).collect()
    }
}

fn ambiguous(words: &str, several: &[&Step]) -> Problem {
    let mut listed: Vec<&str> = several
        .iter()
        .take(CANDIDATES_MAX)
        .map(|step| plain(&step.id))
        .collect();
    let more = several.len() - listed.len();
    let rest = format!("and {} more", amount::count(more));
    if more > 0 {
        listed.push(&rest);
    }
    Problem::stuck(
        "step-ambiguous",
        format!(
            "`{words}` may be any of {} steps",
            amount::count(several.len())
        ),
        format!("name one of them: {}", listed.join(", ")),
    )
}

fn unknown(words: &str, near: &[&str]) -> Problem {
    let hint = if near.is_empty() {
        "`refloat plan --all` lists the steps".to_owned()
    } else {
        format!("did you mean: {}", near.join(", "))
    };
    Problem::stuck(
        "step-unknown",
        format!("no step of the plan is `{words}`"),
        hint,
    )
}

/// How many letters must be put in, taken out or replaced; counting ends at one more than is of interest.
fn letters_wrong(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len().abs_diff(other.len()) > LETTERS_WRONG_MAX {
        return LETTERS_WRONG_MAX + 1;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, against) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != against);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
