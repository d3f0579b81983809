//! The man pages and shell completions in `docs/` are made from the tools' own definitions. After a change of a
//! flag, `UPDATE_MANUAL=1 cargo test -p testkit --test manual` writes them anew.

#![expect(
    clippy::disallowed_methods,
    reason = "nobody reads the pages while a developer has them written anew"
)]

use std::path::Path;
use std::{fs, io};

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// Every page of a tool: where it is under `docs/`, and what it must hold.
fn pages(mut tool: Command) -> Vec<(String, Vec<u8>)> {
    let name = tool.get_name().to_owned();
    let mut pages = Vec::new();
    for (shell, file) in [
        (Shell::Bash, format!("{name}.bash")),
        (Shell::Fish, format!("{name}.fish")),
        (Shell::Zsh, format!("_{name}")),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut tool, &name, &mut script);
        pages.push((format!("completions/{file}"), script));
    }
    pages.push((format!("man/{name}.1"), man_page(tool).expect("a Vec can be written to")));
    pages
}

/// Without a date, so that a page changes only with its tool; with the lines of the examples as they stand.
fn man_page(tool: Command) -> io::Result<Vec<u8>> {
    let examples = tool.get_after_help().map(ToString::to_string).unwrap_or_default();
    let page = Man::new(tool);
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    let mut notes = Roff::new();
    notes.control("SH", ["NOTES"]).control("nf", []).text([roman(examples)]).control("fi", []);
    notes.to_writer(&mut text)?;
    Ok(text)
}

#[test]
fn the_man_pages_and_completions_are_those_of_the_tools() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let update = std::env::var_os("UPDATE_MANUAL").is_some();
    let tools = [
        dm_health::args::Args::command(),
        dm_migrate::args::Args::command(),
        dm_rollback::args::Args::command(),
        dm_smoke::args::Args::command(),
        dm_stage::Args::command(),
    ];
    for (file, text) in tools.into_iter().flat_map(pages) {
        let path = docs.join(&file);
        if update {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        assert!(
            fs::read(&path).is_ok_and(|now| now == text),
            "docs/{file} is not what the tool says: run UPDATE_MANUAL=1 cargo test -p testkit --test manual"
        );
    }
}
