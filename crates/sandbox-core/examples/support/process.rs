//! Resources that this process holds of the system, as Linux tells it.

use std::fs;

/// A reading of all counters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holdings {
    /// Resident memory.
    pub(crate) resident_kib: i64,
    /// Memory that the kernel keeps to find that memory, which is not part of it.
    pub(crate) page_tables_kib: i64,
    /// Address space, used or reserved.
    pub(crate) address_space_mib: i64,
    /// Stretches of address space with one owner and one set of rights; `vm.max_map_count` limits them.
    pub(crate) mappings: i64,
    /// Open files.
    pub(crate) descriptors: i64,
    pub(crate) threads: i64,
}

impl Holdings {
    /// Reads what the process holds now.
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").expect("Linux has this file");
        let field = |name: &str| -> i64 {
            let line = status.lines().find(|line| line.starts_with(name)).expect("a known field");
            line[name.len()..].trim().trim_end_matches(" kB").parse().expect("a number")
        };
        let maps = fs::read_to_string("/proc/self/maps").expect("Linux has this file");
        let descriptors = fs::read_dir("/proc/self/fd").expect("Linux has this folder").count();
        Self {
            resident_kib: field("VmRSS:"),
            page_tables_kib: field("VmPTE:"),
            address_space_mib: field("VmSize:") / 1024,
            mappings: count(maps.lines().count()),
            descriptors: count(descriptors),
            threads: field("Threads:"),
        }
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).expect("small numbers fit")
}

impl std::ops::Sub for Holdings {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            resident_kib: self.resident_kib - before.resident_kib,
            page_tables_kib: self.page_tables_kib - before.page_tables_kib,
            address_space_mib: self.address_space_mib - before.address_space_mib,
            mappings: self.mappings - before.mappings,
            descriptors: self.descriptors - before.descriptors,
            threads: self.threads - before.threads,
        }
    }
}
