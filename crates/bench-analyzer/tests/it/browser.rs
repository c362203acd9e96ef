//! The page in a real browser. Without one on the machine these tests say so and pass: the
//! stable toolchain is all that the project's tests may demand.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use camino::Utf8Path;

use crate::report_formats::project;
use crate::workspace::Workspace;

/// What Chromium is called on various systems.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

fn chromium() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&folders)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: there is no Chromium on this machine, so no page was opened");
    }
    found
}

/// What a browser makes of a page.
struct Opened {
    /// The document after its script ran.
    document: String,
    /// What the console says.
    console: String,
}

/// Opens a file of the workspace without a window, with a profile of its own.
fn open(browser: &PathBuf, workspace: &Workspace, page: &str) -> Opened {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}/{page}", workspace.path()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let console = said.lines().filter(|line| line.contains(":CONSOLE")).collect::<Vec<_>>();
    Opened {
        document: String::from_utf8_lossy(&output.stdout).into_owned(),
        console: console.join("\n"),
    }
}

fn write_page(workspace: &Workspace) {
    let arguments = ["report", "--no-import", "--baseline", "main", "--output", "report.html"];
    workspace.run(&arguments, 0);
    assert!(Utf8Path::is_file(&workspace.path().join("report.html")));
}

#[test]
fn the_page_runs_its_own_script_and_nothing_else() {
    let Some(browser) = chromium() else { return };
    let workspace = project();
    write_page(&workspace);
    let opened = open(&browser, &workspace, "report.html");
    assert_eq!(opened.console, "", "the console has something to say");
    assert!(opened.document.contains("<title>Benchmarks: latest against main</title>"));
    assert!(opened.document.contains("<span class=\"scripted\">"), "the script did not run");
    assert!(opened.document.matches("<svg ").count() > 8, "plots are missing");
}

#[test]
fn a_link_searches() {
    let Some(browser) = chromium() else { return };
    let workspace = project();
    write_page(&workspace);
    let hidden = |page: &str| {
        let document = open(&browser, &workspace, page).document;
        let rows = document.split("<details class=\"b ").skip(1);
        rows.filter(|row| row.split('>').next().unwrap().contains("hidden")).count()
    };
    assert_eq!(hidden("report.html"), 0);
    assert_eq!(hidden("report.html#search=PARSE%20large"), 3);
    assert_eq!(hidden("report.html#search=nothing"), 4);
}
