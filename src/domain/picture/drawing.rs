//! A sheet of bar charts as an SVG, in type so large that a third of the size can still be read.

use crate::domain::language::Language;
use crate::domain::money::Money;
use crate::domain::picture::letters;
use crate::domain::picture::pen::{HALO, INK, PLAIN, Pen, STRONG, Text};
use crate::domain::picture::scale::Scale;
use crate::domain::picture::sheet::{Panel, Sheet, Unit};
use crate::domain::text;

const WIDTH: f32 = 1200.0;
const MARGIN: f32 = 44.0;
/// Above each panel.
const GAP: f32 = 52.0;
/// From the top of a panel to its plot: its title, and room for the number over the greatest bar.
const HEAD: f32 = 120.0;
/// Below a plot: the labels of the bars.
const FOOT: f32 = 56.0;
/// Below the plot of a panel with values below zero: the number under the least bar.
const BELOW: f32 = 44.0;
/// A bar is no wider, also where it is the only one.
const WIDEST: f32 = 96.0;
/// A plot in which all is zero is lower by this factor.
const EMPTY: f32 = 0.3;

const TITLE: f32 = 56.0;
const PANEL_TITLE: f32 = 42.0;
const FIGURE: f32 = 48.0;
const SMALL: f32 = 36.0;

const GREY: &str = "#59636e";
const LINE: &str = "#dfe3e8";
const ZERO_LINE: &str = "#8c959f";
const BAR: &str = "#1f6feb";
const PALE_BAR: &str = "#8fb8f6";
const BELOW_ZERO: &str = "#cf222e";
const PALE_BELOW_ZERO: &str = "#f0a0a6";

/// A number of this unit as this language writes it, all decimals of the currency included.
pub fn number(language: &Language, unit: &Unit, value: i64) -> String {
    text::one_line(&match unit {
        Unit::Count => language.number(value),
        Unit::Money(currency) => language.decimal(&Money::new(value, currency).major()),
    })
}

/// The drawing of a sheet whose texts are clean and can all be drawn.
pub fn svg(sheet: &Sheet) -> String {
    let mut pen = Pen::new(WIDTH, sheet.language);
    let room = WIDTH - 2.0 * MARGIN;
    let mut top = MARGIN;
    if !sheet.title.is_empty() {
        let (title, size) = letters::fitted(&sheet.title, TITLE, room);
        pen.text(&Text { strong: STRONG, ..Text::new(&title, MARGIN, top + 46.0, size) });
        top += 58.0;
    }
    if !sheet.subtitle.is_empty() {
        let (subtitle, size) = letters::fitted(&sheet.subtitle, SMALL, room);
        pen.text(&Text { colour: GREY, ..Text::new(&subtitle, MARGIN, top + 40.0, size) });
        top += 52.0;
    }
    let plot_height = if sheet.panels.len() > 2 { 260.0 } else { 330.0 };
    for panel in &sheet.panels {
        top = Plot::of(sheet.language, panel, top + GAP, plot_height).draw(&mut pen);
    }
    pen.sheet((top + MARGIN).ceil())
}

/// A panel with its place on the sheet.
struct Plot<'a> {
    language: &'a Language,
    panel: &'a Panel,
    scale: Scale,
    /// The numbers of the lines, as long as the scale's lines.
    line_labels: Vec<String>,
    line_label_size: f32,
    /// Of the title.
    head: f32,
    left: f32,
    top: f32,
    height: f32,
}

impl<'a> Plot<'a> {
    fn of(language: &'a Language, panel: &'a Panel, head: f32, height: f32) -> Self {
        const MOST: f32 = 0.28 * WIDTH;
        let scale = Scale::of(panel.bars.iter().map(|bar| bar.value));
        let line_labels = line_labels(language, &panel.unit, &scale.lines);
        let widest = line_labels.iter().map(|label| letters::width(label, SMALL)).fold(0.0, f32::max);
        let line_label_size = if widest > MOST { SMALL * MOST / widest } else { SMALL };
        let left = MARGIN + widest.min(MOST) + 20.0;
        let height = if scale.is_empty() { height * EMPTY } else { height };
        Plot { language, panel, scale, line_labels, line_label_size, head, left, top: head + HEAD, height }
    }

