//! Options that several commands have: the module, its policy, limits and grants.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use sandbox_core::{
    Access, Module, Ports, SandboxError, SecurityPolicy, WasmSandbox, WasmSandboxBuilder,
};

use crate::failure::Failure;
use crate::keys::Key;

/// A preset, from which limits and grants start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// No limits but the module's own: for guests that you trust.
    Permissive,
    /// 256 MiB, 30 s, no network; granted folders.
    Basic,
    /// 64 MiB, 5 s, a coarse clock; granted folders, which are only read unless granted `:rw`.
    Strict,
    /// 16 MiB, 1 s, metered; nothing of the host at all.
    Paranoid,
}

impl Preset {
    /// All of them, the widest first.
    pub(crate) const ALL: [Self; 4] = [Self::Permissive, Self::Basic, Self::Strict, Self::Paranoid];

    pub(crate) fn policy(self) -> SecurityPolicy {
        match self {
            Self::Permissive => SecurityPolicy::permissive(),
            Self::Basic => SecurityPolicy::basic(),
            Self::Strict => SecurityPolicy::strict(),
            Self::Paranoid => SecurityPolicy::paranoid(),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Permissive => "permissive",
            Self::Basic => "basic",
            Self::Strict => "strict",
            Self::Paranoid => "paranoid",
        }
    }
}

/// A limit of time, which may be none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimit(Option<Duration>);

/// Options that make up a policy.
#[derive(Debug, Args)]
#[command(next_help_heading = "What it may do")]
pub(crate) struct PolicyOptions {
    /// Limits and grants to start from
    #[arg(long, value_enum, default_value_t = Preset::Basic)]
    policy: Preset,
    /// Time that each call or run may take: `200ms`, `5s`, `2m`, or `none`
    #[arg(long, value_name = "DURATION", value_parser = time_limit)]
    time: Option<TimeLimit>,
    /// Linear memory, such as `64MiB`
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Instructions, about: the guest is metered, and stopped when they are used up
    #[arg(long, value_name = "UNITS")]
    fuel: Option<u64>,
    /// Output, standard output and standard error together
    #[arg(long, value_name = "SIZE")]
    output: Option<ByteSize>,
    /// A folder of the host, and where the guest sees it (at its own path, if that is left out). `:ro` lets the guest
    /// only read, `:rw` also write; without either it is `:rw`, and `:ro` under `strict`. Can be given several times
    #[arg(long, value_name = "HOST[::GUEST][:ro|:rw]", value_parser = folder)]
    dir: Vec<Folder>,
    /// A variable of the guest's environment; without a value it has this process's. Can be given several times
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// A host that the guest may connect to, on one port or several (`example.com:443`, `127.0.0.1:8000-8010`). Can be given
    /// several times
    #[arg(long, value_name = "HOST:PORT", value_parser = network_host)]
    allow_net: Vec<NetworkHost>,
}

#[derive(Debug, Clone)]
struct Folder {
    host: PathBuf,
    guest: String,
    access: Option<Access>,
}

#[derive(Debug, Clone)]
struct NetworkHost {
    name: String,
    first: u16,
    last: u16,
}

impl PolicyOptions {
    /// The policy that the options describe.
    pub(crate) fn policy(&self) -> Result<SecurityPolicy, Failure> {
        let mut policy = self.policy.policy();
        if let Some(TimeLimit(limit)) = self.time {
            policy = policy.with_wall_clock(limit);
        }
        if let Some(bytes) = self.memory {
            policy = policy.with_memory_limit(bytes.as_u64());
        }
        if let Some(units) = self.fuel {
            policy = policy.with_fuel(units);
        }
        if let Some(bytes) = self.output {
            policy = policy.with_output_limit(bytes.as_u64());
        }
        let access = match self.policy {
            Preset::Strict | Preset::Paranoid => Access::ReadOnly,
            Preset::Permissive | Preset::Basic => Access::ReadWrite,
        };
        for folder in &self.dir {
            let access = folder.access.unwrap_or(access);
            policy = policy.with_folder(&folder.host, &folder.guest, access);
        }
        for variable in &self.env {
            let (name, value) = variable_of(variable)?;
            policy = policy.with_environment(name, value);
        }
        if !self.allow_net.is_empty() {
            policy = policy.with_network_grants(sandbox_core::GrantUse::Accepted);
        }
        for host in &self.allow_net {
            policy = policy.with_network_host(&host.name, Ports::from(host.first..=host.last));
        }
        Ok(policy)
    }
}

