//! Tables for people: columns as wide as what they hold, within the width of the terminal.

use std::io::IsTerminal;

use unicode_width::UnicodeWidthStr;

/// Between two columns.
const GAP: &str = "  ";

/// How many letters a line of standard output has room for; `None` where it is no terminal.
pub fn terminal_width() -> Option<usize> {
    let size = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    size.map(|(width, _)| usize::from(width.0))
}

/// The widths of columns.
pub struct ColumnWidths {
    widths: Vec<usize>,
}

impl ColumnWidths {
    /// Columns that have room for each of these rows, the heading among them.
    pub fn of(rows: &[impl AsRef<[String]>]) -> Self {
        let mut widths = vec![0; rows.first().map_or(0, |row| row.as_ref().len())];
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row.as_ref()) {
                *width = cell.width().max(*width);
            }
        }
        Self { widths }
    }

    /// How wide a line is up to the column of this index, the gap behind it included.
    pub fn up_to(&self, column: usize) -> usize {
        self.widths.iter().take(column).map(|width| width + GAP.len()).sum()
    }

    /// A row as a line.
    pub fn line(&self, row: &[String]) -> String {
        let mut line = String::new();
        for (width, cell) in self.widths.iter().zip(row) {
            let room = width.saturating_sub(cell.width());
            line.push_str(&format!("{cell}{:room$}{GAP}", ""));
        }
        format!("{}\n", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_also_where_letters_are_wide() {
        let rows = [["NAME", "STATE"], ["厨房", "dead"], ["office", ""]].map(|row| row.map(str::to_owned));
        let columns = ColumnWidths::of(&rows);
        assert_eq!(columns.up_to(1), 8);
        let lines: String = rows.iter().map(|row| columns.line(row)).collect();
        assert_eq!(lines, "NAME    STATE\n厨房    dead\noffice\n");
    }
}
