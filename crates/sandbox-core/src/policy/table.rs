//! The table of the presets in the documentation, and the test that it is true.

use std::time::Duration;

use super::*;

const DOCUMENTED: &str = include_str!("table.md");

/// One column: what a policy says in each row, in the order of the table.
fn column(policy: SecurityPolicy) -> Vec<(&'static str, String)> {
    // In full, so that a new field needs a row.
    let SecurityPolicy {
        memory_limit_bytes,
        table_limit_elements,
        wall_clock,
        initialisation_limit,
        fuel,
        stack_bytes,
        module_limit_bytes,
        compile_limits,
        value_limit_bytes,
        output_limit_bytes,
        scratch_limit_bytes,
        features,
        compilers,
        nan_bits,
        instances,
        max_instances,
        open_file_limit,
        grants,
        folders,
        bundles,
        environment,
        arguments,
        network_grants,
        network,
        clock,
        randomness,
    } = policy;
    assert!(
        folders.is_empty() && bundles.is_empty() && environment.is_empty() && arguments.is_empty()
    );
    assert!(network.is_empty());
    let granted = |what: &str, grants| match grants {
        GrantUse::Accepted => what.to_owned(),
        GrantUse::Refused => "none".to_owned(),
    };
    let mut rows = vec![
        ("linear memory", memory_limit_bytes.map_or("the module's own maximum".to_owned(), bytes)),
        ("tables, all together", format!("{} elements", grouped(table_limit_elements.into()))),
        ("what the host holds for an instance", "counted with linear memory".to_owned()),
        ("wall clock per call", wall_clock.map_or("none".to_owned(), seconds)),
        ("initialisation", initialisation_limit.map_or("as a call".to_owned(), seconds)),
        ("fuel per call", fuel.map_or("none".to_owned(), |FuelUnits(units)| grouped(units))),
        ("Wasm stack", bytes(stack_bytes as u64)),
        ("folders of the host", granted("granted, read-only or writable", grants)),
        ("files in memory", bytes(scratch_limit_bytes)),
        ("open files", grouped(open_file_limit.into())),
        ("environment, arguments", granted("granted", grants)),
        ("network", granted("granted hosts", network_grants)),
        ("threads, processes, dynamic loading", "none".to_owned()),
        (
            "clock",
            match clock {
                Clock::Real => "real",
                Clock::Coarse => "coarse (1 ms)",
                Clock::CoarseMonotonic => "coarse, monotonic only",
                Clock::Fixed { .. } | Clock::Manual(_) => "set by the host",
            }
            .to_owned(),
        ),
        (
            "random bytes",
            match randomness {
                Randomness::Secure => "the system's".to_owned(),
                other => format!("{other:?}"),
            },
        ),
        ("captured stdout + stderr", bytes(output_limit_bytes)),
        ("module size accepted", bytes(module_limit_bytes)),
        ("Wasm features", without(features)),
        (
            "compilers",
            match compilers {
                Compilers::Any => "any",
                Compilers::ForUntrusted => "all but LLVM",
            }
            .to_owned(),
        ),
        (
            "bits of computed NaNs",
            match nan_bits {
                NanBits::Native => "native",
                NanBits::Canonical => "canonical",
            }
            .to_owned(),
        ),
        (
            "instances",
            match instances {
                InstanceMode::Persistent => "persistent",
                InstanceMode::Fresh => "fresh",
            }
            .to_owned(),
        ),
        ("fresh instances and runs at once", grouped(max_instances as u64)),
        ("value that is decoded", bytes(value_limit_bytes)),
        ("compiled: time", compile_limits.time.map_or("unlimited".to_owned(), seconds)),
    ];
    rows.extend(
        CompileMeasure::ALL
            .iter()
            .map(|&measure| (row_of(measure), limit_of(&compile_limits, measure))),
    );
    rows
}

