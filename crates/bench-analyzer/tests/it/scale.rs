//! A project of thousands of benchmarks and hundreds of runs.

use std::time::Instant;

use crate::project::Project;
use crate::workspace::Workspace;

/// Imports a made-up project and writes every format; says how long that took.
fn report_on(project: Project) -> Workspace {
    let workspace = Workspace::new();
    let file = std::fs::File::create(workspace.path().join("all.csv")).unwrap();
    let mut file = std::io::BufWriter::new(file);
    project.write(&mut file).unwrap();
    drop(file);
    let timed = |arguments: &[&str]| {
        let start = Instant::now();
        let finished = workspace.run(arguments, 0);
        println!("{:6.2} s  {}", start.elapsed().as_secs_f64(), arguments.join(" "));
        finished
    };
    timed(&["import", "all.csv"]);
    let baseline = project.baseline();
    let runs: Vec<&str> = baseline.iter().map(String::as_str).collect();
    timed(&[&["baseline", "set", "main"][..], &runs].concat());
    let report = ["report", "--no-import", "--baseline", "main"];
    for format in ["human", "json", "markdown", "csv", "junit", "github", "svg", "html"] {
        let finished = timed(&[&report[..], &["--format", format]].concat());
        println!("          {} bytes", finished.stdout.len());
        if format == "markdown" {
            assert!(finished.stdout.len() < 65_536, "too long for a comment");
        }
        if format == "html" {
            let rows = finished.stdout.matches("<details class=\"b ").count();
            assert_eq!(rows, project.benchmarks);
        }
    }
    workspace
}

#[test]
fn a_project_of_hundreds_of_benchmarks_fits_every_format() {
    report_on(Project { benchmarks: 300, runs: 40 });
}

#[test]
#[ignore = "takes minutes: run it with --ignored --nocapture to see how long each format takes"]
fn a_project_of_thousands_of_benchmarks_fits_every_format() {
    report_on(Project { benchmarks: 2000, runs: 200 });
}
