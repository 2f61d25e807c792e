//! The rooms of the house lead into each other only as `docs/architecture.md` says.

use std::{collections::BTreeMap, fs, path::Path};

/// Which crates each crate may depend on; every other dependency within the project is forbidden.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("types", &[]),
    ("ledger", &["types"]),
    ("store", &["types"]),
    ("network", &["types"]),
    ("api", &["types"]),
    ("consensus", &["types", "ledger"]),
    ("replica", &["types", "ledger", "consensus", "store"]),
    (
        "simulator",
        &["types", "ledger", "consensus", "store", "replica"],
    ),
    (
        "node",
        &[
            "types",
            "ledger",
            "consensus",
            "store",
            "replica",
            "network",
            "api",
            "simulator",
        ],
    ),
    ("bench", &["types", "api"]),
];

/// The project's crates that a manifest depends on, in any of its dependency tables.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut within = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(table) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            let is_dependencies = |part: &str| part.ends_with("dependencies");
            within = table.split('.').next_back().is_some_and(is_dependencies);
            // `[dependencies.name]` is a table of its own.
            if let Some((before, name)) = table.rsplit_once('.')
                && is_dependencies(before)
            {
                found.push(name.to_owned());
            }
        } else if within && let Some((name, _)) = line.split_once(['.', '=', ' ']) {
            found.push(name.to_owned());
        }
    }
    let plain = found.iter().map(|name| {
        name.trim_matches('"')
            .trim_start_matches("dexter-")
            .to_owned()
    });
    let known = |name: &String| ALLOWED.iter().any(|(known, _)| known == name);
    plain.filter(known).collect()
}

/// Every way in which manifests, by crate, break the rule.
fn violations(manifests: &BTreeMap<String, String>) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, manifest) in manifests {
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| known == name) else {
            violations.push(format!("the crate {name} has no place in the architecture"));
            continue;
        };
        // A dependency by path could go under another name; the workspace's table is the only way in.
        if manifest.contains("path = \"..") {
            violations.push(format!("{name} names a dependency by its path"));
        }
        let forbidden = dependencies(manifest)
            .into_iter()
            .filter(|other| !allowed.contains(&other.as_str()));
        violations.extend(forbidden.map(|other| format!("{name} must not depend on {other}")));
    }
    violations
}

#[test]
fn crates_depend_on_each_other_only_as_allowed() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut manifests = BTreeMap::new();
    for folder in fs::read_dir(crates).unwrap() {
        let folder = folder.unwrap();
        let manifest = folder.path().join("Cargo.toml");
        if manifest.is_file() {
            let name = folder.file_name().into_string().unwrap();
            manifests.insert(name, fs::read_to_string(manifest).unwrap());
        }
    }
    assert!(
        manifests.len() >= 8,
        "the crates were not found: {:?}",
        manifests.keys()
    );
    assert_eq!(violations(&manifests), Vec::<String>::new());
}

/// Every Rust source below a folder, with its text.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((
                path.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
}

#[test]
fn a_node_uses_the_simulator_for_the_command_simulate_alone() {
    let mut found = Vec::new();
    let node = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/node/src");
    sources(&node, &mut found);
    let uses = |text: &str| text.contains("simulator::") || text.contains("use simulator");
    let (within, elsewhere): (Vec<_>, Vec<_>) = found
        .iter()
        .filter(|(_, text)| uses(text))
        .map(|(path, _)| path.as_str())
        .partition(|path| path.contains("/commands/simulate/"));
    assert!(!within.is_empty(), "the command was not found");
    assert_eq!(elsewhere, Vec::<&str>::new());
}

#[test]
fn this_crate_depends_on_nothing() {
    let manifest = include_str!("../Cargo.toml");
    let (_, dependencies) = manifest.split_once("[dependencies]").unwrap();
    assert_eq!(dependencies.trim(), "");
}

#[test]
fn a_forbidden_dependency_is_found_however_it_is_written() {
    for written in [
        "[dependencies]\nstore.workspace = true\n",
        "[dev-dependencies]\nstore = { workspace = true }\n",
        "[target.'cfg(unix)'.dependencies]\nstore = { workspace = true }\n",
        "[build-dependencies.store]\nworkspace = true\n",
        "[dependencies]\n\"dexter-store\" = \"1\"\n",
    ] {
        let manifests = BTreeMap::from([("api".to_owned(), written.to_owned())]);
        assert_eq!(
            violations(&manifests),
            ["api must not depend on store"],
            "{written}"
        );
    }
    let by_path = "[dependencies]\nother = { path = \"../store\", package = \"dexter-store\" }\n";
    let manifests = BTreeMap::from([("api".to_owned(), by_path.to_owned())]);
    assert_eq!(
        violations(&manifests),
        ["api names a dependency by its path"]
    );
    let unknown = BTreeMap::from([("attic".to_owned(), String::new())]);
    assert_eq!(
        violations(&unknown),
        ["the crate attic has no place in the architecture"]
    );
}

#[test]
fn an_allowed_dependency_passes() {
    let manifest = "[package]\nname = \"dexter-consensus\"\n[dependencies]\nledger.workspace = true\nthiserror.workspace = true\n";
    let manifests = BTreeMap::from([("consensus".to_owned(), manifest.to_owned())]);
    assert_eq!(violations(&manifests), Vec::<String>::new());
}
