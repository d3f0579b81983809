//! The help text, as a snapshot.
use clap::CommandFactory;

#[test]
fn the_help_text() {
    let help = dm_stage::Args::command();
    // The values of variables depend on the machine.
    let mut help = help.mut_args(|arg| arg.hide_env_values(true)).term_width(100);
    insta::assert_snapshot!(help.render_long_help().to_string());
}
