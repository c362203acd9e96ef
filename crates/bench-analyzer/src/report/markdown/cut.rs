//! Making Markdown fit where it is to be shown.

/// GitHub refuses comments of more than 65,536 characters. Some are left for what others put around it.
const LIMIT: usize = 65_000;

/// The text, without as many of its last rows as do not fit: tables and lists begin with the worst.
pub(super) fn fit(text: String) -> String {
    let mut length = text.chars().count();
    if length <= LIMIT {
        return text;
    }
    let mut lines: Vec<&str> = text.lines().collect();
    let mut left_out = 0_usize;
    let budget = LIMIT - 200;
    for place in (0..lines.len()).rev() {
        if length <= budget {
            break;
        }
        if is_row(lines[place]) {
            length -= lines[place].chars().count() + 1;
            lines[place] = "";
            left_out += 1;
        }
    }
    // Rows that are gone leave no empty lines behind, which would end a table.
    let mut fitted = String::with_capacity(LIMIT);
    let mut after_row = false;
    for line in lines {
        let gone = line.is_empty() && after_row && fitted.ends_with("\n\n");
        if !gone {
            fitted.push_str(line);
            fitted.push('\n');
        }
        after_row = line.is_empty() || is_row(line);
    }
    if fitted.chars().count() > budget {
        fitted = fitted.chars().take(budget).collect();
    }
    fitted.push_str(&format!(
        "\n> {left_out} rows are left out here for lack of room: the full report has them\n"
    ));
    fitted
}

/// Whether a line is one of many: a row of a table, a point of a list, or a note.
fn is_row(line: &str) -> bool {
    let is_cell = line.starts_with("| ") && !line.starts_with("| benchmark |");
    is_cell || line.starts_with("- ") || line.starts_with("> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rows_go_first() {
        let row = |index: usize| format!("| `{index} {}` | 1 |\n", "x".repeat(900));
        let rows: String = (0..200).map(row).collect();
        let text =
            format!("### Benchmarks\n\n#### Worse\n\n| benchmark | a |\n|---|--:|\n{rows}\nend\n");
        let fitted = fit(text);
        assert!(fitted.chars().count() <= 65_536, "{}", fitted.chars().count());
        assert!(fitted.contains("| `0 xxx"), "the worst is gone");
        assert!(!fitted.contains("| `199 "));
        assert!(fitted.contains("\nend\n"));
        assert!(fitted.contains("rows are left out here"));
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let text = "a\n\n| b | c |\n".to_owned();
        assert_eq!(fit(text.clone()), text);
    }

    #[test]
    fn even_one_endless_line_fits() {
        assert!(fit("x".repeat(200_000)).chars().count() <= 65_536);
    }
}