/// Name of a compile limit's row in the table.
fn row_of(measure: CompileMeasure) -> &'static str {
    match measure {
        CompileMeasure::FunctionBytes => "compiled: size of a function",
        CompileMeasure::FunctionLocals => "compiled: local variables of a function",
        CompileMeasure::FunctionBlocks => "compiled: blocks of a function",
        CompileMeasure::BranchTargets => "compiled: branch targets of a function",
        CompileMeasure::Nesting => "compiled: nesting of blocks",
        CompileMeasure::Phis => "compiled by an optimising compiler: phis",
        CompileMeasure::Locals => "compiled: local variables of all functions",
        CompileMeasure::MovedValues => "compiled: values moved by calls and branches",
        CompileMeasure::Types => "compiled: types",
        CompileMeasure::Imports => "compiled: imports",
        CompileMeasure::Functions => "compiled: functions",
        CompileMeasure::Tables => "compiled: tables",
        CompileMeasure::Globals => "compiled: globals",
        CompileMeasure::Exports => "compiled: exports",
        CompileMeasure::Elements => "compiled: elements of tables",
        CompileMeasure::DataSegments => "compiled: data segments",
        CompileMeasure::CustomSections => "compiled: custom sections",
    }
}

fn limit_of(limits: &CompileLimits, measure: CompileMeasure) -> String {
    match (measure, limits.of(measure)) {
        (_, u32::MAX) => "unlimited".to_owned(),
        (CompileMeasure::FunctionBytes, limit) => bytes(limit.into()),
        (_, limit) => grouped(limit.into()),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes => format!("{} KiB", bytes >> 10),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}

fn without(features: WasmFeatures) -> String {
    let missing = WasmFeatures::ALL.difference(features);
    if missing.is_empty() {
        "all that the compiler offers".to_owned()
    } else {
        format!("no {missing}")
    }
}

fn rendered() -> String {
    let columns = [
        column(SecurityPolicy::permissive()),
        column(SecurityPolicy::basic()),
        column(SecurityPolicy::strict()),
        column(SecurityPolicy::paranoid()),
    ];
    let mut table =
        "| | permissive | basic | strict | paranoid |\n|---|---|---|---|---|\n".to_owned();
    for (row, (name, _)) in columns[0].iter().enumerate() {
        let cells: Vec<&str> = columns.iter().map(|column| column[row].1.as_str()).collect();
        table.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    }
    table
}

#[test]
fn the_documented_table_is_what_the_presets_say() {
    let table = rendered();
    assert!(DOCUMENTED.trim() == table.trim(), "policy/table.md should be:\n{table}");
}

#[test]
fn the_default_is_basic() {
    assert_eq!(SecurityPolicy::default(), SecurityPolicy::basic());
}

#[test]
fn no_preset_allows_what_a_laxer_one_forbids() {
    let presets = [
        SecurityPolicy::permissive(),
        SecurityPolicy::basic(),
        SecurityPolicy::strict(),
        SecurityPolicy::paranoid(),
    ];
    for pair in presets.windows(2) {
        let (laxer, stricter) = (&pair[0], &pair[1]);
        let most = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
        assert!(most(stricter.memory_limit_bytes) <= most(laxer.memory_limit_bytes));
        assert!(stricter.table_limit_elements <= laxer.table_limit_elements);
        assert!(
            stricter.wall_clock.unwrap_or(Duration::MAX)
                <= laxer.wall_clock.unwrap_or(Duration::MAX)
        );
        assert!(
            most(stricter.fuel.map(|FuelUnits(units)| units))
                <= most(laxer.fuel.map(|FuelUnits(units)| units))
        );
        assert!(stricter.stack_bytes <= laxer.stack_bytes);
        assert!(stricter.module_limit_bytes <= laxer.module_limit_bytes);
        for &measure in CompileMeasure::ALL {
            assert!(stricter.compile_limits.of(measure) <= laxer.compile_limits.of(measure));
        }
        assert!(
            stricter.compile_limits.time.unwrap_or(Duration::MAX)
                <= laxer.compile_limits.time.unwrap_or(Duration::MAX)
        );
        assert!(stricter.value_limit_bytes <= laxer.value_limit_bytes);
        assert!(stricter.max_instances <= laxer.max_instances);
        assert!(stricter.output_limit_bytes <= laxer.output_limit_bytes);
        assert!(stricter.scratch_limit_bytes <= laxer.scratch_limit_bytes);
        assert!(stricter.open_file_limit <= laxer.open_file_limit);
        assert!(stricter.features.difference(laxer.features).is_empty());
    }
}
