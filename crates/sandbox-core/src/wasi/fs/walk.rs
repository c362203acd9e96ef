//! From a path to where it leads among files in memory, bundles and granted folders.
//!
//! Most of a way in a granted folder is the kernel's to find. Only what is in memory or a bundle, what leads from one granted folder to
//! another, and a `..` that might lead back out of one, is walked here, from name to name.

use std::borrow::Cow;
use std::sync::Arc;

use super::bundled::BundledFolder;
use super::grants::{Base, Junction, Mount};
use super::host::{Found, HostFolder, look};
use super::memory::{Child, NodeId};
use super::path::{LINKS, Step, Tail, goes_up};
use super::shared::Shared;
use super::{Errno, Kind, Result, names};

/// Largest number of the host's folders that a walk keeps open.
const DEPTH: usize = 128;

/// A folder on the way.
#[derive(Debug, Clone)]
pub(super) enum Position {
    Memory(NodeId),
    Host(HostFolder),
    Bundled(BundledFolder),
    Junction(Arc<Junction>),
}

impl From<&Mount> for Position {
    fn from(mount: &Mount) -> Self {
        match mount {
            Mount::Base(Base::Host(folder)) => Self::Host(folder.clone()),
            Mount::Base(Base::Bundled(folder)) => Self::Bundled(folder.clone()),
            Mount::Junction(junction) => Self::Junction(Arc::clone(junction)),
        }
    }
}

/// Where a path leads.
#[derive(Debug)]
pub(super) enum Spot<'a> {
    /// A name in a folder in memory, of something or of nothing yet.
    Memory { folder: NodeId, name: String, has_slash: bool },
    /// A path that the host resolves from a folder.
    Host { folder: HostFolder, path: Cow<'a, str> },
    /// A name in a folder of a bundle, of something or of nothing.
    Bundled { folder: BundledFolder, name: String, has_slash: bool },
    /// A folder by other means than its name.
    Here(Position, Way),
    /// A name in a folder that is only there to lead to granted ones, and has no such name.
    Nothing,
}

/// Way by which a path came to a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Dot,
    DotDot,
    /// A granted folder is shown there.
    Mount,
}

/// Finds out where a path from a folder leads.
pub(super) fn walk<'a>(
    shared: &Shared,
    from: Position,
    path: &'a str,
    tail: Tail,
) -> Result<Spot<'a>> {
    if let Position::Host(folder) = from {
        return Ok(Spot::Host { folder, path: Cow::Borrowed(path) });
    }
    let mut walk = Walk {
        shared,
        way: vec![Stop { position: from, is_mount: false }],
        text: path.into(),
        at: 0,
        own_bytes: path.len(),
        links: 0,
        tail,
    };
    loop {
        if let Some(spot) = walk.step()? {
            return Ok(spot);
        }
    }
}

struct Walk<'s> {
    shared: &'s Shared,
    /// The folders that the walk came through.
    way: Vec<Stop>,
    /// The path, with the targets of links in the place of their names, and how far it was walked. It can become long.
    text: Arc<str>,
    at: usize,
    /// Length of the end of the text that is not the text of a link in a granted folder or bundle. Such a link does
    /// not lead out of it.
    own_bytes: usize,
    links: usize,
    tail: Tail,
}

struct Stop {
    position: Position,
    is_mount: bool,
}

