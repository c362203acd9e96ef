//! The testsuite of the WebAssembly specification, in the folder that `WASM_TESTSUITE` names.
//!
//! Its scripts define modules, call their functions, and say what has to come of it. A sandbox refuses some of what they
//! do, by the name of a feature or because a guest has only what its host gives it; what it accepts has to do as the
//! specification says.

mod lanes;
mod values;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox_core::{Compiler, Compilers, SandboxError, SecurityPolicy, TrapCode, WasmSandbox};
use wast::parser::{self, ParseBuffer};
use wast::token::Id;
use wast::{QuoteWat, Wast, WastDirective, WastExecute, WastInvoke, Wat};

use super::folder_of;
use crate::modules::COMPILERS;
use crate::numbers::Numbers;
use values::Pattern;

/// Outcome of one command of a script.
enum Verdict {
    Passed,
    /// Not accepted, and by this name.
    Refused(String),
    Failed(String),
}

/// Counts of all outcomes.
#[derive(Default)]
struct Account {
    passed: usize,
    refused: BTreeMap<String, usize>,
    failed: Vec<String>,
}

impl Account {
    fn add(&mut self, place: impl FnOnce() -> String, verdict: Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Refused(name) => *self.refused.entry(name).or_default() += 1,
            Verdict::Failed(reason) => self.failed.push(format!("{}: {reason}", place())),
        }
    }
}

/// A module of a script.
enum Module {
    Built(Box<Instance>),
    Refused(String),
}

struct Instance {
    sandbox: WasmSandbox,
    /// Why its state may be another than the script's, if it may.
    differs: Option<&'static str>,
}

/// A script expects the instance that trapped.
const REPLACED: &str = "state after a trap: a new instance takes the place of one that trapped";

/// A script expects what a command did that was refused before.
const UNTOUCHED: &str = "state that a refused command would have made";

/// State of a script: its modules so far.
struct Script {
    compiler: Compiler,
    current: Option<String>,
    modules: HashMap<String, Module>,
    /// Names by which modules are imported, with those by which the script calls them.
    registered: HashMap<String, String>,
    definitions: HashMap<String, Vec<u8>>,
}

fn build(wasm: &[u8], compiler: Compiler) -> sandbox_core::Result<WasmSandbox> {
    let policy = SecurityPolicy::permissive()
        .with_compilers(Compilers::Any)
        .with_wall_clock(Duration::from_secs(120));
    let mut builder = WasmSandbox::builder().security_policy(policy).compiler(compiler);
    builder = builder
        .host_function("spectest", "print", || ())
        .host_function("spectest", "print_i32", |_: i32| ())
        .host_function("spectest", "print_i64", |_: i64| ())
        .host_function("spectest", "print_f32", |_: f32| ())
        .host_function("spectest", "print_f64", |_: f64| ())
        .host_function("spectest", "print_i32_f32", |_: i32, _: f32| ())
        .host_function("spectest", "print_f64_f64", |_: f64, _: f64| ());
    builder.source_bytes(lanes::split(wasm)).disable_cache().build_blocking()
}

/// The name by which something was refused, if it was.
fn refusal(error: &SandboxError) -> Option<String> {
    Some(match error {
        SandboxError::ForbiddenFeature { feature, .. } => feature.to_string(),
        SandboxError::UnsupportedFeature { feature, .. } => feature.to_string(),
        SandboxError::UnknownImport { .. } | SandboxError::IncompatibleImport { .. } => {
            "imports of another module, or of memories, tables and globals".to_owned()
        }
        SandboxError::MemoryLimit { .. }
        | SandboxError::TableLimit { .. }
        | SandboxError::InstanceTooLarge { .. }
        | SandboxError::CompileLimit { .. } => "more than the policy allows".to_owned(),
        _ => return None,
    })
}

fn key(name: Option<Id<'_>>) -> String {
    name.map_or_else(String::new, |name| name.name().to_owned())
}

impl Script {
    fn define(&mut self, name: Option<Id<'_>>, wasm: &[u8]) -> Verdict {
        let (module, verdict) = match build(wasm, self.compiler) {
            Ok(sandbox) => {
                let instance = Instance { sandbox, differs: None };
                (Module::Built(Box::new(instance)), Verdict::Passed)
            }
            Err(error) => match refusal(&error) {
                Some(name) => {
                    self.leave_untouched(wasm);
                    (Module::Refused(name.clone()), Verdict::Refused(name))
                }
                None => {
                    let reason = format!("a module was not built: {error}");
                    (
                        Module::Refused("a module that was not built".to_owned()),
                        Verdict::Failed(reason),
                    )
                }
            },
        };
        let name = key(name);
        self.modules.insert(name.clone(), module);
        self.current = Some(name);
        verdict
    }

    /// Notes that a module was refused which would have written to those that it imports from.
    fn leave_untouched(&mut self, wasm: &[u8]) {
        for module in lanes::imported_modules(wasm) {
            let called = self.registered.get(&module);
            if let Some(Module::Built(instance)) =
                called.and_then(|name| self.modules.get_mut(name))
            {
                instance.differs.get_or_insert(UNTOUCHED);
            }
        }
    }

