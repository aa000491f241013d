//! Stores that are wrong on purpose.

use std::fmt;
use std::sync::Arc;

use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What a put becomes.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// A create of what is there passes.
    CreatesTwice,
    /// The reply of a create is lost, and the client asks again.
    LosesReplies,
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
        match self.fault {
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
