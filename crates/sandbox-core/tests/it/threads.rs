//! Guests that want threads, processes and other modules. There are none, under any policy.

use sandbox_core::{SandboxError, SecurityPolicy, WasmFeature};

use crate::modules;

fn presets() -> [SecurityPolicy; 5] {
    [
        SecurityPolicy::permissive(),
        // A grant of the network brings nothing but sockets.
        SecurityPolicy::permissive().with_network_host("127.0.0.1", 1),
        SecurityPolicy::basic(),
        SecurityPolicy::strict(),
        SecurityPolicy::paranoid(),
    ]
}

#[test]
fn threads_processes_and_dynamic_loading_are_refused_by_name() {
    for policy in presets() {
        for (namespace, name, reason) in [
            ("wasi", "thread-spawn", "threads"),
            ("wasix_32v1", "thread_spawn", "threads"),
            ("wasix_32v1", "thread_spawn_v2", "threads"),
            ("wasix_32v1", "thread_join", "threads"),
            ("wasix_32v1", "thread_signal", "threads"),
            ("wasix_32v1", "futex_wait", "threads"),
            ("wasix_32v1", "context_create", "threads"),
            ("wasix_32v1", "proc_fork", "processes"),
            ("wasix_32v1", "proc_fork_env", "processes"),
            ("wasix_32v1", "proc_exec", "processes"),
            ("wasix_32v1", "proc_exec4", "processes"),
            ("wasix_32v1", "proc_spawn3", "processes"),
            ("wasix_32v1", "proc_join", "processes"),
            ("wasix_32v1", "proc_signal", "processes"),
            ("wasix_32v1", "dlopen", "dynamic loading"),
            ("wasix_32v1", "dlsym", "dynamic loading"),
            ("wasix_32v1", "call_dynamic", "dynamic loading"),
            ("wasix_64v1", "proc_fork", "processes"),
        ] {
            let text = format!(
                r#"(module (import {namespace:?} {name:?} (func)) (memory (export "memory") 1))"#
            );
            let builder = modules::builder(&text).security_policy(policy.clone());
            let error = builder.build_blocking().map(drop).unwrap_err();
            let SandboxError::UnknownImport { remedy, .. } = &error else {
                panic!("{namespace}.{name}: {error}")
            };
            assert!(remedy.contains(reason), "{namespace}.{name}: {remedy}");
        }
    }
}

#[test]
fn a_memory_that_threads_share_cannot_be_imported_or_defined() {
    for policy in presets() {
        for text in [
            r#"(module (memory (export "memory") 1 1 shared))"#,
            r#"(module (import "env" "memory" (memory 1 1 shared)))"#,
        ] {
            let builder = modules::builder(text).security_policy(policy.clone());
            let error = builder.build_blocking().map(drop).unwrap_err();
            let forbidden = matches!(
                error,
                SandboxError::SharedMemory { .. }
                    | SandboxError::ForbiddenFeature { feature: WasmFeature::Threads, .. }
            );
            assert!(forbidden, "{text}: {error}");
        }
    }
}
