//! UTF-8 text of a bounded length, kept as given.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize, io};
use serde::{Deserialize, Deserializer, Serialize};

/// UTF-8 text of at most `MAX` bytes, kept exactly as it was given.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, BorshSerialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

/// A text longer than its place allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is {length} bytes of UTF-8; at most {most} are allowed")]
pub struct TextTooLong {
    /// How long it was, in bytes.
    pub length: usize,
    /// How long it may be, in bytes.
    pub most: usize,
}

impl<const MAX: usize> Text<MAX> {
    /// Takes a text.
    ///
    /// # Errors
    /// When it is longer than `MAX` bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, TextTooLong> {
        let text = text.into();
        if text.len() > MAX {
            return Err(TextTooLong {
                length: text.len(),
                most: MAX,
            });
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
impl<const MAX: usize> BorshDeserialize for Text<MAX> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let length = usize::try_from(<u32 as BorshDeserialize>::deserialize_reader(reader)?)
            .unwrap_or(usize::MAX);
        if length > MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                TextTooLong { length, most: MAX }.to_string(),
            ));
        }
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "text is not UTF-8"))?;
        Ok(Self(text))
    }
}
impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(<String as Deserialize>::deserialize(deserializer)?)
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode};

    #[test]
    fn bounded_in_every_way_in() {
        assert!(Text::<4>::new("lait").is_ok());
        assert_eq!(
            Text::<4>::new("latte"),
            Err(TextTooLong { length: 5, most: 4 })
        );
        let long = encode(&"latte".to_string());
        assert!(decode::<Text<4>>(&long).is_err());
        assert_eq!(decode::<Text<5>>(&long).unwrap().as_str(), "latte");
        assert!(decode::<Text<4>>(&[2, 0, 0, 0, 0xff, 0xfe]).is_err());
        assert!(serde_json::from_str::<Text<4>>("\"latte\"").is_err());
    }
}
