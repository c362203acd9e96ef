//! Paths as guests give them.

use super::{Errno, Result};

/// The longest path in bytes, as on Linux, where 4,096 count the byte that ends it.
pub(super) const PATH_BYTES: usize = 4095;

/// The longest name, in bytes: what Linux allows.
pub(super) const LONGEST_NAME: usize = 255;

/// Number of links that are followed on one way, as on Linux.
pub(super) const LINKS: usize = 40;

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

    /// The path, if it is one that may be followed from a folder.
    ///
    /// # Errors
    /// [`Errno::NoEnt`] if it is empty, and [`Errno::Perm`] if it is absolute.
    pub(super) fn relative(self) -> Result<&'a str> {
        match self.text.as_bytes().first() {
            None => Err(Errno::NoEnt),
            Some(b'/') => Err(Errno::Perm),
            Some(_) => Ok(self.text),
        }
    }
}

/// The next name of a path, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step<'a> {
    pub(super) name: &'a [u8],
    /// Whether a slash stands behind the name, so that it has to be a folder's.
    pub(super) has_slash: bool,
    /// Rest of the path, without slashes at its begin: empty behind the last name.
    pub(super) rest: &'a [u8],
}

impl<'a> Step<'a> {
    /// Takes the next name from a path, which may be empty.
    pub(super) fn of(path: &'a [u8]) -> Self {
        let path = without_slashes(path);
        let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
        let (name, after) = path.split_at(end);
        Self { name, has_slash: !after.is_empty(), rest: without_slashes(after) }
    }

    pub(super) const fn is_last(&self) -> bool {
        self.rest.is_empty()
    }
}

fn without_slashes(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|byte| *byte != b'/').unwrap_or(path.len());
    &path[start..]
}

/// Whether a path has a `..` in it.
pub(super) fn goes_up(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|name| name == b"..")
}

/// Whether a symbolic link as the last name of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// The link itself is meant; opening one is [`Errno::Loop`].
    Never,
    Links,
}

/// Question about the last name of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// The name itself, to make, remove or rename what has it.
    Name,
    /// The file that it leads to. A slash behind it follows a link too.
    Target(Follow),
    /// The file that it leads to, which is created if it is not there. A slash behind it is refused in the end, and
    /// follows nothing.
    New(Follow),
}

impl Tail {
    /// Whether a link that has the last name is followed.
    pub(super) fn follows(self, has_slash: bool) -> bool {
        match self {
            Self::Name => false,
            Self::Target(follow) => has_slash || follow == Follow::Links,
            Self::New(follow) => !has_slash && follow == Follow::Links,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_path_are_refused() {
        assert_eq!(GuestPath::new(b"a\0"), Err(Errno::Inval));
        assert_eq!(GuestPath::new(b"a\xff"), Err(Errno::IlSeq));
        assert_eq!(GuestPath::new(&[b'a'; PATH_BYTES + 1]), Err(Errno::NameTooLong));
        assert!(GuestPath::new(&[b'/'; PATH_BYTES]).is_ok());
        assert_eq!(GuestPath::new(b"/a").unwrap().relative(), Err(Errno::Perm));
        assert_eq!(GuestPath::new(b"").unwrap().relative(), Err(Errno::NoEnt));
    }

    #[test]
    fn a_path_is_taken_name_by_name() {
        let step = Step::of(b"a//b/");
        assert_eq!((step.name, step.has_slash, step.rest), (&b"a"[..], true, &b"b/"[..]));
        let step = Step::of(step.rest);
        assert_eq!((step.name, step.has_slash, step.rest), (&b"b"[..], true, &b""[..]));
        let step = Step::of(b"//c");
        assert_eq!((step.name, step.has_slash, step.is_last()), (&b"c"[..], false, true));
        assert!(Step::of(b"").name.is_empty());
    }

    #[test]
    fn only_two_dots_go_up() {
        assert!(goes_up(b"a/../b") && goes_up(b"..") && goes_up(b"a/.."));
        assert!(!goes_up(b"a/..b/...") && !goes_up(b"."));
    }
}
