//! The file around native code, and its authentication.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic, with the version of this format in its last byte |
//! | 8 | 8 | the key's identifier |
//! | 16 | 8 | length of the description, little-endian |
//! | 24 | 8 | length of the native code, little-endian |
//! | 32 | 32 | authentication code |
//! | 64 | | description, filled with zeros to a multiple of 64 |
//! | | | native code, to the end of the file |
//!
//! The authentication code is the keyed BLAKE3 of everything but itself, so no bit of the file can change. What is
//! read before it is verified (magic, key identifier, lengths) decides only which error is returned.

use bytes::Bytes;

use super::NativeCode;
use crate::error::ArtifactRejection;
use crate::signing::{KeyId, Purpose, SigningKey};

const MAGIC: [u8; 8] = *b"sandbox\x02";
const HEADER_BYTES: usize = 64;
/// Where the authenticated part of the header ends and the authentication code begins.
const CODE_AT: usize = 32;
/// Parts begin at multiples of this, so that native code is aligned as Wasmer wants it without a copy.
const PART_ALIGNMENT: usize = 64;

/// The parts of a file whose authentication code was right. Only [`open`] makes one.
#[derive(Debug)]
pub(crate) struct Opened {
    description: Bytes,
    native: Bytes,
}

impl Opened {
    /// Hands out the native code if its description says that it was made by this build of the library, for this
    /// processor and for what is wanted: `fits` has to find that out, and returns what else the description says.
    pub(crate) fn accept_if<T>(
        self,
        fits: impl FnOnce(&Bytes) -> Result<T, ArtifactRejection>,
    ) -> Result<(NativeCode, T), ArtifactRejection> {
        let described = fits(&self.description)?;
        Ok((NativeCode(self.native), described))
    }
}

/// Puts the parts together and authenticates them.
pub(crate) fn seal(
    description: &[u8],
    native: &[u8],
    key: &SigningKey,
    purpose: Purpose,
) -> Vec<u8> {
    let native_at = HEADER_BYTES + description.len().next_multiple_of(PART_ALIGNMENT);
    let mut file = Vec::with_capacity(native_at + native.len());
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&key.id());
    file.extend_from_slice(&(description.len() as u64).to_le_bytes());
    file.extend_from_slice(&(native.len() as u64).to_le_bytes());
    file.resize(HEADER_BYTES, 0);
    file.extend_from_slice(description);
    file.resize(native_at, 0);
    file.extend_from_slice(native);
    let code = authentication_code(&file, key, purpose);
    file[CODE_AT..HEADER_BYTES].copy_from_slice(code.as_bytes());
    file
}

/// Authenticates a file and takes it apart.
pub(crate) fn open(
    file: Bytes,
    key: &SigningKey,
    purpose: Purpose,
) -> Result<Opened, ArtifactRejection> {
    let header = Header::parse(&file)?;
    let native_at = header.check_length(file.len())?;
    if header.key != key.id() {
        return Err(ArtifactRejection::ForeignKey);
    }
    // Comparing hashes of this type takes the same time whatever they are.
    if authentication_code(&file, key, purpose) != header.code {
        return Err(ArtifactRejection::Altered);
    }
    let description_end = HEADER_BYTES + header.description_bytes;
    Ok(Opened {
        description: file.slice(HEADER_BYTES..description_end),
        native: file.slice(native_at..),
    })
}

fn authentication_code(file: &[u8], key: &SigningKey, purpose: Purpose) -> blake3::Hash {
    let mut authenticator = key.authenticator(purpose);
    authenticator.update(&file[..CODE_AT]);
    authenticator.update(&file[HEADER_BYTES..]);
    authenticator.finalize()
}

struct Header {
    key: KeyId,
    description_bytes: usize,
    native_bytes: usize,
    code: blake3::Hash,
}

impl Header {
    fn parse(file: &[u8]) -> Result<Self, ArtifactRejection> {
        let (header, _) =
            file.split_first_chunk::<HEADER_BYTES>().ok_or(ArtifactRejection::Unrecognised)?;
        let (magic, rest) = take::<8>(header);
        let (key, rest) = take::<8>(rest);
        let (description_bytes, rest) = take::<8>(rest);
        let (native_bytes, rest) = take::<8>(rest);
        let (code, _) = take::<32>(rest);
        if magic != MAGIC {
            return Err(ArtifactRejection::Unrecognised);
        }
        let length = |bytes| {
            usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| ArtifactRejection::Unrecognised)
        };
        Ok(Self {
            key,
            description_bytes: length(description_bytes)?,
            native_bytes: length(native_bytes)?,
            code: blake3::Hash::from_bytes(code),
        })
    }

    /// Where the native code begins in a file of that length, which must be the right one.
    fn check_length(&self, actual: usize) -> Result<usize, ArtifactRejection> {
        let native_at = self
            .description_bytes
            .checked_next_multiple_of(PART_ALIGNMENT)
            .and_then(|bytes| bytes.checked_add(HEADER_BYTES));
        let declared = native_at.and_then(|at| at.checked_add(self.native_bytes));
        match (native_at, declared) {
            (Some(native_at), Some(declared)) if declared == actual => Ok(native_at),
            (_, declared) => Err(ArtifactRejection::WrongLength {
                declared_bytes: declared.map_or(u64::MAX, |bytes| bytes as u64),
                actual_bytes: actual as u64,
            }),
        }
    }
}

/// The first bytes, and those after them. The header has enough of them.
fn take<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    bytes.split_first_chunk().map_or(([0; N], &[]), |(first, rest)| (*first, rest))
}
