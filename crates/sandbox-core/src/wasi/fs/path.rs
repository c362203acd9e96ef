//! Paths as guests give them.

use super::{Errno, Result};

/// The longest path in bytes, as on Linux, where 4,096 count the byte that ends it.
const PATH_BYTES: usize = 4095;

/// Path that a guest gave: UTF-8 without NUL, and not too long. It may be empty, absolute or lead out: whether it may be
/// followed is found out when it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GuestPath<'a> {
    text: &'a str,
}

impl<'a> GuestPath<'a> {
    /// Checks the bytes of a path.
    ///
    /// # Errors
    /// [`Errno::IlSeq`] if they are not UTF-8, [`Errno::Inval`] if one is NUL, and [`Errno::NameTooLong`].
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self> {
        if bytes.len() > PATH_BYTES {
            return Err(Errno::NameTooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Errno::IlSeq)?;
        if text.contains('\0') {
            return Err(Errno::Inval);
        }
        Ok(Self { text })
    }

    /// The path as the guest gave it.
    pub(crate) const fn text(self) -> &'a str {
        self.text
    }
}
