//! Vectors in `docs/vectors`: the same inputs and answers for every implementation of the protocol.

use std::{collections::BTreeSet, fmt::Display, fs, path::Path};

use serde_json::{Value, json};

/// Writes the files anew instead of comparing with them.
const WRITE: &str = "DEXTER_WRITE_VECTORS";
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vectors");

/// A case: its inputs, and what they must yield or why they must be refused.
pub(crate) fn case(name: &str, inputs: Value, outcome: Result<Value, impl Display>) -> Value {
    let mut case = json!({ "name": name });
    put(&mut case, inputs);
    match outcome {
        Ok(expected) => case["expect"] = expected,
        Err(reason) => case["refused"] = reason.to_string().into(),
    }
    case
}

/// Inputs with some of their fields given otherwise.
pub(crate) fn with(mut inputs: Value, changes: Value) -> Value {
    put(&mut inputs, changes);
    inputs
}

fn put(object: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else {
        panic!("inputs are named");
    };
    object.as_object_mut().unwrap().extend(fields);
}

/// Compares a file of vectors with what this implementation makes of its inputs.
pub(crate) fn compare(file: &str, about: &str, cases: Vec<Value>) {
    compare_all(file, json!({ "about": about, "cases": cases }));
}

/// As [`compare`], with inputs that all cases share; a case may give its own instead.
pub(crate) fn compare_given(file: &str, about: &str, given: Value, cases: Vec<Value>) {
    let found = json!({ "about": about, "given": given, "cases": cases });
    compare_all(file, found);
}

fn compare_all(file: &str, found: Value) {
    let cases = cases_of(&found);
    let names: BTreeSet<_> = cases.iter().map(|case| case["name"].as_str()).collect();
    assert_eq!(names.len(), cases.len(), "{file}: two cases of one name");
    let path = Path::new(FOLDER).join(file);
    if std::env::var_os(WRITE).is_some_and(|value| value == "1") {
        let text = serde_json::to_string_pretty(&found).unwrap() + "\n";
        fs::write(&path, text).unwrap();
        return;
    }
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{file}: {error}; {WRITE}=1 writes it"));
    let golden: Value = serde_json::from_str(&text).unwrap();
    for (found, golden) in cases.iter().zip(cases_of(&golden)) {
        assert_eq!(found, golden, "{file}");
    }
    assert_eq!(found, golden, "{file}");
}

fn cases_of(file: &Value) -> &[Value] {
    file["cases"].as_array().map_or(&[], Vec::as_slice)
}
