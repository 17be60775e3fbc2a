//! Tables on the terminal that are Markdown, too; and everything as JSON.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::process;

/// Median, least and most.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    pub fn of<T>(all: &[T], of: impl Fn(&T) -> f64) -> Self {
        let mut values: Vec<f64> = all.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        Self { median: values[values.len() / 2], least: values[0], most: values[values.len() - 1] }
    }

    /// As `0.118 (0.115–0.121)`.
    pub fn ratio(self) -> String {
        format!("{:.3} ({:.3}–{:.3})", self.median, self.least, self.most)
    }

    pub fn whole(self) -> String {
        format!("{:.0}", self.median)
    }

    /// With a digit behind the point.
    pub fn tenths(self) -> String {
        format!("{:.1}", self.median)
    }

    /// With two of them.
    pub fn hundredths(self) -> String {
        format!("{:.2}", self.median)
    }

    pub fn percent(self) -> String {
        format!("{:.0} %", self.median * 100.0)
    }
}

/// The machine, in a line.
pub fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1));
    format!("{}; {}", model.unwrap_or("a processor without a name"), process::placement())
}

/// Prints a table; all but the first column are numbers.
pub fn print(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("| {} |", padded.collect::<Vec<_>>().join(" | "));
    };
    println!();
    line(&head.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
    let rule = |(column, width): (usize, &usize)| match column {
        0 => "-".repeat(*width),
        _ => "-".repeat(*width - 1) + ":",
    };
    line(&widths.iter().enumerate().map(rule).collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row));
}

pub fn write(file: &Path, document: &Value) {
    let text = serde_json::to_string_pretty(document).expect("JSON");
    fs::write(file, text + "\n").expect("the file can be written");
}
