//! Reading answers, cheaply where they are as expected.

use std::mem;

use types::OrderId;

/// What an answer for an accepted order begins with; the id follows, and then the rest.
const BEGIN: &[u8] = br#"{"id":""#;
const REST: &[u8] = br#"","state":"accepted"}"#;

/// The order's id, or how it was refused.
pub(crate) fn read_answer(line: &[u8]) -> Result<OrderId, String> {
    let id = line
        .strip_prefix(BEGIN)
        .and_then(|rest| rest.strip_suffix(REST))
        .and_then(|digits| {
            let mut id = [0; 32];
            hex::decode_to_slice(digits, &mut id).ok()?;
            Some(OrderId::new(id))
        });
    id.ok_or_else(|| String::from_utf8_lossy(line).into_owned())
}

/// Puts lines together that come in pieces.
#[derive(Debug, Default)]
pub(crate) struct LineReader {
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
}

impl LineReader {
    /// Takes a piece and hands over every line that ends in it, without its end.
    pub(crate) fn read(&mut self, piece: &[u8], mut take: impl FnMut(&[u8])) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = (&rest[..end], &rest[end + 1..]);
            if self.begun.is_empty() {
                take(line);
            } else {
                let mut whole = mem::take(&mut self.begun);
                whole.extend_from_slice(line);
                take(&whole);
            }
            rest = behind;
        }
        self.begun.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_order_is_known_by_its_id() {
        let line = format!(r#"{{"id":"{}","state":"accepted"}}"#, "ab".repeat(32));
        assert_eq!(read_answer(line.as_bytes()), Ok(OrderId::new([0xab; 32])));
    }

    #[test]
    fn anything_else_is_a_refusal() {
        for line in [
            r#"{"type":"urn:dexter:problem:pool-full","title":"full","status":503,"detail":"wait"}"#,
            r#"{"id":"abcd","state":"accepted"}"#,
            "",
        ] {
            assert_eq!(read_answer(line.as_bytes()), Err(line.to_owned()));
        }
    }

    #[test]
    fn lines_are_whole_wherever_they_are_cut() {
        let text = b"one\ntwo\n\nthree\n";
        for cut in 0..=text.len() {
            let (mut reader, mut lines) = (LineReader::default(), Vec::new());
            for piece in [&text[..cut], &text[cut..]] {
                reader.read(piece, |line| lines.push(line.to_vec()));
            }
            assert_eq!(lines, [&b"one"[..], b"two", b"", b"three"]);
        }
    }
}
