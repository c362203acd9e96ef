//! Every format of a report, from the command line.

use serde_json::Value;

use crate::redaction::redacted;
use crate::workspace::Workspace;

/// A name that tries to break out of every format there is.
const HOSTILE: &str =
    "x/<script>document.title='broken'</script>\"'`|\\]]>&amp;,=1+1\u{1b}[31m\u{202e}";

/// A history of two benchmarks with steps, an unchanged one, and a hostile one, in which the last
/// three runs are the current side and the three before them the baseline.
pub(crate) fn project() -> Workspace {
    let workspace = Workspace::new();
    let file = std::fs::File::create(workspace.path().join("all.csv")).unwrap();
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(["benchmark", "value", "run", "time", "commit"]).unwrap();
    for run in 0..36_usize {
        let commit = if run < 30 { run } else { 30 + (run - 30) / 3 };
        let now = run >= 33;
        let series = [
            ("parse/large", if now { 1300.0 } else { 1000.0 }),
            ("parse/small", if now { 80.0 } else { 100.0 }),
            ("format/same", 500.0),
            (HOSTILE, if now { 2500.0 } else { 2000.0 }),
        ];
        for (index, (name, level)) in series.into_iter().enumerate() {
            for sample in 0..40_usize {
                let phase = ((sample * 7919 + run * 13 + index) % 97) as f64 / 97.0;
                let wobble = 1.0 + ((run * 31 + index * 7) % 11) as f64 / 10_000.0;
                let value = level * wobble * (1.0 + (phase - 0.5) * 0.02);
                let time = 1_700_000_000 + run * 3600;
                let row = [
                    name.to_owned(),
                    format!("{value:.4}"),
                    format!("r{run}"),
                    time.to_string(),
                    format!("c{commit:03}"),
                ];
                writer.write_record(row).unwrap();
            }
        }
    }
    writer.flush().unwrap();
    workspace.run(&["import", "all.csv"], 0);
    workspace.run(&["baseline", "set", "main", "run:31", "run:32", "run:33"], 0);
    workspace
}

const REPORT: [&str; 4] = ["report", "--no-import", "--baseline", "main"];

fn report(workspace: &Workspace, more: &[&str]) -> String {
    workspace.run(&[&REPORT, more].concat(), 0).stdout
}

#[test]
fn the_terminal_shows_bars_and_since_when() {
    let shown = report(&project(), &[]);
    insta::assert_snapshot!(redacted(&shown));
}

#[test]
fn markdown_folds_what_did_not_change() {
    let shown = report(&project(), &["--format", "markdown"]);
    insta::assert_snapshot!(redacted(&shown));
}

#[test]
fn csv_has_a_row_a_comparison() {
    let shown = report(&project(), &["--format", "csv"]);
    let mut reader = csv::Reader::from_reader(shown.as_bytes());
    let names: Vec<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
    assert_eq!(names.len(), 4);
    assert_eq!(names[0], "parse/large");
    insta::assert_snapshot!(redacted(&shown));
}

#[test]
fn junit_fails_what_fails_the_build() {
    let shown = report(&project(), &["--format", "junit"]);
    assert_eq!(shown.matches("<failure").count(), 2, "{shown}");
    insta::assert_snapshot!(redacted(&shown));
}

#[test]
fn annotations_stay_on_their_lines() {
    let shown = report(&project(), &["--format", "github"]);
    assert!(shown.lines().all(|line| line.starts_with("::")), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("::error ")).count(), 2, "{shown}");
    insta::assert_snapshot!(redacted(&shown));
}

#[test]
fn the_page_without_its_plots_reads_as_agreed() {
    let shown = report(&project(), &["--format", "html", "--plots", "0"]);
    let (before, rest) = shown.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    let (body, _) = after.split_once("<script>").unwrap();
    let lines = format!("{before}{body}").replace("><", ">\n<");
    insta::assert_snapshot!(without_machine(&redacted(&lines)));
}

/// Processor and compiler, and the hash of the script.
fn without_machine(text: &str) -> String {
    let cell = |line: &str| {
        if line.contains(" core, ") || line.contains(" cores, ") {
            "<td>MACHINE</td>".to_owned()
        } else if line.starts_with("<td>rustc") {
            "<td>COMPILER</td>".to_owned()
        } else if let Some((before, after)) = line.split_once("sha256-") {
            format!("{before}HASH{}", after.split_once('\'').map_or("", |(_, after)| after))
        } else {
            line.to_owned()
        }
    };
    text.lines().map(cell).collect::<Vec<_>>().join("\n")
}

