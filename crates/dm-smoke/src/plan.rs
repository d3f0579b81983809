//! What it means: checked values, and no flag left to ask about.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Result, bail};
use common::context::Context;
use common::env;
use common::http::parse_url;
use url::Url;

use crate::TOOL;
use crate::args::{Args, Flaky, Format, ReportFile};
use crate::runner::Limits;
use crate::suite::Suite;
use crate::suite_file::{Given, read};

/// The two things that the tool can do.
#[derive(Debug)]
pub enum Plan {
    /// Say that the suite is valid.
    Check(Suite),
    /// Run it.
    Run(Box<Run>),
}

/// A suite to run.
#[derive(Debug)]
pub struct Run {
    /// Who runs it, and where it is recorded.
    pub context: Context,
    /// The suite.
    pub suite: Suite,
    /// What relative URLs were put behind; for the commands.
    pub base_url: Option<Url>,
    /// How it is run.
    pub limits: Limits,
    /// Whether a flaky test is bad.
    pub flaky_fails: bool,
    /// What stdout carries.
    pub format: Format,
    /// The reports beside it.
    pub reports: Vec<ReportFile>,
}

/// Finds out what to do.
pub fn plan(args: Args) -> Result<Plan> {
    let Args { suite, base_url, jobs, timeout, check, format, report, deployment, export, .. } = args;
    let Args { retries, retry_delay, flaky, max_fail, deadline, filter, tag, .. } = args;
    let base_url = base_url.filter(|text| !text.is_empty()).map(|text| parse_base(&text)).transpose()?;
    if check {
        // The file alone is checked, and that is possible before anybody knows where it will be deployed, and where
        // nobody has its secrets.
        let base_url = base_url.or_else(|| Url::parse("http://base.invalid").ok());
        let env = |name: &str| env::system(name).or_else(|| Some(String::from("unset")));
        return Ok(Plan::Check(read(&suite, &Given { base_url: base_url.as_ref(), timeout, env: &env })?));
    }
    let suite = read(&suite, &Given { base_url: base_url.as_ref(), timeout, env: &env::system })?;
    let suite = suite.choose(|test| {
        filter.as_ref().is_none_or(|filter| filter.is_match(&test.name))
            && (tag.is_empty() || tag.iter().any(|tag| test.tags.contains(tag)))
    });
    check_folders(&report)?;
    let by_default = || if std::io::stdout().is_terminal() { Format::Human } else { Format::Jsonl };
    Ok(Plan::Run(Box::new(Run {
        context: Context::find(TOOL.name, &deployment, &export)?,
        suite,
        base_url,
        limits: Limits { jobs: usize::from(jobs), retries, retry_delay, max_fail, deadline },
        flaky_fails: flaky == Flaky::Fail,
        format: format.unwrap_or_else(by_default),
        reports: report,
    })))
}

/// A report that cannot be written is better known before the tests are run than after.
fn check_folders(reports: &[ReportFile]) -> Result<()> {
    for ReportFile { path, .. } in reports {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            bail!("--report: cannot write {}: there is no folder {}", path.display(), folder.display());
        }
    }
    Ok(())
}

/// A URL that paths can be put behind. What was typed is not shown: it may hold a password.
fn parse_base(text: &str) -> Result<Url> {
    match parse_url(text) {
        Ok(url) if url.query().is_none() && url.fragment().is_none() => Ok(url),
        Ok(_) => bail!("--base-url: paths are put behind it, so it has no ? and no #"),
        Err(error) => bail!("--base-url: {error}"),
    }
}
