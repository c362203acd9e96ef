//! `serve`: a dashboard in the browser.

use anyhow::{Context, ensure};
use bench_analyzer::analysis::ReferenceName;
use bench_analyzer::config::Config;
use bench_analyzer::environment::{self, Environment};
use bench_analyzer::links::Links;
use bench_analyzer::secret::Secret;
use bench_analyzer::serve::{Access, Dashboard, Patience, ServeOptions};
use bench_analyzer::store::Store;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::Outcome;
use super::continuous::stop_on_signals;
use super::output::Output;

/// Show a dashboard in the browser
///
/// Shows changes since the last release, benchmarks with their histories, comparisons of any two commits,
/// runs, and suites as they run. Changes can be accepted with a reason, as `accept` does, that can be
/// taken back, and it can be noted who looks at them. /badge.svg is a badge for a README, /feed.atom a
/// feed of changes.
///
/// It listens on this machine only. To let others in, name an address with --listen, a secret
/// with --token-file, and every name that they use with --host; they open
/// http://NAME:PORT/?token=SECRET once. There is no TLS: put a proxy before it.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7474")]
    pub(crate) listen: std::net::SocketAddr,

    /// A file that holds the secret of whoever is let in
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<Utf8PathBuf>,

    /// A further name that the dashboard is reached by
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,

    /// Let nobody decide about changes
    #[arg(long)]
    pub(crate) read_only: bool,
}

pub(super) async fn run(
    store: Store,
    command: Serve,
    config: &Config,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let token = match &command.token_file {
        Some(path) => {
            let text =
                read_own(path).with_context(|| format!("failed to read the token in {path}"))?;
            let token = text.trim();
            ensure!(
                token.len() >= 16 && token.chars().all(|c| c.is_ascii_alphanumeric()),
                "{path} has to hold a token of at least 16 letters and digits, such as \
                 `openssl rand -hex 24` makes"
            );
            Some(Secret::new(token))
        }
        None => None,
    };
    let access =
        if command.read_only || store.is_read_only() { Access::ReadOnly } else { Access::Accept };
    let remote = environment::remote(&environment.working_dir);
    let links = config.links.clone().or(remote.map(|it| Links::of_remote(&it)).unwrap_or_default());
    let stop = stop_on_signals()?;
    let dashboard = Dashboard::bind(ServeOptions {
        database: store.location().clone(),
        folder: store.folder().to_owned(),
        address: command.listen,
        token: token.clone(),
        hosts: command.hosts,
        access,
        author: environment::user(&environment.working_dir),
        settings: config.settings(),
        since: match &config.since {
            Some(ReferenceName::Baseline(name)) => Some(name.clone()),
            _ => None,
        },
        links,
        project: environment.working_dir.clone(),
        patience: Patience::default(),
    })
    .await?;
    // Every answer opens the store anew.
    store.close().await?;
    let hint = if token.is_some() { "?token=..." } else { "" };
    output.data(|stdout| writeln!(stdout, "http://{}/{hint}", dashboard.address()))?;
    output.message("serving until Ctrl-C");
    dashboard.run(&stop).await;
    Ok(Outcome::Fine)
}

/// Reads a file that nobody else may read or write.
fn read_own(path: &Utf8Path) -> anyhow::Result<String> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    // What was opened is looked at, and a pipe is not waited for.
    let no_wait = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut file = std::fs::OpenOptions::new().read(true).custom_flags(no_wait).open(path)?;
    let found = file.metadata()?;
    ensure!(found.is_file(), "it is no regular file");
    let mode = found.permissions().mode() & 0o777;
    ensure!(
        mode.trailing_zeros() >= 6,
        "others may read or change it (mode {mode:o}): `chmod 600 {path}`, and make a new token"
    );
    let mut text = String::new();
    std::io::Read::read_to_string(&mut file, &mut text)?;
    Ok(text)
}
