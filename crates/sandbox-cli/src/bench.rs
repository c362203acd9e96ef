//! `sandbox bench`: how many calls a second a function stands.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use sandbox_core::{InstanceMode, Value, Values, WasmSandbox};

use crate::call;
use crate::failure::{Failure, print};
use crate::options::{ModuleFile, PolicyOptions};
use crate::usage::in_words;

/// Calls before the measurement: after so many the sandbox knows how quick a function is.
const WARM_UP: u32 = 200;

/// Measure how long a call of a function takes
///
/// Twice: with one instance for all calls, and with a fresh one for each. This is for a first idea; the benchmark suite and its analyzer
/// say what changed, and how sure that is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sandbox bench plugin.wasm add 42 24
  sandbox bench --seconds 5 --policy strict plugin.wasm summarise @order.json")]
pub(crate) struct Bench {
    #[command(flatten)]
    policy: PolicyOptions,
    /// How long to measure each way, in seconds
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    #[command(flatten)]
    module: ModuleFile,
    /// Name of the function
    function: String,
    /// Its arguments, as those of `sandbox call`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Bench {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let span = Duration::from_secs(self.seconds);
        let ways = [
            ("one instance", InstanceMode::Persistent),
            ("a fresh instance each", InstanceMode::Fresh),
        ];
        for (name, mode) in ways {
            let policy = self.policy.policy()?.with_instances(mode);
            let sandbox = self.module.sandbox(policy)?;
            let arguments = call::values(&sandbox, &self.function, &self.arguments)?;
            let call = || call_once(&sandbox, &self.function, &arguments);
            for _ in 0..WARM_UP {
                call()?;
            }
            let times = measure(call, span)?;
            print(format!("{name:<22} {}\n", times.in_words()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn call_once(sandbox: &WasmSandbox, function: &str, arguments: &[Value]) -> Result<(), Failure> {
    let result: Value = sandbox.call_blocking(function, Values(arguments))?;
    black_box(result);
    Ok(())
}

/// Times of calls, in portions long enough for the clock.
struct Times {
    calls: u64,
    total: Duration,
    /// Of one call, in each portion, in ascending order.
    portions: Vec<Duration>,
}

impl Times {
    fn in_words(&self) -> String {
        let middle = self.portions.get(self.portions.len() / 2).copied().unwrap_or_default();
        let slow = self.portions.get(self.portions.len() * 99 / 100).copied().unwrap_or_default();
        let rate = self.calls as f64 / self.total.as_secs_f64();
        format!(
            "{:>8} a call (median; 99% below {}), {} a second",
            in_words(middle),
            in_words(slow),
            in_thousands(rate)
        )
    }
}

fn measure(
    mut call: impl FnMut() -> Result<(), Failure>,
    span: Duration,
) -> Result<Times, Failure> {
    /// Shorter than that, a portion would be about as long as reading the clock.
    const PORTION: Duration = Duration::from_micros(20);
    let mut calls_in_portion = 1u32;
    let mut times = Times { calls: 0, total: Duration::ZERO, portions: Vec::new() };
    let began = Instant::now();
    while began.elapsed() < span {
        let portion = Instant::now();
        for _ in 0..calls_in_portion {
            call()?;
        }
        let took = portion.elapsed();
        if took < PORTION && times.portions.is_empty() {
            calls_in_portion *= 2;
            continue;
        }
        times.calls += u64::from(calls_in_portion);
        times.total += took;
        times.portions.push(took / calls_in_portion);
    }
    times.portions.sort_unstable();
    Ok(times)
}

fn in_thousands(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.1} million", rate / 1e6),
        rate if rate >= 1e3 => format!("{:.1} thousand", rate / 1e3),
        rate => format!("{rate:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_that_is_measured_is_counted() {
        let mut made = 0u64;
        let times = measure(
            || {
                made += 1;
                Ok(())
            },
            Duration::from_millis(20),
        )
        .unwrap();
        assert!(times.calls > 0 && times.calls <= made);
        assert!(times.portions.is_sorted());
        assert_eq!(in_thousands(12_340.0), "12.3 thousand");
    }
}
