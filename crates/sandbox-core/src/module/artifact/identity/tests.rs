use super::*;
use crate::policy::Compiler;

fn identity_of(wasm: &[u8], compiler: Compiler) -> Identity {
    let settings = CodeSettings::new(&SecurityPolicy::basic(), compiler);
    Identity::new(wasm, &settings)
}

fn identity() -> Identity {
    identity_of(b"wasm", Compiler::Cranelift)
}

/// An identity of code that needs no feature of the processor.
fn portable() -> Identity {
    let mut portable = identity();
    Arc::make_mut(&mut portable.build).cpu_features.clear();
    portable
}

/// Identities that differ from [`identity`] in one field each, with the words that name the difference.
fn others() -> Vec<(&'static str, Identity)> {
    let change = |aspect, change: fn(&mut Build)| {
        let mut changed = identity();
        change(Arc::make_mut(&mut changed.build));
        (aspect, changed)
    };
    vec![
        change("Wasmer", |build| build.wasmer = "7.4.1".to_owned()),
        change("sandbox-core", |build| build.sandbox = "0.0.9.1".to_owned()),
        change("the target", |build| build.target = "riscv64-unknown-none".to_owned()),
        change("a processor with", |build| build.cpu_features.push("avx9000".to_owned())),
        change("compiler options", |build| build.compiler_options.push_str("-opt")),
    ]
}

#[test]
fn every_field_changes_the_key_of_the_caches() {
    let mut digests: Vec<_> = others().iter().map(|(_, other)| other.digest()).collect();
    digests.push(identity().digest());
    digests.push(identity_of(b"masm", Compiler::Cranelift).digest());
    digests.push(identity_of(b"wasm", Compiler::Singlepass).digest());
    for policy in [
        SecurityPolicy::basic().with_fuel(1),
        SecurityPolicy::basic().with_nan_bits(crate::policy::NanBits::Canonical),
        SecurityPolicy::basic().with_features(crate::policy::WasmFeatures::NONE),
    ] {
        let settings = CodeSettings::new(&policy, Compiler::Cranelift);
        digests.push(Identity::new(b"wasm", &settings).digest());
    }
    digests.push(Identity { wasm_bytes: 5, ..identity() }.digest());
    digests.push(portable().digest());
    let distinct: std::collections::HashSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
}

#[test]
fn the_same_module_has_the_same_key_each_time() {
    assert_eq!(identity().digest(), identity().digest());
}

#[test]
fn a_description_survives_being_written() {
    for identity in [identity(), portable()] {
        assert_eq!(Identity::parse(&identity.to_bytes()), Ok(identity));
    }
}

#[test]
fn the_words_of_a_description_are_its_own() {
    let policy = SecurityPolicy::paranoid();
    let settings = CodeSettings::without_phis(&policy, Compiler::Cranelift, Compiler::Singlepass);
    let written = String::from_utf8(Identity::new(b"wasm", &settings).to_bytes()).unwrap();
    let expected = r#""settings":{"compiler":"singlepass","features":["bulk-memory","extended-const","multi-value","mutable-globals","reference-types","saturating-float-to-int","sign-extension"],"metered":true,"canonical_nans":true,"in_place_of":"cranelift"}"#;
    assert!(written.contains(expected), "{written}");
    assert!(written.starts_with(r#"{"version":1,"wasm":""#), "{written}");
}

#[test]
fn what_was_made_for_something_else_is_refused_with_both_sides_named() {
    for (expected, other) in others() {
        let rejection = other.require_runnable(&SecurityPolicy::basic()).unwrap_err();
        let aspect = match &rejection {
            ArtifactRejection::OtherBuild { aspect, .. } => aspect.to_string(),
            ArtifactRejection::OtherProcessor { missing } if missing == &["avx9000"] => {
                "a processor with".to_owned()
            }
            _ => "none".to_owned(),
        };
        assert_eq!(aspect, expected, "{rejection:?}");
        assert!(rejection.to_string().contains("compile the module"), "{rejection}");
        assert!(other.require_same(&identity()).is_err(), "{expected}");
    }
}

#[test]
fn fewer_processor_features_run_here_but_are_not_the_cached_module() {
    assert!(portable().require_runnable(&SecurityPolicy::basic()).is_ok());
    assert!(portable().require_same(&identity()).is_err());
}

#[test]
fn a_cache_entry_of_another_module_or_compiler_is_refused() {
    for other in [
        identity_of(b"masm", Compiler::Cranelift),
        identity_of(b"wasm", Compiler::Singlepass),
        Identity { wasm_bytes: 5, ..identity() },
    ] {
        assert!(other.require_same(&identity()).is_err(), "{other:?}");
    }
    assert_eq!(identity().require_same(&identity()), Ok(()));
}

#[test]
fn a_description_with_unknown_words_comes_from_another_version() {
    let written = String::from_utf8(identity().to_bytes()).unwrap();
    for changed in [
        written.replace("\"cranelift\"", "\"telepathy\""),
        written.replacen('{', "{\"fuel\":true,", 1),
        written.replacen("\"version\":1", "\"version\":2", 1),
        written.replacen("\"version\":1,", "", 1),
        #[cfg(not(feature = "llvm"))]
        written.replace("\"cranelift\"", "\"llvm\""),
        String::new(),
    ] {
        let rejection = Identity::parse(changed.as_bytes()).unwrap_err();
        assert!(matches!(rejection, ArtifactRejection::OtherBuild { .. }), "{rejection:?}");
    }
}

#[test]
fn code_that_may_use_more_than_the_policy_allows_is_refused() {
    let written = String::from_utf8(identity().to_bytes()).unwrap();
    let more = written.replace(r#""features":["#, r#""features":["threads","#);
    let other = Identity::parse(more.as_bytes()).unwrap();
    let rejection = other.require_runnable(&SecurityPolicy::basic()).unwrap_err();
    assert!(matches!(rejection, ArtifactRejection::ForbiddenByPolicy { .. }), "{rejection:?}");
    assert!(rejection.to_string().contains("threads"), "{rejection}");
    assert!(other.require_same(&identity()).is_err());
    assert_ne!(other.digest(), identity().digest());
}
