//! Folders of the host, opened once for all instances of a sandbox.

use std::collections::BTreeMap;
use std::ops::RangeFrom;
use std::sync::Arc;

use crate::error::{Result, SandboxError};
use crate::policy::FolderGrant;

use super::host::{Grant, HostFolder, Resolver};
use super::memory::Tree;
use super::path::{LONGEST_NAME, PATH_BYTES};

/// The deepest place that a folder can be shown at, in names.
const DEPTH: usize = 128;

/// The number of the first folder that leads to granted ones and is neither the host's nor in memory.
const FIRST_INODE: u64 = 1 << 48;

/// Granted folders of a sandbox, open, and where its guests see them.
#[derive(Debug)]
pub(crate) struct Grants {
    /// In the order of the policy, each with its path.
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
    Host(HostFolder),
    Junction(Arc<Junction>),
}

/// Place within a granted folder where others are shown, or that leads to such places. It stays where it is, and what it
/// shows is kept open, whatever becomes of the folder of that name.
#[derive(Debug)]
pub(super) struct Junction {
    /// Folder of the host that is shown beside the granted ones. `None` if the host has no such folder.
    pub(super) host: Option<HostFolder>,
    pub(super) children: BTreeMap<String, Mount>,
    /// Its number, if the host has no such folder.
    pub(super) inode: u64,
}

/// Grants by their places, from a folder on.
#[derive(Default)]
struct Plan {
    folder: Option<HostFolder>,
    below: BTreeMap<String, Plan>,
}

impl Grants {
    /// Opens the folders.
    ///
    /// # Errors
    /// [`SandboxError::InvalidGrant`] if a folder cannot be opened, or not be shown where it should be.
    pub(crate) fn open(folders: &[FolderGrant]) -> Result<Self> {
        Self::open_with(folders, Resolver::Kernel)
    }

    pub(super) fn open_with(folders: &[FolderGrant], resolver: Resolver) -> Result<Self> {
        let mut plan = Plan::default();
        let mut places = Vec::with_capacity(folders.len());
        for grant in folders {
            let invalid = |message: String| SandboxError::InvalidGrant {
                grant: format!("the folder {} as {:?}", grant.host.display(), grant.guest),
                message,
            };
            let place = place(&grant.guest).map_err(|message| invalid(message.to_owned()))?;
            let mut at = &mut plan;
            for name in &place {
                at = at.below.entry(name.clone()).or_default();
            }
            if at.folder.is_some() {
                return Err(invalid("another folder has that path".to_owned()));
            }
            let opened = Grant::open(&grant.host, grant.access, resolver)
                .map_err(|error| invalid(std::io::Error::from(error).to_string()))?;
            at.folder = Some(HostFolder::root(Arc::new(opened)));
            places.push(place);
        }
        Self::build(plan, places)
    }

    fn build(plan: Plan, places: Vec<Vec<String>>) -> Result<Self> {
        let has_host_root = plan.folder.is_some();
        let mut outermost = Vec::new();
        plan.collect_outermost(&mut Vec::new(), &mut outermost, &mut (FIRST_INODE..));
        let mut tree = Tree::default();
        if !has_host_root {
            for (number, (place, _)) in outermost.iter().enumerate() {
                tree.create_mount(place, number).map_err(|error| SandboxError::InvalidGrant {
                    grant: format!("a folder as {:?}", shown(place)),
                    message: error.to_string(),
                })?;
            }
        }
        let find = |place: &[String]| {
            let (at, mount) = outermost.iter().find(|(at, _)| place.starts_with(at))?;
            mount.below(&place[at.len()..])
        };
        let mounts = places.iter().filter_map(|place| Some((shown(place), find(place)?.clone())));
        let mounts = mounts.collect();
        let outermost = outermost.into_iter().map(|(_, mount)| mount).collect();
        Ok(Self { mounts, outermost, has_host_root, tree: Arc::new(tree) })
    }

    /// Returns the mount at `/`, if that is not in memory.
    pub(super) fn root(&self) -> Option<&Mount> {
        self.outermost.first().filter(|_| self.has_host_root)
    }

    /// The granted folders with their paths, in the order of the policy.
    pub(super) fn mounts(&self) -> impl Iterator<Item = (&str, &Mount)> {
        self.mounts.iter().map(|(path, mount)| (&**path, mount))
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
    fn mount(self, within: Option<HostFolder>, inodes: &mut RangeFrom<u64>) -> Mount {
        let host = match (self.folder, within) {
            (Some(folder), _) if self.below.is_empty() => return Mount::Host(folder),
            (folder, within) => folder.or(within),
        };
        let children = self.below.into_iter().map(|(name, plan)| {
            let within = host.as_ref().and_then(|host| host.folder_of_name(&name));
            (name, plan.mount(within, inodes))
        });
        let children = children.collect();
        let inode = inodes.next().unwrap_or(FIRST_INODE);
        Mount::Junction(Arc::new(Junction { host, children, inode }))
    }
}

impl Mount {
    /// Returns the mount at a place below, if there is one.
    fn below(&self, place: &[String]) -> Option<&Self> {
        place.iter().try_fold(self, |mount, name| match mount {
            Self::Junction(junction) => junction.children.get(name),
            Self::Host(_) => None,
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
