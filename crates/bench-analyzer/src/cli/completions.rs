//! `completions`, scripts for shells, which ask the program for the names that it knows; and `man`, the pages that are installed
//! beside them.

use std::collections::BTreeSet;

use anyhow::Context;
use bench_analyzer::store::Store;
use camino::Utf8PathBuf;
use clap::{Args, CommandFactory, ValueEnum};
use fs_err as fs;

use super::output::Output;
use super::{Arguments, Outcome};

/// Write a completion script for a shell
///
/// In bash, zsh and fish it also completes the names of baselines and benchmarks that are stored.
///
/// Bash: bench-analyzer completions bash > ~/.local/share/bash-completion/completions/bench-analyzer
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}

/// Write man pages, one for each command, into a folder
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder. It is made if it is not there
    folder: Utf8PathBuf,
}

/// List names, for completion
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// Kind of name to list
    kind: NameKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NameKind {
    /// Names that --baseline takes
    Baselines,
    /// Benchmarks
    Benchmarks,
}

/// Completes what stands behind these with a name, and everything else as clap does.
const BASH: &str = r#"
_bench_analyzer_with_names() {
    local kind=""
    case "${COMP_WORDS[COMP_CWORD-1]}" in
        --baseline|--current|compare) kind=baselines ;;
        --filter|--control|history|accept|withdraw|rename) kind=benchmarks ;;
    esac
    if [[ -n "$kind" && "${COMP_WORDS[COMP_CWORD]}" != -* ]]; then
        local IFS=$'\n'
        COMPREPLY=($(compgen -W "$(bench-analyzer names "$kind" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        [[ ${#COMPREPLY[@]} -gt 0 ]] && return 0
    fi
    _bench-analyzer "$@"
}
complete -F _bench_analyzer_with_names -o nosort -o bashdefault -o default bench-analyzer
"#;

const ZSH: &str = r#"
_bench_analyzer_with_names() {
    local kind=""
    case "${words[CURRENT-1]}" in
        --baseline|--current|compare) kind=baselines ;;
        --filter|--control|history|accept|withdraw|rename) kind=benchmarks ;;
    esac
    if [[ -n "$kind" && "${words[CURRENT]}" != -* ]]; then
        local names=("${(@f)$(bench-analyzer names "$kind" 2>/dev/null)}")
        compadd -a names && return 0
    fi
    _bench-analyzer "$@"
}
compdef _bench_analyzer_with_names bench-analyzer
"#;

const FISH: &str = r"
for option in baseline current
    complete -c bench-analyzer -l $option -x -a '(bench-analyzer names baselines 2>/dev/null)'
end
for option in filter control
    complete -c bench-analyzer -l $option -x -a '(bench-analyzer names benchmarks 2>/dev/null)'
end
complete -c bench-analyzer -n '__fish_seen_subcommand_from compare' -f -a '(bench-analyzer names baselines 2>/dev/null)'
complete -c bench-analyzer -n '__fish_seen_subcommand_from history accept withdraw rename' -f -a '(bench-analyzer names benchmarks 2>/dev/null)'
";

pub(super) fn run(command: Completions, output: &Output) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(
        command.shell,
        &mut Arguments::command(),
        "bench-analyzer",
        &mut script,
    );
    let names = match command.shell {
        clap_complete::Shell::Bash => BASH,
        clap_complete::Shell::Zsh => ZSH,
        clap_complete::Shell::Fish => FISH,
        _ => "",
    };
    script.extend_from_slice(names.as_bytes());
    output.data(|stdout| stdout.write_all(&script))?;
    Ok(Outcome::Fine)
}

/// Writes the page of the program and those of its commands.
pub(super) fn write_man_pages(command: &Man) -> anyhow::Result<Outcome> {
    fs::create_dir_all(&command.folder)?;
    clap_mangen::generate_to(Arguments::command(), &command.folder)
        .with_context(|| format!("failed to write man pages to {}", command.folder))?;
    Ok(Outcome::Fine)
}

/// Lists the names that scripts ask for, one a line.
pub(super) async fn names(
    store: &mut Store,
    command: Names,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let mut names = BTreeSet::new();
    match command.kind {
        NameKind::Baselines => {
            names.insert("latest".to_owned());
            names.extend(store.baselines().await?.into_iter().map(|one| one.name.to_string()));
        }
        NameKind::Benchmarks => {
            let wanted = |series: &bench_analyzer::model::Series| {
                names.insert(series.benchmark.to_string());
                false
            };
            store.timelines(wanted).await?;
        }
    }
    // A name with a line break would be two.
    let whole = names.iter().filter(|name| !name.contains(char::is_control));
    output.data(|stdout| whole.into_iter().try_for_each(|name| writeln!(stdout, "{name}")))?;
    Ok(Outcome::Fine)
}
