//! The types of the functions of WASI preview 1.
//!
//! They are known before there is an environment of WASIX, so that one is made only for guests that call it.

use wasmer::{FunctionType, Type};

/// By name: the types of the parameters, `i` for `i32` and `l` for `i64`. The result is an error number.
///
/// Both versions of the namespace have the same types, except that the older one has no `sock_accept`.
const FUNCTIONS: [(&str, &str); 45] = [
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "ili"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("fd_advise", "illi"),
    ("fd_allocate", "ill"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "ill"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "il"),
    ("fd_filestat_set_times", "illi"),
    ("fd_pread", "iiili"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_prestat_get", "ii"),
    ("fd_pwrite", "iiili"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiili"),
    ("fd_renumber", "ii"),
    ("fd_seek", "ilii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiilli"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiillii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_raise", "i"),
    ("random_get", "ii"),
    ("sched_yield", ""),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
    ("thread-spawn", "i"),
];

/// The type of a function in one of the namespaces of WASI, if there is one of that name.
pub(super) fn of(namespace: &str, name: &str) -> Option<FunctionType> {
    if !super::NAMESPACES.contains(&namespace) {
        return None;
    }
    let with = |parameters: &str, results: &[Type]| {
        let parameters: Vec<Type> = parameters
            .bytes()
            .map(|each| if each == b'l' { Type::I64 } else { Type::I32 })
            .collect();
        FunctionType::new(parameters, results)
    };
    match name {
        "proc_exit" => Some(with("i", &[])),
        "sock_accept" if namespace == super::NAMESPACES[0] => Some(with("iii", &[Type::I32])),
        name => {
            let at = FUNCTIONS.binary_search_by_key(&name, |(name, _)| *name).ok()?;
            Some(with(FUNCTIONS[at].1, &[Type::I32]))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_what_wasix_has() {
        assert!(FUNCTIONS.is_sorted_by_key(|(name, _)| *name));
        for namespace in super::super::NAMESPACES {
            let offered = super::super::deferred::offered_by_wasix(namespace);
            let known: BTreeMap<String, FunctionType> = FUNCTIONS
                .iter()
                .map(|(name, _)| *name)
                .chain(["proc_exit", "sock_accept"])
                .filter_map(|name| Some((name.to_owned(), of(namespace, name)?)))
                .collect();
            assert_eq!(known, offered, "{namespace}");
        }
        assert_eq!(of("wasix_32v1", "fd_write"), None);
        assert_eq!(of("wasi_snapshot_preview1", "fd_dup"), None);
    }
}
