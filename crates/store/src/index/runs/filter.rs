//! A filter tells that a key is not in a run without looking into it, nearly always.

/// So many bits a key make it wrong once in several hundred times; each time a page is read in vain.
const BITS_A_KEY: usize = 16;

/// Bits of one key.
const PROBES: u32 = 7;

/// A block of bits: what a processor fetches at once.
const BLOCK_WORDS: usize = 8;

/// Blocked Bloom filter (F. Putze, P. Sanders, J. Singler 2007) over keys that are hashes themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// For so many keys; none is in it yet.
    pub(super) fn for_keys(keys: usize) -> Self {
        let blocks = (keys * BITS_A_KEY).div_ceil(BLOCK_WORDS * 64).max(1);
        Self {
            words: vec![0; blocks * BLOCK_WORDS],
        }
    }

    /// From its words; `None` where these are not whole blocks.
    pub(super) fn from_words(words: Vec<u64>) -> Option<Self> {
        (!words.is_empty() && words.len().is_multiple_of(BLOCK_WORDS)).then_some(Self { words })
    }

    pub(super) fn into_words(self) -> Vec<u64> {
        self.words
    }

    pub(super) fn insert(&mut self, key: u128) {
        let (block, bits) = self.probes(key);
        for bit in bits {
            self.words[block + bit / 64] |= 1 << (bit % 64);
        }
    }

    /// False only where the key was not inserted.
    pub(super) fn may_hold(&self, key: u128) -> bool {
        let (block, bits) = self.probes(key);
        // All bits, whether or not the first is there: a processor looks for the next key meanwhile, where it
        // need not guess.
        bits.fold(true, |held, bit| {
            held & (self.words[block + bit / 64] & (1 << (bit % 64)) != 0)
        })
    }

    /// The first word of a key's block, and its bits there: the block from the upper half of the key,
    /// each bit from nine bits of the lower half.
    fn probes(&self, key: u128) -> (usize, impl Iterator<Item = usize> + use<>) {
        let blocks = (self.words.len() / BLOCK_WORDS) as u128;
        let block = (((key >> 64) * blocks) >> 64) as usize;
        let bits = (0..PROBES).map(move |probe| (key >> (9 * probe)) as usize % (BLOCK_WORDS * 64));
        (block * BLOCK_WORDS, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_inserted_is_held_and_hardly_any_other() {
        let key = |number: u64| u128::from_be_bytes(test_hash(number));
        let mut filter = Filter::for_keys(10_000);
        (0..10_000).for_each(|number| filter.insert(key(number)));
        assert!((0..10_000).all(|number| filter.may_hold(key(number))));
        let wrong = (10_000..110_000).filter(|number| filter.may_hold(key(*number)));
        let wrong = wrong.count();
        assert!(wrong < 500, "{wrong} of 100,000");
    }

    fn test_hash(number: u64) -> [u8; 16] {
        let digest: types::Digest = types::encoding::sha256(&number.to_be_bytes());
        digest.as_bytes()[..16].try_into().unwrap()
    }
}
