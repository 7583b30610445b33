//! Ids as columns.

use uuid::Uuid;

/// The id as its 16 bytes.
pub(crate) fn bytes(id: &Uuid) -> &[u8] {
    id.as_bytes().as_slice()
}

/// Hexadecimal digits, for bytes inside JSON.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Below every id: where a list from the start begins.
pub(crate) const LOWEST: Uuid = Uuid::nil();

/// Above every id: where a list from the end begins.
pub(crate) const HIGHEST: Uuid = Uuid::max();

#[cfg(test)]
mod tests {
    #[test]
    fn hexadecimal_keeps_every_digit() {
        assert_eq!(super::hexadecimal(&[0x00, 0x0f, 0xa5, 0xff]), "000fa5ff");
    }
}
