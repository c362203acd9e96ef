//! `sandbox declare`: writes into a module which of its functions take and return more than numbers.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use wasmparser::{BinaryReader, BinaryReaderError};

use crate::failure::Failure;
use crate::inspect::{Contents, DECLARATIONS, shown};
use crate::options::{ModuleFile, write};

/// Length of what stands before the sections of a module: magic and version.
const PREAMBLE_BYTES: usize = 8;

/// Number of a section that is custom.
const CUSTOM: u8 = 0;

/// Write into a module which of its functions take and return bytes, text or values
///
/// Linkers of some languages, such as Go's, cannot place the custom section that says so. What the module declares already stays, but for
/// the functions that are named here.
#[derive(Debug, Args)]
#[command(
    after_help = "Kinds are unit (nothing), bytes, text (UTF-8), value (JSON, unless --format says otherwise) and stream.

Examples:
  sandbox declare plugin.wasm greet=text:text summarise=value:value
  sandbox declare plugin.wasm resize=bytes:bytes --import shop.price_of=text:value -o declared.wasm"
)]
pub(crate) struct Declare {
    #[command(flatten)]
    module: ModuleFile,
    /// A function that the module exports, what it takes, and what it returns
    #[arg(value_name = "FUNCTION=INPUT:OUTPUT", required = true)]
    functions: Vec<Declaration>,
    /// A function of the host that the module imports, what it takes, and what it returns. Can be given several times
    #[arg(long, value_name = "MODULE.FUNCTION=INPUT:OUTPUT")]
    import: Vec<Declaration>,
    /// A format of values that the module reads and writes. Can be given several times; without it that is JSON
    #[arg(long, value_enum)]
    format: Vec<Format>,
    /// Where to write the module; without it, to the file that it came from
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    #[value(name = "messagepack")]
    MessagePack,
    Bincode,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
            Self::Bincode => "bincode",
        }
    }
}

/// Function with the kinds of what it takes and returns.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Declaration {
    function: String,
    input: String,
    output: String,
}

impl FromStr for Declaration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "a function and two kinds of unit, bytes, text, value and stream, such as `greet=text:value`";
        let (function, kinds) = text.rsplit_once('=').ok_or(expected)?;
        let (input, output) = kinds.split_once(':').ok_or(expected)?;
        let known = |kind: &str| ["unit", "bytes", "text", "value"].contains(&kind);
        if function.is_empty() || !known(output) || !(known(input) || input == "stream") {
            return Err(expected.to_owned());
        }
        if input == "stream" && output != "bytes" {
            return Err(format!("a function of a stream returns bytes: `{function}=stream:bytes`"));
        }
        Ok(Self {
            function: function.to_owned(),
            input: input.to_owned(),
            output: output.to_owned(),
        })
    }
}

impl Declare {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let path = self.module.path();
        let unusable = |error: &dyn std::fmt::Display| {
            Failure::unusable(format!("{}: {error}", path.display()))
        };
        let wasm = self.module.read_wasm()?;
        let contents = Contents::of(&wasm).map_err(|error| unusable(&error))?;
        for declaration in &self.functions {
            declaration.check(&contents).map_err(|error| unusable(&error))?;
        }
        let imports = self.import.iter().map(|declaration| {
            let (module, function) = declaration.function.split_once('.').ok_or_else(|| {
                Failure::usage(format!(
                    "--import {}: a function of the host has a module, such as `env.{0}`",
                    declaration.function
                ))
            })?;
            Ok(declaration.record(json!({"abi": 1, "import": function, "module": module})))
        });
        let mut records = imports.collect::<Result<Vec<Value>, Failure>>()?;
        records.extend(self.functions.iter().map(|declaration| {
            declaration.record(json!({"abi": 1, "export": declaration.function}))
        }));
        if !self.format.is_empty() {
            let formats: Vec<&str> = self.format.iter().map(|format| format.name()).collect();
            records.push(json!({"abi": 1, "formats": formats}));
        }
        let declared = declare(&wasm, records).map_err(|error| unusable(&error))?;
        write(self.out.as_deref().unwrap_or(path), &declared)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Declaration {
    /// Finds out whether the module can have such a function.
    fn check(&self, contents: &Contents) -> Result<(), String> {
        let name = shown(&self.function);
        let has = |function: &str| contents.functions.iter().any(|export| export == function);
        if !has("sandbox_exchange() -> i32") || !has("sandbox_reserve(i32) -> i32") {
            return Err(
                "it does not export `sandbox_exchange` and `sandbox_reserve`, by which the host passes more than numbers: \
                 guest-kits has them for several languages, and crates/sandbox-guest/ABI.md says what they do"
                    .to_owned(),
            );
        }
        if has(&format!("{name}(i32) -> i32")) {
            return Ok(());
        }
        let prefix = format!("{name}(");
        match contents.functions.iter().find(|export| export.starts_with(&prefix)) {
            Some(export) => Err(format!(
                "a function that takes more than numbers has the signature (i32) -> i32, and this is {export}"
            )),
            None => Err(format!(
                "it exports no function `{name}`, only {}",
                contents.functions.join(", ")
            )),
        }
    }

    fn record(&self, mut record: Value) -> Value {
        record["input"] = json!(self.input);
        record["output"] = json!(self.output);
        record
    }
}

/// The module with these records in its custom section, and those that it had of other functions.
fn declare(wasm: &[u8], records: Vec<Value>) -> Result<Vec<u8>, BinaryReaderError> {
    let mut declared = wasm.get(..PREAMBLE_BYTES).unwrap_or_default().to_vec();
    let mut kept = Vec::new();
    let mut sections = BinaryReader::new(wasm, 0);
    sections.read_bytes(PREAMBLE_BYTES)?;
    while !sections.eof() {
        let start = sections.current_position();
        let id = sections.read_u8()?;
        let len = sections.read_var_u32()?;
        let mut contents = BinaryReader::new(sections.read_bytes(len as usize)?, 0);
        if id == CUSTOM && contents.read_string()? == DECLARATIONS {
            let text = String::from_utf8_lossy(contents.read_bytes(contents.bytes_remaining())?);
            kept.extend(text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()));
        } else {
            declared.extend_from_slice(&wasm[start..sections.current_position()]);
        }
    }
    let subject =
        |record: &Value| ["export", "import", "module"].map(|key| record.get(key).cloned());
    let subjects: Vec<_> = records.iter().map(subject).collect();
    // Formats have no subject: those that are named here take the place of all.
    kept.retain(|record| !subjects.contains(&subject(record)));
    kept.extend(records);
    if !kept.iter().any(|record| record.get("formats").is_some()) {
        kept.push(json!({"abi": 1, "formats": [Format::Json.name()]}));
    }
    let mut section = Vec::new();
    push_len(&mut section, DECLARATIONS.len());
    section.extend_from_slice(DECLARATIONS.as_bytes());
    for record in kept {
        section.extend_from_slice(record.to_string().as_bytes());
        section.push(b'\n');
    }
    declared.push(CUSTOM);
    push_len(&mut declared, section.len());
    declared.extend_from_slice(&section);
    Ok(declared)
}