#[test]
fn json_fits_the_published_schema() {
    let workspace = project();
    let schema = include_str!("../../../../docs/report.schema.json");
    let mut schema: Value = serde_json::from_str(schema).unwrap();
    // Readers must ignore fields that they do not know; the schema itself has to know them all.
    closed(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let reports = [
        report(&workspace, &["--format", "json"]),
        workspace.run(&["report", "--no-import", "--format", "json"], 0).stdout,
        workspace.run(&["compare", "run:3", "run:36", "--format", "json"], 0).stdout,
    ];
    for text in reports {
        let report: Value = serde_json::from_str(&text).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&report)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

/// Forbids all fields that a schema does not name.
fn closed(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") {
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            fields.values_mut().for_each(closed);
        }
        Value::Array(items) => items.iter_mut().for_each(closed),
        _ => {}
    }
}

#[test]
fn a_change_is_traced_to_its_commits() {
    let report: Value = serde_json::from_str(&report(&project(), &["--format", "json"])).unwrap();
    let origins = report["origins"].as_array().unwrap();
    assert_eq!(origins.len(), 3, "{origins:#?}");
    for origin in origins {
        assert_eq!(origin["after_commit"], "c030");
        assert_eq!(origin["up_to_commit"], "c031");
    }
}

#[test]
fn hostile_names_stay_text() {
    let workspace = project();
    for format in ["human", "markdown", "html", "csv", "junit", "github", "svg"] {
        let shown = report(&workspace, &["--format", format]);
        assert!(!shown.contains('\u{1b}'), "an escape character in {format}");
        if format != "csv" {
            assert!(!shown.contains('\u{202e}'), "reversed text in {format}");
        }
        if format != "human" && format != "markdown" && format != "csv" && format != "github" {
            assert!(!shown.contains("<script>document"), "markup in {format}");
        }
    }
    let markdown = report(&workspace, &["--format", "markdown"]);
    assert!(!markdown.contains("<script>document"), "{markdown}");
}

#[test]
fn files_take_the_format_of_their_ending() {
    let workspace = project();
    let files = ["a.html", "b.md", "c.json", "d.csv", "e.xml", "f.svg", "g.png", "h"];
    let mut arguments = REPORT.to_vec();
    files.iter().for_each(|file| arguments.extend(["--output", file]));
    arguments.extend(["--format", "github"]);
    let finished = workspace.run(&arguments, 0);
    assert_eq!(finished.stdout, "", "one file has the format that was asked for");
    let start = |file: &str, length: usize| {
        let bytes = std::fs::read(workspace.path().join(file)).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    assert_eq!(start("a.html", 15), "<!DOCTYPE html>");
    assert_eq!(start("b.md", 4), "### ");
    assert_eq!(start("c.json", 1), "{");
    assert_eq!(start("d.csv", 9), "benchmark");
    assert_eq!(start("e.xml", 5), "<?xml");
    assert_eq!(start("f.svg", 4), "<svg");
    assert!(start("g.png", 8).contains("PNG"));
    assert_eq!(start("h", 2), "::");
    let finished = workspace.run(&[&REPORT[..], &["-o", "a.html"]].concat(), 0);
    assert!(finished.stdout.contains("Regressions"), "{}", finished.stdout);
}

#[test]
fn a_file_in_no_folder_is_refused_before_the_work() {
    let finished = project().run(&[&REPORT[..], &["--output", "nowhere/a.html"]].concat(), 3);
    assert!(finished.stderr.contains("there is no folder"), "{}", finished.stderr);
    assert!(!finished.stdout.contains("Regressions"));
}

#[test]
fn a_step_summary_is_appended_where_github_says() {
    let workspace = project();
    let summary = workspace.path().join("summary.md");
    std::fs::write(&summary, "earlier\n").unwrap();
    let arguments = [&REPORT[..], &["--step-summary"]].concat();
    let mut command = workspace.command(&arguments);
    command.env("GITHUB_STEP_SUMMARY", &summary).assert().success();
    let written = std::fs::read_to_string(&summary).unwrap();
    assert!(written.starts_with("earlier\n### 2 benchmarks are slower"), "{written}");
    let mut command = workspace.command(&arguments);
    let refused = command.env_remove("GITHUB_STEP_SUMMARY").assert().code(3);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("GITHUB_STEP_SUMMARY"), "{said}");
}

