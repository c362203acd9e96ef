//! `sandbox call`: one function of a module.

use std::io;
use std::process::ExitCode;

use clap::Args;
use sandbox_core::{
    ExternalType, NumberType, OutputSink, Payload, SerializationFormat, Value, ValueType, Values,
    WasmSandbox,
};

use crate::failure::{Failure, print};
use crate::inspect::DECLARATIONS;
use crate::options::{ModuleFile, PolicyOptions};
use crate::profile::ProfileOptions;
use crate::usage;

/// Call a function of a module
///
/// Arguments are JSON: numbers for functions of numbers, any value for guests that were written with sandbox-guest. What is no JSON is
/// taken as text, and `@FILE` as the bytes of a file. What the function returns is printed as JSON, text and bytes as they are; what it
/// writes meanwhile goes to standard error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sandbox call plugin.wasm add 42 24
  sandbox call plugin.wasm greet World
  sandbox call plugin.wasm thumbnail @photo.png > small.png
  sandbox call --policy strict --usage plugin.wasm summarise '{\"items\": [1, 2]}'
  sandbox call --profile slow.json plugin.wasm render    # then open slow.json with https://www.speedscope.app")]
pub(crate) struct Call {
    #[command(flatten)]
    policy: PolicyOptions,
    /// Say on standard error what the call used
    #[arg(long)]
    usage: bool,
    #[command(flatten)]
    profile: ProfileOptions,
    #[command(flatten)]
    module: ModuleFile,
    /// Name of the function; `sandbox inspect` lists them
    function: String,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Call {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let policy = self.policy.policy()?;
        let profiling = self.profile.begin()?;
        let builder = self.module.builder(policy)?.serialization_format(SerializationFormat::Json);
        let output = OutputSink::to(io::stderr(), io::stderr());
        let built = profiling.attach(builder).build_blocking();
        let sandbox = profiling.unless_failed(built)?.with_output(&output);
        let arguments = values(&sandbox, &self.function, &self.arguments)?;
        let called = sandbox.call_blocking::<Value>(&self.function, Values(&arguments));
        if self.usage {
            usage::report(&sandbox.usage());
        }
        // Also of a call that failed.
        profiling.write()?;
        let result = called?;
        print(in_words(result)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads the arguments of a function: JSON where they are, the contents of a file after an `@`, else text as it stands. A whole number
/// is a float where the function takes one.
pub(crate) fn values(
    sandbox: &WasmSandbox,
    function: &str,
    arguments: &[String],
) -> Result<Vec<Value>, Failure> {
    let exports = sandbox.module().exports();
    let export = exports.iter().find(|export| export.name == function);
    let mut parameters = &[][..];
    match export.map(|export| (&export.ty, export.payloads)) {
        Some((_, Some((Payload::Text, _)))) => {
            count(function, arguments, 1)?;
            return arguments.iter().map(|argument| text(argument)).collect();
        }
        Some((_, Some((Payload::Bytes, _)))) => {
            count(function, arguments, 1)?;
            return arguments.iter().map(|argument| bytes(argument)).collect();
        }
        Some((ExternalType::Function { parameters: taken, .. }, None)) => parameters = taken,
        _ => {}
    }
    let is_number = |argument: &String| argument.parse::<f64>().is_ok();
    let has_kit = exports.iter().any(|export| export.name == "sandbox_exchange");
    if has_kit
        && sandbox.module().custom_section(DECLARATIONS).is_none()
        && !arguments.iter().all(is_number)
    {
        return Err(Failure::usage(format!(
            "the module does not declare what `{function}` takes and returns: `sandbox declare MODULE {function}=text:text` does it \
             for a function of text"
        )));
    }
    if let Some((ExternalType::Function { .. }, None)) =
        export.map(|export| (&export.ty, export.payloads))
    {
        count(function, arguments, parameters.len())?;
    }
    let takes_float = |at: usize| {
        let floats = [NumberType::F32, NumberType::F64].map(ValueType::Number);
        parameters.get(at).is_some_and(|parameter| floats.contains(parameter))
    };
    let read = |(at, argument): (usize, &String)| match argument.parse::<f64>() {
        Ok(number) if takes_float(at) => Ok(Value::F64(number)),
        _ => value(argument),
    };
    arguments.iter().enumerate().map(read).collect()
}

/// Refuses another number of arguments than a function takes.
fn count(function: &str, arguments: &[String], taken: usize) -> Result<(), Failure> {
    if arguments.len() == taken {
        return Ok(());
    }
    let plural = if taken == 1 { "" } else { "s" };
    let given = arguments.len();
    Err(Failure::usage(format!(
        "`{function}` takes {taken} argument{plural}, and was given {given}"
    )))
}

/// An argument of a function of text: text, whatever it looks like.
fn text(argument: &str) -> Result<Value, Failure> {
    Ok(match value(argument)? {
        Value::Text(text) => Value::Text(text),
        Value::Bytes(bytes) => Value::Text(String::from_utf8(bytes).map_err(|_| {
            Failure::usage(format!("{argument} is not UTF-8, and the function takes text"))
        })?),
        _ => Value::Text(argument.to_owned()),
    })
}

/// An argument of a function of bytes: those of a file, or of the argument as it stands.
fn bytes(argument: &str) -> Result<Value, Failure> {
    Ok(match value(argument)? {
        Value::Bytes(bytes) => Value::Bytes(bytes),
        _ => Value::Bytes(argument.as_bytes().to_vec()),
    })
}

fn value(argument: &str) -> Result<Value, Failure> {
    if let Some(path) = argument.strip_prefix('@') {
        let contents =
            std::fs::read(path).map_err(|error| Failure::usage(format!("{path}: {error}")))?;
        return Ok(Value::Bytes(contents));
    }
    Ok(serde_json::from_str::<Value>(argument).unwrap_or_else(|_| Value::Text(argument.to_owned())))
}

/// A result as it is printed: text and bytes as they are, all else as JSON, and nothing where there is none.
fn in_words(result: Value) -> Result<Vec<u8>, Failure> {
    let line = match result {
        Value::Null => return Ok(Vec::new()),
        Value::Bytes(bytes) => return Ok(bytes),
        Value::Text(text) => text,
        other => serde_json::to_string(&other).map_err(|error| Failure::system(&error))?,
    };
    Ok((line + "\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_json_or_text() {
        let read = |argument: &str| value(argument).unwrap();
        assert_eq!(read("42").as_i64(), Some(42));
        assert_eq!(read("-1").as_i64(), Some(-1));
        assert_eq!(read("0.5"), Value::F64(0.5));
        assert_eq!(read("\"42\""), Value::Text("42".to_owned()));
        assert_eq!(read("World"), Value::Text("World".to_owned()));
        assert_eq!(read(r#"{"a": [1]}"#).get("a"), Some(&read("[1]")));
        assert!(value("@/no/such/file").is_err());
        assert_eq!(text("42").unwrap(), Value::Text("42".to_owned()));
        assert_eq!(text("\"42\"").unwrap(), Value::Text("42".to_owned()));
        assert_eq!(bytes("[1]").unwrap(), Value::Bytes(b"[1]".to_vec()));
    }
}
