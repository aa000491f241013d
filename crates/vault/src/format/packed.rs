//! JSON, packed with zstd: written and read as a stream, so that the text of a large plan is never whole in memory.
//!
//! Knows nothing of what it packs. The frame carries no checksum of its own: what is packed is sealed.

use std::cell::RefCell;
use std::io::{self, BufReader, BufWriter, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zstd::zstd_safe::{CCtx, CParameter, DCtx};

/// Fastest of the levels that find what repeats across a plan.
const LEVEL: i32 = 1;
/// Bytes of history that a frame may ask its reader to keep, as a power of two: 8 MiB, four times what this level writes. Part of the
/// format: a reader refuses more.
const WINDOW_LOG_MAX: u32 = 23;
/// JSON comes in many small pieces; each call of the packer costs.
const BUFFER_BYTES: usize = 32 << 10;

thread_local! {
    /// Making one takes longer than packing a small entry.
    static PACKER: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static UNPACKER: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// A text was not packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackedError {
    /// It is longer than its reader takes.
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    /// It is no whole frame, or no such JSON.
    #[error(transparent)]
    Json(serde_json::Error),
    /// Something follows the frame.
    #[error("{0} bytes follow what is packed")]
    Trailing(usize),
    /// The packer refuses.
    #[error(transparent)]
    Packer(#[from] io::Error),
}

/// Lets so many bytes through, and says so when there were more.
struct Bounded<T> {
    inner: T,
    left: u64,
    exceeded: bool,
}

impl<T> Bounded<T> {
    fn new(inner: T, bytes_max: u64) -> Self {
        Self {
            inner,
            left: bytes_max,
            exceeded: false,
        }
    }

    fn why(&self, error: serde_json::Error, bytes_max: u64) -> PackedError {
        if self.exceeded {
            PackedError::TooLong(bytes_max)
        } else {
            PackedError::Json(error)
        }
    }

    fn count(&mut self, bytes: usize) -> io::Result<()> {
        let Some(left) = self.left.checked_sub(bytes as u64) else {
            self.exceeded = true;
            return Err(io::Error::other("too long"));
        };
        self.left = left;
        Ok(())
    }
}

impl<T: Write> Write for Bounded<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count(bytes.len())?;
        self.inner.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Bounded<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(into)?;
        self.count(bytes)?;
        Ok(bytes)
    }
}

/// Appends a value's JSON, packed; refuses what [`unpack`] would.
pub(super) fn pack(
    value: &impl Serialize,
    into: Vec<u8>,
    bytes_max: u64,
) -> Result<Vec<u8>, PackedError> {
    PACKER.with_borrow_mut(|context| {
        let mut encoder = zstd::Encoder::with_context(into, context);
        encoder.set_parameter(CParameter::CompressionLevel(LEVEL))?;
        let mut text = Bounded::new(BufWriter::with_capacity(BUFFER_BYTES, encoder), bytes_max);
        serde_json::to_writer(&mut text, value).map_err(|error| text.why(error, bytes_max))?;
        let encoder = text
            .inner
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok(encoder.finish()?)
    })
}

/// Reads a value from its packed JSON, of which nothing may be left over.
pub(super) fn unpack<T: DeserializeOwned>(packed: &[u8], bytes_max: u64) -> Result<T, PackedError> {
    UNPACKER.with_borrow_mut(|context| {
        let mut decoder = zstd::Decoder::with_context(packed, context).single_frame();
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        let bounded = Bounded::new(decoder, bytes_max);
        let mut text = BufReader::with_capacity(BUFFER_BYTES, bounded);
        let value = serde_json::from_reader(&mut text);
        let bounded = text.into_inner();
        let value = value.map_err(|error| bounded.why(error, bytes_max))?;
        match bounded.inner.finish().len() {
            0 => Ok(value),
            left => Err(PackedError::Trailing(left)),
        }
    })
}
