//! An open file of the host.

use std::borrow::Cow;
use std::io::{IoSlice, IoSliceMut};
use std::num::NonZeroU64;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::{Errno as Host, ReadWriteFlags};

use super::super::{Advice, Appended, Durability, Errno, Result, SetTimes, Stat};
use super::Grant;
use super::folder::{stat_of, timestamps};
use super::quota::Held;

/// The place in a file that no call of the host takes: it is the sign bit of an offset.
const BEYOND: u64 = 1 << 63;

/// Regular file of the host, open. Its position in the host's eyes is not used but to tell where an append ended.
#[derive(Debug)]
pub(in super::super) struct HostFile {
    /// Its charge, in a folder with a quota. Given back while the file is open: its number is not another file's then.
    held: Option<Held>,
    fd: OwnedFd,
    grant: Arc<Grant>,
}

/// Calls again as long as a signal comes in between.
fn uninterrupted<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(Host::INTR) => {}
            result => return Ok(result?),
        }
    }
}

impl HostFile {
    pub(super) const fn new(fd: OwnedFd, grant: Arc<Grant>, held: Option<Held>) -> Self {
        Self { held, fd, grant }
    }

    pub(in super::super) fn read_at(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        offset: u64,
    ) -> Result<usize> {
        if offset >= BEYOND {
            return Err(Errno::Inval);
        }
        match buffers {
            [buffer] => uninterrupted(|| rustix::io::pread(&self.fd, &mut **buffer, offset)),
            buffers => uninterrupted(|| rustix::io::preadv(&self.fd, buffers, offset)),
        }
    }

    pub(in super::super) fn write_at(
        &self,
        buffers: &[IoSlice<'_>],
        offset: u64,
        durability: Durability,
    ) -> Result<usize> {
        if offset >= BEYOND {
            return Err(Errno::Inval);
        }
        match &self.held {
            None => self.write_uncharged(buffers, offset, durability),
            Some(held) => held.write(&self.fd, Some(offset), length(buffers), |fitting| {
                self.write_uncharged(&cut(buffers, fitting), offset, durability)
            }),
        }
    }

    fn write_uncharged(
        &self,
        buffers: &[IoSlice<'_>],
        offset: u64,
        durability: Durability,
    ) -> Result<usize> {
        match (buffers, durability) {
            ([buffer], Durability::Eventual) => {
                uninterrupted(|| rustix::io::pwrite(&self.fd, buffer, offset))
            }
            (buffers, Durability::Eventual) => {
                uninterrupted(|| rustix::io::pwritev(&self.fd, buffers, offset))
            }
            (buffers, durability) => {
                uninterrupted(|| rustix::io::pwritev2(&self.fd, buffers, offset, flags(durability)))
            }
        }
    }

    pub(in super::super) fn append(
        &self,
        buffers: &[IoSlice<'_>],
        durability: Durability,
    ) -> Result<Appended> {
        let written = match &self.held {
            None => self.append_uncharged(buffers, durability)?,
            Some(held) => held.write(&self.fd, None, length(buffers), |fitting| {
                self.append_uncharged(&cut(buffers, fitting), durability)
            })?,
        };
        let end = rustix::fs::seek(&self.fd, SeekFrom::Current(0))?;
        Ok(Appended { written, end })
    }

    fn append_uncharged(&self, buffers: &[IoSlice<'_>], durability: Durability) -> Result<usize> {
        // At the end that the file has when the host writes, whoever else appends. Without an offset, the position that the
        // host keeps goes along, and tells where that was.
        let flags = ReadWriteFlags::APPEND | flags(durability);
        uninterrupted(|| rustix::io::pwritev2(&self.fd, buffers, u64::MAX, flags))
    }

    pub(in super::super) fn stat(&self) -> Result<Stat> {
        Ok(stat_of(&rustix::fs::fstat(&self.fd)?))
    }

    pub(in super::super) fn set_len(&self, len: u64) -> Result<()> {
        if len >= BEYOND {
            return Err(Errno::FBig);
        }
        let set_len = || uninterrupted(|| rustix::fs::ftruncate(&self.fd, len));
        match &self.held {
            None => set_len(),
            Some(held) => held.set_len(&self.fd, len, set_len),
        }
    }

    pub(in super::super) fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        if offset.checked_add(len).is_none_or(|end| end >= BEYOND) {
            return Err(Errno::FBig);
        }
        let mode = FallocateFlags::empty();
        let allocate = || uninterrupted(|| rustix::fs::fallocate(&self.fd, mode, offset, len));
        match &self.held {
            None => allocate(),
            Some(held) => held.fill(&self.fd, offset, len, allocate),
        }
    }

    pub(in super::super) fn advise(&self, offset: u64, len: u64, advice: Advice) -> Result<()> {
        let len = NonZeroU64::new(len.min(BEYOND - 1));
        let offset = offset.min(BEYOND - 1);
        uninterrupted(|| rustix::fs::fadvise(&self.fd, offset, len, advice.of_host()))
    }

    pub(in super::super) fn set_times(&self, times: SetTimes) -> Result<()> {
        // The host's owner may do this through a file that is open only for reading.
        self.grant.check_writable()?;
        Ok(rustix::fs::futimens(&self.fd, &timestamps(times))?)
    }

    pub(in super::super) fn sync(&self, durability: Durability) -> Result<()> {
        uninterrupted(|| match durability {
            Durability::Eventual => Ok(()),
            Durability::Data => rustix::fs::fdatasync(&self.fd),
            Durability::All => rustix::fs::fsync(&self.fd),
        })
    }
}

/// Number of bytes in the buffers.
fn length(buffers: &[IoSlice<'_>]) -> u64 {
    buffers.iter().map(|buffer| buffer.len() as u64).sum()
}

/// The buffers up to that length.
fn cut<'a>(buffers: &'a [IoSlice<'a>], len: u64) -> Cow<'a, [IoSlice<'a>]> {
    if length(buffers) <= len {
        return Cow::Borrowed(buffers);
    }
    let mut left = usize::try_from(len).unwrap_or(usize::MAX);
    let fitting = buffers.iter().map(|buffer| {
        let part = &buffer[..buffer.len().min(left)];
        left -= part.len();
        IoSlice::new(part)
    });
    Cow::Owned(fitting.collect())
}

fn flags(durability: Durability) -> ReadWriteFlags {
    match durability {
        Durability::Eventual => ReadWriteFlags::empty(),
        Durability::Data => ReadWriteFlags::DSYNC,
        Durability::All => ReadWriteFlags::SYNC,
    }
}
