//! Pixels as a PNG. A chart has few colours, so it is written with a palette: one byte per pixel before compression.

use resvg::tiny_skia::Pixmap;
use resvg::tiny_skia::PremultipliedColorU8;

/// Writes an opaque picture; with a palette where its colours are few enough.
pub fn encode(canvas: &Pixmap) -> Result<Vec<u8>, png::EncodingError> {
    let Some((palette, pixels)) = indexed(canvas.pixels()) else { return canvas.encode_png() };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, canvas.width(), canvas.height());
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_compression(png::Compression::High);
    // Filters are for shades that run into each other; the numbers of a palette do not.
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// The colours, red, green and blue, in the sequence of their first pixels, and the number of each pixel's colour;
/// `None` when there are more than 256.
fn indexed(pixels: &[PremultipliedColorU8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut colours: Vec<PremultipliedColorU8> = Vec::new();
    let mut numbers = Vec::with_capacity(pixels.len());
    let mut last = 0;
    for pixel in pixels {
        // Most pixels are as the one before.
        if colours.get(last) != Some(pixel) {
            last = colours.iter().position(|colour| colour == pixel).unwrap_or(colours.len());
            if last == colours.len() {
                colours.push(*pixel);
            }
        }
        numbers.push(u8::try_from(last).ok()?);
    }
    Some((colours.iter().flat_map(|colour| [colour.red(), colour.green(), colour.blue()]).collect(), numbers))
}
