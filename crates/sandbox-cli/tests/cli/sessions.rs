//! Modules that know no ABI of ours, but take pointers and lengths: sessions read and write their memory between calls.

use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox_core::{Compiler, SandboxError, SecurityPolicy, Session, WasmSandbox};

use crate::kits::{build, folder, tool};

/// A module of AssemblyScript's, as `asc --exportRuntime` makes them: its strings are UTF-16 in objects that the module's own
/// collector knows.
const STRINGS: &str = r#"
export function shout(text: string): string { return text.toUpperCase() + "!"; }
export function count(text: string, part: string): i32 { return text.split(part).length - 1; }
export function fail(text: string): void { throw new Error("no " + text); }
"#;

/// Class of strings, by the number that AssemblyScript gives it.
const STRING: u32 = 2;

/// Host side of AssemblyScript's strings.
struct AssemblyScript {
    session: Session,
}

impl AssemblyScript {
    /// Makes a string in the guest, and keeps its collector from it.
    fn string(&mut self, text: &str) -> u32 {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let len = u32::try_from(units.len()).unwrap();
        let at: u32 = self.session.call_blocking("__new", (len, STRING)).unwrap();
        let at: u32 = self.session.call_blocking("__pin", at).unwrap();
        self.session.write(at, &units).unwrap();
        at
    }

    /// Reads a string of the guest's. Its length in bytes stands before it.
    fn text(&self, at: u32) -> String {
        let len = self.session.read(at - 4, 4).unwrap();
        let len = u32::from_le_bytes(len.try_into().unwrap());
        let units = self.session.read(at, len).unwrap();
        let units = units.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        char::decode_utf16(units).map(Result::unwrap).collect()
    }

    fn release(&mut self, string: u32) {
        let () = self.session.call_blocking("__unpin", string).unwrap();
    }
}

#[test]
fn strings_of_assemblyscript_are_passed_by_a_session() {
    let Some(asc) = tool("SANDBOX_TEST_ASC", &["asc"]) else {
        return eprintln!("NOT TESTED: AssemblyScript's compiler `asc` is not installed");
    };
    let folder = folder("assemblyscript-strings");
    std::fs::write(folder.join("strings.ts"), STRINGS).unwrap();
    let mut compile = Command::new(asc);
    compile.current_dir(&folder).args([
        "strings.ts",
        "-O",
        "--exportRuntime",
        "-o",
        "strings.wasm",
    ]);
    build(compile.args(["--use", "abort="]));
    let sandbox = WasmSandbox::builder()
        .source(folder.join("strings.wasm"))
        .compiler(Compiler::Singlepass)
        .security_policy(SecurityPolicy::strict())
        .build_blocking()
        .unwrap();
    let mut guest = AssemblyScript { session: sandbox.session_blocking().unwrap() };
    let long = "wörld \u{1F642} ".repeat(20_000);
    for text in ["wörld \u{1F642}", "", &long] {
        let string = guest.string(text);
        let shouted: u32 = guest.session.call_blocking("shout", string).unwrap();
        assert_eq!(guest.text(shouted), text.to_uppercase() + "!");
        let part = guest.string("\u{1F642}");
        let count: u32 = guest.session.call_blocking("count", (string, part)).unwrap();
        assert_eq!(count as usize, text.matches('\u{1F642}').count());
        guest.release(string);
        guest.release(part);
    }
    let string = guest.string("text");
    let error = guest.session.call_blocking::<()>("fail", string).unwrap_err();
    assert!(matches!(error, SandboxError::Trap { .. }), "{error:?}");
    assert!(guest.session.has_ended());
}

/// dprint's plugin for Markdown, of the npm package `@dprint/markdown`: strings go through a buffer of the plugin's.
struct Formatter {
    session: Session,
}

impl Formatter {
    /// Puts text where the plugin takes its next argument from.
    fn pass(&mut self, text: &str) {
        let len = u32::try_from(text.len()).unwrap();
        let at: u32 = self.session.call_blocking("clear_shared_bytes", len).unwrap();
        self.session.write(at, text.as_bytes()).unwrap();
    }

    fn take(&mut self, len: u32) -> String {
        let at: u32 = self.session.call_blocking("get_shared_bytes_ptr", ()).unwrap();
        String::from_utf8(self.session.read(at, len).unwrap().to_vec()).unwrap()
    }

    /// Has the plugin format text, under a configuration that it has.
    fn format(&mut self, configuration: u32, text: &str) -> String {
        self.pass("a.md");
        let () = self.session.call_blocking("set_file_path", ()).unwrap();
        self.pass(text);
        match self.session.call_blocking::<u32>("format", configuration).unwrap() {
            // The text is as it should be.
            0 => text.to_owned(),
            1 => {
                let len: u32 = self.session.call_blocking("get_formatted_text", ()).unwrap();
                self.take(len)
            }
            _ => {
                let len: u32 = self.session.call_blocking("get_error_text", ()).unwrap();
                panic!("{}", self.take(len));
            }
        }
    }
}

/// The plugin's file, which is not part of the project: the one that the variable names, or one that npm installed here.
fn plugin_of_others() -> Option<PathBuf> {
    let named = std::env::var_os("SANDBOX_TEST_DPRINT_MARKDOWN").map(PathBuf::from);
    let installed = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest-kits");
    let installed = installed.join("node_modules/@dprint/markdown/plugin.wasm");
    named.or_else(|| installed.is_file().then_some(installed))
}

#[test]
fn a_plugin_of_others_that_takes_pointer_and_length_is_driven_by_a_session() {
    let Some(wasm) = plugin_of_others() else {
        return eprintln!(
            "NOT TESTED: dprint's plugin for Markdown is not there: SANDBOX_TEST_DPRINT_MARKDOWN names its plugin.wasm"
        );
    };
    let nothing = || Err::<u32, _>("there is no other plugin");
    let sandbox = WasmSandbox::builder()
        .source(wasm)
        .compiler(Compiler::Singlepass)
        .security_policy(SecurityPolicy::strict())
        // For code of other languages in the text, of which there is none.
        .host_function(
            "dprint",
            "host_format",
            |_: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| {
                Err::<u32, _>("there is no other plugin")
            },
        )
        .host_function("dprint", "host_get_formatted_text", nothing)
        .host_function("dprint", "host_get_error_text", nothing)
        .host_function("dprint", "host_write_buffer", |_: u32| {
            Err::<(), _>("there is no other plugin")
        })
        .build_blocking()
        .unwrap();
    let mut plugin = Formatter { session: sandbox.session_blocking().unwrap() };
    assert_eq!(plugin.session.call_blocking::<u32>("dprint_plugin_version_4", ()).unwrap(), 4);
    plugin.pass(r#"{"plugin": {"lineWidth": 40, "textWrap": "always"}, "global": {}}"#);
    let () = plugin.session.call_blocking("register_config", 1u32).unwrap();
    let text = "Title\n=====\n\n* one\n* two  \n\n|a|b|\n|-|-|\n|1|2|\n";
    let formatted = plugin.format(1, text);
    assert_eq!(formatted, "# Title\n\n- one\n- two\n\n| a | b |\n| - | - |\n| 1 | 2 |\n");
    assert_eq!(plugin.format(1, &formatted), formatted);
    let long = format!("{}\n", "word ".repeat(50_000).trim_end());
    assert!(plugin.format(1, &long).lines().all(|line| line.len() <= 40));
}
