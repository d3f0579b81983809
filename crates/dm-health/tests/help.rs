//! The help text, as a snapshot.
use clap::CommandFactory;

#[test]
fn the_help_text() {
    // The help shows the values of environment variables, which differ between machines.
    let command = dm_health::Args::command().mut_args(|arg| arg.hide_env_values(true));
    let help = command.term_width(100).render_long_help();
    insta::assert_snapshot!(help.to_string());
}
