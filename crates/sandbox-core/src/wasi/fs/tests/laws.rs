//! Random operations have the same outcome in memory, in a granted folder with either way to resolve paths, and on the host
//! without us.

mod native;

use std::io::{IoSlice, IoSliceMut};

use proptest::prelude::*;

use super::*;
use native::Native;

/// One thing that a guest does. Folders and files are numbers of those that are open.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    Open { folder: usize, path: String, how: OpenHow },
    CreateFolder { folder: usize, path: String },
    RemoveFolder { folder: usize, path: String },
    RemoveFile { folder: usize, path: String },
    Rename { folder: usize, path: String, to_folder: usize, to: String },
    Symlink { target: String, path: String },
    Link { path: String, follow: Follow, to: String },
    ReadLink { folder: usize, path: String },
    Stat { folder: usize, path: String, follow: Follow },
    List { folder: usize },
    SetTimes { folder: usize, path: String, follow: Follow, time: u64 },
    Write { file: usize, offset: u64, len: usize },
    Append { file: usize, len: usize },
    Read { file: usize, offset: u64, len: usize },
    SetLen { file: usize, len: u64 },
    Allocate { file: usize, offset: u64, len: u64 },
    StatFile { file: usize },
    CloseFile { file: usize },
    CloseFolder { folder: usize },
}

impl Deed {
    fn paths(&self) -> Vec<&str> {
        match self {
            Self::Open { path, .. }
            | Self::CreateFolder { path, .. }
            | Self::RemoveFolder { path, .. }
            | Self::RemoveFile { path, .. }
            | Self::ReadLink { path, .. }
            | Self::Stat { path, .. }
            | Self::SetTimes { path, .. } => vec![path],
            Self::Rename { path, to, .. } | Self::Link { path, to, .. } => vec![path, to],
            Self::Symlink { target, path } => vec![target, path],
            _ => Vec::new(),
        }
    }

    /// Whether a file has to be open for writing.
    fn writes(&self) -> bool {
        matches!(
            self,
            Self::Write { .. } | Self::Append { .. } | Self::SetLen { .. } | Self::Allocate { .. }
        )
    }
}

/// Result of an operation, without what must differ: devices, inodes, sizes of folders and times that nobody set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    File,
    Folder,
    Text(String),
    Bytes(Vec<u8>),
    Names(Vec<(String, Kind)>),
    Count(u64),
    Known {
        kind: Kind,
        links: u64,
        size: u64,
    },
    /// There is nothing open of that number.
    Idle,
    Failed(Errno),
}

impl From<Result<()>> for Outcome {
    fn from(result: Result<()>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Done)
    }
}

impl From<Result<Outcome>> for Outcome {
    fn from(result: Result<Self>) -> Self {
        result.unwrap_or_else(Self::Failed)
    }
}

impl From<Stat> for Outcome {
    fn from(stat: Stat) -> Self {
        let is_folder = stat.kind == Kind::Folder;
        let links = if is_folder { 1 } else { stat.links };
        Self::Known { kind: stat.kind, links, size: if is_folder { 0 } else { stat.size } }
    }
}

fn names(listing: &Listing) -> Outcome {
    let entries = (0..listing.len() as u64).map(|position| listing.entry(position).unwrap());
    let mut names: Vec<_> = entries.map(|entry| (entry.name.to_owned(), entry.kind)).collect();
    names.sort_by(|one, other| one.0.cmp(&other.0));
    Outcome::Names(names)
}

/// A guest with open files and folders. It can make links in a granted folder only with the help of the host.
struct Guest {
    folders: Vec<Folder>,
    files: Vec<(File, bool)>,
    host: Option<Native>,
}

impl Guest {
    fn new(root: Folder, host: Option<Native>) -> Self {
        Self { folders: vec![root], files: Vec::new(), host }
    }

    fn folder(&self, number: usize) -> &Folder {
        &self.folders[number % self.folders.len()]
    }

