//! Deduplication: each counters group contains the tokens of the last events that it counted. They prove whether an event
//! was counted, whatever was killed and whenever.
//!
//! The tokens are the values of `dm_recent_event{position="0"}` to `{position="7"}`, newest first: a new value does not
//! create a new series.

use std::fmt;

use crate::metrics::catalog;
use crate::metrics::exposition::{Exposition, Value};
use common::event::EventId;

/// The number of tokens in a group.
const CAPACITY: usize = 8;

/// The most PUTs of an event that are remembered.
const MAX_PUTS: usize = 4;

/// The token of an event: the first 52 bits of its id, which a 64-bit float represents exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token(u64);

impl Token {
    /// The token of the event with this id.
    pub(super) fn from_event_id(id: &EventId) -> Self {
        Self(u64::from_str_radix(id.as_str().get(..13).unwrap_or_default(), 16).unwrap_or(0))
    }

    /// Parses the output of [`fmt::Display`].
    pub(super) fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013x}", self.0)
    }
}

/// The recent tokens of a group, newest first. As text they are joined by `_`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RecentTokens(Vec<Token>);

impl fmt::Display for RecentTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, token) in self.0.iter().enumerate() {
            write!(f, "{}{token}", if position == 0 { "" } else { "_" })?;
        }
        Ok(())
    }
}

impl RecentTokens {
    /// Parses the output of [`fmt::Display`].
    pub(super) fn parse(text: &str) -> Self {
        Self(text.split('_').filter_map(Token::parse).take(CAPACITY).collect())
    }

    /// Removes the tokens from a group's families, and returns them.
    pub(super) fn take_from(group: &mut Exposition) -> Self {
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
        Self(positioned.into_iter().map(|(_, token)| token).take(CAPACITY).collect())
    }

    /// Adds the tokens to a group's families.
    pub(super) fn write_to(&self, group: &mut Exposition) {
        for (position, Token(bits)) in self.0.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "52 bits")]
            group.set(catalog::RECENT, &[("position", &position.to_string())], *bits as f64);
        }
    }

    /// Adds the newest token, and drops the oldest if there are too many.
    pub(super) fn push(&mut self, token: Token) {
        self.0.insert(0, token);
        self.0.truncate(CAPACITY);
    }

    /// The tokens of an event's PUTs, with that of one more. The name of a file has room for some only.
    pub(super) fn with_put(&self, token: Token) -> Self {
        let earlier = self.0.iter().copied().filter(|earlier| *earlier != token);
        Self(std::iter::once(token).chain(earlier).take(MAX_PUTS).collect())
    }

    fn contains(&self, token: Token) -> bool {
        self.0.contains(&token)
    }

    /// Whether the group has no token.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn is_full(&self) -> bool {
        self.0.len() >= CAPACITY
    }
}

/// The progress of an event's PUTs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PutRecord {
    /// The tokens that the PUTs wrote, newest first. All events of one PUT share its token. A PUT of a tool that was killed may
    /// still arrive, and overwrite the ones after it.
    pub tokens: RecentTokens,
    /// The tokens in the group before the last PUT. One would not be enough: its own PUT may be overwritten too.
    pub before: RecentTokens,
    /// Whether the Pushgateway acknowledged the last PUT.
    pub acknowledged: bool,
}

/// Whether an event that was sent before has been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeliveryState {
    /// It is counted.
    Counted,
    /// It is not counted, or another writer has overwritten it. It has to be added again.
    Lost,
    /// It is too old: its token may have dropped out.
    Unknown,
}

