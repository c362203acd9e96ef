//! Profiles in the format of speedscope.
//!
//! Its fields are those of the [schema](https://www.speedscope.app/file-format-schema.json): frames that all profiles of a file share,
//! and for each profile stacks of their numbers, the outermost call first, with a weight each.

use std::ops::Range;

use serde::Serialize;

use super::Profile;

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Serialize)]
struct File<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    exporter: &'static str,
    name: String,
    #[serde(rename = "activeProfileIndex")]
    active: usize,
    shared: Shared<'a>,
    profiles: Vec<Sampled<'a>>,
}

#[derive(Serialize)]
struct Shared<'a> {
    frames: Vec<Frame<'a>>,
}

#[derive(Serialize)]
struct Frame<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Sampled<'a> {
    r#type: &'static str,
    name: &'a str,
    unit: &'static str,
    #[serde(rename = "startValue")]
    start: u64,
    #[serde(rename = "endValue")]
    end: u64,
    samples: Vec<&'a [u32]>,
    weights: Vec<u64>,
}

/// Writes a profile down.
pub(super) fn written(profile: &Profile) -> String {
    let order = if profile.is_in_order { "" } else { ", not in their order" };
    let name = format!(
        "{} samples{order}, one for each {:?}; {} lost",
        profile.samples, profile.interval, profile.lost
    );
    let sampled = profile.modules.iter().map(|module| {
        let Range { start, end } = module.runs.clone();
        let runs = &profile.runs[start..end];
        Sampled {
            r#type: "sampled",
            name: &module.name,
            unit: "none",
            start: 0,
            end: runs.iter().map(|(_, weight)| weight).sum(),
            samples: runs.iter().map(|(stack, _)| &stack[..]).collect(),
            weights: runs.iter().map(|(_, weight)| *weight).collect(),
        }
    });
    let file = File {
        schema: SCHEMA,
        exporter: concat!("sandbox-core@", env!("CARGO_PKG_VERSION")),
        name,
        active: 0,
        shared: Shared { frames: profile.names.iter().map(|name| Frame { name }).collect() },
        profiles: sampled.collect(),
    };
    serde_json::to_string(&file).expect("numbers and text can be written as JSON")
}
