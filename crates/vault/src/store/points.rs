//! Points: sealed with the next number, read with their signature and their chain, verified by sites.

use futures::StreamExt;
use jiff::Timestamp;
use refloat_core::backup::PointContent;
use refloat_core::names::{ProtectionName, SiteName};

use super::vault::Vault;
use crate::error::VaultError;
use crate::format::{
    self, Envelope, EnvelopeError, Heartbeat, Kind, POINT_FORMAT, PointDocument, PointId, SiteKey,
    Verification,
};

/// Points that are read at once.
const READS_MAX: usize = 24;

/// A point whose signature was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedPoint {
    /// The site that signed it.
    pub signer: SiteName,
    /// Digest of its envelope.
    pub envelope: String,
    /// What it says.
    pub document: PointDocument,
}

/// One point of a listing.
#[derive(Debug)]
pub struct Listed {
    /// Which point.
    pub id: PointId,
    /// The point, or why it cannot be used.
    pub point: Result<SealedPoint, VaultError>,
    /// Sites' verifications of exactly this point.
    pub verified: Vec<Verification>,
    /// Verifications that the store does not give now: whether these sites have verified it is not known.
    pub unread: Vec<(SiteName, VaultError)>,
}

impl Listed {
    /// What the store does not give now. It says nothing of the point.
    pub fn withheld(&self) -> impl Iterator<Item = &VaultError> {
        let point = self.point.as_ref().err();
        let point = point.filter(|error| !error.is_of_object());
        point
            .into_iter()
            .chain(self.unread.iter().map(|(_, error)| error))
    }
}

/// All points of a protection, oldest first, and what is wrong with their chain.
#[derive(Debug)]
pub struct Chain {
    /// Points.
    pub points: Vec<Listed>,
    /// Gaps and breaks: points deleted or replaced by somebody.
    pub warnings: Vec<String>,
}

fn untrusted(path: &str, error: EnvelopeError) -> VaultError {
    let path = path.to_owned();
    match error {
        EnvelopeError::Newer(format) => VaultError::Newer { path, format },
        EnvelopeError::Malformed(why) => VaultError::Unreadable { path, why },
        EnvelopeError::OtherKind(_) | EnvelopeError::Signature(_) | EnvelopeError::Signer(_) => {
            VaultError::Untrusted {
                path,
                why: error.to_string(),
            }
        }
    }
}

fn payload<T: serde::de::DeserializeOwned>(
    path: &str,
    bytes: &[u8],
    format: u32,
) -> Result<T, VaultError> {
    let unreadable = |why: String| VaultError::Unreadable {
        path: path.to_owned(),
        why,
    };
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(found) if (1..=u64::from(format)).contains(&found) => {}
        Some(found) => {
            return Err(VaultError::Newer {
                path: path.to_owned(),
                format: found.to_string(),
            });
        }
        None => return Err(unreadable("it has no format".to_owned())),
    }
    serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))
}

/// A store that has given no point does not answer: that is the error of all. One that has given some withholds the others.
fn settle(chains: &mut [Chain]) -> Result<(), VaultError> {
    let all = || chains.iter().flat_map(|chain| &chain.points);
    let is_given = |listed: &Listed| match &listed.point {
        Ok(_) => true,
        Err(error) => error.is_of_object(),
    };
    let is_answering = all().next().is_none() || all().any(is_given);
    for listed in chains.iter_mut().flat_map(|chain| &mut chain.points) {
        listed.point = match std::mem::replace(&mut listed.point, Err(VaultError::Missing)) {
            Err(error) if is_answering => Err(error.of_one()),
            Err(error) => return Err(error),
            good => good,
        };
    }
    Ok(())
}

impl Vault {
    /// Protections that have points.
    pub async fn protections(&self) -> Result<Vec<ProtectionName>, VaultError> {
        let names = self.names("points").await?;
        Ok(names
            .into_iter()
            .filter_map(|name| ProtectionName::new(name).ok())
            .collect())
    }

