//! Pixels as a PNG. A chart has few colours, so it is written with a palette: one byte per pixel before compression.

use resvg::tiny_skia::{Pixmap, PremultipliedColorU8};

/// How far apart the shades of a colour are. Charts have some 200 colours as they are; where there are more than a palette
/// holds, those that look alike are made one. Each divides 255, so that white stays white, and the last leaves 216 colours.
const SHADES: [u8; 4] = [1, 5, 17, 51];

/// Writes an opaque picture.
pub fn encode(canvas: &Pixmap) -> Result<Vec<u8>, png::EncodingError> {
    let (palette, pixels) = SHADES
        .iter()
        .find_map(|apart| indexed(canvas.pixels(), *apart))
        .expect("six shades of red, green and blue each are 216 colours");
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
fn indexed(pixels: &[PremultipliedColorU8], apart: u8) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut colours: Vec<[u8; 3]> = Vec::new();
    let mut numbers = Vec::with_capacity(pixels.len());
    let mut last = None;
    for pixel in pixels {
        // Most pixels are as the one before.
        let number = match last {
            Some((before, number)) if before == *pixel => number,
            _ => {
                let colour = [pixel.red(), pixel.green(), pixel.blue()].map(|shade| nearest(shade, apart));
                let number = colours.iter().position(|known| *known == colour).unwrap_or(colours.len());
                if number == colours.len() {
                    colours.push(colour);
                }
                u8::try_from(number).ok()?
            }
        };
        last = Some((*pixel, number));
        numbers.push(number);
    }
    Some((colours.concat(), numbers))
}

/// The multiple of `apart` that is nearest to a shade.
fn nearest(shade: u8, apart: u8) -> u8 {
    (shade / apart + u8::from(shade % apart > apart / 2)) * apart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours(picture: &[u8]) -> Vec<u8> {
        let reader = png::Decoder::new(std::io::Cursor::new(picture)).read_info().unwrap();
        reader.info().palette.as_ref().unwrap().to_vec()
    }

    #[test]
    fn a_picture_of_all_colours_still_has_a_palette() {
        let mut canvas = Pixmap::new(256, 256).unwrap();
        for (at, pixel) in canvas.pixels_mut().iter_mut().enumerate() {
            let (red, green) = ((at % 256) as u8, (at / 256) as u8);
            *pixel = PremultipliedColorU8::from_rgba(red, green, red ^ green, 255).unwrap();
        }
        let palette = colours(&encode(&canvas).unwrap());
        assert!(palette.len() / 3 <= 256 && palette.iter().all(|shade| shade % 51 == 0));
    }

    #[test]
    fn few_colours_stay_what_they_are() {
        let mut canvas = Pixmap::new(2, 1).unwrap();
        canvas.pixels_mut()[0] = PremultipliedColorU8::from_rgba(1, 2, 3, 255).unwrap();
        canvas.pixels_mut()[1] = PremultipliedColorU8::from_rgba(255, 254, 253, 255).unwrap();
        assert_eq!(colours(&encode(&canvas).unwrap()), [1, 2, 3, 255, 254, 253]);
    }

    #[test]
    fn white_and_black_stay_white_and_black() {
        for apart in SHADES {
            assert_eq!((nearest(255, apart), nearest(0, apart)), (255, 0));
            assert!((0..=255).all(|shade: u8| nearest(shade, apart).abs_diff(shade) <= apart / 2));
        }
    }
}
