//! Which module of a crate may use which: imports lead downwards, and never in a circle.
//!
//! They are read from the text of the sources: `use` declarations, and paths that begin with `crate`, `super` or `self`.
//! Tests may use what they like.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use fs_err as fs;

/// The floors of a crate, the lowest first. A module uses only what stands on lower floors than its own.
struct House {
    crate_folder: &'static str,
    floors: &'static [&'static [&'static str]],
}

/// Crates whose modules have floors. In the others, as in every folder, modules only must not use each other in a circle.
const HOUSES: &[House] = &[
    House {
        crate_folder: "crates/bench-analyzer",
        floors: &[
            &["child", "clock", "links", "location", "sys"],
            &["environment", "secret"],
            &["error"],
            &["jobs"],
            // Reading files and storing what they hold. What is decided of it is bench-stats'.
            &["ingest"],
            &["store"],
            &["analysis"],
            &["config", "report"],
            &["continuous", "serve"],
            &["cli"],
        ],
    },
    House {
        crate_folder: "crates/bench-stats",
        floors: &[&["samples"], &["stats"], &["model"], &["detect"], &["analysis"]],
    },
    House {
        crate_folder: "crates/sandbox-core",
        floors: &[
            &["output", "text"],
            &["bundle", "context", "signing", "sync"],
            &["policy"],
            &["format", "usage"],
            &["error"],
            // All that is unsafe. What is below is data and waiting, and knows nothing of guests.
            &["sys"],
            &["marshal", "threads"],
            &["watchdog"],
            &["module"],
            &["profile", "wasi"],
            &["host"],
            &["instance"],
            &["package"],
            &["sandbox"],
            &["pool", "streaming"],
            &["metrics"],
        ],
    },
];

const CRATES: [&str; 6] = [
    "crates/bench-analyzer",
    "crates/bench-stats",
    "crates/sandbox-bench",
    "crates/sandbox-core",
    "crates/sandbox-guest",
    "xtask",
];

/// A module by the names that lead to it from the crate's root, which has none.
type Path = Vec<String>;

/// For the modules of one folder, which uses which, and a file in which it does.
type Uses = BTreeMap<String, BTreeMap<String, String>>;

/// Returns what is wrong, a sentence each.
pub(super) fn check(root: &Utf8Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for crate_folder in CRATES {
        let sources = Sources::read(&root.join(crate_folder).join("src"))?;
        let uses = sources.uses();
        for (folder, uses) in &uses {
            if let Some(circle) = circle(uses) {
                let place =
                    if folder.is_empty() { "its root".to_owned() } else { folder.join("/") };
                broken.push(format!("{crate_folder}, in {place}: {}", in_words(&circle, uses)));
            }
        }
        if let Some(house) = HOUSES.iter().find(|house| house.crate_folder == crate_folder) {
            broken.extend(house.check(&sources, uses.get(&Path::new())));
        }
    }
    Ok(broken)
}

impl House {
    fn floor(&self, module: &str) -> Option<usize> {
        self.floors.iter().position(|floor| floor.contains(&module))
    }

    fn check(&self, sources: &Sources, uses: Option<&Uses>) -> Vec<String> {
        let folder = self.crate_folder;
        let homeless = sources.modules.keys().filter(|path| path.len() == 1).filter_map(|path| {
            let module = &path[0];
            self.floor(module).is_none().then(|| {
                format!(
                    "{folder}: `{module}` has no floor; give it one in xtask/src/test/layers.rs"
                )
            })
        });
        let pairs = uses.into_iter().flatten().flat_map(|(user, used)| {
            used.iter().map(move |(used, file)| (user.as_str(), used.as_str(), file))
        });
        let upwards = pairs.filter_map(|(user, used, file)| {
            let (above, below) = (self.floor(user)?, self.floor(used)?);
            (above <= below).then(|| {
                format!(
                    "{folder}: `{user}` uses `{used}` ({file}), which stands no lower: a module uses only what is below it"
                )
            })
        });
        homeless.chain(upwards).collect()
    }
}

/// The sources of a crate, without tests.
#[derive(Default)]
struct Sources {
    modules: BTreeMap<Path, String>,
}

impl Sources {
    fn read(src: &Utf8Path) -> Result<Self> {
        let mut sources = Self::default();
        sources.read_folder(src, &Path::new())?;
        let tests: Vec<Path> = sources
            .modules
            .iter()
            .flat_map(|(path, source)| {
                let test_modules = test_modules(source);
                test_modules.map(|name| path.iter().cloned().chain([name]).collect::<Path>())
            })
            .collect();
        sources.modules.retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
        Ok(sources)
    }

