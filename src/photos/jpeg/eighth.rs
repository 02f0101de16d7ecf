//! The luma of a JPEG at an eighth of its size: one pixel for each block of eight by eight, which is the block's
//! first coefficient. The other 63 are passed over, and in a progressive photo every scan but the first few too.
//!
//! The result is libjpeg's at scale 1/8, bit for bit. What is not the usual (arithmetic coding, twelve bits, four
//! colours, red, green and blue, luma sampled coarser than chroma) or not sound is declined: the whole decoder is the judge of those.

use super::bits::{Bits, Scan};
use super::huffman::{First, Rest};
use super::{APP14, DHT, DQT, DRI, SOF, SOS, Segment};
use crate::decode::Luma;

const BASELINE: u8 = 0xc0;
const EXTENDED: u8 = 0xc1;
const PROGRESSIVE: u8 = 0xc2;
/// A first coefficient is kept with at most so many bits left out until a later scan.
const MOST_LEFT_OUT: u8 = 13;

pub(crate) fn eighth(segments: &[Segment<'_>]) -> Option<Luma> {
    let mut tables = Tables::default();
    let mut picture: Option<Picture> = None;
    for segment in segments {
        match segment.marker {
            DQT => tables.quantizers(segment.body)?,
            DHT => tables.codes(segment.body, &picture)?,
            DRI => tables.restart = usize::from(be16(segment.body, 0)?),
            APP14 if segment.body.starts_with(b"Adobe") => {
                tables.rgb = segment.body.get(11) == Some(&0);
            }
            BASELINE | EXTENDED | PROGRESSIVE if picture.is_none() => {
                picture = Some(Picture::new(segment.marker, segment.body)?);
            }
            marker if SOF.contains(&marker) => return None,
            SOS => {
                let picture = picture.as_mut()?;
                picture.scan(segment, &tables)?;
                if picture.complete() {
                    break;
                }
            }
            _ => {}
        }
    }
    let picture = picture?;
    (!(tables.rgb && picture.components.len() == 3)).then_some(())?;
    picture.luma()
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

/// What the segments before a scan set.
#[derive(Default)]
struct Tables {
    /// Of the first coefficient.
    quantizers: [Option<u16>; 4],
    first: [Option<First>; 4],
    rest: [Option<Rest>; 4],
    /// Units between restart markers; 0 for none.
    restart: usize,
    /// Adobe's word for three components that are not luma and chroma.
    rgb: bool,
}

impl Tables {
    fn quantizers(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let wide = head >> 4 != 0;
            let (first, length) = if wide {
                (be16(rest, 0)?, 128)
            } else {
                (u16::from(*rest.first()?), 64)
            };
            *self.quantizers.get_mut(usize::from(head & 15))? = Some(first);
            body = rest.get(length..)?;
        }
        Some(())
    }

    fn codes(&mut self, mut body: &[u8], picture: &Option<Picture>) -> Option<()> {
        let progressive = picture.as_ref().is_some_and(|picture| picture.progressive);
        while let Some((&head, rest)) = body.split_first() {
            let counts: &[u8; 16] = rest.first_chunk()?;
            let length: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let symbols = rest.get(16..16 + length)?;
            let number = usize::from(head & 15);
            match head >> 4 {
                0 => *self.first.get_mut(number)? = Some(First::new(counts, symbols)?),
                // A progressive photo has the others in scans of their own.
                _ if progressive => {}
                _ => *self.rest.get_mut(number)? = Some(Rest::new(counts, symbols)?),
            }
            body = &rest[16 + length..];
        }
        Some(())
    }
}

struct Component {
    id: u8,
    /// Blocks of a unit, across and down.
    across: usize,
    down: usize,
    quantizer: usize,
}

struct Picture {
    progressive: bool,
    width: usize,
    height: usize,
    /// The first is luma.
    components: Vec<Component>,
    /// Units across and down; a unit is the smallest piece that has every component.
    units: (usize, usize),
    /// The luma blocks' first coefficients, row by row, whole units.
    coefficients: Vec<i16>,
    /// Of luma, as it stood at luma's first scan.
    quantizer: Option<u16>,
    /// Bits of the coefficients that later scans bring; `None` before the first.
    left_out: Option<u8>,
}

/// A component of a scan, with its tables.
struct Part<'a> {
    luma: bool,
    across: usize,
    down: usize,
    first: Option<&'a First>,
    rest: Option<&'a Rest>,
    before: i32,
}

