//! Granted folders and bundles, opened once for all instances of a sandbox.

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeFrom;
use std::path::Path;
use std::sync::Arc;

use crate::error::{GrantKind, Result, SandboxError, SystemNeed};
use crate::policy::{BundleGrant, FolderGrant};

use super::bundled::BundledFolder;
use super::host::{Grant, HostFolder, Resolver};
use super::listing::Names;
use super::memory::Tree;
use super::path::{LONGEST_NAME, PATH_BYTES};
use super::{Result as ErrnoResult, Stat};

/// The deepest place that a folder can be shown at, in names.
const DEPTH: usize = 128;

/// The number of the first folder that leads to granted ones and is neither the host's nor in memory.
const FIRST_INODE: u64 = 1 << 48;

/// Granted folders and bundles of a sandbox, open, and where its guests see them.
#[derive(Debug)]
pub(crate) struct Grants {
    /// Folders and bundles that were opened, and their places.
    opened: Vec<(Vec<String>, Base)>,
    /// In the order of the policy, folders first, each with its path.
    mounts: Vec<(String, Mount)>,
    /// Those that are in none other, by their numbers in the tree. The only one, if it is shown at `/`.
    outermost: Vec<Mount>,
    has_host_root: bool,
    /// The files in memory that a guest begins with: folders that lead to granted ones.
    tree: Arc<Tree>,
}

/// Mount: what is shown in place of a folder.
#[derive(Debug, Clone)]
pub(super) enum Mount {
    Base(Base),
    Junction(Arc<Junction>),
}

/// Folder that was granted, or one within it.
#[derive(Debug, Clone)]
pub(super) enum Base {
    Host(HostFolder),
    Bundled(BundledFolder),
}

impl Base {
    pub(super) fn stat(&self) -> ErrnoResult<Stat> {
        match self {
            Self::Host(folder) => folder.stat(),
            Self::Bundled(folder) => folder.stat(),
        }
    }

    pub(super) fn list(&self, names: &mut Names) -> ErrnoResult<()> {
        match self {
            Self::Host(folder) => folder.list(names),
            Self::Bundled(folder) => folder.list(names),
        }
    }

    fn folder_of_name(&self, name: &str) -> Option<Self> {
        match self {
            Self::Host(folder) => folder.folder_of_name(name).map(Self::Host),
            Self::Bundled(folder) => folder.folder_of_name(name).map(Self::Bundled),
        }
    }
}

/// Place within a granted folder where others are shown, or that leads to such places. It stays where it is, and what it
/// shows is kept open, whatever becomes of the folder of that name.
#[derive(Debug)]
pub(super) struct Junction {
    /// Folder that is shown beside the granted ones. `None` if there is no such folder in what is granted around it.
    pub(super) base: Option<Base>,
    pub(super) children: BTreeMap<String, Mount>,
    /// Its number, if there is no such folder.
    pub(super) inode: u64,
}

/// Grants by their places, from a folder on.
#[derive(Default)]
struct Plan {
    folder: Option<Base>,
    below: BTreeMap<String, Plan>,
}

/// Grant that is being opened.
struct Wanted<'a> {
    kind: GrantKind,
    /// Where it is in the host, for errors.
    host: Option<&'a Path>,
    guest: &'a str,
}

impl Wanted<'_> {
    fn invalid(&self, message: impl Into<String>) -> SandboxError {
        self.refused(message.into(), None)
    }

    fn unopened(&self, error: rustix::io::Errno) -> SandboxError {
        use rustix::io::Errno;

        let need = match error {
            Errno::MFILE | Errno::NFILE => Some(SystemNeed::OpenFiles),
            Errno::NOMEM => Some(SystemNeed::Memory),
            _ => None,
        };
        let error = io::Error::from(error);
        match need {
            // The grant is not to blame.
            Some(need) => SandboxError::SystemRefused { need, error },
            None => self.refused(error.to_string(), Some(error)),
        }
    }

    fn refused(&self, message: String, error: Option<io::Error>) -> SandboxError {
        let grant = match self.host {
            Some(host) => format!("{} as {:?}", host.display(), self.guest),
            None => format!("as {:?}", self.guest),
        };
        SandboxError::InvalidGrant { kind: self.kind, grant, message, error }
    }
}