    fn read_folder(&mut self, folder: &Utf8Path, path: &Path) -> Result<()> {
        let entries = folder.read_dir_utf8().with_context(|| format!("failed to read {folder}"))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("failed to read {folder}"))?.into_path();
            let Some(name) = entry.file_stem() else { continue };
            let child: Path = path.iter().cloned().chain([name.to_owned()]).collect();
            if entry.is_dir() {
                self.read_folder(&entry, &child)?;
            } else if entry.extension() == Some("rs") {
                let is_root = path.is_empty() && ["lib", "main"].contains(&name);
                let source = without_comments(&fs::read_to_string(&entry)?);
                if is_root {
                    self.modules.entry(Path::new()).or_default().push_str(&source);
                } else {
                    self.modules.insert(child, source);
                }
            }
        }
        Ok(())
    }

    /// For each folder, which of its modules use which.
    fn uses(&self) -> BTreeMap<Path, Uses> {
        let mut all: BTreeMap<Path, Uses> = BTreeMap::new();
        for (user, source) in &self.modules {
            for path in paths(before_tests(source)) {
                let Some(used) = self.resolve(user, &path) else { continue };
                let common = user.iter().zip(&used).take_while(|(a, b)| a == b).count();
                if let (Some(from), Some(to)) = (user.get(common), used.get(common)) {
                    let uses = all.entry(user[..common].to_vec()).or_default();
                    let files = uses.entry(from.clone()).or_default();
                    files.entry(to.clone()).or_insert_with(|| format!("{}.rs", user.join("/")));
                }
            }
        }
        all
    }

    /// The module of this crate that a path in one of its modules leads to.
    fn resolve(&self, from: &Path, path: &[String]) -> Option<Path> {
        let mut here = from.clone();
        let mut names = path.iter().peekable();
        match names.peek()?.as_str() {
            "crate" => {
                here.clear();
                names.next();
            }
            "self" => {
                names.next();
            }
            "super" => {
                while names.next_if(|name| *name == "super").is_some() {
                    here.pop()?;
                }
            }
            child => {
                let mut own = from.clone();
                own.push(child.to_owned());
                self.modules.contains_key(&own).then_some(())?;
            }
        }
        for name in names {
            here.push(name.clone());
            if !self.modules.contains_key(&here) {
                here.pop();
                break;
            }
        }
        Some(here)
    }
}

/// A way from a module back to itself.
fn circle(uses: &Uses) -> Option<Vec<&str>> {
    uses.keys().find_map(|start| {
        let mut seen = BTreeSet::new();
        let mut ways = vec![vec![start.as_str()]];
        while let Some(way) = ways.pop() {
            for next in uses.get(*way.last()?).into_iter().flat_map(BTreeMap::keys) {
                let mut longer = way.clone();
                longer.push(next);
                if next == start {
                    return Some(longer);
                }
                if seen.insert(next) {
                    ways.push(longer);
                }
            }
        }
        None
    })
}

fn in_words(circle: &[&str], uses: &Uses) -> String {
    let steps = circle.windows(2).map(|pair| {
        let file = uses.get(pair[0]).and_then(|used| used.get(pair[1]));
        format!("`{}` uses `{}` ({})", pair[0], pair[1], file.map_or("?", String::as_str))
    });
    format!("{}: modules must not use each other in a circle", steps.collect::<Vec<_>>().join(", "))
}

fn without_comments(source: &str) -> String {
    let lines = source.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    lines.fold(String::with_capacity(source.len()), |all, line| all + line + "\n")
}

/// Returns the part of a file before its tests, which come last.
fn before_tests(source: &str) -> &str {
    let inline = source.match_indices("#[cfg(test)]").find(|(at, attribute)| {
        let item = source[at + attribute.len()..].trim_start();
        item.starts_with("mod ") && item.find('{') < item.find(';')
    });
    inline.map_or(source, |(at, _)| &source[..at])
}

