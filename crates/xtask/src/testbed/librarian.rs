//! The image of the librarian, an operator with everything that stands in a recovery's way: webhooks, a conversion, an API of its
//! own. Not of every site: the scenario that needs it loads it.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::cache::{Cache, Inputs};
use super::images::{file_layer, layout};
use super::tools;

const NAME: &str = "refloat.local/librarian:1";

/// The image as a file; built when it is not there.
pub(crate) fn image() -> Result<PathBuf> {
    let cache = Cache::open()?;
    let program = tools::librarian(&cache)?;
    let inputs = Inputs::default().file(&program)?.text(NAME);
    cache.artifact("librarian.tar", inputs, |path| {
        let layer = path.with_extension("layer");
        file_layer(&[(program.clone(), "/librarian".to_owned())], &layer)?;
        layout(
            NAME,
            &[&layer],
            &json!({ "Entrypoint": ["/librarian"] }),
            path,
        )?;
        Ok(fs::remove_file(layer)?)
    })
}
