//! Logs of commands that print without end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use camino::Utf8Path;
use rustix::fs::FallocateFlags;

/// How much of a log is kept: its beginning and its end, half each.
pub(super) const MOST: u64 = 8 * 1024 * 1024;
/// How much a log may hold for a moment, between two looks at it.
const SLACK: u64 = 8 * 1024 * 1024;

/// The log of one run. Its file is open for appending, so that what is taken out of its middle
/// while a command writes leaves no hole.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// How many bytes of its middle are a hole.
    freed: u64,
}

impl Log {
    /// Makes an empty log.
    pub(super) fn create(path: &Utf8Path) -> io::Result<Self> {
        // Not through a link, or into a pipe, that somebody put there.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(path)?;
        Ok(Self { file, freed: 0 })
    }

    /// Where a command writes to.
    pub(super) fn for_command(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Frees the room of the middle if the log has grown far beyond what is kept. What the command
    /// writes meanwhile is not touched.
    pub(super) fn look(&mut self) {
        let length = self.length();
        if length < self.freed + MOST + SLACK {
            return;
        }
        let (from, to) = (MOST / 2, length - MOST / 2);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if rustix::fs::fallocate(&self.file, flags, from, to - from).is_ok() {
            self.freed = to - from;
        } else {
            // A file system without holes: lines of this moment may be lost.
            self.shorten(MOST + SLACK);
        }
    }

    fn length(&self) -> u64 {
        self.file.metadata().map(|data| data.len()).unwrap_or_default()
    }

    /// Takes out the middle of a log that nobody writes to any more, and what `hide` takes out.
    pub(super) fn close(mut self, hide: impl Fn(&str) -> String) {
        self.shorten(MOST);
        let mut bytes = Vec::new();
        let read =
            self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.read_to_end(&mut bytes));
        if read.is_err() {
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        let hidden = hide(&text);
        if hidden != text {
            // The longer of two evils is a log that is not there.
            let _ = self.file.set_len(0).and_then(|()| self.file.write_all(hidden.as_bytes()));
        }
    }

    fn shorten(&mut self, above: u64) {
        let length = self.length();
        if length > above {
            // Whoever cannot shorten a log cannot do anything else about it either.
            let _ = self.cut(length);
        }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let part = |file: &mut File, from: u64| {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(from))?;
            file.take(MOST / 2).read_to_end(&mut bytes)?;
            io::Result::Ok(bytes)
        };
        let head = part(&mut self.file, 0)?;
        let tail = part(&mut self.file, length - MOST / 2)?;
        let gone = length - MOST;
        self.file.set_len(0)?;
        self.file.write_all(&head)?;
        writeln!(self.file, "\n[... {gone} bytes are left out here ...]")?;
        self.file.write_all(&tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_keeps_its_beginning_and_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("log");
        let mut log = Log::create(&path).unwrap();
        let mut command = log.for_command().unwrap();
        let line = [b'x'; 1023];
        writeln!(command, "first").unwrap();
        for number in 0..20_000 {
            command.write_all(&line).unwrap();
            writeln!(command).unwrap();
            if number % 1000 == 0 {
                log.look();
                let room = std::os::unix::fs::MetadataExt::blocks(&path.metadata().unwrap()) * 512;
                assert!(room <= MOST + SLACK + (2 << 20), "{room}");
            }
        }
        writeln!(command, "last, with a s3cr3t").unwrap();
        log.close(|text| text.replace("s3cr3t", "..."));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() as u64 <= MOST + 200, "{}", text.len());
        assert!(text.starts_with("first\n") && text.ends_with("last, with a ...\n"));
        assert!(text.contains("bytes are left out here"));
    }
}
