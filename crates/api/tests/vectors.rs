//! The file in `docs/vectors` about proofs.

#[path = "../../types/tests/support/mod.rs"]
mod support;

use api::model::Proof;
use serde_json::{Value, json};
use support::{
    genesis, receipt,
    vectors::{case, compare_given},
};
use types::{BlsAndEd25519, Genesis, Receipt};

/// Checks a proof as a client does that has the genesis and nothing else.
fn judged(proof: &Value, genesis: &Genesis) -> Result<Value, String> {
    let proof: Proof =
        serde_json::from_value(proof.clone()).map_err(|_| "it is not a proof".to_owned())?;
    let receipt = Receipt::try_from(proof).map_err(|error| error.to_string())?;
    let id = receipt
        .verify(&BlsAndEd25519::new(), genesis)
        .map_err(|error| error.to_string())?;
    Ok(json!({ "order": id, "erased": receipt.personal.is_none() }))
}

/// The places of all values in a JSON value that are neither object nor list.
fn leaves(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            for (name, value) in fields {
                leaves(&format!("{at}/{name}"), value, found);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                leaves(&format!("{at}/{place}"), value, found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

/// Another value of the same form: a digit more or less, a letter for another.
fn tampered(value: &Value) -> Value {
    match value {
        Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
        Value::String(text) => match text.as_str() {
            "till" => "key".into(),
            "key" => "till".into(),
            "finalize" => "certify".into(),
            "EUR" => "USD".into(),
            _ => {
                let last = if text.ends_with('0') { '1' } else { '0' };
                let mut letters: Vec<char> = text.chars().collect();
                letters.pop();
                letters.push(last);
                String::from_iter(letters).into()
            }
        },
        other => panic!("no such value in a proof: {other}"),
    }
}

type Change = fn(&mut Value);

#[test]
fn proofs() {
    let signatures = &BlsAndEd25519::new();
    let four = genesis(signatures, 4);
    let members = || four.member_set().members().to_vec();
    let proof = |place| {
        let receipt = receipt(signatures, &four, place);
        serde_json::to_value(Proof::new(receipt, members())).unwrap()
    };
    let judge =
        |name: &str, proof: &Value| case(name, json!({ "proof": proof }), judged(proof, &four));
    let (till, signed) = (proof(0), proof(1));
    let mut erased = till.clone();
    erased["personal"] = Value::Null;
    let mut others = till.clone();
    others["members"] = json!([]);
    let mut cases = vec![
        judge("an order at a till", &till),
        judge("an order its customer signed", &signed),
        judge("an order whose personal part is erased", &erased),
        judge("members left out, which say nothing", &others),
    ];
    assert!(cases.iter().all(|case| case.get("expect").is_some()));

    for (what, proof) in [("at a till", &till), ("signed", &signed)] {
        let mut places = Vec::new();
        leaves("", proof, &mut places);
        // The list of members is for people; it proves nothing.
        places.retain(|place| !place.starts_with("/members/"));
        // One that was found in the proof of the till need not be tried twice.
        if what == "signed" {
            places.retain(|place| place.starts_with("/order/"));
        }
        for place in places {
            let mut changed = proof.clone();
            let value = changed.pointer_mut(&place).unwrap();
            *value = tampered(value);
            let case = judge(&format!("{what}: another {}", &place[1..]), &changed);
            assert!(case.get("refused").is_some(), "{what}: {place}");
            cases.push(case);
        }
    }
    let reshaped: [(&str, Change); 9] = [
        ("a path that goes on", |proof| {
            let path = proof["path"].as_array_mut().unwrap();
            path.push(path[0].clone());
        }),
        ("no path", |proof| proof["path"] = json!([])),
        ("a vote less", |proof| {
            proof["certificate"]["votes"].as_array_mut().unwrap().pop();
        }),
        ("a field too many", |proof| proof["order"]["tip"] = 1.into()),
        ("a field too many in the header", |proof| {
            proof["header"]["tip"] = 1.into();
        }),
        ("a field too many in the certificate", |proof| {
            proof["certificate"]["tip"] = 1.into();
        }),
        ("a field too many in a vote", |proof| {
            proof["certificate"]["votes"][0]["tip"] = 1.into();
        }),
        ("a field too few", |proof| {
            proof["order"].as_object_mut().unwrap().remove("currency");
        }),
        ("an amount beyond the most", |proof| {
            proof["order"]["minor_units"] = 1_000_000_000_000_001_u64.into();
        }),
    ];
    for (name, change) in reshaped {
        let mut changed = till.clone();
        change(&mut changed);
        let case = judge(name, &changed);
        assert!(case.get("refused").is_some(), "{name}");
        cases.push(case);
    }
    let mut other = four.clone();
    other.members.swap(0, 1);
    let inputs = json!({ "proof": till, "genesis": other });
    cases.push(case("another genesis", inputs, judged(&till, &other)));
    assert!(cases.last().unwrap().get("refused").is_some());
    compare_given(
        "proofs.json",
        "A proof as GET /v1/orders/{id}/proof gives it, checked against a genesis and nothing else: the order's \
         id, and whether customer and details are erased.",
        json!({ "genesis": four }),
        cases,
    );
}
