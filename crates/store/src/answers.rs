//! Answers given under an idempotency key, on their way into the index and out of it.

use types::{Digest, UnixMillis};

use crate::{
    error::StoreError,
    frame::Position,
    index::{Change, Index, Space},
    layout::{answer_time_key, number, take_number, two_numbers},
    record::Answer,
    store::ANSWERS_KEPT_MILLIS,
};

/// How many old answers are removed besides one for each new one: old ones go away faster than new
/// ones come, and no write grows long.
const MOST_SWEPT: usize = 64;
const WHAT: &str = "an answer's entry";

/// Answers that are in the log and not yet in the index. As many as one commit brings.
#[derive(Debug, Default)]
pub(crate) struct PendingAnswers {
    answers: Vec<(Digest, UnixMillis, Position)>,
}

impl PendingAnswers {
    pub(crate) fn push(&mut self, answer: &Answer, position: Position) {
        self.answers.push((answer.key, answer.at, position));
    }

    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    /// Puts them into the index, the later of two under one key winning, and removes some that are
    /// older than a day.
    pub(crate) fn write(&mut self, index: &dyn Index) -> Result<(), StoreError> {
        let Some(newest) = self.answers.iter().map(|(_, at, _)| at.0).max() else {
            return Ok(());
        };
        let expired = newest.saturating_sub(ANSWERS_KEPT_MILLIS);
        let from = answer_time_key(0, &[]);
        let limit = self.answers.len().saturating_add(MOST_SWEPT);
        let mut puts = std::collections::BTreeMap::new();
        for (key, at, position) in &self.answers {
            puts.insert(
                (Space::Answers, key.as_ref().to_vec()),
                Some(two_numbers(position.to_u64(), at.0)),
            );
            puts.insert(
                (Space::AnswerTimes, answer_time_key(at.0, key.as_ref())),
                Some(Vec::new()),
            );
        }
        for (time_key, _) in index.range(Space::AnswerTimes, &from, &number(expired), limit)? {
            let mut key = &time_key[..];
            let at = take_number(&mut key, WHAT)?;
            let current = index
                .get(Space::Answers, key)?
                .map(|value| read_value(&value))
                .transpose()?;
            // The key may have been used again since.
            if current.is_some_and(|(_, current)| current.0 == at) {
                puts.entry((Space::Answers, key.to_vec())).or_insert(None);
            }
            puts.entry((Space::AnswerTimes, time_key)).or_insert(None);
        }
        let changes = puts
            .into_iter()
            .map(|((space, key), value)| Change { space, key, value });
        index.write(changes.collect())?;
        self.answers.clear();
        Ok(())
    }
}

/// Where an answer is in the log, and when it was given.
pub(crate) fn read_value(mut value: &[u8]) -> Result<(Position, UnixMillis), StoreError> {
    let position = Position::from_u64(take_number(&mut value, WHAT)?);
    Ok((position, UnixMillis(take_number(&mut value, WHAT)?)))
}
