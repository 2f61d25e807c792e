//! Habits that are easily lost one line at a time: files stay small, and nothing is left for later.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// About 500 lines is the aim; beyond this a file has more than one subject.
const MOST_LINES: usize = 700;

/// What marks work left undone, put together here so that this file does not find itself.
const UNDONE: [&str; 4] = [
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
];

/// What is wrong with one file's text.
fn faults(text: &str, is_test: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    let starts_tests =
        |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests {");
    let code = lines
        .windows(2)
        .position(starts_tests)
        .unwrap_or(lines.len());
    if !is_test && code > MOST_LINES {
        faults.push(format!(
            "{code} lines without tests; at most {MOST_LINES}: split it by subject"
        ));
    }
    for (number, line) in (1..).zip(&lines) {
        faults.extend(
            UNDONE
                .iter()
                .filter(|mark| line.contains(*mark))
                .map(|mark| format!("line {number} says {mark}: do it, or file an issue")),
        );
    }
    faults
}

/// All Rust sources below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            if entry.file_name() != "target" {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn sources_are_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    sources(&root.join("crates"), &mut found);
    sources(&root.join("xtask"), &mut found);
    assert!(found.len() > 20, "the sources were not found: {found:?}");
    let mut untidy = Vec::new();
    for path in found {
        let is_test =
            path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        let faults = faults(&fs::read_to_string(&path).unwrap(), is_test);
        untidy.extend(
            faults
                .into_iter()
                .map(|fault| format!("{}: {fault}", path.display())),
        );
    }
    assert_eq!(untidy, Vec::<String>::new());
}

#[test]
fn what_is_untidy_is_found() {
    let long = "let x = 1;\n".repeat(MOST_LINES + 1);
    assert_eq!(
        faults(&long, false),
        ["701 lines without tests; at most 700: split it by subject"]
    );
    assert_eq!(faults(&long, true), Vec::<String>::new());
    let mostly_tests = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_eq!(faults(&mostly_tests, false), Vec::<String>::new());
    for mark in UNDONE {
        let text = format!("fn f() {{}}\n// {mark} later\n");
        assert_eq!(
            faults(&text, false),
            [format!("line 2 says {mark}: do it, or file an issue")]
        );
    }
}
