//! `cargo xtask build-guests`: compiles the guest modules to `target/guests`.

use std::fs::File;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use clap::Args;
use fs_err as fs;

use crate::progress::{counted, seconds};
use crate::workspace::Workspace;

mod catalog;
mod compile;
mod fingerprint;
mod manifest;
mod toolchain;

use fingerprint::Fingerprint;
use manifest::{Built, Manifest};
use toolchain::{ActiveToolchain, Attempt as _, Debian, RustupTarget, Source, Toolchain};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Print the guests and what each of them is for, and build nothing
    #[arg(long, conflicts_with_all = ["force", "toolchain"])]
    list: bool,
    /// Build even if nothing has changed
    #[arg(long)]
    force: bool,
    /// Take this toolchain instead of the first that is found
    #[arg(long)]
    toolchain: Option<Source>,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    if arguments.list {
        list(workspace)
    } else {
        let choice = Choice { toolchain: arguments.toolchain, force: arguments.force };
        build(workspace, &choice)
    }
}

/// Builds what is out of date, with whatever toolchain there is: the part that other commands need.
pub(crate) fn ensure_built(workspace: &Workspace) -> Result<ExitCode> {
    build(workspace, &Choice { toolchain: None, force: false })
}

struct Choice {
    toolchain: Option<Source>,
    force: bool,
}

fn list(workspace: &Workspace) -> Result<ExitCode> {
    let guests = catalog::describe(workspace)?;
    let width = guests.iter().map(|guest| guest.name.len()).max().unwrap_or(0);
    for guest in &guests {
        println!("{:width$}  {}", guest.name, guest.description);
    }
    Ok(ExitCode::SUCCESS)
}

fn build(workspace: &Workspace, choice: &Choice) -> Result<ExitCode> {
    let started = Instant::now();
    let output = workspace.guests();
    fs::create_dir_all(&output)?;
    let _lock = lock(&output)?;

    let guests = catalog::names(workspace)?;
    let manifest = Manifest::read(&output)?;
    let toolchain = find_toolchain(choice, &manifest)?;
    let fingerprint = Fingerprint::of_guests(workspace, &toolchain)?;
    if !choice.force && manifest.is_current(&guests, &fingerprint, &output)? {
        let time = seconds(started.elapsed());
        println!("{} up to date in {} ({time})", counted(guests.len(), "guest"), shown(workspace));
        return Ok(ExitCode::SUCCESS);
    }

    println!("Building {} with {toolchain}", counted(guests.len(), "guest"));
    let outcome = compile::compile(workspace, &toolchain)?;
    let mut built = Vec::new();
    let mut failed = Vec::new();
    for name in &guests {
        match outcome.module(name) {
            Some(module) => built.push(Built::store(name, module, &output)?),
            None => failed.push(name.clone()),
        }
    }
    manifest::remove_others(&output, &built)?;
    Manifest::new(&toolchain, fingerprint, built).write(&output)?;

    if failed.is_empty() {
        let (count, time) = (counted(guests.len(), "guest"), seconds(started.elapsed()));
        println!("{count} built in {} ({time})", shown(workspace));
        Ok(ExitCode::SUCCESS)
    } else {
        bail!("{} of {} guests did not compile: {}", failed.len(), guests.len(), failed.join(", "))
    }
}

/// Finds the toolchain and says which it is, unless the last build took the same.
fn find_toolchain(choice: &Choice, manifest: &Manifest) -> Result<Toolchain> {
    let debian = Debian::new()?;
    let toolchain = match choice.toolchain {
        Some(Source::Active) => ActiveToolchain.find()?,
        Some(Source::Rustup) => RustupTarget.find()?,
        Some(Source::Debian) => debian.find()?,
        None => {
            let found = toolchain::search(&ActiveToolchain, &[&RustupTarget, &debian])?;
            if !manifest.was_built_with(&found.toolchain) {
                for refusal in &found.refusals {
                    println!("Not {}: {}", refusal.source, refusal.reason);
                }
            }
            found.toolchain
        }
    };
    Ok(toolchain)
}

/// Lets one process at a time write the output.
fn lock(output: &Utf8Path) -> Result<File> {
    let path = output.join(".lock");
    let file = File::create(&path).with_context(|| format!("failed to open {path}"))?;
    file.lock().with_context(|| format!("failed to lock {path}"))?;
    Ok(file)
}

/// The output folder as people name it: relative to the checkout.
fn shown(workspace: &Workspace) -> String {
    let output = workspace.guests();
    output.strip_prefix(workspace.root()).unwrap_or(&output).to_string()
}
