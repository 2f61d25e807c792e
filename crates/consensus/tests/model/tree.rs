//! The blocks there are: every block of a height has the same number of children.

use types::{BlockHash, Height};

/// A block, by its number in the tree: parents come before their children.
pub(crate) type Block = usize;

/// A set of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Blocks(u16);

impl Blocks {
    pub(crate) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    pub(crate) fn contains(self, block: Block) -> bool {
        self.0 >> block & 1 == 1
    }

    #[must_use]
    pub(crate) fn with(self, block: Block) -> Self {
        Self(self.0 | 1 << block)
    }

    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Block> {
        (0..u16::BITS as usize).filter(move |block| self.contains(*block))
    }
}

/// All blocks above the genesis that members may vote for.
#[derive(Debug)]
pub(crate) struct Tree {
    parents: Vec<Option<Block>>,
    levels: Vec<Blocks>,
    /// Each block's ancestors and the block itself.
    paths: Vec<Blocks>,
    /// Every way to rename the blocks that keeps the tree what it is.
    renamings: Vec<Renaming>,
}

/// New names for blocks. A search renames every set it meets in every way, so this is looked up: what
/// becomes of each half of a set, by the half's bits.
#[derive(Debug)]
pub(crate) struct Renaming {
    low: Vec<Blocks>,
    high: Vec<Blocks>,
}

impl Renaming {
    /// Block b becomes `names[b]`.
    fn new(names: &[Block]) -> Self {
        let half = |first: Block| {
            let renamed = |bits: u16| {
                (0..u8::BITS as usize)
                    .filter(|bit| bits >> bit & 1 == 1)
                    .filter_map(|bit| names.get(first + bit))
                    .fold(Blocks::default(), |all, name| all.with(*name))
            };
            (0..=u8::MAX.into()).map(renamed).collect()
        };
        Self {
            low: half(0),
            high: half(u8::BITS as usize),
        }
    }

    pub(crate) fn apply(&self, blocks: Blocks) -> Blocks {
        let [low, high] = blocks.0.to_le_bytes();
        self.low[usize::from(low)].or(self.high[usize::from(high)])
    }
}

impl Tree {
    /// The tree whose blocks of height h − 1 have `children[h - 1]` children each.
    pub(crate) fn new(children: &[usize]) -> Self {
        let mut tree = Self {
            parents: Vec::new(),
            levels: Vec::new(),
            paths: Vec::new(),
            renamings: Vec::new(),
        };
        let mut parents = vec![None];
        for count in children {
            let mut level = Vec::new();
            for parent in parents.iter().flat_map(|parent| vec![*parent; *count]) {
                let block = tree.parents.len();
                let above = parent.map_or(Blocks::default(), |parent| tree.path(parent));
                tree.parents.push(parent);
                tree.paths.push(above.with(block));
                level.push(block);
            }
            tree.levels
                .push(level.iter().fold(Blocks::default(), |all, b| all.with(*b)));
            parents = level.into_iter().map(Some).collect();
        }
        assert!(tree.parents.len() <= u16::BITS as usize);
        tree.rename(&mut Vec::new());
        tree
    }

    /// Collects the renamings that begin with `names`: a block may take any free name whose parent
    /// is the name of the block's parent.
    fn rename(&mut self, names: &mut Vec<Block>) {
        let Some(parent) = self.parents.get(names.len()) else {
            self.renamings.push(Renaming::new(names));
            return;
        };
        let parent = parent.map(|parent| names[parent]);
        for name in self.blocks() {
            if self.parents[name] == parent && !names.contains(&name) {
                names.push(name);
                self.rename(names);
                names.pop();
            }
        }
    }

    pub(crate) fn blocks(&self) -> std::ops::Range<Block> {
        0..self.parents.len()
    }

    pub(crate) fn levels(&self) -> &[Blocks] {
        &self.levels
    }

    /// `None` is the genesis.
    pub(crate) fn parent(&self, block: Block) -> Option<Block> {
        self.parents[block]
    }

    /// A block and its ancestors, without the genesis.
    pub(crate) fn path(&self, block: Block) -> Blocks {
        self.paths[block]
    }

    pub(crate) fn height(&self, block: Block) -> Height {
        Height(self.path(block).count() as u64)
    }

    pub(crate) fn renamings(&self) -> &[Renaming] {
        &self.renamings
    }

    pub(crate) fn hash(&self, block: Option<Block>) -> BlockHash {
        BlockHash::new([block.map_or(0, |block| u8::try_from(block + 1).unwrap()); 32])
    }

    pub(crate) fn block(&self, hash: BlockHash) -> Block {
        self.blocks()
            .find(|block| self.hash(Some(*block)) == hash)
            .expect("a block of the tree")
    }
}
