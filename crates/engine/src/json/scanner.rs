//! Checks and skips values as fast as safe code can.
#![expect(clippy::inline_always, reason = "measured: without it a 200 kB page takes a third longer")]

use super::{DEPTH_MAX, JsonError};

/// A position in a text that is known to be UTF-8.
pub(super) struct Scanner<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// What went wrong, when something did.
    fault: Option<JsonError>,
}

/// Reading stopped; the scanner knows why. Without a size, so that results stay in registers.
#[derive(Debug)]
pub(super) struct Stopped;

/// A string without its quotes.
#[derive(Clone, Copy)]
pub(super) struct RawString {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) escaped: bool,
}

impl RawString {
    #[inline]
    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

/// Repeats a byte eight times.
const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The lowest set bit is in the first byte of the word (lowest address) that ends a run of ordinary string bytes: a
/// quote, a backslash or a control character. Zero when there is none.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = repeated(1);
    let quotes = word ^ repeated(b'"');
    let backslashes = word ^ repeated(b'\\');
    let found = (quotes.wrapping_sub(ONES) & !quotes)
        | (backslashes.wrapping_sub(ONES) & !backslashes)
        | (word.wrapping_sub(repeated(0x20)) & !word);
    found & repeated(0x80)
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, JsonError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(JsonError::TooLarge);
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(Self { bytes, at: 0, fault: None }),
            Err(error) => Err(JsonError::NotUtf8 { at: error.valid_up_to() }),
        }
    }

    /// Stops because of something that cannot stand here.
    #[cold]
    pub(super) fn malformed(&mut self) -> Stopped {
        let at = self.at.min(self.bytes.len());
        self.stop(JsonError::Malformed { at })
    }

    /// Stops for a reason.
    #[cold]
    pub(super) fn stop(&mut self, fault: JsonError) -> Stopped {
        self.fault = Some(fault);
        Stopped
    }

    /// Why reading stopped.
    pub(super) fn into_error(self, _: Stopped) -> JsonError {
        self.fault.unwrap_or(JsonError::Malformed { at: self.at })
    }

    /// The byte here; 0, which stands nowhere in JSON, at the end.
    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn skip_whitespace(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    /// The next byte that is no whitespace; the position is on it.
    #[inline(always)]
    pub(super) fn next_token(&mut self) -> u8 {
        let byte = self.peek();
        if byte > b' ' {
            return byte;
        }
        self.skip_whitespace();
        self.peek()
    }

    /// Takes the byte if it is the one.
    #[inline(always)]
    pub(super) fn take(&mut self, byte: u8) -> Result<(), Stopped> {
        if self.next_token() != byte {
            return Err(self.malformed());
        }
        self.at += 1;
        Ok(())
    }

    /// Nothing but whitespace to the end.
    pub(super) fn end(&mut self) -> Result<(), Stopped> {
        self.skip_whitespace();
        if self.at < self.bytes.len() { Err(self.malformed()) } else { Ok(()) }
    }

    /// A member's name and the colon after it.
    #[inline(always)]
    pub(super) fn member_name(&mut self) -> Result<RawString, Stopped> {
        self.take(b'"')?;
        let name = self.string_rest()?;
        self.take(b':')?;
        Ok(name)
    }

    /// The rest of a string whose opening quote was taken.
    #[inline(always)]
    pub(super) fn string_rest(&mut self) -> Result<RawString, Stopped> {
        let start = self.at as u32;
        let mut escaped = false;
        loop {
            self.skip_ordinary();
            match self.peek() {
                b'"' => {
                    let end = self.at as u32;
                    self.at += 1;
                    return Ok(RawString { start, end, escaped });
                }
                b'\\' => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                _ => return Err(self.malformed()),
            }
        }
    }

    /// Goes to the next quote, backslash or control character, or to the end.
    #[inline(always)]
    fn skip_ordinary(&mut self) {
        while let Some(chunk) = self.bytes[self.at..].first_chunk::<8>() {
            let special = special_bytes(u64::from_le_bytes(*chunk));
            if special != 0 {
                self.at += special.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while self.bytes.get(self.at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
            self.at += 1;
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(), Stopped> {
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                self.at += 1;
                Ok(())
            }
            b'u' => {
                self.at += 1;
                self.unicode_escape()
            }
            _ => Err(self.malformed()),
        }
    }

    /// Four digits after `\u`; a high surrogate only with a low one after it.
    fn unicode_escape(&mut self) -> Result<(), Stopped> {
        match self.four_digits()? {
            0xD800..=0xDBFF => {
                if !self.bytes[self.at..].starts_with(b"\\u") {
                    return Err(self.malformed());
                }
                self.at += 2;
                let low = self.four_digits()?;
                if (0xDC00..=0xDFFF).contains(&low) { Ok(()) } else { Err(self.malformed()) }
            }
            0xDC00..=0xDFFF => Err(self.malformed()),
            _ => Ok(()),
        }
    }

    fn four_digits(&mut self) -> Result<u32, Stopped> {
        let mut value = 0;
        for _ in 0..4 {
            let Some(digit) = char::from(self.peek()).to_digit(16) else { return Err(self.malformed()) };
            value = value * 16 + digit;
            self.at += 1;
        }
        Ok(value)
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Stopped> {
        if !self.peek().is_ascii_digit() {
            return Err(self.malformed());
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Stopped> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn literal(&mut self, text: &[u8]) -> Result<(), Stopped> {
        for byte in text {
            if self.peek() != *byte {
                return Err(self.malformed());
            }
            self.at += 1;
        }
        Ok(())
    }

    /// A value that is neither array nor object, with the position on its first byte.
    #[inline]
    fn scalar(&mut self, first: u8) -> Result<(), Stopped> {
        match first {
            b'"' => {
                self.at += 1;
                self.string_rest().map(drop)
            }
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.malformed()),
        }
    }

    /// Refuses to go deeper than [`DEPTH_MAX`] from `depth` levels.
    #[inline]
    pub(super) fn check_depth(&mut self, depth: usize) -> Result<(), Stopped> {
        if depth >= DEPTH_MAX { Err(self.stop(JsonError::TooDeep { at: self.at })) } else { Ok(()) }
    }

    /// Checks and skips one value that stands inside `depth` levels. No recursion: the kinds of the open levels are the
    /// bits of one number (1 for an object), the innermost lowest.
    pub(super) fn skip_value(&mut self, depth: usize) -> Result<(), Stopped> {
        let mut kinds = 0u128;
        let mut open = 0;
        loop {
            let first = self.next_token();
            if matches!(first, b'{' | b'[') {
                self.check_depth(depth + open)?;
                self.at += 1;
                let is_object = first == b'{';
                if self.next_token() != first + 2 {
                    kinds = (kinds << 1) | u128::from(is_object);
                    open += 1;
                    if is_object {
                        self.member_name()?;
                    }
                    continue;
                }
                self.at += 1;
            } else {
                self.scalar(first)?;
            }
            // A value ended: go on in its container, or leave as many containers as end here.
            loop {
                if open == 0 {
                    return Ok(());
                }
                let in_object = kinds & 1 == 1;
                match self.next_token() {
                    b',' => {
                        self.at += 1;
                        if in_object {
                            self.member_name()?;
                        }
                        break;
                    }
                    byte if byte == if in_object { b'}' } else { b']' } => {
                        self.at += 1;
                        kinds >>= 1;
                        open -= 1;
                    }
                    _ => return Err(self.malformed()),
                }
            }
        }
    }
}
