//! Columns of styled text.

use std::io;

use anstyle::Style;

use super::text;

/// Text with a style that takes no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Style,
    align: Align,
    dispensable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

impl Cell {
    /// Text from the left.
    pub fn left(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::new(), align: Align::Left, dispensable: false }
    }

    /// For numbers.
    pub fn right(text: impl Into<String>) -> Self {
        Self { align: Align::Right, ..Self::left(text) }
    }

    /// Gives it a style.
    pub fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    /// Of a column that is left out where lines would be too long.
    pub fn dispensable(self) -> Self {
        Self { dispensable: true, ..self }
    }
}

#[derive(Debug, Clone)]
enum Row {
    Cells(Vec<Cell>),
    /// Above the rows that follow, after an empty line.
    Heading(Cell),
    /// Below the row that it belongs to.
    Aside(Cell),
}

/// Rows of cells, written with every column as wide as its widest cell.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: Vec<Row>,
    columns: Option<usize>,
}

impl Table {
    /// A table that puts the last cells of its rows on lines of their own where they do not fit.
    pub fn fitting(columns: Option<usize>) -> Self {
        Self { rows: Vec::new(), columns }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(Row::Cells(row));
    }

    /// Adds a row of texts. Line breaks in them become spaces.
    pub fn push_texts<const N: usize>(&mut self, texts: [String; N]) {
        self.push(texts.map(|text| Cell::left(text.replace('\n', " "))).into());
    }

    /// Adds a heading, after an empty line.
    pub fn heading(&mut self, text: String, style: Style) {
        self.rows.push(Row::Heading(Cell::left(text).styled(style)));
    }

    /// Adds a line below the last row, which belongs to it.
    pub fn aside(&mut self, text: String, style: Style) {
        self.rows.push(Row::Aside(Cell::left(text).styled(style)));
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes all rows.
    ///
    /// # Errors
    /// If `output` cannot be written.
    pub fn write(&self, output: &mut dyn io::Write) -> io::Result<()> {
        let widths = self.widths();
        let dropped = if self.is_too_narrow() { self.dispensable() } else { None };
        let widest = before_last(&widths, dropped) + 1 + widths.last().copied().unwrap_or(0);
        let folds = self.columns.is_some_and(|columns| widest > columns);
        for row in &self.rows {
            match row {
                Row::Heading(cell) => {
                    writeln!(output, "\n{}{}{:#}", cell.style, cell.text, cell.style)?
                }
                Row::Aside(cell) => {
                    writeln!(output, "      {}{}{:#}", cell.style, cell.text, cell.style)?
                }
                Row::Cells(cells) => write_cells(cells, &widths, dropped, folds, output)?,
            }
        }
        Ok(())
    }

    /// Whether the dispensable column is left out, because even without their last cell lines would
    /// not fit.
    pub fn is_too_narrow(&self) -> bool {
        self.columns.is_some_and(|columns| before_last(&self.widths(), None) > columns)
    }

    fn dispensable(&self) -> Option<usize> {
        self.rows.iter().find_map(|row| match row {
            Row::Cells(cells) => cells.iter().position(|cell| cell.dispensable),
            Row::Heading(_) | Row::Aside(_) => None,
        })
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            let Row::Cells(cells) = row else { continue };
            widths.resize(widths.len().max(cells.len()), 0);
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(text::width(&cell.text));
            }
        }
        widths
    }
}

/// How long lines are up to their last cell, without one column. Every cell has a space on either
/// side, every line another one in front.
fn before_last(widths: &[usize], without: Option<usize>) -> usize {
    let last = widths.len().saturating_sub(1);
    let counts = |index: &usize| Some(*index) != without;
    1 + (0..last).filter(counts).map(|index| widths[index] + 2).sum::<usize>()
}

fn write_cells(
    cells: &[Cell],
    widths: &[usize],
    dropped: Option<usize>,
    folds: bool,
    output: &mut dyn io::Write,
) -> io::Result<()> {
    let mut line = String::from(" ");
    for (index, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        if Some(index) == dropped {
            continue;
        }
        let padding = " ".repeat(width.saturating_sub(text::width(&cell.text)));
        let Cell { text, style, align, .. } = cell;
        let last = index + 1 == cells.len();
        if last && folds {
            let line_end = line.trim_end();
            writeln!(output, "{line_end}")?;
            if !text.is_empty() {
                writeln!(output, "      {style}{text}{style:#}")?;
            }
            return Ok(());
        }
        match align {
            Align::Left if last => line.push_str(&format!(" {style}{text}{style:#}")),
            Align::Left => line.push_str(&format!(" {style}{text}{style:#}{padding} ")),
            Align::Right => line.push_str(&format!(" {padding}{style}{text}{style:#} ")),
        }
    }
    writeln!(output, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(columns: Option<usize>) -> String {
        let mut table = Table::fitting(columns);
        for (name, bar, remark) in [("short", "--|--", "remark"), ("a longer name", "|", "")] {
            table.push(vec![Cell::left(name), Cell::left(bar).dispensable(), Cell::left(remark)]);
        }
        let mut output = Vec::new();
        table.write(&mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_narrow_table_folds_its_last_cells_and_then_leaves_out_what_it_can() {
        let whole = "  short          --|--  remark\n  a longer name  |\n";
        assert_eq!(written(None), whole);
        assert_eq!(written(Some(31)), whole);
        let folded = "  short          --|--\n      remark\n  a longer name  |\n";
        assert_eq!(written(Some(25)), folded);
        assert_eq!(written(Some(22)), "  short\n      remark\n  a longer name\n");
    }
}
