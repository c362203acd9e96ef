//! Which machine this is, to a store that several may share.
//!
//! Names of hosts come and go, with every container. So a machine is known by a random number, which
//! lies beside the store's other files; its name is for people only.

use std::io;

use camino::Utf8Path;

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

const FILE: &str = "machine";

impl Machine {
    /// The machine whose files lie in `folder`; it gets a number if it has none.
    ///
    /// # Errors
    /// If the number cannot be kept.
    pub fn of(folder: &Utf8Path, name: String, labels: Vec<String>) -> io::Result<Self> {
        let path = folder.join(FILE);
        if let Some(id) = read(&path) {
            return Ok(Self { id, name, labels });
        }
        std::fs::create_dir_all(folder)?;
        let id = crate::serve::random_token();
        let made = folder.join(format!("{FILE}.{}.tmp", std::process::id()));
        std::fs::write(&made, format!("{id}\n"))?;
        // Whole or not at all, and the first one wins.
        let linked = match std::fs::hard_link(&made, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && read(&path).is_none() => {
                std::fs::rename(&made, &path)
            }
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        };
        let _ = std::fs::remove_file(&made);
        linked?;
        Ok(Self { id: read(&path).unwrap_or(id), name, labels })
    }

    /// Which of these labels it lacks.
    pub fn lacks<'l>(&self, labels: &'l [String]) -> Vec<&'l str> {
        labels.iter().filter(|one| !self.labels.contains(one)).map(String::as_str).collect()
    }
}

fn read(path: &Utf8Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let id = text.trim();
    let plain = id.len() >= 16 && id.chars().all(|c| c.is_ascii_alphanumeric());
    plain.then(|| id.to_owned())
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
}