impl Walk<'_> {
    fn step<'a>(&mut self) -> Result<Option<Spot<'a>>> {
        let text = Arc::clone(&self.text);
        let todo = &text[self.at..];
        let step = Step::of(todo.as_bytes());
        let position = self.position()?;
        match step.name {
            b"" => return Ok(Some(Spot::Here(position, Way::Dot))),
            b"." if step.is_last() => return Ok(Some(Spot::Here(position, Way::Dot))),
            b"." => {}
            b".." => {
                let is_own = step.rest.len() + b"..".len() <= self.own_bytes;
                let left = self.way.pop().filter(|stop| is_own || !stop.is_mount);
                left.ok_or(Errno::Perm)?;
                if step.is_last() {
                    return Ok(Some(Spot::Here(self.position()?, Way::DotDot)));
                }
            }
            _ => {
                let name =
                    &todo[todo.len() - todo.trim_start_matches('/').len()..][..step.name.len()];
                let next = match &position {
                    Position::Memory(folder) => self.in_memory(*folder, name, step)?,
                    Position::Junction(junction) => match junction.children.get(name) {
                        Some(mount) => self.mounted(mount, step),
                        None => match &junction.base {
                            Some(Base::Host(folder)) => self.in_host(folder, name, step)?,
                            Some(Base::Bundled(folder)) => self.in_bundle(folder, name, step)?,
                            None if step.is_last() => Next::Done(Spot::Nothing),
                            None => return Err(Errno::NoEnt),
                        },
                    },
                    Position::Host(folder) => self.in_host(folder, name, step)?,
                    Position::Bundled(folder) => self.in_bundle(folder, name, step)?,
                };
                match next {
                    Next::Done(spot) => return Ok(Some(spot)),
                    Next::Link => return Ok(None),
                    Next::Into(stop) => self.way.push(stop),
                }
            }
        }
        self.at = text.len() - step.rest.len();
        Ok(None)
    }

    /// Where the walk is. Nowhere is what is above where it began.
    fn position(&self) -> Result<Position> {
        self.way.last().map(|stop| stop.position.clone()).ok_or(Errno::Perm)
    }

    fn in_memory<'a>(&mut self, folder: NodeId, name: &str, step: Step<'_>) -> Result<Next<'a>> {
        let memory = self.shared.memory();
        let has_slash = step.has_slash;
        let here = || Next::Done(Spot::Memory { folder, name: name.to_owned(), has_slash });
        let child = match memory.child(folder, name) {
            // A name that cannot be is refused when it is used: that the folder of another is missing comes first.
            Err(_) if step.is_last() && self.tail == Tail::Name => return Ok(here()),
            child => child?,
        };
        let id = match child {
            None if step.is_last() => return Ok(here()),
            None => return Err(Errno::NoEnt),
            Some(Child::Mount(number)) => {
                drop(memory);
                let mount = self.shared.grants.outermost(number).ok_or(Errno::NoEnt)?;
                return Ok(self.mounted(mount, step));
            }
            Some(Child::Node(id)) => id,
        };
        if let Some(target) = memory.link_target(id)
            && (!step.is_last() || self.tail.follows(step.has_slash))
        {
            let target = target.to_owned();
            drop(memory);
            self.follow(&target, step)?;
            self.own_bytes = self.text.len();
            return Ok(Next::Link);
        }
        if step.is_last() {
            return Ok(here());
        }
        match memory.kind(id)? {
            Kind::Folder => {
                Ok(Next::Into(Stop { position: Position::Memory(id), is_mount: false }))
            }
            _ => Err(Errno::NotDir),
        }
    }

    fn mounted<'a>(&self, mount: &Mount, step: Step<'_>) -> Next<'a> {
        let position = Position::from(mount);
        if step.is_last() {
            Next::Done(Spot::Here(position, Way::Mount))
        } else {
            Next::Into(Stop { position, is_mount: true })
        }
    }

    fn in_host<'a>(&mut self, folder: &HostFolder, name: &str, step: Step<'_>) -> Result<Next<'a>> {
        let todo = &self.text[self.at..];
        if !goes_up(todo.as_bytes()) {
            let path = todo.trim_start_matches('/').to_owned();
            return Ok(Next::Done(Spot::Host { folder: folder.clone(), path: Cow::Owned(path) }));
        }
        let here = || {
            let slash = if step.has_slash { "/" } else { "" };
            Next::Done(Spot::Host {
                folder: folder.clone(),
                path: Cow::Owned(format!("{name}{slash}")),
            })
        };
        if step.is_last() && !self.tail.follows(step.has_slash) {
            return Ok(here());
        }
        match look(folder.fd(), &names::to_host(name)?)? {
            Found::Link(target) => {
                self.follow(&names::to_guest(&target), step)?;
                self.own_bytes = self.own_bytes.min(step.rest.len());
                Ok(Next::Link)
            }
            _ if step.is_last() => Ok(here()),
            Found::Folder(_) if self.way.len() > DEPTH => Err(Errno::NameTooLong),
            Found::Folder(opened) => {
                let position = Position::Host(folder.below(opened));
                Ok(Next::Into(Stop { position, is_mount: false }))
            }
            Found::Leaf => Err(Errno::NotDir),
            Found::Nothing => Err(Errno::NoEnt),
        }
    }

    fn in_bundle<'a>(
        &mut self,
        folder: &BundledFolder,
        name: &str,
        step: Step<'_>,
    ) -> Result<Next<'a>> {
        let has_slash = step.has_slash;
        let here = || {
            Next::Done(Spot::Bundled { folder: folder.clone(), name: name.to_owned(), has_slash })
        };
        let id = match folder.child(name) {
            // As in memory.
            Err(_) | Ok(None) if step.is_last() => return Ok(here()),
            child => child?.ok_or(Errno::NoEnt)?,
        };
        if let Some(target) = folder.link_target(id)
            && (!step.is_last() || self.tail.follows(has_slash))
        {
            self.follow(target, step)?;
            self.own_bytes = self.own_bytes.min(step.rest.len());
            return Ok(Next::Link);
        }
        if step.is_last() {
            return Ok(here());
        }
        match folder.kind(id)? {
            Kind::Folder => {
                let position = Position::Bundled(folder.at(id));
                Ok(Next::Into(Stop { position, is_mount: false }))
            }
            _ => Err(Errno::NotDir),
        }
    }

    /// Puts the target of a link in the place of its name.
    fn follow(&mut self, target: &str, step: Step<'_>) -> Result<()> {
        self.links += 1;
        if self.links > LINKS {
            return Err(Errno::Loop);
        }
        if target.starts_with('/') {
            return Err(Errno::Perm);
        }
        let rest = std::str::from_utf8(step.rest).map_err(|_| Errno::IlSeq)?;
        let slash = if step.has_slash { "/" } else { "" };
        self.text = format!("{target}{slash}{rest}").into();
        self.at = 0;
        Ok(())
    }
}

/// Step that a name in a folder led to.
enum Next<'a> {
    Into(Stop),
    /// A link was put in the place of the name.
    Link,
    Done(Spot<'a>),
}
