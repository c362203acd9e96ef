//! `serve`: a dashboard in the browser.

use anyhow::{Context, ensure};
use bench_analyzer::config::Config;
use bench_analyzer::continuous::secret::Secret;
use bench_analyzer::environment::{self, Environment};
use bench_analyzer::serve::{Access, Dashboard, ServeOptions};
use bench_analyzer::store::Store;

use super::Outcome;
use super::args::Serve;
use super::output::Output;

pub(super) async fn run(
    store: Store,
    command: Serve,
    config: &Config,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let token = match &command.token_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("failed to read the token in {path}"))?;
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
    let dashboard = Dashboard::bind(ServeOptions {
        database: store.location().clone(),
        folder: store.folder().to_owned(),
        address: command.listen,
        token: token.clone(),
        hosts: command.hosts,
        access: if command.read_only { Access::ReadOnly } else { Access::Bless },
        author: environment::user(&environment.working_dir),
        settings: config.settings(),
    })
    .await?;
    // Every answer opens the store anew.
    store.close().await?;
    let hint = if token.is_some() { "?token=..." } else { "" };
    output.data(|stdout| writeln!(stdout, "http://{}/{hint}", dashboard.address()))?;
    output.message("serving until Ctrl-C");
    dashboard.run().await;
    Ok(Outcome::Fine)
}