#[test]
fn pictures_are_well_formed_and_say_what_they_show() {
    let workspace = project();
    for filter in [&[][..], &["--filter", "parse/large"]] {
        let svg = report(&workspace, &[&["--format", "svg"][..], filter].concat());
        let tree = resvg::usvg::roxmltree::Document::parse(&svg).unwrap();
        let root = tree.root_element();
        assert_eq!(root.attribute("role"), Some("img"));
        let child = |name| root.children().find(|node| node.has_tag_name(name));
        assert!(child("title").is_some_and(|title| !title.text().unwrap().is_empty()));
        assert!(child("desc").is_some_and(|text| text.text().unwrap().contains("+30.")));
    }
}

#[test]
fn every_format_speaks_of_an_empty_store_and_of_one_benchmark() {
    let formats = ["human", "json", "markdown", "html", "csv", "junit", "github", "svg", "png"];
    let workspace = Workspace::new();
    for format in formats {
        let finished = workspace.run(&["report", "--format", format], 3);
        assert!(finished.stderr.contains("holds no run yet"), "{}", finished.stderr);
    }
    workspace.criterion().save("only", "new", 100.0, 1);
    for format in formats {
        let mut command = workspace.command(&["report", "--format", format]);
        let done = command.assert().success();
        assert!(!done.get_output().stdout.is_empty(), "{format}");
    }
}

/// Five runs a side in the folders that the example workflow measures into.
fn measured_by_the_workflow() -> Workspace {
    let workspace = Workspace::new();
    for index in 0..5 {
        for (side, factor) in [("base", 1.0), ("head", 1.3)] {
            let folder = workspace.criterion_at(&format!("runs/{side}/{}", index + 1));
            let wobble = 1.0 + index as f64 / 1000.0;
            folder.save("group/slower", "new", 1000.0 * wobble * factor, index + 3);
        }
    }
    workspace
}

#[test]
fn the_commands_of_the_example_workflow_work() {
    let workflow = include_str!("../../../../docs/github-workflow.yml");
    let guide = include_str!("../../../../docs/ci.md");
    let lines = workflow.lines().chain(guide.lines()).map(str::trim);
    let commands: Vec<&str> =
        lines.filter_map(|line| line.strip_prefix("bench-analyzer ")).collect();
    assert_eq!(
        commands.len(),
        11,
        "three of the job for main, of the one for pull requests, two for what is new, three of the guide"
    );
    for job in [&commands[..3], &commands[3..6], &commands[6..8], &commands[8..]] {
        let workspace = measured_by_the_workflow();
        for line in job {
            let mut arguments = Vec::new();
            for word in line.split(' ') {
                match word.strip_suffix("/*") {
                    Some(folder) => arguments.extend((1..=5).map(|run| format!("{folder}/{run}"))),
                    None => {
                        let word = word.trim_matches('"').replace("$BASE_SHA", "b");
                        arguments.push(word.replace("$HEAD_SHA", "h"));
                    }
                }
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut command = workspace.command(&arguments);
            command.env("GITHUB_STEP_SUMMARY", workspace.path().join("summary.md"));
            let done = command.assert().code(i32::from(line.contains("--fail-on")));
            assert!(!String::from_utf8_lossy(&done.get_output().stderr).contains("error"));
        }
        assert!(workspace.path().join("report.html").is_file());
    }
}

/// GitHub refuses longer comments, whatever benchmarks are called.
#[test]
fn markdown_fits_into_a_comment_whatever_the_names() {
    let workspace = Workspace::new();
    for (side, factor) in [("old", 100), ("new", 200)] {
        let mut rows = String::from("benchmark,value,run\n");
        for benchmark in 0..300 {
            let name = format!("{benchmark}{}", "|<&".repeat(400));
            for run in 0..5 {
                rows.push_str(&format!("{name},{},r{run}\n", factor * (benchmark + 1) + run));
            }
        }
        std::fs::write(workspace.path().join("r.csv"), rows).unwrap();
        workspace.run(&["import", "--baseline", side, "r.csv"], 0);
    }
    let arguments = ["report", "--baseline", "old", "--current", "new", "--format", "markdown"];
    let text = workspace.run(&arguments, 0).stdout;
    let length = text.chars().count();
    assert!(length < 65_536, "{length} characters");
    assert!(text.contains("and 250 more"), "{length} characters");
}
