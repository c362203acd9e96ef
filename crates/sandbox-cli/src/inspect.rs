//! `sandbox inspect`: what a module is, and what it asks for.

use std::process::ExitCode;

use clap::Args;
use sandbox_core::{ArtifactInfo, Module, SandboxError};
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, Parser, Payload, TypeRef, ValType, WasmFeatures,
};

use crate::failure::{Failure, print};
use crate::options::{ModuleFile, Preset, Source};
use crate::usage::bytes;

/// The custom section in which guests declare what their functions take and return.
pub(crate) const DECLARATIONS: &str = "sandbox-guest";

/// Say what a module is: its exports, its imports and what would grant them, its size, and which policies would take it
#[derive(Debug, Args)]
#[command(after_help = "Example:
  sandbox inspect plugin.wasm")]
pub(crate) struct Inspect {
    #[command(flatten)]
    module: ModuleFile,
    /// Do not compile it to see which policies would take it
    #[arg(long)]
    quick: bool,
}

impl Inspect {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let wasm = match self.module.read()? {
            Source::Wasm(wasm) => wasm,
            Source::Artifact(artifact) => {
                print(artifact_in_words(&Module::inspect(&artifact)?))?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let contents = Contents::of(&wasm).map_err(|error| {
            Failure::unusable(format!("{}: {error}", self.module.path().display()))
        })?;
        print(contents.in_words(wasm.len() as u64))?;
        if !self.quick {
            print("\npolicies\n")?;
            for preset in Preset::ALL {
                let verdict = match Module::compile(&wasm, &preset.policy()) {
                    Ok(_) => "takes it".to_owned(),
                    Err(error) => format!("refuses it: {}", of_one_line(&error)),
                };
                print(format!("  {:<10} {verdict}\n", preset.name()))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn of_one_line(error: &SandboxError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Description of a compiled module by itself. Nobody has verified it.
fn artifact_in_words(info: &ArtifactInfo) -> String {
    let seal = if info.is_signed { "signed" } else { "authenticated" };
    let metered = if info.is_metered { ", metered" } else { "" };
    format!(
        "compiled   by {} of sandbox-core {} and Wasmer {}{metered}\n\
         from       WebAssembly of {} with the BLAKE3 hash {}\n\
         for        {} with {}\n\
         {seal:<10} with the key {}; whoever loads it verifies that, `inspect` does not\n",
        info.compiler,
        shown(&info.sandbox_version),
        shown(&info.wasmer_version),
        bytes(info.wasm_bytes),
        shown(&info.wasm_hash),
        shown(&info.target),
        shown(&info.cpu_features.join(", ")),
        info.key_id,
    )
}

/// Contents of a module.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Functions that are exported, with their signatures.
    pub(crate) functions: Vec<String>,
    others: Vec<String>,
    imports: Vec<Import>,
    /// Kinds that functions take and return, as the guest declares them.
    pub(crate) declarations: Vec<String>,
    memories: Vec<String>,
    code_bytes: u64,
    data_bytes: u64,
    custom: Vec<(String, u64)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Import {
    module: String,
    name: String,
    what: String,
}

impl Contents {
    pub(crate) fn of(wasm: &[u8]) -> Result<Self, wasmparser::BinaryReaderError> {
        let mut contents = Self::default();
        let mut types: Vec<Option<FuncType>> = Vec::new();
        let mut functions: Vec<u32> = Vec::new();
        let mut parser = Parser::new(0);
        parser.set_features(WasmFeatures::all());
        for payload in parser.parse_all(wasm) {
            match payload? {
                Payload::TypeSection(groups) => {
                    for group in groups {
                        for ty in group?.into_types() {
                            types.push(match ty.composite_type.inner {
                                CompositeInnerType::Func(ty) => Some(ty),
                                _ => None,
                            });
                        }
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        let what = match import.ty {
                            TypeRef::Func(index) => {
                                functions.push(index);
                                signature(&types, index)
                            }
                            TypeRef::Memory(_) => "a memory".to_owned(),
                            TypeRef::Table(_) => "a table".to_owned(),
                            TypeRef::Global(_) => "a global".to_owned(),
                            _ => "something of a proposal".to_owned(),
                        };
                        let (module, name) = (import.module.to_owned(), import.name.to_owned());
                        contents.imports.push(Import { module, name, what });
                    }
                }
                Payload::FunctionSection(declared) => {
                    for index in declared {
                        functions.push(index?);
                    }
                }
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        let memory = memory?;
                        let page = 1u64 << memory.page_size_log2.unwrap_or(16);
                        let pages = |pages: u64| bytes(pages.saturating_mul(page));
                        contents.memories.push(match memory.maximum {
                            Some(most) => format!(
                                "{} at first, {} at most",
                                pages(memory.initial),
                                pages(most)
                            ),
                            None => format!(
                                "{} at first, and as much as the policy gives",
                                pages(memory.initial)
                            ),
                        });
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        let name = shown(export.name);
                        match export.kind {
                            ExternalKind::Func => {
                                let ty = functions.get(export.index as usize).copied();
                                let signature =
                                    ty.map_or_else(String::new, |ty| signature(&types, ty));
                                contents.functions.push(format!("{name}{signature}"));
                            }
                            kind => {
                                contents.others.push(format!("{name}: {}", kind_in_words(kind)))
                            }
                        }
                    }
                }
                Payload::CodeSectionStart { size, .. } => contents.code_bytes = u64::from(size),
                Payload::DataSection(data) => {
                    let range = data.range();
                    contents.data_bytes = range.end - range.start;
                }
                Payload::CustomSection(section) => {
                    if section.name() == DECLARATIONS {
                        let text = String::from_utf8_lossy(section.data());
                        contents.declarations.extend(
                            text.lines().filter(|line| !line.is_empty()).filter_map(declaration),
                        );
                    }
                    contents.custom.push((shown(section.name()), section.data().len() as u64));
                }
                _ => {}
            }
        }
        Ok(contents)
    }

    fn in_words(&self, size_bytes: u64) -> String {
        let mut text = format!(
            "size       {} ({} of code, {} of data)\n",
            bytes(size_bytes),
            bytes(self.code_bytes),
            bytes(self.data_bytes)
        );
        for memory in &self.memories {
            text.push_str(&format!("memory     {memory}\n"));
        }
        for (name, len) in &self.custom {
            text.push_str(&format!("section    {name} ({})\n", bytes(*len)));
        }
        let list = |text: &mut String, title: &str, lines: &[String]| {
            if !lines.is_empty() {
                text.push_str(&format!("\n{title}\n"));
                for line in lines {
                    text.push_str(&format!("  {line}\n"));
                }
            }
        };
        list(&mut text, "functions that can be called", &self.functions);
        list(&mut text, "what they take and return, as the guest declares it", &self.declarations);
        let passes_bytes =
            self.functions.iter().any(|export| export == "sandbox_exchange() -> i32");
        if passes_bytes && self.declarations.is_empty() {
            text.push_str(
                "\nIt has a guest kit in it and declares no function: `sandbox declare` writes what its functions take and return.\n",
            );
        }
        list(&mut text, "other exports", &self.others);
        let imports: Vec<String> = self.imports.iter().map(Import::in_words).collect();
        list(&mut text, "imports, and what grants them", &imports);
        text
    }
}

impl Import {
    fn in_words(&self) -> String {
        let Self { module, name, what } = self;
        format!("{}.{}{what}: {}", shown(module), shown(name), self.grant())
    }

    /// Says what has to be granted for the import to be of use.
    fn grant(&self) -> &'static str {
        match (self.module.as_str(), self.name.as_str()) {
            ("wasi_snapshot_preview1" | "wasi_unstable", name) => match name {
                "environ_get" | "environ_sizes_get" => "WASI, always there; --env fills it",
                "args_get" | "args_sizes_get" => "WASI, always there; arguments of `sandbox run`",
                "clock_time_get" | "clock_res_get" => {
                    "WASI, always there; the policy says which clocks"
                }
                name if name.starts_with("path_") => {
                    "WASI, always there; files in memory, and those of --dir"
                }
                name if name.starts_with("sock_") => "WASI; --allow-net",
                _ => "WASI, always there",
            },
            (module, _) if module.starts_with("wasix") => {
                "WASIX; sockets need --allow-net, threads and processes are never there"
            }
            _ => {
                "a host function: a program that embeds sandbox-core gives it (`WasmSandboxBuilder::host_function`)"
            }
        }
    }
}

/// One line of the guest's own declarations, in words.
fn declaration(line: &str) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| record.get(name)?.as_str().map(shown);
    let (input, output) = (field("input")?, field("output")?);
    let name = field("export").or_else(|| Some(format!("(imported) {}", field("import")?)))?;
    Some(format!("{name}: from {input} to {output}"))
}

fn signature(types: &[Option<FuncType>], index: u32) -> String {
    let Some(Some(ty)) = types.get(index as usize) else { return String::new() };
    let list =
        |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let params = list(ty.params());
    match ty.results() {
        [] => format!("({params})"),
        [result] => format!("({params}) -> {result}"),
        results => format!("({params}) -> ({})", list(results)),
    }
}

fn kind_in_words(kind: ExternalKind) -> &'static str {
    match kind {
        ExternalKind::Memory => "a memory",
        ExternalKind::Table => "a table",
        ExternalKind::Global => "a global",
        ExternalKind::Tag => "a tag of exceptions",
        _ => "a function",
    }
}

/// A name that a guest chose, so that it does nothing to a terminal.
pub(crate) fn shown(name: &str) -> String {
    const MOST: usize = 120;
    let mut shown: String = name.chars().take(MOST).flat_map(char::escape_debug).collect();
    if name.chars().count() > MOST {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_has_and_wants() {
        let text = r#"(module
            (import "wasi_snapshot_preview1" "path_open"
                (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "env" "log" (func (param i32)))
            (memory (export "memory") 1 2)
            (func (export "add\1b[2J") (param i32 i64) (result i32) (local.get 0)))"#;
        let wasm = wat::parse_str(text).unwrap();
        let said = Contents::of(&wasm).unwrap().in_words(wasm.len() as u64);
        for expected in [
            "add\\u{1b}[2J(i32, i64) -> i32",
            "memory: a memory",
            "64.0 KiB at first, 128.0 KiB at most",
            "path_open(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> i32: WASI, always there; files in memory",
            "env.log(i32): a host function",
        ] {
            assert!(said.contains(expected), "{expected} is not in {said}");
        }
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        assert!(Contents::of(b"\0asm\x01\0\0\0\x01\xff").is_err());
        assert!(Contents::of(b"hello").is_err());
    }
}