    async fn sequences(&self, protection: &ProtectionName) -> Result<Vec<u64>, VaultError> {
        let names = self.names(&format!("points/{protection}")).await?;
        let mut found: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Reads a point and checks its signature.
    pub async fn point(&self, id: &PointId) -> Result<SealedPoint, VaultError> {
        let bytes = self.read(&id.path()).await?;
        self.opened(id, &bytes)
    }

    /// The point in these bytes, if its signature holds.
    fn opened(&self, id: &PointId, bytes: &[u8]) -> Result<SealedPoint, VaultError> {
        let (path, keys) = (id.path(), self.keys());
        let (signer, inner) = Envelope::open(bytes, self.id(), Kind::RecoveryPoint, &path, &keys)
            .map_err(|error| untrusted(&path, error))?;
        let document: PointDocument = payload(&path, &inner, POINT_FORMAT)?;
        if document.id != *id || document.content.site != signer {
            return Err(VaultError::Untrusted {
                path,
                why: "it names another point or another site than it should".to_owned(),
            });
        }
        Ok(SealedPoint {
            signer,
            envelope: format::digest(bytes),
            document,
        })
    }

    /// All points of a protection with their chain checked.
    pub async fn chain(&self, protection: &ProtectionName) -> Result<Chain, VaultError> {
        let mut chain = self.read_chain(protection).await?;
        settle(std::slice::from_mut(&mut chain))?;
        Ok(chain)
    }

    /// The same of several protections. A point that the store does not give fails alone while it gives any other.
    pub async fn chains(&self, protections: &[ProtectionName]) -> Result<Vec<Chain>, VaultError> {
        let mut chains = Vec::with_capacity(protections.len());
        for protection in protections {
            chains.push(self.read_chain(protection).await?);
        }
        settle(&mut chains)?;
        Ok(chains)
    }

    async fn read_chain(&self, protection: &ProtectionName) -> Result<Chain, VaultError> {
        let sequences = self.sequences(protection).await?;
        let ids = sequences.into_iter().rev().map(|sequence| PointId {
            protection: protection.clone(),
            sequence,
        });
        let mut reads = futures::stream::iter(ids)
            .map(|id| self.listed(id))
            .buffered(READS_MAX);
        let mut read: Vec<(Listed, Option<String>)> = Vec::new();
        // The newest first: a store that gives none of them is not asked for the rest, each with its own minute.
        let mut silent = 0;
        while let Some((listed, digest)) = reads.next().await {
            let none_yet = silent == read.len();
            match listed.point {
                Err(error) if none_yet && !error.is_of_object() && silent + 1 == READS_MAX => {
                    return Err(error);
                }
                Err(ref error) if none_yet && !error.is_of_object() => silent += 1,
                Ok(_) | Err(_) => {}
            }
            read.push((listed, digest));
        }
        read.reverse();
        let mut chain = Chain {
            points: Vec::with_capacity(read.len()),
            warnings: Vec::new(),
        };
        let mut expected = 1;
        let mut previous: Option<String> = None;
        let mut is_known = true;
        for (listed, digest) in read {
            let (id, sequence) = (&listed.id, listed.id.sequence);
            let gap = sequence != expected;
            if gap {
                chain.warnings.push(format!(
                    "points {protection}/{expected} to {protection}/{} are gone: deleted by somebody",
                    sequence - 1
                ));
            }
            if let Ok(point) = &listed.point
                && !gap
                && is_known
                && point.document.previous != previous
            {
                chain.warnings.push(format!(
                    "{id} does not follow the point before it: one of the two was replaced"
                ));
            }
            previous = digest;
            is_known = !matches!(&listed.point, Err(error) if !error.is_of_object());
            expected = sequence + 1;
            chain.points.push(listed);
        }
        Ok(chain)
    }

    /// One point with its verifications, and the digest of its envelope, whatever is in it.
    async fn listed(&self, id: PointId) -> (Listed, Option<String>) {
        let (point, digest) = match self.read(&id.path()).await {
            Ok(bytes) => (self.opened(&id, &bytes), Some(format::digest(&bytes))),
            Err(error) => (Err(error), None),
        };
        let (verified, unread) = match &point {
            Ok(point) => self.verifications(&id, &point.envelope).await,
            Err(_) => (Vec::new(), Vec::new()),
        };
        let listed = Listed {
            id,
            point,
            verified,
            unread,
        };
        (listed, digest)
    }

    /// Signs a point with the next number. Two writers never get the same: the later one answers `Taken`.
    pub async fn seal(
        &self,
        key: &SiteKey,
        content: PointContent,
        refloat_version: &str,
        now: Timestamp,
    ) -> Result<SealedPoint, VaultError> {
        let protection = content.protection.clone();
        let newest = self.sequences(&protection).await?.last().copied();
        let previous = match newest {
            Some(sequence) => {
                let before = PointId {
                    protection: protection.clone(),
                    sequence,
                };
                let bytes = self.read(&before.path()).await?;
                if let Some(sealed) = self.sealed_by_run(&before, &bytes, &content) {
                    return Ok(sealed);
                }
                Some(format::digest(&bytes))
            }
            None => None,
        };
        let id = PointId {
            protection,
            sequence: newest.unwrap_or(0) + 1,
        };
        let document = PointDocument {
            format: format::point_format(&content),
            id: id.clone(),
            previous,
            sealed: now,
            refloat_version: refloat_version.to_owned(),
            content,
        };
        let inner = serde_json::to_vec(&document).expect("a point is plain data with text keys");
        let bytes = Envelope::seal(key, Kind::RecoveryPoint, &id.path(), &inner);
        let envelope = format::digest(&bytes);
        self.create(&id.path(), bytes).await?;
        Ok(SealedPoint {
            signer: key.site.clone(),
            envelope,
            document,
        })
    }

    /// The newest point, if this very run sealed it and the reply was lost.
    fn sealed_by_run(
        &self,
        id: &PointId,
        bytes: &[u8],
        content: &PointContent,
    ) -> Option<SealedPoint> {
        let (path, keys) = (id.path(), self.keys());
        let (signer, inner) =
            Envelope::open(bytes, self.id(), Kind::RecoveryPoint, &path, &keys).ok()?;
        let document: PointDocument = payload(&path, &inner, POINT_FORMAT).ok()?;
        let same = signer == content.site && document.content.run == content.run;
        same.then(|| SealedPoint {
            signer,
            envelope: format::digest(bytes),
            document,
        })
    }

    /// Writes a site's verification.
    pub async fn write_verification(
        &self,
        key: &SiteKey,
        verification: &Verification,
    ) -> Result<(), VaultError> {
        let path = verification.point.verification_path(&key.site);
        let inner = serde_json::to_vec(verification).expect("a verification is plain data");
        let bytes = Envelope::seal(key, Kind::Verification, &path, &inner);
        self.put(&path, bytes).await
    }

    /// Sites' verifications of a point with this envelope, and those that the store does not give. One that is not signed by its site
    /// does not count.
    async fn verifications(
        &self,
        id: &PointId,
        envelope: &str,
    ) -> (Vec<Verification>, Vec<(SiteName, VaultError)>) {
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        for (site, _) in self.keys() {
            let path = id.verification_path(&site);
            let bytes = match self.read(&path).await {
                Ok(bytes) => bytes,
                Err(VaultError::NotFound { .. }) => continue,
                Err(error) if error.is_of_object() => {
                    tracing::warn!(%error, "a verification is damaged and does not count");
                    continue;
                }
                Err(error) => {
                    unread.push((site, error.of_one()));
                    continue;
                }
            };
            let opened = Envelope::open(&bytes, self.id(), Kind::Verification, &path, &self.keys());
            let Ok((signer, inner)) = opened else {
                tracing::warn!(%path, "a verification is not signed by its site and does not count");
                continue;
            };
            let Ok(verification) = payload::<Verification>(&path, &inner, 1) else {
                continue;
            };
            if signer == site && verification.site == site && verification.envelope == envelope {
                found.push(verification);
            }
        }
        (found, unread)
    }

    /// Writes a site's sign of life.
    pub async fn write_heartbeat(
        &self,
        key: &SiteKey,
        heartbeat: &Heartbeat,
    ) -> Result<(), VaultError> {
        let path = format!("sites/{}", key.site);
        let inner = serde_json::to_vec(heartbeat).expect("a heartbeat is plain data");
        let bytes = Envelope::seal(key, Kind::Heartbeat, &path, &inner);
        self.put(&path, bytes).await
    }

    /// A site's newest sign of life, if it has given one that is signed by it.
    pub async fn heartbeat(&self, site: &SiteName) -> Result<Option<Heartbeat>, VaultError> {
        let path = format!("sites/{site}");
        let bytes = match self.read(&path).await {
            Ok(bytes) => bytes,
            Err(VaultError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (signer, inner) =
            Envelope::open(&bytes, self.id(), Kind::Heartbeat, &path, &self.keys())
                .map_err(|error| untrusted(&path, error))?;
        let heartbeat: Heartbeat = payload(&path, &inner, 1)?;
        Ok((signer == *site && heartbeat.site == *site).then_some(heartbeat))
    }
}
