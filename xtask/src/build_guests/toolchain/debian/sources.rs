//! Which of the machine's package sources are Debian's own.
//!
//! Other sources may be out of reach, signed by keys we should not trust, or both, so the private
//! list holds only entries that name this Debian release and its `main` component. What an entry
//! says about trust is not copied: every one is checked against Debian's archive keys.

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A Debian release.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Release {
    /// Such as `bookworm`.
    codename: String,
}

/// One place that packages come from.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    uri: String,
    suite: String,
}

/// Reads which Debian release this machine runs.
pub(super) fn release() -> Result<Release> {
    let text = fs::read_to_string("/etc/os-release")
        .context("this is no Debian system: failed to read /etc/os-release")?;
    parse_release(&text)
}

/// Writes the private list of sources, in apt's one-line format.
pub(super) fn debian_sources(release: &Release) -> Result<String> {
    let mut entries = Vec::new();
    for file in source_files()? {
        let text = fs::read_to_string(&file)?;
        if file.extension() == Some("sources") {
            entries.extend(parse_deb822(&text, release));
        } else {
            entries.extend(parse_one_line(&text, release));
        }
    }
    if entries.is_empty() {
        bail!("no entry for Debian {} with the component main in /etc/apt", release.codename);
    }
    let signed_by = if Utf8Path::new(KEYRING).is_file() {
        format!("[signed-by={KEYRING}] ")
    } else {
        String::new()
    };
    let lines =
        entries.iter().map(|Entry { uri, suite }| format!("deb {signed_by}{uri} {suite} main\n"));
    Ok(lines.collect())
}

fn parse_release(text: &str) -> Result<Release> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches('"'))
    };
    let id = field("ID").unwrap_or("unknown");
    if id != "debian" {
        bail!("this is no Debian system: its ID is {id}");
    }
    let codename = field("VERSION_CODENAME").context("/etc/os-release names no codename")?;
    Ok(Release { codename: codename.to_owned() })
}

fn source_files() -> Result<Vec<Utf8PathBuf>> {
    let mut files = Vec::new();
    let single = Utf8PathBuf::from("/etc/apt/sources.list");
    if single.is_file() {
        files.push(single);
    }
    let folder = Utf8Path::new("/etc/apt/sources.list.d");
    if folder.is_dir() {
        for entry in folder.read_dir_utf8().with_context(|| format!("failed to read {folder}"))? {
            let path = entry.with_context(|| format!("failed to read {folder}"))?.into_path();
            // apt reads no other extensions.
            if matches!(path.extension(), Some("list" | "sources")) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

impl Release {
    /// Whether a suite belongs to this release: `bookworm`, its updates, its security updates.
    fn has_suite(&self, suite: &str) -> bool {
        let rest = suite.strip_prefix(&self.codename);
        matches!(rest, Some("" | "-updates" | "-security" | "/updates"))
    }
}

/// Parses lines such as `deb [arch=amd64] URI SUITE COMPONENT...`.
fn parse_one_line(text: &str, release: &Release) -> Vec<Entry> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some(rest) = line.trim().strip_prefix("deb ") else { continue };
        let rest = match rest.trim_start().strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        if let [uri, suite, components @ ..] = words.as_slice()
            && components.contains(&"main")
            && release.has_suite(suite)
        {
            entries.push(Entry { uri: (*uri).to_owned(), suite: (*suite).to_owned() });
        }
    }
    entries
}

/// Parses stanzas of `Name: values` fields, separated by empty lines.
fn parse_deb822(text: &str, release: &Release) -> Vec<Entry> {
    let mut entries = Vec::new();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for stanza in lines.split(|line| line.trim().is_empty()) {
        let field = |name: &str| field_words(stanza, name);
        let enabled = !matches!(field("Enabled").first(), Some(&"no" | &"false" | &"0"));
        let usable = field("Types").contains(&"deb") && field("Components").contains(&"main");
        if !enabled || !usable {
            continue;
        }
        for uri in field("URIs") {
            for suite in field("Suites").into_iter().filter(|suite| release.has_suite(suite)) {
                entries.push(Entry { uri: uri.to_owned(), suite: suite.to_owned() });
            }
        }
    }
    entries
}

/// Returns the words of a field, which goes on over lines that start with a space.
fn field_words<'a>(stanza: &[&'a str], name: &str) -> Vec<&'a str> {
    let mut words = Vec::new();
    let mut inside = false;
    for line in stanza {
        if line.starts_with([' ', '\t']) {
            if inside {
                words.extend(line.split_whitespace());
            }
        } else if let Some((field, value)) = line.split_once(':') {
            inside = field.eq_ignore_ascii_case(name);
            if inside {
                words.extend(value.split_whitespace());
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bookworm() -> Release {
        Release { codename: "bookworm".to_owned() }
    }

    fn entry(uri: &str, suite: &str) -> Entry {
        Entry { uri: uri.to_owned(), suite: suite.to_owned() }
    }

    #[test]
    fn stanzas_give_an_entry_for_each_suite_of_the_release() {
        let text = "Types: deb deb-src\n\
                    # a comment inside\n\
                    URIs: http://mirror.example/debian\n\
                    Suites: bookworm bookworm-updates\n \
                      bookworm-backports\n\
                    Components: main contrib\n\
                    Trusted: yes\n\
                    \n\
                    Types: deb\nURIs: http://mirror.example/off\nSuites: bookworm\n\
                    Components: main\nEnabled: no\n\
                    \n\
                    Types: deb\nURIs: https://other.example\nSuites: nodistro\nComponents: main\n";
        let uri = "http://mirror.example/debian";
        let expected = [entry(uri, "bookworm"), entry(uri, "bookworm-updates")];
        assert_eq!(parse_deb822(text, &bookworm()), expected);
    }

    #[test]
    fn one_line_sources_of_others_are_left_out() {
        let text = "deb [arch=amd64 trusted=yes] http://mirror.example/debian bookworm main\n\
                    deb http://mirror.example/security bookworm-security main contrib # why\n\
                    deb-src http://mirror.example/debian bookworm main\n\
                    # deb http://mirror.example/debian bookworm main\n\
                    deb http://tools.example/linux bookworm stable\n\
                    deb http://database.example/apt bookworm-pgdg main\n";
        let expected = [
            entry("http://mirror.example/debian", "bookworm"),
            entry("http://mirror.example/security", "bookworm-security"),
        ];
        assert_eq!(parse_one_line(text, &bookworm()), expected);
    }

    #[test]
    fn only_debian_is_debian() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(parse_release(debian).unwrap(), bookworm());
        let ubuntu = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n";
        assert!(parse_release(ubuntu).unwrap_err().to_string().contains("ubuntu"));
    }
}
