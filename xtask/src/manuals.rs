//! `cargo xtask manuals`: man pages and completions of both programs, in the folders that an installation has for them.
//!
//! The programs write them, so that this one needs to know nothing about their arguments.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use fs_err as fs;

use crate::process::{capture, cargo, failure, is_on_path, read};
use crate::progress::counted;
use crate::workspace::Workspace;

const PROGRAMS: [&str; 2] = ["bench-analyzer", "sandbox"];

/// Folder of man pages.
const PAGES: &str = "man/man1";

/// Sections that every page has.
const SECTIONS: [&str; 3] = ["NAME", "SYNOPSIS", "OPTIONS"];

const SHELLS: [Shell; 3] = [
    Shell { name: "bash", folder: "bash-completion/completions", before: "", after: "" },
    Shell { name: "zsh", folder: "zsh/site-functions", before: "_", after: "" },
    Shell { name: "fish", folder: "fish/vendor_completions.d", before: "", after: ".fish" },
];

/// A shell, and where it looks for the completions of a program.
struct Shell {
    name: &'static str,
    folder: &'static str,
    /// Parts of the file's name around that of the program.
    before: &'static str,
    after: &'static str,
}

impl Shell {
    fn file(&self, program: &str) -> Utf8PathBuf {
        Utf8Path::new(self.folder).join(format!("{}{program}{}", self.before, self.after))
    }
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Write them here, as to /usr/local/share or ~/.local/share [default: target/manuals]
    #[arg(long, value_name = "FOLDER")]
    into: Option<Utf8PathBuf>,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let folder = arguments.into.clone().unwrap_or_else(|| workspace.manuals());
    // The first build compiles Wasmer, which should be seen.
    let status = build(workspace).status().context("failed to start cargo")?;
    ensure!(status.success(), "failed to compile {}", PROGRAMS.join(" and "));
    let pages = write(workspace, &folder)?;
    println!(
        "{} in {folder}/{PAGES}, and completions for {}",
        counted(pages.len(), "page"),
        SHELLS.map(|shell| shell.name).join(", ")
    );
    println!("`man -l {folder}/{PAGES}/sandbox.1` shows one of them");
    Ok(ExitCode::SUCCESS)
}

/// Writes everything anew, and says what is wrong with it.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let folder = workspace.manuals();
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    read(&mut build(workspace))?;
    for page in write(workspace, &folder)? {
        let text = fs::read_to_string(&page)?;
        if let Some(section) = missing_sections(&text).next() {
            bail!("{page} has no section {section}");
        }
    }
    if is_on_path(&["bash"]) {
        for program in PROGRAMS {
            let script = folder.join(SHELLS[0].file(program));
            read(Command::new("bash").arg("-n").arg(&script))
                .with_context(|| format!("{script} is no script"))?;
        }
    }
    Ok(())
}

fn build(workspace: &Workspace) -> Command {
    let mut build = cargo();
    build.args(["build", "--locked"]).current_dir(workspace.root());
    build.args(PROGRAMS.iter().flat_map(|program| ["--bin", program]));
    build
}

/// Has the programs write their files. Returns the man pages.
fn write(workspace: &Workspace, folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let pages = folder.join(PAGES);
    for program in PROGRAMS {
        let start = || {
            let mut start = cargo();
            start.args(["run", "--quiet", "--locked", "--bin", program, "--"]);
            start.current_dir(workspace.root());
            start
        };
        // A relative folder is one of where the command was started.
        let pages = std::path::absolute(&pages).context("failed to find the working folder")?;
        read(start().arg("man").arg(pages))?;
        for shell in &SHELLS {
            let output = capture(start().args(["completions", shell.name]))?;
            if !output.status.success() {
                return Err(failure(&start(), &output));
            }
            let file = folder.join(shell.file(program));
            fs::create_dir_all(file.parent().unwrap_or(folder))?;
            fs::write(file, output.stdout)?;
        }
    }
    let mut written = Vec::new();
    for entry in pages.read_dir_utf8().with_context(|| format!("failed to read {pages}"))? {
        written.push(entry.with_context(|| format!("failed to read {pages}"))?.into_path());
    }
    written.retain(|page| is_of_a_program(page));
    written.sort();
    Ok(written)
}

/// Whether a file is a page of one of the programs: others may be in the folder too.
fn is_of_a_program(page: &Utf8Path) -> bool {
    let Some(name) = page.file_name().and_then(|name| name.strip_suffix(".1")) else {
        return false;
    };
    PROGRAMS.iter().any(|program| {
        name.strip_prefix(program).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

fn missing_sections(page: &str) -> impl Iterator<Item = &'static str> {
    let has = |section: &str| page.lines().any(|line| line == format!(".SH {section}"));
    SECTIONS.into_iter().filter(move |section| !has(section))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_are_where_shells_look_for_them() {
        let files = SHELLS.map(|shell| shell.file("sandbox").into_string());
        assert_eq!(
            files,
            [
                "bash-completion/completions/sandbox",
                "zsh/site-functions/_sandbox",
                "fish/vendor_completions.d/sandbox.fish",
            ]
        );
    }

    #[test]
    fn pages_of_other_programs_are_left_alone() {
        for own in ["man1/sandbox.1", "man1/sandbox-run.1", "bench-analyzer-baseline-list.1"] {
            assert!(is_of_a_program(Utf8Path::new(own)), "{own}");
        }
        for other in ["man1/sandboxed.1", "ls.1", "sandbox.5", "sandbox"] {
            assert!(!is_of_a_program(Utf8Path::new(other)), "{other}");
        }
    }

    #[test]
    fn a_section_that_a_page_lacks_is_named() {
        let page = ".TH sandbox 1\n.SH NAME\nsandbox\n.SH SYNOPSIS\n\\fBsandbox\\fR OPTIONS\n";
        assert_eq!(missing_sections(page).collect::<Vec<_>>(), ["OPTIONS"]);
    }
}
