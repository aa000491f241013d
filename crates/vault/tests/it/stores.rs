//! Stores that are wrong on purpose.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What a put becomes.
#[derive(Debug)]
enum Fault {
    /// A create of what is there passes.
    CreatesTwice,
    /// The reply of a create is lost, and the client asks again.
    LosesReplies,
    /// Some requests are not answered.
    Silent(Script),
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    /// It is answered.
    Answered,
    /// It does not arrive.
    Lost,
    /// It is refused, as what lies in an archive is.
    Refused,
    /// It is done, and the reply is lost.
    ReplyLost,
    /// It is told that another request for the same object is going on, and nothing is done.
    Conflict,
}

/// What becomes of the next requests for some objects; those after them are answered.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Part of the objects' paths.
    pub(crate) of: &'static str,
    pub(crate) puts: Mutex<VecDeque<Turn>>,
    pub(crate) gets: Mutex<VecDeque<Turn>>,
}

impl Script {
    pub(crate) fn new(of: &'static str, puts: &[Turn], gets: &[Turn]) -> Self {
        Self {
            of,
            puts: Mutex::new(puts.iter().copied().collect()),
            gets: Mutex::new(gets.iter().copied().collect()),
        }
    }

    fn turn(&self, turns: &Mutex<VecDeque<Turn>>, location: &Path) -> Turn {
        if !location.as_ref().contains(self.of) {
            return Turn::Answered;
        }
        let next = turns.lock().unwrap().pop_front();
        next.unwrap_or(Turn::Answered)
    }
}

fn no_answer<T>() -> Result<T> {
    Err(object_store::Error::Generic {
        store: "silent",
        source: "connection reset by peer".into(),
    })
}

fn refused<T>(location: &Path) -> Result<T> {
    Err(object_store::Error::PermissionDenied {
        path: location.to_string(),
        source: "InvalidObjectState".into(),
    })
}

/// A store with one fault.
#[derive(Debug)]
struct Faulty {
    store: Arc<dyn ObjectStore>,
    fault: Fault,
}

/// Ignores that a create must fail.
pub(crate) struct Careless;
/// Loses each first reply.
pub(crate) struct LostReplies;
/// Does not answer now and then.
pub(crate) struct Silent;

impl Silent {
    pub(crate) fn over(store: &Arc<dyn ObjectStore>, script: Script) -> Arc<dyn ObjectStore> {
        let (store, fault) = (Arc::clone(store), Fault::Silent(script));
        Arc::new(Faulty { store, fault })
    }
}

impl Careless {
    pub(crate) fn over(store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        let fault = Fault::CreatesTwice;
        Arc::new(Faulty { store, fault })
    }
}

impl LostReplies {
    pub(crate) fn over(store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        let fault = Fault::LosesReplies;
        Arc::new(Faulty { store, fault })
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} over {}", self.fault, self.store)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        match &self.fault {
            Fault::CreatesTwice => {
                let options = PutOptions::from(PutMode::Overwrite);
                self.store.put_opts(location, payload, options).await
            }
            Fault::LosesReplies => {
                let first = self
                    .store
                    .put_opts(location, payload.clone(), options.clone())
                    .await;
                drop(first);
                self.store.put_opts(location, payload, options).await
            }
            Fault::Silent(script) => match script.turn(&script.puts, location) {
                Turn::Answered => self.store.put_opts(location, payload, options).await,
                Turn::Lost => no_answer(),
                Turn::Refused => refused(location),
                Turn::ReplyLost => {
                    self.store.put_opts(location, payload, options).await?;
                    no_answer()
                }
                Turn::Conflict => Err(object_store::Error::AlreadyExists {
                    path: location.to_string(),
                    source: "a conflicting request is going on".into(),
                }),
            },
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if let Fault::Silent(script) = &self.fault {
            match script.turn(&script.gets, location) {
                Turn::Lost => return no_answer(),
                Turn::Refused => return refused(location),
                Turn::Answered | Turn::ReplyLost | Turn::Conflict => {}
            }
        }
        self.store.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
