//! The help text, as a snapshot.
use clap::CommandFactory;

#[test]
fn the_help_text() {
    let help = dm_migrate::Args::command().term_width(100).render_long_help();
    insta::assert_snapshot!(help.to_string());
}
