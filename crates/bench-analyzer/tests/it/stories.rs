//! Twelve stories, and whether each format tells them where a reader looks first.

use std::fmt::Write as _;

use crate::served::Served;
use crate::workspace::Workspace;

/// Something like a standard normal number, the same every time.
fn noise(seed: u64) -> f64 {
    let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66;
    let mut uniform = || {
        for _ in 0..2 {
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed ^= mixed >> 27;
        }
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..12).map(|_| uniform()).sum::<f64>() - 6.0
}

/// The measurements of a story, in the generic format.
struct Story {
    rows: String,
    runs: u64,
}

/// When the stories begin.
const BEGIN: u64 = 1_760_000_000;

impl Story {
    fn new() -> Self {
        Self { rows: "benchmark,value,run,time,commit,machine\n".to_owned(), runs: 0 }
    }

    /// One run: runs differ by 0.6%, samples of a run by 0.3%.
    fn run(&mut self, name: &str, commit: &str, machine: &str, benchmarks: &[(String, f64)]) {
        self.runs += 1;
        let time = BEGIN + self.runs * 3600;
        for (index, (benchmark, level)) in (0_u64..).zip(benchmarks) {
            let typical = level * (1.0 + 0.006 * noise(self.runs * 100_003 + index));
            for sample in 0..5 {
                let value = typical * (1.0 + 0.003 * noise(self.runs * 31 + index * 1009 + sample));
                writeln!(self.rows, "{benchmark},{value:.4},{name},{time},{commit},{machine}")
                    .unwrap();
            }
        }
    }

    fn stored(&self) -> Workspace {
        let workspace = Workspace::new();
        std::fs::write(workspace.path().join("story.csv"), &self.rows).unwrap();
        workspace.run(&["import", "story.csv"], 0);
        workspace
    }
}

/// So many benchmarks without a parameter, which take different times.
fn benchmarks(count: usize) -> Vec<(String, f64)> {
    const GROUPS: [&str; 4] = ["codec", "index", "parser", "storage"];
    (0..count)
        .map(|at| {
            let letter = char::from(b'a' + u8::try_from(at / 4 % 26).unwrap());
            let name = format!("{}/b{at:03}{letter}", GROUPS[at % 4]);
            (name, 100.0 * (1 + at % 7) as f64)
        })
        .collect()
}

fn slower(benchmarks: &[(String, f64)], by: impl Fn(&str) -> f64) -> Vec<(String, f64)> {
    benchmarks.iter().map(|(name, level)| (name.clone(), level * by(name))).collect()
}

const OLD: &str = "0123456789abcdef0123456789abcdef01234567";
const NEW: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// Two sides with so many runs each, in turns: the first is the baseline `main`.
fn compared(old: &[(String, f64)], new: &[(String, f64)], runs: usize) -> Workspace {
    let mut story = Story::new();
    for run in 0..runs {
        story.run(&format!("o{run}"), OLD, "ci", old);
        story.run(&format!("n{run}"), NEW, "ci", new);
    }
    of_two_sides(&story)
}

/// Imports one side after the other.
fn compared_apart(old: &[(String, f64)], new: &[(String, f64)], runs: usize) -> Workspace {
    let mut story = Story::new();
    (0..runs).for_each(|run| story.run(&format!("o{run}"), OLD, "ci", old));
    (0..runs).for_each(|run| story.run(&format!("n{run}"), NEW, "ci", new));
    of_two_sides(&story)
}

/// Splits the runs by their commits, and imports the old ones as `main`.
fn of_two_sides(story: &Story) -> Workspace {
    let workspace = Workspace::new();
    let (head, rows) = story.rows.split_once('\n').unwrap();
    for (file, commit) in [("old.csv", OLD), ("new.csv", NEW)] {
        let mut text = format!("{head}\n");
        rows.lines()
            .filter(|row| row.contains(commit))
            .for_each(|row| text.push_str(&format!("{row}\n")));
        std::fs::write(workspace.path().join(file), text).unwrap();
    }
    workspace.run(&["import", "--baseline", "main", "old.csv"], 0);
    workspace.run(&["import", "new.csv"], 0);
    workspace
}

/// The first lines that a reader sees in each format.
fn first_lines(workspace: &Workspace) -> Vec<(&'static str, String)> {
    let report = |format| {
        let arguments = ["report", "--no-import", "--baseline", "main", "--format", format];
        workspace.run(&arguments, 0).stdout
    };
    let lines = |text: &str, count: usize| text.lines().take(count).collect::<Vec<_>>().join("\n");
    let page = report("html");
    let (_, body) = page.split_once("<p class=\"summary\">").unwrap();
    let summary = body.split_once("</p>").unwrap().0.replace("&gt;", ">");
    let annotations = report("github");
    let json: serde_json::Value = serde_json::from_str(&report("json")).unwrap();
    vec![
        ("human", lines(&report("human"), 10)),
        ("markdown", lines(&report("markdown"), 12).replace('\\', "").replace("&gt;", ">")),
        ("html", summary),
        ("github", annotations.lines().last().unwrap().replace("%25", "%")),
        ("json", json["summary"].as_str().unwrap().to_owned()),
    ]
}

