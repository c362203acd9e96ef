//! Modules that were precompiled.

use sandbox_core::{
    ArtifactRejection, Compilers, Module, ModuleOrigin, SandboxError, SecurityPolicy, SigningKey,
    WasmSandbox,
};

use super::processes::wasm_of;
use crate::modules;

const KEY: SigningKey = SigningKey::from_bytes([42; 32]);

fn precompiled() -> Vec<u8> {
    Module::precompile(&wasm_of(300), &SecurityPolicy::basic(), &KEY).unwrap()
}

fn rejection(artifact: &[u8], key: &SigningKey) -> ArtifactRejection {
    match Module::load(artifact, &SecurityPolicy::basic(), key) {
        Err(SandboxError::ArtifactRejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_precompiled_module_runs_without_being_compiled() {
    let wasm = std::fs::read(modules::guest("simple_math")).unwrap();
    let policy = SecurityPolicy::strict().with_compilers(Compilers::Any);
    for &compiler in modules::COMPILERS {
        let artifact = Module::precompile_with(&wasm, &policy, compiler, &KEY).unwrap();
        let module = Module::load(&artifact, &policy, &KEY).unwrap();
        assert_eq!(module.origin(), ModuleOrigin::Precompiled);
        let builder = WasmSandbox::builder().module(&module).security_policy(policy.clone());
        let sandbox = builder.build().await.unwrap();
        assert_eq!(sandbox.call::<i32>("add", (42i32, 24i32)).await.unwrap(), 66);
    }
}

#[test]
fn a_precompiled_module_is_loaded_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let (there, missing) = (folder.path().join("there"), folder.path().join("missing"));
    let (policy, mut artifact) = (SecurityPolicy::basic(), precompiled());
    std::fs::write(&there, &artifact).unwrap();
    let module = Module::load_file(&there, &policy, &KEY).unwrap();
    // It was read whole, and no longer depends on the file.
    artifact.fill(0);
    std::fs::write(&there, &artifact).unwrap();
    let sandbox = WasmSandbox::builder().module(&module).build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<i32>("number", ()).unwrap(), 300);
    let error = Module::load_file(&there, &policy, &KEY).unwrap_err();
    assert!(matches!(error, SandboxError::ArtifactRejected(_)), "{error}");
    let error = Module::load_file(&missing, &policy, &KEY).unwrap_err();
    assert!(matches!(&error, SandboxError::SourceUnreadable { path, .. } if *path == missing));
}

#[test]
fn the_wrong_key_is_named_as_the_reason() {
    let other = SigningKey::from_bytes([43; 32]);
    let rejection = rejection(&precompiled(), &other);
    assert_eq!(rejection, ArtifactRejection::ForeignKey);
    assert!(rejection.to_string().contains("the key that it was precompiled with"));
}

#[test]
fn changed_artifacts_are_refused() {
    let artifact = precompiled();
    let sample = (0..artifact.len()).filter(|at| *at < 1024 || at % 89 == 0);
    for at in sample {
        let mut changed = artifact.clone();
        changed[at] ^= 0x10;
        rejection(&changed, &KEY);
    }
    let mut changed = artifact.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(rejection(&changed, &KEY), ArtifactRejection::Altered);
}

#[test]
fn a_truncated_artifact_is_refused_with_both_lengths() {
    let artifact = precompiled();
    for length in [0, 1, 63] {
        assert_eq!(rejection(&artifact[..length], &KEY), ArtifactRejection::Unrecognised);
    }
    for length in [64, 65, 128, artifact.len() / 2, artifact.len() - 1] {
        let expected = ArtifactRejection::WrongLength {
            declared_bytes: artifact.len() as u64,
            actual_bytes: length as u64,
        };
        assert_eq!(rejection(&artifact[..length], &KEY), expected);
    }
}

#[test]
fn webassembly_is_not_taken_for_a_precompiled_module() {
    assert_eq!(rejection(&wasm_of(300), &KEY), ArtifactRejection::Unrecognised);
}

#[test]
fn what_wasmer_itself_would_load_is_refused() {
    let engine = wasmer::Engine::default();
    let foreign = wasmer::Module::from_binary(&engine, &wasm_of(300)).unwrap();
    assert_eq!(rejection(&foreign.serialize().unwrap(), &KEY), ArtifactRejection::Unrecognised);
}

#[test]
fn the_size_limit_holds_for_the_module_that_was_precompiled() {
    let policy = SecurityPolicy::strict().with_module_limit(8);
    let error = Module::load(&precompiled(), &policy, &KEY).unwrap_err();
    let size_bytes = wasm_of(300).len() as u64;
    assert!(
        matches!(error, SandboxError::ModuleTooLarge { size_bytes: told, limit_bytes: 8 }
            if told == size_bytes),
        "{error}"
    );
}

#[test]
fn precompiling_refuses_what_compiling_refuses() {
    let error = Module::precompile(b"junk", &SecurityPolicy::basic(), &KEY).unwrap_err();
    assert!(matches!(error, SandboxError::InvalidModule { .. }), "{error}");
}

#[test]
fn a_precompiled_module_runs_under_the_limits_that_it_was_loaded_under() {
    let strict = SecurityPolicy::strict();
    let artifact = Module::precompile(&wasm_of(300), &strict, &KEY).unwrap();
    let module = Module::load(&artifact, &strict, &KEY).unwrap();
    let sandbox = WasmSandbox::builder().module(&module).build_blocking().unwrap();
    assert_eq!(*sandbox.policy(), strict);
}
