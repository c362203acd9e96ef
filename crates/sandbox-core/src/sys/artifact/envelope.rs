//! The file around native code or the state of an instance, and its authentication.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic, with the version of this format in its last byte |
//! | 8 | 8 | the key's identifier |
//! | 16 | 8 | length of the description, little-endian |
//! | 24 | 8 | length of the native code, little-endian |
//! | 32 | 32 or 64 | the seal: an authentication code (version 2), or a signature (version 3) |
//! | 64 or 128 | | description, filled with zeros to a multiple of 64 |
//! | | | native code, to the end of the file |
//!
//! The authentication code is the keyed BLAKE3 of everything but itself. The signature is Ed25519's, of the BLAKE3 of
//! everything but itself. So no bit of the file can change. What is read before it is verified (magic, key identifier,
//! lengths) decides only which error is returned.

use std::ops::Range;

use bytes::Bytes;

use super::NativeCode;
use crate::error::ArtifactRejection;
use crate::signing::{KeyId, KeyRing, Purpose, Seal, Sealer};

/// Where the seal begins.
const SEAL_AT: usize = 32;
/// Parts begin at multiples of this, so that native code is aligned as Wasmer wants it without a copy.
const PART_ALIGNMENT: usize = 64;

/// The parts of a file whose seal was right. Only [`open`] makes one.
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

/// Kind of what a file holds, which is part of what is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Module,
    Snapshot,
}

impl Content {
    fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Cache | Purpose::Shipping => Self::Module,
            Purpose::Snapshot => Self::Snapshot,
        }
    }
}

/// Opens a file with the state of an instance: its description, and the bytes behind that. Nothing of it is native code.
pub(crate) fn open_snapshot(
    file: Bytes,
    keys: &KeyRing,
) -> Result<(Bytes, Bytes), ArtifactRejection> {
    let Opened { description, native } = open(file, keys, Purpose::Snapshot)?;
    Ok((description, native))
}

/// Kind of a seal, and with that of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Code,
    Signature,
}

impl Form {
    const ALL: [Self; 2] = [Self::Code, Self::Signature];

    const fn magic(self, content: Content) -> [u8; 8] {
        match (content, self) {
            (Content::Module, Self::Code) => *b"sandbox\x02",
            (Content::Module, Self::Signature) => *b"sandbox\x03",
            (Content::Snapshot, Self::Code) => *b"sbstate\x01",
            (Content::Snapshot, Self::Signature) => *b"sbstate\x02",
        }
    }

    const fn header_bytes(self) -> usize {
        match self {
            Self::Code => 64,
            Self::Signature => 128,
        }
    }

    const fn seal_end(self) -> usize {
        match self {
            Self::Code => SEAL_AT + 32,
            Self::Signature => SEAL_AT + 64,
        }
    }
}

/// Puts the parts together and authenticates them.
pub(crate) fn seal(
    description: &[u8],
    native: &[u8],
    key: Sealer<'_>,
    purpose: Purpose,
) -> Vec<u8> {
    let (form, id) = match key {
        Sealer::Symmetric(key) => (Form::Code, key.id()),
        Sealer::Secret(key) => (Form::Signature, key.verifying_key().id()),
    };
    let header_bytes = form.header_bytes();
    let native_at = header_bytes + description.len().next_multiple_of(PART_ALIGNMENT);
    let mut file = Vec::with_capacity(native_at + native.len());
    file.extend_from_slice(&form.magic(Content::of(purpose)));
    file.extend_from_slice(&id);
    file.extend_from_slice(&(description.len() as u64).to_le_bytes());
    file.extend_from_slice(&(native.len() as u64).to_le_bytes());
    file.resize(header_bytes, 0);
    file.extend_from_slice(description);
    file.resize(native_at, 0);
    file.extend_from_slice(native);
    let seal_end = form.seal_end();
    match key {
        Sealer::Symmetric(key) => {
            let code = digest(&file, form, key.authenticator(purpose));
            file[SEAL_AT..seal_end].copy_from_slice(code.as_bytes());
        }
        Sealer::Secret(key) => {
            let signature = key.sign(&digest(&file, form, blake3::Hasher::new()));
            file[SEAL_AT..seal_end].copy_from_slice(&signature);
        }
    }
    file
}

