//! What may be read of the world, and the answers. Closed lists: a new external system adds a variant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ObjectRef, Problem};
use crate::inventory::{Resource, fold_answer};

/// Objects of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ListRequest {
    /// Kind of the objects.
    pub resource: Resource,
    /// `None` for all namespaces, and for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// `key=value` pairs that must hold, empty for all.
    pub labels: BTreeMap<String, String>,
}

/// A command in a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExecRequest {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Container in it; `None` for the default one.
    pub container: Option<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// What is written to its standard input, then end of input.
    pub input: String,
    /// It is given up after this many seconds.
    pub limit_seconds: u32,
}

/// The end of a container's log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogRequest {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Lines from the end.
    pub lines_max: u32,
}

/// An object whose creation is to be tried only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RehearsalRequest {
    /// Kind of the object.
    pub resource: Resource,
    /// Namespace of the object, `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
    /// The object, as JSON.
    pub object: String,
}

/// Code of the refusal of a command that still runs: its answer comes with a later look.
pub const COMMAND_RUNNING: &str = "command-running";

/// Code of the refusal of a creation that is being tried: its answer comes with a later look.
pub const REHEARSAL_RUNNING: &str = "rehearsal-running";

/// Something to read. Reading changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Query {
    /// One object, not from a cache.
    Object(ObjectRef),
    /// All objects of a kind.
    List(ListRequest),
    /// A command that reads and leaves nothing behind.
    Exec(ExecRequest),
    /// The end of a log.
    Log(LogRequest),
    /// Whether a kind is served and its objects can be read: a list of one of them at most.
    Served(Resource),
    /// What the API server says to a creation that it is to try without doing it (`dryRun=All`); webhooks are asked.
    Rehearsal(RehearsalRequest),
}

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecAnswer {
    /// Exit code; `None` when it was given up.
    pub code: Option<i32>,
    /// Standard output, at most 64 KiB.
    pub stdout: String,
    /// Standard error, at most 64 KiB.
    pub stderr: String,
}

/// An answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The object, `None` when there is none.
    Object(Option<Value>),
    /// The objects.
    List(Vec<Value>),
    /// What the command said.
    Exec(ExecAnswer),
    /// The log's end.
    Log(String),
    /// It is so, or would be done.
    Yes,
    /// The question was not answered.
    Refused(Problem),
}

impl Answer {
    /// Who owns which fields becomes text, `fieldsV1` of `metadata.managedFields`: as a tree it is most of an answer's memory.
    #[must_use]
    pub fn folded(mut self) -> Self {
        match &mut self {
            Self::Object(object) => object.iter_mut().for_each(fold_answer),
            Self::List(objects) => objects.iter_mut().for_each(fold_answer),
            Self::Exec(_) | Self::Log(_) | Self::Yes | Self::Refused(_) => {}
        }
        self
    }
}

/// The answers of one look.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    answers: BTreeMap<Query, Answer>,
}

impl Seen {
    /// Records an answer.
    pub fn insert(&mut self, query: Query, answer: Answer) {
        self.answers.insert(query, answer);
    }

    /// Drops an answer: it may be old.
    pub fn forget(&mut self, query: &Query) {
        self.answers.remove(query);
    }

    /// Takes an answer out.
    pub fn take(&mut self, query: &Query) -> Option<Answer> {
        self.answers.remove(query)
    }

    /// Keeps the answers to these queries alone.
    pub fn retain(&mut self, kept: impl Fn(&Query) -> bool) {
        self.answers.retain(|query, _| kept(query));
    }

    /// Takes over the answers of another look.
    pub fn extend(&mut self, other: Self) {
        self.answers.extend(other.answers);
    }

    /// The answer to a query.
    pub fn answer(&self, query: &Query) -> Option<&Answer> {
        self.answers.get(query)
    }

    /// Why a query was not answered, if it was refused.
    pub fn refusal(&self, query: &Query) -> Option<&Problem> {
        match self.answers.get(query)? {
            Answer::Refused(problem) => Some(problem),
            Answer::Object(_)
            | Answer::List(_)
            | Answer::Exec(_)
            | Answer::Log(_)
            | Answer::Yes => None,
        }
    }

    /// True when nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// True when the query was answered or refused.
    pub fn has(&self, query: &Query) -> bool {
        self.answers.contains_key(query)
    }

    /// An object that was asked for: `Ok(None)` when it does not exist.
    pub fn object(&self, object: &ObjectRef) -> Result<Option<&Value>, Problem> {
        match self.answers.get(&Query::Object(object.clone())) {
            Some(Answer::Object(found)) => Ok(found.as_ref()),
            Some(Answer::Refused(problem)) => Err(problem.clone()),
            other => Err(unanswered(&object.id().to_string(), other)),
        }
    }

    /// A list that was asked for.
    pub fn list(&self, request: &ListRequest) -> Result<&[Value], Problem> {
        match self.answers.get(&Query::List(request.clone())) {
            Some(Answer::List(found)) => Ok(found),
            Some(Answer::Refused(problem)) => Err(problem.clone()),
            other => Err(unanswered(&request.resource.plural, other)),
        }
    }

    /// What a command said.
    pub fn exec(&self, request: &ExecRequest) -> Result<&ExecAnswer, Problem> {
        match self.answers.get(&Query::Exec(request.clone())) {
            Some(Answer::Exec(answer)) => Ok(answer),
            Some(Answer::Refused(problem)) => Err(problem.clone()),
            other => Err(unanswered(&request.pod, other)),
        }
    }

    /// Whether a kind that was asked for is served, and why not.
    pub fn served(&self, resource: &Resource) -> Result<(), Problem> {
        self.yes(&Query::Served(resource.clone()), &resource.plural)
    }

    /// Whether a creation that was tried would be done, and why not.
    pub fn rehearsed(&self, request: &RehearsalRequest) -> Result<(), Problem> {
        self.yes(&Query::Rehearsal(request.clone()), &request.name)
    }

    fn yes(&self, query: &Query, what: &str) -> Result<(), Problem> {
        match self.answers.get(query) {
            Some(Answer::Yes) => Ok(()),
            Some(Answer::Refused(problem)) => Err(problem.clone()),
            other => Err(unanswered(what, other)),
        }
    }

    /// The end of a log.
    pub fn log(&self, request: &LogRequest) -> Result<&str, Problem> {
        match self.answers.get(&Query::Log(request.clone())) {
            Some(Answer::Log(text)) => Ok(text),
            Some(Answer::Refused(problem)) => Err(problem.clone()),
            other => Err(unanswered(&request.pod, other)),
        }
    }
}

fn unanswered(what: &str, answer: Option<&Answer>) -> Problem {
    let how = if answer.is_some() {
        "with something else"
    } else {
        "not at all"
    };
    Problem::of(
        super::Class::Bug,
        "query-unanswered",
        format!("the question about {what} was answered {how}"),
        "this is a defect of Refloat: please report it with the journal of the run",
    )
}