impl Grants {
    /// Opens the folders, and shows bundles beside them.
    ///
    /// # Errors
    /// [`SandboxError::InvalidGrant`] if a folder cannot be opened, or not be shown where it should be.
    pub(crate) fn open(folders: &[FolderGrant], bundles: &[BundleGrant]) -> Result<Self> {
        Self::open_with(folders, bundles, Resolver::Kernel)
    }

    pub(super) fn open_with(
        folders: &[FolderGrant],
        bundles: &[BundleGrant],
        resolver: Resolver,
    ) -> Result<Self> {
        Self::open_beside(&[], folders, bundles, resolver)
    }

    /// Opens more folders, and shows them and more bundles beside what is open already.
    ///
    /// # Errors
    /// As [`Grants::open`].
    pub(crate) fn and(&self, folders: &[FolderGrant], bundles: &[BundleGrant]) -> Result<Self> {
        Self::open_beside(&self.opened, folders, bundles, Resolver::Kernel)
    }

    fn open_beside(
        open: &[(Vec<String>, Base)],
        folders: &[FolderGrant],
        bundles: &[BundleGrant],
        resolver: Resolver,
    ) -> Result<Self> {
        let mut plan = Plan::default();
        let mut opened = open.to_vec();
        for (place, base) in open {
            plan.at(place).folder = Some(base.clone());
        }
        for grant in folders {
            let host = Some(&*grant.host);
            let wanted = Wanted { kind: GrantKind::Folder, host, guest: &grant.guest };
            let (place, slot) = plan.slot(&wanted)?;
            let folder = Grant::open(grant, resolver).map_err(|error| wanted.unopened(error))?;
            let base = Base::Host(HostFolder::root(Arc::new(folder)));
            *slot = Some(base.clone());
            opened.push((place, base));
        }
        let first = opened.iter().filter(|(_, base)| matches!(base, Base::Bundled(_))).count();
        for (grant, number) in bundles.iter().zip(first as u64..) {
            let wanted = Wanted { kind: GrantKind::Bundle, host: None, guest: &grant.guest };
            let (place, slot) = plan.slot(&wanted)?;
            let base = Base::Bundled(BundledFolder::root(grant.bundle.clone(), number));
            *slot = Some(base.clone());
            opened.push((place, base));
        }
        Self::build(plan, opened)
    }

    fn build(plan: Plan, opened: Vec<(Vec<String>, Base)>) -> Result<Self> {
        let has_host_root = plan.folder.is_some();
        let mut outermost = Vec::new();
        plan.collect_outermost(&mut Vec::new(), &mut outermost, &mut (FIRST_INODE..));
        let mut tree = Tree::default();
        if !has_host_root {
            for (number, (place, _)) in outermost.iter().enumerate() {
                tree.create_mount(place, number).map_err(|error| SandboxError::InvalidGrant {
                    kind: GrantKind::Folder,
                    grant: format!("as {:?}", shown(place)),
                    message: error.to_string(),
                    error: None,
                })?;
            }
        }
        let find = |place: &[String]| {
            let (at, mount) = outermost.iter().find(|(at, _)| place.starts_with(at))?;
            mount.below(&place[at.len()..])
        };
        let mounts =
            opened.iter().filter_map(|(place, _)| Some((shown(place), find(place)?.clone())));
        let mounts = mounts.collect();
        let outermost = outermost.into_iter().map(|(_, mount)| mount).collect();
        Ok(Self { opened, mounts, outermost, has_host_root, tree: Arc::new(tree) })
    }

    /// Returns the mount at `/`, if that is not in memory.
    pub(super) fn root(&self) -> Option<&Mount> {
        self.outermost.first().filter(|_| self.has_host_root)
    }

    /// The granted folders with their paths, in the order of the policy.
    pub(super) fn mounts(&self) -> impl Iterator<Item = (&str, &Mount)> {
        self.mounts.iter().map(|(path, mount)| (&**path, mount))
    }

    /// Whether there are folders of the host.
    pub(super) fn has_folders(&self) -> bool {
        self.opened.iter().any(|(_, base)| matches!(base, Base::Host(_)))
    }

