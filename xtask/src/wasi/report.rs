//! Report on programs, as a table.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use serde::Deserialize;

use super::Place;

/// Report of the programs in one place, as the test writes it.
pub(super) struct Report {
    place: Place,
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct File {
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    /// The suite or package that a program belongs to.
    group: String,
    program: String,
    verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Passed,
    Forbidden(String),
    Skipped(String),
    Failed(String),
}

impl Report {
    pub(super) fn read(place: Place, file: &Utf8Path) -> Result<Self> {
        let File { rows } = serde_json::from_slice(&fs_err::read(file)?)
            .with_context(|| format!("failed to read the report {file}"))?;
        Ok(Self { place, rows })
    }

    pub(super) fn has_failed(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.verdict, Verdict::Failed(_)))
    }

    /// Returns the results of a group, in short.
    fn summary(&self, group: &str) -> String {
        let rows = || self.rows.iter().filter(|row| row.group == group);
        let count = |is: fn(&Verdict) -> bool| rows().filter(|row| is(&row.verdict)).count();
        let mut parts =
            vec![format!("{} of {} passed", count(|v| *v == Verdict::Passed), rows().count())];
        let others = [
            (count(|v| matches!(v, Verdict::Forbidden(_))), "forbidden"),
            (count(|v| matches!(v, Verdict::Skipped(_))), "skipped"),
            (count(|v| matches!(v, Verdict::Failed(_))), "FAILED"),
        ];
        parts.extend(
            others
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}")),
        );
        parts.join(", ")
    }
}

/// The table, and below it why programs did not pass.
pub(super) fn lines(reports: &[Report]) -> Vec<String> {
    let groups: BTreeSet<&str> =
        reports.iter().flat_map(|report| &report.rows).map(|row| &*row.group).collect();
    let mut table = vec![vec![String::new()]];
    table[0].extend(reports.iter().map(|report| report.place.name().to_owned()));
    for group in groups {
        let mut line = vec![group.to_owned()];
        line.extend(reports.iter().map(|report| report.summary(group)));
        table.push(line);
    }
    let columns = table[0].len();
    let width = |column: usize| table.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut lines: Vec<String> = table
        .iter()
        .map(|line| {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect();
    lines.extend(reasons(reports));
    lines
}

/// Programs that did not pass, by the reason, with where.
fn reasons(reports: &[Report]) -> Vec<String> {
    let mut found: BTreeMap<(&str, &str), BTreeMap<String, Vec<&str>>> = BTreeMap::new();
    for report in reports {
        for Row { group, program, verdict } in &report.rows {
            let (what, reason) = match verdict {
                Verdict::Passed => continue,
                Verdict::Forbidden(reason) => ("forbidden", reason),
                Verdict::Skipped(reason) => ("skipped", reason),
                Verdict::Failed(reason) => ("FAILED", reason),
            };
            let programs = found.entry((what, reason)).or_default();
            programs.entry(format!("{group} {program}")).or_default().push(report.place.name());
        }
    }
    let mut lines = Vec::new();
    for ((what, reason), programs) in found {
        lines.extend([String::new(), format!("{what}: {reason}")]);
        lines.extend(
            programs.iter().map(|(program, places)| format!("  {program} ({})", places.join(", "))),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(place: Place, verdicts: &[(&str, &str, Verdict)]) -> Report {
        let rows = verdicts.iter().map(|(group, program, verdict)| Row {
            group: (*group).to_owned(),
            program: (*program).to_owned(),
            verdict: verdict.clone(),
        });
        Report { place, rows: rows.collect() }
    }

    #[test]
    fn a_table_has_a_column_for_each_place_and_names_what_did_not_pass() {
        let links = || Verdict::Forbidden("no links".to_owned());
        let reports = [
            report(
                Place::Memory,
                &[("c", "one", Verdict::Passed), ("rust", "two", Verdict::Passed)],
            ),
            report(Place::Walk, &[("c", "one", links()), ("rust", "two", Verdict::Passed)]),
        ];
        assert_eq!(
            lines(&reports),
            [
                "      memory         walk",
                "c     1 of 1 passed  0 of 1 passed, 1 forbidden",
                "rust  1 of 1 passed  1 of 1 passed",
                "",
                "forbidden: no links",
                "  c one (walk)",
            ]
        );
        assert!(!reports.iter().any(Report::has_failed));
        let failed = report(Place::Openat2, &[("c", "one", Verdict::Failed("a trap".to_owned()))]);
        assert!(failed.has_failed());
        assert!(lines(&[failed]).contains(&"FAILED: a trap".to_owned()));
    }

    #[test]
    fn a_report_is_read_as_the_tests_write_it() {
        let text = r#"{"of":"go","place":"memory","rows":[
            {"group":"os","program":"TestA","verdict":"passed"},
            {"group":"os","program":"TestB","verdict":{"skipped":"no pipes"}}]}"#;
        let File { rows } = serde_json::from_str(text).unwrap();
        assert_eq!(rows[0].verdict, Verdict::Passed);
        assert_eq!(rows[1].verdict, Verdict::Skipped("no pipes".to_owned()));
    }
}
