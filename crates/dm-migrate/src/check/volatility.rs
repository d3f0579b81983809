//! Whether an expression is volatile: then each row of a new column gets a value of its own, so the table is written again.

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};

use super::facts::Facts;
use super::tree;

/// Volatile functions of the server and of its common extensions.
const VOLATILE: [&str; 11] = [
    "clock_timestamp",
    "gen_random_uuid",
    "nextval",
    "random",
    "timeofday",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
    "gen_random_bytes",
];

/// Functions that are not volatile and often used as a default or to fill rows.
const STABLE: [&str; 38] = [
    "abs",
    "array_length",
    "btrim",
    "coalesce",
    "concat",
    "concat_ws",
    "current_database",
    "current_schema",
    "current_setting",
    "date_trunc",
    "encode",
    "decode",
    "floor",
    "format",
    "greatest",
    "jsonb_build_array",
    "jsonb_build_object",
    "json_build_object",
    "least",
    "left",
    "length",
    "lower",
    "make_interval",
    "md5",
    "now",
    "nullif",
    "right",
    "round",
    "row_to_json",
    "split_part",
    "statement_timestamp",
    "substr",
    "timezone",
    "to_char",
    "to_jsonb",
    "to_timestamp",
    "transaction_timestamp",
    "upper",
];

/// What an expression is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Volatility {
    /// One value for all rows.
    Stable,
    /// A value for each row.
    Volatile,
    /// It calls this function, about which nothing is known.
    Unknown(String),
}

/// The volatility of an expression: that of its most volatile function.
pub(super) fn of(expression: &SyntaxNode, facts: &Facts) -> Volatility {
    let mut result = Volatility::Stable;
    for call in expression.descendants().filter_map(ast::CallExpr::cast) {
        // Without a name it is an expression of SQL, such as EXTRACT.
        let Some(name) = tree::function_name(&call) else { continue };
        match (VOLATILE.contains(&&*name), STABLE.contains(&&*name), facts.is_volatile.get(&name)) {
            (true, ..) | (.., Some(true)) => return Volatility::Volatile,
            (_, true, _) | (.., Some(false)) => {}
            (.., None) => result = Volatility::Unknown(name),
        }
    }
    result
}

/// Whether the function is known to lock nothing.
pub(super) fn is_known(name: &str, facts: &Facts) -> bool {
    const OTHER: [&str; 16] = [
        "avg",
        "count",
        "currval",
        "lastval",
        "max",
        "min",
        "pg_advisory_lock",
        "pg_advisory_unlock",
        "pg_advisory_xact_lock",
        "pg_sleep",
        "pg_try_advisory_lock",
        "row_number",
        "set_config",
        "setval",
        "sum",
        "version",
    ];
    [&VOLATILE[..], &STABLE[..], &OTHER[..]].iter().any(|known| known.contains(&name))
        || facts.is_built_in.get(name) == Some(&true)
}