    fn module(&mut self, name: Option<Id<'_>>) -> Option<&mut Module> {
        let name = name.map(|name| name.name().to_owned()).or_else(|| self.current.clone())?;
        self.modules.get_mut(&name)
    }

    /// Calls a function, and lets the outcome be judged.
    fn call(
        &mut self,
        invoke: &WastInvoke<'_>,
        judge: impl FnOnce(Result<Numbers, SandboxError>) -> Verdict,
    ) -> Verdict {
        let instance = match self.module(invoke.module) {
            None => return Verdict::Failed("it calls a module that nobody defined".to_owned()),
            Some(Module::Refused(name)) => return Verdict::Refused(name.clone()),
            Some(Module::Built(instance)) => instance,
        };
        let Some(arguments) = values::arguments(&invoke.args) else {
            instance.differs.get_or_insert(UNTOUCHED);
            return Verdict::Refused("references at the border to the host".to_owned());
        };
        let split = lanes::name(invoke.name);
        let names = instance.sandbox.module().function_names();
        let name = if names.contains(&&*split) { &split } else { invoke.name };
        let outcome = instance.sandbox.call_blocking::<Numbers>(name, &arguments);
        if let Err(SandboxError::SignatureMismatch { expected, .. }) = &outcome
            && expected.contains("ref")
        {
            instance.differs.get_or_insert(UNTOUCHED);
            return Verdict::Refused("references at the border to the host".to_owned());
        }
        let differed = instance.differs;
        if outcome.is_err() {
            instance.differs.get_or_insert(REPLACED);
        }
        match (judge(outcome), differed) {
            (Verdict::Failed(_), Some(reason)) => Verdict::Refused(reason.to_owned()),
            (verdict, _) => verdict,
        }
    }

    /// Instantiates a module that is to fail, or calls a function.
    fn execute(
        &mut self,
        execute: &mut WastExecute<'_>,
        judge: impl FnOnce(Result<Numbers, SandboxError>) -> Verdict,
    ) -> Verdict {
        match execute {
            WastExecute::Invoke(invoke) => self.call(invoke, judge),
            WastExecute::Wat(wat) => match encode(wat) {
                Err(reason) => Verdict::Failed(reason),
                Ok(wasm) => match build(&wasm, self.compiler) {
                    Ok(_) => judge(Ok(Numbers::default())),
                    Err(error) => match refusal(&error) {
                        Some(name) => {
                            self.leave_untouched(&wasm);
                            Verdict::Refused(name)
                        }
                        None => judge(Err(error)),
                    },
                },
            },
            WastExecute::Get { module, .. } => match self.module(*module) {
                Some(Module::Refused(name)) => Verdict::Refused(name.clone()),
                _ => Verdict::Refused("reading a global from outside".to_owned()),
            },
        }
    }

    fn run(&mut self, directive: WastDirective<'_>) -> Option<Verdict> {
        Some(match directive {
            WastDirective::Module(mut module) => match module.encode() {
                Ok(wasm) => self.define(module.name(), &wasm),
                Err(error) => self.unreadable(module.name(), &error),
            },
            WastDirective::ModuleDefinition(mut module) => {
                if let Ok(wasm) = module.encode() {
                    self.definitions.insert(key(module.name()), wasm);
                }
                return None;
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let wasm = self.definitions.get(&key(module))?.clone();
                self.define(instance, &wasm)
            }
            WastDirective::Register { name, module, .. } => {
                let called = module.map(|id| id.name().to_owned()).or_else(|| self.current.clone());
                self.registered.insert(name.to_owned(), called?);
                return None;
            }
            WastDirective::Invoke(invoke) => self.call(&invoke, |outcome| match outcome {
                Ok(_) => Verdict::Passed,
                Err(error) => Verdict::Failed(error.to_string()),
            }),
            WastDirective::AssertReturn { mut exec, results, .. } => {
                let Some(pattern) = Pattern::of(&results) else {
                    return Some(Verdict::Refused(
                        "references at the border to the host".to_owned(),
                    ));
                };
                self.execute(&mut exec, |outcome| match outcome {
                    Ok(numbers) if pattern.fits(&numbers) => Verdict::Passed,
                    Ok(numbers) => Verdict::Failed(format!("{numbers:?} instead of {pattern:?}")),
                    Err(error) => Verdict::Failed(error.to_string()),
                })
            }
            WastDirective::AssertTrap { mut exec, message, .. } => {
                self.execute(&mut exec, |outcome| match outcome {
                    Err(SandboxError::Trap { code, .. }) if values::is_trap(code, message) => {
                        Verdict::Passed
                    }
                    Err(error) => Verdict::Failed(format!("{error} instead of {message}")),
                    Ok(_) => Verdict::Failed(format!("no trap, and it should be {message}")),
                })
            }
            WastDirective::AssertExhaustion { call, .. } => {
                self.call(&call, |outcome| match outcome {
                    Err(SandboxError::Trap { code: TrapCode::StackOverflow, .. }) => {
                        Verdict::Passed
                    }
                    other => Verdict::Failed(format!("{other:?} instead of a used up stack")),
                })
            }
            WastDirective::AssertException { mut exec, .. } => {
                self.execute(&mut exec, |outcome| match outcome {
                    Err(SandboxError::Trap { code: TrapCode::UncaughtException, .. }) => {
                        Verdict::Passed
                    }
                    other => Verdict::Failed(format!("{other:?} instead of an exception")),
                })
            }
            WastDirective::AssertInvalid { module, .. }
            | WastDirective::AssertMalformed { module, .. } => self.refuses(module),
            WastDirective::AssertUnlinkable { mut module, .. } => match encode(&mut module) {
                Err(reason) => Verdict::Failed(reason),
                Ok(wasm) => match build(&wasm, self.compiler) {
                    Ok(_) => Verdict::Failed("it is linked".to_owned()),
                    Err(_) => Verdict::Passed,
                },
            },
            WastDirective::Thread(_) | WastDirective::Wait { .. } => {
                Verdict::Refused("threads".to_owned())
            }
            WastDirective::AssertSuspension { .. } => {
                Verdict::Refused("stack switching".to_owned())
            }
            // Custom sections are read by nobody.
            _ => return None,
        })
    }

