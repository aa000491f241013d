//! What the envelopes carry: points, verifications, heartbeats; and how a point is named.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use refloat_core::backup::{Mode, PointContent};
use refloat_core::names::{ProtectionName, SiteName};
use serde::{Deserialize, Serialize};

/// Newest format of a point that this code knows.
pub const POINT_FORMAT: u32 = 2;
/// Format of a point whose files are complete as they were cut.
const POINT_FORMAT_PLAIN: u32 = 1;
/// Format of a point with a member that was held: its files want what the member's engine says before a server may
/// start on them. A reader of format 1 alone would start it on torn files, and must refuse it.
const POINT_FORMAT_HELD: u32 = 2;

/// The oldest format that says everything of this point.
pub fn point_format(content: &PointContent) -> u32 {
    let held = content
        .members
        .iter()
        .any(|member| member.mode == Mode::Held);
    if held {
        POINT_FORMAT_HELD
    } else {
        POINT_FORMAT_PLAIN
    }
}

/// A point: protection and sequence number, `shop/12`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PointId {
    /// Which protection.
    pub protection: ProtectionName,
    /// From 1, without holes.
    pub sequence: u64,
}

impl fmt::Display for PointId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.protection, self.sequence)
    }
}

impl From<PointId> for String {
    fn from(id: PointId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for PointId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for PointId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no point: write PROTECTION/NUMBER, as `refloat points` shows it")
        };
        let (protection, sequence) = text.split_once('/').ok_or_else(wrong)?;
        let protection = ProtectionName::new(protection).map_err(|error| error.to_string())?;
        let sequence = sequence.parse().map_err(|_| wrong())?;
        if sequence == 0 {
            return Err(wrong());
        }
        Ok(Self {
            protection,
            sequence,
        })
    }
}

impl PointId {
    /// Path below the vault's prefix. It holds no time, so that two writers of one number meet.
    pub fn path(&self) -> String {
        format!("points/{}/{:010}", self.protection, self.sequence)
    }

    /// Path of a site's verification below the vault's prefix.
    pub fn verification_path(&self, site: &SiteName) -> String {
        format!("verified/{site}/{}/{:010}", self.protection, self.sequence)
    }
}

/// A sealed point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointDocument {
    /// Format; a newer one is refused.
    pub format: u32,
    /// Which point.
    pub id: PointId,
    /// Digest of the envelope before, `None` for the first.
    pub previous: Option<String>,
    /// When it was signed.
    pub sealed: Timestamp,
    /// Version of the refloat that made it.
    pub refloat_version: String,
    /// What it says.
    pub content: PointContent,
}

/// A site's word that it opened and checked a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Format; a newer one is refused.
    pub format: u32,
    /// Which point.
    pub point: PointId,
    /// Digest of the point's envelope.
    pub envelope: String,
    /// Which site checked.
    pub site: SiteName,
    /// When.
    pub checked: Timestamp,
    /// True when every byte was read; false when only structure and sizes were.
    pub read_data: bool,
    /// Parts that were checked.
    pub parts: u64,
    /// Bytes that were read and hashed.
    pub bytes_read: u64,
    /// Version of the refloat that checked.
    pub refloat_version: String,
}

/// A site's sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Format; a newer one is refused.
    pub format: u32,
    /// Which site.
    pub site: SiteName,
    /// When.
    pub at: Timestamp,
    /// Version of its refloat.
    pub refloat_version: String,
    /// Newest points that it could read.
    pub readable: Vec<PointId>,
}
