//! Numbers as people read them.

use bench_stats::model::{Throughput, ThroughputKind, Unit};

/// A value with a fitting multiple of its unit: `1.25 ms`, `64.0 KiB`, `12.3 kops`.
pub fn format_quantity(value: f64, unit: &Unit) -> String {
    match unit.as_str() {
        "ns" => scaled(value, 1000.0, &["ns", "us", "ms", "s"]),
        "bytes" => scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"]),
        "count" => scaled(value, 1000.0, &["", "k", "M", "G"]).trim_end().to_owned(),
        other => format!("{} {}", digits(value), super::text::visible(other)),
    }
}

/// Numbers along an axis: all in one multiple of the unit, with as many digits as their distance
/// asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AxisScale {
    /// Divisor of a value.
    pub(crate) factor: f64,
    unit: String,
    digits: usize,
}

impl AxisScale {
    /// Fits values from `low` to `high`.
    pub(crate) fn new(low: f64, high: f64, unit: &Unit) -> Self {
        let (step, units): (f64, &[&str]) = match unit.as_str() {
            "ns" => (1000.0, &["ns", "us", "ms", "s"]),
            "bytes" => (1024.0, &["B", "KiB", "MiB", "GiB", "TiB"]),
            "count" => (1000.0, &["", "k", "M", "G"]),
            other => (1.0, &[other]),
        };
        let (mut index, mut factor) = (0, 1.0);
        while index + 1 < units.len() && high.abs() / factor >= step {
            factor *= step;
            index += 1;
        }
        // About five labels; two digits more than the first that differs would be clutter.
        let distance = ((high - low) / factor / 5.0).abs();
        let mut digits = 0;
        while digits < 6 && distance > 0.0 && distance * 10_f64.powi(digits) < 1.0 {
            digits += 1;
        }
        Self {
            factor,
            unit: super::text::visible(units.get(index).unwrap_or(&"")),
            digits: usize::try_from(digits).unwrap_or(0),
        }
    }

    /// A value that was divided by the factor already, as its label.
    pub(crate) fn label(&self, scaled: f64) -> String {
        let number = format!("{scaled:.*}", self.digits);
        if self.unit.is_empty() { number } else { format!("{number} {}", self.unit) }
    }
}

/// A relative change in percent, always with its sign: `+4.2%`. Beyond tenfold it is said as a
/// factor: `x12`. From zero no factor leads anywhere: `from 0`.
pub fn format_change(change: f64) -> String {
    if change == f64::INFINITY {
        return "from 0".to_owned();
    }
    let percent = change * 100.0;
    if percent >= 1e6 {
        return "beyond x10000".to_owned();
    }
    if percent >= 900.0 {
        return format!("x{:.0}", change + 1.0);
    }
    let rounded = format!("{percent:+.1}%");
    if rounded == "-0.0%" { "+0.0%".to_owned() } else { rounded }
}

/// How much work a second one iteration of `nanoseconds` comes to: `1.91 GiB/s`.
pub(crate) fn format_rate(throughput: Throughput, nanoseconds: f64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
    let per_second = throughput.amount as f64 * 1e9 / nanoseconds;
    match throughput.kind {
        ThroughputKind::Bytes => {
            scaled(per_second, 1024.0, &["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"])
        }
        ThroughputKind::BytesDecimal => {
            scaled(per_second, 1000.0, &["B/s", "kB/s", "MB/s", "GB/s", "TB/s"])
        }
        ThroughputKind::Bits => {
            scaled(per_second, 1000.0, &["b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"])
        }
        ThroughputKind::Elements => {
            scaled(per_second, 1000.0, &["elem/s", "Kelem/s", "Melem/s", "Gelem/s"])
        }
    }
}

/// A number without the zeros that say nothing.
pub(crate) fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let (mut index, mut factor) = (0, 1.0);
    // Rounding to four digits must not show 1000 of a smaller unit.
    while index + 1 < units.len() && (value / factor).abs() >= step * 0.999_95 {
        factor *= step;
        index += 1;
    }
    format!("{} {}", digits(value / factor), units.get(index).unwrap_or(&""))
}

/// Four significant digits, as more were never measured.
fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.001 => format!("{value:.3e}"),
        size if size < 9.9995 => format!("{value:.3}"),
        size if size < 99.995 => format!("{value:.2}"),
        size if size < 999.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_take_the_multiple_that_reads_best() {
        let nanoseconds = Unit::nanoseconds();
        assert_eq!(format_quantity(0.25, &nanoseconds), "0.250 ns");
        assert_eq!(format_quantity(999.96, &nanoseconds), "1.000 us");
        assert_eq!(format_quantity(1_234_567.0, &nanoseconds), "1.235 ms");
        assert_eq!(format_quantity(65_536.0, &Unit::bytes()), "64.00 KiB");
        assert_eq!(format_quantity(0.0, &Unit::count()), "0");
        assert_eq!(format_quantity(3.5, &Unit::new("MB/s")), "3.500 MB/s");
    }

    #[test]
    fn changes_carry_their_sign() {
        assert_eq!(format_change(0.0421), "+4.2%");
        assert_eq!(format_change(-0.5), "-50.0%");
        assert_eq!(format_change(-0.000_001), "+0.0%");
        assert_eq!(format_change(11.0), "x12");
        assert_eq!(format_change(f64::MAX), "beyond x10000");
        assert_eq!(format_change(f64::INFINITY), "from 0");
    }

    #[test]
    fn an_axis_has_one_unit_and_no_more_digits_than_it_needs() {
        let scale = AxisScale::new(1_000_000.0, 1_200_000.0, &Unit::nanoseconds());
        assert_eq!(scale.label(1_100_000.0 / scale.factor), "1.10 ms");
        let scale = AxisScale::new(0.0, 4096.0, &Unit::bytes());
        assert_eq!(scale.label(2048.0 / scale.factor), "2.0 KiB");
        let scale = AxisScale::new(5.0, 5.0, &Unit::count());
        assert_eq!(scale.label(5.0), "5");
    }

    #[test]
    fn rates_follow_the_kind() {
        let rate = |kind, amount| format_rate(Throughput { kind, amount }, 1e6);
        assert_eq!(rate(ThroughputKind::Bytes, 1 << 20), "1000 MiB/s");
        assert_eq!(rate(ThroughputKind::Elements, 1000), "1.000 Melem/s");
        assert_eq!(rate(ThroughputKind::Bits, 8), "8.000 kb/s");
    }
}