fn tells(workspace: &Workspace, said: &[&str], never: &[&str]) {
    for (format, lines) in first_lines(workspace) {
        for text in said {
            assert!(lines.contains(text), "{format} does not say `{text}`:\n{lines}");
        }
        for text in never {
            assert!(!lines.contains(text), "{format} says `{text}`:\n{lines}");
        }
    }
}

#[test]
fn one_regression_among_three_hundred_is_named_and_the_rest_is_within_something() {
    let all = benchmarks(300);
    let now = slower(&all, |name| if name == "index/b137i" { 1.12 } else { 1.0 });
    let workspace = compared(&all, &now, 5);
    tells(
        &workspace,
        &["1 slower (index/b137i +1", "the other 299 show no change", "within ±"],
        &["to watch"],
    );
    let since = ["human", "markdown"];
    for (format, lines) in first_lines(&workspace) {
        assert!(
            !since.contains(&format) || lines.contains("0123456789..89abcdef01"),
            "{format}:\n{lines}"
        );
    }
}

#[test]
fn a_family_that_grows_with_its_number_is_one_row_that_says_so() {
    let sizes = [(100, 1.0), (1000, 1.08), (10_000, 1.16), (100_000, 1.25)];
    let of = |now: bool| {
        let mut all = benchmarks(20);
        let size = |(size, factor): &(i32, f64)| {
            (format!("sort/quick/{size}"), f64::from(*size) * if now { *factor } else { 1.0 })
        };
        all.extend(sizes.iter().map(size));
        all
    };
    let workspace = compared(&of(false), &of(true), 5);
    tells(
        &workspace,
        &["3 slower (worst: sort/quick/100000 +2", "sort/quick gets worse with n"],
        &[],
    );
    let human = &first_lines(&workspace)[0].1;
    let row = human.lines().find(|line| line.contains("n=100 ")).unwrap();
    assert!(
        row.contains("1k +") && row.contains("100k +") && row.contains("grows with n"),
        "{row}"
    );
}

#[test]
fn everything_slower_one_side_after_the_other_could_be_the_machine() {
    let all = benchmarks(40);
    let workspace = compared_apart(&all, &slower(&all, |_| 1.3), 5);
    tells(
        &workspace,
        &["40 could not be judged: machine or code (most got worse together, by "],
        &["show no change"],
    );
    let arguments = [
        "report",
        "--no-import",
        "--baseline",
        "main",
        "--fail-on",
        "regression",
        "--format",
        "markdown",
    ];
    let finished = workspace.run(&arguments, 4);
    assert!(
        finished.stdout.starts_with("### ⚠️") && finished.stdout.contains("cannot judge 40"),
        "{}",
        finished.stdout
    );
}

#[test]
fn everything_slower_in_turns_is_the_code() {
    let all = benchmarks(40);
    let workspace = compared(&all, &slower(&all, |_| 1.3), 5);
    tells(&workspace, &["40 slower (worst: "], &["show no change"]);
}

#[test]
fn a_trade_off_names_both_sides_of_it() {
    let all = benchmarks(20);
    let now = slower(&all, |name| match name {
        "codec/b000a" => 1.2,
        "index/b001a" => 0.8,
        _ => 1.0,
    });
    let workspace = compared(&all, &now, 5);
    tells(
        &workspace,
        &["1 slower (codec/b000a +", "1 faster (index/b001a -", "the other 18 show no change"],
        &[],
    );
}

#[test]
fn what_is_new_gone_and_renamed_is_said_at_once() {
    let both = benchmarks(10);
    let with = |more: &[&str]| {
        let mut all = both.clone();
        all.extend(more.iter().map(|name| ((*name).to_owned(), 500.0)));
        all
    };
    let workspace = compared(
        &with(&["legacy/scan", "parser/tokens_large"]),
        &with(&["network/handshake", "parsing/tokens_large"]),
        5,
    );
    tells(
        &workspace,
        &[
            "1 new (network/handshake)",
            "1 gone (legacy/scan)",
            "1 renamed, it seems (parser/tokens_large -> parsing/tokens_large)",
        ],
        &["slower", "faster"],
    );
}

#[test]
fn noise_alone_is_said_to_be_no_change() {
    let all = benchmarks(40);
    let workspace = compared(&all, &all, 5);
    tells(
        &workspace,
        &["no change seen in 40 benchmarks", "within ±"],
        &["slower", "faster", "cannot be told"],
    );
}

