//! Postman collections, version 2: <https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/index.html>.

mod collection;
mod item;
mod request;
mod script;
mod statement;
mod url;
mod variables;

pub(super) use collection::translate;
