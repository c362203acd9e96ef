//! Every example runs, and none is forgotten.
#![expect(
    clippy::duplicate_mod,
    reason = "each example brings the little that it shares with others"
)]

use std::collections::BTreeSet;

/// For each example, its code as a module, and a test of the same name that runs it.
macro_rules! examples {
    ($($(#[$only:meta])* $name:ident in $file:literal),* $(,)?) => {
        $(
            $(#[$only])*
            #[path = $file]
            mod $name;

            $(#[$only])*
            #[test]
            fn $name() {
                $name::main().unwrap();
            }
        )*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

examples! {
    batches in "../../examples/batches.rs",
    bytes_and_text in "../../examples/bytes_and_text.rs",
    cancellation in "../../examples/cancellation.rs",
    cold_start in "../../examples/cold_start.rs",
    compiled_modules in "../../examples/compiled_modules.rs",
    density in "../../examples/density.rs",
    dynamic_calls in "../../examples/dynamic_calls.rs",
    failing_stream in "../../examples/failing_stream.rs",
    folders in "../../examples/folders.rs",
    farm in "../../examples/farm.rs",
    fresh_instances in "../../examples/fresh_instances.rs",
    handles in "../../examples/handles.rs",
    host_functions in "../../examples/host_functions.rs",
    limits_and_errors in "../../examples/limits_and_errors.rs",
    numbers in "../../examples/numbers.rs",
    #[cfg(feature = "wasix")]
    packages in "../../examples/packages.rs",
    pool in "../../examples/pool.rs",
    #[cfg(feature = "metrics")]
    prometheus in "../../examples/prometheus.rs",
    runner in "../../examples/runner.rs",
    sessions in "../../examples/sessions.rs",
    streaming in "../../examples/streaming.rs",
    usage_and_tracing in "../../examples/usage_and_tracing.rs",
    values in "../../examples/values.rs",
    wasi_command in "../../examples/wasi_command.rs",
    web_service in "../../examples/web_service.rs",
    without_tokio in "../../examples/without_tokio.rs",
}

#[test]
fn no_example_is_left_out() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let there: BTreeSet<String> = files
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let run: BTreeSet<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(there, run, "list each example in tests/it/examples.rs");
}
