//! Puts the shapes of a drawing into `assets/report.svg`.

use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use crate::domain::bidi;
use crate::domain::bidi::Direction;
use crate::domain::language::Language;
use crate::domain::picture::letters;

/// The colour of texts that say nothing else.
pub const INK: &str = "#1f2328";

/// How thick a text is, and whether it has a rim; the frame says how.
pub type Strength = &'static str;
pub const PLAIN: Strength = "plain";
pub const STRONG: Strength = "strong";
pub const HALO: Strength = "halo";

static FRAME: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut frame = Environment::new();
    // What HTML escapes is all that XML needs.
    frame.set_auto_escape_callback(|_| AutoEscape::Html);
    frame.set_undefined_behavior(UndefinedBehavior::Strict);
    frame.add_filter("px", |place: f64| format!("{place:.1}"));
    frame.add_template("report.svg", include_str!("../../../assets/report.svg")).expect("a test draws with it");
    frame
});

pub struct Text<'a> {
    pub text: &'a str,
    pub x: f32,
    pub baseline: f32,
    pub size: f32,
    pub colour: &'static str,
    pub anchor: &'static str,
    pub strong: Strength,
}

impl<'a> Text<'a> {
    pub fn new(text: &'a str, x: f32, baseline: f32, size: f32) -> Self {
        Text { text, x, baseline, size, colour: INK, anchor: "start", strong: PLAIN }
    }
}

#[derive(Serialize)]
#[serde(tag = "shape", rename_all = "snake_case")]
enum Shape {
    Text {
        runs: Vec<Run>,
        x: f32,
        baseline: f32,
        size: f32,
        colour: &'static str,
        anchor: &'static str,
        strength: Strength,
    },
    Line {
        left: f32,
        right: f32,
        y: f32,
        colour: &'static str,
        width: f32,
    },
    /// Round at its end, from the shoulder to where its end is straight.
    Bar {
        left: f32,
        right: f32,
        base: f32,
        shoulder: f32,
        end: f32,
        straight_from: f32,
        straight_to: f32,
        colour: &'static str,
    },
}

/// A piece of a text that one font has.
#[derive(Serialize)]
struct Run {
    family: &'static str,
    text: String,
}

/// Notes shapes, one after the other, on a sheet of this width.
pub struct Pen<'a> {
    shapes: Vec<Shape>,
    width: f32,
    direction: Direction,
    /// Whose shapes Chinese characters have.
    han: Option<&'a str>,
}

impl<'a> Pen<'a> {
    /// In words from right to left the whole sheet is mirrored, except the letters.
    pub fn new(width: f32, language: &'a Language) -> Self {
        Self { shapes: Vec::new(), width, direction: language.direction(), han: language.word("language.han") }
    }

    fn across(&self, x: f32) -> f32 {
        if self.direction == Direction::RightToLeft { self.width - x } else { x }
    }

    pub fn text(&mut self, text: &Text) {
        let Text { baseline, size, colour, strong: strength, .. } = *text;
        let x = self.across(text.x);
        let anchor = match (self.direction, text.anchor) {
            (Direction::RightToLeft, "start") => "end",
            (Direction::RightToLeft, "end") => "start",
            (_, anchor) => anchor,
        };
        self.shapes.push(Shape::Text { runs: runs(text.text, self.han), x, baseline, size, colour, anchor, strength });
    }

    pub fn line(&mut self, left: f32, right: f32, y: f32, colour: &'static str, width: f32) {
        let (left, right) = (self.across(left), self.across(right));
        self.shapes.push(Shape::Line { left, right, y: y.round(), colour, width });
    }

    /// A bar from `base` upwards, or downwards where `reach` is negative, round at its end.
    pub fn bar(&mut self, left: f32, base: f32, width: f32, reach: f32, colour: &'static str) {
        let round = (width / 4.0).min(reach.abs()).min(7.0);
        let (end, shoulder) = (base - reach, base - reach + round.copysign(reach));
        let left = if self.direction == Direction::RightToLeft { self.across(left) - width } else { left };
        let right = left + width;
        let (straight_from, straight_to) = (left + round, right - round);
        self.shapes.push(Shape::Bar { left, right, base, shoulder, end, straight_from, straight_to, colour });
    }

    /// The finished sheet.
    pub fn sheet(&self, height: f32) -> String {
        let width = self.width;
        let sheet = FRAME
            .get_template("report.svg")
            .and_then(|frame| frame.render(context! { width, height, shapes => Value::from(Serde(&self.shapes)) }));
        sheet.expect("the frame takes every shape")
    }
}

/// The pieces of a text. usvg takes all texts for left to right, and it lays the letters of each further font over those of the
/// first, for which that one must know where letters become one: so where Arabic letters are, its font comes first, with an
/// isolate that has no ink.
fn runs(text: &str, han: Option<&str>) -> Vec<Run> {
    let pieces = letters::runs(text, han).into_iter();
    let mut runs: Vec<Run> = pieces.map(|(font, piece)| Run { family: font.family, text: piece.to_owned() }).collect();
    if runs.iter().any(|run| run.family == letters::ARABIC.family) {
        let is_from_the_right = bidi::base(text) == Some(Direction::RightToLeft);
        let isolate = if is_from_the_right { "\u{2067}" } else { "\u{2066}" };
        runs.insert(0, Run { family: letters::ARABIC.family, text: isolate.to_owned() });
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        let language = Language::new("en");
        let mut pen = Pen::new(10.0, &language);
        pen.text(&Text::new(r#"</text> & "b" 'c' {{ x }} <image href="http://a/"/>"#, 0.0, 0.0, 10.0));
        let drawn = pen.sheet(10.0);
        let tree = resvg::usvg::roxmltree::Document::parse(&drawn).unwrap();
        let names: Vec<&str> =
            tree.descendants().filter(|node| node.is_element()).map(|node| node.tag_name().name()).collect();
        assert_eq!(names[..3], ["svg", "rect", "text"]);
        assert!(names[3..].iter().all(|name| *name == "tspan"), "{names:?}");
        let text: String = tree.descendants().filter(|node| node.is_text()).filter_map(|node| node.text()).collect();
        assert_eq!(text.trim(), r#"</text> & "b" 'c' {{ x }} <image href="http://a/"/>"#);
    }

    #[test]
    fn the_frame_refers_to_nothing_outside_of_it() {
        let frame = include_str!("../../../assets/report.svg");
        for reference in ["href", "url(", "@import", "<!", "<?", "<image", "<use", "<style", "<script"] {
            assert!(!frame.contains(reference), "{reference}");
        }
    }
}
