//! Lasting changes that no comparison shows, told from the history.

use std::sync::atomic::Ordering;

use crate::simulated::{Project, TO_FILE, hours, kind, suite};

/// A suite whose baseline nobody ever stored, so that nothing is compared.
fn uncompared() -> String {
    suite("told", 1, "every = \"1h\"") + "baseline = \"nobody\"\n" + TO_FILE
}

#[test]
fn a_step_is_told_once_when_it_is_sure_and_so_is_its_end() {
    let mut project = Project::new(&uncompared());
    project.observer.every = Some(11);
    project.watch_until(hours(24));
    project.take(105.0);
    project.watch_until(hours(26));
    assert_eq!(project.told(), Vec::<serde_json::Value>::new(), "two values may be an outlier");
    project.watch_until(hours(34));
    let told = project.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let step = &told[0];
    assert_eq!(kind(step), "opened");
    assert_eq!(step["subject"]["step"]["name"], "parse");
    let first = project.jobs().into_iter().nth(24).unwrap();
    assert!(step["step"]["measured_at"].as_str().unwrap() >= &*first.due_at.to_string(), "{step}");
    let level = |which: &str| step["step"][which].as_f64().unwrap();
    assert!((level("after") / level("before") - 1.05).abs() < 0.003, "{step}");
    assert!(level("p_value") <= 0.01);
    let evidence = step["evidence"].as_str().unwrap();
    assert!(evidence.contains("(+5.0%) since run:"), "{evidence}");

    project.take(100.0);
    project.watch_until(hours(36));
    assert_eq!(project.told().len(), 1, "two values are no end either");
    project.watch_until(hours(48));
    let kinds: Vec<_> = project.told().iter().map(kind).collect();
    assert_eq!(kinds, ["opened", "resolved: back at its level before"]);
    assert!(project.observer.crashes.load(Ordering::Relaxed) > 3);
}

#[test]
fn an_accepted_step_is_over() {
    let project = Project::new(&uncompared());
    project.watch_until(hours(24));
    project.take(105.0);
    project.watch_until(hours(32));
    project.workspace.run(&["bless", "parse", "--reason", "it checks its input", "--by", "Ada"], 0);
    project.watch_until(hours(36));
    let kinds: Vec<_> = project.told().iter().map(kind).collect();
    assert_eq!(kinds, ["opened", "resolved: accepted by Ada: it checks its input"]);
}

#[test]
fn what_a_comparison_told_is_not_told_again_as_a_step() {
    let project = Project::new(&(suite("told", 4, "every = \"1h\"") + TO_FILE));
    project.watch_until(hours(24));
    project.take(130.0);
    project.watch_until(hours(36));
    let told = project.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["subject"]["benchmark"]["name"], "parse");
    // The history shows it as well.
    let history = project.workspace.run(&["history", "--format", "json"], 0).json();
    assert_eq!(history["series"][0]["change_points"].as_array().unwrap().len(), 1);
}

#[test]
fn a_page_is_written_after_every_job_where_a_folder_is_named() {
    let file = "report_folder = \"pages\"\nreport_url = \"https://bench.example.com/\"\n"
        .to_owned()
        + &suite("told", 4, "every = \"1h\"")
        + TO_FILE;
    let project = Project::new(&file);
    project.watch_until(hours(2));
    project.take(130.0);
    project.watch_until(hours(3));
    let pages = project.workspace.path().join("pages/told");
    let read = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    assert!(
        read("job-2.html").contains("no change seen in 1 benchmark"),
        "nothing changed by then"
    );
    let page = read("job-3.html");
    assert!(page.contains("1 slower (") && page.contains("<svg "), "{page}");
    assert_eq!(read("latest.html"), page);
    assert_eq!(project.notices()[0]["report"], "https://bench.example.com/told/job-3.html");
}