    /// The mount of a number in the order of the policy.
    pub(super) fn mount(&self, number: usize) -> Option<&Mount> {
        self.mounts.get(number).map(|(_, mount)| mount)
    }

    /// The number of a mount that is that folder of the host itself.
    pub(super) fn number_of_folder(&self, folder: &HostFolder) -> Option<usize> {
        self.mounts.iter().position(
            |(_, mount)| matches!(mount, Mount::Base(Base::Host(root)) if folder.is_root_of(root)),
        )
    }

    /// The number of a mount that is that junction.
    pub(super) fn number_of_junction(&self, junction: &Arc<Junction>) -> Option<usize> {
        self.mounts.iter().position(
            |(_, mount)| matches!(mount, Mount::Junction(known) if Arc::ptr_eq(known, junction)),
        )
    }

    /// The granted folder of a number in the tree.
    pub(super) fn outermost(&self, number: usize) -> Option<&Mount> {
        self.outermost.get(number)
    }

    pub(super) const fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }
}

impl Plan {
    /// Finds where a granted folder belongs, and nothing is yet.
    fn slot(&mut self, wanted: &Wanted<'_>) -> Result<(Vec<String>, &mut Option<Base>)> {
        let place = place(wanted.guest).map_err(|message| wanted.invalid(message))?;
        let at = self.at(&place);
        match at.folder {
            Some(_) => Err(wanted.invalid("another folder has that path")),
            None => Ok((place, &mut at.folder)),
        }
    }

    /// The plan of a place.
    fn at(&mut self, place: &[String]) -> &mut Self {
        place.iter().fold(self, |at, name| at.below.entry(name.clone()).or_default())
    }

    /// Collects the granted folders that are in none other.
    fn collect_outermost(
        self,
        place: &mut Vec<String>,
        found: &mut Vec<(Vec<String>, Mount)>,
        inodes: &mut RangeFrom<u64>,
    ) {
        if self.folder.is_some() {
            found.push((place.clone(), self.mount(None, inodes)));
            return;
        }
        for (name, plan) in self.below {
            place.push(name);
            plan.collect_outermost(place, found, inodes);
            place.pop();
        }
    }

    /// Makes what is shown at the plan's place. `within` is the folder of that name in a granted folder around it.
    fn mount(self, within: Option<Base>, inodes: &mut RangeFrom<u64>) -> Mount {
        let base = match (self.folder, within) {
            (Some(folder), _) if self.below.is_empty() => return Mount::Base(folder),
            (folder, within) => folder.or(within),
        };
        let children = self.below.into_iter().map(|(name, plan)| {
            let within = base.as_ref().and_then(|base| base.folder_of_name(&name));
            (name, plan.mount(within, inodes))
        });
        let children = children.collect();
        let inode = inodes.next().unwrap_or(FIRST_INODE);
        Mount::Junction(Arc::new(Junction { base, children, inode }))
    }
}

impl Mount {
    /// Returns the mount at a place below, if there is one.
    fn below(&self, place: &[String]) -> Option<&Self> {
        place.iter().try_fold(self, |mount, name| match mount {
            Self::Junction(junction) => junction.children.get(name),
            Self::Base(_) => None,
        })
    }
}

/// A place as a path.
fn shown(place: &[String]) -> String {
    format!("/{}", place.join("/"))
}

/// The names on the way from `/` to where a folder is to be shown.
fn place(guest: &str) -> std::result::Result<Vec<String>, &'static str> {
    if guest != "." && !guest.starts_with('/') {
        return Err("a guest's path has to be absolute, or `.` for its `/`");
    }
    let names: Vec<String> =
        guest.split('/').filter(|name| !matches!(*name, "" | ".")).map(str::to_owned).collect();
    if names.iter().any(|name| name == "..") {
        return Err("a guest's path has to lead from `/` to it without `..`");
    }
    if guest.contains('\0') || guest.len() > PATH_BYTES || names.len() > DEPTH {
        return Err("a guest's path has no NUL, at most 4,095 bytes and at most 128 names");
    }
    if names.iter().any(|name| name.len() > LONGEST_NAME) {
        return Err("a name has at most 255 bytes");
    }
    Ok(names)
}
