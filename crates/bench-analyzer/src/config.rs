//! The configuration file: rules for all benchmarks, and others for some.
//!
//! ```toml
//! threshold = 0.02                 # relative changes inside 2% are of no interest
//! alpha = 0.01
//! false_discovery_rate = 0.05      # of what is listed, at most one in twenty may be false
//! planned_runs = 5                 # every comparison has five runs a side, decided on beforehand
//! controls = ["calibration/*"]     # no change of the code can touch these
//!
//! [advice]
//! variant_cost = 0.1               # recommend a look at variants that cost more than 10%
//!
//! [links]                          # by the address of the repository's remote, if not said here
//! commit = "https://git.example.org/project/commit/{commit}"
//! compare = "https://git.example.org/project/compare/{from}...{to}"
//! pull_request = "https://git.example.org/project/pulls/{number}"
//!
//! [[benchmark]]
//! name = "compilation/*"           # later entries win
//! threshold = 0.05
//!
//! [[benchmark]]
//! metric = "binary_size"
//! absolute_threshold = 4096        # in its own unit, here bytes
//!
//! [[benchmark]]
//! name = "experimental/*"
//! gate = false                     # reported, but never fails a build
//! ```

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use crate::analysis::ReferenceName;
use crate::error::{Error, Remedy, Result};
use crate::links::Links;
use bench_stats::detect::settings::{AdviceSettings, Override, Pattern, Settings};
use bench_stats::stats::spending::Plan;

/// The name that is looked for in the working folder and above.
pub const FILE_NAME: &str = "bench-analyzer.toml";

/// Content of a configuration file. None of it is needed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// [`Settings::relative_threshold`].
    pub threshold: Option<f64>,
    /// [`Settings::absolute_threshold_ns`].
    pub absolute_threshold_ns: Option<f64>,
    /// [`Settings::alpha`].
    pub alpha: Option<f64>,
    /// [`Settings::alpha_unreplicated`].
    pub alpha_unreplicated: Option<f64>,
    /// [`Settings::false_discovery_rate`].
    pub false_discovery_rate: Option<f64>,
    /// [`Settings::gate_error_rate`].
    pub gate_error_rate: Option<f64>,
    /// How many runs a side are decided on before measuring; looks whenever anybody likes without it.
    pub planned_runs: Option<u32>,
    /// Names of benchmarks that no change of the code can touch; `*` stands for anything.
    #[serde(default)]
    pub controls: Vec<String>,
    /// Earlier name of `controls`.
    #[serde(default)]
    references: Vec<String>,
    /// The relative spread between runs on this machine, as `aa` measures it.
    pub spread: Option<f64>,
    /// The place that histories are held against: `start`, `release`, or the name of a baseline.
    #[serde(default, deserialize_with = "reference_name")]
    pub since: Option<ReferenceName>,
    /// Which ratios make a recommendation.
    #[serde(default)]
    pub advice: AdviceConfig,
    /// Where commits and pull requests can be looked at; by the repository's address without it.
    #[serde(default)]
    pub links: Links,
    /// Rules for some benchmarks.
    #[serde(default, rename = "benchmark")]
    pub benchmarks: Vec<BenchmarkConfig>,
}

/// [`AdviceSettings`], each as a share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdviceConfig {
    /// [`AdviceSettings::noisy`].
    pub noisy: Option<f64>,
    /// [`AdviceSettings::scaling_efficiency`].
    pub scaling_efficiency: Option<f64>,
    /// [`AdviceSettings::cache_saving`].
    pub cache_saving: Option<f64>,
    /// [`AdviceSettings::variant_cost`].
    pub variant_cost: Option<f64>,
}

