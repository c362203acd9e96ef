//! Sources of noise on this machine, and what to do about them.

use std::time::Duration;

use camino::Utf8Path;

/// Time for which the processors are watched for time that somebody else takes.
const WATCHED: Duration = Duration::from_secs(1);

/// From which load on other programs are likely to be in the way.
const BUSY: f64 = 0.3;

/// From which share of stolen time on a virtual machine is likely to be crowded.
const STOLEN: f64 = 0.005;

/// From which temperature on processors tend to slow down, in degrees Celsius.
const HOT: f64 = 80.0;

/// Something about the machine, and whether it disturbs.
#[derive(Debug, PartialEq)]
pub(super) struct Finding {
    what: String,
    /// Advice, if it does.
    remedy: Option<&'static str>,
}

impl Finding {
    fn fine(what: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: None }
    }

    fn noisy(what: impl Into<String>, remedy: &'static str) -> Self {
        Self { what: what.into(), remedy: Some(remedy) }
    }

    fn judged(is_noisy: bool, what: String, remedy: &'static str) -> Self {
        if is_noisy { Self::noisy(what, remedy) } else { Self::fine(what) }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.remedy {
            None => write!(f, "ok     {}", self.what),
            Some(remedy) => write!(f, "noisy  {}\n         {remedy}", self.what),
        }
    }
}

/// Looks at the machine for a second. What cannot be read is left out.
pub(super) fn inspect() -> Vec<Finding> {
    let root = Utf8Path::new("/");
    let before = ProcessorTimes::read(root);
    std::thread::sleep(WATCHED);
    let after = ProcessorTimes::read(root);
    let stolen = before.zip(after).and_then(|(before, after)| after.stolen_since(&before));
    let mut findings = inspect_files(root);
    findings.extend(stolen.map(|share| {
        Finding::judged(
            share > STOLEN,
            format!("{:.1}% of the time was taken by other virtual machines", share * 100.0),
            "measure at another time, or on a machine of your own",
        )
    }));
    findings
}

/// Findings from files below `root`, which is `/` outside of tests.
fn inspect_files(root: &Utf8Path) -> Vec<Finding> {
    let read = |path: &str| {
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        Some(text.trim().to_owned())
    };
    let mut findings = Vec::new();
    if let Some(load) = read("proc/loadavg")
        && let Some(load) = load.split_whitespace().next().and_then(|load| load.parse::<f64>().ok())
    {
        findings.push(Finding::judged(
            load > BUSY,
            format!("the load is {load} without the benchmarks"),
            "end other programs, and wait a minute for the load to fall",
        ));
    }
    if let Some(governor) = read("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") {
        findings.push(Finding::judged(
            governor != "performance",
            format!("the frequency governor is `{governor}`"),
            "cpupower frequency-set --governor performance",
        ));
    }
    let no_turbo = read("sys/devices/system/cpu/intel_pstate/no_turbo").map(|text| text == "1");
    let boost = read("sys/devices/system/cpu/cpufreq/boost").map(|text| text == "0");
    if let Some(off) = no_turbo.or(boost) {
        findings.push(if off {
            Finding::fine("turbo frequencies are off")
        } else {
            Finding::noisy(
                "turbo frequencies are on: speed depends on temperature and on other cores",
                "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or 0 to \
                 /sys/devices/system/cpu/cpufreq/boost",
            )
        });
    }
    if let Some(active) = read("sys/devices/system/cpu/smt/active") {
        findings.push(Finding::judged(
            active == "1",
            format!("two threads share a core: {}", if active == "1" { "yes" } else { "no" }),
            "echo off > /sys/devices/system/cpu/smt/control",
        ));
    }
    if let Some(online) = read("sys/class/power_supply/AC/online") {
        findings.push(Finding::judged(
            online == "0",
            format!("power comes from {}", if online == "0" { "a battery" } else { "the mains" }),
            "plug it in",
        ));
    }
    if let Some(hottest) = hottest(root) {
        findings.push(Finding::judged(
            hottest > HOT,
            format!("the hottest sensor shows {hottest:.0} degrees"),
            "let it cool down, or switch turbo frequencies off",
        ));
    }
    if read("proc/cpuinfo").is_some_and(|text| is_virtual(&text)) {
        findings.push(Finding::noisy(
            "this is a virtual machine: its host decides about frequency and neighbours",
            "believe differences within one measurement only: --against REV interleaves two commits",
        ));
    }
    findings
}