impl PutRecord {
    /// Decides from the recent tokens of the group; `None` if the group does not exist.
    pub(super) fn delivery_state(&self, recent: Option<&RecentTokens>) -> DeliveryState {
        // A group that was deleted or recreated has lost all its counts. Prometheus has scraped what was acknowledged, so
        // adding it again would count it twice.
        let lost = if self.acknowledged { DeliveryState::Unknown } else { DeliveryState::Lost };
        let Some(recent) = recent else { return lost };
        if self.tokens.0.iter().any(|token| recent.contains(*token)) {
            return DeliveryState::Counted;
        }
        match self.before.0.as_slice() {
            // An older token is still there, so a later one cannot have dropped out.
            before if before.iter().any(|older| recent.contains(*older)) => DeliveryState::Lost,
            // Nothing has dropped out of a list that is not full.
            [] if !recent.is_full() => DeliveryState::Lost,
            [_, ..] if !recent.is_full() => lost,
            _ => DeliveryState::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(newest_first: &[u64]) -> RecentTokens {
        RecentTokens(newest_first.iter().copied().map(Token).collect())
    }

    fn put(token: u64, before: Option<u64>, acknowledged: bool) -> PutRecord {
        let before = RecentTokens(before.into_iter().map(Token).collect());
        PutRecord { tokens: recent(&[token]), before, acknowledged }
    }

    #[test]
    fn an_event_that_was_overwritten_together_with_the_one_before_it_is_lost() {
        let text = recent(&[40, 4, 3]).to_string();
        let put = PutRecord { tokens: recent(&[50]), before: RecentTokens::parse(&text), acknowledged: true };
        assert_eq!(put.delivery_state(Some(&recent(&[9, 8, 7, 6, 5, 4, 3, 2]))), DeliveryState::Lost);
        assert_eq!(
            put.delivery_state(Some(&recent(&[19, 18, 17, 16, 15, 14, 13, 12]))),
            DeliveryState::Unknown
        );
    }

    #[test]
    fn a_put_that_arrives_late_counts_its_event_although_a_later_put_contained_it() {
        let tokens = recent(&[50]).with_put(Token(60));
        let put = PutRecord { tokens: tokens.clone(), before: recent(&[4, 3]), acknowledged: true };
        for arrived in [50, 60] {
            assert_eq!(put.delivery_state(Some(&recent(&[arrived, 4, 3]))), DeliveryState::Counted);
        }
        assert_eq!(put.delivery_state(Some(&recent(&[4, 3]))), DeliveryState::Lost);
        // The same token again is no other one.
        assert_eq!(tokens.with_put(Token(60)), tokens);
        let many = (0..20).fold(tokens, |tokens, token| tokens.with_put(Token(token)));
        assert_eq!(many, recent(&[19, 18, 17, 16]));
    }

    #[test]
    fn tokens_survive_the_group_exactly() {
        let mut group = Exposition::default();
        let mut tokens = recent(&[1]);
        let token = Token::from_event_id(&EventId::random());
        tokens.push(token);
        tokens.push(Token((1 << 52) - 1));
        tokens.write_to(&mut group);
        let text = crate::metrics::encode::encode(&group).unwrap();
        let mut read = crate::metrics::parse::parse_all(std::str::from_utf8(&text).unwrap());
        assert_eq!(RecentTokens::take_from(&mut read), tokens);
        assert_eq!(RecentTokens::parse(&tokens.to_string()), tokens);
        assert_eq!(RecentTokens::parse(&RecentTokens::default().to_string()), RecentTokens::default());
    }

    #[test]
    fn tokens_prove_that_an_event_is_counted_or_lost() {
        let full = [9, 8, 7, 6, 5, 4, 3, 2];
        for acknowledged in [true, false] {
            assert_eq!(
                put(5, Some(4), acknowledged).delivery_state(Some(&recent(&full))),
                DeliveryState::Counted
            );
            assert_eq!(
                put(50, Some(4), acknowledged).delivery_state(Some(&recent(&full))),
                DeliveryState::Lost
            );
            assert_eq!(
                put(50, Some(40), acknowledged).delivery_state(Some(&recent(&full))),
                DeliveryState::Unknown
            );
            assert_eq!(
                put(50, None, acknowledged).delivery_state(Some(&recent(&[1, 2]))),
                DeliveryState::Lost
            );
            assert_eq!(
                put(50, None, acknowledged).delivery_state(Some(&recent(&full))),
                DeliveryState::Unknown
            );
        }
        assert_eq!(
            put(5, Some(4), true).delivery_state(None),
            DeliveryState::Unknown,
            "the group was deleted"
        );
        assert_eq!(
            put(5, Some(4), true).delivery_state(Some(&recent(&[7]))),
            DeliveryState::Unknown,
            "and recreated"
        );
        assert_eq!(
            put(5, Some(4), false).delivery_state(None),
            DeliveryState::Lost,
            "it was never acknowledged"
        );
    }

    #[test]
    fn the_oldest_token_drops_out() {
        let mut tokens = RecentTokens::default();
        for token in 0..20 {
            tokens.push(Token(token));
        }
        assert_eq!(tokens.0[0], Token(19));
        assert!(tokens.contains(Token(12)) && !tokens.contains(Token(11)) && tokens.is_full());
    }
}
