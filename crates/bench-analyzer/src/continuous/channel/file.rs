//! Files that notices are appended to, whole or not at all.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use camino::Utf8Path;

/// How long others are waited for that write into the same file.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a line that was cut off is looked for in.
const LAST: u64 = 1 << 20;

/// Appends a line. What cannot be written as a whole is taken back, and what an earlier writer left
/// of a line when it was cut off goes away.
pub(super) fn append(path: &Utf8Path, line: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A pipe that nobody reads would be waited for.
    let no_wait = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).custom_flags(no_wait).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("{path} is no regular file")));
    }
    lock(&file)?;
    let before = mend(&mut file)?;
    let written = file.write_all(line).and_then(|()| file.sync_data());
    if written.is_err() {
        file.set_len(before)?;
    }
    written
}

fn lock(file: &File) -> io::Result<()> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if began.elapsed() >= PATIENCE => {
                return Err(io::Error::other("another program holds the file's lock"));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Takes away the beginning of a notice at the end of a file, and says how long the file is then.
fn mend(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LAST);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    Read::by_ref(file).take(LAST).read_to_end(&mut end)?;
    let start = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let rest = &end[start..];
    if rest.is_empty() {
        return Ok(length);
    }
    if is_beginning(rest) {
        let kept = length - u64::try_from(rest.len()).unwrap_or_default();
        file.set_len(kept)?;
        return Ok(kept);
    }
    // Somebody else's line.
    file.write_all(b"\n")?;
    Ok(length + 1)
}

/// Whether this is how a notice begins.
fn is_beginning(rest: &[u8]) -> bool {
    const START: &[u8] = b"{\"schema\":";
    let common = rest.len().min(START.len());
    rest[..common] == START[..common]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("new/alerts.jsonl");
        append(&path, b"{\"schema\":1}\n").unwrap();
        for half in ["{\"sch", "{\"schema\":1,\"id\":\"x"] {
            File::options().append(true).open(&path).unwrap().write_all(half.as_bytes()).unwrap();
            append(&path, b"{\"schema\":2}\n").unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"schema\":1}\n{\"schema\":2}\n{\"schema\":2}\n");
        std::fs::write(&path, "a remark").unwrap();
        append(&path, b"{\"schema\":3}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a remark\n{\"schema\":3}\n");
    }

    #[test]
    fn a_pipe_is_no_file_and_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert!(append(&path, b"x\n").is_err());
    }
}