impl Picture {
    fn new(marker: u8, body: &[u8]) -> Option<Self> {
        let (height, width) = (usize::from(be16(body, 1)?), usize::from(be16(body, 3)?));
        let count = usize::from(*body.get(5)?);
        if body.first() != Some(&8) || width == 0 || height == 0 || !matches!(count, 1 | 3) {
            return None;
        }
        let mut components: Vec<Component> = body
            .get(6..6 + 3 * count)?
            .chunks_exact(3)
            .map(|component| Component {
                id: component[0],
                across: usize::from(component[1] >> 4),
                down: usize::from(component[1] & 15),
                quantizer: usize::from(component[2]),
            })
            .collect();
        if count == 1 {
            // One component has units of one block, whatever it says (T.81, A.2.2).
            (components[0].across, components[0].down) = (1, 1);
        } else if components.iter().map(|c| c.id).eq(*b"RGB") {
            return None;
        }
        let (across, down) = (components[0].across, components[0].down);
        let fits = |c: &Component| (1..=across).contains(&c.across) && (1..=down).contains(&c.down);
        if across > 4 || down > 4 || !components.iter().all(fits) {
            return None;
        }
        let units = (width.div_ceil(8 * across), height.div_ceil(8 * down));
        Some(Self {
            progressive: marker == PROGRESSIVE,
            width,
            height,
            components,
            units,
            coefficients: vec![0; units.0 * across * units.1 * down],
            quantizer: None,
            left_out: None,
        })
    }

    fn complete(&self) -> bool {
        self.left_out == Some(0)
    }

    fn scan(&mut self, segment: &Segment<'_>, tables: &Tables) -> Option<()> {
        let count = usize::from(*segment.body.first()?);
        let parts = segment.body.get(1..1 + 2 * count)?;
        let &[from, _, approximation] = segment.body.get(1 + 2 * count..4 + 2 * count)? else {
            return None;
        };
        let (high, low) = (approximation >> 4, approximation & 15);
        let mut parts = parts
            .chunks_exact(2)
            .map(|part| self.part(part[0], part[1], tables))
            .collect::<Option<Vec<_>>>()?;
        if !parts.iter().any(|part| part.luma) || (self.progressive && from != 0) {
            return Some(());
        }
        // What a scan refines is what the one before it left out.
        let sound = match (self.progressive, self.left_out) {
            (false, None) => (high, low) == (0, 0),
            (true, None) => high == 0 && low <= MOST_LEFT_OUT,
            (true, Some(left_out)) => high == left_out && high == low + 1,
            (false, Some(_)) => false,
        };
        sound.then_some(())?;
        if self.left_out.is_none() {
            self.quantizer = *tables.quantizers.get(self.components[0].quantizer)?;
        }
        self.left_out = Some(low);

        let row = self.units.0 * self.components[0].across;
        let grid = if count == 1 {
            // Alone, a component has units of one block, and none that only fill its last units.
            (parts[0].across, parts[0].down) = (1, 1);
            (self.width.div_ceil(8), self.height.div_ceil(8))
        } else {
            self.units
        };
        let every = match tables.restart {
            0 => grid.0 * grid.1,
            restart => restart,
        };
        let scan = Scan::new(segment.data, (grid.0 * grid.1).div_ceil(every))?;
        let mut bits = scan.piece(0)?;
        let (mut piece, mut left) = (0, every);
        for down in 0..grid.1 {
            for across in 0..grid.0 {
                if left == 0 {
                    piece += 1;
                    bits = scan.piece(piece)?;
                    parts.iter_mut().for_each(|part| part.before = 0);
                    left = every;
                }
                left -= 1;
                for part in &mut parts {
                    let place = down * part.down * row + across * part.across;
                    let unit = part.luma.then(|| self.coefficients.get_mut(place..));
                    let unit = unit.flatten().unwrap_or_default();
                    match (self.progressive, high) {
                        (false, _) => part.blocks(&mut bits, unit, row)?,
                        (true, 0) => part.begin(&mut bits, unit, row, low)?,
                        (true, _) => part.refine(&mut bits, unit, row, low),
                    }
                }
                if bits.overrun() {
                    return None;
                }
            }
        }
        Some(())
    }

