//! The man pages and shell completions in `docs/` are generated from the tools' definitions of their arguments. After a
//! change of a flag, `UPDATE_MANUAL=1 cargo test -p testkit --test manual` generates them again.

#![expect(clippy::disallowed_methods, reason = "no reader sees a page while a developer generates it")]

use std::path::Path;
use std::{fs, io};

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// The pages of a tool: the path in `docs/`, and the contents.
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
    pages.push((format!("man/{name}.1"), man_page(tool).expect("writing to a Vec cannot fail")));
    pages
}

/// Without a date, so that a page changes only with its tool; the examples keep their line breaks.
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
fn the_man_pages_and_completions_are_up_to_date() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let update = std::env::var_os("UPDATE_MANUAL").is_some();
    let tools = [
        dm_health::Args::command(),
        dm_migrate::Args::command(),
        dm_rollback::Args::command(),
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
            fs::read(&path).is_ok_and(|current| current == text),
            "docs/{file} is out of date: run UPDATE_MANUAL=1 cargo test -p testkit --test manual"
        );
    }
}
