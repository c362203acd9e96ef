//! `sandbox keygen`, and the files that keys are in.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use sandbox_core::{SealingKey, VerifyingKey};

use crate::failure::Failure;

/// First words of key files.
const SECRET: &str = "sandbox-secret-key";
const PUBLIC: &str = "sandbox-public-key";

/// Make a pair of keys for `sandbox compile`
///
/// The secret key signs compiled modules; the public key beside it (with `.pub` at the end) loads them, and cannot sign any.
#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Where to write the secret key. A file that is there is left as it is
    file: PathBuf,
}

impl Keygen {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let secret = SealingKey::generate().map_err(|error| Failure::system(&error))?;
        let mut public_file = self.file.clone().into_os_string();
        public_file.push(".pub");
        let public = secret.verifying_key().to_bytes();
        create(&self.file, 0o600, &line(SECRET, &secret.to_bytes()))?;
        create(Path::new(&public_file), 0o644, &line(PUBLIC, &public))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A key, by the file that it is in.
#[derive(Debug)]
pub(crate) enum Key {
    Secret(SealingKey),
    Public(VerifyingKey),
}

impl Key {
    /// Reads a file that [`Keygen`] wrote.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let said = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("--key {}: {error}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| said(&error))?;
        parse(&text).ok_or_else(|| said(&"it is no key: `sandbox keygen FILE` makes one"))
    }

    /// The key that loads what was compiled with this one.
    pub(crate) fn verifying(&self) -> VerifyingKey {
        match self {
            Self::Secret(key) => key.verifying_key(),
            Self::Public(key) => *key,
        }
    }
}

fn parse(text: &str) -> Option<Key> {
    let (kind, digits) = text.trim().split_once(' ')?;
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    match kind {
        SECRET => Some(Key::Secret(SealingKey::from_bytes(bytes))),
        PUBLIC => Some(Key::Public(VerifyingKey::from_bytes(bytes))),
        _ => None,
    }
}

fn line(kind: &str, key: &[u8; 32]) -> String {
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{kind} {digits}\n")
}

/// Writes a file that is not there yet.
fn create(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written_and_never_taken_for_each_other() {
        let secret = SealingKey::from_bytes([0xA7; 32]);
        let public = secret.verifying_key();
        let read = parse(&line(SECRET, &secret.to_bytes())).unwrap();
        assert!(matches!(&read, Key::Secret(key) if key.to_bytes() == secret.to_bytes()));
        assert_eq!(read.verifying(), public);
        let read = parse(&line(PUBLIC, &public.to_bytes())).unwrap();
        assert!(matches!(read, Key::Public(key) if key == public));
        for wrong in
            ["", "sandbox-secret-key", "sandbox-secret-key 00", "other 00", &"é".repeat(64)]
        {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
        assert!(parse(&format!("{SECRET} {}", "+f".repeat(32))).is_none());
    }
}
