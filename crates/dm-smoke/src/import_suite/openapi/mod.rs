//! OpenAPI 3 and Swagger 2: one test for each GET operation, as a start.

mod description;
mod operation;
mod parameter;
mod reference;
mod security;

pub(super) use description::translate;
