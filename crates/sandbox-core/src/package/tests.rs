//! Packages that are broken, or made to harm their reader.

use std::collections::BTreeMap;

use webc::PathSegment;
use webc::indexmap::IndexMap;
use webc::metadata::annotations::{Atom, FileSystemMapping, FileSystemMappings, Wapm};
use webc::v3::write::{DirEntry, Directory, FileEntry, SymlinkEntry, Writer};
use webc::v3::{SignatureAlgorithm, Timestamps};

use super::*;
use crate::bundle::{Body, BundleId, DEEPEST};

/// The smallest module.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

fn segment(name: &str) -> PathSegment {
    PathSegment::parse(name).unwrap()
}

fn folder<'a>(entries: impl IntoIterator<Item = (&'a str, DirEntry<'a>)>) -> Directory<'a> {
    let entries = entries.into_iter().map(|(name, entry)| (segment(name), entry));
    Directory::new(entries.collect(), Timestamps::default())
}

fn file(text: &'static str) -> DirEntry<'static> {
    DirEntry::File(FileEntry::borrowed(text.as_bytes(), Timestamps::default()))
}

fn link(target: &str) -> DirEntry<'_> {
    DirEntry::Symlink(SymlinkEntry::borrowed(target, Timestamps::default()))
}

/// A manifest with a command, and with a folder at `shown`.
fn manifest(shown: &str) -> Manifest {
    let mut manifest = Manifest::default();
    let mapping = FileSystemMapping {
        from: None,
        volume_name: "data".to_owned(),
        host_path: None,
        mount_path: shown.to_owned(),
    };
    let mappings = FileSystemMappings(vec![mapping]);
    let about = Wapm::new(Some("some/package".to_owned()), Some("1.2.3".to_owned()), None);
    manifest.package.insert(Wapm::KEY.to_owned(), webc_value(&about));
    manifest.package.insert(FileSystemMappings::KEY.to_owned(), webc_value(&mappings));
    let mut command = Command { runner: WASI_RUNNER_URI.to_owned(), annotations: IndexMap::new() };
    command.annotations.insert(Atom::KEY.to_owned(), webc_value(&Atom::new("module", None)));
    manifest.commands.insert("command".to_owned(), command);
    manifest
}

/// A value as manifests carry it.
fn webc_value(value: &impl serde::Serialize) -> webc::metadata::Annotation {
    webc::metadata::Annotation::serialized(value).unwrap()
}

fn package_of(manifest: &Manifest, data: Directory<'_>) -> Vec<u8> {
    let atoms =
        BTreeMap::from([(segment("module"), FileEntry::borrowed(MODULE, Timestamps::default()))]);
    let writer = Writer::default().write_manifest(manifest).unwrap().write_atoms(atoms).unwrap();
    let writer = writer.with_volume("data", data).unwrap();
    writer.finish(SignatureAlgorithm::None).unwrap().to_vec()
}

fn small() -> Vec<u8> {
    let sub = folder([("file", file("contents"))]);
    let data = folder([("sub", DirEntry::Dir(sub)), ("link", link("sub/file"))]);
    package_of(&manifest("/data"), data)
}

/// Reads all that is in a package as its guests would. Returns the names and the texts of files.
fn everything(package: &Package) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for volume in package.volumes() {
        let mut todo = vec![(volume.guest.clone(), BundleId::ROOT)];
        while let Some((path, id)) = todo.pop() {
            match &volume.bundle.node(id).unwrap().body {
                Body::Folder(entries) => {
                    todo.extend(entries.iter().map(|(name, id)| (format!("{path}/{name}"), *id)))
                }
                Body::Link(target) => found.push((path, format!("-> {target}"))),
                Body::File(_) => {
                    let bytes = volume.bundle.contents(id).map(|bytes| bytes.to_vec());
                    found.push((path, String::from_utf8_lossy(&bytes.unwrap()).into_owned()));
                }
            }
        }
    }
    found.sort();
    found
}

