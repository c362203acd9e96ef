//! Folders to be granted, and a secret beside them.

use std::path::Path;

use sandbox_core::SecurityPolicy;

/// A folder to be granted, with a file in it, inside of a folder with a secret.
pub(crate) struct Playground {
    folder: tempfile::TempDir,
}

/// Secret that nobody may read, and nothing may change.
pub(crate) const SECRET: &str = "the secret";

impl Playground {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), SECRET).unwrap();
        for name in ["granted", "readonly"] {
            let granted = folder.path().join(name);
            std::fs::create_dir(&granted).unwrap();
            std::fs::write(granted.join("file"), format!("a file of {name}")).unwrap();
            std::fs::create_dir(granted.join("sub")).unwrap();
            std::fs::write(granted.join("sub/inner"), "inner").unwrap();
        }
        Self { folder }
    }

    /// The folder around the granted ones.
    pub(crate) fn outside(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn host(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    /// A policy that grants both folders.
    pub(crate) fn policy(&self) -> SecurityPolicy {
        use sandbox_core::Access;
        SecurityPolicy::strict()
            .with_folder(self.host("granted"), "/granted", Access::ReadWrite)
            .with_folder(self.host("readonly"), "/readonly", Access::ReadOnly)
    }

    /// Asserts that nothing outside of the granted folder has changed.
    pub(crate) fn assert_untouched(&self) {
        assert_eq!(std::fs::read_to_string(self.host("secret")).unwrap(), SECRET);
        assert_eq!(
            std::fs::read_to_string(self.host("readonly/file")).unwrap(),
            "a file of readonly"
        );
        assert_eq!(std::fs::read_to_string(self.host("readonly/sub/inner")).unwrap(), "inner");
        assert_eq!(std::fs::read_dir(self.host("readonly")).unwrap().count(), 2);
        assert_eq!(std::fs::read_dir(self.outside()).unwrap().count(), 3);
    }
}