/// Rules for the benchmarks whose names match.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkConfig {
    /// A name in which `*` stands for anything.
    #[serde(default = "any")]
    pub name: String,
    /// The metric that is meant, if not all, in which `*` stands for anything too.
    pub metric: Option<String>,
    /// Their practical threshold.
    pub threshold: Option<f64>,
    /// Their absolute threshold, if they are times.
    pub absolute_threshold_ns: Option<f64>,
    /// Their absolute threshold in whatever unit they have.
    pub absolute_threshold: Option<f64>,
    /// Whether they may fail a build.
    pub gate: Option<bool>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or says something that has no meaning.
    pub fn read(path: &Utf8Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let malformed = |reason: String| Error::Malformed {
            path: path.to_owned(),
            reason,
            remedy: Remedy::FixConfig,
        };
        let config: Self = toml::from_str(&text)
            .map_err(|error| malformed(error.to_string().trim().to_owned()))?;
        config.check().map_err(malformed)?;
        Ok(config)
    }

    /// The file that applies in a folder: the nearest one there or above.
    pub fn find(dir: &Utf8Path) -> Option<Utf8PathBuf> {
        dir.ancestors().map(|dir| dir.join(FILE_NAME)).find(|path| path.is_file())
    }

    /// What the file says in words that have been given up, and what to write for them.
    pub fn outdated(&self) -> Option<&'static str> {
        const REFERENCES: &str =
            "`references` is called `controls` now: benchmarks that no change can touch";
        (!self.references.is_empty()).then_some(REFERENCES)
    }

    /// The settings that follow.
    pub fn settings(&self) -> Settings {
        let default = Settings::default();
        let mut settings = Settings {
            relative_threshold: self.threshold.unwrap_or(default.relative_threshold),
            absolute_threshold_ns: self
                .absolute_threshold_ns
                .unwrap_or(default.absolute_threshold_ns),
            alpha: self.alpha.unwrap_or(default.alpha),
            alpha_unreplicated: self.alpha_unreplicated.unwrap_or(default.alpha_unreplicated),
            false_discovery_rate: self.false_discovery_rate.unwrap_or(default.false_discovery_rate),
            gate_error_rate: self.gate_error_rate.unwrap_or(default.gate_error_rate),
            plan: self.planned_runs.map_or(default.plan, Plan::Stated),
            controls: self.controls.iter().chain(&self.references).map(Pattern::new).collect(),
            ..default
        };
        let AdviceSettings { noisy, scaling_efficiency, cache_saving, variant_cost } =
            settings.advice;
        settings.advice = AdviceSettings {
            noisy: self.advice.noisy.unwrap_or(noisy),
            scaling_efficiency: self.advice.scaling_efficiency.unwrap_or(scaling_efficiency),
            cache_saving: self.advice.cache_saving.unwrap_or(cache_saving),
            variant_cost: self.advice.variant_cost.unwrap_or(variant_cost),
        };
        if let Some(spread) = self.spread {
            settings.moderating.relative = spread;
            settings.unreplicated.relative = spread;
        }
        settings.overrides = self
            .benchmarks
            .iter()
            .map(|one| Override {
                pattern: Pattern::new(&one.name),
                metric: one.metric.as_ref().map(Pattern::new),
                absolute_threshold: one.absolute_threshold,
                relative_threshold: one.threshold,
                absolute_threshold_ns: one.absolute_threshold_ns,
                gate: one.gate.unwrap_or(true),
            })
            .collect();
        settings
    }

    fn check(&self) -> Result<(), String> {
        self.links.check()?;
        let ratios = [
            ("threshold", self.threshold),
            ("spread", self.spread),
            ("advice.noisy", self.advice.noisy),
            ("advice.scaling_efficiency", self.advice.scaling_efficiency),
            ("advice.cache_saving", self.advice.cache_saving),
            ("advice.variant_cost", self.advice.variant_cost),
        ];
        let nested = self.benchmarks.iter().map(|one| ("threshold", one.threshold));
        let absolute = self.benchmarks.iter().map(|one| one.absolute_threshold_ns);
        let of_units = self.benchmarks.iter().map(|one| one.absolute_threshold);
        for value in of_units.flatten() {
            if !(0.0..f64::MAX).contains(&value) {
                return Err("absolute_threshold has to be a number from 0 on".into());
            }
        }
        for value in absolute.chain([self.absolute_threshold_ns]).flatten() {
            if !(0.0..1e18).contains(&value) {
                return Err(
                    "absolute_threshold_ns has to be a number of nanoseconds from 0 on".into()
                );
            }
        }
        for (name, value) in ratios.into_iter().chain(nested) {
            if value.is_some_and(|value| !(0.0..=10.0).contains(&value)) {
                return Err(format!("{name} has to be a ratio from 0 to 10, such as 0.02"));
            }
        }
        if self.planned_runs.is_some_and(|runs| !(1..=1000).contains(&runs)) {
            return Err("planned_runs has to be a number of runs a side, such as 5".into());
        }
        let probabilities = [
            ("alpha", self.alpha),
            ("alpha_unreplicated", self.alpha_unreplicated),
            ("false_discovery_rate", self.false_discovery_rate),
            ("gate_error_rate", self.gate_error_rate),
        ];
        for (name, value) in probabilities {
            if value.is_some_and(|value| !(value > 0.0 && value < 1.0)) {
                return Err(format!("{name} has to be a probability between 0 and 1"));
            }
        }
        Ok(())
    }
}

fn reference_name<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<ReferenceName>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn any() -> String {
    "*".to_owned()
}