/// The modules in files of their own that are compiled for tests only.
fn test_modules(source: &str) -> impl Iterator<Item = String> + '_ {
    source.match_indices("#[cfg(test)]").filter_map(|(at, attribute)| {
        let item = source[at + attribute.len()..].split_once(';')?.0.trim();
        let (_, name) = item.rsplit_once("mod ")?;
        name.chars().all(is_of_name).then(|| name.to_owned())
    })
}

fn is_of_name(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The paths that a source names: of its `use` declarations one for each of their leaves, and all others that begin with
/// `crate`, `super` or `self`.
fn paths(source: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(start) = rest.find(is_of_name) {
        rest = &rest[start..];
        let end = rest.find(|char| !is_of_name(char)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word == "use" {
            let (tree, after) = after.split_once(';').unwrap_or((after, ""));
            let tree: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
            expand(&tree.replace(' ', "").replace("as_", "as _"), &[], &mut found);
            rest = after;
        } else if ["crate", "super", "self"].contains(&word) && after.starts_with("::") {
            let path = rest.find(|char| !is_of_name(char) && char != ':').unwrap_or(rest.len());
            found.push(names(&rest[..path]));
            rest = &rest[path..];
        } else {
            rest = after;
        }
    }
    found
}

fn names(path: &str) -> Vec<String> {
    path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The leaves of a tree of a `use` declaration, without spaces.
fn expand(tree: &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let Some((stem, branches)) = tree.split_once('{') else {
        found.push(before.iter().cloned().chain(names(tree)).collect());
        return;
    };
    let stem: Vec<String> = before.iter().cloned().chain(names(stem)).collect();
    let (mut depth, mut start) = (0usize, 0);
    for (at, char) in branches.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                if at > start {
                    expand(&branches[start..at], &stem, found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Sources {
        let module = |(path, source): &(&str, &str)| {
            (names(path), before_tests(&without_comments(source)).to_owned())
        };
        Sources { modules: files.iter().map(module).collect() }
    }

    fn used(source: &str) -> Vec<String> {
        paths(source).iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn all_paths_of_a_source_are_found() {
        let source = "use std::fmt;\nuse crate::{a, b::{C, d::E}};\npub(crate) use super::x::Y as Z;\n\
                      fn f() { crate::g::h(self::i::j) }";
        let expected = [
            "std::fmt",
            "crate::a",
            "crate::b::C",
            "crate::b::d::E",
            "super::x::YasZ",
            "crate::g::h",
            "self::i::j",
        ];
        assert_eq!(used(source), expected);
    }

    #[test]
    fn comments_and_tests_use_nothing() {
        let source = "// crate::a\nuse crate::b;\n#[cfg(test)]\nmod tests {\n use crate::c;\n}\n";
        let source = without_comments(source);
        assert_eq!(used(before_tests(&source)), ["crate::b"]);
        let named: Vec<String> = test_modules("#[cfg(test)]\npub(crate) mod alone;\n").collect();
        assert_eq!(named, ["alone"]);
    }

    #[test]
    fn a_circle_is_named_with_the_files_that_close_it() {
        let sources = sources(&[
            ("", "mod a; mod b; mod c;"),
            ("a", "use crate::b::B; use crate::c;"),
            ("b", ""),
            ("b::inner", "use super::super::a;"),
            ("c", ""),
        ]);
        let uses = sources.uses();
        let uses = &uses[&Path::new()];
        let circle = circle(uses).expect("there is one");
        assert_eq!(
            in_words(&circle, uses),
            "`a` uses `b` (a.rs), `b` uses `a` (b/inner.rs): modules must not use each other in a circle"
        );
    }

    #[test]
    fn a_use_of_the_same_or_a_higher_floor_is_named() {
        let house = House { crate_folder: "crates/x", floors: &[&["a"], &["b", "c"]] };
        let sources = sources(&[
            ("a", "use crate::b::B;"),
            ("b", "use crate::a::A; use crate::c;"),
            ("c", ""),
            ("d", ""),
        ]);
        let uses = sources.uses();
        let said = house.check(&sources, uses.get(&Path::new()));
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("`d` has no floor"), "{said:?}");
        assert!(said[1].contains("`a` uses `b` (a.rs)"), "{said:?}");
        assert!(said[2].contains("`b` uses `c` (b.rs)"), "{said:?}");
    }
}