#[test]
fn one_run_a_side_gives_only_hints_and_says_so_first() {
    let all = benchmarks(10);
    let now = slower(&all, |name| if name == "codec/b000a" { 1.6 } else { 1.0 });
    let workspace = compared(&all, &now, 1);
    tells(&workspace, &["only hints, from 1 run a side: 1 slower (codec/b000a +"], &[]);
    let arguments = ["report", "--no-import", "--baseline", "main", "--format", "markdown"];
    let gated = workspace.run(&[&arguments[..], &["--fail-on", "regression"]].concat(), 0).stdout;
    let said = "### ⚠️ Only hints, from 1 run a side: 1 benchmark seems slower; the gate passes";
    assert!(gated.starts_with(said), "{gated}");
}

/// Sixty commits, one run each.
fn history(
    level: impl Fn(usize, usize) -> f64,
    machine: impl Fn(usize) -> &'static str,
) -> Workspace {
    let mut story = Story::new();
    let all = benchmarks(12);
    for commit in 0..60 {
        let now: Vec<(String, f64)> = (0..)
            .zip(&all)
            .map(|(index, (name, value))| (name.clone(), value * level(commit, index)))
            .collect();
        story.run(
            &format!("r{commit:02}"),
            &format!("{commit:07x}{}", &OLD[7..]),
            machine(commit),
            &now,
        );
    }
    story.stored()
}

