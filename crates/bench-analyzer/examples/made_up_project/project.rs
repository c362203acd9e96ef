//! The project: so many benchmarks, measured in so many runs. The same every time.

use std::io::{self, Write};

/// The runs on either side of the comparison; all earlier ones are of one commit each.
pub(crate) const REPLICATES: usize = 5;

/// How large it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Project {
    pub(crate) benchmarks: usize,
    /// At least ten: the last five are the current side, the five before them the baseline.
    pub(crate) runs: usize,
}

impl Project {
    /// The run numbers of the baseline in a store that holds nothing else.
    #[allow(dead_code, reason = "for tests; the example leaves it to its reader")]
    pub(crate) fn baseline(self) -> Vec<String> {
        let first = self.runs - 2 * REPLICATES + 1;
        (first..first + REPLICATES).map(|run| format!("run:{run}")).collect()
    }

    /// Writes every sample in the generic format.
    pub(crate) fn write(self, output: &mut dyn Write) -> io::Result<()> {
        writeln!(output, "benchmark,metric,value,unit,run,time,commit")?;
        let past = self.runs.saturating_sub(2 * REPLICATES);
        for run in 0..self.runs {
            let (commit, samples) = if run < past {
                (run, 3)
            } else if run < past + REPLICATES {
                (past, 30)
            } else {
                (past + 1, 30)
            };
            // One suite a working hour, replicates a few minutes apart.
            let time = 1_760_000_000 + commit * 7200 + (run - commit) * 300;
            for index in 0..self.benchmarks {
                let one = Benchmark { index };
                let level = one.level(commit, past) * (1.0 + 0.004 * one.noise(run, 7919));
                let name = one.name();
                for sample in 0..samples {
                    let jitter = 1.0 + 0.006 * one.noise(run, sample + 1).abs();
                    let hiccup =
                        if one.hash(run * 31 + sample).is_multiple_of(61) { 1.15 } else { 1.0 };
                    let value = level * jitter * hiccup;
                    writeln!(output, "{name},time,{value:.3},ns,r{run},{time},{}", hash(commit))?;
                }
                if index.is_multiple_of(20) && samples > 3 {
                    let memory = 65_536 * (1 + index % 50) * if commit > past { 11 } else { 10 };
                    writeln!(
                        output,
                        "{name},peak_resident,{memory},bytes,r{run},{time},{}",
                        hash(commit)
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// Something like a commit hash.
fn hash(commit: usize) -> String {
    let mixed = (commit as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{mixed:016x}{:024x}", mixed.rotate_left(29) as u128 * 0x1234_5678_9ABC)
}

struct Benchmark {
    index: usize,
}

impl Benchmark {
    fn name(&self) -> String {
        const GROUPS: [&str; 8] =
            ["parser", "index", "codec", "planner", "storage", "network", "render", "crypto"];
        const PARTS: [&str; 7] =
            ["insert", "lookup", "scan", "encode", "decode", "merge", "verify"];
        let size = [16, 256, 4096, 65_536][self.index / 56 % 4];
        let variant = self.index / 224;
        let suffix = if variant == 0 { String::new() } else { format!("/v{variant}") };
        format!("{}/{}/{size}{suffix}", GROUPS[self.index % 8], PARTS[self.index / 8 % 7])
    }

    /// The true time of an iteration at a commit.
    fn level(&self, commit: usize, past: usize) -> f64 {
        let magnitude = (self.hash(1) % 6000) as f64 / 1000.0;
        let mut level = 20.0 * 10_f64.powf(magnitude);
        let now = commit > past;
        match self.index % 41 {
            3 if now => level *= 1.06 + (self.hash(2) % 30) as f64 / 100.0,
            17 if now => level *= 0.93 - (self.hash(3) % 25) as f64 / 100.0,
            _ => {}
        }
        if self.index % 9 == 4 && commit > self.hash(4) % past.max(1) {
            level *= 1.0 + (self.hash(5) % 20) as f64 / 100.0;
        }
        level
    }

    /// Something like a standard normal number.
    fn noise(&self, run: usize, sample: usize) -> f64 {
        let uniform = |salt: usize| {
            (self.hash(run * 131_071 + sample * 8191 + salt) % 10_000) as f64 / 10_000.0
        };
        (0..6).map(|salt| uniform(salt) - 0.5).sum::<f64>() * 1.414
    }

    fn hash(&self, salt: usize) -> usize {
        let mut mixed = (self.index as u64 + 1) << 32 ^ salt as u64;
        for _ in 0..2 {
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed ^= mixed >> 27;
        }
        (mixed >> 8) as usize & 0xFFFF_FFFF
    }
}
