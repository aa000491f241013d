//! What the API server's answers to tried writes mean. Reads words, because a refusal's code is whatever its plugin chose.

use super::facts::{Away, Refusal, Rehearsed, Said, Trial};
use super::finding::{Raised, Weight};

/// Longest answer that is repeated, in characters.
const WORDS_MAX: usize = 400;

/// A webhook was to be asked, in vain.
const FAILED_CALLS: &[&str] = &["failed calling webhook", "failed to call webhook"];
/// What the API server says of somebody who was not there, or not in time. A certificate or a Service that is not there stays so.
/// Addresses end with `?timeout=10s`.
const NOT_THERE: &[&str] = &[
    "connection refused",
    "connection reset",
    "no endpoints available",
    "no route to host",
    "network is unreachable",
    "deadline exceeded",
    "i/o timeout",
    "handshake timeout",
    "Timeout exceeded",
    "EOF",
    "currently unable to handle the request",
    "prevented the request from succeeding",
];

impl Said {
    /// Who did not answer, if that may pass by itself.
    pub fn away(&self) -> Option<Away> {
        match self {
            Self::Accepted { .. } => None,
            Self::Unanswered { passes, .. } => passes.then_some(Away::Server),
            Self::Refused(refusal) => {
                let message = refusal.message.as_str();
                let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
                if says(FAILED_CALLS) {
                    return says(NOT_THERE).then(|| Away::Webhook(quoted(message).to_owned()));
                }
                // "conversion webhook for KIND failed"
                if let Some((_, converted)) = message.split_once("conversion webhook for ") {
                    let kind = converted.split(" failed").next().unwrap_or_default();
                    return says(NOT_THERE).then(|| Away::Webhook(kind.to_owned()));
                }
                match refusal.code {
                    408 | 429 | 502..=504 => Some(Away::Server),
                    500 => Some(Away::Inside),
                    _ => None,
                }
            }
        }
    }

    /// False when the API server has said nothing about the write.
    pub fn is_answer(&self) -> bool {
        match self.away() {
            Some(Away::Server | Away::Inside) => false,
            Some(Away::Webhook(_)) => true,
            None => !matches!(self, Self::Unanswered { .. }),
        }
    }
}

/// What one answer means.
struct Meaning {
    weight: Weight,
    code: &'static str,
    cause: String,
    hint: &'static str,
}

impl Meaning {
    fn problem(code: &'static str, cause: impl Into<String>, hint: &'static str) -> Self {
        Self {
            weight: Weight::Problem,
            code,
            cause: cause.into(),
            hint,
        }
    }

    /// What only a stand-in or an order of things may be the reason of does not stop.
    fn softly(self, doubtful: bool) -> Self {
        Self {
            weight: if doubtful {
                Weight::Warning
            } else {
                self.weight
            },
            ..self
        }
    }
}

pub(super) fn check(rehearsed: &[Rehearsed], raised: &mut Raised) {
    let mut rehearsed: Vec<&Rehearsed> = rehearsed.iter().collect();
    rehearsed.sort_by(|a, b| a.thing.cmp(&b.thing));
    for one in rehearsed {
        let meaning = match &one.said {
            Said::Accepted { warnings } => dropped(&warnings.join("\n")),
            Said::Refused(refusal) => refused(one, refusal, raised),
            Said::Unanswered { why, .. } => Some(unanswered(why)),
        };
        if let Some(meaning) = meaning {
            raised.about(
                meaning.weight,
                meaning.code,
                &one.thing,
                meaning.cause,
                meaning.hint,
            );
        }
    }
}

fn unanswered(why: &str) -> Meaning {
    Meaning::problem(
        "dry-run-unanswered",
        format!(
            "the API server did not say whether it would take it: {}",
            short(why)
        ),
        "run `refloat plan` again; if it stays so, see the API server's log",
    )
    .softly(true)
}

/// Fields that a schema does not know: a create loses them, an apply is refused.
fn dropped(words: &str) -> Option<Meaning> {
    let mut fields: Vec<&str> = words
        .split("unknown field \"")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0))
        .collect();
    fields.sort_unstable();
    fields.dedup();
    if !fields.is_empty() {
        return Some(Meaning::problem(
            "fields-dropped",
            format!(
                "the target does not know these fields, and they would be lost: {}",
                short(&fields.join(", "))
            ),
            "install the source's version of what defines the kind, or accept the loss with `--preflight warn`",
        ));
    }
    let (before, _) = words.split_once(": field not declared in schema")?;
    let field = before.rsplit([' ', ':']).next()?;
    Some(Meaning::problem(
        "fields-dropped",
        format!(
            "the target does not know this field, and would refuse the object: {}",
            short(field.trim_start_matches('.'))
        ),
        "install the source's version of what defines the kind",
    ))
}

