//! Under which name a function is exported.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitStr, Result, Token};

/// Content of the brackets: nothing, or `name = "..."`.
pub(crate) struct Attribute {
    name: Option<LitStr>,
}

impl Parse for Attribute {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Ok(Self { name: None });
        }
        let message = "expected nothing or `name = \"...\"`";
        let key: Ident = input.parse().map_err(|error| Error::new(error.span(), message))?;
        if key != "name" {
            return Err(Error::new(key.span(), message));
        }
        input.parse::<Token![=]>()?;
        let name = Some(input.parse()?);
        if !input.is_empty() {
            return Err(input.error(message));
        }
        Ok(Self { name })
    }
}

impl Attribute {
    /// The name for the host, checked.
    pub(crate) fn export_name(&self, function: &Ident) -> Result<String> {
        let (name, span) = match &self.name {
            Some(name) => (name.value(), name.span()),
            None => (function.to_string().trim_start_matches("r#").to_owned(), function.span()),
        };
        check(&name, span)?;
        Ok(name)
    }
}

/// Exports of every guest, or of the linker.
const OF_THE_ABI: [&str; 5] = ["_initialize", "_start", "main", "memory", "sandbox_exchange"];

/// Functions of the C library that a guest contains. An export is a symbol for the linker, so one of
/// these names would replace the C library's function for the whole guest. Sorted.
#[rustfmt::skip]
const OF_THE_C_LIBRARY: &[&str] = &[
    "abort", "abs", "accept", "access", "acos", "aligned_alloc", "asin", "atan", "atexit", "atof",
    "atoi", "bcmp", "bind", "bsearch", "calloc", "cbrt", "ceil", "chdir", "clock", "close",
    "connect", "copysign", "cos", "dup", "environ", "erf", "exit", "exp", "exp2", "expm1", "fabs",
    "fclose", "fcntl", "fflush", "floor", "fma", "fmax", "fmin", "fmod", "fopen", "fputs", "fread",
    "free", "frexp", "fstat", "fsync", "fwrite", "getcwd", "getenv", "gmtime", "hypot", "ioctl",
    "labs", "ldexp", "lgamma", "link", "listen", "localtime", "log", "log10", "log1p", "log2",
    "lseek", "lstat", "malloc", "memchr", "memcmp", "memcpy", "memmove", "memset", "mkdir",
    "mktime", "mmap", "modf", "munmap", "nanosleep", "open", "opendir", "pipe", "poll", "pow",
    "printf", "putchar", "puts", "qsort", "raise", "rand", "random", "read", "readdir", "readlink",
    "realloc", "recv", "remove", "rename", "rewind", "rint", "rmdir", "round", "sbrk", "scanf",
    "select", "send", "setenv", "shutdown", "signal", "sin", "sleep", "socket", "sprintf", "sqrt",
    "srand", "sscanf", "stat", "strcat", "strchr", "strcmp", "strcpy", "strdup", "strerror",
    "strlen", "strtod", "strtol", "symlink", "sync", "system", "tan", "tgamma", "time", "times",
    "trunc", "truncate", "uname", "unlink", "usleep", "vprintf", "wait", "write",
];

fn check(name: &str, span: Span) -> Result<()> {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if !starts_well || !name.chars().all(is_word) {
        let message = "the name of an export is made of ASCII letters, digits and `_`";
        return Err(Error::new(span, message));
    }
    if OF_THE_ABI.contains(&name) || name.starts_with("sandbox_") || name.starts_with("__") {
        let message = format!(
            "`{name}` is reserved for the guest ABI and the linker: choose another name with \
             `#[export(name = \"...\")]`"
        );
        return Err(Error::new(span, message));
    }
    if OF_THE_C_LIBRARY.binary_search(&name).is_ok() {
        let message = format!(
            "`{name}` is a function of the C library that guests are linked with, and the linker \
             would take this one for it: choose another name with `#[export(name = \"...\")]`"
        );
        return Err(Error::new(span, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str) -> std::result::Result<(), String> {
        check(name, Span::call_site()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_list_of_the_c_library_is_sorted() {
        assert!(OF_THE_C_LIBRARY.is_sorted());
    }

    #[test]
    fn names_of_others_are_refused() {
        for (name, reason) in [
            ("malloc", "C library"),
            ("write", "C library"),
            ("sandbox_reserve", "reserved"),
            ("memory", "reserved"),
            ("grün", "ASCII"),
            ("9lives", "ASCII"),
            ("", "ASCII"),
        ] {
            assert!(checked(name).unwrap_err().contains(reason), "{name}");
        }
    }

    #[test]
    fn ordinary_names_pass() {
        for name in ["add", "copy_memory", "run", "_private", "v2"] {
            assert_eq!(checked(name), Ok(()));
        }
    }

    #[test]
    fn only_a_name_can_be_given() {
        assert!(syn::parse_str::<Attribute>("name = \"x\"").is_ok());
        for wrong in ["as = \"x\"", "name", "name = x", "name = \"x\", more"] {
            assert!(syn::parse_str::<Attribute>(wrong).is_err(), "{wrong}");
        }
    }
}
