use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use super::super::Request;
use super::super::memory::MemoryCache;
use super::*;
use crate::module::compiler::Hurry;
use crate::module::{Compiler, ModuleOrigin, Wanted};
use crate::policy::SecurityPolicy;

const NO_LIMIT: u64 = u64::MAX;

struct Fixture {
    temporary: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { temporary: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.temporary.path().join("modules")
    }

    fn open(&self, limit_bytes: u64) -> DiskCache {
        DiskCache::open(&self.path(), limit_bytes).unwrap()
    }

    /// Gets a module as a process does that has just started.
    fn build_with(&self, number: i32, compiler: Compiler, limit_bytes: u64) -> Module {
        let (wasm, policy) = (wasm(number), SecurityPolicy::basic());
        let wanted = Wanted::always();
        let request = Request::new(&wasm, &policy, compiler, Hurry::CallerWaits, &wanted).unwrap();
        request.obtain(&MemoryCache::default(), Some(&self.open(limit_bytes))).unwrap()
    }

    fn build(&self, number: i32) -> Module {
        self.build_with(number, Compiler::Cranelift, NO_LIMIT)
    }

    fn origin(&self, number: i32) -> ModuleOrigin {
        self.build(number).origin()
    }

    fn entry(&self, module: &Module) -> PathBuf {
        self.open(NO_LIMIT).entry(module.identity())
    }

    fn entries(&self) -> BTreeSet<PathBuf> {
        let files = fs::read_dir(self.path()).unwrap().map(|item| item.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|end| end == "module")).collect()
    }
}

/// Modules that differ.
fn wasm(number: i32) -> Vec<u8> {
    let text = format!(
        r#"(module (func $numbers_name (export "number") (result i32) i32.const {number}))"#
    );
    wat::parse_str(text).unwrap()
}

fn set_used(entry: &Path, ago: Duration) {
    let file = fs::File::options().write(true).open(entry).unwrap();
    file.set_modified(SystemTime::now() - ago).unwrap();
}

#[test]
fn a_module_is_compiled_once_and_then_read() {
    let fixture = Fixture::new();
    let compiled = fixture.build(1);
    assert_eq!(compiled.origin(), ModuleOrigin::Compiled);
    let read = fixture.build(1);
    assert_eq!(read.origin(), ModuleOrigin::DiskCache);
    assert_eq!(read.function_names(), compiled.function_names());
    assert_eq!(read.identity(), compiled.identity());
}

#[test]
fn changed_entries_are_refused_compiled_anew_and_repaired() {
    let fixture = Fixture::new();
    let module = fixture.build(1);
    let entry = fixture.entry(&module);
    let genuine = fs::read(&entry).unwrap();
    let disk = fixture.open(NO_LIMIT);
    // Every byte of the header and the description, and a sample of the code.
    for at in (0..1024).chain((1024..genuine.len()).step_by(97)).filter(|at| *at < genuine.len()) {
        let mut changed = genuine.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(&entry, &changed).unwrap();
        let error = disk.load(module.identity()).unwrap_err();
        assert!(matches!(error, EntryError::Rejected(_)), "{at}: {error}");
    }
    assert_eq!(fixture.origin(1), ModuleOrigin::Compiled);
    assert_eq!(fixture.origin(1), ModuleOrigin::DiskCache);
}

#[test]
fn cut_off_entries_are_refused() {
    let fixture = Fixture::new();
    let module = fixture.build(1);
    let entry = fixture.entry(&module);
    let genuine = fs::read(&entry).unwrap();
    let disk = fixture.open(NO_LIMIT);
    for length in (0..600).chain((600..genuine.len()).step_by(101)).chain([genuine.len() - 1]) {
        fs::write(&entry, &genuine[..length]).unwrap();
        let error = disk.load(module.identity()).unwrap_err();
        assert!(matches!(error, EntryError::Rejected(_)), "{length}: {error}");
    }
    assert_eq!(fixture.origin(1), ModuleOrigin::Compiled);
}

#[test]
fn an_entry_renamed_to_another_module_or_compiler_is_refused() {
    let fixture = Fixture::new();
    let modules =
        [fixture.build(1), fixture.build(2), fixture.build_with(1, Compiler::Singlepass, NO_LIMIT)];
    let disk = fixture.open(NO_LIMIT);
    for to in &modules {
        for from in modules.iter().filter(|from| from.identity() != to.identity()) {
            let genuine = fs::read(fixture.entry(to)).unwrap();
            fs::copy(fixture.entry(from), fixture.entry(to)).unwrap();
            let error = disk.load(to.identity()).unwrap_err();
            let told = matches!(error, EntryError::Rejected(ArtifactRejection::OtherBuild { .. }));
            assert!(told, "{error}");
            fs::write(fixture.entry(to), genuine).unwrap();
            assert!(disk.load(to.identity()).unwrap().is_some());
        }
    }
}