fn refused(one: &Rehearsed, refusal: &Refusal, raised: &Raised) -> Option<Meaning> {
    let message = refusal.message.as_str();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let stand_in = one.trial == Trial::StandIn;
    if refusal.code == 409 || refusal.code == 404 {
        return None;
    }
    if let Some(meaning) = dropped(message) {
        return Some(meaning);
    }
    if says(&["does not support dry run"]) {
        return Some(Meaning::problem(
            "webhook-without-dry-run",
            format!("webhook {} cannot be asked without effect: what it says is not known", quoted(message)),
            "ask its owner for `sideEffects: None`; whether it refuses is seen only when the object is written",
        )
        .softly(true));
    }
    if says(FAILED_CALLS) {
        // That its Service is silent was seen already.
        let known = raised.tells(&format!("webhook {} ", quoted(message)));
        let meaning = Meaning::problem(
            "webhook-failing",
            format!(
                "webhook {} does not answer, so it would be refused: {}",
                quoted(message),
                short(message)
            ),
            "repair what is behind the webhook, or delete its configuration",
        );
        return (!known).then(|| meaning.softly(stand_in));
    }
    if says(&["violates PodSecurity"]) {
        return (!stand_in).then(|| pod_security(message));
    }
    if says(&["denied the request", "denied request"]) {
        // What a policy misses may come with the recovery.
        let doubtful = stand_in || says(&["not found", "does not exist"]);
        return Some(Meaning::problem(
            "admission-denied",
            format!("a policy of the target refuses it: {}", short(without_name(message))),
            "change the policy, exempt the namespace, or `--preflight warn` if it will not refuse by then",
        )
        .softly(doubtful));
    }
    if says(&["exceeded quota"]) {
        return (!stand_in && !raised.has("quota-exceeded")).then(|| {
            Meaning::problem(
                "quota-exceeded",
                short(without_name(message)),
                "raise `spec.hard` of this ResourceQuota, or make room in the namespace",
            )
        });
    }
    if says(&["failed quota"]) {
        return (!stand_in && !raised.has("quota-needs-requests")).then(|| {
            Meaning::problem(
                "quota-needs-requests",
                short(without_name(message)),
                "add a LimitRange with defaults to the namespace, or take these names out of the quota",
            )
        });
    }
    by_code(one, refusal)
}

fn by_code(one: &Rehearsed, refusal: &Refusal) -> Option<Meaning> {
    let message = refusal.message.as_str();
    let stand_in = one.trial == Trial::StandIn;
    match refusal.code {
        403 if message.contains("\" cannot ") || message.contains("attempting to grant RBAC") => {
            (!stand_in).then(|| {
                Meaning::problem(
                    "forbidden",
                    format!("not allowed: {}", short(without_name(message))),
                    "grant it to the user of the kubeconfig, or recover as a user who may",
                )
            })
        }
        // Accounts, classes and limits of another namespace, or what comes back before it.
        403 if stand_in || message.contains("not found") => None,
        403 if message.contains("because it is being terminated") => Some(Meaning::problem(
            "namespace-terminating",
            "its namespace is being deleted",
            "wait until the namespace is gone: `kubectl get namespace`",
        )),
        403 => Some(Meaning::problem(
            "admission-denied",
            format!("the target refuses it: {}", short(without_name(message))),
            "change what refuses it (a LimitRange, a policy), or exempt the namespace",
        )),
        413 => Some(Meaning::problem(
            "too-large",
            "it is larger than this API server takes",
            "raise the request limit of the API server and of etcd, or make it smaller at the source",
        )),
        400 | 415 | 422 if one.trial != Trial::Pod => Some(Meaning::problem(
            "object-invalid",
            format!("the target takes it for invalid: {}", causes(refusal)),
            "the target's version or definition asks for other values: install the source's, or change the object at the source",
        )),
        // A pod out of a template is not what the workload makes of it.
        400 | 415 | 422 => None,
        _ => Some(unanswered(message)),
    }
}

fn pod_security(message: &str) -> Meaning {
    let what = message
        .split_once("violates PodSecurity")
        .map_or(message, |(_, what)| what);
    Meaning::problem(
        "pod-security",
        format!(
            "its pods would be refused by Pod Security {}",
            short(what.trim_start())
        ),
        "lower the label `pod-security.kubernetes.io/enforce` of the namespace, or change the pods at the source",
    )
}

/// What is between the first two quotes or apostrophes.
fn quoted(message: &str) -> &str {
    let quote = ['"', '\''];
    message.split(quote).nth(1).unwrap_or("(unnamed)")
}

/// The object's name makes alike answers differ, and stands before them anyway.
fn without_name(message: &str) -> &str {
    [" is forbidden: ", " is invalid: "]
        .iter()
        .find_map(|before| Some(message.split_once(before)?.1.trim_start_matches([' ', ':'])))
        .unwrap_or(message)
}

fn causes(refusal: &Refusal) -> String {
    let causes: Vec<String> = refusal
        .causes
        .iter()
        .map(|(field, why)| match field.as_str() {
            "" | "<nil>" => why.clone(),
            field => format!("{field}: {why}"),
        })
        .collect();
    if causes.is_empty() {
        short(&refusal.message)
    } else {
        short(&causes.join("; "))
    }
}

/// Somebody else's words as part of a line.
fn short(words: &str) -> String {
    let line: Vec<&str> = words.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