/// Authenticates a file and takes it apart.
pub(crate) fn open(
    file: Bytes,
    keys: &KeyRing,
    purpose: Purpose,
) -> Result<Opened, ArtifactRejection> {
    let header = Header::parse(&file, Content::of(purpose))?;
    let native_at = header.check_length(file.len())?;
    let verified = keys.verify(header.key, &header.seal(&file)?, |symmetric| {
        let hasher = symmetric.map_or_else(blake3::Hasher::new, |key| key.authenticator(purpose));
        digest(&file, header.form, hasher)
    });
    match verified {
        None => return Err(ArtifactRejection::ForeignKey),
        Some(false) => return Err(ArtifactRejection::Altered),
        Some(true) => {}
    }
    let description = header.description();
    Ok(Opened { description: file.slice(description), native: file.slice(native_at..) })
}

/// Statement of a file about itself, which is not authenticated.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) key: KeyId,
    pub(crate) is_signed: bool,
    pub(crate) description: Bytes,
}

/// Reads what a file says of itself, whoever made it.
pub(crate) fn claims(file: &Bytes) -> Result<Claims, ArtifactRejection> {
    let header = Header::parse(file, Content::Module)?;
    header.check_length(file.len())?;
    let is_signed = header.form == Form::Signature;
    Ok(Claims { key: header.key, is_signed, description: file.slice(header.description()) })
}

/// Hashes everything but the seal.
fn digest(file: &[u8], form: Form, mut hasher: blake3::Hasher) -> blake3::Hash {
    hasher.update(&file[..SEAL_AT]);
    hasher.update(&file[form.seal_end()..]);
    hasher.finalize()
}

struct Header {
    form: Form,
    key: KeyId,
    description_bytes: usize,
    native_bytes: usize,
}

impl Header {
    fn parse(file: &[u8], content: Content) -> Result<Self, ArtifactRejection> {
        let (start, _) =
            file.split_first_chunk::<SEAL_AT>().ok_or(ArtifactRejection::Unrecognised)?;
        let (magic, rest) = take::<8>(start);
        let (key, rest) = take::<8>(rest);
        let (description_bytes, rest) = take::<8>(rest);
        let (native_bytes, _) = take::<8>(rest);
        let form = Form::ALL.into_iter().find(|form| form.magic(content) == magic);
        let form = form.ok_or(ArtifactRejection::Unrecognised)?;
        if file.len() < form.header_bytes() {
            return Err(ArtifactRejection::Unrecognised);
        }
        let length = |bytes| {
            usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| ArtifactRejection::Unrecognised)
        };
        let (description_bytes, native_bytes) = (length(description_bytes)?, length(native_bytes)?);
        Ok(Self { form, key, description_bytes, native_bytes })
    }

    /// Where the description is, in a file of the right length.
    fn description(&self) -> Range<usize> {
        let start = self.form.header_bytes();
        start..start + self.description_bytes
    }

    fn seal<'a>(&self, file: &'a [u8]) -> Result<Seal<'a>, ArtifactRejection> {
        let rest = file.get(SEAL_AT..).unwrap_or_default();
        let seal = match self.form {
            Form::Code => rest.first_chunk().map(Seal::Code),
            Form::Signature => rest.first_chunk().map(Seal::Signature),
        };
        seal.ok_or(ArtifactRejection::Unrecognised)
    }

    /// Where the native code begins in a file of that length, which must be the right one.
    fn check_length(&self, actual: usize) -> Result<usize, ArtifactRejection> {
        let native_at = self
            .description_bytes
            .checked_next_multiple_of(PART_ALIGNMENT)
            .and_then(|bytes| bytes.checked_add(self.form.header_bytes()));
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
