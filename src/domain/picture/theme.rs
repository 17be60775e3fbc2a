//! The colours of a sheet: it is drawn in those for a light ground, and for readers in the dark each is put as its counterpart.

/// On which ground a sheet is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    #[default]
    Light,
    /// The ground of a mail's card in the dark (`templates/mail.html`).
    Dark,
}

/// Each colour of a drawing, and what stands in for it in the dark.
#[rustfmt::skip]
const DARK: [(&str, &str); 9] = [
    // Ground and halo, ink, labels, lines, zero line.
    ("#fff", "#23272a"), ("#1f2328", "#eceae5"), ("#59636e", "#b3b8bb"), ("#dfe3e8", "#3b4146"), ("#8c959f", "#868e95"),
    // Bars and pale bars, above and below zero.
    ("#1f6feb", "#6cb0ff"), ("#8fb8f6", "#2f5c94"), ("#cf222e", "#ff8078"), ("#f0a0a6", "#84403f"),
];

impl Theme {
    /// The drawing in the colours of this theme. A colour stands alone between quotes, which no text of a drawing has.
    pub fn coloured(self, svg: String) -> String {
        match self {
            Theme::Light => svg,
            Theme::Dark => {
                DARK.iter().fold(svg, |svg, (light, dark)| svg.replace(&format!("\"{light}\""), &format!("\"{dark}\"")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_has_a_counterpart_and_no_text_is_touched() {
        let drawing = "<text fill=\"#1f2328\">#1f2328 &quot;#1f2328&quot;</text>";
        let dark = Theme::Dark.coloured(drawing.to_owned());
        assert_eq!(dark, "<text fill=\"#eceae5\">#1f2328 &quot;#1f2328&quot;</text>");
        assert_eq!(Theme::Light.coloured(drawing.to_owned()), drawing);
        let is_light = |colour: &str| DARK.iter().any(|(light, _)| *light == colour);
        assert!(DARK.iter().all(|(_, dark)| !is_light(dark)), "no colour is put twice");
    }
}