/// Appends a length, as modules have them: seven bits a byte, the lowest first.
fn push_len(to: &mut Vec<u8>, mut len: usize) {
    while len > 0x7F {
        to.push(0x80 | len.to_le_bytes()[0]);
        len >>= 7;
    }
    to.push(len.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLUGIN: &str = r#"(module
        (memory (export "memory") 1)
        (func (export "sandbox_exchange") (result i32) i32.const 0)
        (func (export "sandbox_reserve") (param i32) (result i32) i32.const 0)
        (func (export "greet") (param i32) (result i32) i32.const 0)
        (func (export "summarise") (param i32) (result i32) i32.const 0)
        (func (export "add") (param i32 i32) (result i32) i32.const 0))"#;

    fn record(text: &str) -> Value {
        let declaration: Declaration = text.parse().unwrap();
        declaration.record(json!({"abi": 1, "export": declaration.function}))
    }

    #[test]
    fn a_declaration_is_a_function_and_two_kinds() {
        let read: Declaration = "a=b=text:value".parse().unwrap();
        assert_eq!((&*read.function, &*read.input, &*read.output), ("a=b", "text", "value"));
        for wrong in
            ["greet", "greet=text", "=text:text", "greet=text:stream", "greet=a:b", "f=stream:text"]
        {
            assert!(wrong.parse::<Declaration>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_declared_anew_takes_the_place_of_what_was() {
        let wasm = wat::parse_str(PLUGIN).unwrap();
        let once = declare(&wasm, vec![record("greet=text:text"), record("summarise=bytes:value")])
            .unwrap();
        let twice = declare(&once, vec![record("summarise=value:value")]).unwrap();
        assert_eq!(&twice[..wasm.len()], &wasm[..]);
        let declared = Contents::of(&twice).unwrap().declarations;
        assert_eq!(declared, ["greet: from text to text", "summarise: from value to value"]);
        let again = declare(&twice, vec![record("summarise=value:value")]).unwrap();
        assert_eq!(again.len(), twice.len());
    }

    #[test]
    fn only_functions_of_the_abi_are_declared() {
        let contents = Contents::of(&wat::parse_str(PLUGIN).unwrap()).unwrap();
        let check = |text: &str| text.parse::<Declaration>().unwrap().check(&contents);
        assert_eq!(check("greet=text:text"), Ok(()));
        assert!(check("add=text:text").unwrap_err().contains("add(i32, i32) -> i32"));
        assert!(check("missing=text:text").unwrap_err().contains("greet"));
        let plain = wat::parse_str(
            r#"(module (func (export "greet") (param i32) (result i32) i32.const 0))"#,
        );
        let plain = Contents::of(&plain.unwrap()).unwrap();
        let error = "greet=text:text".parse::<Declaration>().unwrap().check(&plain).unwrap_err();
        assert!(error.contains("sandbox_exchange"), "{error}");
    }
}