/// A module, by the file that it is in.
#[derive(Debug, Args)]
pub(crate) struct ModuleFile {
    /// The key of modules that `sandbox compile` made: the public one loads them, the secret one also signs them
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The module: a file of WebAssembly (.wasm), of its text format (.wat), or what `sandbox compile` made of one
    #[arg(value_name = "MODULE")]
    path: PathBuf,
}

/// Contents of a module's file.
#[derive(Debug)]
pub(crate) enum Source {
    /// WebAssembly, or what is no module at all.
    Wasm(Vec<u8>),
    /// A compiled module.
    Artifact(Vec<u8>),
}

impl ModuleFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn key(&self) -> Result<Option<Key>, Failure> {
        self.key.as_deref().map(Key::read).transpose()
    }

    /// Reads the file. Text is translated.
    pub(crate) fn read(&self) -> Result<Source, Failure> {
        let unreadable = |error| SandboxError::SourceUnreadable { path: self.path.clone(), error };
        let bytes = std::fs::read(&self.path).map_err(unreadable)?;
        if bytes.starts_with(b"\0asm") {
            return Ok(Source::Wasm(bytes));
        }
        if bytes.starts_with(b"sandbox") {
            return Ok(Source::Artifact(bytes));
        }
        let is_text = self.path.extension().is_some_and(|extension| extension == "wat");
        if !is_text {
            return Ok(Source::Wasm(bytes));
        }
        let wasm = wat::parse_bytes(&bytes)
            .map_err(|error| Failure::usage(format!("{}: {error}", self.path.display())))?;
        Ok(Source::Wasm(wasm.into_owned()))
    }

    /// Reads the file for a command that wants WebAssembly.
    pub(crate) fn read_wasm(&self) -> Result<Vec<u8>, Failure> {
        match self.read()? {
            Source::Wasm(wasm) => Ok(wasm),
            Source::Artifact(_) => Err(Failure::usage(format!(
                "{} is compiled already: name the module that it was made from",
                self.path.display()
            ))),
        }
    }

    /// A sandbox for the module, whose native code is kept for the next time.
    pub(crate) fn sandbox(&self, policy: SecurityPolicy) -> Result<WasmSandbox, Failure> {
        Ok(self.builder(policy)?.build_blocking()?)
    }

    pub(crate) fn builder(&self, policy: SecurityPolicy) -> Result<WasmSandboxBuilder, Failure> {
        let builder = WasmSandbox::builder();
        Ok(match self.read()? {
            Source::Wasm(wasm) => builder.source_bytes(wasm).enable_cache(true),
            Source::Artifact(artifact) => {
                let key = self.key()?.ok_or_else(|| {
                    Failure::usage(format!(
                        "{} is a compiled module: --key FILE names the public key that it is loaded with",
                        self.path.display()
                    ))
                })?;
                builder.module(&Module::load(&artifact, &policy, &key.verifying())?)
            }
        }
        .security_policy(policy))
    }
}

/// Writes a file, whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_beside(path, |beside| std::fs::write(beside, bytes))
}

/// Writes a file that holds secrets, for its owner only, whole or not at all.
pub(crate) fn write_privately(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_beside(path, |beside| {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        std::io::Write::write_all(&mut options.open(beside)?, bytes)
    })
}

fn write_beside(
    path: &Path,
    write: impl FnOnce(&Path) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = write(&beside).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        Failure::usage(format!("{}: {error}", path.display()))
    })
}

fn time_limit(text: &str) -> Result<TimeLimit, String> {
    if text == "none" {
        return Ok(TimeLimit(None));
    }
    duration(text).map(|limit| TimeLimit(Some(limit)))
}

