//! Modules that were precompiled.

use sandbox_core::{
    ArtifactRejection, Compilers, KeyRing, Module, ModuleOrigin, SandboxError, SealingKey,
    SecurityPolicy, SigningKey, VerifyingKey, WasmSandbox,
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
        matches!(error, SandboxError::ModuleTooLarge { size_bytes: told, limit_bytes: 8, .. }
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

#[test]
fn a_module_in_hand_is_sealed_as_it_is() {
    let policy = SecurityPolicy::strict();
    let module = Module::compile(&wasm_of(300), &policy).unwrap();
    let secret = SealingKey::generate().unwrap();
    let loaded =
        Module::load(&module.seal(&secret).unwrap(), &policy, &secret.verifying_key()).unwrap();
    assert_eq!(loaded.wasm_hash(), module.wasm_hash());
    // And so can one be that was loaded itself.
    let again = Module::load(&loaded.seal(&KEY).unwrap(), &policy, &KEY).unwrap();
    let sandbox = WasmSandbox::builder().module(&again).build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<i32>("number", ()).unwrap(), 300);
}

#[test]
fn who_has_only_the_public_key_can_load_and_not_forge() {
    let policy = SecurityPolicy::basic();
    let secret = SealingKey::from_bytes([9; 32]);
    let public = secret.verifying_key();
    let artifact = Module::precompile(&wasm_of(300), &policy, &secret).unwrap();
    let refused = |artifact: &[u8], keys: KeyRing| match Module::load(artifact, &policy, keys) {
        Err(SandboxError::ArtifactRejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    };
    Module::load(&artifact, &policy, &public).unwrap();
    let sample = (0..artifact.len()).filter(|at| *at < 1024 || at % 89 == 0);
    for at in sample {
        let mut changed = artifact.clone();
        changed[at] ^= 0x10;
        refused(&changed, (&public).into());
    }
    // Neither the bytes of the public key as a symmetric one, nor another secret, make what it accepts.
    for forger in [public.to_bytes(), [8; 32]] {
        let forged = Module::precompile(&wasm_of(7), &policy, &SigningKey::from_bytes(forger));
        assert_eq!(refused(&forged.unwrap(), (&public).into()), ArtifactRejection::ForeignKey);
        let forged = Module::precompile(&wasm_of(7), &policy, &SealingKey::from_bytes(forger));
        assert_eq!(refused(&forged.unwrap(), (&public).into()), ArtifactRejection::ForeignKey);
    }
    // A seal that is right for other bytes is not for these.
    let other = Module::precompile(&wasm_of(7), &policy, &secret).unwrap();
    let mut mixed = artifact.clone();
    mixed[32..96].copy_from_slice(&other[32..96]);
    assert_eq!(refused(&mixed, (&public).into()), ArtifactRejection::Altered);
    assert_eq!(refused(&artifact, KeyRing::new()), ArtifactRejection::ForeignKey);
    assert_eq!(refused(&artifact, (&KEY).into()), ArtifactRejection::ForeignKey);
}

#[test]
fn keys_are_rotated_without_a_module_being_refused() {
    let policy = SecurityPolicy::basic();
    let (old, new) = (SealingKey::from_bytes([1; 32]), SealingKey::from_bytes([2; 32]));
    let by = |key: &SealingKey| Module::precompile(&wasm_of(300), &policy, key).unwrap();
    let by_symmetric = precompiled();
    let before = KeyRing::from(&KEY).with(&old.verifying_key());
    let during = KeyRing::new().with(&before).with(&new.verifying_key());
    let after = KeyRing::new().with(&new.verifying_key());
    let loads = |artifact: &[u8], keys: &KeyRing| Module::load(artifact, &policy, keys).is_ok();
    let accepted = |keys: &KeyRing| {
        [loads(&by_symmetric, keys), loads(&by(&old), keys), loads(&by(&new), keys)]
    };
    assert_eq!(accepted(&before), [true, true, false]);
    assert_eq!(accepted(&during), [true, true, true]);
    assert_eq!(accepted(&after), [false, false, true]);
}

#[test]
fn an_artifact_says_what_it_is_without_a_key() {
    let policy = SecurityPolicy::basic();
    let signed = Module::precompile(&wasm_of(300), &policy, &SealingKey::from_bytes([1; 32]));
    let (signed, sealed) = (Module::inspect(&signed.unwrap()).unwrap(), precompiled());
    let symmetric = Module::inspect(&sealed).unwrap();
    assert!(signed.is_signed && !symmetric.is_signed);
    assert_ne!(signed.key_id, symmetric.key_id);
    let module = Module::load(&sealed, &policy, &KEY).unwrap();
    assert_eq!(symmetric.wasm_hash, module.wasm_hash());
    assert_eq!(symmetric.wasm_bytes, wasm_of(300).len() as u64);
    assert!(symmetric.target.contains(std::env::consts::ARCH), "{symmetric:?}");
    assert!(Module::inspect(&sealed[..100]).is_err());
    assert!(Module::inspect(b"junk").is_err());
}

#[tokio::test]
async fn artifacts_are_loaded_off_the_runtime_and_once_if_asked() {
    let policy = SecurityPolicy::basic();
    let artifact = Module::precompile(&wasm_of(301), &policy, &KEY).unwrap();
    let module = Module::load_async(artifact.clone(), &policy, &KEY).await.unwrap();
    assert_eq!(module.origin(), ModuleOrigin::Precompiled);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("module");
    std::fs::write(&path, &artifact).unwrap();
    Module::load_file_async(&path, &policy, &KEY).await.unwrap();
    let first = Module::load_cached(&artifact, &policy, &KEY).unwrap();
    let second = Module::load_cached(&artifact, &policy, &KEY).unwrap();
    assert_eq!(first.origin(), ModuleOrigin::Precompiled);
    assert_eq!(second.origin(), ModuleOrigin::MemoryCache);
    // What is cached is no way around the key or the policy.
    let other = SigningKey::from_bytes([43; 32]);
    assert!(Module::load_cached(&artifact, &policy, &other).is_err());
    let small = SecurityPolicy::basic().with_module_limit(8);
    assert!(Module::load_cached(&artifact, &small, &KEY).is_err());
}

#[test]
fn an_artifact_that_the_policy_does_not_want_is_told_from_one_for_another_machine() {
    let wide = SecurityPolicy::permissive();
    let artifact = Module::precompile(&wasm_of(300), &wide, &KEY).unwrap();
    let error = Module::load(&artifact, &SecurityPolicy::strict(), &KEY).unwrap_err();
    assert!(
        matches!(
            error,
            SandboxError::ArtifactRejected(ArtifactRejection::ForbiddenByPolicy { .. })
        ),
        "{error}"
    );
}

const ARTIFACT: &str = "SANDBOX_TEST_ARTIFACT";
const PUBLIC: &str = "SANDBOX_TEST_PUBLIC_KEY";

/// Not a test: the process that has the public key alone.
#[test]
#[ignore = "runs only as a process of another test"]
fn worker() {
    let Ok(path) = std::env::var(ARTIFACT) else { return };
    let public: Vec<u8> =
        std::env::var(PUBLIC).unwrap().split(',').map(|byte| byte.parse().unwrap()).collect();
    let public = VerifyingKey::from_bytes(public.try_into().unwrap());
    let module = Module::load_file(path, &SecurityPolicy::strict(), &public).unwrap();
    let sandbox = WasmSandbox::builder().module(&module).build_blocking().unwrap();
    let number: i32 = sandbox.call_blocking("number", ()).unwrap();
    println!("origin {:?}, number {number}.", module.origin());
}

#[test]
fn what_one_process_compiled_another_runs_that_has_only_the_public_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("module");
    let secret = SealingKey::generate().unwrap();
    let module = Module::compile(&wasm_of(4321), &SecurityPolicy::strict()).unwrap();
    std::fs::write(&path, module.seal(&secret).unwrap()).unwrap();
    let public: Vec<String> = secret.verifying_key().to_bytes().iter().map(u8::to_string).collect();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cache::shipping::worker", "--ignored", "--nocapture"])
        .env(ARTIFACT, &path)
        .env(PUBLIC, public.join(","))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("origin Precompiled, number 4321."), "{text}");
}
