//! The names of a module's functions.
//!
//! Only backtraces need them, and there may be thousands. So they leave the module's native code when that leaves the
//! process, travel beside it, and are not looked at before somebody asks.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;

/// The names of functions by their index, imported ones included. One line of JSON outside the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    written: Bytes,
    read: OnceLock<BTreeMap<u32, String>>,
}

impl Names {
    pub(super) fn new(names: &BTreeMap<u32, String>) -> Self {
        let written =
            serde_json::to_vec(names).expect("numbers and strings can be written as JSON");
        Self::read_when_needed(written.into())
    }

    /// What was written once, which must be authentic.
    pub(super) fn read_when_needed(written: Bytes) -> Self {
        Self { written, read: OnceLock::new() }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.written
    }

    /// The name of the function of that index, if it has one.
    pub(crate) fn of_function(&self, index: u32) -> Option<&str> {
        // What cannot be read has no names: nothing but words for people is lost.
        let read = || serde_json::from_slice(&self.written).unwrap_or_default();
        self.read.get_or_init(read).get(&index).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_whatever_is_in_them() {
        let names = BTreeMap::from([(0, "one\n\"two\"".to_owned()), (7, String::new())]);
        let written = Names::new(&names);
        assert!(!written.as_bytes().contains(&b'\n'));
        let read = Names::read_when_needed(Bytes::copy_from_slice(written.as_bytes()));
        assert_eq!(read.of_function(0), Some("one\n\"two\""));
        assert_eq!(read.of_function(7), Some(""));
        assert_eq!(read.of_function(1), None);
    }

    #[test]
    fn no_names_are_none() {
        assert_eq!(Names::default().of_function(0), None);
    }
}
