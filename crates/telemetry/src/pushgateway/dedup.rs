//! The tokens of the last events that a counters group took in: how an event is known to have been counted, whatever
//! was killed and whenever.
//!
//! They are kept in the group as values, `dm_recent_event{position="0"}` to `{position="7"}`, newest first: a value
//! changes without a new series.

use std::fmt;

use crate::metrics::catalog;
use crate::metrics::exposition::{Exposition, Value};
use common::event::EventId;

/// So many tokens are kept.
const LENGTH: usize = 8;

/// What stands for an event in a ring: the first 52 bits of its id, which a 64-bit float holds exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(u64);

impl Token {
    /// The token of an event.
    pub fn of(id: &EventId) -> Self {
        Self(u64::from_str_radix(id.as_str().get(..13).unwrap_or_default(), 16).unwrap_or(0))
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013x}", self.0)
    }
}

/// A group's tokens, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentTokens(Vec<Token>);

impl RecentTokens {
    /// Takes the ring out of a group's families.
    pub fn take(group: &mut Exposition) -> Self {
        let mut positioned: Vec<(usize, Token)> = Vec::new();
        if let Some(found) = group.families.remove(catalog::RECENT.name) {
            for (labels, value) in &found.series {
                let position = labels.get("position").and_then(|position| position.parse().ok());
                if let (Some(position), Value::Number(number)) = (position, value) {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "52 bits")]
                    positioned.push((position, Token(*number as u64)));
                }
            }
        }
        positioned.sort_by_key(|(position, _)| *position);
        Self(positioned.into_iter().map(|(_, token)| token).take(LENGTH).collect())
    }

    /// Puts the ring into a group's families.
    pub fn put(&self, group: &mut Exposition) {
        for (position, Token(bits)) in self.0.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "52 bits")]
            group.set(catalog::RECENT, &[("position", &position.to_string())], *bits as f64);
        }
    }

    /// The newest token.
    pub fn newest(&self) -> Option<Token> {
        self.0.first().copied()
    }

    /// Puts a token in front; the oldest falls out.
    pub fn push(&mut self, token: Token) {
        self.0.insert(0, token);
        self.0.truncate(LENGTH);
    }

    fn has(&self, token: Token) -> bool {
        self.0.contains(&token)
    }

    fn is_full(&self) -> bool {
        self.0.len() >= LENGTH
    }
}

/// How far the bookkeeping of an event's PUT came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put {
    /// The token that the PUT wrote. Events that went in one PUT share it.
    pub token: Token,
    /// The newest token before it.
    pub before: Option<Token>,
    /// Whether the gateway said that it took it.
    pub acknowledged: bool,
}

/// What a ring says of an event that was put before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It was counted.
    Counted,
    /// It was not, or another writer wrote over it: it has to be added again.
    Lost,
    /// It was so long ago that the ring does not tell any more.
    Unknown,
}

impl Put {
    /// What a group's ring says of this PUT; `None` where the group does not exist.
    pub fn standing(&self, ring: Option<&RecentTokens>) -> DeliveryState {
        // A group that is gone, or was made anew, lost the counts of all; what it had taken was seen before, and
        // adding it again would count it twice.
        let lost = if self.acknowledged { DeliveryState::Unknown } else { DeliveryState::Lost };
        let Some(ring) = ring else { return lost };
        if ring.has(self.token) {
            return DeliveryState::Counted;
        }
        match self.before {
            // What came just before is still there, so what came after it cannot have fallen out.
            Some(before) if ring.has(before) => DeliveryState::Lost,
            // Nothing ever fell out of a ring that is not full.
            None if !ring.is_full() => DeliveryState::Lost,
            Some(_) if !ring.is_full() => lost,
            _ => DeliveryState::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(newest_first: &[u64]) -> RecentTokens {
        RecentTokens(newest_first.iter().copied().map(Token).collect())
    }

    fn put(token: u64, before: Option<u64>, acknowledged: bool) -> Put {
        Put { token: Token(token), before: before.map(Token), acknowledged }
    }

    #[test]
    fn tokens_survive_the_group_exactly() {
        let mut group = Exposition::default();
        let mut ring = ring(&[1]);
        let token = Token::of(&EventId::random());
        ring.push(token);
        ring.push(Token((1 << 52) - 1));
        ring.put(&mut group);
        let text = crate::metrics::encode::encode(&group).unwrap();
        let mut read = crate::metrics::parse::parse(std::str::from_utf8(&text).unwrap(), |_| true, |_| true);
        assert_eq!(RecentTokens::take(&mut read), ring);
        assert_eq!(Token::parse(&token.to_string()), Some(token));
    }

    #[test]
    fn the_ring_tells_what_was_counted_what_was_lost_and_when_it_cannot_tell() {
        let full = [9, 8, 7, 6, 5, 4, 3, 2];
        for acknowledged in [true, false] {
            assert_eq!(put(5, Some(4), acknowledged).standing(Some(&ring(&full))), DeliveryState::Counted);
            assert_eq!(put(50, Some(4), acknowledged).standing(Some(&ring(&full))), DeliveryState::Lost);
            assert_eq!(put(50, Some(40), acknowledged).standing(Some(&ring(&full))), DeliveryState::Unknown);
            assert_eq!(put(50, None, acknowledged).standing(Some(&ring(&[1, 2]))), DeliveryState::Lost);
            assert_eq!(put(50, None, acknowledged).standing(Some(&ring(&full))), DeliveryState::Unknown);
        }
        assert_eq!(put(5, Some(4), true).standing(None), DeliveryState::Unknown, "the store was lost");
        assert_eq!(
            put(5, Some(4), true).standing(Some(&ring(&[7]))),
            DeliveryState::Unknown,
            "and made anew"
        );
        assert_eq!(put(5, Some(4), false).standing(None), DeliveryState::Lost, "it was never taken");
    }

    #[test]
    fn the_oldest_falls_out() {
        let mut ring = RecentTokens::default();
        for token in 0..20 {
            ring.push(Token(token));
        }
        assert_eq!(ring.newest(), Some(Token(19)));
        assert!(ring.has(Token(12)) && !ring.has(Token(11)) && ring.is_full());
    }
}
