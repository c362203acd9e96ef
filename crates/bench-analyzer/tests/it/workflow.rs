//! The steps of the workflow in the documentation, run as GitHub runs them: their scripts are taken from the
//! file, with a cargo and a gh that only write down what they are asked for.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::workspace::Workspace;

const WORKFLOW: &str = include_str!("../../../../docs/github-workflow.yml");

/// The lines of a step, by its name; of several of that name the last.
fn step(name: &str) -> Vec<&'static str> {
    let lines: Vec<&str> = WORKFLOW.lines().collect();
    let title = format!("- name: {name}");
    let at = lines.iter().rposition(|line| line.trim() == title).unwrap();
    let depth = lines[at].find('-').unwrap();
    let rest = lines[at + 1..].iter();
    rest.take_while(|line| line.trim().is_empty() || line.len() - line.trim_start().len() > depth)
        .copied()
        .collect()
}

/// What a step runs.
fn script(name: &str) -> String {
    let lines = step(name);
    let at = lines.iter().position(|line| line.trim() == "run: |").unwrap();
    let depth = |line: &str| line.len() - line.trim_start().len();
    let own = depth(lines[at]);
    let body: Vec<&str> = lines[at + 1..]
        .iter()
        .take_while(|line| depth(line) > own)
        .map(|line| line.trim())
        .collect();
    assert!(!body.is_empty(), "{name}");
    body.join("\n")
}

/// The condition of a step.
fn condition(name: &str) -> &'static str {
    step(name).iter().find_map(|line| line.trim().strip_prefix("if: ")).unwrap()
}

struct Runner {
    workspace: Workspace,
}

impl Runner {
    fn new() -> Self {
        let runner = Self { workspace: Workspace::new() };
        for folder in ["bin", "head", "base"] {
            std::fs::create_dir_all(runner.workspace.path().join(folder)).unwrap();
        }
        runner
    }

