//! Page tokens, and pages kept ready so that the simulator is not what a benchmark measures.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use crate::control::lock;
use crate::people::State;

/// The most pages that are kept ready.
const READY_MAX: usize = 512;

/// Which page of which list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct PageKey {
    pub(super) filter: Option<State>,
    pub(super) size: usize,
    /// Place in the directory at which the page starts.
    pub(super) start: usize,
}

/// Pages that were made since the directory last changed.
#[derive(Debug, Default)]
pub(super) struct PageCache {
    ready: Mutex<(u64, HashMap<PageKey, Bytes>)>,
}

impl PageCache {
    /// The page, made by `make` when it is not ready.
    pub(super) fn get_or_make(&self, version: u64, key: PageKey, make: impl FnOnce() -> Bytes) -> Bytes {
        {
            let mut ready = lock(&self.ready);
            if ready.0 != version || ready.1.len() >= READY_MAX {
                *ready = (version, HashMap::new());
            }
            if let Some(page) = ready.1.get(&key) {
                return page.clone();
            }
        }
        let page = make();
        let mut ready = lock(&self.ready);
        if ready.0 == version {
            ready.1.insert(key, page.clone());
        }
        page
    }
}

/// An opaque token for a page: start, size and filter under a checksum.
pub(super) fn seal(key: u64, page: PageKey) -> String {
    let filter = match page.filter {
        None => 0u8,
        Some(State::Active) => 1,
        Some(State::Suspended) => 2,
        Some(State::Unspecified) => 3,
    };
    let mut bytes = Vec::with_capacity(17);
    bytes.push(filter);
    bytes.extend_from_slice(&(page.size as u32).to_be_bytes());
    bytes.extend_from_slice(&(page.start as u32).to_be_bytes());
    let sum = checksum(key, &bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The page that a token stands for; `None` when it was not made here.
pub(super) fn open(key: u64, token: &str) -> Option<PageKey> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (body, sum) = bytes.split_at_checked(9)?;
    if sum != checksum(key, body).to_be_bytes() {
        return None;
    }
    let number = |range: std::ops::Range<usize>| Some(u32::from_be_bytes(body.get(range)?.try_into().ok()?) as usize);
    let filter = match body[0] {
        0 => None,
        1 => Some(State::Active),
        2 => Some(State::Suspended),
        _ => Some(State::Unspecified),
    };
    Some(PageKey { filter, size: number(1..5)?, start: number(5..9)? })
}

fn checksum(key: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(key, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3).rotate_left(23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_for_its_page_and_an_altered_one_for_none() {
        let page = PageKey { filter: Some(State::Suspended), size: 25, start: 1175 };
        let token = seal(9, page);
        assert_eq!(open(9, &token), Some(page));
        assert_eq!(open(8, &token), None);
        for place in 0..token.len() {
            let mut altered: Vec<char> = token.chars().collect();
            altered[place] = if altered[place] == 'A' { 'B' } else { 'A' };
            assert_eq!(open(9, &altered.into_iter().collect::<String>()), None);
        }
        assert_eq!(open(9, ""), None);
        assert_eq!(open(9, "CAIQAg"), None);
    }
}
