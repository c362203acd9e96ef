//! Which machine this is, to a store that several may share.
//!
//! Names of hosts come and go, with every container. So a machine is known by a random number, which
//! lies beside the store's other files; its name is for people only. Where that file was copied to
//! another machine, both have one number until the leases show it; then one of them
//! takes another.

use std::io;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};

use crate::secret::random_token;

/// A machine that runs suites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Identity under which the store knows it.
    pub id: String,
    /// Name that people call it.
    pub name: String,
    /// Kind of machine, in words of its owner's: a suite may ask for some of them.
    pub labels: Vec<String>,
}

/// Name of the file.
const FILE: &str = "machine";

impl Machine {
    /// The machine whose files lie in `folder`; it gets a number if it has none.
    ///
    /// # Errors
    /// If the number cannot be kept.
    pub fn of(folder: &Utf8Path, name: String, labels: Vec<String>) -> io::Result<Self> {
        let path = folder.join(FILE);
        if let Some(number) = Number::read(&path) {
            return Ok(Self { id: number.id, name, labels });
        }
        std::fs::create_dir_all(folder)?;
        let (made, id) = make_number(folder)?;
        // Whole or not at all, and the first one wins.
        let linked = match std::fs::hard_link(&made, &path) {
            Err(error)
                if error.kind() == io::ErrorKind::AlreadyExists
                    && Number::read(&path).is_none() =>
            {
                std::fs::rename(&made, &path)
            }
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        };
        let _ = std::fs::remove_file(&made);
        linked?;
        Ok(Self { id: Number::read(&path).map_or(id, |number| number.id), name, labels })
    }

    /// Gives it another number, because another machine has this one too.
    pub(crate) fn take_another_number(&mut self, folder: &Utf8Path) -> io::Result<()> {
        let path = folder.join(FILE);
        // Another program of this machine may have done so.
        if let Some(number) = Number::read(&path).filter(|number| number.id != self.id) {
            self.id = number.id;
            return Ok(());
        }
        std::fs::create_dir_all(folder)?;
        let (made, id) = make_number(folder)?;
        std::fs::rename(&made, &path)?;
        self.id = id;
        Ok(())
    }

    /// Which of these labels it lacks.
    pub fn lacks<'l>(&self, labels: &'l [String]) -> Vec<&'l str> {
        labels.iter().filter(|one| !self.labels.contains(one)).map(String::as_str).collect()
    }
}

/// The number of a machine, as it is kept in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// The number.
    pub id: String,
    /// Where it is kept.
    pub path: Utf8PathBuf,
    /// Whether it was made in another file, of which this is a copy.
    pub is_copy: bool,
}

impl Number {
    /// The number that is kept in a folder, if one is.
    pub fn kept_in(folder: &Utf8Path) -> Option<Self> {
        Self::read(&folder.join(FILE))
    }

    fn read(path: &Utf8Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        let mut words = text.split_whitespace();
        let id = words.next()?;
        let plain = id.len() >= 16 && id.chars().all(|c| c.is_ascii_alphanumeric());
        let made_in = words.next().and_then(|word| word.parse::<u64>().ok());
        let now_in = path.metadata().map(|data| data.ino()).ok();
        let is_copy = made_in.is_some() && made_in != now_in;
        plain.then(|| Self { id: id.to_owned(), path: path.to_owned(), is_copy })
    }
}

/// Makes a number in a file of its own, which says which file it is.
fn make_number(folder: &Utf8Path) -> io::Result<(Utf8PathBuf, String)> {
    let id = random_token();
    let path = folder.join(format!("{FILE}.{}.tmp", std::process::id()));
    std::fs::write(&path, "")?;
    std::fs::write(&path, format!("{id} {}\n", path.metadata()?.ino()))?;
    Ok((path, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_the_same_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap().join("continuous");
        let of =
            |name: &str| Machine::of(&folder, name.to_owned(), vec!["x86".to_owned()]).unwrap();
        let first = of("a");
        assert_eq!(first.id, of("b").id);
        assert_eq!(first.lacks(&["x86".to_owned(), "quiet".to_owned()]), ["quiet"]);
        std::fs::write(folder.join(FILE), "").unwrap();
        assert_ne!(of("a").id, first.id, "a file that was cut off is no number");
        assert_eq!(of("a").id, of("b").id);
    }
    #[test]
    fn a_copied_number_is_seen_and_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let there = folder.join("there");
        std::fs::create_dir(&there).unwrap();
        let of = |folder: &Utf8Path| Machine::of(folder, "a".to_owned(), Vec::new()).unwrap();
        let first = of(folder);
        assert!(!Number::kept_in(folder).unwrap().is_copy);
        std::fs::copy(folder.join(FILE), there.join(FILE)).unwrap();
        let mut twin = of(&there);
        assert_eq!(twin.id, first.id);
        assert!(Number::kept_in(&there).unwrap().is_copy);
        let mut same_folder = twin.clone();
        twin.take_another_number(&there).unwrap();
        same_folder.take_another_number(&there).unwrap();
        assert_ne!(twin.id, first.id);
        assert_eq!((&same_folder.id, &of(&there).id), (&twin.id, &twin.id));
        assert!(!Number::kept_in(&there).unwrap().is_copy);
    }
}
