//! Huffman tables (T.81, annex C) for a reader that wants the first coefficient of each block and nothing
//! else: what follows it is skipped, several coefficients a look.

use super::bits::Bits;

/// Bits looked at at once; longer codes go the slow way.
const LOOK: u32 = 12;
/// The coefficients behind the first.
const AC: u32 = 63;

/// Codes by their length, as the standard has them.
struct Codes {
    symbols: Vec<u8>,
    /// The largest code of each length, -1 for none; and what leads from a code to its symbol.
    largest: [i32; 17],
    offset: [i32; 17],
    /// (length, symbol) of the code that the next `LOOK` bits begin with; length 0 when it is longer.
    look: Vec<(u8, u8)>,
}

impl Codes {
    /// `None` when there are more codes than bits for them.
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut codes = Self {
            symbols: symbols.to_vec(),
            largest: [-1; 17],
            offset: [0; 17],
            look: vec![(0, 0); 1 << LOOK],
        };
        let (mut code, mut taken) = (0usize, 0usize);
        for (length, count) in (1u8..).zip(counts) {
            let count = usize::from(*count);
            if code + count > 1 << length {
                return None;
            }
            if count > 0 {
                codes.offset[usize::from(length)] =
                    i32::try_from(taken).ok()? - i32::try_from(code).ok()?;
                codes.largest[usize::from(length)] = i32::try_from(code + count - 1).ok()?;
            }
            if u32::from(length) <= LOOK {
                let room = LOOK - u32::from(length);
                for (n, symbol) in symbols.get(taken..taken + count)?.iter().enumerate() {
                    codes.look[(code + n) << room..(code + n + 1) << room].fill((length, *symbol));
                }
            }
            code = (code + count) << 1;
            taken += count;
        }
        Some(codes)
    }

    /// The code is longer than `LOOK` bits, or none at all.
    #[cold]
    #[inline(never)]
    fn slow(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let next = i32::try_from(bits.peek(16)).ok()?;
        for length in LOOK + 1..=16 {
            let code = next >> (16 - length);
            if code <= self.largest[length as usize] {
                let place = code + self.offset[length as usize];
                bits.skip(length);
                return self.symbols.get(usize::try_from(place).ok()?).copied();
            }
        }
        None
    }
}

/// For the first coefficient of a block: the difference to the block before it.
pub(super) struct First {
    codes: Codes,
    /// A difference whose code and bits are all looked at: `difference << 8 | bits`; 0 when they are not.
    whole: Vec<i32>,
}

impl First {
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let codes = Codes::new(counts, symbols)?;
        let whole = (0..1i32 << LOOK)
            .zip(&codes.look)
            .map(|(value, &(length, size))| {
                let bits = u32::from(length) + u32::from(size);
                if length == 0 || bits > LOOK {
                    return 0;
                }
                let raw = (value >> (LOOK - bits)) & ((1 << size) - 1);
                let negative = size > 0 && raw < 1 << (size - 1);
                let difference = if negative { raw - (1 << size) + 1 } else { raw };
                difference << 8 | bits.cast_signed()
            })
            .collect();
        Some(Self { codes, whole })
    }

    /// Takes at most 31 of the bits held.
    #[inline(always)]
    pub(super) fn difference(&self, bits: &mut Bits<'_>) -> Option<i32> {
        let next = bits.peek(LOOK);
        let whole = self.whole[next];
        if whole != 0 {
            bits.skip((whole & 0xff).cast_unsigned());
            return Some(whole >> 8);
        }
        let (length, size) = self.codes.look[next];
        let size = match length {
            0 => self.codes.slow(bits)?,
            _ => {
                bits.skip(u32::from(length));
                size
            }
        };
        // Eight-bit photos have no difference of more than eleven bits.
        (size <= 15).then(|| bits.signed(u32::from(size)))
    }
}

/// For the other 63 coefficients of a block: how many bits they take.
pub(super) struct Rest {
    codes: Codes,
    /// What the next `LOOK` bits begin: as many coefficients as have their code in them (low half), and the
    /// first alone (high half), each as `coefficients << 5 | bits`. The bits of a coefficient's value need not
    /// be looked at to be skipped.
    runs: Vec<u32>,
}

/// Counted for the code that ends a block. More than a look that does not end one can come to, on top of what was passed
/// before it: 62, and 62 and a run of sixteen.
const END: u32 = 160;

impl Rest {
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let codes = Codes::new(counts, symbols)?;
        let runs = (0..1usize << LOOK)
            .map(|value| runs(&codes.look, value))
            .collect();
        Some(Self { codes, runs })
    }

    /// Passes a block's other coefficients by.
    #[inline(always)]
    pub(super) fn skip(&self, bits: &mut Bits<'_>) -> Option<()> {
        let mut passed = 0;
        loop {
            bits.refill();
            // A look takes at most 27 bits and needs 12: two before the next refill.
            for _ in 0..2 {
                let run = self.runs[bits.peek(LOOK)];
                let after = passed + (run >> 5 & 0xff);
                if run != 0 && after < AC {
                    bits.skip(run & 31);
                    passed = after;
                } else if run != 0 && (after == AC || (END..END + AC).contains(&after)) {
                    bits.skip(run & 31);
                    return Some(());
                } else {
                    // The look reaches into the next block, or no code is short enough.
                    match run >> 16 {
                        0 => {
                            bits.refill();
                            let symbol = self.codes.slow(bits)?;
                            bits.skip(u32::from(symbol & 15));
                            passed += coefficients(symbol);
                        }
                        first => {
                            bits.skip(first & 31);
                            passed += first >> 5;
                        }
                    }
                    if passed >= AC {
                        return Some(());
                    }
                    break;
                }
            }
        }
    }
}

fn coefficients(symbol: u8) -> u32 {
    match symbol {
        // Zero bits of any run but sixteen zeros: the block ends.
        _ if symbol & 15 == 0 && symbol != 0xf0 => END,
        _ => u32::from(symbol >> 4) + 1,
    }
}

fn runs(look: &[(u8, u8)], value: usize) -> u32 {
    let (mut bits, mut passed, mut first) = (0, 0, 0);
    while bits < LOOK {
        let (length, symbol) = look[(value << bits) & ((1 << LOOK) - 1)];
        if length == 0 || bits + u32::from(length) > LOOK {
            break;
        }
        bits += u32::from(length) + u32::from(symbol & 15);
        passed += coefficients(symbol);
        if first == 0 {
            first = passed << 5 | bits;
        }
        if passed >= AC {
            break;
        }
    }
    match first {
        0 => 0,
        _ => first << 16 | passed << 5 | bits,
    }
}