fn is_virtual(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// The temperature of the hottest sensor, in degrees Celsius.
fn hottest(root: &Utf8Path) -> Option<f64> {
    let zones = root.join("sys/class/thermal").read_dir_utf8().ok()?;
    let read = |zone: &Utf8Path| {
        let text = std::fs::read_to_string(zone.join("temp")).ok()?;
        Some(text.trim().parse::<f64>().ok()? / 1000.0)
    };
    zones.flatten().filter_map(|zone| read(zone.path())).reduce(f64::max)
}

/// Time that the processors have spent so far, by kind, in the kernel's ticks.
struct ProcessorTimes {
    total: u64,
    stolen: u64,
}

impl ProcessorTimes {
    fn read(root: &Utf8Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(root.join("proc/stat")).ok()?)
    }

    /// Reads the line `cpu  user nice system idle iowait irq softirq steal ...`. Guests' time, which comes
    /// after that, is in `user` already.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let times: Vec<u64> = line.split_whitespace().map_while(|time| time.parse().ok()).collect();
        Some(Self { total: times.iter().take(8).sum(), stolen: *times.get(7)? })
    }

    /// The share of the time that somebody else took.
    fn stolen_since(&self, before: &Self) -> Option<f64> {
        let total = self.total.checked_sub(before.total).filter(|total| *total > 0)?;
        let stolen = self.stolen.checked_sub(before.stolen)?;
        Some(stolen as f64 / total as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> Vec<String> {
        let temp = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temp.path()).unwrap();
        for (path, text) in files {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        inspect_files(root).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_disturbs_is_said_with_what_to_do() {
        let said = machine(&[
            ("proc/loadavg", "2.50 1.00 0.50 3/200 1234\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
            ("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n"),
            ("sys/class/thermal/thermal_zone0/temp", "45000\n"),
            ("sys/class/thermal/thermal_zone1/temp", "91000\n"),
            ("proc/cpuinfo", "flags\t\t: fpu hypervisor sse2\n"),
        ])
        .join("\n");
        for part in [
            "load is 2.5",
            "`powersave`",
            "cpupower",
            "turbo frequencies are on",
            "91",
            "--against",
        ] {
            assert!(said.contains(part), "{part} is missing in\n{said}");
        }
        assert!(!said.contains("ok "), "{said}");
    }

    #[test]
    fn a_quiet_machine_is_fine() {
        let said = machine(&[
            ("proc/loadavg", "0.05 0.10 0.20 1/100 99\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
            ("sys/devices/system/cpu/cpufreq/boost", "0\n"),
            ("sys/devices/system/cpu/smt/active", "0\n"),
            ("proc/cpuinfo", "flags\t\t: fpu sse2\n"),
        ]);
        assert!(said.len() == 4 && said.iter().all(|line| line.starts_with("ok")), "{said:?}");
        assert!(machine(&[]).is_empty());
    }

    #[test]
    fn stolen_time_is_a_share_of_all_time() {
        let before = ProcessorTimes::parse("cpu  10 0 10 80 0 0 0 0 0 0\n").unwrap();
        let after = ProcessorTimes::parse("cpu  20 0 20 150 0 0 0 10 5 0\ncpu0 1\n").unwrap();
        assert_eq!(after.stolen_since(&before), Some(0.1));
        assert_eq!(before.stolen_since(&after), None);
    }
}