    fn file(&self, number: usize) -> Option<&(File, bool)> {
        self.files.get(number % self.files.len().max(1))
    }

    fn opened(&mut self, opened: Opened, can_write: bool) -> Outcome {
        match opened {
            Opened::File(file) => {
                self.files.push((file, can_write));
                Outcome::File
            }
            Opened::Folder(folder) => {
                self.folders.push(folder);
                Outcome::Folder
            }
        }
    }

    fn act(&mut self, deed: &Deed) -> Outcome {
        self.try_act(deed).into()
    }

    fn try_act(&mut self, deed: &Deed) -> Result<Outcome> {
        fn with(text: &str) -> Result<GuestPath<'_>> {
            GuestPath::new(text.as_bytes())
        }
        let done = |()| Outcome::Done;
        match deed {
            Deed::Open { folder, path, how } => {
                let opened = self.folder(*folder).open(with(path)?, *how)?;
                Ok(self.opened(opened, how.write))
            }
            Deed::CreateFolder { folder, path } => {
                self.folder(*folder).create_folder(with(path)?).map(done)
            }
            Deed::RemoveFolder { folder, path } => {
                self.folder(*folder).remove_folder(with(path)?).map(done)
            }
            Deed::RemoveFile { folder, path } => {
                self.folder(*folder).remove_file(with(path)?).map(done)
            }
            Deed::Rename { folder, path, to_folder, to } => {
                let to_folder = self.folder(*to_folder);
                self.folder(*folder).rename(with(path)?, to_folder, with(to)?).map(done)
            }
            Deed::Symlink { .. } | Deed::Link { .. } if self.host.is_some() => {
                Ok(self.host.as_mut().unwrap().act(deed))
            }
            Deed::Symlink { target, path } => {
                self.folder(0).symlink(with(target)?, with(path)?).map(done)
            }
            Deed::Link { path, follow, to } => {
                self.folder(0).link(with(path)?, *follow, self.folder(0), with(to)?).map(done)
            }
            Deed::ReadLink { folder, path } => {
                self.folder(*folder).read_link(with(path)?).map(Outcome::Text)
            }
            Deed::Stat { folder, path, follow } => {
                self.folder(*folder).stat_at(with(path)?, *follow).map(Outcome::from)
            }
            Deed::List { folder } => self.folder(*folder).list().map(|listing| names(&listing)),
            Deed::SetTimes { folder, path, follow, time } => {
                let times = SetTimes { modified: SetTime::To(*time), accessed: SetTime::Keep };
                self.folder(*folder).set_times_at(with(path)?, *follow, times)?;
                let stat = self.folder(*folder).stat_at(with(path)?, *follow)?;
                Ok(Outcome::Count(stat.modified))
            }
            Deed::CloseFile { file } => {
                if !self.files.is_empty() {
                    let number = file % self.files.len();
                    self.files.remove(number);
                }
                Ok(Outcome::Done)
            }
            Deed::CloseFolder { folder } => {
                if self.folders.len() > 1 {
                    let number = 1 + folder % (self.folders.len() - 1);
                    self.folders.remove(number);
                }
                Ok(Outcome::Done)
            }
            Deed::Write { file, .. }
            | Deed::Append { file, .. }
            | Deed::Read { file, .. }
            | Deed::SetLen { file, .. }
            | Deed::Allocate { file, .. }
            | Deed::StatFile { file } => match self.file(*file) {
                Some((file, can_write)) if *can_write || !deed.writes() => use_file(file, deed),
                _ => Ok(Outcome::Idle),
            },
        }
    }
}