    /// A module in text that the reader of scripts does not know.
    fn unreadable(&mut self, name: Option<Id<'_>>, error: &wast::Error) -> Verdict {
        let reason = format!("text that cannot be read here ({})", error.message());
        self.modules.insert(key(name), Module::Refused(reason.clone()));
        self.current = Some(key(name));
        Verdict::Refused(reason)
    }

    /// Judges a module that nobody may accept.
    fn refuses(&self, mut module: QuoteWat<'_>) -> Verdict {
        let Ok(wasm) = module.encode() else { return Verdict::Passed };
        match build(&wasm, self.compiler) {
            Err(SandboxError::InvalidModule { .. }) => Verdict::Passed,
            Err(error) => match refusal(&error) {
                Some(name) => Verdict::Refused(name),
                None => Verdict::Failed(format!("refused, but not as invalid: {error}")),
            },
            Ok(_) => Verdict::Failed("an invalid module was built".to_owned()),
        }
    }
}

fn encode(wat: &mut Wat<'_>) -> Result<Vec<u8>, String> {
    wat.encode().map_err(|error| error.to_string())
}

fn run_script(path: &Path, compiler: Compiler, account: &mut Account) {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let mut lexer = wast::lexer::Lexer::new(&text);
    lexer.allow_confusing_unicode(true);
    let parsed = ParseBuffer::new_with_lexer(lexer);
    let buffer = match parsed {
        Ok(buffer) => buffer,
        Err(error) => {
            let reason = format!("a script that cannot be read here ({})", error.message());
            return account.add(|| name, Verdict::Refused(reason));
        }
    };
    let wast = match parser::parse::<Wast<'_>>(&buffer) {
        Ok(wast) => wast,
        Err(error) => {
            let reason = format!("a script that cannot be read here ({})", error.message());
            return account.add(|| name, Verdict::Refused(reason));
        }
    };
    let mut script = Script {
        compiler,
        current: None,
        modules: HashMap::new(),
        registered: HashMap::new(),
        definitions: HashMap::new(),
    };
    for directive in wast.directives {
        let (line, _) = directive.span().linecol_in(&text);
        if let Some(verdict) = script.run(directive) {
            account.add(|| format!("{name}:{}", line + 1), verdict);
        }
    }
}

/// The scripts in that folder, without those of proposals.
fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_script = |path: &PathBuf| path.extension().is_some_and(|end| end == "wast");
    let mut scripts: Vec<_> = entries.filter(is_script).collect();
    scripts.sort();
    scripts
}

#[test]
#[ignore = "needs the folder of the testsuite"]
fn every_compiler_does_as_the_specification_says() {
    let scripts = scripts(&folder_of("WASM_TESTSUITE"));
    assert!(!scripts.is_empty(), "there is no script in that folder");
    let mut failed = Vec::new();
    for &compiler in COMPILERS {
        let mut account = Account::default();
        for script in &scripts {
            run_script(script, compiler, &mut account);
        }
        let refused: usize = account.refused.values().sum();
        let all = account.passed + refused + account.failed.len();
        println!(
            "{compiler}: {} of {all} commands of {} scripts passed, {refused} refused, {} FAILED",
            account.passed,
            scripts.len(),
            account.failed.len()
        );
        for (name, count) in &account.refused {
            println!("  {count:6} refused: {name}");
        }
        assert!(account.passed > 0, "nothing passed");
        failed.extend(account.failed.into_iter().map(|failed| format!("{compiler}, {failed}")));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