    /// Draws the panel and says where it ends.
    fn draw(&self, pen: &mut Pen) -> f32 {
        self.draw_head(pen);
        self.draw_lines(pen);
        for at in 0..self.panel.bars.len() {
            self.draw_bar(pen, at);
        }
        pen.line(self.left, WIDTH - MARGIN, self.y(0), ZERO_LINE, 3.0);
        for at in self.numbered() {
            self.draw_number(pen, at);
        }
        self.draw_labels(pen);
        self.bottom() + FOOT
    }

    fn draw_head(&self, pen: &mut Pen) {
        let (room, baseline) = (WIDTH - 2.0 * MARGIN, self.head + 40.0);
        let (figure, size) = letters::fitted(&self.panel.figure, FIGURE, room * 0.6);
        let taken = if figure.is_empty() { 0.0 } else { letters::width(&figure, size) + 32.0 };
        let below_zero = self.highlight().is_some_and(|at| self.panel.bars[at].value < 0);
        pen.text(&Text {
            colour: if below_zero { BELOW_ZERO } else { BAR },
            anchor: "end",
            strong: STRONG,
            ..Text::new(&figure, WIDTH - MARGIN, baseline, size)
        });
        let (title, size) = letters::fitted(&self.panel.title, PANEL_TITLE, room - taken);
        pen.text(&Text { strong: STRONG, ..Text::new(&title, MARGIN, baseline, size) });
    }

    fn draw_lines(&self, pen: &mut Pen) {
        let zero = self.scale.lines.iter().position(|line| *line == 0).unwrap_or(0);
        let apart = self.scale.lines.windows(2).map(|pair| self.y(pair[0]) - self.y(pair[1])).fold(f32::MAX, f32::min);
        let every = if apart < SMALL * 1.3 { 2 } else { 1 };
        for (at, (line, label)) in self.scale.lines.iter().zip(&self.line_labels).enumerate() {
            if at.abs_diff(zero) % every != 0 {
                continue;
            }
            let y = self.y(*line);
            pen.line(self.left, WIDTH - MARGIN, y, LINE, 2.0);
            let baseline = y + self.line_label_size * 0.35;
            let text = Text::new(label, self.left - 16.0, baseline, self.line_label_size);
            pen.text(&Text { colour: GREY, anchor: "end", ..text });
        }
    }

    fn draw_bar(&self, pen: &mut Pen, at: usize) {
        let value = self.panel.bars[at].value;
        if value == 0 {
            return;
        }
        let pale = self.highlight().is_some_and(|highlight| highlight != at);
        let colour = match (value > 0, pale) {
            (true, false) => BAR,
            (true, true) => PALE_BAR,
            (false, false) => BELOW_ZERO,
            (false, true) => PALE_BELOW_ZERO,
        };
        let width = (self.pitch() * 0.74).min(WIDEST);
        // The least value is still to be told from none.
        let reach = self.y(0) - self.y(value);
        let reach = if value > 0 { reach.max(5.0) } else { reach.min(-5.0) };
        pen.bar(self.middle(at) - width / 2.0, self.y(0), width, reach, colour);
    }

    /// The bars whose numbers are written at their ends: all that are not zero where there is room for each, else the
    /// greatest one and, below zero, the least one.
    fn numbered(&self) -> Vec<usize> {
        let bars = &self.panel.bars;
        let unlike_zero: Vec<usize> = (0..bars.len()).filter(|at| bars[*at].value != 0).collect();
        let fits = |at: &usize| letters::width(&self.number(*at), SMALL) + 10.0 <= self.pitch();
        if unlike_zero.iter().all(fits) {
            return unlike_zero;
        }
        let greatest = unlike_zero.iter().copied().filter(|at| bars[*at].value > 0).max_by_key(|at| bars[*at].value);
        let least = unlike_zero.iter().copied().filter(|at| bars[*at].value < 0).min_by_key(|at| bars[*at].value);
        greatest.into_iter().chain(least).collect()
    }