fn use_file(file: &File, deed: &Deed) -> Result<Outcome> {
    match deed {
        Deed::Write { offset, len, .. } => {
            let bytes = pattern(*len);
            let (first, second) = bytes.split_at(len / 3);
            let buffers = [IoSlice::new(first), IoSlice::new(second)];
            file.write_at(&buffers, *offset, Durability::Eventual)
                .map(|count| Outcome::Count(count as u64))
        }
        Deed::Append { len, .. } => {
            let appended = file.append(&[IoSlice::new(&pattern(*len))], Durability::Eventual)?;
            assert_eq!(appended.written, *len);
            Ok(Outcome::Count(appended.end))
        }
        Deed::Read { offset, len, .. } => {
            let mut bytes = vec![0; *len];
            let (first, second) = bytes.split_at_mut(len / 2);
            let mut buffers = [IoSliceMut::new(first), IoSliceMut::new(second)];
            let count = file.read_at(&mut buffers, *offset)?;
            bytes.truncate(count);
            Ok(Outcome::Bytes(bytes))
        }
        Deed::SetLen { len, .. } => file.set_len(*len).map(|()| Outcome::Done),
        Deed::Allocate { offset, len, .. } => file.allocate(*offset, *len).map(|()| Outcome::Done),
        _ => file.stat().map(Outcome::from),
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (1..=251).cycle().take(len).collect()
}

/// A path of few names, so that they meet.
fn paths(dots: &'static [&'static str]) -> impl Strategy<Value = String> {
    let name = prop_oneof![
        16 => prop::sample::select(&["a", "b", "c", "d"][..]).prop_map(str::to_owned),
        3 => prop::sample::select(dots).prop_map(str::to_owned),
        1 => Just("n".repeat(255)),
    ];
    let names = prop::collection::vec(name, 1..4);
    let end = prop_oneof![8 => Just(""), 1 => Just("/"), 1 => Just("//")];
    prop_oneof![
        40 => (names, end).prop_map(|(names, end)| names.join("/") + end),
        1 => Just(String::new()),
        1 => Just("n".repeat(256)),
        1 => Just("n".repeat(4096)),
    ]
}

fn follows() -> impl Strategy<Value = Follow> {
    prop_oneof![Just(Follow::Never), Just(Follow::Links)]
}

fn hows() -> impl Strategy<Value = OpenHow> {
    let presence = prop_oneof![
        2 => Just(Presence::Required),
        4 => Just(Presence::Created),
        1 => Just(Presence::Exclusive)
    ];
    let one_in_four = prop::bool::weighted(0.25);
    (follows(), presence, one_in_four, prop::bool::weighted(0.25), prop::bool::weighted(0.7))
        .prop_map(|(follow, presence, folder_only, truncate, write)| OpenHow {
            follow,
            presence,
            folder_only,
            truncate,
            read: true,
            write,
        })
}

fn deeds(dots: &'static [&'static str]) -> impl Strategy<Value = Deed> {
    let at = 0usize..4;
    let path = || paths(dots);
    let offset = || prop_oneof![0u64..100, 65_500u64..65_600, 0u64..200_000];
    prop_oneof![
        8 => (at.clone(), path(), hows())
            .prop_map(|(folder, path, how)| Deed::Open { folder, path, how }),
        6 => (at.clone(), path()).prop_map(|(folder, path)| Deed::CreateFolder { folder, path }),
        2 => (at.clone(), path()).prop_map(|(folder, path)| Deed::RemoveFolder { folder, path }),
        2 => (at.clone(), path()).prop_map(|(folder, path)| Deed::RemoveFile { folder, path }),
        5 => (at.clone(), path(), at.clone(), path()).prop_map(|(folder, path, to_folder, to)| {
            Deed::Rename { folder, path, to_folder, to }
        }),
        3 => (path(), path()).prop_map(|(target, path)| Deed::Symlink { target, path }),
        2 => (path(), follows(), path())
            .prop_map(|(path, follow, to)| Deed::Link { path, follow, to }),
        1 => (at.clone(), path()).prop_map(|(folder, path)| Deed::ReadLink { folder, path }),
        2 => (at.clone(), path(), follows())
            .prop_map(|(folder, path, follow)| Deed::Stat { folder, path, follow }),
        1 => at.clone().prop_map(|folder| Deed::List { folder }),
        1 => (at.clone(), path(), follows(), 0u64..1 << 60).prop_map(
            |(folder, path, follow, time)| Deed::SetTimes { folder, path, follow, time }
        ),
        2 => (at.clone(), offset(), 0usize..5000)
            .prop_map(|(file, offset, len)| Deed::Write { file, offset, len }),
        2 => (at.clone(), 1usize..5000).prop_map(|(file, len)| Deed::Append { file, len }),
        2 => (at.clone(), offset(), 0usize..5000)
            .prop_map(|(file, offset, len)| Deed::Read { file, offset, len }),
        1 => (at.clone(), offset()).prop_map(|(file, len)| Deed::SetLen { file, len }),
        1 => (at.clone(), offset(), 0u64..2000)
            .prop_map(|(file, offset, len)| Deed::Allocate { file, offset, len }),
        1 => at.clone().prop_map(|file| Deed::StatFile { file }),
        1 => at.clone().prop_map(|file| Deed::CloseFile { file }),
        1 => at.prop_map(|folder| Deed::CloseFolder { folder }),
    ]
}

