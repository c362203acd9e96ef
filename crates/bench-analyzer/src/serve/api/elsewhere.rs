//! Views for other pages: badges for a README, and an Atom feed of changes.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::home::{self, Lines};
use super::{Api, Refusal};
use crate::report::text::{visible, width};
use crate::report::{format_change, format_quantity};
use bench_stats::detect::changes::{ChangePoint, SeriesChanges};
use bench_stats::detect::verdict::Verdict;
use bench_stats::model::Series;

/// Names what a badge shows: one benchmark, or all.
#[derive(Debug, Deserialize)]
pub(super) struct OfBadge {
    benchmark: Option<String>,
    metric: Option<String>,
}

/// How many changes the feed holds.
const ENTRIES: usize = 50;

const GREEN: &str = "#1b6e3c";
const RED: &str = "#b3261e";
const GREY: &str = "#5b6670";

impl Api {
    pub(super) async fn badge(&self, of: OfBadge) -> Result<Response, Refusal> {
        let histories = self.histories_of(None).await?;
        let snapshot = &*histories.snapshot;
        let periods = self.periods(snapshot).await?;
        let lines = Lines::of(snapshot, home::usual(&periods)?, &self.decisions().await?);
        let open: Vec<_> = lines
            .changed
            .iter()
            .chain(&lines.older)
            .filter(|line| line.is_open_regression())
            .collect();
        let (name, value, colour) = match &of.benchmark {
            None => {
                let slower = open.len();
                let value = match (lines.all, slower) {
                    (0, _) => "no results yet".to_owned(),
                    (_, 0) => "no change for the worse".to_owned(),
                    (_, slower) => format!("{slower} slower"),
                };
                let colour = if lines.all == 0 {
                    GREY
                } else if slower > 0 {
                    RED
                } else {
                    GREEN
                };
                ("benchmarks".to_owned(), value, colour)
            }
            Some(benchmark) => {
                let metric = of.metric.as_deref().unwrap_or("time");
                let found = snapshot.find(benchmark, metric);
                let found = found.ok_or_else(|| {
                    Refusal::absent(format!("`{benchmark}` [{metric}] was never measured"))
                })?;
                let series = &found.timeline.series;
                let worst = open.iter().find(|line| line.series() == series);
                let latest = found.timeline.points.last().map(|point| point.value);
                let latest = latest.map(|value| format_quantity(value, &series.unit));
                let value = latest.unwrap_or_else(|| "no value".to_owned());
                match worst {
                    Some(worst) => {
                        let value = format!("{value}, {} slower", format_change(worst.change));
                        (benchmark.clone(), value, RED)
                    }
                    None => (benchmark.clone(), value, GREEN),
                }
            }
        };
        let svg = badge(&visible(&name), &value, colour);
        Ok(([(header::CONTENT_TYPE, "image/svg+xml; charset=utf-8")], svg).into_response())
    }