    /// Puts a program of this name in front of all others.
    fn program(&self, name: &str, script: &str) {
        let path = self.workspace.path().join("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, name: &str, variables: &[(&str, &str)]) -> Output {
        let path = self.workspace.path();
        let analyzer = camino::Utf8PathBuf::from(env!("CARGO_BIN_EXE_bench-analyzer"));
        let programs =
            format!("{path}/bin:{}:{}", analyzer.parent().unwrap(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["-e", "-c", &script(name)]).current_dir(path);
        for variable in ["BENCH_ANALYZER_DB", "CRITERION_HOME", "CARGO_TARGET_DIR"] {
            command.env_remove(variable);
        }
        command
            .envs(self.workspace.store_variable())
            .env("GIT_CEILING_DIRECTORIES", path.parent().unwrap())
            .env("PATH", programs)
            .env("RUNS", "2")
            .env("GITHUB_WORKSPACE", path)
            .env("GITHUB_OUTPUT", path.join("output"))
            .env("GITHUB_STEP_SUMMARY", path.join("summary.md"))
            .env("GITHUB_REPOSITORY", "me/project")
            .env("MARKER", "<!-- bench-analyzer report -->")
            .env("NUMBER", "7")
            .env("CALLS", path.join("calls"))
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    fn done(&self, name: &str, variables: &[(&str, &str)]) {
        let output = self.run(name, variables);
        assert!(output.status.success(), "{name}: {output:?}");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.workspace.path().join(name)).unwrap_or_default()
    }

    /// Results of one side, so much slower than others.
    fn measured(&self, side: &str, factor: f64) {
        for run in 1..=5 {
            let criterion = self.workspace.criterion_at(&format!("runs/{side}/{run}"));
            let noise = 1.0 + run as f64 / 1000.0;
            criterion.save("group/a", "new", 1000.0 * factor * noise, run);
        }
    }
}

#[test]
fn both_sides_are_measured_in_turns() {
    let runner = Runner::new();
    runner.program("cargo", r#"echo "${PWD##*/} $CRITERION_HOME $*" >> "$CALLS""#);
    runner.done("Measure", &[]);
    assert_eq!(runner.read("output"), "sides=base head\n");
    let path = runner.workspace.path();
    let expected: Vec<String> = ["1", "2"]
        .iter()
        .flat_map(|run| {
            ["base", "head"].map(|side| format!("{side} {path}/runs/{side}/{run} bench"))
        })
        .collect();
    let calls = runner.read("calls");
    let calls: Vec<&str> = calls.lines().filter(|line| !line.contains("--no-run")).collect();
    assert_eq!(calls, expected);
}

#[test]
fn a_base_that_does_not_build_is_new_and_not_red() {
    let runner = Runner::new();
    runner.program("cargo", r#"echo "${PWD##*/} $*" >> "$CALLS"; [ "${PWD##*/}" = head ]"#);
    runner.done("Measure", &[]);
    assert_eq!(runner.read("output"), "sides=head\n");
    let calls = runner.read("calls");
    assert_eq!(calls.lines().filter(|line| *line == "head bench").count(), 2, "{calls}");
    assert!(!calls.contains("base bench\n"), "{calls}");
    assert_eq!(condition("Show what is new"), "steps.measure.outputs.sides == 'head'");
    runner.measured("head", 1.0);
    runner.done("Show what is new", &[("HEAD_SHA", "1a2b3c")]);
    for report in ["report.md", "summary.md"] {
        assert!(runner.read(report).contains("group/a"), "{report}");
    }
}

#[test]
fn a_head_that_does_not_build_is_red() {
    let runner = Runner::new();
    runner.program("cargo", r#"[ "${PWD##*/}" = base ]"#);
    assert!(!runner.run("Measure", &[]).status.success());
}

#[test]
fn a_regression_fails_the_step_after_all_reports_are_written() {
    let runner = Runner::new();
    runner.measured("base", 1.0);
    runner.measured("head", 1.5);
    let output = runner.run("Compare", &[("BASE_SHA", "1a2b3c"), ("HEAD_SHA", "4d5e6f")]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for report in ["report.md", "report.html", "report.json", "report.xml", "summary.md"] {
        assert!(runner.read(report).contains("group/a"), "{report}");
    }
}

/// Forks may not comment; their step summary is written by the same steps as all others'.
#[test]
fn a_fork_gets_the_step_summary_and_no_comment() {
    let condition = condition("Comment");
    let same = "github.event.pull_request.head.repo.full_name == github.repository";
    assert!(condition.contains(same) && condition.starts_with("always()"), "{condition}");
    for step in ["Compare", "Show what is new"] {
        assert!(script(step).contains("--step-summary"), "{step}");
    }
    assert!(!WORKFLOW.contains("pull_request_target:"));
}

/// Answers as GitHub does: with pages of comments, filtered as asked.
const GH: &str = r#"
printf '%s\n' "$*" >> "$CALLS"
[ "$1 $2" = "api --paginate" ] || exit 0
for page in page-*.json; do jq -r "$5" "$page"; done
"#;

fn with_comments(pages: &[&str]) -> Option<Runner> {
    if Command::new("jq").arg("--version").output().is_err() {
        eprintln!(
            "NOT TESTED: which comment the workflow finds again, as jq is not installed here"
        );
        return None;
    }
    let runner = Runner::new();
    runner.program("gh", GH);
    std::fs::write(runner.workspace.path().join("report.md"), "### Benchmarks\n").unwrap();
    for (number, page) in pages.iter().enumerate() {
        std::fs::write(runner.workspace.path().join(format!("page-{number}.json")), page).unwrap();
    }
    Some(runner)
}

#[test]
fn the_comment_is_found_again_by_its_hidden_first_line() {
    let pages = [
        r#"[{"id": 1, "user": {"type": "User"}, "body": "<!-- bench-analyzer report -->\ncopied"},
            {"id": 2, "user": {"type": "Bot"}, "body": "coverage: <!-- bench-analyzer report -->"}]"#,
        r#"[{"id": 77, "user": {"type": "Bot"}, "body": "<!-- bench-analyzer report -->\nold"},
            {"id": 78, "user": {"type": "Bot"}, "body": "<!-- bench-analyzer report -->\nolder"}]"#,
    ];
    let Some(runner) = with_comments(&pages) else { return };
    runner.done("Comment", &[]);
    let calls = runner.read("calls");
    let last = calls.lines().last().unwrap();
    assert_eq!(
        last,
        "api --method PATCH repos/me/project/issues/comments/77 --field body=@comment.md"
    );
    assert_eq!(runner.read("comment.md"), "<!-- bench-analyzer report -->\n### Benchmarks\n");
}

#[test]
fn without_a_comment_of_its_own_there_will_be_one() {
    let pages = [r#"[{"id": 1, "user": {"type": "Bot"}, "body": "coverage"}]"#, "[]"];
    let Some(runner) = with_comments(&pages) else { return };
    runner.done("Comment", &[]);
    let calls = runner.read("calls");
    let last = calls.lines().last().unwrap();
    assert_eq!(last, "pr comment 7 --repo me/project --body-file comment.md");
}

/// The marker takes room too.
#[test]
fn a_comment_of_hostile_names_is_short_enough() {
    let Some(runner) = with_comments(&["[]"]) else { return };
    let hostile = "|<&\u{202e}`".repeat(500);
    for (side, factor) in [("old", 100), ("new", 200)] {
        let mut rows = String::from("benchmark,metric,unit,value,run\n");
        for index in 0..200 {
            for part in ["x", "y"] {
                for run in 0..5 {
                    let value = factor * (index + 1) + run;
                    let name = format!("{index}{hostile}/{part}");
                    rows.push_str(&format!(
                        "{name},{}{hostile},{hostile},{value},r{run}\n",
                        index % 40
                    ));
                }
            }
        }
        std::fs::write(runner.workspace.path().join("r.csv"), rows).unwrap();
        runner.workspace.run(&["import", "--baseline", side, "r.csv"], 0);
    }
    let arguments = ["report", "--baseline", "old", "--current", "new", "--output", "report.md"];
    runner.workspace.run(&arguments, 0);
    runner.done("Comment", &[]);
    let comment = runner.read("comment.md");
    assert!(comment.chars().count() < 65_536, "{} characters", comment.chars().count());
    assert!(
        comment.contains("geometric mean of") && comment.contains("Inconclusive (400)"),
        "{comment}"
    );
}
