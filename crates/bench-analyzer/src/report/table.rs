//! Columns of styled text.

use std::io;

use anstyle::Style;

/// Text with a style that takes no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    style: Style,
    align: Align,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

impl Cell {
    pub(crate) fn left(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::new(), align: Align::Left }
    }

    /// For numbers.
    pub(crate) fn right(text: impl Into<String>) -> Self {
        Self { align: Align::Right, ..Self::left(text) }
    }

    pub(crate) fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

/// Rows of cells, written with every column as wide as its widest cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn write(&self, output: &mut dyn io::Write) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            write!(output, " ")?;
            for (index, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                let padding = " ".repeat(width - cell.text.chars().count());
                let Cell { text, style, align } = cell;
                let last = index + 1 == row.len();
                match align {
                    Align::Left if last => write!(output, " {style}{text}{style:#}")?,
                    Align::Left => write!(output, " {style}{text}{style:#}{padding} ")?,
                    Align::Right => write!(output, " {padding}{style}{text}{style:#} ")?,
                }
            }
            writeln!(output)?;
        }
        Ok(())
    }
}