#[test]
fn compilers_have_entries_of_their_own() {
    let fixture = Fixture::new();
    fixture.build(1);
    let module = fixture.build_with(1, Compiler::Singlepass, NO_LIMIT);
    assert_eq!(module.origin(), ModuleOrigin::Compiled);
    assert_eq!(fixture.entries().len(), 2);
}

#[test]
fn an_entry_of_another_folder_is_refused() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    let module = fixture.build(1);
    fs::copy(other.entry(&other.build(1)), fixture.entry(&module)).unwrap();
    let error = fixture.open(NO_LIMIT).load(module.identity()).unwrap_err();
    assert!(matches!(error, EntryError::Rejected(ArtifactRejection::ForeignKey)), "{error}");
    assert_eq!(fixture.origin(1), ModuleOrigin::Compiled);
}

#[test]
fn an_entry_that_others_may_write_to_is_refused_though_it_is_genuine() {
    let fixture = Fixture::new();
    let entry = fixture.entry(&fixture.build(1));
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(fixture.origin(1), ModuleOrigin::Compiled);
    assert_eq!(fixture.origin(1), ModuleOrigin::DiskCache);
}

#[test]
fn the_secret_is_for_the_owner_and_must_stay_so() {
    let fixture = Fixture::new();
    fixture.build(1);
    let secret = fixture.path().join(SECRET);
    let metadata = fs::metadata(&secret).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o777, metadata.len()), (0o600, 32));
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
        let error = DiskCache::open(&fixture.path(), NO_LIMIT).unwrap_err();
        assert!(matches!(error, OpenError::Secret { .. }), "{error}");
        assert!(error.to_string().contains("remove it"), "{error}");
    }
}

#[test]
fn a_secret_of_the_wrong_length_is_not_used() {
    let fixture = Fixture::new();
    fixture.build(1);
    for length in [0, 31, 33] {
        fs::write(fixture.path().join(SECRET), vec![0; length]).unwrap();
        let error = DiskCache::open(&fixture.path(), NO_LIMIT).unwrap_err();
        assert!(error.to_string().contains("remove it"), "{length}: {error}");
    }
}

#[test]
fn a_new_secret_makes_old_entries_foreign() {
    let fixture = Fixture::new();
    fixture.build(1);
    fs::remove_file(fixture.path().join(SECRET)).unwrap();
    assert_eq!(fixture.origin(1), ModuleOrigin::Compiled);
    assert_eq!(fixture.origin(1), ModuleOrigin::DiskCache);
}

#[test]
fn all_who_open_a_new_folder_at_once_get_the_same_secret() {
    let fixture = Fixture::new();
    let barrier = Barrier::new(16);
    let secrets: BTreeSet<[u8; 32]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    fixture.open(NO_LIMIT).secret.to_bytes()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(secrets.len(), 1);
}

#[test]
fn what_was_not_used_for_longest_is_removed_first() {
    let fixture = Fixture::new();
    let modules: Vec<Module> = (0..4).map(|number| fixture.build(number)).collect();
    let entries: Vec<PathBuf> = modules.iter().map(|module| fixture.entry(module)).collect();
    for (entry, hours) in entries.iter().zip([4, 3, 2, 1]) {
        set_used(entry, Duration::from_secs(hours * 3600));
    }
    // Using the oldest makes it the youngest.
    assert_eq!(fixture.origin(0), ModuleOrigin::DiskCache);
    let room_for_three = 3 * fs::metadata(&entries[0]).unwrap().len() + 100;
    let added = fixture.build_with(9, Compiler::Cranelift, room_for_three);
    let expected = BTreeSet::from([entries[0].clone(), entries[3].clone(), fixture.entry(&added)]);
    assert_eq!(fixture.entries(), expected);
}

#[test]
fn an_entry_larger_than_the_whole_cache_is_not_kept_and_removes_nothing() {
    let fixture = Fixture::new();
    let kept = fixture.entry(&fixture.build(1));
    let module = fixture.build_with(2, Compiler::Cranelift, 100);
    assert_eq!(module.origin(), ModuleOrigin::Compiled);
    assert_eq!(fixture.entries(), BTreeSet::from([kept]));
}

