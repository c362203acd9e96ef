//! A project of thousands of benchmarks and hundreds of runs.

use std::time::Instant;

use crate::project::Project;
use crate::served::Served;
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

/// Asks the dashboard everything that its pages ask; says how long each answer took, cold and warm.
fn browse(workspace: &Workspace, project: Project) {
    let served = Served::new(workspace, &[]);
    let start = Instant::now();
    served.get("/api/overview");
    println!("{:6.2} s  until all changes are found", start.elapsed().as_secs_f64());
    let pair = "baseline=run:1&current=latest";
    let one = "benchmark=parser/insert/16&metric=time";
    for path in [
        "/".to_owned(),
        "/api/home".to_owned(),
        "/api/home?since=all".to_owned(),
        "/api/overview".to_owned(),
        format!("/api/series?{one}"),
        "/api/changes".to_owned(),
        "/api/baselines".to_owned(),
        "/api/compare?baseline=main".to_owned(),
        format!("/api/figures?{one}&baseline=main"),
        format!("/api/compare?{pair}"),
        format!("/api/compare?{pair}&from=200&search=merge&verdict=inconclusive"),
        "/api/runs".to_owned(),
        "/api/jobs".to_owned(),
    ] {
        let timed = |ask: &dyn Fn() -> u16| {
            let start = Instant::now();
            let status = ask();
            format!("{:4.0} ms ({status})", start.elapsed().as_secs_f64() * 1000.0)
        };
        // Who asks first is told to wait; who asks again gets what was made meanwhile.
        let first = timed(&|| served.with(&path, &[]).status);
        let whole = timed(&|| served.get(&path).status);
        let again = timed(&|| served.get(&path).status);
        println!("first {first}, whole {whole}, again {again}  {path}");
        assert_eq!(served.get(&path).status, 200, "{path}");
    }
    let compared = served.get("/api/compare?baseline=main").json();
    assert_eq!(compared["comparisons"].as_array().unwrap().len(), 200, "a part of the list");
    let all = served.get("/api/overview").json();
    let is_time = |one: &&serde_json::Value| one["metric"] == "time";
    let times = all["series"].as_array().unwrap().iter().filter(is_time).count();
    assert_eq!((compared["total"].as_u64(), times), (Some(times as u64), project.benchmarks));
}

#[test]
fn a_project_of_hundreds_of_benchmarks_fits_every_format_and_page() {
    let project = Project { benchmarks: 300, runs: 40 };
    browse(&report_on(project), project);
}

#[test]
#[ignore = "takes minutes: run it with --ignored --nocapture to see how long each format takes"]
fn a_project_of_thousands_of_benchmarks_fits_every_format_and_page() {
    let project = Project { benchmarks: 2000, runs: 200 };
    browse(&report_on(project), project);
}
