//! A test's `command`.

use toml::de::DeValue;

use super::expect;
use super::fields::{self, Entry, Value};
use super::model::CommandTest;
use super::reader::TestReader;
use super::template::Template;

/// Reads a test's `command`, `expect` and `env`.
pub(crate) fn read<'t>(
    argv: &Value<'t>,
    expect: Option<&Value<'_>>,
    env: Vec<Entry<'t>>,
    reader: &mut TestReader<'_>,
) -> Option<CommandTest> {
    let expected = expect::command(expect, reader);
    let env = env
        .into_iter()
        .filter_map(|(name, value)| {
            let is_name = !name.get_ref().is_empty() && !name.get_ref().contains(['=', '\0']);
            if !is_name {
                reader
                    .diagnostics
                    .report(name.span(), "the name of a variable must not be empty or contain =");
            }
            Some((reader.literal(&name)?, reader.template_value(value)?.1))
        })
        .collect();
    let DeValue::Array(list) = argv.get_ref() else {
        return fields::mistyped(argv, "an array such as [\"./check.sh\", \"--all\"]", reader.diagnostics);
    };
    let words: Vec<Template> = list.iter().filter_map(|word| Some(reader.template_value(word)?.1)).collect();
    match words.as_slice() {
        [] if list.is_empty() => {
            reader.diagnostics.report(argv.span(), "a command needs a program");
            None
        }
        [program, ..] if program.is_empty() => {
            reader.diagnostics.report(argv.span(), "the program must not be empty");
            None
        }
        [program, rest @ ..] => {
            Some(CommandTest { program: program.clone(), args: rest.to_vec(), env, expected })
        }
        [] => None,
    }
}
