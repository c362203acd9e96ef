//! Usage of a guest, in words.

use std::time::Duration;

use bytesize::ByteSize;
use sandbox_core::ResourceUsage;

/// Says on standard error what calls used.
pub(crate) fn report(usage: &ResourceUsage) {
    let mut line = format!("used: {}", in_words(usage.wall_time));
    if let Some(time) = usage.cpu_time {
        line.push_str(&format!(", {} of a processor", in_words(time)));
    }
    line.push_str(&format!(", {} of memory", bytes(usage.memory_high_water_bytes)));
    if let Some(fuel) = usage.fuel {
        line.push_str(&format!(", {} units of fuel", fuel.0));
    }
    eprintln!("{line}");
}

/// A number of bytes, in the largest unit that fits.
pub(crate) fn bytes(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

/// A duration, in the unit that fits, with three digits.
pub(crate) fn in_words(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (value, unit) = match seconds {
        value if value >= 1.0 => (value, "s"),
        value if value >= 1e-3 => (value * 1e3, "ms"),
        value if value >= 1e-6 => (value * 1e6, "us"),
        value => (value * 1e9, "ns"),
    };
    match value {
        value if value >= 100.0 => format!("{value:.0} {unit}"),
        value if value >= 10.0 => format!("{value:.1} {unit}"),
        value => format!("{value:.2} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let said = [1_500_000_000u64, 12_300_000, 250_000, 47]
            .map(|nanos| in_words(Duration::from_nanos(nanos)));
        assert_eq!(said, ["1.50 s", "12.3 ms", "250 us", "47.0 ns"]);
        assert_eq!(bytes(64 * 1024 * 1024), "64.0 MiB");
    }
}
