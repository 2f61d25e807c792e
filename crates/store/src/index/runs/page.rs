//! A page of pairs: each is written as what differs from the one before. Where customers come again, and of
//! receivers there are few, that is mostly a byte or two.

use unsigned_varint::{decode, encode};

use super::{super::entries::KEY_BYTES, run::Pair};

/// What the system reads at once anyway.
pub(super) const PAGE_BYTES: usize = 4096;
/// The checksum takes the rest.
const CONTENT_BYTES: usize = PAGE_BYTES - 4;
/// How many pairs there are stands first.
const COUNT_BYTES: usize = 2;

/// A page that is being filled with rising pairs.
pub(super) struct Page {
    bytes: Vec<u8>,
    count: u16,
    last: Option<Pair>,
}

impl Page {
    pub(super) fn new() -> Self {
        let mut bytes = Vec::with_capacity(PAGE_BYTES);
        bytes.resize(COUNT_BYTES, 0);
        Self {
            bytes,
            count: 0,
            last: None,
        }
    }

    /// How many pairs it has.
    pub(super) const fn count(&self) -> u16 {
        self.count
    }

    /// Adds a pair that is not below the last one; false where there is no room. An empty page has room.
    pub(super) fn push(&mut self, pair: Pair) -> bool {
        let key = pair.key.to_be_bytes();
        let (number, key) = match self.last {
            Some(last) if last.key == pair.key => ((pair.place - last.place) << 1, &[][..]),
            _ => (pair.place << 1 | 1, &key[..]),
        };
        let mut buffer = encode::u64_buffer();
        let number = encode::u64(number, &mut buffer);
        if self.bytes.len() + number.len() + key.len() > CONTENT_BYTES {
            return false;
        }
        self.bytes.extend_from_slice(number);
        self.bytes.extend_from_slice(key);
        self.count += 1;
        self.last = Some(pair);
        true
    }

    /// The whole page with its checksum.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes[..COUNT_BYTES].copy_from_slice(&self.count.to_be_bytes());
        bytes.resize(CONTENT_BYTES, 0);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_be_bytes());
        bytes
    }
}

/// Adds the pairs of a page; `None` where it is damaged.
pub(super) fn read(page: &[u8; PAGE_BYTES], pairs: &mut Vec<Pair>) -> Option<()> {
    let (content, checksum) = page.split_at(CONTENT_BYTES);
    if crc32fast::hash(content).to_be_bytes() != checksum {
        return None;
    }
    let (count, mut rest) = content.split_first_chunk::<COUNT_BYTES>()?;
    let count = u16::from_be_bytes(*count).into();
    let mut last: Option<Pair> = None;
    pairs.reserve(count);
    for _ in 0..count {
        let number;
        (number, rest) = decode::u64(rest).ok()?;
        let pair = if number & 1 == 0 {
            let Pair { key, place } = last?;
            let place = place.checked_add(number >> 1)?;
            Pair { key, place }
        } else {
            let key;
            (key, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
            Pair {
                key: u128::from_be_bytes(*key),
                place: number >> 1,
            }
        };
        pairs.push(pair);
        last = Some(pair);
    }
    (count > 0 && rest.iter().all(|byte| *byte == 0)).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs as of orders (every key once), of customers (some places a key) and of one receiver.
    fn lists() -> [Vec<Pair>; 3] {
        let pair = |key: u64, place| Pair {
            key: u128::from(key) << 77 | u128::from(key),
            place,
        };
        [
            (0..10_000)
                .map(|key| pair(key, u64::MAX / 2 - key))
                .collect(),
            (0..10_000).map(|n| pair(n / 7, n % 7 * 1_000)).collect(),
            (0..10_000).map(|place| pair(3, place)).collect(),
        ]
    }

    #[test]
    fn what_was_written_is_read() {
        for pairs in lists() {
            let mut pages = vec![Page::new()];
            for pair in &pairs {
                if !pages.last_mut().unwrap().push(*pair) {
                    let mut page = Page::new();
                    assert!(page.push(*pair));
                    pages.push(page);
                }
            }
            let mut found = Vec::new();
            for page in pages {
                let bytes = <[u8; PAGE_BYTES]>::try_from(page.into_bytes()).unwrap();
                read(&bytes, &mut found).unwrap();
            }
            assert_eq!(found, pairs);
        }
    }

    #[test]
    fn damage_is_noticed() {
        let mut page = Page::new();
        for pair in &lists()[1][..100] {
            assert!(page.push(*pair));
        }
        let right = <[u8; PAGE_BYTES]>::try_from(page.into_bytes()).unwrap();
        for place in (0..PAGE_BYTES).step_by(97) {
            let mut wrong = right;
            wrong[place] ^= 4;
            assert_eq!(read(&wrong, &mut Vec::new()), None);
        }
        // Pages whose checksum is right and whose content is not, as no disk makes them: a difference without a
        // pair before, no pairs, and something behind the last one.
        for (count, number, end) in [(1, 2, 0), (0, 0, 0), (1, 1, 1)] {
            let mut bytes = vec![0; CONTENT_BYTES];
            (bytes[1], bytes[2], bytes[CONTENT_BYTES - 1]) = (count, number, end);
            bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
            let wrong = <[u8; PAGE_BYTES]>::try_from(bytes).unwrap();
            assert_eq!(read(&wrong, &mut Vec::new()), None);
        }
    }
}
