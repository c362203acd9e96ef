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
    room: Room,
}

/// Fate of a column where lines would be too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// It stays as it is.
    Kept,
    /// It is left out, those with the smallest number first.
    Dispensable(u8),
    /// The middles of its texts are left out, once all is left out that can be.
    Clipped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

impl Cell {
    /// Text from the left.
    pub fn left(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::new(), align: Align::Left, room: Room::Kept }
    }

    /// For numbers.
    pub fn right(text: impl Into<String>) -> Self {
        Self { align: Align::Right, ..Self::left(text) }
    }

    /// Gives it a style.
    pub fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    /// Of a column that is left out where lines would be too long, after those of smaller numbers.
    pub fn dispensable(self, order: u8) -> Self {
        Self { room: Room::Dispensable(order), ..self }
    }

    /// Of a column whose texts are clipped in their middle where lines would be too long.
    pub fn clipped(self) -> Self {
        Self { room: Room::Clipped, ..self }
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
        let layout = self.layout();
        for row in &self.rows {
            match row {
                Row::Heading(cell) => {
                    writeln!(output, "\n{}{}{:#}", cell.style, cell.text, cell.style)?
                }
                Row::Aside(cell) => self.write_aside(cell, output)?,
                Row::Cells(cells) => self.write_cells(cells, &layout, output)?,
            }
        }
        Ok(())
    }

    /// Whether the column that is left out at this place in the order is.
    pub fn leaves_out(&self, order: u8) -> bool {
        let dropped = self.layout().dropped;
        self.columns_with(|room| room == Room::Dispensable(order)).any(|at| dropped.contains(&at))
    }

    /// Fits the columns into the room there is: last cells that do not fit go on lines of their own, then what can be is
    /// left out, and then names are clipped.
    fn layout(&self) -> Layout {
        /// No name is clipped to less.
        const NAME: usize = 16;
        let mut layout = Layout { widths: self.widths(), dropped: Vec::new() };
        let Some(columns) = self.columns else { return layout };
        let mut orders: Vec<(u8, usize)> = self
            .rooms()
            .into_iter()
            .enumerate()
            .filter_map(|(at, room)| match room {
                Room::Dispensable(order) => Some((order, at)),
                Room::Kept | Room::Clipped => None,
            })
            .collect();
        orders.sort_unstable();
        for (_, at) in orders {
            if layout.before_last() <= columns {
                break;
            }
            layout.dropped.push(at);
        }
        let excess = layout.before_last().saturating_sub(columns);
        if let Some(at) = self.columns_with(|room| room == Room::Clipped).next() {
            let width = layout.widths[at];
            layout.widths[at] = width.min(width.saturating_sub(excess).max(NAME));
        }
        layout
    }

    /// Finds the fate of each column, by the first row that has all of them.
    fn rooms(&self) -> Vec<Room> {
        let cells = self.rows.iter().filter_map(|row| match row {
            Row::Cells(cells) => Some(cells),
            Row::Heading(_) | Row::Aside(_) => None,
        });
        let longest = cells.max_by_key(|cells| cells.len());
        longest.map(|cells| cells.iter().map(|cell| cell.room).collect()).unwrap_or_default()
    }

    fn columns_with(&self, wanted: impl Fn(Room) -> bool) -> impl Iterator<Item = usize> {
        let rooms = self.rooms().into_iter().enumerate();
        rooms.filter(move |(_, room)| wanted(*room)).map(|(at, _)| at)
    }

    fn write_aside(&self, cell: &Cell, output: &mut dyn io::Write) -> io::Result<()> {
        let room = self.columns.map(|columns| columns.saturating_sub(ASIDE.len()));
        for line in text::wrapped(&cell.text, room, 0) {
            writeln!(output, "{ASIDE}{}{line}{:#}", cell.style, cell.style)?;
        }
        Ok(())
    }

    fn write_cells(
        &self,
        cells: &[Cell],
        layout: &Layout,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        let mut line = String::from(" ");
        let room = self.columns.map(|columns| columns.saturating_sub(layout.before_last() + 1));
        for (index, (cell, &width)) in cells.iter().zip(&layout.widths).enumerate() {
            if layout.dropped.contains(&index) {
                continue;
            }
            let last = index + 1 == cells.len();
            if last && room.is_some_and(|room| text::width(&cell.text) > room) {
                let line_end = line.trim_end();
                writeln!(output, "{line_end}")?;
                return if cell.text.is_empty() { Ok(()) } else { self.write_aside(cell, output) };
            }
            let Cell { style, align, .. } = cell;
            let text = if last { cell.text.clone() } else { text::clipped(&cell.text, width) };
            let padding = " ".repeat(width.saturating_sub(text::width(&text)));
            match align {
                Align::Left if last => line.push_str(&format!(" {style}{text}{style:#}")),
                Align::Left => line.push_str(&format!(" {style}{text}{style:#}{padding} ")),
                Align::Right => line.push_str(&format!(" {padding}{style}{text}{style:#} ")),
            }
        }
        writeln!(output, "{}", line.trim_end())
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

/// How what belongs to a line is indented below it.
const ASIDE: &str = "      ";

/// How the columns of a table share the room.
struct Layout {
    widths: Vec<usize>,
    /// The columns that are left out.
    dropped: Vec<usize>,
}

impl Layout {
    /// How long lines are up to their last cell. Every cell has a space on either side, every line another one in
    /// front.
    fn before_last(&self) -> usize {
        let last = self.widths.len().saturating_sub(1);
        let shown = (0..last).filter(|index| !self.dropped.contains(index));
        1 + shown.map(|index| self.widths[index] + 2).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(columns: Option<usize>) -> String {
        let mut table = Table::fitting(columns);
        for (name, interval, bar, remark) in [
            ("a/short", "[1, 2]", "--|--", "a remark"),
            ("a/very/long/name", "[3]", "|", ""),
            ("b", "[4]", "|", "ok"),
        ] {
            table.push(vec![
                Cell::left(name).clipped(),
                Cell::left("+1.5%"),
                Cell::left(interval).dispensable(2),
                Cell::left(bar).dispensable(1),
                Cell::left(remark),
            ]);
        }
        let mut output = Vec::new();
        table.write(&mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_narrow_table_folds_its_last_cells_then_leaves_out_what_it_can_then_clips_names() {
        let whole = "  a/short           +1.5%  [1, 2]  --|--  a remark\n  a/very/long/name  +1.5%  [3]     |\n  b                 +1.5%  [4]     |      ok\n";
        assert_eq!(written(None), whole);
        assert_eq!(written(Some(50)), whole);
        let folded = "  a/short           +1.5%  [1, 2]  --|--\n      a remark\n  a/very/long/name  +1.5%  [3]     |\n  b                 +1.5%  [4]     |      ok\n";
        assert_eq!(written(Some(44)), folded);
        let without_bars = "  a/short           +1.5%  [1, 2]\n      a remark\n  a/very/long/name  +1.5%  [3]\n  b                 +1.5%  [4]\n      ok\n";
        assert_eq!(written(Some(36)), without_bars);
        let least = "  a/short           +1.5%\n      a\n      remark\n  a/very/long/name  +1.5%\n  b                 +1.5%\n      ok\n";
        assert_eq!(written(Some(10)), least);
    }

    #[test]
    fn a_name_that_is_too_long_keeps_both_its_ends() {
        let mut table = Table::fitting(Some(32));
        let name = "group/a_function_with_a_long_name/1000";
        table.push(vec![Cell::left(name).clipped(), Cell::right("+1.5%"), Cell::left("")]);
        let mut output = Vec::new();
        table.write(&mut output).unwrap();
        let line = String::from_utf8(output).unwrap();
        assert_eq!(line, "  group/a_fu…g_name/1000  +1.5%\n");
    }
}