    fn draw_number(&self, pen: &mut Pen, at: usize) {
        let value = self.panel.bars[at].value;
        let y = self.y(value);
        let baseline = if value > 0 { y.min(self.y(0) - 5.0) - 12.0 } else { y.max(self.y(0) + 5.0) + 36.0 };
        let number = self.number(at);
        let (number, size) = letters::fitted(&number, SMALL, WIDTH - MARGIN - self.left);
        let x = inside(self.middle(at), letters::width(&number, size), self.left);
        let colour = if value > 0 { INK } else { BELOW_ZERO };
        pen.text(&Text { colour, anchor: "middle", strong: HALO, ..Text::new(&number, x, baseline, size) });
    }

    fn draw_labels(&self, pen: &mut Pen) {
        for at in self.labelled() {
            let (label, size) = letters::fitted(&self.panel.bars[at].label, SMALL, WIDTH - MARGIN - self.left);
            let x = inside(self.middle(at), letters::width(&label, size), MARGIN);
            let (colour, strong) = if self.highlight() == Some(at) { (INK, STRONG) } else { (GREY, PLAIN) };
            let text = Text::new(&label, x, self.bottom() + 44.0, size);
            pen.text(&Text { colour, strong, anchor: "middle", ..text });
        }
    }

    /// The bars whose labels are shown: as many as stand side by side at equal distances.
    fn labelled(&self) -> Vec<usize> {
        let bars = &self.panel.bars;
        let anchor = self.highlight().unwrap_or(0);
        let at_step = |step: usize| -> Vec<usize> {
            (0..bars.len()).filter(|at| at.abs_diff(anchor) % step == 0 && !bars[*at].label.is_empty()).collect()
        };
        let fits = |shown: &Vec<usize>| {
            let ends = shown.iter().map(|at| {
                let width = letters::width(&bars[*at].label, SMALL);
                let middle = inside(self.middle(*at), width, MARGIN);
                (middle - width / 2.0, middle + width / 2.0)
            });
            let ends: Vec<(f32, f32)> = ends.collect();
            ends.windows(2).all(|pair| pair[0].1 + 26.0 <= pair[1].0)
        };
        (1..=bars.len()).map(at_step).find(fits).unwrap_or_default()
    }

    fn number(&self, at: usize) -> String {
        number(self.language, &self.panel.unit, self.panel.bars[at].value)
    }

    fn highlight(&self) -> Option<usize> {
        self.panel.highlight.filter(|at| *at < self.panel.bars.len())
    }

    fn pitch(&self) -> f32 {
        (WIDTH - MARGIN - self.left) / self.panel.bars.len().max(1) as f32
    }

    fn middle(&self, at: usize) -> f32 {
        self.left + (at as f32 + 0.5) * self.pitch()
    }

    fn y(&self, value: i64) -> f32 {
        self.top + self.height * (1.0 - self.scale.height(value))
    }

    fn bottom(&self) -> f32 {
        let below = if self.scale.goes_below_zero() { BELOW } else { 0.0 };
        self.top + self.height + below
    }
}

/// The numbers of the lines; money without decimals where all of them are whole.
fn line_labels(language: &Language, unit: &Unit, lines: &[i64]) -> Vec<String> {
    let one = match unit {
        Unit::Count => 1,
        Unit::Money(currency) => 10_i64.saturating_pow(Money::new(0, currency).exponent()),
    };
    let whole = lines.iter().all(|line| line % one == 0);
    let label =
        |line: &i64| if whole { text::one_line(&language.number(line / one)) } else { number(language, unit, *line) };
    lines.iter().map(label).collect()
}

