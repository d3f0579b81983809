//! Column types: which changes of a type leave the table as it is, and which types can make a new column a rewrite.
//!
//! Source: <https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES>: no rewrite if the old type is
//! binary coercible to the new one, and the limit of the length does not shrink.

/// The names of types that are no domains, and do not number their rows.
const PLAIN: [&str; 49] = [
    "bigint",
    "bit",
    "bool",
    "boolean",
    "box",
    "bytea",
    "char",
    "character",
    "cidr",
    "circle",
    "citext",
    "date",
    "daterange",
    "decimal",
    "double",
    "float",
    "float4",
    "float8",
    "geometry",
    "hstore",
    "inet",
    "int",
    "int2",
    "int4",
    "int4range",
    "int8",
    "int8range",
    "integer",
    "interval",
    "json",
    "jsonb",
    "line",
    "macaddr",
    "money",
    "numeric",
    "numrange",
    "point",
    "polygon",
    "real",
    "regclass",
    "smallint",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "tsrange",
    "tstzrange",
    "uuid",
    "varchar",
];

/// The names of types that number their rows: the default is `nextval`, which is volatile.
const SERIAL: [&str; 6] = ["serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"];

/// What a type means for a new column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Plain,
    /// Each row gets a number.
    Serial,
    /// It may be a domain, whose constraint every row has to meet.
    Other,
}

/// The kind of the type with this name, without schema and length.
pub(super) fn kind(name: &str) -> Kind {
    if SERIAL.contains(&name) {
        Kind::Serial
    } else if PLAIN.contains(&name) || name == "timetz" || name == "tsvector" || name == "xml" {
        Kind::Plain
    } else {
        Kind::Other
    }
}

/// A type with the numbers in its parentheses.
#[derive(Debug, PartialEq, Eq)]
struct Type {
    name: String,
    numbers: Option<Vec<u32>>,
}

fn parse(text: &str) -> Option<Type> {
    let text = text.trim().to_lowercase();
    let text = text.strip_prefix("pg_catalog.").unwrap_or(&text);
    let (name, numbers) = match text.split_once('(') {
        None => (text, None),
        Some((name, rest)) => {
            let (numbers, after) = rest.split_once(')')?;
            if !after.trim().is_empty() {
                return None;
            }
            let numbers = numbers.split(',').map(|number| number.trim().parse().ok());
            (name, Some(numbers.collect::<Option<Vec<_>>>()?))
        }
    };
    let words: Vec<&str> = name.split_whitespace().collect();
    let name = match words.join(" ").as_str() {
        "character varying" => "varchar".to_owned(),
        "decimal" => "numeric".to_owned(),
        "bit varying" => "varbit".to_owned(),
        other => other.to_owned(),
    };
    Some(Type { name, numbers })
}

/// Whether a column of type `old` can get the type `new` without a rewrite and without a scan.
pub(super) fn needs_no_rewrite(old: &str, new: &str) -> bool {
    let (Some(old), Some(new)) = (parse(old), parse(new)) else { return false };
    if old == new {
        return true;
    }
    let grows = |old: &Type, new: &Type| match (&old.numbers, &new.numbers) {
        (_, None) => true,
        (Some(old), Some(new)) => old.len() == 1 && new.len() == 1 && old[0] <= new[0],
        (None, Some(_)) => false,
    };
    match (&*old.name, &*new.name) {
        ("varchar", "text") | ("cidr", "inet") => true,
        ("text", "varchar") => new.numbers.is_none(),
        ("varchar", "varchar") | ("varbit", "varbit") => grows(&old, &new),
        // The scale has to remain the same.
        ("numeric", "numeric") => match (&old.numbers, &new.numbers) {
            (_, None) => true,
            (Some(old), Some(new)) => {
                let scale = |numbers: &[u32]| numbers.get(1).copied().unwrap_or(0);
                scale(old) == scale(new) && old.first() <= new.first()
            }
            (None, Some(_)) => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_type_needs_no_rewrite() {
        for (old, new, expected) in [
            ("character varying(20)", "varchar(40)", true),
            ("character varying(20)", "text", true),
            ("character varying(20)", "varchar", true),
            ("text", "character varying", true),
            ("text", "varchar(40)", false),
            ("character varying(20)", "varchar(10)", false),
            ("numeric(8,2)", "numeric(10,2)", true),
            ("numeric(8,2)", "decimal", true),
            ("numeric(8,2)", "numeric(10,3)", false),
            ("numeric(8,2)", "numeric(10)", false),
            ("integer", "bigint", false),
            ("integer", "integer", true),
            ("text[]", "text", false),
            ("character varying(20)[]", "varchar(40)[]", false),
            ("timestamp(3) without time zone", "timestamp", false),
        ] {
            assert_eq!(needs_no_rewrite(old, new), expected, "{old} to {new}");
        }
    }
}
