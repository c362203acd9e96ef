//! Exports of a module, and what it declares about them.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::Deserialize;
use wasmer::{ExternType, FunctionType, Type};

use crate::error::{Result, SandboxError};
use crate::marshal::export::{
    EXCHANGE_EXPORT, Export, ExportKind, Formats, Payload, Payloads, RESERVE_EXPORT,
};
use crate::marshal::numbers::Signature;
use crate::sys::entry::Reach;
use crate::text::cut;

use super::start::START_EXPORT;

/// The custom section in which guests declare the functions that use the exchange area.
const DECLARATIONS: &str = "sandbox-guest";

/// Length of a message about a declaration that is wrong, in bytes: it may quote the guest.
const MOST_MESSAGE_BYTES: usize = 1024;

/// Where each export stands, by its name.
pub(super) type Index = HashMap<String, usize, RandomState>;

/// Declarations of a guest about its imports, by module and name. Of two declarations of one import the first one
/// counts.
pub(super) type DeclaredImports = HashMap<(String, String), Payloads, RandomState>;

/// Exports of a guest, and its declarations about itself.
#[derive(Default)]
pub(super) struct Declarations {
    pub(super) exports: Vec<Export>,
    pub(super) index: Index,
    pub(super) formats: Formats,
    pub(super) imports: DeclaredImports,
}

/// One line of the declarations; see the guest crate's `ABI.md`.
#[derive(Deserialize)]
struct Record {
    abi: u32,
    export: Option<String>,
    import: Option<String>,
    module: Option<String>,
    input: Option<Payload>,
    output: Option<Payload>,
    #[serde(default)]
    formats: Vec<String>,
}

/// The functions of a module that can be called, and the formats that it understands.
pub(super) fn inspect(module: &wasmer::Module) -> Result<Declarations> {
    let exports: Vec<Export> = module
        .exports()
        .filter_map(|export| match export.ty() {
            ExternType::Function(ty)
                if ![EXCHANGE_EXPORT, RESERVE_EXPORT, START_EXPORT].contains(&export.name()) =>
            {
                Some(Export {
                    name: export.name().to_owned(),
                    kind: ExportKind::Numbers(Signature::new(ty.clone())),
                    pure: false,
                    reach: Reach::Imports,
                })
            }
            _ => None,
        })
        .collect();
    let index = index_of(&exports);
    let mut declarations = Declarations { exports, index, ..Declarations::default() };
    for section in module.custom_sections(DECLARATIONS) {
        for line in section.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            apply(line, &mut declarations)?;
        }
    }
    Ok(declarations)
}

/// Where each export stands, by its name.
fn index_of(exports: &[Export]) -> Index {
    exports.iter().enumerate().map(|(at, export)| (export.name.clone(), at)).collect()
}

fn apply(line: &[u8], declarations: &mut Declarations) -> Result<()> {
    let Declarations { exports, index, formats, imports } = declarations;
    let wrong = |message: String| SandboxError::InvalidDeclaration {
        message: cut(message, MOST_MESSAGE_BYTES),
    };
    let record: Record = serde_json::from_slice(line)
        .map_err(|error| wrong(format!("a record of `{DECLARATIONS}` is unreadable: {error}")))?;
    if record.abi != 1 {
        return Err(wrong(format!("the guest ABI {} is not known here", record.abi)));
    }
    for name in &record.formats {
        // A format of a newer guest crate is none of ours to choose.
        if let Ok(format) = name.parse() {
            formats.add(format);
        }
    }
    if let Some(name) = record.import {
        let (Some(module), Some(input), Some(output)) =
            (record.module, record.input, record.output)
        else {
            return Err(wrong(format!(
                "the import `{name}` is declared without module, input or output"
            )));
        };
        imports.entry((module, name)).or_insert(Payloads { input, output });
        return Ok(());
    }
    let Some(name) = record.export else { return Ok(()) };
    let (Some(input), Some(output)) = (record.input, record.output) else {
        return Err(wrong(format!("`{name}` is declared without input or output")));
    };
    let export = index
        .get(&name)
        .and_then(|at| exports.get_mut(*at))
        .ok_or_else(|| wrong(format!("`{name}` is declared but not exported")))?;
    if let ExportKind::Numbers(signature) = &export.kind
        && *signature.ty() != FunctionType::new([Type::I32], [Type::I32])
    {
        return Err(wrong(format!(
            "`{name}` is declared to use the exchange area but is {}",
            export.signature()
        )));
    }
    export.kind = ExportKind::Declared(Payloads { input, output });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::SerializationFormat;

    fn export(name: &str, params: &[Type], results: &[Type]) -> Export {
        Export {
            name: name.to_owned(),
            kind: ExportKind::Numbers(Signature::new(FunctionType::new(params, results))),
            pure: false,
            reach: Reach::Imports,
        }
    }

    fn exporting(export: Export) -> Declarations {
        let exports = vec![export];
        Declarations { index: index_of(&exports), exports, ..Declarations::default() }
    }

    #[test]
    fn a_declaration_changes_how_a_function_is_called() {
        let mut declarations = exporting(export("copy", &[Type::I32], &[Type::I32]));
        let line = br#"{"abi":1,"export":"copy","input":"bytes","output":"text"}"#;
        apply(line, &mut declarations).unwrap();
        assert_eq!(declarations.exports[0].signature(), "a function from bytes to text");
    }

    #[test]
    fn a_declaration_must_fit_the_export() {
        for line in [
            r#"{"abi":1,"export":"missing","input":"bytes","output":"bytes"}"#,
            r#"{"abi":1,"export":"add","input":"bytes","output":"bytes"}"#,
            r#"{"abi":2,"export":"add","input":"bytes","output":"bytes"}"#,
            r#"{"abi":1,"export":"add"}"#,
            r#"{"abi":1,"export":"add","input":"telepathy","output":"bytes"}"#,
            r#"{"abi":1,"import":"log","input":"text","output":"unit"}"#,
            r#"{"abi":1,"import":"log","module":"env"}"#,
            "not json",
        ] {
            let mut declarations = exporting(export("add", &[Type::I32, Type::I32], &[Type::I32]));
            let error = apply(line.as_bytes(), &mut declarations).unwrap_err();
            assert!(matches!(error, SandboxError::InvalidDeclaration { .. }), "{line}: {error:?}");
        }
    }

    #[test]
    fn an_import_can_be_declared() {
        let mut declarations = Declarations::default();
        let line = br#"{"abi":1,"import":"log","module":"env","input":"text","output":"unit"}"#;
        apply(line, &mut declarations).unwrap();
        let payloads = Payloads { input: Payload::Text, output: Payload::Unit };
        let name = ("env".to_owned(), "log".to_owned());
        assert_eq!(declarations.imports.get(&name), Some(&payloads));
    }

    #[test]
    fn formats_add_up_and_unknown_ones_are_passed_over() {
        let mut declarations = Declarations::default();
        for line in [r#"{"abi":1,"formats":["json","xml"]}"#, r#"{"abi":1,"formats":["bincode"]}"#]
        {
            apply(line.as_bytes(), &mut declarations).unwrap();
        }
        let formats = declarations.formats;
        assert!(formats.contains(SerializationFormat::Json));
        assert!(formats.contains(SerializationFormat::Bincode));
        assert!(!formats.contains(SerializationFormat::MessagePack));
        assert_eq!(formats.best(), SerializationFormat::Json);
    }
}
