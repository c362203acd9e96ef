//! A guest's memory as the functions of WASI read and write it: every place is checked, and a wrong one is an error
//! number.

use std::ops::Range;

use super::errno::Errno;
use super::fs::GuestPath;
use crate::sys::guest_memory::GuestMemory;

/// Size of one entry in a list of buffers: a pointer and a length.
const BUFFER_BYTES: u64 = 8;

/// The memory of a guest that waits for a function of WASI.
pub(super) struct Memory<'a>(GuestMemory<'a>);

/// One buffer of a list that the guest gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Buffer {
    pub(super) at: u32,
    pub(super) len: u32,
}

/// A list of buffers, as long as the guest says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buffers {
    at: u32,
    pub(super) count: u32,
}

impl<'a> Memory<'a> {
    pub(super) fn new(memory: GuestMemory<'a>) -> Self {
        Self(memory)
    }

    /// The place of so many bytes.
    ///
    /// # Errors
    /// [`Errno::Fault`] if they are not all there.
    fn range(&self, at: u64, len: u64) -> Result<Range<usize>, Errno> {
        let end = at.checked_add(len).ok_or(Errno::Fault)?;
        if end > self.0.bytes().len() as u64 {
            return Err(Errno::Fault);
        }
        // Both are at most the length of a slice.
        let place = |at: u64| usize::try_from(at).map_err(|_| Errno::Fault);
        Ok(place(at)?..place(end)?)
    }

    /// Looks whether so many bytes are there, for what is written only after something was done.
    ///
    /// # Errors
    /// [`Errno::Fault`] if they are not.
    pub(super) fn check(&self, at: u32, len: u64) -> Result<(), Errno> {
        self.range(at.into(), len).map(drop)
    }

    /// Reads so many bytes by value.
    ///
    /// # Errors
    /// [`Errno::Fault`] if they are not all there.
    pub(super) fn load<const N: usize>(&self, at: u32, offset: u64) -> Result<[u8; N], Errno> {
        let range = self.range(u64::from(at) + offset, N as u64)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0.bytes()[range]);
        Ok(bytes)
    }

    /// Reads a number of 32 bits.
    ///
    /// # Errors
    /// As [`Memory::load`].
    pub(super) fn load_u32(&self, at: u32, offset: u64) -> Result<u32, Errno> {
        self.load(at, offset).map(u32::from_le_bytes)
    }

    /// Reads a number of 64 bits.
    ///
    /// # Errors
    /// As [`Memory::load`].
    pub(super) fn load_u64(&self, at: u32, offset: u64) -> Result<u64, Errno> {
        self.load(at, offset).map(u64::from_le_bytes)
    }

    /// Writes all of the bytes or none.
    ///
    /// # Errors
    /// [`Errno::Fault`] if there is not room for all.
    pub(super) fn store(&mut self, at: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        let range = self.range(u64::from(at) + offset, bytes.len() as u64)?;
        self.0.bytes_mut()[range].copy_from_slice(bytes);
        Ok(())
    }

    /// Lends so many bytes to read from.
    ///
    /// # Errors
    /// [`Errno::Fault`] if they are not all there.
    pub(super) fn bytes(&self, at: u32, len: u32) -> Result<&[u8], Errno> {
        let range = self.range(at.into(), len.into())?;
        Ok(&self.0.bytes()[range])
    }

    /// Lends so many bytes to write to.
    ///
    /// # Errors
    /// As [`Memory::bytes`].
    pub(super) fn bytes_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Errno> {
        let range = self.range(at.into(), len.into())?;
        Ok(&mut self.0.bytes_mut()[range])
    }

    /// Lends a path.
    ///
    /// # Errors
    /// [`Errno::Fault`] if it is not all there, and those of [`GuestPath::new`].
    pub(super) fn path(&self, at: u32, len: u32) -> Result<GuestPath<'_>, Errno> {
        GuestPath::new(self.bytes(at, len)?)
    }

    /// The list of buffers at that place.
    ///
    /// # Errors
    /// [`Errno::Fault`] if it is not all there. Whether the buffers are is looked at with each.
    pub(super) fn buffers(&self, at: u32, count: u32) -> Result<Buffers, Errno> {
        self.check(at, BUFFER_BYTES * u64::from(count))?;
        Ok(Buffers { at, count })
    }

    /// One buffer of a list.
    ///
    /// # Errors
    /// [`Errno::Fault`] if there is none.
    pub(super) fn buffer(&self, of: Buffers, index: u32) -> Result<Buffer, Errno> {
        let offset = BUFFER_BYTES * u64::from(index);
        let buffer =
            Buffer { at: self.load_u32(of.at, offset)?, len: self.load_u32(of.at, offset + 4)? };
        self.check(buffer.at, buffer.len.into())?;
        Ok(buffer)
    }
}