fn is_refused(error: &SandboxError) -> bool {
    matches!(error, SandboxError::InvalidPackage { .. } | SandboxError::PackageLimit { .. })
}

#[track_caller]
fn assert_refused(bytes: Vec<u8>, expected: &str) {
    let error = Package::from_bytes(bytes).unwrap_err();
    assert!(is_refused(&error) && error.to_string().contains(expected), "{error}");
}

#[test]
fn what_is_in_a_package_is_read() {
    let package = Package::from_bytes(small()).unwrap();
    let expected = [("/data/link", "-> sub/file"), ("/data/sub/file", "contents")];
    assert_eq!(everything(&package), expected.map(|(path, text)| (path.into(), text.into())));
    assert_eq!(package.command("command").unwrap().module().unwrap(), MODULE);
    assert_eq!(package.entrypoint().unwrap().name(), "command");
    assert_eq!((package.name(), package.version()), (Some("some/package"), Some("1.2.3")));
    let error = package.command("other").unwrap_err();
    assert!(error.to_string().contains("`other`; it has command"), "{error}");
}

#[test]
fn a_package_that_ends_too_early_is_refused() {
    let whole = small();
    for len in 0..whole.len() {
        let error = Package::from_bytes(whole[..len].to_vec()).unwrap_err();
        assert!(is_refused(&error), "{len}: {error}");
    }
}

/// Whatever is changed, the package is refused, or all of it can be read.
#[test]
fn no_change_of_a_package_makes_its_reader_panic() {
    let whole = small();
    let mut read = 0;
    let mut attempt = |bytes: Vec<u8>| match Package::from_bytes(bytes) {
        Ok(package) => {
            everything(&package);
            read += 1;
        }
        Err(error) => assert!(is_refused(&error), "{error}"),
    };
    for at in 0..whole.len() {
        for value in [0, 1, 2, 0x1f, 0x2f, 0x7f, 0x80, 0xff, whole[at].wrapping_add(1)] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            attempt(bytes);
        }
        for number in [0, 1, u64::MAX, u64::MAX / 2, u64::MAX - 40, whole.len() as u64] {
            let mut bytes = whole.clone();
            let end = bytes.len().min(at + 8);
            bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
            attempt(bytes);
        }
    }
    assert!(read > 0, "some of what is changed has no meaning");
}

/// Replaces bytes of a package that are there once.
fn replace(bytes: &mut [u8], what: &[u8], with: &[u8]) {
    assert_eq!(what.len(), with.len());
    let found: Vec<usize> =
        (0..=bytes.len() - what.len()).filter(|at| bytes[*at..].starts_with(what)).collect();
    let [at] = found[..] else { panic!("{found:?}") };
    bytes[at..at + what.len()].copy_from_slice(with);
}

/// An entry of a folder begins with the place of what it is, then come a hash and its name.
fn set_place(bytes: &mut [u8], name: &str, place: u64) {
    let sized = [&(name.len() as u64).to_le_bytes()[..], name.as_bytes()].concat();
    let at = (0..bytes.len() - sized.len()).find(|at| bytes[*at..].starts_with(&sized)).unwrap();
    bytes[at - 40..at - 32].copy_from_slice(&place.to_le_bytes());
}

#[test]
fn a_folder_within_itself_is_not_followed_for_ever() {
    let mut bytes = small();
    set_place(&mut bytes, "sub", 0);
    assert_refused(bytes, &format!("{} folders within each other", DEEPEST + 1));
    // Each folder has the next one twice: as many as a power of two.
    let mut data = folder([("end", file(""))]);
    let names: Vec<[String; 2]> =
        (0..40).map(|level| ["one", "two"].map(|side| format!("{side}{level}"))).collect();
    for [one, two] in &names {
        data = folder([
            (one.as_str(), DirEntry::Dir(data)),
            (two.as_str(), DirEntry::Dir(folder([]))),
        ]);
    }
    let mut bytes = package_of(&manifest("/data"), data);
    for [one, two] in &names {
        let sized = [&(one.len() as u64).to_le_bytes()[..], one.as_bytes()].concat();
        let at = (0..bytes.len()).find(|at| bytes[*at..].starts_with(&sized)).unwrap();
        let place = u64::from_le_bytes(bytes[at - 40..at - 32].try_into().unwrap());
        set_place(&mut bytes, two, place);
    }
    assert_refused(bytes, "files, folders and links");
}

