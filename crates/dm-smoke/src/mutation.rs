//! Real documents, broken anywhere: what a reader meets when a disk is full, a runner is killed, or a hand slips.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The longest piece that is cut out or said again, in bytes.
const LONGEST: usize = 60;

#[derive(Debug, Clone)]
enum Edit {
    Cut,
    SayAgain(Index),
    Insert(Vec<u8>),
}

/// One of the documents after some edits, in which `tokens` may come up anywhere.
pub(crate) fn of_one(
    documents: &'static [&'static str],
    tokens: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let edit = prop_oneof![
        Just(Edit::Cut),
        any::<Index>().prop_map(Edit::SayAgain),
        select(tokens).prop_map(|token| Edit::Insert(token.into())),
        vec(any::<u8>(), 1..4).prop_map(Edit::Insert),
    ];
    let edits = vec((any::<Index>(), 0..LONGEST, edit), 1..8);
    (select(documents), edits).prop_map(|(document, edits)| {
        let mut bytes = document.as_bytes().to_vec();
        for (at, length, edit) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            match edit {
                Edit::Cut => drop(bytes.drain(at..end)),
                Edit::SayAgain(to) => {
                    let piece = bytes[at..end].to_vec();
                    let to = to.index(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
                Edit::Insert(piece) => drop(bytes.splice(at..at, piece)),
            }
        }
        // As the readers do.
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