/// Reads a duration, such as `200ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text.parse().map_err(|error| {
        format!("expected a number with its unit, such as `2s` or `500ms` ({error})")
    })?;
    Duration::try_from(parsed).map_err(|_| "it is before now".to_owned())
}

fn folder(text: &str) -> Result<Folder, String> {
    let (text, access) = if let Some(text) = text.strip_suffix(":ro") {
        (text, Some(Access::ReadOnly))
    } else if let Some(text) = text.strip_suffix(":rw") {
        (text, Some(Access::ReadWrite))
    } else {
        (text, None)
    };
    let (host, guest) = match text.split_once("::") {
        Some((host, guest)) => (host, guest.to_owned()),
        // As other tools write it.
        None if text.contains(":/") => {
            return Err(format!(
                "a folder's path in the guest comes after two colons: `{}`",
                text.replacen(":/", "::/", 1)
            ));
        }
        None => (text, as_seen_by_guest(text)),
    };
    if host.is_empty() || guest.is_empty() {
        return Err("a folder has a path on the host, and one in the guest after `::`".to_owned());
    }
    if !guest.starts_with('/') && guest != "." {
        return Err(format!("the guest sees folders at absolute paths: `{host}::/{guest}`"));
    }
    Ok(Folder { host: host.into(), guest, access })
}

/// Where a guest sees a folder that it is granted without saying where.
fn as_seen_by_guest(host: &str) -> String {
    match host.trim_end_matches('/') {
        "" => "/".to_owned(),
        "." => ".".to_owned(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("/{}", relative.trim_start_matches("./")),
    }
}

fn variable_of(text: &str) -> Result<(String, String), Failure> {
    if let Some((name, value)) = text.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    match std::env::var(text) {
        Ok(value) => Ok((text.to_owned(), value)),
        Err(_) => Err(Failure::usage(format!(
            "--env {text}: this process has no such variable (or not as text); `--env {text}=VALUE` sets it"
        ))),
    }
}

fn network_host(text: &str) -> Result<NetworkHost, String> {
    let expected = "a host and its ports, such as `example.com:443` or `[::1]:8000-8010`";
    let (name, ports) = text.rsplit_once(':').ok_or(expected)?;
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let port = |text: &str| text.parse::<u16>().map_err(|_| expected.to_owned());
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() {
        return Err(expected.to_owned());
    }
    Ok(NetworkHost { name: name.to_owned(), first: port(first)?, last: port(last)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_seen_where_it_is_said_or_at_its_own_path() {
        let seen = |text: &str| {
            let Folder { host, guest, access } = folder(text).unwrap();
            (host.to_str().unwrap().to_owned(), guest, access)
        };
        let read_only = Some(Access::ReadOnly);
        assert_eq!(seen("data"), ("data".into(), "/data".into(), None));
        assert_eq!(seen("./data/:ro"), ("./data/".into(), "/data".into(), read_only));
        assert_eq!(seen(".:rw"), (".".into(), ".".into(), Some(Access::ReadWrite)));
        assert_eq!(seen("/srv/a::/in:ro"), ("/srv/a".into(), "/in".into(), read_only));
        for wrong in ["", "::/x", "a::", "a::b"] {
            assert!(folder(wrong).is_err(), "{wrong}");
        }
        assert!(folder("data:/in:ro").unwrap_err().ends_with("`data::/in`"));
    }

    #[test]
    fn hosts_have_ports() {
        let host = |text: &str| network_host(text).map(|host| (host.name, host.first, host.last));
        assert_eq!(host("example.com:443"), Ok(("example.com".into(), 443, 443)));
        assert_eq!(host("[::1]:80-90"), Ok(("::1".into(), 80, 90)));
        for wrong in ["example.com", "example.com:http", ":80", "a:1-70000"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn time_is_a_duration_or_none() {
        assert_eq!(time_limit("200ms").unwrap().0, Some(Duration::from_millis(200)));
        assert_eq!(time_limit("none").unwrap().0, None);
        assert!(time_limit("-1s").is_err() && time_limit("soon").is_err());
        let without_unit = duration("1").unwrap_err();
        assert!(without_unit.contains("`500ms`"), "{without_unit}");
    }
}