    /// The newest changes of all histories, as a feed.
    pub(super) async fn feed(&self) -> Result<Response, Refusal> {
        let histories = self.histories_of(None).await?;
        let decisions = self.decisions().await?;
        let snapshot = &*histories.snapshot;
        let mut entries: Vec<Entry> = Vec::new();
        for one in snapshot.main_series() {
            let changes = decisions.changes(one).into_iter();
            let shown = changes.filter(|one| one.withdrawn.is_none() && !one.machine_event);
            entries.extend(shown.map(|change| Entry::of_change(one, &change)));
        }
        entries.extend(snapshot.events.iter().map(|event| Entry {
            title: event.said.clone(),
            said: commits(event.after_commit.as_deref(), event.up_to_commit.as_deref()),
            page: "/#/".to_owned(),
            at: event.measured_at,
            identity: format!("event {} {}", event.measured_at, event.said),
        }));
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        entries.truncate(ENTRIES);
        let feed = feed(&self.options.database.to_string(), &entries);
        Ok(([(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8")], feed).into_response())
    }
}

/// An entry of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    title: String,
    said: String,
    /// The page that shows it, from the server's root.
    page: String,
    at: Timestamp,
    /// Identity of the entry, equal however often it is sent.
    identity: String,
}

impl Entry {
    fn of_change(one: &SeriesChanges, change: &ChangePoint) -> Self {
        let series = &one.timeline.series;
        let word = match change.verdict {
            Verdict::Regression => "worse",
            Verdict::Improvement => "better",
            _ => "changed",
        };
        let state = match &change.acknowledged {
            Some(accepted) => format!(", accepted by {}: {}", accepted.author, accepted.reason),
            None if change.provisional => {
                ", too few values followed to know whether it stays".into()
            }
            None => String::new(),
        };
        let [before, after] =
            [change.before, change.after].map(|value| format_quantity(value, &series.unit));
        let commits = commits(change.after_commit.as_deref(), change.up_to_commit.as_deref());
        Self {
            title: format!("{series}: {word} {}", format_change(change.change)),
            said: format!("{before} to {after}{state}. {commits}"),
            page: format!("/#/series?{}", query(series)),
            at: change.measured_at,
            identity: format!("change {series} {} {}", change.measured_at, change.verdict.id()),
        }
    }
}

fn query(series: &Series) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("benchmark", series.benchmark.as_str())
        .append_pair("metric", series.metric.as_str())
        .finish()
}

fn commits(after: Option<&str>, up_to: Option<&str>) -> String {
    match (after, up_to) {
        (Some(after), Some(up_to)) => format!("After {after}, up to and including {up_to}."),
        (None, Some(up_to)) => format!("Up to and including {up_to}."),
        _ => String::new(),
    }
}

/// A feed of entries, newest first. Addresses in it are relative to its own.
fn feed(store: &str, entries: &[Entry]) -> String {
    let updated = entries.first().map_or(Timestamp::UNIX_EPOCH, |newest| newest.at);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <title>Benchmarks: changes</title>\n<id>{}</id>\n<updated>{updated}</updated>\n\
         <author><name>bench-analyzer</name></author>\n<link href=\"/\"/>\n",
        urn(store),
    );
    for Entry { title, said, page, at, identity } in entries {
        let id = urn(&format!("{store} {identity}"));
        xml.push_str(&format!(
            "<entry>\n<title>{}</title>\n<id>{id}</id>\n<updated>{at}</updated>\n\
             <link href=\"{}\"/>\n<content type=\"text\">{}</content>\n</entry>\n",
            escaped(title),
            escaped(page),
            escaped(said),
        ));
    }
    xml.push_str("</feed>\n");
    xml
}

/// A name that is the same for the same text, wherever it is made: a UUID of version 8.
fn urn(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut bytes: [u8; 16] = std::array::from_fn(|at| digest[at]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    format!("urn:uuid:{}", parts.join("-"))
}

/// Text between tags or in an attribute. What does not print, which XML excludes, is spelled out.
fn escaped(text: &str) -> String {
    let shown = visible(text);
    shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A small picture with a name and a value.
fn badge(name: &str, value: &str, colour: &str) -> String {
    // As wide as the letters of the usual fonts of this size; the picture stretches them to fit.
    let wide = |text: &str| 7 * width(text) + 12;
    let (left, right) = (wide(name), wide(value));
    let text = |from: usize, room: usize, text: &str| {
        let (middle, length) = (from + room / 2, room - 12);
        let text = escaped(text);
        format!(
            "<text x=\"{middle}\" y=\"14\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\">{text}</text>"
        )
    };
    let all = left + right;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" role=\"img\" \
         aria-label=\"{label}\"><title>{label}</title>\
         <rect width=\"{all}\" height=\"20\" rx=\"3\" fill=\"#3c444d\"/>\
         <path d=\"M{left} 0h{flat}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{flat}z\" fill=\"{colour}\"/>\
         <g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,DejaVu Sans,sans-serif\" \
         font-size=\"11\">{}{}</g></svg>\n",
        text(0, left, name),
        text(left, right, value),
        label = escaped(&format!("{name}: {value}")),
        flat = right - 3,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_files_stays_text_in_xml() {
        let hostile = "<a href=\"x\">&\u{1b}\u{0}";
        assert_eq!(escaped(hostile), "&lt;a href=&quot;x&quot;&gt;&amp;\\u{1b}\\u{0}");
        let svg = badge("<script>", "1 < 2", GREEN);
        assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;: 1 &lt; 2"), "{svg}");
    }

    #[test]
    fn an_entry_is_known_again_however_often_it_is_told() {
        let entry = |title: &str| Entry {
            title: title.to_owned(),
            said: String::new(),
            page: "/#/series?benchmark=a&metric=time".to_owned(),
            at: Timestamp::from_second(1_700_000_000).unwrap(),
            identity: "change a".to_owned(),
        };
        let ids = |title: &str| {
            let feed = feed("history.db", &[entry(title)]);
            let ids =
                feed.split("<id>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
            ids.collect::<Vec<_>>()
        };
        assert_eq!(ids("a: worse"), ids("a: worse, accepted"));
        assert_ne!(ids("a")[0], ids("a")[1]);
        assert!(ids("a")[1].starts_with("urn:uuid:") && ids("a")[1].len() == 45);
    }
}
