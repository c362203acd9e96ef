//! The analyzer's configuration files: how changes are judged, and what is measured by itself.

use bench_analyzer::config::Config;
use bench_analyzer::continuous::BenchmarkConfig;
use camino::Utf8Path;

use crate::importers::File;

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let file = File::of("bench-analyzer.toml", data);
    match Config::read(&file.path) {
        Ok(config) => {
            let _ = (config.settings(), config.outdated());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Whoever writes a secret into the file itself may be shown it.
    if text.contains("localhost/secret") {
        return;
    }
    let variable =
        |name: &str| (name.len() % 2 == 0).then(|| "https://localhost/secret".to_owned());
    match BenchmarkConfig::parse(text, Utf8Path::new("/somewhere"), variable) {
        Ok(config) => {
            // Whatever is shown of it keeps the secret.
            let shown = format!("{config:?}");
            assert!(!shown.contains("localhost/secret"), "{shown}");
        }
        Err(reason) => {
            assert!(!reason.is_empty());
            assert!(!reason.contains("localhost/secret"), "{reason}");
        }
    }
}

/// Bytes to begin with: the files that the documentation shows, and some more.
pub fn seeds() -> Vec<Vec<u8>> {
    let docs = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut files: Vec<_> = docs
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().to_owned())
        .collect();
    files.sort();
    let mut seeds: Vec<Vec<u8>> = files
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .flat_map(|text| blocks(&text))
        .map(String::into_bytes)
        .collect();
    let texts = [
        "threshold = 0.05\nalpha = 1e-3\nplanned_runs = 4\ncontrols = [\"floor/*\"]\n",
        "[[benchmark]]\nname = \"*\"\nthreshold = 0.2\ngate = false\n",
        "[[suite]]\nname = \"a\"\ncommand = [\"cargo\"]\nschedule = [{ cron = \"0 3 * * *\" }]\n",
        "[advice]\nnoisy = 0.1\nscaling_efficiency = 2\n",
    ];
    seeds.extend(texts.map(|text| text.as_bytes().to_vec()));
    seeds
}

/// Blocks of TOML in a document.
fn blocks(text: &str) -> Vec<String> {
    let parts = text.split("```toml\n").skip(1);
    parts.filter_map(|part| part.split_once("```").map(|(block, _)| block.to_owned())).collect()
}
