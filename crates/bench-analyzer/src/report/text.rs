//! Names from files, made safe to show.

use bench_stats::model::Series;
use bench_stats::stats::quantile::median;

/// The text with everything that does not print, or that turns the direction of writing, spelled
/// out. A benchmark's name comes from a file that anybody may have written: shown as it is, it
/// could move the cursor of a terminal or end a line of a format that counts in lines.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if deceives(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The beginning of a name, as [`visible`] text, where it would fill a page.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    let shown = visible(text);
    match shown.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// The name of a series, as [`visible`] text.
pub fn name(series: &Series) -> String {
    visible(&series.to_string())
}

fn deceives(character: char) -> bool {
    character.is_control()
        // Line and paragraph separators, zero-width characters, and the marks, embeddings,
        // overrides and isolates of bidirectional text.
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// As many columns of a terminal as the text takes.
pub(crate) fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// The text, its middle left out if it is too long: both ends of a name tell most.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= most || most == 0 {
        return text.to_owned();
    }
    let head = (most - 1) / 2;
    let tail = most - 1 - head;
    let head: String = characters[..head].iter().collect();
    let tail: String = characters[characters.len() - tail..].iter().collect();
    format!("{head}…{tail}")
}

/// The lines that a text takes where lines end after so many columns, broken between words; all lines but
/// the first leave room for an indentation. A word that is too long stays whole.
pub(crate) fn wrapped(text: &str, columns: Option<usize>, indent: usize) -> Vec<String> {
    let Some(columns) = columns.filter(|columns| width(text) > *columns) else {
        return vec![text.to_owned()];
    };
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        let room = if lines.is_empty() { columns } else { columns.saturating_sub(indent) };
        let begun = !line.trim().is_empty();
        if begun && width(&line) + width(word.trim_end()) > room {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        line.push_str(word);
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// One thing, or several.
pub fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// At most `most` values: the newest as it is, because it is what a reader came for, and before
/// it the medians of equal shares.
pub(crate) fn thinned(values: &[f64], most: usize) -> Vec<f64> {
    let Some((&newest, earlier)) = values.split_last().filter(|_| values.len() > most) else {
        return values.to_vec();
    };
    let share = earlier.len().div_ceil(most.saturating_sub(1).max(1)).max(1);
    let shares = earlier.chunks(share).map(|chunk| median(&mut chunk.to_vec()));
    shares.chain([newest]).collect()
}

/// At most `most` bars, one a value or a share of them. All of their height is a tenth of the values at the least, so that noise
/// looks like noise.
pub(crate) fn sparkline(values: &[f64], most: usize) -> String {
    const FLATTEST: f64 = 0.1;
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let medians = thinned(values, most);
    let low = medians.iter().copied().fold(f64::INFINITY, f64::min);
    let high = medians.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = (high - low).max(FLATTEST * high.abs().max(low.abs()));
    let bottom = f64::midpoint(low, high) - span / 2.0;
    let bar = |value: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 7 by construction"
        )]
        let index = ((value - bottom) / span * 7.0).round() as usize;
        BARS[index.min(7)]
    };
    if high > low {
        medians.into_iter().map(bar).collect()
    } else {
        BARS[3].to_string().repeat(medians.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_print_is_spelled_out() {
        assert_eq!(visible("plain/name [x] µ→"), "plain/name [x] µ→");
        assert_eq!(visible("\u{1b}[31mred\n"), "\\u{1b}[31mred\\u{a}");
        assert_eq!(visible("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
        assert_eq!(visible("\u{9b}31m\u{7f}"), "\\u{9b}31m\\u{7f}");
    }

    #[test]
    fn lines_are_broken_between_words_and_never_inside_one() {
        let text = "  one two three extraordinarily";
        assert_eq!(wrapped(text, None, 4), [text]);
        assert_eq!(wrapped(text, Some(31), 4), [text]);
        assert_eq!(wrapped(text, Some(15), 4), ["  one two three", "extraordinarily"]);
        assert_eq!(wrapped(text, Some(10), 4), ["  one two", "three", "extraordinarily"]);
        assert_eq!(wrapped("", Some(10), 0), [""]);
    }

    #[test]
    fn a_sparkline_has_no_more_bars_than_asked_for() {
        assert_eq!(sparkline(&[1.0, 2.0, 3.0], 60), "▁▅█");
        assert_eq!(sparkline(&[2.0, 2.0], 60), "▄▄");
        assert_eq!(sparkline(&[100.0, 101.0, 99.0], 60), "▄▅▄", "noise is no mountain range");
        let many: Vec<f64> = (0..200).map(f64::from).collect();
        assert_eq!(sparkline(&many, 60).chars().count(), 51);
        let mut jump = vec![1.0; 200];
        jump.push(2.0);
        assert!(sparkline(&jump, 60).ends_with("▁█"), "the newest value is never thinned away");
        assert_eq!(sparkline(&[], 60), "");
    }
}
