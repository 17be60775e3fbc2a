//! Writes the shapes of a drawing as SVG.

use std::fmt::Write;

use crate::domain::picture::letters;

/// The colour of texts that say nothing else.
pub const INK: &str = "#1f2328";

/// How thick a text is. The fonts have one weight, so a stroke of the same colour makes it strong.
pub type Strength = &'static str;
pub const PLAIN: Strength = "";
pub const STRONG: Strength = " stroke=\"currentColor\" stroke-width=\"1.5\" stroke-linejoin=\"round\"";
/// A white rim, for a text that lies over lines.
pub const HALO: Strength = " stroke=\"#fff\" stroke-width=\"8\" stroke-linejoin=\"round\" paint-order=\"stroke\"";

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

/// Writes shapes, one after the other.
#[derive(Default)]
pub struct Pen {
    shapes: String,
}

impl Pen {
    pub fn text(&mut self, text: &Text) {
        let Text { x, baseline, size, colour, anchor, strong, .. } = text;
        self.write(format_args!(
            "<text x=\"{x:.1}\" y=\"{baseline:.1}\" font-size=\"{size:.1}\" fill=\"{colour}\" color=\"{colour}\" \
             text-anchor=\"{anchor}\"{strong}>"
        ));
        for (font, piece) in letters::runs(text.text) {
            self.write(format_args!("<tspan font-family=\"{}\">{}</tspan>", font.family, escape(piece)));
        }
        self.write(format_args!("</text>"));
    }

    pub fn line(&mut self, left: f32, right: f32, y: f32, colour: &str, width: f32) {
        let y = y.round();
        self.write(format_args!(
            "<path d=\"M{left:.1} {y:.1}H{right:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ));
    }

    /// A bar from `base` upwards, or downwards where `reach` is negative, round at its end.
    pub fn bar(&mut self, left: f32, base: f32, width: f32, reach: f32, colour: &str) {
        let round = (width / 4.0).min(reach.abs()).min(7.0);
        let (end, shoulder) = (base - reach, base - reach + round.copysign(reach));
        let right = left + width;
        self.write(format_args!(
            "<path d=\"M{left:.1} {base:.1}V{shoulder:.1}Q{left:.1} {end:.1} {:.1} {end:.1}H{:.1}\
             Q{right:.1} {end:.1} {right:.1} {shoulder:.1}V{base:.1}Z\" fill=\"{colour}\"/>",
            left + round,
            right - round
        ));
    }

    /// The finished sheet: white, because on the dark ground of a mail at night its black letters would not be seen.
    pub fn sheet(&self, width: f32, height: f32) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\">\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>{}</svg>",
            self.shapes
        )
    }

    fn write(&mut self, shape: std::fmt::Arguments) {
        self.shapes.write_fmt(shape).expect("a String takes every text");
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        assert_eq!(escape(r#"</text> & "b" 'c'"#), "&lt;/text&gt; &amp; &quot;b&quot; &apos;c&apos;");
    }
}