    fn part<'a>(&self, id: u8, chosen: u8, tables: &'a Tables) -> Option<Part<'a>> {
        let place = self.components.iter().position(|c| c.id == id)?;
        let component = &self.components[place];
        Some(Part {
            luma: place == 0,
            across: component.across,
            down: component.down,
            first: tables.first.get(usize::from(chosen >> 4))?.as_ref(),
            rest: tables.rest.get(usize::from(chosen & 15))?.as_ref(),
            before: 0,
        })
    }

    fn luma(&self) -> Option<Luma> {
        let quantizer = i32::from(self.complete().then_some(self.quantizer)??);
        let row = self.units.0 * self.components[0].across;
        let (width, height) = (self.width.div_ceil(8), self.height.div_ceil(8));
        let mut pixels = Vec::with_capacity(width * height);
        for line in self.coefficients.chunks_exact(row).take(height) {
            // A block's mean is an eighth of its first coefficient, and 128 is the middle (T.81, A.3.1).
            let pixel = |c: &i16| ((i32::from(*c) * quantizer + 4) >> 3) + 128;
            pixels.extend(line[..width].iter().map(|c| byte(pixel(c))));
        }
        Some(Luma {
            width,
            height,
            pixels,
        })
    }
}

fn byte(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or_default()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a sound photo's coefficients have eleven bits and more are damage"
)]
fn kept(coefficient: i32) -> i16 {
    coefficient as i16
}

impl Part<'_> {
    /// The blocks of a unit of a baseline scan. `unit` begins at the unit's first block; nothing is kept of chroma.
    #[inline(always)]
    fn blocks(&mut self, bits: &mut Bits<'_>, unit: &mut [i16], row: usize) -> Option<()> {
        let (first, rest) = (self.first?, self.rest?);
        for down in 0..self.down {
            for across in 0..self.across {
                bits.refill();
                self.before = self.before.wrapping_add(first.difference(bits)?);
                rest.skip(bits)?;
                if self.luma {
                    *unit.get_mut(down * row + across)? = kept(self.before);
                }
            }
        }
        Some(())
    }

    /// The same of a progressive photo's first scan, which has nothing but first coefficients.
    fn begin(
        &mut self,
        bits: &mut Bits<'_>,
        unit: &mut [i16],
        row: usize,
        left_out: u8,
    ) -> Option<()> {
        let first = self.first?;
        for down in 0..self.down {
            for across in 0..self.across {
                bits.refill();
                self.before = self.before.wrapping_add(first.difference(bits)?);
                if self.luma {
                    *unit.get_mut(down * row + across)? = kept(self.before << left_out);
                }
            }
        }
        Some(())
    }

    /// One more bit of each.
    fn refine(&mut self, bits: &mut Bits<'_>, unit: &mut [i16], row: usize, left_out: u8) {
        for down in 0..self.down {
            for across in 0..self.across {
                bits.refill();
                let bit = i16::from(bits.peek(1) == 1) << left_out;
                bits.skip(1);
                if self.luma
                    && let Some(coefficient) = unit.get_mut(down * row + across)
                {
                    *coefficient |= bit;
                }
            }
        }
    }
}
