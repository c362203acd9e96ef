//! `serve`: where to listen, and whom to let in.

use camino::Utf8PathBuf;
use clap::Args;

/// Show a dashboard in the browser
///
/// Benchmarks with their histories and changes, comparisons, runs, and suites as they run.
/// Changes can be accepted with a reason, as `bless` does.
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

    /// Accept no changes
    #[arg(long)]
    pub(crate) read_only: bool,
}
