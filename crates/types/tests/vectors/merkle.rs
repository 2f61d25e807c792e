//! The order log's Merkle tree.

use serde_json::{Value, json};
use types::{Digest, LogIndex, LogSize, merkle};

use crate::support::vectors::{case, compare};

fn data(count: u64) -> Vec<Vec<u8>> {
    let leaf = |number: u64| format!("entry {number}").into_bytes();
    (0..count).map(leaf).collect()
}

fn hashes(leaves: &[Vec<u8>]) -> Vec<Digest> {
    leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect()
}

fn path(leaves: &[Digest], index: u64) -> Vec<Digest> {
    let mut node = |node: merkle::Node| {
        let width = 1_usize << node.level;
        let start = usize::try_from(node.index).unwrap() * width;
        Some(merkle::root(&leaves[start..start + width]))
    };
    let size = LogSize(leaves.len() as u64);
    merkle::inclusion_path(LogIndex(index), size, &mut node).unwrap()
}

fn root_case(count: u64) -> Value {
    let leaves = data(count);
    let root = merkle::root(&hashes(&leaves));
    let leaves: Vec<String> = leaves.iter().map(hex::encode).collect();
    let name = match count {
        0 => "the root of nothing".to_owned(),
        1 => "the root of one leaf".to_owned(),
        _ => format!("the root of {count} leaves"),
    };
    let outcome = Ok::<_, String>(json!({ "root": root }));
    case(&name, json!({ "leaves": leaves }), outcome)
}

/// What an inclusion proof is made of.
#[derive(Clone)]
struct Inclusion {
    leaf: Vec<u8>,
    index: u64,
    size: u64,
    path: Vec<Digest>,
    root: Digest,
}

impl Inclusion {
    fn new(size: u64, index: u64) -> Self {
        let leaves = data(size);
        let hashes = hashes(&leaves);
        Self {
            leaf: leaves[usize::try_from(index).unwrap()].clone(),
            index,
            size,
            path: path(&hashes, index),
            root: merkle::root(&hashes),
        }
    }

    fn case(&self, name: &str) -> Value {
        let leaf = merkle::leaf_hash(&self.leaf);
        let inputs = json!({
            "leaf": hex::encode(&self.leaf),
            "index": self.index,
            "size": self.size,
            "path": self.path,
            "root": self.root,
        });
        let (index, size) = (LogIndex(self.index), LogSize(self.size));
        let outcome = if merkle::verify_inclusion(&leaf, index, size, &self.path, &self.root) {
            Ok(json!({ "leaf_hash": leaf }))
        } else if self.index >= self.size {
            Err("the index is beyond the log")
        } else {
            Err("leaf, index and path do not lead to the root")
        };
        case(name, inputs, outcome)
    }
}

type Change = fn(&mut Inclusion);

#[test]
fn merkle_trees() {
    let mut cases: Vec<Value> = [0, 1, 2, 3, 4, 5, 7, 8, 11].map(root_case).into();
    for (size, index) in [
        (1, 0),
        (2, 0),
        (2, 1),
        (5, 0),
        (5, 3),
        (5, 4),
        (7, 6),
        (8, 5),
        (11, 10),
        (11, 2),
    ] {
        cases.push(Inclusion::new(size, index).case(&format!("leaf {index} of {size}")));
    }
    assert!(cases.iter().all(|case| case.get("expect").is_some()));
    let changes: [(&str, Change); 14] = [
        ("another index", |of| of.index = 2),
        ("the last index", |of| of.index = 10),
        ("an index as large as the log", |of| of.index = 11),
        ("an index beyond the log", |of| of.index = 1 << 52),
        ("an index in an empty log", |of| {
            (of.index, of.size) = (0, 0)
        }),
        ("a path without its end", |of| {
            of.path.pop();
        }),
        ("a path without its beginning", |of| {
            of.path.remove(0);
        }),
        ("no path", |of| of.path.clear()),
        ("a path that goes on", |of| of.path.push(of.root)),
        ("a wrong sibling", |of| of.path[1] = Digest::new([7; 32])),
        ("siblings the other way round", |of| of.path.reverse()),
        ("another leaf", |of| of.leaf = b"entry 6".to_vec()),
        ("a log twice as large", |of| of.size = 22),
        ("another root", |of| of.root = of.path[0]),
    ];
    for (name, change) in changes {
        let mut inclusion = Inclusion::new(11, 5);
        change(&mut inclusion);
        let case = inclusion.case(name);
        assert!(case.get("refused").is_some(), "{name}");
        cases.push(case);
    }
    // The last leaf's path is shorter than others': one that suits a full level must not pass.
    let mut last = Inclusion::new(5, 4);
    last.path.insert(0, merkle::leaf_hash(&last.leaf));
    cases.push(last.case("a last leaf beside itself"));
    // A node inside the tree is not a leaf: its children's hashes are no entry.
    let mut inner = Inclusion::new(4, 0);
    let [left, right] = [0, 1].map(|index| hashes(&data(4))[index]);
    inner.leaf = [left.as_bytes().as_slice(), right.as_bytes()].concat();
    inner.path.remove(0);
    inner.size = 2;
    cases.push(inner.case("an inner node passed off as a leaf"));
    let refused = cases.iter().filter(|case| case.get("refused").is_some());
    assert_eq!(refused.count(), changes.len() + 2);
    compare(
        "merkle.json",
        "The order log's tree (RFC 9162). Cases with \"leaves\" (hexadecimal data of each) yield a root. Cases \
         with a \"path\", nearest sibling first, tell whether the leaf is at that index of a log of that size \
         and root.",
        cases,
    );
}