#[test]
fn more_than_is_read_is_refused_with_both_numbers() {
    let mut large = manifest("/data");
    large.entrypoint = Some("x".repeat(1 << 20));
    assert_refused(package_of(&large, folder([])), "bytes of its manifest, and at most 1048576");
    let names: Vec<String> = (0..300).map(|number| format!("folder{number}")).collect();
    let writer = Writer::default().write_manifest(&manifest("/data")).unwrap();
    let mut writer = writer.write_atoms(BTreeMap::new()).unwrap();
    for name in &names {
        writer.write_volume(name, folder([])).unwrap();
    }
    let bytes = writer.finish(SignatureAlgorithm::None).unwrap();
    assert_refused(bytes.to_vec(), "300 folders, and at most 256");
}

#[test]
fn a_manifest_that_is_none_is_refused() {
    for raw in [vec![0x81; 100_000], vec![0xff], Vec::new(), b"{}".to_vec()] {
        let writer = Writer::default().write_raw_manifest(raw);
        let writer = writer.write_atoms(BTreeMap::new()).unwrap();
        let bytes = writer.finish(SignatureAlgorithm::None).unwrap();
        assert_refused(bytes.to_vec(), "manifest");
    }
}

#[test]
fn paths_that_lead_out_are_refused() {
    for target in ["..//outside", "sub/../../x", "/etc/passwd"] {
        let filler = "z".repeat(target.len());
        let mut bytes = package_of(&manifest("/data"), folder([("link", link(&filler))]));
        replace(&mut bytes, filler.as_bytes(), target.as_bytes());
        assert_refused(bytes, "a link leads to");
    }
    for name in [b"..", b"./", b"a/", b"a\0", b"a\xff"] {
        let mut bytes = package_of(&manifest("/data"), folder([("qz", file(""))]));
        replace(&mut bytes, b"qz", name);
        assert_refused(bytes, "a file has the name");
    }
    assert_refused(package_of(&manifest("/../x"), folder([])), "a folder is to be shown at");
}

#[test]
fn what_is_no_package_is_told_apart() {
    assert_refused(b"\0webc002".to_vec(), "another version of `webc`");
    assert_refused(b"\x1f\x8b\x08".to_vec(), "a compressed archive");
    assert_refused(MODULE.to_vec(), "a WebAssembly module");
    assert_refused(b"anything".to_vec(), "does not begin");
}

#[test]
fn a_command_that_needs_another_package_says_so() {
    let mut manifest = manifest("/data");
    let other = Atom::new("module", Some("some/other".to_owned()));
    let mut set = |name: &str, runner: &str, atom: &Atom| {
        let mut command = Command { runner: runner.to_owned(), annotations: IndexMap::new() };
        command.annotations.insert(Atom::KEY.to_owned(), webc_value(atom));
        manifest.commands.insert(name.to_owned(), command);
    };
    set("borrowed", WASI_RUNNER_URI, &other);
    set("missing", WASI_RUNNER_URI, &Atom::new("nothing", None));
    set("game", "https://webc.org/runner/wasm4", &Atom::new("module", None));
    let package = Package::from_bytes(package_of(&manifest, folder([]))).unwrap();
    for (name, expected) in
        [("borrowed", "\"some/other\""), ("missing", "no module"), ("game", "the runner")]
    {
        let error = package.command(name).unwrap().module().unwrap_err();
        assert!(matches!(error, SandboxError::CommandUnavailable { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(package.command("command").unwrap().module().is_ok());
}