/// All that is below a folder, and what is in the files.
fn everything(folder: &Folder) -> Vec<(String, Outcome)> {
    let mut found = Vec::new();
    let mut todo = vec![(String::new(), folder.clone())];
    while let Some((at, folder)) = todo.pop() {
        for name in list(&folder) {
            if matches!(&*name, "." | "..") {
                continue;
            }
            let stat = folder.stat_at(path(&name), Follow::Never).unwrap();
            let place = format!("{at}/{name}");
            found.push((place.clone(), stat.into()));
            match stat.kind {
                Kind::Folder => todo.push((place, open_folder(&folder, &name).unwrap())),
                Kind::File => {
                    let text = read(&folder, &name).unwrap();
                    found.push((place, Outcome::Text(text)));
                }
                Kind::Link => {
                    let text = folder.read_link(path(&name)).unwrap();
                    found.push((place, Outcome::Text(text)));
                }
                kind => panic!("a guest made a {kind:?}"),
            }
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// Does the same everywhere, and compares.
fn compare(deeds: &[Deed], with_native: bool) -> std::result::Result<(), TestCaseError> {
    let homes: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let memory = file_system(&[], Resolver::Kernel);
    let mut guests = vec![("memory", Guest::new(root(&memory), None))];
    for (home, resolver) in homes.iter().zip(RESOLVERS) {
        let granted = file_system(&[grant(home.path(), "/", Access::ReadWrite)], resolver);
        let name = if resolver == Resolver::Kernel { "kernel" } else { "walk" };
        guests.push((name, Guest::new(root(&granted), Some(Native::new(home.path())))));
    }
    let mut native = Native::new(homes[2].path());
    for (number, deed) in deeds.iter().enumerate() {
        let mut outcomes: Vec<_> =
            guests.iter_mut().map(|(name, guest)| (*name, guest.act(deed))).collect();
        if with_native {
            outcomes.push(("native", native.act(deed)));
        }
        let (_, first) = &outcomes[0];
        prop_assert!(
            outcomes.iter().all(|(_, outcome)| outcome == first),
            "number {}, {:?}: {:?}",
            number,
            deed,
            outcomes
        );
    }
    let all: Vec<_> = guests.iter().map(|(_, guest)| everything(guest.folder(0))).collect();
    prop_assert_eq!(&all[0], &all[1]);
    prop_assert_eq!(&all[0], &all[2]);
    Ok(())
}

/// Number of cases that are tried: few enough to be tried each time, or as many as the environment says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_guest_cannot_tell_memory_from_a_granted_folder(
        deeds in prop::collection::vec(deeds(&[".", "..", "..", "/a"]), 1..60)
    ) {
        compare(&deeds, false)?;
    }

    #[test]
    fn a_guest_gets_what_a_program_of_the_host_gets(
        deeds in prop::collection::vec(deeds(&["."]), 1..60)
    ) {
        compare(&deeds, true)?;
    }
}
