//! A scan's bits, once the stuffed zeros are out of it.

/// Zeros behind each piece of a scan, so that eight bytes can always be read at once.
const PADDING: usize = 16;

/// A scan's data without stuffing, in pieces between restart markers.
pub(super) struct Scan {
    bytes: Vec<u8>,
    /// Where each piece begins and ends.
    pieces: Vec<(usize, usize)>,
}

impl Scan {
    /// `None` when there are more pieces than `most`.
    pub(super) fn new(data: &[u8], most: usize) -> Option<Self> {
        let mut bytes = Vec::with_capacity(data.len() + PADDING);
        let (mut pieces, mut begun, mut at) = (Vec::new(), 0, 0);
        while let Some(place) = memchr::memchr(0xff, &data[at..]) {
            bytes.extend_from_slice(&data[at..at + place]);
            at += place;
            match data.get(at + 1) {
                Some(0) => {
                    bytes.push(0xff);
                    at += 2;
                }
                // Fill bytes before a marker.
                Some(0xff) => at += 1,
                Some(_) => {
                    pieces.push((begun, bytes.len()));
                    if pieces.len() >= most {
                        return None;
                    }
                    bytes.extend_from_slice(&[0; PADDING]);
                    begun = bytes.len();
                    at += 2;
                }
                None => {
                    at = data.len();
                    break;
                }
            }
        }
        bytes.extend_from_slice(&data[at..]);
        pieces.push((begun, bytes.len()));
        bytes.extend_from_slice(&[0; PADDING]);
        Some(Self { bytes, pieces })
    }

    /// Reads a piece from its first bit.
    pub(super) fn piece(&self, number: usize) -> Option<Bits<'_>> {
        let (from, end) = *self.pieces.get(number)?;
        let mut bits = Bits {
            bytes: &self.bytes,
            at: from,
            end,
            held: 0,
            count: 0,
        };
        bits.refill();
        Some(bits)
    }
}

/// Bits from the highest down. Past the end come zeros; [`Bits::overrun`] tells.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte to be read whole.
    at: usize,
    end: usize,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    /// At least 56 bits are held afterwards.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        // The padding keeps this from being cut short before the end of the piece was told.
        let at = self.at.min(self.bytes.len() - 8);
        let mut next = [0; 8];
        next.copy_from_slice(&self.bytes[at..at + 8]);
        self.held |= u64::from_be_bytes(next) >> self.count;
        self.at += ((63 - self.count) >> 3) as usize;
        self.count |= 56;
    }

    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 16 bits are asked for"
    )]
    pub(super) fn peek(&self, bits: u32) -> usize {
        (self.held >> (64 - bits)) as usize
    }

    /// No more than were peeked at or are held.
    #[inline(always)]
    pub(super) fn skip(&mut self, bits: u32) {
        self.held <<= bits;
        self.count -= bits;
    }

    /// A number of up to 15 bits whose first bit is its sign (T.81, F.2.2.1, `EXTEND`).
    #[inline(always)]
    #[expect(
        clippy::cast_possible_wrap,
        clippy::cast_possible_truncation,
        reason = "15 bits"
    )]
    pub(super) fn signed(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let raw = self.peek(size) as i32;
        self.skip(size);
        if raw < 1 << (size - 1) {
            raw - (1 << size) + 1
        } else {
            raw
        }
    }

    /// More bits were taken than the piece has.
    #[inline(always)]
    pub(super) fn overrun(&self) -> bool {
        self.at > self.end + (self.count >> 3) as usize
    }
}
