//! How a deployment ended: on the terminal, and for the users of the app.

use std::process::Command;

use regex_lite::Regex;

use super::app::App;
use crate::deploy_failing::run;

/// The lines at the end of the terminal that are printed.
const LINES: usize = 4;

/// How a deployment should end.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    /// The name of the case.
    pub(super) case: &'a str,
    /// The exit code.
    pub(super) code: i32,
    /// What the last line is: a regular expression.
    pub(super) last_line: &'a str,
    /// The versions of API and front end that nginx serves then.
    pub(super) live: (&'a str, &'a str),
}

impl Ending<'_> {
    /// Deploys, and checks the end. Returns the whole terminal.
    pub(super) fn check(&self, app: &App, deployment: Command) -> String {
        let (code, said) = run(deployment);
        self.check_ended(app, code, &said);
        said
    }

    /// The same for a deployment that has ended with this code, and has printed this.
    #[expect(clippy::print_stdout, reason = "with --nocapture a person sees what people will read")]
    pub(super) fn check_ended(&self, app: &App, code: i32, said: &str) {
        let lines: Vec<&str> = said.lines().collect();
        println!("--- {}\n{}", self.case, lines[lines.len().saturating_sub(LINES)..].join("\n"));
        assert_eq!(code, self.code, "{}: {said}", self.case);
        let expected = Regex::new(&format!("^{}$", self.last_line)).unwrap();
        let last = lines.last().copied().unwrap_or_default();
        assert!(expected.is_match(last), "{}: {last:?} is not {:?}\n{said}", self.case, self.last_line);
        let (api, web) = app.live();
        assert_eq!((&*api, &*web), self.live, "{}: {said}", self.case);
    }
}