/// Lines that `history` prints before it lists series.
fn first_of_history(workspace: &Workspace) -> String {
    let shown = workspace.run(&["history"], 0).stdout;
    shown.lines().take(4).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_step_is_named_with_its_commits_before_the_list() {
    let workspace =
        history(|commit, index| if index == 3 && commit >= 40 { 1.1 } else { 1.0 }, |_| "ci");
    let said = first_of_history(&workspace);
    assert!(said.contains("1 for the worse that nobody accepted"), "{said}");
    assert!(
        said.contains("storage/b003a +") && said.contains("commits 0000027789..0000028789"),
        "{said}"
    );
}

#[test]
fn a_drift_is_said_to_be_one_in_histories_and_reports() {
    let drift = |commit: usize, index: usize| {
        if index == 3 { 1.0 + 0.003 * commit as f64 } else { 1.0 }
    };
    let workspace = history(drift, |_| "ci");
    let said = first_of_history(&workspace);
    assert!(said.contains("0 changes") && said.contains("1 drifts"), "{said}");
    workspace
        .run(&["baseline", "set", "main", "run:51", "run:52", "run:53", "run:54", "run:55"], 0);
    for (format, lines) in first_lines(&workspace) {
        assert!(lines.contains("1 drifts (storage/b003a +"), "{format}:\n{lines}");
    }
}

#[test]
fn a_spike_is_no_change_and_neither_is_a_row_of_them_a_spike() {
    let spiky = |commit: usize, index: usize| match (index, commit) {
        (3, 30) => 1.5,
        (4, 40..=41) => 1.3,
        _ => 1.0,
    };
    let workspace = history(spiky, |_| "ci");
    let shown = workspace.run(&["history"], 0).stdout;
    assert!(shown.starts_with("12 series, 0 changes"), "{shown}");
    assert_eq!(shown.matches("spike at point").count(), 1, "{shown}");
    assert!(shown.contains("spike at point 30 (run:31)"), "{shown}");
    assert!(shown.contains("away for 2 points, 40 to 41 (from run:41 on)"), "{shown}");
}

#[test]
fn a_change_of_the_machine_is_said_once_and_compares_nothing() {
    let change = |commit: usize, _| if commit >= 30 { 1.4 } else { 1.0 };
    let workspace = history(change, |commit| if commit >= 30 { "new-ci" } else { "old-ci" });
    let said = first_of_history(&workspace);
    assert!(said.contains("0 changes"), "{said}");
    assert!(said.contains("another machine or compiler from run:31 on"), "{said}");
    assert!(said.contains("old-ci -> new-ci") && said.contains("12 of 12 series"), "{said}");
    let all = workspace.run(&["history"], 0).stdout;
    assert_eq!(all.matches("another machine").count(), 1, "{all}");
    let filtered = workspace.run(&["history", "--machine", "new-ci"], 0).stdout;
    assert!(filtered.contains("30 points") && !filtered.contains("another machine"), "{filtered}");
    let finished = workspace.run(&["history", "--machine", "newci"], 3);
    assert!(finished.stderr.contains("no machine is named like newci"), "{}", finished.stderr);
}

#[test]
fn machines_in_turns_are_told_once_and_the_history_of_one_is_whole() {
    let step = |commit: usize, index: usize| if index == 3 && commit >= 40 { 1.3 } else { 1.0 };
    let machine = |commit: usize| if commit % 6 == 5 { "small-ci" } else { "large-ci" };
    let workspace = history(step, machine);
    let all = workspace.run(&["history"], 0).stdout;
    assert_eq!(all.matches("another machine").count(), 1, "{all}");
    assert!(all.contains("another machine or compiler 19 times, last from run:60 on"), "{all}");
    let one = workspace.run(&["history", "--machine", "large-ci"], 0).stdout;
    assert!(one.starts_with("12 series, 1 change, 1 for the worse"), "{one}");
    // The dashboard shows that of the machine that measured most, unless somebody asks for all.
    let served = Served::new(&workspace, &[]);
    let home = |query: &str| {
        let told = served.get(&format!("/api/home?since=all{query}")).json();
        (told["machine"].clone(), told["changed"].as_array().unwrap().len())
    };
    let (machine, changed) = home("");
    assert!(machine.is_number() && changed == 1, "{machine} {changed}");
    assert_eq!(home("&machine=all"), (serde_json::Value::Null, 0));
}

#[test]
fn what_the_machine_did_to_all_for_a_moment_or_for_good_is_said_once() {
    let together = |commit: usize, index: usize| {
        let moved = if commit >= 40 { 1.2 } else { 1.0 };
        let stumble = if commit == 20 { 1.4 } else { 1.0 };
        moved * stumble * (1.0 + 0.001 * index as f64)
    };
    let workspace = history(together, |_| "ci");
    let said = first_of_history(&workspace);
    assert!(said.contains("12 of 12 series moved together at run:41"), "{said}");
    assert!(said.contains("12 of 12 series stood out for one measurement, at run:21"), "{said}");
    let all = workspace.run(&["history"], 0).stdout;
    assert!(!all.contains("spike at") && !all.contains("worse +"), "{all}");
}

#[test]
fn commits_are_compared_by_their_digits_and_a_typo_is_answered() {
    let workspace =
        history(|commit, index| if index == 3 && commit >= 40 { 1.5 } else { 1.0 }, |_| "ci");
    let compared = workspace.run(&["compare", "0000005", "000003b"], 0).stdout;
    assert!(compared.contains("slower (storage/b003a +"), "{compared}");
    let finished = workspace.run(&["compare", "00000", "000003b"], 3);
    assert!(finished.stderr.contains("is the beginning of several commits"), "{}", finished.stderr);
    let finished = workspace.run(&["compare", "mian", "000003b"], 3);
    assert!(
        finished.stderr.contains("no commit, tag or branch of that name"),
        "{}",
        finished.stderr
    );
}

/// A tag, a branch and `HEAD~1` are what the repository around the dashboard says, also after the next commit.
#[test]
fn the_dashboard_compares_what_the_repository_names() {
    let workspace = Workspace::new();
    workspace.git(&["init", "--quiet", "-b", "main"]);
    let commit = |workspace: &Workspace| {
        workspace.git(&["commit", "--quiet", "--allow-empty", "-m", "x"]);
        workspace.git(&["rev-parse", "HEAD"])
    };
    let mut story = Story::new();
    for (place, level) in [100.0, 100.0, 150.0].into_iter().enumerate() {
        let sha = commit(&workspace);
        for run in 0..5 {
            story.run(&format!("r{place}.{run}"), &sha, "ci", &[("codec/a".to_owned(), level)]);
        }
    }
    workspace.git(&["tag", "v1.0", "HEAD~2"]);
    std::fs::write(workspace.path().join("story.csv"), &story.rows).unwrap();
    workspace.run(&["import", "story.csv"], 0);
    let served = Served::new(&workspace, &[]);
    let summary = |baseline: &str, current: &str| {
        let asked = format!("/api/compare?baseline={baseline}&current={current}");
        let answer = served.get(&asked).json();
        let said = answer["summary"].as_str().or(answer["error"].as_str());
        said.unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    for (baseline, current) in [("v1.0", "main"), ("HEAD~1", "HEAD"), ("HEAD~2", "latest")] {
        let said = summary(baseline, current);
        assert!(said.starts_with("1 slower (codec/a +"), "{baseline} {current}: {said}");
    }
    assert!(summary("v1.0", "HEAD~1").contains("no change"), "{}", summary("v1.0", "HEAD~1"));
    // Now `HEAD~1` is another commit, and `HEAD` one that nobody measured.
    commit(&workspace);
    let said = summary("HEAD~2", "HEAD~1");
    assert!(said.starts_with("1 slower (codec/a +"), "{said}");
    let said = summary("v1.0", "HEAD");
    assert!(said.contains("which was not measured: the one before it, "), "{said}");
    let said = summary("v1.0", "maim");
    assert!(said.contains("no commit, tag or branch of that name"), "{said}");
}
