//! The number in the name of a benchmark that tells it from its siblings.

use crate::model::BenchmarkId;

/// A name taken apart: what siblings share, and the number in which they differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name without the number; `*` stands for it where something follows.
    pub family: String,
    /// The number.
    pub value: f64,
}

impl Parameter {
    /// Finds the last part between slashes that is a number above zero: `sort/quick/1000`, `copy/64KiB/aligned`,
    /// `sort/n=1_000`. Of `10ms` or `v2` nobody can say what grows.
    pub fn of(benchmark: &BenchmarkId) -> Option<Self> {
        let parts: Vec<&str> = benchmark.as_str().split('/').collect();
        let (at, value) = parts
            .iter()
            .enumerate()
            .skip(1)
            .rev()
            .find_map(|(at, part)| Some((at, number(part)?)))?;
        let (before, after) = (parts[..at].join("/"), parts[at + 1..].join("/"));
        let family = if after.is_empty() { before } else { format!("{before}/*/{after}") };
        Some(Self { family, value })
    }
}

/// The number that a part of a name is, with its multiple: `1_000`, `64k`, `64KiB`, `n=1000`.
fn number(part: &str) -> Option<f64> {
    let part = match part.split_once('=') {
        Some((name, value)) if name.chars().all(char::is_alphabetic) => value,
        _ => part,
    };
    let digits = part.trim_end_matches(|one: char| one.is_ascii_alphabetic());
    let multiple = match &part[digits.len()..] {
        "" | "B" => 1.0,
        "k" | "K" | "kB" | "KB" => 1e3,
        "M" | "MB" => 1e6,
        "G" | "GB" => 1e9,
        "Ki" | "KiB" => 1024.0,
        "Mi" | "MiB" => 1024.0 * 1024.0,
        "Gi" | "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let plain: String = digits.chars().filter(|one| !matches!(one, '_' | ',')).collect();
    let is_number = plain.chars().all(|one| one.is_ascii_digit() || one == '.');
    let value: f64 = plain.parse().ok().filter(|_| is_number)?;
    (value > 0.0 && value.is_finite()).then_some(value * multiple)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(name: &str) -> Option<(String, f64)> {
        Parameter::of(&BenchmarkId::new(name)).map(|one| (one.family, one.value))
    }

    #[test]
    fn the_last_number_of_a_name_is_its_parameter() {
        let of = |family: &str, value: f64| Some((family.to_owned(), value));
        assert_eq!(parts("sort/quick/1000"), of("sort/quick", 1000.0));
        assert_eq!(parts("sort/1_000"), of("sort", 1000.0));
        assert_eq!(parts("copy/64KiB/aligned"), of("copy/*/aligned", 65_536.0));
        assert_eq!(parts("a/1/b/20"), of("a/1/b", 20.0));
        assert_eq!(parts("sort/n=10k"), of("sort", 10_000.0));
        assert_eq!(parts("load/0.5"), of("load", 0.5));
    }

    #[test]
    fn what_is_no_number_makes_no_family() {
        for name in
            ["sort/quick", "1000", "v/v2", "wait/10ms", "a/", "a/0", "a/-5", "a/1e5", "a/..", "a/_"]
        {
            assert_eq!(parts(name), None, "{name}");
        }
    }
}
