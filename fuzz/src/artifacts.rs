//! Compiled modules that come from outside: shipped ones, and entries of a cache folder.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use sandbox_core::{Compiler, Module, SandboxError, SecurityPolicy, SigningKey, WasmSandbox};
use tempfile::TempDir;

use crate::well::{assert_typed, assert_well};

const GUEST: &str = r#"(module
    (memory (export "memory") 1)
    (data (i32.const 8) "\2a\00\00\00")
    (func (export "answer") (result i32) (i32.load (i32.const 8))))"#;

struct Places {
    key: SigningKey,
    sealed: Vec<u8>,
    /// A cache folder with an entry, and its file.
    folder: TempDir,
    entry: PathBuf,
    cached: Vec<u8>,
}

static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let key = SigningKey::generate().expect("there are random bytes");
    let wasm = wat::parse_str(GUEST).expect("the text is valid");
    let policy = policy();
    let sealed =
        Module::precompile_with(&wasm, &policy, Compiler::Singlepass, &key).expect("it compiles");
    let folder = tempfile::tempdir().expect("there is room for a folder");
    build(&folder);
    let files =
        fs::read_dir(folder.path()).expect("it is there").flatten().map(|entry| entry.path());
    let entry = files
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "module"))
        .expect("the module was kept");
    let cached = fs::read(&entry).expect("it is ours");
    Places { key, sealed, folder, entry, cached }
});

fn policy() -> SecurityPolicy {
    SecurityPolicy::strict().with_wall_clock(std::time::Duration::from_secs(20))
}

/// A module that is not the same twice, or the copy in memory would be taken instead of the one in the folder.
fn build(folder: &TempDir) {
    let wasm = wat::parse_str(GUEST).expect("the text is valid");
    let builder = WasmSandbox::builder().source_bytes(&wasm).security_policy(policy());
    let sandbox = builder
        .compiler(Compiler::Singlepass)
        .cache_dir(folder.path())
        .build_blocking()
        .expect("a fault of the folder fails no build");
    assert!(matches!(sandbox.call_blocking::<i32>("answer", ()), Ok(42)));
}

/// Changes what is genuine as the bytes say: pairs of places and bytes, and perhaps a cut.
fn changed(genuine: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = genuine.to_vec();
    for change in changes.chunks_exact(4) {
        let place = usize::from(u16::from_le_bytes([change[1], change[2]]));
        match change[0] % 8 {
            0 => bytes.truncate(place % (bytes.len() + 1)),
            1 => bytes.extend(std::iter::repeat_n(change[3], place % 100)),
            2 if !bytes.is_empty() => {
                let at = place % bytes.len();
                bytes.remove(at);
            }
            _ if !bytes.is_empty() => {
                // Headers are where lengths are.
                let within = if change[0] & 8 == 0 { bytes.len().min(128) } else { bytes.len() };
                bytes[place % within] = change[3];
            }
            _ => {}
        }
    }
    bytes
}

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let Some((how, changes)) = data.split_first() else { return };
    let places = &*PLACES;
    if how & 3 == 0 {
        fs::write(&places.entry, changed(&places.cached, changes)).expect("it is ours");
        build(&places.folder);
    } else {
        let sealed = if how & 3 == 1 { changes.to_vec() } else { changed(&places.sealed, changes) };
        match Module::load(&sealed, &policy(), &places.key) {
            Ok(module) => {
                assert!(sealed == places.sealed, "something was loaded that was not sealed");
                assert_eq!(module.compiler(), Compiler::Singlepass);
            }
            Err(error) => {
                assert_typed(&error);
                assert!(
                    matches!(error, SandboxError::ArtifactRejected(_)),
                    "not refused as an artifact: {error}"
                );
            }
        }
    }
    assert_well();
}

/// Bytes to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![vec![0], vec![2], vec![1], vec![0, 0, 10, 0, 0], vec![2, 0, 100, 0, 0]];
    for place in [0u8, 4, 8, 16, 32, 40, 64, 100] {
        seeds.push(vec![0, 3, place, 0, 0xff]);
        seeds.push(vec![2, 3, place, 0, 0xff]);
        seeds.push(vec![2, 11, place, 7, 0x80, 1, place, 0, 1]);
    }
    seeds.push([&[1][..], &PLACES.sealed[..PLACES.sealed.len().min(600)]].concat());
    seeds
}