#[test]
fn eviction_removes_nothing_but_entries() {
    let fixture = Fixture::new();
    fixture.build(1);
    let strangers = ["letter.txt", "0123.module", &format!("{}.module", "z".repeat(64))];
    for name in strangers {
        fs::write(fixture.path().join(name), vec![0; 100_000]).unwrap();
    }
    let bytes = fs::metadata(fixture.entry(&fixture.build(1))).unwrap().len();
    fixture.build_with(2, Compiler::Cranelift, bytes + 100);
    for name in strangers.into_iter().chain([SECRET]) {
        assert!(fixture.path().join(name).exists(), "{name}");
    }
}

#[test]
fn a_place_that_cannot_be_written_to_fails_no_build() {
    let fixture = Fixture::new();
    let entry = fixture.entry(&fixture.build(1));
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    assert_eq!(fixture.origin(1), ModuleOrigin::Compiled);
    assert_eq!(fixture.origin(1), ModuleOrigin::Compiled);
}

#[test]
fn ten_builders_at_once_compile_or_read_once() {
    let fixture = Fixture::new();
    for expected in [ModuleOrigin::Compiled, ModuleOrigin::DiskCache] {
        let memory = MemoryCache::default();
        let (wasm, policy, barrier) = (wasm(1), SecurityPolicy::basic(), Barrier::new(10));
        let wanted = Wanted::always();
        let build = || {
            let disk = fixture.open(NO_LIMIT);
            let request =
                Request::new(&wasm, &policy, Compiler::Cranelift, Hurry::CallerWaits, &wanted)
                    .unwrap();
            barrier.wait();
            request.obtain(&memory, Some(&disk)).unwrap().origin()
        };
        let origins: Vec<ModuleOrigin> = std::thread::scope(|scope| {
            let builders: Vec<_> = (0..10).map(|_| scope.spawn(build)).collect();
            builders.into_iter().map(|builder| builder.join().unwrap()).collect()
        });
        let count = |origin| origins.iter().filter(|given| **given == origin).count();
        assert_eq!((count(expected), count(ModuleOrigin::MemoryCache)), (1, 9), "{origins:?}");
    }
}

#[test]
fn a_module_that_was_only_in_memory_is_left_in_the_folder_too() {
    let fixture = Fixture::new();
    let memory = MemoryCache::default();
    let (wasm, policy) = (wasm(1), SecurityPolicy::basic());
    let wanted = Wanted::always();
    let request =
        || Request::new(&wasm, &policy, Compiler::Cranelift, Hurry::CallerWaits, &wanted).unwrap();
    assert_eq!(request().obtain(&memory, None).unwrap().origin(), ModuleOrigin::Compiled);
    let disk = fixture.open(NO_LIMIT);
    let again = request().obtain(&memory, Some(&disk)).unwrap();
    assert_eq!(again.origin(), ModuleOrigin::MemoryCache);
    assert_eq!(fixture.origin(1), ModuleOrigin::DiskCache);
    // What is used from memory counts as used on disk.
    let entry = fixture.entry(&again);
    set_used(&entry, Duration::from_secs(3600));
    request().obtain(&memory, Some(&disk)).unwrap();
    let age = fs::metadata(&entry).unwrap().modified().unwrap().elapsed().unwrap_or_default();
    assert!(age < Duration::from_secs(60), "{age:?}");
}

#[test]
fn a_module_that_was_read_can_be_sealed_again() {
    let fixture = Fixture::new();
    fixture.build(1);
    let read = fixture.build(1);
    let key = SigningKey::from_bytes([1; 32]);
    let sealed = read.seal_for((&key).into(), Purpose::Shipping).unwrap();
    let loaded = Module::load(&sealed, &SecurityPolicy::basic(), &key).unwrap();
    assert_eq!(loaded.function_names(), ["number"]);
    assert_eq!(loaded.names().of_function(0).as_deref(), Some("numbers_name"));
}

#[test]
fn the_default_folder_follows_the_base_directory_specification() {
    let home = |xdg: Option<&str>, home: Option<&str>| {
        cache_home(xdg.map(Into::into), home.map(Into::into))
    };
    assert_eq!(home(Some("/caches"), Some("/home/me")), Some("/caches".into()));
    assert_eq!(home(None, Some("/home/me")), Some("/home/me/.cache".into()));
    assert_eq!(home(Some("relative"), Some("/home/me")), Some("/home/me/.cache".into()));
    assert_eq!(home(Some(""), None), None);
    assert_eq!(home(None, None), None);
}