/// The middle of a text of this width, near `middle`, so that it stays between `left` and the margin.
fn inside(middle: f32, width: f32, left: f32) -> f32 {
    middle.min(WIDTH - MARGIN - width / 2.0).max(left + width / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::sheet::Bar;

    fn panel(label: &str, count: usize, highlight: Option<usize>) -> Panel {
        let bar = |at| Bar { label: label.to_owned(), value: at as i64 };
        let bars = (0..count).map(bar).collect();
        Panel { title: String::new(), figure: String::new(), unit: Unit::Count, bars, highlight }
    }

    #[test]
    fn labels_stand_apart_and_on_the_sheet() {
        let language = Language::new("en");
        for label in ["7", "07", "07:00", "14 Nov", "11月14日", "Wednesday", &"long ".repeat(20)] {
            for (count, highlight) in [(1, Some(0)), (2, None), (14, Some(13)), (14, Some(5)), (25, None), (100, None)]
            {
                let panel = panel(label.trim(), count, highlight);
                let plot = Plot::of(&language, &panel, 0.0, 300.0);
                let shown = plot.labelled();
                assert!(shown.contains(&highlight.unwrap_or(0)), "{label}, {count}: {shown:?}");
                let mut free = MARGIN - 0.1;
                for at in shown {
                    let (text, size) = letters::fitted(&panel.bars[at].label, SMALL, WIDTH - MARGIN - plot.left);
                    let width = letters::width(&text, size);
                    let left = inside(plot.middle(at), width, MARGIN) - width / 2.0;
                    assert!(left >= free && left + width <= WIDTH - MARGIN + 0.1, "{label}, bar {at} of {count}");
                    free = left + width + 20.0;
                }
            }
        }
    }

    #[test]
    fn as_many_labels_are_shown_as_there_is_room_for() {
        let language = Language::new("en");
        let shown = |label: &str, count, highlight| {
            let panel = panel(label, count, highlight);
            Plot::of(&language, &panel, 0.0, 300.0).labelled()
        };
        assert_eq!(shown("07", 24, None), (0..24).step_by(2).collect::<Vec<_>>());
        assert_eq!(shown("07:00", 24, None), (0..24).step_by(3).collect::<Vec<_>>());
        assert_eq!(shown("14 Nov", 14, Some(13)), [1, 4, 7, 10, 13]);
        assert_eq!(shown("7", 14, Some(13)), (0..14).collect::<Vec<_>>());
    }

    #[test]
    fn each_bar_has_its_number_where_there_is_room_else_the_greatest_and_the_least() {
        let language = Language::new("en");
        let numbered = |unit: Unit, values: &[i64]| {
            let bars = values.iter().map(|value| Bar { label: String::new(), value: *value }).collect();
            let panel = Panel { title: String::new(), figure: String::new(), unit, bars, highlight: None };
            Plot::of(&language, &panel, 0.0, 300.0).numbered()
        };
        assert_eq!(numbered(Unit::Count, &[3, 0, 12]), [0, 2]);
        let money = [100_000, -500, 250_000, 0, -900, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(numbered(Unit::Money("SAR".to_owned()), &money), [2, 4]);
    }

    #[test]
    fn lines_of_whole_amounts_have_no_decimals() {
        let language = Language::new("en");
        let labels = |currency: &str, lines: &[i64]| line_labels(&language, &Unit::Money(currency.to_owned()), lines);
        assert_eq!(labels("SAR", &[0, 500_000]), ["0", "5,000"]);
        assert_eq!(labels("SAR", &[0, 50, 100]), ["0.00", "0.50", "1.00"]);
        assert_eq!(labels("KWD", &[-1_000, 0, 5_000_000]), ["−1", "0", "5,000"]);
        assert_eq!(labels("JPY", &[0, 50]), ["0", "50"]);
    }
}
