//! Where commits and pull requests can be looked at: by the address that a repository is fetched from, or by
//! patterns of the configuration.

use serde::Deserialize;

/// Patterns of addresses. Without one, commits are only text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// The address of a commit, with `{commit}` for its hash.
    pub commit: Option<String>,
    /// The address of what lies between two commits, with `{from}` and `{to}`.
    pub compare: Option<String>,
    /// The address of a pull request, with `{number}`.
    pub pull_request: Option<String>,
}

impl Links {
    /// Derives the patterns from the address that a repository is fetched from: `git@host:owner/name.git`,
    /// `ssh://git@host/owner/name` or `https://host/owner/name`. Hosts whose name says GitLab or Bitbucket have
    /// addresses of their own; all others are taken for GitHub, which Gitea and Forgejo resemble.
    pub fn of_remote(address: &str) -> Self {
        let Some((host, path)) = host_and_path(address) else { return Self::default() };
        let base = format!("https://{host}/{path}");
        let (commit, compare, pull_request) = if host.contains("gitlab") {
            ("-/commit/{commit}", "-/compare/{from}...{to}", "-/merge_requests/{number}")
        } else if host.contains("bitbucket") {
            ("commits/{commit}", "branches/compare/{to}..{from}", "pull-requests/{number}")
        } else {
            ("commit/{commit}", "compare/{from}...{to}", "pull/{number}")
        };
        let pattern = |rest: &str| Some(format!("{base}/{rest}"));
        Self {
            commit: pattern(commit),
            compare: pattern(compare),
            pull_request: pattern(pull_request),
        }
    }

    /// These patterns, and where there is none, those of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            commit: self.commit.or(other.commit),
            compare: self.compare.or(other.compare),
            pull_request: self.pull_request.or(other.pull_request),
        }
    }

    /// The address of a commit. Whatever a file calls a commit that is no hash has none.
    pub fn commit(&self, hash: &str) -> Option<String> {
        let pattern = self.commit.as_deref().filter(|_| is_hash(hash))?;
        Some(pattern.replace("{commit}", hash))
    }

    /// The address of what lies between two commits.
    pub fn compare(&self, from: &str, to: &str) -> Option<String> {
        let pattern = self.compare.as_deref().filter(|_| is_hash(from) && is_hash(to))?;
        Some(pattern.replace("{from}", from).replace("{to}", to))
    }

    /// The address of the pull request that a branch stands for: `pull/12/merge`, as workflows check it out.
    pub fn branch(&self, branch: &str) -> Option<String> {
        let parts: Vec<&str> = branch.trim_start_matches("refs/").split('/').collect();
        let number = match parts.as_slice() {
            ["pull" | "merge-requests", number]
            | ["pull" | "merge-requests", number, "merge" | "head"] => number,
            _ => return None,
        };
        let is_number = !number.is_empty() && number.chars().all(|one| one.is_ascii_digit());
        let pattern = self.pull_request.as_deref().filter(|_| is_number)?;
        Some(pattern.replace("{number}", number))
    }

    /// The address of a range as a report names it: of what lies between, or of the one commit that is known.
    pub fn range(&self, after: Option<&str>, up_to: Option<&str>) -> Option<String> {
        match (after, up_to) {
            (Some(after), Some(up_to)) if after != up_to => self.compare(after, up_to),
            (_, Some(commit)) => self.commit(commit),
            _ => None,
        }
    }

    /// Says why the patterns are no good, if they are not.
    ///
    /// # Errors
    /// Says which pattern is no address of the web, or lacks what it is for.
    pub fn check(&self) -> Result<(), String> {
        let patterns = [
            ("links.commit", &self.commit, &["{commit}"][..]),
            ("links.compare", &self.compare, &["{from}", "{to}"]),
            ("links.pull_request", &self.pull_request, &["{number}"]),
        ];
        for (name, pattern, needed) in patterns {
            let Some(pattern) = pattern else { continue };
            let is_web = ["https://", "http://"].iter().any(|scheme| pattern.starts_with(scheme));
            let plain =
                |one: char| one.is_ascii_graphic() && !matches!(one, '"' | '<' | '>' | '(' | ')');
            if !is_web || !pattern.chars().all(plain) {
                return Err(format!("{name} has to be an address that begins with https://"));
            }
            if let Some(missing) = needed.iter().find(|one| !pattern.contains(**one)) {
                return Err(format!("{name} has to hold {missing}"));
            }
        }
        Ok(())
    }
}

fn is_hash(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.chars().all(|one| one.is_ascii_hexdigit())
}

/// The host and the path of a remote's address, without a user, a password, a port or `.git`.
fn host_and_path(address: &str) -> Option<(String, String)> {
    let (host, path) = match address.split_once("://") {
        Some(("https" | "http" | "ssh" | "git", rest)) => rest.split_once('/')?,
        Some(_) => return None,
        None => address.split_once(':')?,
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let plain =
        |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.' | '/' | '~');
    let is_plain = |text: &str| !text.is_empty() && text.chars().all(plain);
    let is_host = host.contains('.') && is_plain(host) && !host.contains('/');
    (is_host && is_plain(path) && path.contains('/'))
        .then(|| (host.to_lowercase(), path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn every_way_to_write_a_remote_leads_to_the_same_commit() {
        for remote in [
            "https://github.com/owner/name.git",
            "https://user:secret@github.com/owner/name",
            "git@github.com:owner/name.git",
            "ssh://git@github.com:22/owner/name.git",
        ] {
            let links = Links::of_remote(remote);
            let expected = format!("https://github.com/owner/name/commit/{HASH}");
            assert_eq!(links.commit(HASH), Some(expected), "{remote}");
        }
        let gitlab = Links::of_remote("git@gitlab.example.org:group/sub/name.git");
        let expected =
            format!("https://gitlab.example.org/group/sub/name/-/compare/{HASH}...{HASH}");
        assert_eq!(gitlab.compare(HASH, HASH), Some(expected));
    }

    #[test]
    fn what_is_no_address_and_no_hash_gives_no_link() {
        for remote in
            ["/srv/git/name", "../name", "file:///srv/name", "C:\\name", "", "https://host/a b/c"]
        {
            assert_eq!(Links::of_remote(remote), Links::default(), "{remote}");
        }
        let links = Links::of_remote("git@github.com:owner/name.git");
        assert_eq!(links.commit("c003"), None);
        assert_eq!(links.commit("\"onclick=x 0123456789"), None);
    }

    #[test]
    fn a_branch_of_a_pull_request_leads_to_it() {
        let links = Links::of_remote("git@github.com:owner/name.git");
        let expected = Some("https://github.com/owner/name/pull/12".to_owned());
        assert_eq!(links.branch("pull/12/merge"), expected);
        assert_eq!(links.branch("refs/pull/12/head"), expected);
        assert_eq!((links.branch("main"), links.branch("pull/x")), (None, None));
    }

    #[test]
    fn patterns_are_checked() {
        let of =
            |commit: &str| Links { commit: Some(commit.to_owned()), ..Links::default() }.check();
        assert_eq!(of("https://example.org/{commit}"), Ok(()));
        assert!(of("https://example.org/").unwrap_err().contains("{commit}"));
        assert!(of("javascript:{commit}").is_err());
        assert!(of("https://x/\"{commit}").is_err());
    }
}
